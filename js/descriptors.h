/** Descriptors of a child at the numbers that it expects them at. */
#ifndef KW_JS_DESCRIPTORS_H
#define KW_JS_DESCRIPTORS_H

#include "base/err.h"

#include <stddef.h>

/**
 * Put fds[i] at the number first + i, open across exec, and close everything behind the last.
 * What is below `first` stays. The numbers in fds may lie anywhere at or above `first`, also in
 * each other's places; no two are the same. Allocates nothing: for use between fork and exec.
 *
 * @param fds  in: where they are now; changed
 * @return KW_OK, KW_E_SYSTEM (errno says why)
 */
KW_MUST_CHECK enum kw_err js_descriptors_place(int *fds, size_t count, int first);

#endif
