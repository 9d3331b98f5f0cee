#include "keystore/internal.h"

#include "base/cursor.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#define ROOM_LEAST (1024 * 1024) /* octets; with less a write may have been cut short */

enum kw_err ks_txn_begin(struct ks_store *store, struct ks_txn **out)
{
	MDB_txn *mdb;
	int rc;

	*out = NULL;
	assert(store->txn == NULL);
	rc = mdb_txn_begin(store->env, NULL, 0, &mdb);
	if (rc != 0) {
		return ks_lmdb_error(rc, "beginning a transaction");
	}
	store->slot = (struct ks_txn){.store = store, .mdb = mdb};
	store->txn = &store->slot;
	*out = store->txn;
	return KW_OK;
}

void ks_txn_abort(struct ks_txn *txn)
{
	struct ks_store *store;

	if (txn == NULL) {
		return;
	}
	store = txn->store;
	mdb_txn_abort(txn->mdb);
	store->txn = NULL;
	if (store->journal != NULL) {
		ks_journal_undone(store->journal);
	}
}

static void take_peers(struct ks_store *store, struct ks_peers *fresh)
{
	if (fresh != NULL) {
		ks_peers_free(store->peers);
		store->peers = fresh;
	}
}

/* A write that a disk without room cuts short, LMDB reports as EIO. */
static enum kw_err write_error(const struct ks_store *store, int rc, const char *doing)
{
	struct statvfs disk;

	if (rc == EIO && fstatvfs(store->lock_fd, &disk) == 0 &&
		disk.f_bavail < ROOM_LEAST / (disk.f_frsize > 0 ? disk.f_frsize : 1)) {
		rc = ENOSPC;
	}
	return ks_lmdb_error(rc, doing);
}

bool ks_txn_wrote(const struct ks_txn *txn)
{
	return txn->dirty;
}

enum kw_err ks_txn_commit(struct ks_txn *txn)
{
	struct ks_store *store = txn->store;
	struct ks_peers *fresh = NULL;
	enum kw_err err = txn->failed;
	int rc;

	/* Read the new table before the commit: afterwards nothing may fail any more. */
	if (err == KW_OK && txn->peers_changed) {
		err = ks_peers_load(txn, &fresh);
	}
	if (err != KW_OK) {
		ks_txn_abort(txn);
		return err == KW_E_STORE_FULL ? KW_E_STORE_FULL : KW_E_STORE;
	}
	rc = mdb_txn_commit(txn->mdb);
	store->txn = NULL;
	if (rc != 0) {
		ks_peers_free(fresh);
		if (store->journal != NULL) {
			ks_journal_undone(store->journal);
		}
		err = write_error(store, rc, "committing");
		return err == KW_E_STORE_FULL ? KW_E_STORE_FULL : KW_E_STORE;
	}
	take_peers(store, fresh);
	if (store->journal != NULL) {
		ks_journal_committed(store->journal);
	}
	return KW_OK;
}

/* LMDB refuses everything after a failed write; the first reason is the one to tell. */
static enum kw_err write_failed(struct ks_txn *txn, int rc, const char *doing)
{
	enum kw_err err;

	if (rc == MDB_BAD_TXN && txn->failed != KW_OK) {
		return txn->failed;
	}
	err = write_error(txn->store, rc, doing);
	if (err == KW_E_EXISTS || err == KW_E_NOT_FOUND) {
		return err;
	}
	if (txn->failed == KW_OK) {
		txn->failed = err;
	}
	return txn->failed;
}

static MDB_val borrow(const void *octets, size_t length)
{
	union {
		const void *in;
		void *out;
	} octet = {.in = octets};

	return (MDB_val){.mv_size = length, .mv_data = octet.out};
}

enum kw_err ks_get(struct ks_txn *txn, MDB_dbi table, const void *key, size_t key_length,
	const uint8_t **value, size_t *length)
{
	MDB_val name = borrow(key, key_length);
	MDB_val found;
	const int rc = mdb_get(txn->mdb, table, &name, &found);

	if (rc != 0) {
		*value = NULL;
		*length = 0;
		if (rc == MDB_BAD_TXN && txn->failed != KW_OK) {
			return txn->failed;
		}
		return ks_lmdb_error(rc, "reading a record");
	}
	if (found.mv_size > KS_VALUE_MAX) {
		*value = NULL;
		*length = 0;
		return ks_lmdb_error(MDB_CORRUPTED, "reading a record");
	}
	*value = found.mv_data;
	*length = found.mv_size;
	return KW_OK;
}

