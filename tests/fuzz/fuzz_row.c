#include "provision/row.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* Whatever the file, each good row is one that was allowed, and reads the same once written. */

static enum kw_err take_again(void *context, const struct pr_row *row)
{
	struct pr_row *again = context;

	*again = *row;
	return KW_OK;
}

static enum kw_err no_problem(void *context, const struct pr_problem *problem)
{
	(void)context;
	(void)problem;
	fuzz_require(false);
	return KW_E_INVALID;
}

static void read_again(const struct pr_row *row)
{
	char text[256 + PR_CSV_ROW_MAX];
	const size_t header = strlen(pr_csv_header);
	struct pr_row again;
	const struct pr_sink sink = {.row = take_again, .problem = no_problem, .context = &again};
	char why[PR_TEXT_SIZE];
	size_t length;

	memset(&again, 0xff, sizeof(again));
	memcpy(text, pr_csv_header, header);
	length = pr_csv_write_row(row, text + header);
	fuzz_require(length < PR_CSV_ROW_MAX && memchr(text + header, '\n', length - 1) == NULL);
	fuzz_require(pr_read(text, header + length, &sink, why) == KW_OK);
	again.line = row->line;
	fuzz_require(memcmp(&again, row, sizeof(again)) == 0);
}

static enum kw_err take_row(void *context, const struct pr_row *row)
{
	(void)context;
	fuzz_require(row->line > 0);
	fuzz_require(lw_version_valid(row->version));
	fuzz_require(row->has_nwk_key == lw_version_is_1_1(row->version));
	fuzz_require(memchr(row->name, '\0', sizeof(row->name)) != NULL);
	read_again(row);
	return KW_OK;
}

static enum kw_err take_problem(void *context, const struct pr_problem *problem)
{
	(void)context;
	fuzz_require(problem->line > 0 && problem->err != KW_OK);
	fuzz_require(problem->text[0] != '\0');
	fuzz_require(memchr(problem->text, '\0', sizeof(problem->text)) != NULL);
	return KW_OK;
}

static void take_notice(void *context, const char *text)
{
	(void)context;
	fuzz_require(strlen(text) < PR_TEXT_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pr_sink sink = {
		.row = take_row, .problem = take_problem, .notice = take_notice};
	char why[PR_TEXT_SIZE];
	const enum kw_err err = pr_read((const char *)data, size, &sink, why);

	fuzz_require(err == KW_OK || err == KW_E_SYNTAX);
	fuzz_require((err == KW_OK) == (why[0] == '\0'));
	return 0;
}
