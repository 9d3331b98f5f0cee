#include "provision/read.h"

#include "base/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

enum kw_err pr_reading_fail(struct pr_reading *reading, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reading->why, PR_TEXT_SIZE, format, arguments);
	va_end(arguments);
	return KW_E_SYNTAX;
}

static void notice(struct pr_reading *reading, const char *text)
{
	if (reading->sink->notice != NULL) {
		reading->sink->notice(reading->sink->context, text);
	}
}

static bool ignored_before(const struct pr_reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->ignored_count; i++) {
		if (strcmp(reading->ignored[i], name) == 0) {
			return true;
		}
	}
	return false;
}

void pr_reading_ignore(struct pr_reading *reading, const char *name, size_t length)
{
	char shown[PR_COLUMN_ECHO_SIZE];
	char text[PR_TEXT_SIZE];

	if (!pr_column_echo(name, length, shown)) {
		snprintf(shown, sizeof(shown), "of a name that is not shown");
	}
	if (ignored_before(reading, shown)) {
		return;
	}
	if (reading->ignored_count == PR_IGNORED_MAX) {
		if (!reading->said_many_ignored) {
			reading->said_many_ignored = true;
			notice(reading, "further columns are ignored");
		}
		return;
	}
	memcpy(reading->ignored[reading->ignored_count++], shown, sizeof(shown));
	snprintf(text, sizeof(text), "column %s is ignored", shown);
	notice(reading, text);
}

static void notice_oddities(struct pr_reading *reading)
{
	static const struct lw_eui zero;
	const struct pr_field *name = &reading->record.fields[PR_COLUMN_NAME];

	if (!reading->said_join_eui_zero && lw_eui_equal(&reading->row.id.join_eui, &zero)) {
		reading->said_join_eui_zero = true;
		notice(reading,
			"join_eui is all zeros: kept, since devices before LoRaWAN 1.0.4 have it");
	}
	if (!reading->said_names_cut && name->length >= PR_NAME_SIZE) {
		reading->said_names_cut = true;
		notice(reading, "names longer than 63 octets are cut");
	}
}

static void say_twice(struct pr_problem *problem, const struct lw_eui *dev_eui, uint32_t line,
	uint32_t first_line)
{
	char text[LW_EUI_TEXT_SIZE];

	lw_eui_write(dev_eui, text);
	problem->line = line;
	problem->err = KW_E_EXISTS;
	snprintf(problem->text, sizeof(problem->text),
		"column dev_eui: %s is on line %u already; remove one of the two", text,
		(unsigned)first_line);
}

static enum kw_err check_seen(struct pr_reading *reading, struct pr_problem *problem)
{
	static const struct lw_eui none;
	uint32_t first_line;
	enum kw_err err = KW_OK;

	if (lw_eui_equal(&reading->row.id.dev_eui, &none)) {
		return KW_OK;
	}
	if (reading->long_file && reading->dev_euis.count == PR_SEEN_MAX) {
		err = pr_runs_take(&reading->runs, &reading->dev_euis);
	}
	if (err == KW_OK) {
		err = pr_seen_add(&reading->dev_euis, &reading->row.id.dev_eui, reading->row.line,
			&first_line);
	}
	if (err == KW_OK && first_line != 0 && problem->err == KW_OK) {
		say_twice(problem, &reading->row.id.dev_eui, reading->row.line, first_line);
	}
	return err;
}

static enum kw_err take_twice(
	void *context, const struct lw_eui *dev_eui, uint32_t first_line, uint32_t line)
{
	const struct pr_reading *reading = context;
	struct pr_problem problem;

	memset(&problem, 0, sizeof(problem));
	say_twice(&problem, dev_eui, line, first_line);
	return reading->sink->twice(reading->sink->context, &problem);
}

/* What was too far apart to be found on the way. */
static enum kw_err check_runs(struct pr_reading *reading)
{
	enum kw_err err;

	if (reading->sink->twice == NULL || reading->runs.count == 0) {
		return KW_OK;
	}
	err = pr_runs_take(&reading->runs, &reading->dev_euis);
	return err == KW_OK ? pr_runs_twice(&reading->runs, take_twice, reading) : err;
}

