/** A file without a name, for what does not fit into memory. */
#ifndef KW_BASE_TEMP_H
#define KW_BASE_TEMP_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/**
 * Open one, for reading and writing, in $TMPDIR or else /var/tmp: /tmp may be in memory. It is gone
 * when it is closed, also when the process is killed.
 *
 * @return KW_OK, KW_E_SYSTEM (logged); *fd is -1 then
 */
KW_MUST_CHECK enum kw_err kw_temp_open(int *fd);
/** Write all of it at the place where the last one ended. @return KW_OK, KW_E_SYSTEM (logged) */
KW_MUST_CHECK enum kw_err kw_temp_write(int fd, const void *octets, size_t length);
/** Read just so many octets from a place. @return KW_OK, KW_E_SYSTEM (logged) */
KW_MUST_CHECK enum kw_err kw_temp_read(int fd, uint64_t place, void *out, size_t length);

#endif
