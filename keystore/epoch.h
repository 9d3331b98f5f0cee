/**
 * Epoch of a store: how often it has come back from a backup, and by how much the JoinNonces of all
 * its devices were advanced by that. Private to keystore/.
 *
 * Both are in the meta table. They are also in a small file beside the store, `epoch`, which outlives
 * the store's replacement: the same backup may be restored twice, and the second time must go on
 * from the first.
 */
#ifndef KW_KEYSTORE_EPOCH_H
#define KW_KEYSTORE_EPOCH_H

#include "keystore/internal.h"

#define KS_EPOCH_FIRST     1
#define KS_EPOCH_FILE_NAME "epoch"

/** Read store->epoch and store->advanced. @return KW_OK, KW_E_NOT_FOUND, KW_E_STORE_DAMAGED, ... */
KW_MUST_CHECK enum kw_err ks_epoch_read(struct ks_txn *txn);
/** Write both, in the store's memory too. @return KW_OK, KW_E_STORE, KW_E_STORE_FULL */
KW_MUST_CHECK enum kw_err ks_epoch_write(struct ks_txn *txn, uint32_t epoch, uint32_t advanced);

struct ks_epoch {
	uint8_t store_id[KS_STORE_ID_SIZE];
	uint32_t epoch;
	uint32_t advanced;
};

/**
 * Read the file. One of another store counts as none.
 *
 * @param out  its store_id says of which store; 0 and 0 if there is no file
 * @return KW_OK, KW_E_STORE_DAMAGED (does not read; logged, with what to do), KW_E_SYSTEM
 */
KW_MUST_CHECK enum kw_err ks_epoch_file_read(int folder, struct ks_epoch *out);
/** Write it durably; after a crash the file is the old or the new one. @return KW_OK, KW_E_SYSTEM */
KW_MUST_CHECK enum kw_err ks_epoch_file_write(int folder, const struct ks_epoch *epoch);

#endif
