#include "provision/read.h"

#include "base/secret.h"

#include <string.h>

#define COLUMNS_MAX  256
#define LINE_END_MAX 2 /* octets */

/* A CSV text while it is taken apart: RFC 4180 with any of three separators and any line end. */
struct csv {
	struct pr_reading *reading;
	struct pr_window *window;
	const char *at;
	const char *end; /* of the window */
	uint32_t line;   /* of `at`, from 1 */
	char separator;
	size_t column_count;
	enum pr_column columns[COLUMNS_MAX];
};

/* What ends a field. */
enum stop {
	STOP_SEPARATOR,
	STOP_LINE,
	STOP_OPEN_QUOTE, /* the text ended inside quotes */
};

static bool at_line_end(const struct csv *csv)
{
	return csv->at == csv->end || *csv->at == '\n' || *csv->at == '\r';
}

/* Step over LF, CRLF or CR. */
static void skip_line_end(struct csv *csv)
{
	if (csv->at < csv->end && *csv->at == '\r') {
		csv->at++;
		if (csv->at < csv->end && *csv->at == '\n') {
			csv->at++;
		}
		csv->line++;
	} else if (csv->at < csv->end) {
		csv->at++;
		csv->line++;
	}
}

static void count_quoted_line_end(struct csv *csv)
{
	const bool crlf = *csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n';

	if (*csv->at == '\n' || (*csv->at == '\r' && !crlf)) {
		csv->line++;
	}
}

/* Inside quotes. */
static bool ends_run(char c)
{
	return c == '"' || c == '\n' || c == '\r';
}

/* Behind the opening quote. Returns false if the closing one is missing. */
static bool read_quoted(struct csv *csv, struct pr_field *field)
{
	for (; csv->at < csv->end; csv->at++) {
		const char *plain = csv->at;

		while (csv->at < csv->end && !ends_run(*csv->at)) {
			csv->at++;
		}
		pr_field_append(field, plain, (size_t)(csv->at - plain));
		if (csv->at == csv->end) {
			break;
		}
		if (*csv->at == '"') {
			csv->at++;
			if (csv->at == csv->end || *csv->at != '"') {
				return true;
			}
		}
		count_quoted_line_end(csv);
		pr_field_append(field, csv->at, 1);
	}
	return false;
}

static void read_plain(struct csv *csv, struct pr_field *field)
{
	const char *start = csv->at;
	const char *c = start;

	while (c < csv->end && *c != csv->separator && *c != '\n' && *c != '\r') {
		c++;
	}
	pr_field_append(field, start, (size_t)(c - start));
	csv->at = c;
}

/*
 * Read one field up to and including its separator, or up to the line end.
 *
 * `surplus` is set if something stands behind a closing quote.
 */
static enum stop read_field(struct csv *csv, struct pr_field *field, bool *surplus)
{
	const char *start = csv->at;

	*surplus = false;
	while (start < csv->end && *start == ' ' && csv->separator != ' ') {
		start++;
	}
	if (start < csv->end && *start == '"') {
		csv->at = start + 1;
		if (!read_quoted(csv, field)) {
			return STOP_OPEN_QUOTE;
		}
		for (; !at_line_end(csv) && *csv->at != csv->separator; csv->at++) {
			*surplus = *surplus || (*csv->at != ' ' && *csv->at != '\t');
		}
	} else {
		read_plain(csv, field);
	}
	if (at_line_end(csv)) {
		return STOP_LINE;
	}
	csv->at++;
	return STOP_SEPARATOR;
}

/* The separator that occurs most outside quotes in the header line. */
static char guess_separator(const struct csv *csv)
{
	static const char candidates[] = ",;\t";
	size_t counts[sizeof(candidates) - 1] = {0};
	size_t best = 0;
	bool quoted = false;

	for (const char *c = csv->at; c < csv->end && (quoted || (*c != '\n' && *c != '\r')); c++) {
		const char *found = strchr(candidates, *c);

		if (*c == '"') {
			quoted = !quoted;
		} else if (!quoted && found != NULL) {
			counts[found - candidates]++;
		}
	}
	for (size_t i = 1; i < sizeof(counts) / sizeof(counts[0]); i++) {
		best = counts[i] > counts[best] ? i : best;
	}
	return candidates[best];
}

