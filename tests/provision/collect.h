/** Reads a device file and keeps what came out, for tests. */
#ifndef KW_TESTS_PROVISION_COLLECT_H
#define KW_TESTS_PROVISION_COLLECT_H

#include "provision/row.h"

#include <stddef.h>

#define COLLECT_MAX 64

struct collected {
	enum kw_err err;
	char why[PR_TEXT_SIZE];
	size_t row_count;
	struct pr_row rows[COLLECT_MAX];
	size_t problem_count;
	struct pr_problem problems[COLLECT_MAX];
	size_t notice_count;
	char notices[COLLECT_MAX][PR_TEXT_SIZE];
};

/** Read `length` octets from memory of exactly that size. */
void collect(struct collected *out, const char *text, size_t length);
/** The same with a string. */
void collect_text(struct collected *out, const char *text);
/** Whether one of the notices is this. */
bool has_notice(const struct collected *collected, const char *text);
/** Fail unless there is just one problem, on this line, with this error and these words in it. */
void assert_problem(
	const struct collected *collected, uint32_t line, enum kw_err err, const char *words);
/** Fail if any message holds four characters in a row of this text, in either case. */
void assert_not_told(const struct collected *collected, const char *secret);

#endif
