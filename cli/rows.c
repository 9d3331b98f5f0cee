#include "cli/rows.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define START_SIZE 256

/* realloc() would leave keys behind. */
static enum kw_err grow(struct cli_rows *rows)
{
	const size_t size = rows->size == 0 ? START_SIZE : 2 * rows->size;
	struct pr_row *larger = calloc(size, sizeof(*larger));

	if (larger == NULL) {
		return KW_E_NO_MEMORY;
	}
	if (rows->rows != NULL) {
		memcpy(larger, rows->rows, rows->count * sizeof(*larger));
		kw_wipe(rows->rows, rows->count * sizeof(*larger));
		free(rows->rows);
	}
	rows->rows = larger;
	rows->size = size;
	return KW_OK;
}

static enum kw_err take_row(void *context, const struct pr_row *row)
{
	struct cli_rows *rows = context;

	if (rows->count == rows->size) {
		const enum kw_err err = grow(rows);

		if (err != KW_OK) {
			return err;
		}
	}
	rows->rows[rows->count++] = *row;
	return KW_OK;
}

static enum kw_err take_problem(void *context, const struct pr_problem *problem)
{
	struct cli_rows *rows = context;

	rows->refused++;
	rows->problem(rows->context, problem->line, problem->text);
	return KW_OK;
}

static void take_notice(void *context, const char *text)
{
	const struct cli_rows *rows = context;

	if (rows->notice != NULL) {
		rows->notice(rows->context, text);
	}
}

enum kw_err cli_rows_read(
	struct cli_rows *rows, const char *text, size_t length, char why[PR_TEXT_SIZE])
{
	const struct pr_sink sink = {
		.row = take_row, .problem = take_problem, .notice = take_notice, .context = rows};

	return pr_read(text, length, &sink, why);
}

void cli_rows_finish(struct cli_rows *rows)
{
	if (rows->rows != NULL) {
		kw_wipe(rows->rows, rows->count * sizeof(*rows->rows));
		free(rows->rows);
	}
	memset(rows, 0, sizeof(*rows));
}

size_t cli_rows_write(const struct pr_row *rows, size_t count, size_t max,
	char out[CLI_CHUNK_OCTETS], size_t *length)
{
	size_t used = (size_t)(stpcpy(out, pr_csv_header) - out);
	size_t written = 0;

	while (written < count && written < max && used + PR_CSV_ROW_MAX <= CLI_CHUNK_OCTETS) {
		used += pr_csv_write_row(&rows[written++], out + used);
	}
	*length = used;
	return written;
}
