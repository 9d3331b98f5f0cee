/** Text that may be shown: whole UTF-8 without control characters. */
#ifndef KW_BASE_UTF8_H
#define KW_BASE_UTF8_H

#include <stddef.h>

/**
 * Length of the UTF-8 sequence of a printable character beyond ASCII that starts here in a text that
 * ends with NUL; else 0: for ASCII, octets that are no UTF-8, surrogates, and the control characters
 * U+0080 to U+009F.
 */
size_t kw_utf8_length(const unsigned char *at);

#endif
