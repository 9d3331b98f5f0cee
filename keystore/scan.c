#include "keystore/scan.h"

#include <string.h>

enum kw_err ks_scan_open(struct ks_txn *txn, MDB_dbi table, struct ks_scan *out)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = mdb_cursor_open(txn->mdb, table, &out->cursor);
	return rc == 0 ? KW_OK : ks_lmdb_error(rc, "open a cursor");
}

void ks_scan_close(struct ks_scan *scan)
{
	mdb_cursor_close(scan->cursor);
	memset(scan, 0, sizeof(*scan));
}

static enum kw_err move(struct ks_scan *scan, MDB_val key, MDB_cursor_op op)
{
	MDB_val value = {0, NULL};
	int rc = mdb_cursor_get(scan->cursor, &key, &value, op);

	if (rc == 0 && value.mv_size > KS_VALUE_MAX) {
		rc = MDB_CORRUPTED;
	}
	if (rc != 0) {
		scan->key = NULL;
		scan->key_length = 0;
		scan->value = NULL;
		scan->length = 0;
		return ks_lmdb_error(rc, "walk a table");
	}
	scan->key = key.mv_data;
	scan->key_length = key.mv_size;
	scan->value = value.mv_data;
	scan->length = value.mv_size;
	return KW_OK;
}

enum kw_err ks_scan_seek(struct ks_scan *scan, const void *key, size_t key_length)
{
	return move(scan, (MDB_val){key_length, (void *)key}, MDB_SET_RANGE);
}

enum kw_err ks_scan_first(struct ks_scan *scan)
{
	return move(scan, (MDB_val){0, NULL}, MDB_FIRST);
}

enum kw_err ks_scan_last(struct ks_scan *scan)
{
	return move(scan, (MDB_val){0, NULL}, MDB_LAST);
}

enum kw_err ks_scan_next(struct ks_scan *scan)
{
	return move(scan, (MDB_val){0, NULL}, MDB_NEXT);
}

enum kw_err ks_scan_prev(struct ks_scan *scan)
{
	return move(scan, (MDB_val){0, NULL}, MDB_PREV);
}

enum kw_err ks_scan_delete(struct ks_txn *txn, struct ks_scan *scan)
{
	int rc;

	txn->dirty = true;
	rc = mdb_cursor_del(scan->cursor, 0);
	return rc == 0 ? KW_OK : ks_lmdb_error(rc, "delete a record");
}

uint64_t ks_scan_count(struct ks_txn *txn, MDB_dbi table)
{
	MDB_stat stat;

	return mdb_stat(txn->mdb, table, &stat) == 0 ? stat.ms_entries : 0;
}
