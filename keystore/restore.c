#include "keystore/restore.h"

#include "base/log.h"
#include "base/secret.h"
#include "keystore/backup_reader.h"
#include "keystore/encode.h"
#include "keystore/epoch.h"
#include "keystore/folder.h"
#include "keystore/journal.h"
#include "keystore/scan.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMIT_OCTETS   (32u << 20) /* of records in one transaction of the making */
#define FOLD_DEVICES    16384
#define EXHAUSTED_NAMED 20
#define TABLES_CHECKED  2 /* meta and key are enough to unwrap the keys of the store */

static_assert(sizeof(((struct ks_restore *)NULL)->aside) == KS_ASIDE_SIZE, "names fit");
static_assert(sizeof(((struct ks_restore *)NULL)->store_id) == KS_STORE_ID_SIZE, "ids fit");

struct making {
	const struct ks_options *options;
	const struct ks_master_key *master;
	struct ks_restore *restore;
	struct ks_store *store; /* the one in the making */
	int folder;
	struct ks_backup_reader reader;
};

static enum kw_err refuse(enum kw_err err, const char *words)
{
	kw_log(KW_LOG_ERROR, "keystore", words);
	return err;
}

/* ---- filling ---- */

static enum kw_err put(struct ks_txn *txn, const struct ks_backup_record *record)
{
	enum kw_err err = ks_put(txn, ks_backup_table(&txn->store->tables, record->table),
		record->key, record->key_length, record->value, record->value_length, MDB_APPEND);

	return err == KW_E_EXISTS ? refuse(KW_E_STORE_DAMAGED,
					    "the backup is damaged: its records are out of order")
				  : err;
}

/* Some records in one transaction. @return KW_E_NOT_FOUND after the last */
static enum kw_err fill_some(struct making *making, struct ks_txn *txn)
{
	const bool check = making->restore->check;
	size_t octets = 0;
	enum kw_err err = KW_OK;

	while (err == KW_OK && octets < COMMIT_OCTETS) {
		struct ks_backup_record record;

		err = ks_backup_reader_next(&making->reader, &record);
		if (err == KW_OK) {
			making->restore->devices +=
				ks_backup_table(&txn->store->tables, record.table) ==
				txn->store->tables.device;
			octets += record.key_length + record.value_length;
		}
		if (err == KW_OK && (!check || record.table < TABLES_CHECKED)) {
			err = put(txn, &record);
		}
	}
	return err;
}

static enum kw_err fill(struct making *making)
{
	enum kw_err filled = KW_OK;
	unsigned flags = MDB_CREATE;

	while (filled == KW_OK) {
		struct ks_txn *txn;
		enum kw_err err = ks_txn_begin(making->store, &txn);

		if (err != KW_OK) {
			return err;
		}
		err = ks_tables_open(txn, flags);
		flags = 0;
		filled = err == KW_OK ? fill_some(making, txn) : err;
		if (filled != KW_OK && filled != KW_E_NOT_FOUND) {
			ks_txn_abort(txn);
			return filled;
		}
		err = ks_txn_commit(txn);
		if (err != KW_OK) {
			return err;
		}
	}
	return KW_OK;
}

/* The head and the records were under one SHA-256; whoever can make that cannot make this. */
static enum kw_err check_origin(struct making *making)
{
	const struct ks_backup_head *head = &making->reader.head;
	const struct ks_store *store = making->store;
	uint8_t hmac[KS_BACKUP_CHECK_SIZE];
	enum kw_err err = ks_backup_seal(store->sealer, making->reader.sha, hmac);

	if (err != KW_OK) {
		return err;
	}
	if (!kw_equal_ct(hmac, making->reader.hmac, sizeof(hmac))) {
		return refuse(KW_E_STORE_DAMAGED,
			"the backup was changed after it was taken: take another one");
	}
	if (memcmp(head->store_id, store->id, sizeof(store->id)) != 0 ||
		head->epoch != store->epoch || head->advanced != store->advanced) {
		return refuse(KW_E_STORE_DAMAGED,
			"the backup is damaged: its head is not that of its store");
	}
	return KW_OK;
}

/* ---- the new epoch ---- */

/* What does not read stays; such a device cannot join (keystore/journal.c, compare()). */
static enum kw_err fold_all(struct making *making)
{
	size_t left;
	enum kw_err err = KW_OK;