static void skip_blank_lines(struct csv *csv)
{
	for (;;) {
		const char *c = csv->at;

		while (c < csv->end && (*c == ' ' || *c == '\t')) {
			c++;
		}
		if (c == csv->end || (*c != '\n' && *c != '\r')) {
			return;
		}
		csv->at = c;
		skip_line_end(csv);
	}
}

/* "sep=;" in front of the header line, as one spreadsheet program has it. */
static void skip_separator_line(struct csv *csv)
{
	const size_t left = (size_t)(csv->end - csv->at);

	if (left >= 6 && strncasecmp(csv->at, "sep=", 4) == 0 &&
		(csv->at[5] == '\n' || csv->at[5] == '\r')) {
		csv->at += 5;
		skip_line_end(csv);
	}
}

static enum kw_err add_column(struct csv *csv, const struct pr_field *field)
{
	const enum pr_column column = pr_column_find(field->text, field->length);

	if (csv->column_count == COLUMNS_MAX) {
		return pr_reading_fail(csv->reading, "line %u: more than %d columns",
			(unsigned)csv->line, COLUMNS_MAX);
	}
	for (size_t i = 0; column != PR_COLUMN_UNKNOWN && i < csv->column_count; i++) {
		if (csv->columns[i] == column) {
			return pr_reading_fail(csv->reading,
				"line %u: two columns mean %s; remove one of them",
				(unsigned)csv->line, pr_column_text(column));
		}
	}
	csv->columns[csv->column_count++] = column;
	return KW_OK;
}

static bool has_column(const struct csv *csv, enum pr_column column)
{
	for (size_t i = 0; i < csv->column_count; i++) {
		if (csv->columns[i] == column) {
			return true;
		}
	}
	return false;
}

static bool any_column(const struct csv *csv)
{
	for (size_t i = 0; i < csv->column_count; i++) {
		if (csv->columns[i] != PR_COLUMN_UNKNOWN) {
			return true;
		}
	}
	return false;
}

static enum kw_err check_columns(struct csv *csv, uint32_t line)
{
	static const enum pr_column needed[] = {PR_COLUMN_DEV_EUI, PR_COLUMN_JOIN_EUI};

	if (!any_column(csv)) {
		return pr_reading_fail(csv->reading,
			"line %u: no header line; begin with "
			"join_eui,dev_eui,lorawan_version,app_key,nwk_key,name",
			(unsigned)line);
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!has_column(csv, needed[i])) {
			return pr_reading_fail(csv->reading, "line %u: column %s is missing",
				(unsigned)line, pr_column_text(needed[i]));
		}
	}
	if (!has_column(csv, PR_COLUMN_VERSION)) {
		return pr_reading_fail(csv->reading,
			"line %u: column lorawan_version is missing: add it, e.g. 1.0.3",
			(unsigned)line);
	}
	if (!has_column(csv, PR_COLUMN_APP_KEY) && !has_column(csv, PR_COLUMN_NWK_KEY)) {
		return pr_reading_fail(
			csv->reading, "line %u: column app_key is missing", (unsigned)line);
	}
	return KW_OK;
}

/* Names are reported only when the line is sure to be a header: else they could be keys. */
static void report_ignored(struct csv *csv, const char *header, uint32_t line)
{
	const struct csv behind = *csv;
	enum stop stop = STOP_SEPARATOR;

	csv->at = header;
	csv->line = line;
	for (size_t i = 0; i < csv->column_count && stop == STOP_SEPARATOR; i++) {
		struct pr_field field = {.length = 0};
		bool surplus;

		stop = read_field(csv, &field, &surplus);
		if (csv->columns[i] == PR_COLUMN_UNKNOWN && field.length > 0) {
			pr_field_text(&field);
			pr_reading_ignore(csv->reading, field.text, field.length);
		}
		kw_wipe(&field, sizeof(field));
	}
	csv->at = behind.at;
	csv->line = behind.line;
}

static enum kw_err read_header(struct csv *csv)
{
	const char *header = csv->at;
	const uint32_t line = csv->line;
	enum stop stop;
	enum kw_err err;

