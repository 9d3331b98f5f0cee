#include "keystore/store.h"

#include "base/cursor.h"
#include "base/log.h"
#include "keystore/epoch.h"
#include "keystore/folder.h"
#include "keystore/intake_key.h"
#include "keystore/pages.h"
#include "keystore/scan.h"
#include "keystore/seal.h"
#include "keystore/twins.h"
#include "keystore/upgrade.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLES_MAX    16
#define FILE_MODE     (S_IRUSR | S_IWUSR)
#define ENV_FLAGS     (MDB_NORDAHEAD | MDB_NOTLS)
#define STORE_ID_NAME "store_id"
#define CREATED_NAME  "created"

static enum kw_err translate(int rc)
{
	switch (rc) {
	case MDB_NOTFOUND:
		return KW_E_NOT_FOUND;
	case MDB_KEYEXIST:
		return KW_E_EXISTS;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return KW_E_STORE_FULL;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
		return KW_E_STORE_DAMAGED;
	default:
		return KW_E_STORE;
	}
}

enum kw_err ks_lmdb_error(int rc, const char *doing)
{
	const enum kw_err err = translate(rc);

	if (err == KW_E_NOT_FOUND || err == KW_E_EXISTS) {
		return err;
	}
	if (err == KW_E_STORE_FULL) {
		kw_log(KW_LOG_ERROR, "keystore",
			"disk or store full: free disk space or raise map_size",
			KW_STR("doing", doing), KW_STR("reason", mdb_strerror(rc)));
		return err;
	}
	kw_log(KW_LOG_ERROR, "keystore", "LMDB failed", KW_STR("doing", doing),
		KW_STR("reason", mdb_strerror(rc)));
	return err;
}

enum kw_err ks_env_open(struct ks_store *store, const struct ks_options *options, const char *file)
{
	char path[PATH_MAX];
	const unsigned flags = ENV_FLAGS | (file != NULL ? MDB_NOSUBDIR : 0);
	int stale;
	int rc;

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", options->path, file != NULL ? "/" : "",
		    file != NULL ? file : "") >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return ks_folder_error("cannot open the store", options->path);
	}
	rc = mdb_env_create(&store->env);
	if (rc == 0) {
		rc = mdb_env_set_maxdbs(store->env, TABLES_MAX);
	}
	if (rc == 0) {
		rc = mdb_env_set_mapsize(store->env, options->map_size);
	}
	if (rc == 0) {
		rc = mdb_env_open(store->env, path, flags, FILE_MODE);
	}
	if (rc == 0) {
		rc = mdb_reader_check(store->env, &stale);
	}
	return rc == 0 ? KW_OK : ks_lmdb_error(rc, "opening the store");
}

/*
 * What is read may be in the page cache alone: a store that was just copied here, or the old meta page
 * that LMDB puts back when writing a new one fails. If that one reached the disk all the same, and the
 * next commit wrote over pages that it names before the old one is durable, a power cut would leave a
 * store that does not read.
 */
static enum kw_err make_durable(const struct ks_store *store)
{
	const int rc = mdb_env_sync(store->env, 1);

	if (rc != 0) {
		return ks_lmdb_error(rc, "making durable what is there");
	}
	return fsync(store->lock_fd) == 0 ? KW_OK
					  : ks_folder_error("cannot sync the directory", ".");
}

static enum kw_err open_table(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *out)
{
	const int rc = mdb_dbi_open(txn, name, flags, out);

	if (rc == MDB_NOTFOUND) {
		kw_log(KW_LOG_ERROR, "keystore", "a table of the store is not there",
			KW_STR("table", name));
		return KW_E_STORE_DAMAGED;
	}
	return rc == 0 ? KW_OK : ks_lmdb_error(rc, "opening a table");
}

enum kw_err ks_tables_open(struct ks_txn *txn, unsigned flags)
{
	struct ks_tables *tables = &txn->store->tables;
	const struct {
		const char *name;
		MDB_dbi *table;
	} list[] = {
		{"meta", &tables->meta},
		{"key", &tables->key},
		{"device", &tables->device},
		{"dev_eui", &tables->dev_eui},
		{"state", &tables->state},
		{"journal", &tables->journal},
		{"peer", &tables->peer},
	};
	enum kw_err err = KW_OK;

	for (size_t i = 0; err == KW_OK && i < sizeof(list) / sizeof(list[0]); i++) {
		err = open_table(txn->mdb, list[i].name, flags, list[i].table);
	}
	return err;
}

static enum kw_err put_meta(struct ks_txn *txn)
{
	struct ks_store *store = txn->store;
	uint8_t created[sizeof(uint64_t)];
	struct kw_writer writer;
	enum kw_err err = kw_random(store->clock, store->id, sizeof(store->id));

