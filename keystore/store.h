/**
 * The keystore: one LMDB environment and the secrets that open it. Vault process only; one at a
 * time, one thread.
 *
 * Tables (docs/store-format.md has every octet):
 *
 *   meta     name                   format version, epoch, counters, intake certificate and key
 *   key      id                     data keys, wrapped by the master key
 *   device   JoinEUI, DevEUI        registration, policy, sealed root keys
 *   dev_eui  DevEUI, JoinEUI        where a DevEUI is, or once was
 *   state    JoinEUI, DevEUI        nonces and sessions up to the last fold; outlives the device
 *   journal  sequence               one record per accepted join and per logged refusal
 *   peer     id                     network and application servers, sealed KEKs, token digests
 *
 * What joins change is appended to the journal in the join's own transaction and folded into the
 * state table later, in bounded transactions: one contiguous write per commit in place of two
 * scattered pages per device (docs/architecture.md, "Store").
 */
#ifndef KW_KEYSTORE_STORE_H
#define KW_KEYSTORE_STORE_H

#include "base/env.h"
#include "base/err.h"
#include "lorawan/aes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KS_FORMAT          4 /* what this build writes */
#define KS_MASTER_KEY_SIZE 32

struct ks_store;
struct ks_txn;

struct ks_master_key {
	uint8_t octets[KS_MASTER_KEY_SIZE];
};

/**
 * Create a master key file: 64 hexadecimal digits and a newline, mode 0600, made durable. Never
 * overwrites.
 *
 * @return KW_OK, KW_E_EXISTS, KW_E_SYSTEM (logged)
 */
KW_MUST_CHECK enum kw_err ks_master_create(const char *path, const struct kw_env *env);
/**
 * Read one from an open descriptor and check on that descriptor that it is a regular file, that
 * group and others have no access, and that its owner is root or this process's user.
 *
 * @param out  wiped on failure
 * @return KW_OK, KW_E_MASTER_FILE (logged, with what to do), KW_E_SYSTEM
 */
KW_MUST_CHECK enum kw_err ks_master_read(int fd, struct ks_master_key *out);

struct ks_options {
	const char *path;  /* the store's directory; must exist. "." after fchdir() is fine */
	uint64_t map_size; /* octets of address space: the greatest size of the store */
	const struct kw_env *env; /* borrowed for the life of the store */
};

/**
 * Create an empty store: tables, data key, intake key and certificate. Refuses a directory that
 * holds one already. All or nothing: after a crash half-way there is no store.
 *
 * @return KW_OK, KW_E_EXISTS, KW_E_STORE_LOCKED (another process is creating one), KW_E_STORE,
 *         KW_E_STORE_FULL, KW_E_NO_MEMORY, KW_E_CRYPTO, KW_E_SYSTEM; logged
 */
KW_MUST_CHECK enum kw_err ks_store_create(
	const struct ks_options *options, const struct ks_master_key *master);

/**
 * Open a store, make durable what is there, upgrade an older format, replay the journal.
 *
 * @return KW_OK
 *         KW_E_STORE_ABSENT   no store in this directory
 *         KW_E_STORE_NEWER    written by a newer Keyward; nothing was changed
 *         KW_E_STORE_DAMAGED  does not read as a store should
 *         KW_E_STORE_LOCKED   another process has it open
 *         KW_E_MASTER_KEY     another master key
 *         KW_E_STORE, KW_E_STORE_FULL, KW_E_NO_MEMORY, KW_E_CRYPTO, KW_E_SYSTEM; all logged
 */
KW_MUST_CHECK enum kw_err ks_store_open(const struct ks_options *options,
	const struct ks_master_key *master, struct ks_store **out);
/** Wipes every secret. NULL is fine. Does not fold: the journal is as safe as the state table. */
void ks_store_close(struct ks_store *store);

/** The AES contexts of the store, for what is computed beside root keys. Borrowed. */
struct lw_aes *ks_store_aes(struct ks_store *store);
const struct kw_env *ks_store_env(const struct ks_store *store);

struct ks_store_figures {
	uint64_t devices;
	uint64_t peers;
	uint64_t events;          /* records in the journal table, folded ones included */
	uint64_t journal_records; /* not yet folded */
	uint64_t used_bytes;      /* of the store file */
	uint64_t map_bytes;
	uint32_t format;
	uint32_t epoch;
};
void ks_store_figures(struct ks_store *store, struct ks_store_figures *out);

/**
 * The one transaction: everything is read and written through it; there is one at a time. One that
 * wrote nothing costs no disk access to end.
 *
 * @return KW_OK, KW_E_STORE, KW_E_STORE_FULL (logged)
 */
KW_MUST_CHECK enum kw_err ks_txn_begin(struct ks_store *store, struct ks_txn **out);
/**
 * Make durable (fdatasync) what was written. On any error nothing of it has happened, in memory
 * neither, and the transaction has ended in either case.
 *
 * @return KW_OK, KW_E_STORE_FULL (nothing was lost; try again when there is room), KW_E_STORE (the
 *         environment may be unusable: close and open again)
 */
KW_MUST_CHECK enum kw_err ks_txn_commit(struct ks_txn *txn);
/** Whether anything was written, so that ending it will go to the disk. */
bool ks_txn_wrote(const struct ks_txn *txn);
/** Undo everything. NULL is fine. */
void ks_txn_abort(struct ks_txn *txn);

#endif
