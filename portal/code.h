/** What an error is called in the admin API, and its HTTP status. */
#ifndef KW_PORTAL_CODE_H
#define KW_PORTAL_CODE_H

#include "base/err.h"

/** A fixed word, e.g. "EXISTS"; "ERROR" for what is not in the list. */
const char *po_code_text(enum kw_err err);
/** 400 to 507. */
unsigned po_code_status(enum kw_err err);

#endif