	if (err != KW_OK) {
		return err;
	}
	kw_writer_init(&writer, created, sizeof(created));
	kw_write_u64(&writer, kw_now_ms(store->clock));
	err = ks_meta_put_u32(txn, KS_FORMAT_NAME, KS_FORMAT);
	if (err == KW_OK) {
		err = ks_meta_put(txn, STORE_ID_NAME, store->id, sizeof(store->id));
	}
	if (err == KW_OK) {
		err = ks_epoch_write(txn, KS_EPOCH_FIRST, 0);
	}
	if (err == KW_OK) {
		err = ks_meta_put(txn, CREATED_NAME, created, sizeof(created));
	}
	return err;
}

static enum kw_err fill(struct ks_txn *txn, const struct ks_master_key *master)
{
	struct ks_store *store = txn->store;
	enum kw_err err = ks_tables_open(txn, MDB_CREATE);

	if (err == KW_OK) {
		err = put_meta(txn);
	}
	if (err == KW_OK) {
		err = ks_sealer_create(txn, master);
	}
	if (err == KW_OK) {
		err = ks_sealer_open(txn, master, &store->sealer);
	}
	if (err == KW_OK) {
		err = ks_intake_create(txn);
	}
	return err;
}

static enum kw_err build(struct ks_store *store, const struct ks_options *options,
	const struct ks_master_key *master)
{
	struct ks_txn *txn;
	enum kw_err err = ks_env_open(store, options, KS_NEW_NAME);

	if (err == KW_OK) {
		err = ks_txn_begin(store, &txn);
	}
	if (err == KW_OK) {
		err = fill(txn, master);
		if (err == KW_OK) {
			err = ks_txn_commit(txn);
		} else {
			ks_txn_abort(txn);
		}
	}
	ks_sealer_close(store->sealer);
	mdb_env_close(store->env);
	return err;
}

static enum kw_err refuse_existing(int folder, const char *path)
{
	bool there;
	const enum kw_err err = ks_folder_has_store(folder, &there);

	if (err == KW_OK && there) {
		kw_log(KW_LOG_ERROR, "keystore", "there is a store in this directory already",
			KW_STR("path", path));
		return KW_E_EXISTS;
	}
	return err;
}

static enum kw_err create_in_folder(struct ks_store *store, const struct ks_options *options,
	const struct ks_master_key *master)
{
	enum kw_err err = refuse_existing(store->lock_fd, options->path);

	if (err == KW_OK) {
		err = ks_folder_lock(store->lock_fd, options->path);
	}
	if (err == KW_OK) {
		err = refuse_existing(store->lock_fd, options->path);
	}
	if (err != KW_OK) {
		return err;
	}
	ks_folder_clear(store->lock_fd);
	err = build(store, options, master);
	if (err == KW_OK) {
		err = ks_folder_put(store->lock_fd, options->path);
	}
	ks_folder_clear(store->lock_fd);
	return err;
}

enum kw_err ks_store_create(const struct ks_options *options, const struct ks_master_key *master)
{
	struct ks_store store = {.clock = options->env};
	enum kw_err err = ks_folder_open(options->path, &store.lock_fd);

	if (err != KW_OK) {
		return err;
	}
	err = create_in_folder(&store, options, master);
	close(store.lock_fd);
	return err;
}

/* Before anything else is read: what follows may look different in another format. */
static enum kw_err check_format(struct ks_txn *txn)
{
	struct ks_store *store = txn->store;
	enum kw_err err = open_table(txn->mdb, "meta", 0, &store->tables.meta);

	if (err == KW_OK) {
		err = ks_meta_get_u32(txn, KS_FORMAT_NAME, &store->format);
	}
	if (err == KW_E_NOT_FOUND) {
		kw_log(KW_LOG_ERROR, "keystore", "the store does not tell its format");
		return KW_E_STORE_DAMAGED;
	}
	if (err == KW_OK) {
		err = ks_upgrade_run(txn, ks_upgrades, store->format, KS_FORMAT);
	}
	if (err == KW_OK) {
		store->format = KS_FORMAT;
	}
	return err;
}

static enum kw_err prepare(struct ks_store *store)
{
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(store, &txn);

	if (err != KW_OK) {
		return err;
	}
	err = check_format(txn);
	if (err == KW_OK) {
		err = ks_tables_open(txn, 0);
	}
	if (err != KW_OK) {
		ks_txn_abort(txn);
		return err;
	}
	return ks_txn_commit(txn);
}

static enum kw_err read_meta(struct ks_txn *txn)
{
	struct ks_store *store = txn->store;
	enum kw_err err = ks_meta_get(txn, STORE_ID_NAME, store->id, sizeof(store->id));

	if (err == KW_OK) {
		err = ks_epoch_read(txn);
	}
	return err == KW_E_NOT_FOUND ? KW_E_STORE_DAMAGED : err;
}

