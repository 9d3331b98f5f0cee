/**
 * The root keys that were imported last and of which device each is, to find one key in two devices.
 * Private to keystore/.
 *
 * A table in memory of fixed size. Of a key it has an HMAC-SHA-256 under the secret of the store, cut to
 * 16 octets: without the master key nobody who reads it can test a guess. It starts empty, so what was
 * imported before the store was opened is not in it.
 *
 * What it has of a key is a hint: the device may be gone, or its row may have been refused after all.
 * So a device counts as the other owner of a key if the store has it with that key, or if the table
 * heard of it in the same run.
 */
#ifndef KW_KEYSTORE_TWINS_H
#define KW_KEYSTORE_TWINS_H

#include "keystore/internal.h"
#include "provision/row.h"

#define KS_TWINS_MAX  ((uint32_t)1 << 18) /* keys; 36 octets each */
#define KS_TWINS_MARK 16

struct ks_twins;

/** The keys of one row, looked for. */
struct ks_twins_search {
	size_t count;
	uint8_t marks[2][KS_TWINS_MARK];
	bool known[2]; /* another device has it */
	bool found;    /* any of them */
	struct lw_eui other;
};

/** @return KW_OK, KW_E_NO_MEMORY */
KW_MUST_CHECK enum kw_err ks_twins_create(struct ks_twins **out);
/** NULL is fine. */
void ks_twins_destroy(struct ks_twins *twins);

/**
 * Look whether another device than the row's has one of its root keys. The store is read only where
 * the table has such a key.
 *
 * @param run  of one file; not 0
 * @return KW_OK (look at out->found), KW_E_CRYPTO, KW_E_STORE, KW_E_STORE_DAMAGED
 */
KW_MUST_CHECK enum kw_err ks_twins_find(
	struct ks_txn *txn, uint32_t run, const struct pr_row *row, struct ks_twins_search *out);
/** The row's device has these keys. Of a key that another one has, that one stays. */
void ks_twins_note(struct ks_twins *twins, uint32_t run, const struct lw_eui *dev_eui,
	const struct ks_twins_search *search);

#endif