enum kw_err pr_reading_submit(struct pr_reading *reading)
{
	const struct pr_sink *sink = reading->sink;
	struct pr_problem problem;
	enum kw_err err;

	reading->row.line = reading->record.line;
	if (pr_check(&reading->record, &reading->row, &problem) != KW_OK) {
		reading->row.line = problem.line;
	}
	err = check_seen(reading, &problem);
	if (err == KW_OK && problem.err == KW_OK) {
		notice_oddities(reading);
		err = sink->row(sink->context, &reading->row);
	} else if (err == KW_OK) {
		err = sink->problem(sink->context, &problem);
	}
	kw_wipe(&reading->row, sizeof(reading->row));
	pr_record_clear(&reading->record);
	return err;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static enum kw_err read_json(struct pr_reading *reading, struct pr_window *window)
{
	const enum kw_err err = pr_window_rest(window, reading->why);

	if (err == KW_E_TOO_LONG) {
		return pr_reading_fail(reading,
			"JSON of more than 1 GiB; split it, or write it as CSV, which may be "
			"longer");
	}
	return err == KW_OK ? pr_json_read(reading, window->at, (size_t)(window->end - window->at))
			    : err;
}

static enum kw_err read_text(struct pr_reading *reading, struct pr_window *window)
{
	const char *text = window->at;
	size_t length = (size_t)(window->end - text);
	size_t start = 0;

	if (length >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0) {
		text += 3;
		length -= 3;
	}
	while (start < length && is_blank(text[start])) {
		start++;
	}
	if (start == length) {
		return pr_reading_fail(reading, "the file is empty");
	}
	window->at = text;
	if (text[start] == '{' || text[start] == '[') {
		return read_json(reading, window);
	}
	if (length - start >= 5 && memcmp(text + start, "-----", 5) == 0) {
		return pr_reading_fail(reading, "this is PEM, not a device file in CSV or JSON");
	}
	if (length - start >= 13 && memcmp(text + start, "MIME-Version:", 13) == 0) {
		return pr_reading_fail(
			reading, "this is S/MIME; seal with openssl cms -outform PEM or DER");
	}
	return pr_csv_read(reading, window);
}

static enum kw_err read_window(struct pr_reading *reading, struct pr_window *window)
{
	enum kw_err err;

	if (window->at == window->end) {
		return pr_reading_fail(reading, "the file is empty");
	}
	err = read_text(reading, window);
	return err == KW_OK ? check_runs(reading) : err;
}

static struct pr_reading *start(const struct pr_sink *sink, char why[PR_TEXT_SIZE])
{
	struct pr_reading *reading = calloc(1, sizeof(*reading));

	memset(why, 0, PR_TEXT_SIZE);
	if (reading != NULL) {
		reading->sink = sink;
		reading->why = why;
		pr_record_init(&reading->record);
		pr_seen_init(&reading->dev_euis);
		pr_runs_init(&reading->runs);
	}
	return reading;
}

static void finish(struct pr_reading *reading)
{
	pr_runs_finish(&reading->runs);
	pr_seen_finish(&reading->dev_euis);
	kw_wipe(reading, sizeof(*reading));
	free(reading);
}

enum kw_err pr_read(
	const char *text, size_t length, const struct pr_sink *sink, char why[PR_TEXT_SIZE])
{
	struct pr_reading *reading = start(sink, why);
	struct pr_window window;
	enum kw_err err;

	if (reading == NULL) {
		return KW_E_NO_MEMORY;
	}
	err = pr_window_of(&window, text, length, why);
	if (err == KW_OK) {
		err = read_window(reading, &window);
	}
	finish(reading);
	return err;
}

enum kw_err pr_read_from(
	const struct pr_source *source, const struct pr_sink *sink, char why[PR_TEXT_SIZE])
{
	struct pr_reading *reading = start(sink, why);
	struct pr_window window;
	enum kw_err err;

	if (reading == NULL) {
		return KW_E_NO_MEMORY;
	}
	reading->long_file = true;
	err = pr_window_open(&window, source, why);
	if (err == KW_OK) {
		err = read_window(reading, &window);
	}
	pr_window_finish(&window);
	finish(reading);
	return err;
}
