#include "provision/record.h"

#include "base/secret.h"

#include <string.h>

void pr_record_init(struct pr_record *record)
{
	memset(record, 0, sizeof(*record));
}

void pr_record_clear(struct pr_record *record)
{
	for (size_t i = 0; i < PR_COLUMN_COUNT; i++) {
		struct pr_field *field = &record->fields[i];

		kw_wipe(field->text, field->length);
		field->length = 0;
		field->cut = false;
	}
	record->line = 0;
	record->fault = PR_FAULT_NONE;
	record->fault_column = PR_COLUMN_UNKNOWN;
}

void pr_record_fault(struct pr_record *record, enum pr_fault fault, enum pr_column column)
{
	if (record->fault == PR_FAULT_NONE) {
		record->fault = fault;
		record->fault_column = column;
	}
}

void pr_field_append(struct pr_field *field, const char *octets, size_t length)
{
	const size_t room = PR_FIELD_SIZE - 1 - field->length;

	field->cut = field->cut || length > room;
	length = length < room ? length : room;
	memcpy(field->text + field->length, octets, length);
	field->length += length;
}

/* Length of a blank at this place: a space, a control, or U+00A0 as spreadsheets like it. */
static size_t blank_at(const char *text, size_t length)
{
	if (length >= 1 && (unsigned char)text[0] <= ' ') {
		return 1;
	}
	if (length >= 2 && memcmp(text, "\xc2\xa0", 2) == 0) {
		return 2;
	}
	return 0;
}

static void keep(struct pr_field *field, size_t start, size_t end)
{
	const size_t length = end - start;

	memmove(field->text, field->text + start, length);
	kw_wipe(field->text + length, field->length - length);
	field->length = length;
}

static void trim(struct pr_field *field)
{
	size_t start = 0;
	size_t end = field->length;
	size_t blank;

	while ((blank = blank_at(field->text + start, end - start)) > 0) {
		start += blank;
	}
	while (end > start && (unsigned char)field->text[end - 1] <= ' ') {
		end--;
	}
	while (end - start >= 2 && memcmp(field->text + end - 2, "\xc2\xa0", 2) == 0) {
		end -= 2;
	}
	if (start > 0 || end < field->length) {
		keep(field, start, end);
	}
}

const char *pr_field_text(struct pr_field *field)
{
	trim(field);
	if (field->length >= 3 && memcmp(field->text, "=\"", 2) == 0 &&
		field->text[field->length - 1] == '"') {
		keep(field, 2, field->length - 1);
		trim(field);
	} else if (field->length >= 1 && field->text[0] == '\'') {
		keep(field, 1, field->length);
	}
	field->text[field->length] = '\0';
	return field->text;
}