static enum kw_err load_parts(struct ks_txn *txn, const struct ks_master_key *master)
{
	struct ks_store *store = txn->store;
	enum kw_err err = read_meta(txn);

	if (err == KW_OK) {
		err = ks_sealer_open(txn, master, &store->sealer);
	}
	if (err == KW_OK) {
		store->root = ks_sealer_root(store->sealer);
		err = ks_intake_load(txn, &store->intake);
	}
	if (err == KW_OK) {
		err = ks_peers_load(txn, &store->peers);
	}
	if (err == KW_OK) {
		err = ks_journal_open(txn, &store->journal);
	}
	return err;
}

static enum kw_err load(struct ks_store *store, const struct ks_master_key *master)
{
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(store, &txn);

	if (err != KW_OK) {
		return err;
	}
	err = load_parts(txn, master);
	ks_txn_abort(txn);
	if (err == KW_E_MASTER_KEY) {
		kw_log(KW_LOG_ERROR, "keystore",
			"the master key is not the one of this store: put back the file it was "
			"created with");
	} else if (err == KW_E_STORE_DAMAGED) {
		kw_log(KW_LOG_ERROR, "keystore", "the store is damaged: restore a backup");
	}
	return err;
}

enum kw_err ks_store_load(struct ks_store *store, const struct ks_master_key *master)
{
	enum kw_err err;

	store->aes = lw_aes_create();
	if (store->aes == NULL) {
		return ks_openssl_error("setting up AES");
	}
	err = prepare(store);
	return err == KW_OK ? load(store, master) : err;
}

static enum kw_err open_in_folder(struct ks_store *store, const struct ks_options *options,
	const struct ks_master_key *master)
{
	bool there;
	enum kw_err err = ks_folder_has_store(store->lock_fd, &there);

	if (err != KW_OK) {
		return err;
	}
	if (!there) {
		kw_log(KW_LOG_ERROR, "keystore",
			"there is no store in this directory: create one with keyward init");
		return KW_E_STORE_ABSENT;
	}
	err = ks_meta_pages_check(store->lock_fd, KS_DATA_NAME);
	if (err == KW_OK) {
		err = ks_env_open(store, options, NULL);
	}
	if (err == KW_OK) {
		err = make_durable(store);
	}
	return err == KW_OK ? ks_store_load(store, master) : err;
}

enum kw_err ks_store_open(
	const struct ks_options *options, const struct ks_master_key *master, struct ks_store **out)
{
	struct ks_store *store = calloc(1, sizeof(*store));
	enum kw_err err;

	*out = NULL;
	if (store == NULL) {
		return KW_E_NO_MEMORY;
	}
	store->clock = options->env;
	err = ks_folder_open(options->path, &store->lock_fd);
	if (err == KW_OK) {
		err = ks_folder_lock(store->lock_fd, options->path);
	}
	if (err == KW_OK) {
		err = open_in_folder(store, options, master);
	}
	if (err != KW_OK) {
		ks_store_close(store);
		return err;
	}
	*out = store;
	return KW_OK;
}

void ks_store_close(struct ks_store *store)
{
	if (store == NULL) {
		return;
	}
	ks_txn_abort(store->txn);
	if (store->journal != NULL) {
		ks_journal_close(store->journal);
		ks_twins_destroy(store->twins);
	}
	ks_peers_free(store->peers);
	ks_intake_free(store->intake);
	ks_sealer_close(store->sealer);
	lw_aes_destroy(store->aes);
	if (store->env != NULL) {
		mdb_env_close(store->env);
	}
	if (store->lock_fd >= 0) {
		close(store->lock_fd);
	}
	free(store);
}

struct lw_aes *ks_store_aes(struct ks_store *store)
{
	return store->aes;
}

const struct kw_env *ks_store_env(const struct ks_store *store)
{
	return store->clock;
}

static void count_tables(struct ks_txn *txn, struct ks_store_figures *out)
{
	out->devices = ks_scan_count(txn, txn->store->tables.device);
	out->peers = ks_scan_count(txn, txn->store->tables.peer);
	out->events = ks_journal_records(txn);
}

void ks_store_figures(struct ks_store *store, struct ks_store_figures *out)
{
	struct ks_txn *txn;
	MDB_envinfo info;
	MDB_stat stat;

	*out = (struct ks_store_figures){.format = store->format, .epoch = store->epoch};
	out->journal_records = ks_fold_records(store);
	if (mdb_env_info(store->env, &info) == 0 && mdb_env_stat(store->env, &stat) == 0) {
		out->used_bytes = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
		out->map_bytes = info.me_mapsize;
	}
	if (store->txn != NULL) {
		count_tables(store->txn, out);
	} else if (ks_txn_begin(store, &txn) == KW_OK) {
		count_tables(txn, out);
		ks_txn_abort(txn);
	}
}
