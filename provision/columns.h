/** The columns of a device file under all the names they go by. */
#ifndef KW_PROVISION_COLUMNS_H
#define KW_PROVISION_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

enum pr_column {
	PR_COLUMN_JOIN_EUI,
	PR_COLUMN_DEV_EUI,
	PR_COLUMN_VERSION,
	PR_COLUMN_APP_KEY,
	PR_COLUMN_NWK_KEY,
	PR_COLUMN_NAME,
	PR_COLUMN_ID,          /* the name where there is none */
	PR_COLUMN_DESCRIPTION, /* the name where there is no id either */
	PR_COLUMN_COUNT,
	PR_COLUMN_UNKNOWN = PR_COLUMN_COUNT,
};

/** Any case; blanks, '_', '-' and '.' do not count. PR_COLUMN_UNKNOWN if there is no such column. */
enum pr_column pr_column_find(const char *name, size_t length);
/** The name that messages use. */
const char *pr_column_text(enum pr_column column);

#define PR_COLUMN_ECHO_SIZE 41
/**
 * Make the name of an unknown column fit for a message.
 *
 * @return false if it must not be shown: a file without a header line has keys where the names
 *         should be
 */
bool pr_column_echo(const char *name, size_t length, char out[PR_COLUMN_ECHO_SIZE]);

#endif