enum kw_err ks_put(struct ks_txn *txn, MDB_dbi table, const void *key, size_t key_length,
	const void *value, size_t length, unsigned flags)
{
	MDB_val name = borrow(key, key_length);
	MDB_val data = borrow(value, length);
	const int rc = mdb_put(txn->mdb, table, &name, &data, flags);

	if (rc != 0) {
		return write_failed(txn, rc, "writing a record");
	}
	txn->dirty = true;
	return KW_OK;
}

enum kw_err ks_delete(struct ks_txn *txn, MDB_dbi table, const void *key, size_t key_length)
{
	MDB_val name = borrow(key, key_length);
	const int rc = mdb_del(txn->mdb, table, &name, NULL);

	if (rc != 0) {
		return write_failed(txn, rc, "deleting a record");
	}
	txn->dirty = true;
	txn->device.known = false;
	txn->dev_eui.known = false;
	return KW_OK;
}

enum kw_err ks_last_find(struct ks_txn *txn, MDB_dbi table, struct ks_last *last)
{
	MDB_cursor *cursor;
	MDB_val key;
	int rc;

	if (last->known) {
		return KW_OK;
	}
	rc = mdb_cursor_open(txn->mdb, table, &cursor);
	if (rc != 0) {
		return ks_lmdb_error(rc, "opening a cursor");
	}
	rc = mdb_cursor_get(cursor, &key, NULL, MDB_LAST);
	if (rc == 0 && key.mv_size == KS_ID_SIZE) {
		memcpy(last->key, key.mv_data, KS_ID_SIZE);
	}
	mdb_cursor_close(cursor);
	if (rc != 0 && rc != MDB_NOTFOUND) {
		return ks_lmdb_error(rc, "reading the end of a table");
	}
	if (rc == 0 && key.mv_size != KS_ID_SIZE) {
		return KW_E_STORE_DAMAGED;
	}
	last->empty = rc == MDB_NOTFOUND;
	last->known = true;
	return KW_OK;
}

enum kw_err ks_put_new(struct ks_txn *txn, MDB_dbi table, struct ks_last *last,
	const uint8_t key[KS_ID_SIZE], const void *value, size_t length)
{
	enum kw_err err = ks_last_find(txn, table, last);

	if (err != KW_OK) {
		return err;
	}
	if (last->empty || memcmp(key, last->key, KS_ID_SIZE) > 0) {
		err = ks_put(txn, table, key, KS_ID_SIZE, value, length, MDB_APPEND);
		if (err == KW_OK) {
			memcpy(last->key, key, KS_ID_SIZE);
			last->empty = false;
		}
		if (err != KW_E_EXISTS) {
			return err;
		}
		last->known = false;
	}
	return ks_put(txn, table, key, KS_ID_SIZE, value, length, MDB_NOOVERWRITE);
}

enum kw_err ks_meta_get(struct ks_txn *txn, const char *name, void *out, size_t length)
{
	const uint8_t *value;
	size_t found;
	enum kw_err err = ks_get(txn, txn->store->tables.meta, name, strlen(name), &value, &found);

	memset(out, 0, length);
	if (err != KW_OK) {
		return err;
	}
	if (found != length) {
		kw_log(KW_LOG_ERROR, "keystore", "damaged record in the meta table",
			KW_STR("record", name));
		return KW_E_STORE_DAMAGED;
	}
	memcpy(out, value, length);
	return KW_OK;
}

enum kw_err ks_meta_put(struct ks_txn *txn, const char *name, const void *value, size_t length)
{
	return ks_put(txn, txn->store->tables.meta, name, strlen(name), value, length, 0);
}

enum kw_err ks_meta_get_u32(struct ks_txn *txn, const char *name, uint32_t *out)
{
	uint8_t octets[sizeof(*out)];
	struct kw_reader reader;
	const enum kw_err err = ks_meta_get(txn, name, octets, sizeof(octets));

	kw_reader_init(&reader, octets, sizeof(octets));
	*out = kw_read_u32(&reader);
	return err;
}

enum kw_err ks_meta_put_u32(struct ks_txn *txn, const char *name, uint32_t value)
{
	uint8_t octets[sizeof(value)];
	struct kw_writer writer;

	kw_writer_init(&writer, octets, sizeof(octets));
	kw_write_u32(&writer, value);
	return ks_meta_put(txn, name, octets, sizeof(octets));
}