	csv->separator = guess_separator(csv);
	do {
		struct pr_field field = {.length = 0};
		bool surplus;

		stop = read_field(csv, &field, &surplus);
		pr_field_text(&field);
		err = stop == STOP_OPEN_QUOTE
			      ? pr_reading_fail(csv->reading,
					"line %u: a quote is opened and never closed",
					(unsigned)line)
			      : add_column(csv, &field);
		kw_wipe(&field, sizeof(field));
	} while (err == KW_OK && stop == STOP_SEPARATOR);
	if (err == KW_OK) {
		err = check_columns(csv, line);
	}
	/* Its line end may go on behind the window. */
	if (err == KW_OK && csv->end - csv->at < LINE_END_MAX && !csv->window->last) {
		err = pr_reading_fail(
			csv->reading, "line %u: a header line of 1 MiB", (unsigned)line);
	}
	if (err == KW_OK) {
		report_ignored(csv, header, line);
		skip_line_end(csv);
	}
	return err;
}

static bool is_empty(const struct pr_field *field)
{
	for (size_t i = 0; i < field->length; i++) {
		if (field->text[i] != ' ' && field->text[i] != '\t') {
			return false;
		}
	}
	return true;
}

/* One line of data; *anything is false if all its fields are empty. */
static enum kw_err read_record(struct csv *csv, bool *anything)
{
	struct pr_record *record = &csv->reading->record;
	enum stop stop = STOP_SEPARATOR;
	struct pr_field other; /* of a column that is not used */

	other.cut = false;
	*anything = false;
	record->line = csv->line;
	for (size_t i = 0; stop == STOP_SEPARATOR; i++) {
		const enum pr_column column =
			i < csv->column_count ? csv->columns[i] : PR_COLUMN_UNKNOWN;
		struct pr_field *field =
			column == PR_COLUMN_UNKNOWN ? &other : &record->fields[column];
		bool surplus;

		other.length = 0;
		stop = read_field(csv, field, &surplus);
		*anything = *anything || !is_empty(field);
		if (surplus) {
			pr_record_fault(record, PR_FAULT_QUOTE, column);
		}
		if (i >= csv->column_count && !is_empty(field)) {
			pr_record_fault(record, PR_FAULT_SURPLUS, column);
		}
		kw_wipe(other.text, other.length);
	}
	skip_line_end(csv);
	return stop == STOP_OPEN_QUOTE && csv->window->last
		       ? pr_reading_fail(csv->reading,
				 "line %u: a quote is opened and never closed",
				 (unsigned)record->line)
		       : KW_OK;
}

/* Go back to `at` and `line` and let the window move on. */
static enum kw_err look_further(struct csv *csv, const char *at, uint32_t line)
{
	enum kw_err err;

	pr_record_clear(&csv->reading->record);
	csv->window->at = at;
	err = pr_window_more(csv->window, csv->reading->why);
	csv->at = csv->window->at;
	csv->end = csv->window->end;
	csv->line = line;
	return err == KW_E_TOO_LONG
		       ? pr_reading_fail(csv->reading,
				 "line %u: a record of more than 1 MiB begins here; is there a "
				 "quote that is never closed?",
				 (unsigned)line)
		       : err;
}

static enum kw_err read_records(struct csv *csv)
{
	while (csv->at < csv->end || !csv->window->last) {
		const char *start = csv->at;
		const uint32_t line = csv->line;
		bool anything;
		enum kw_err err = read_record(csv, &anything);

		/* What ends where the window ends may go on behind it, or a line end may. */
		if (err == KW_OK && csv->at == csv->end && !csv->window->last) {
			err = look_further(csv, start, line);
			anything = false;
		}
		if (err == KW_OK && anything) {
			err = pr_reading_submit(csv->reading);
		}
		pr_record_clear(&csv->reading->record);
		if (err != KW_OK) {
			return err;
		}
	}
	return KW_OK;
}

enum kw_err pr_csv_read(struct pr_reading *reading, struct pr_window *window)
{
	struct csv csv = {.reading = reading,
		.window = window,
		.at = window->at,
		.end = window->end,
		.line = 1};
	enum kw_err err;

	skip_blank_lines(&csv);
	skip_separator_line(&csv);
	err = read_header(&csv);
	return err == KW_OK ? read_records(&csv) : err;
}
