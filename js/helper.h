/** Where the other executables are: beside this one in a build tree, in libexecdir once installed. */
#ifndef KW_JS_HELPER_H
#define KW_JS_HELPER_H

#include "base/err.h"

#include <limits.h>

/**
 * Find an executable such as "keyward-vault".
 *
 * @param path  out: absolute; "" on failure
 * @return KW_OK, KW_E_NOT_FOUND
 */
KW_MUST_CHECK enum kw_err js_helper_path(const char *name, char path[PATH_MAX]);

#endif