	while (err == KW_OK && ks_fold_records(making->store) > 0) {
		err = ks_fold(making->store, FOLD_DEVICES, &left);
	}
	return err == KW_E_STORE_DAMAGED ? KW_OK : err;
}

static uint32_t greater(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* The same backup may have been restored before: the file beside the store remembers. */
static enum kw_err next_epoch(struct making *making, struct ks_epoch *out)
{
	const struct ks_store *store = making->store;
	enum kw_err err = ks_epoch_file_read(making->folder, out);

	if (err != KW_OK) {
		return err;
	}
	if (memcmp(out->store_id, store->id, sizeof(store->id)) != 0) {
		*out = (struct ks_epoch){.epoch = 0};
	}
	memcpy(out->store_id, store->id, sizeof(store->id));
	out->epoch = greater(out->epoch, store->epoch) + 1;
	out->advanced = greater(out->advanced, store->advanced) + making->restore->nonce_margin;
	return out->advanced <= LW_JOIN_NONCE_MAX - KS_NONCE_MARGIN_MIN
		       ? KW_OK
		       : refuse(KW_E_EXHAUSTED,
				 "after this margin no device would have a JoinNonce left: give a "
				 "smaller one with --nonce-margin");
}

static enum kw_err write_epoch(struct making *making, const struct ks_epoch *epoch)
{
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(making->store, &txn);

	if (err != KW_OK) {
		return err;
	}
	err = ks_epoch_write(txn, epoch->epoch, epoch->advanced);
	if (err != KW_OK) {
		ks_txn_abort(txn);
		return err;
	}
	return ks_txn_commit(txn);
}

/* ---- what came out ---- */

static void count_exhausted(struct ks_restore *restore, const struct lw_device_id *id)
{
	restore->exhausted++;
	if (restore->exhausted <= EXHAUSTED_NAMED) {
		kw_log(KW_LOG_WARNING, "keystore",
			"a device has no JoinNonce left and cannot join: give it new root keys "
			"under another DevEUI",
			KW_EUI("dev_eui", id->dev_eui.octets),
			KW_EUI("join_eui", id->join_eui.octets));
	}
}

static enum kw_err look_at_device(
	struct ks_txn *txn, struct ks_restore *restore, const struct ks_scan *scan)
{
	struct lw_device_id id;
	struct ks_device device;
	struct ks_state state;
	enum kw_err err = KW_E_STORE_DAMAGED;

	if (scan->key_length == KS_ID_SIZE) {
		ks_id_read(scan->key, &id);
		err = ks_device_decode(scan->value, scan->length, &device);
	}
	if (err == KW_OK) {
		err = ks_state_get(txn, &id, &state);
	}
	if (err == KW_OK && state.next_join_nonce > LW_JOIN_NONCE_MAX) {
		count_exhausted(restore, &id);
	}
	restore->damaged += err == KW_E_STORE_DAMAGED;
	return err == KW_E_STORE_DAMAGED ? KW_OK : err;
}

static enum kw_err look_at_devices(struct making *making)
{
	struct ks_scan scan;
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(making->store, &txn);

	if (err != KW_OK) {
		return err;
	}
	err = ks_scan_open(txn, txn->store->tables.device, &scan);
	if (err == KW_OK) {
		for (err = ks_scan_first(&scan); err == KW_OK;
			err = err == KW_OK ? ks_scan_next(&scan) : err) {
			err = look_at_device(txn, making->restore, &scan);
		}
		ks_scan_close(&scan);
	}
	ks_txn_abort(txn);
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

/* ---- the whole ---- */

static enum kw_err make_store(struct making *making)
{
	struct ks_store *store = making->store;
	enum kw_err err = ks_env_open(store, making->options, KS_NEW_NAME);

	/* Nothing of it counts before the end; there all of it is made durable. */
	if (err == KW_OK && mdb_env_set_flags(store->env, MDB_NOSYNC, 1) != 0) {
		err = KW_E_STORE;
	}
	if (err == KW_OK) {
		err = fill(making);
	}
	if (err == KW_OK) {
		err = ks_store_load(store, making->master);
	}
	return err == KW_OK ? check_origin(making) : err;
}

static enum kw_err renew(struct making *making, struct ks_epoch *epoch)
{
	int rc;
	enum kw_err err = fold_all(making);

	if (err == KW_OK) {
		err = next_epoch(making, epoch);
	}
	if (err == KW_OK) {
		err = write_epoch(making, epoch);
	}
	if (err == KW_OK) {
		err = look_at_devices(making);
	}
	if (err != KW_OK) {
		return err;
	}
	rc = mdb_env_sync(making->store->env, 1);
	return rc == 0 ? KW_OK : ks_lmdb_error(rc, "making the new store durable");
}

/* The file comes first: after a crash between the two a margin is wasted, never missing. */
static enum kw_err put_in_place(struct making *making, const struct ks_epoch *epoch)
{
	const char *path = making->options->path;
	bool there = false;
	enum kw_err err = ks_epoch_file_write(making->folder, epoch);

	if (err == KW_OK) {
		err = ks_folder_has_store(making->folder, &there);
	}
	if (err == KW_OK && there) {
		err = ks_folder_keep(making->folder, path, kw_now_ms(making->options->env),
			making->restore->aside);
	}
	return err == KW_OK ? ks_folder_put(making->folder, path) : err;
}

static void tell(const struct making *making)
{
	struct ks_restore *restore = making->restore;

	memcpy(restore->store_id, making->store->id, sizeof(restore->store_id));
	restore->time_ms = making->reader.head.time_ms;
	restore->records = making->reader.head.records;
	restore->epoch = making->store->epoch;
	restore->advanced = making->store->advanced;
}

static enum kw_err make(struct making *making)
{
	struct ks_epoch epoch;
	enum kw_err err;

	making->store = calloc(1, sizeof(*making->store));
	if (making->store == NULL) {
		return KW_E_NO_MEMORY;
	}
	making->store->clock = making->options->env;
	making->store->lock_fd = fcntl(making->folder, F_DUPFD_CLOEXEC, 0);
	err = making->store->lock_fd < 0 ? ks_folder_error("cannot open", making->options->path)
					 : make_store(making);
	if (err == KW_OK && !making->restore->check) {
		err = renew(making, &epoch);
	}
	if (err == KW_OK) {
		tell(making);
	}
	ks_store_close(making->store);
	making->store = NULL;
	return err == KW_OK && !making->restore->check ? put_in_place(making, &epoch) : err;
}

static enum kw_err check_place(struct making *making)
{
	bool there = false;
	enum kw_err err = ks_folder_lock(making->folder, making->options->path);

	if (err == KW_OK) {
		err = ks_folder_has_store(making->folder, &there);
	}
	if (err == KW_OK && there && !making->restore->replace) {
		kw_log(KW_LOG_ERROR, "keystore",
			"there is a store in this directory; with --force it is kept under "
			"another name");
		err = KW_E_EXISTS;
	}
	return err;
}

static void forget(struct ks_restore *restore)
{
	*restore = (struct ks_restore){
		.fd = restore->fd,
		.nonce_margin = restore->nonce_margin,
		.replace = restore->replace,
		.check = restore->check,
	};
}

static enum kw_err restore_here(struct making *making)
{
	enum kw_err err = check_place(making);

	if (err == KW_OK) {
		err = ks_backup_reader_open(&making->reader, making->restore->fd);
	}
	if (err == KW_OK) {
		ks_folder_clear(making->folder);
		err = make(making);
		ks_folder_clear(making->folder);
	}
	ks_backup_reader_close(&making->reader);
	return err;
}

enum kw_err ks_restore(const struct ks_options *options, const struct ks_master_key *master,
	struct ks_restore *restore)
{
	struct making *making;
	enum kw_err err;

	forget(restore);
	if (restore->nonce_margin < KS_NONCE_MARGIN_MIN ||
		restore->nonce_margin > KS_NONCE_MARGIN_MAX) {
		return refuse(KW_E_INVALID, "the nonce margin is out of its range");
	}
	making = calloc(1, sizeof(*making));
	if (making == NULL) {
		return KW_E_NO_MEMORY;
	}
	making->options = options;
	making->master = master;
	making->restore = restore;
	err = ks_folder_open(options->path, &making->folder);
	if (err == KW_OK) {
		err = restore_here(making);
		close(making->folder);
	}
	if (err != KW_OK) {
		forget(restore);
	}
	free(making);
	return err;
}
