/** What the PEM texts of a front must be before anything is served or asked with them. */
#ifndef KW_JS_FRONT_PEM_H
#define KW_JS_FRONT_PEM_H

#include "js/front_files.h"

/**
 * Look at all texts: a certificate chain with the key of its first certificate, each or none; CAs,
 * at least one certificate. The first that is not as it should be is logged with the name of its key
 * in the configuration. A front can serve with what is good.
 *
 * @return KW_OK, KW_E_INVALID, KW_E_NO_MEMORY (logged)
 */
KW_MUST_CHECK enum kw_err js_front_pem_check(const struct js_front_files *files);

#endif
