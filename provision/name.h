/** Names of devices as they are safe to show: whole UTF-8, no controls, bounded. */
#ifndef KW_PROVISION_NAME_H
#define KW_PROVISION_NAME_H

#include "provision/row.h"

/**
 * Copy a name: controls become blanks, blanks around it go, octets that are no UTF-8 become '?',
 * and it is cut between characters where it does not fit.
 */
void pr_name_copy(char out[PR_NAME_SIZE], const char *text, size_t length);

#endif
