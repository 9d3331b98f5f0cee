/**
 * What LMDB does not look at in its two meta pages. Private to keystore/.
 */
#ifndef KW_KEYSTORE_PAGES_H
#define KW_KEYSTORE_PAGES_H

#include "base/err.h"

/**
 * Whether the meta pages are those of two commits in a row, each in its own place, and the newer one is
 * under its own number. LMDB takes the one with the greater number, whatever it is: a bit that is turned
 * in a number would give the store of one commit ago, and what that commit answered would be forgotten.
 *
 * Each commit but the first frees pages and notes them under its number, which is thus the last key in
 * the table of free pages: that tells where the number n of the older page became n + 2. Any one bit is
 * found but that which makes the number n + 1 of the newer page n - 1; a meta page that LMDB could not
 * write looks the same.
 *
 * Nor does LMDB ask whether the file has the pages that they count: a number far beyond its end is found.
 *
 * @param folder  the store's directory
 * @return KW_OK (also for a file that is too short to tell: LMDB refuses it)
 *         KW_E_STORE_DAMAGED  they are not (logged)
 *         KW_E_SYSTEM         the file does not open (logged)
 */
KW_MUST_CHECK enum kw_err ks_meta_pages_check(int folder, const char *name);

#endif
