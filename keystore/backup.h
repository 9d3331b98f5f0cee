/**
 * A backup taken while joins go on: a snapshot of the store, handed out in pieces.
 *
 * The snapshot is an LMDB read transaction: writing goes on beside it, and what is written does not
 * show in it. While it is open, pages that become free are not used again, so the store's file grows
 * with what joins write: whoever does not ask for the next piece must be given up.
 */
#ifndef KW_KEYSTORE_BACKUP_H
#define KW_KEYSTORE_BACKUP_H

#include "keystore/store.h"

/** No piece is larger. One is read, hashed and handed out in a fraction of a millisecond if its pages
 *  are in memory. */
#define KS_BACKUP_PIECE_MAX 49152

struct ks_backup;

/** What a backup says of itself. */
struct ks_backup_about {
	uint64_t records;
	uint64_t time_ms;
	uint32_t epoch;
};

/**
 * Take the snapshot: what is committed now. At most one at a time is worth having; nothing forbids
 * more.
 *
 * @return KW_OK, KW_E_NO_MEMORY, KW_E_STORE, KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err ks_backup_open(struct ks_store *store, struct ks_backup **out);
/** NULL is fine. Before the store is closed. */
void ks_backup_close(struct ks_backup *backup);
void ks_backup_about(const struct ks_backup *backup, struct ks_backup_about *out);

/**
 * The next piece. All pieces one behind the other are the backup file.
 *
 * @param out     KS_BACKUP_PIECE_MAX octets
 * @param length  out: 0: the backup is complete
 * @return KW_OK, KW_E_STORE, KW_E_STORE_DAMAGED, KW_E_CRYPTO: this backup cannot be completed
 */
KW_MUST_CHECK enum kw_err ks_backup_read(struct ks_backup *backup, uint8_t *out, size_t *length);

#endif
