/** One record of a file as text, before it is a device: what csv.c and json.c hand to read.c. */
#ifndef KW_PROVISION_RECORD_H
#define KW_PROVISION_RECORD_H

#include "provision/columns.h"
#include "provision/row.h"

#define PR_FIELD_SIZE 256

struct pr_field {
	size_t length; /* octets kept; text[length] is NUL once pr_field_text() was called */
	bool cut;      /* there was more than fits */
	char text[PR_FIELD_SIZE];
};

/** What csv.c and json.c find wrong with a record before its fields are looked at. */
enum pr_fault {
	PR_FAULT_NONE,
	PR_FAULT_QUOTE,   /* text behind a closing quote */
	PR_FAULT_SURPLUS, /* more fields than the header line has */
	PR_FAULT_NO_TEXT, /* JSON: a value that is no string */
	PR_FAULT_TWICE,   /* JSON: two members that mean the same column */
};

/** Holds keys: pr_record_clear() when done. */
struct pr_record {
	uint32_t line;
	enum pr_fault fault;
	enum pr_column fault_column; /* PR_COLUMN_UNKNOWN if it is none of ours */
	struct pr_field fields[PR_COLUMN_COUNT];
};

void pr_record_init(struct pr_record *record);
/** Wipe the fields and make it empty. */
void pr_record_clear(struct pr_record *record);
/** Note a fault unless there is one already. */
void pr_record_fault(struct pr_record *record, enum pr_fault fault, enum pr_column column);
/** Add octets as far as they fit. */
void pr_field_append(struct pr_field *field, const char *octets, size_t length);
/** The field without what spreadsheets put around it: blanks, ="...", a leading apostrophe. The
 *  field itself is changed. */
const char *pr_field_text(struct pr_field *field);

/**
 * Make a device of a record, or say why not.
 *
 * @param row      out: zero on any error but for id.dev_eui, which is set when it could be read
 * @param problem  out: set on any error
 */
KW_MUST_CHECK enum kw_err pr_check(
	struct pr_record *record, struct pr_row *row, struct pr_problem *problem);

#endif
