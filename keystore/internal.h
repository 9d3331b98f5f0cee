/**
 * What the files of keystore/ share; nobody else includes this.
 */
#ifndef KW_KEYSTORE_INTERNAL_H
#define KW_KEYSTORE_INTERNAL_H

#include "keystore/device.h"
#include "keystore/peer.h"
#include "keystore/state.h"
#include "keystore/store.h"

#include <lmdb.h>

#define KS_ID_SIZE       (2 * LW_EUI_SIZE) /* key of device and state: JoinEUI, DevEUI */
#define KS_STORE_ID_SIZE 8

/* No record is so long: a greater length is of a damaged page, and leads out of the file. */
#define KS_VALUE_MAX 16384

struct ks_sealer;  /* seal.c: data keys, AES-256-GCM contexts, HMAC secret */
struct ks_intake;  /* intake.c: private key and certificate */
struct ks_peers;   /* peer.c: the table in memory */
struct ks_journal; /* journal.c: what is not yet folded */
struct ks_twins;   /* twins.c: root keys that were imported */

struct ks_tables {
	MDB_dbi meta, key, device, dev_eui, state, journal, peer;
};

/** Root keys of the device in hand; locked memory, wiped by ks_root_close(). */
struct ks_root_slot {
	struct lw_key app, nwk;
	bool open;
};

/** The greatest key of a table, as far as this transaction knows it. */
struct ks_last {
	bool known;
	bool empty;
	uint8_t key[KS_ID_SIZE];
};

struct ks_txn {
	struct ks_store *store;
	MDB_txn *mdb;
	bool dirty;         /* something was written */
	bool peers_changed; /* reload the table with the commit */
	enum kw_err failed; /* the first write that failed; the commit refuses then */
	struct ks_last device, dev_eui;
};

struct ks_store {
	MDB_env *env;
	struct ks_tables tables;
	const struct kw_env *clock;
	struct lw_aes *aes;
	struct ks_sealer *sealer;
	struct ks_intake *intake;
	struct ks_peers *peers;
	struct ks_journal *journal;
	struct ks_twins *twins; /* NULL until the first import */
	struct ks_txn *txn;     /* the open one (it is `slot`), or NULL */
	struct ks_txn slot;
	int lock_fd; /* the store's directory, locked */
	uint32_t format;
	uint32_t epoch;
	uint32_t advanced; /* sum of the margins of all restores, at most LW_JOIN_NONCE_MAX */
	uint8_t id[KS_STORE_ID_SIZE];
	struct ks_root_slot *root; /* in the sealer's locked memory */
};

/** Translate and log an LMDB error: MDB_MAP_FULL and ENOSPC are KW_E_STORE_FULL, MDB_NOTFOUND is
 *  KW_E_NOT_FOUND and MDB_KEYEXIST KW_E_EXISTS (not logged), MDB_CORRUPTED and the like
 *  KW_E_STORE_DAMAGED, else KW_E_STORE. */
enum kw_err ks_lmdb_error(int rc, const char *doing);

void ks_id_write(const struct lw_device_id *id, uint8_t out[KS_ID_SIZE]);
void ks_id_read(const uint8_t in[KS_ID_SIZE], struct lw_device_id *id);

/* Get, put (flags of mdb_put), delete one record through a transaction; put and delete mark it
 * dirty. The value of a get is borrowed from the map until the next write of the transaction. */
enum kw_err ks_get(struct ks_txn *txn, MDB_dbi table, const void *key, size_t key_length,
	const uint8_t **value, size_t *length);
enum kw_err ks_put(struct ks_txn *txn, MDB_dbi table, const void *key, size_t key_length,
	const void *value, size_t length, unsigned flags);
enum kw_err ks_delete(struct ks_txn *txn, MDB_dbi table, const void *key, size_t key_length);
/** Put a new record under a key of KS_ID_SIZE; cheap when it sorts behind all others. Also
 *  KW_E_EXISTS. `last` is the one of this table in the transaction. */
enum kw_err ks_put_new(struct ks_txn *txn, MDB_dbi table, struct ks_last *last,
	const uint8_t key[KS_ID_SIZE], const void *value, size_t length);
/** Fill in `last` if it is not known. */
enum kw_err ks_last_find(struct ks_txn *txn, MDB_dbi table, struct ks_last *last);
/* Numbers and octets in the meta table, by name. Also KW_E_NOT_FOUND, KW_E_STORE_DAMAGED. */
enum kw_err ks_meta_get(struct ks_txn *txn, const char *name, void *out, size_t length);
enum kw_err ks_meta_put(struct ks_txn *txn, const char *name, const void *value, size_t length);
enum kw_err ks_meta_get_u32(struct ks_txn *txn, const char *name, uint32_t *out);
enum kw_err ks_meta_put_u32(struct ks_txn *txn, const char *name, uint32_t value);

