/** What csv.c and json.c share with read.c while a file is read. */
#ifndef KW_PROVISION_READ_H
#define KW_PROVISION_READ_H

#include "provision/record.h"
#include "provision/runs.h"
#include "provision/seen.h"
#include "provision/window.h"

#define PR_IGNORED_MAX 64

struct pr_reading {
	const struct pr_sink *sink;
	char *why; /* PR_TEXT_SIZE */
	struct pr_seen dev_euis;
	struct pr_runs runs; /* DevEUIs that are farther back */
	bool long_file;      /* there may be such */
	struct pr_record record;
	struct pr_row row;
	bool said_join_eui_zero;
	bool said_names_cut;
	bool said_many_ignored;
	size_t ignored_count; /* names already reported */
	char ignored[PR_IGNORED_MAX][PR_COLUMN_ECHO_SIZE];
};

/** Check the record, give it to the sink and clear it. @return what a callback returned */
KW_MUST_CHECK enum kw_err pr_reading_submit(struct pr_reading *reading);
/** Say once that a column is not used. */
void pr_reading_ignore(struct pr_reading *reading, const char *name, size_t length);
/** Put words into *why. @return KW_E_SYNTAX */
KW_MUST_CHECK enum kw_err pr_reading_fail(struct pr_reading *reading, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** May move the window. */
KW_MUST_CHECK enum kw_err pr_csv_read(struct pr_reading *reading, struct pr_window *window);
KW_MUST_CHECK enum kw_err pr_json_read(struct pr_reading *reading, const char *text, size_t length);

#endif
