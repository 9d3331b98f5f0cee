/**
 * Walking a table in the order of its keys. Private to keystore/.
 */
#ifndef KW_KEYSTORE_SCAN_H
#define KW_KEYSTORE_SCAN_H

#include "keystore/internal.h"

/** A place in a table and the record there, borrowed until the next write of the transaction. */
struct ks_scan {
	MDB_cursor *cursor;
	const uint8_t *key;
	size_t key_length;
	const uint8_t *value;
	size_t length;
};

/** Close it before the transaction ends; nothing may be closed that was not opened. */
KW_MUST_CHECK enum kw_err ks_scan_open(struct ks_txn *txn, MDB_dbi table, struct ks_scan *out);
void ks_scan_close(struct ks_scan *scan);

/* Go to the first record at or after a key, to the first, the last, the next, the one before.
 * @return KW_OK, KW_E_NOT_FOUND (there is none; key and value are NULL), KW_E_STORE... */
KW_MUST_CHECK enum kw_err ks_scan_seek(struct ks_scan *scan, const void *key, size_t key_length);
KW_MUST_CHECK enum kw_err ks_scan_first(struct ks_scan *scan);
KW_MUST_CHECK enum kw_err ks_scan_last(struct ks_scan *scan);
KW_MUST_CHECK enum kw_err ks_scan_next(struct ks_scan *scan);
KW_MUST_CHECK enum kw_err ks_scan_prev(struct ks_scan *scan);

/** Delete the record here; ks_scan_next() then goes to the one behind it. Marks txn dirty. */
KW_MUST_CHECK enum kw_err ks_scan_delete(struct ks_txn *txn, struct ks_scan *scan);

/** Records in a table; 0 if that cannot be told. */
uint64_t ks_scan_count(struct ks_txn *txn, MDB_dbi table);

#endif