/** Whether ks_device_add() would take this device: same errors, nothing written. */
enum kw_err ks_device_check(struct ks_txn *txn, const struct ks_device *device, bool has_nwk_key);
/**
 * Whether a device of this DevEUI is registered with the same JoinEUI, version and root keys.
 * Stored keys that do not open are not the same (logged).
 *
 * @param nwk_key  1.1 only, else NULL
 * @return KW_OK, KW_E_CRYPTO, KW_E_STORE_DAMAGED, KW_E_STORE; *same is false on any error
 */
enum kw_err ks_device_compare(struct ks_txn *txn, const struct ks_device *device,
	const struct lw_key *app_key, const struct lw_key *nwk_key, bool *same);
/** Whether these are the root keys of a stored device, in time that does not tell where they differ.
 *  Errors as ks_root_open(). */
enum kw_err ks_root_compare(struct ks_store *store, const struct ks_device *device,
	const struct lw_key *app_key, const struct lw_key *nwk_key, bool *same);
/** Whether this is a root key of a stored device. Errors as ks_root_open(); *has is false then. */
enum kw_err ks_root_has(struct ks_store *store, const struct ks_device *device,
	const struct lw_key *key, bool *has);

/* seal.h's inside */
enum ks_tag { /* what a sealed value is; part of the associated data; never renumber */
	KS_TAG_APP_KEY = 1,
	KS_TAG_NWK_KEY = 2,
	KS_TAG_KEK = 3,
	KS_TAG_INTAKE_KEY = 4,
	KS_TAG_HMAC_SECRET = 5,
};
/**
 * Seal at most 64 octets (longer values: ks_seal_into() in keystore/seal.h) with AES-256-GCM. The
 * associated data are tag, version and `bound` (for root keys: JoinEUI and DevEUI), so that a value
 * opens only where it was put. `bound` has at most 128 octets.
 */
enum kw_err ks_seal(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const void *plain, size_t length, struct ks_sealed *out);
/** @return KW_OK, KW_E_SEAL (out is zero), KW_E_LENGTH (not `length` octets in it), KW_E_CRYPTO */
enum kw_err ks_unseal(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const struct ks_sealed *sealed, void *plain, size_t length);
enum kw_err ks_sealer_hmac(
	struct ks_sealer *sealer, const void *data, size_t length, uint8_t out[KS_DIGEST_SIZE]);

/* store.c, called by restore.c */
/** Open the environment of the store, or, with a file name, of one in the making in its directory. */
enum kw_err ks_env_open(struct ks_store *store, const struct ks_options *options, const char *file);
/** Open all tables; with MDB_CREATE, make them. */
enum kw_err ks_tables_open(struct ks_txn *txn, unsigned flags);
/** Upgrade, unwrap keys, replay the journal. Errors as ks_store_open(). */
enum kw_err ks_store_load(struct ks_store *store, const struct ks_master_key *master);

/* journal.c, called by store.c */
/** Replay what is not folded. Called once at open, inside a transaction that is only read. */
enum kw_err ks_journal_open(struct ks_txn *txn, struct ks_journal **out);
void ks_journal_close(struct ks_journal *journal);
/** The transaction was committed / did not happen: keep / undo what it changed in memory. */
void ks_journal_committed(struct ks_journal *journal);
void ks_journal_undone(struct ks_journal *journal);
/** First JoinNonce for a device that is new under this JoinEUI: one above the greatest that its
 *  DevEUI reached anywhere (dev_eui table), 1 if it was never here. Writes an initial state record
 *  if it must start above 1. */
enum kw_err ks_state_carry_over(struct ks_txn *txn, const struct lw_device_id *id);
uint64_t ks_journal_records(struct ks_txn *txn); /* in the table */

/* credential.c */
enum kw_err ks_credential_mac(struct ks_store *store, enum ks_credential_kind kind,
	const uint8_t digest[KS_DIGEST_SIZE], uint8_t mac[KS_DIGEST_SIZE]);
/** Whether both are shown by the same thing. */
bool ks_credential_equal(const struct ks_credential *a, const struct ks_credential *b);

/* kek.c */
/** Whether a KEK of a peer opens. @return KW_OK, KW_E_SEAL (logged), KW_E_CRYPTO */
enum kw_err ks_kek_check(
	struct ks_store *store, const struct ks_peer *peer, const struct ks_kek *kek);

/* peer.c, called by store.c */
enum kw_err ks_peers_load(struct ks_txn *txn, struct ks_peers **out);
void ks_peers_free(struct ks_peers *peers);

#endif
