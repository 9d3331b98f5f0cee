/**
 * The store's directory: its lock, and how a store that was made under another name gets its own.
 * Private to keystore/.
 */
#ifndef KW_KEYSTORE_FOLDER_H
#define KW_KEYSTORE_FOLDER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define KS_DATA_NAME  "data.mdb"
#define KS_NEW_NAME   "data.mdb.new" /* a store in the making; rubbish when nobody makes it */
#define KS_ASIDE_SIZE 48

/** Log a failed system call. @return KW_E_SYSTEM */
enum kw_err ks_folder_error(const char *words, const char *path);
/** @return KW_OK, KW_E_SYSTEM; *out is -1 then */
KW_MUST_CHECK enum kw_err ks_folder_open(const char *path, int *out);
/** Locked until the descriptor is closed. @return KW_OK, KW_E_STORE_LOCKED, KW_E_SYSTEM; logged */
KW_MUST_CHECK enum kw_err ks_folder_lock(int folder, const char *path);
/** @return KW_OK, KW_E_SYSTEM */
KW_MUST_CHECK enum kw_err ks_folder_has_store(int folder, bool *there);
/** Remove what an unfinished making left. */
void ks_folder_clear(int folder);
/** The store in the making becomes the store, durably and in one step; one that was there is
 *  replaced. @return KW_OK, KW_E_SYSTEM */
KW_MUST_CHECK enum kw_err ks_folder_put(int folder, const char *path);
/**
 * Give the store a second name, `data.mdb.before-` and the time, under which it stays when another
 * takes its place.
 *
 * @param name  out: that name
 * @return KW_OK, KW_E_SYSTEM
 */
KW_MUST_CHECK enum kw_err ks_folder_keep(
	int folder, const char *path, uint64_t now_ms, char name[KS_ASIDE_SIZE]);

#endif
