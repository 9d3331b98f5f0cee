/** The intake key of a store and the envelopes that it opens. Private to keystore/. */
#ifndef KW_KEYSTORE_INTAKE_KEY_H
#define KW_KEYSTORE_INTAKE_KEY_H

#include "keystore/internal.h"
#include "provision/row.h"

#define KS_PLAIN_MAX (1024 * 1024) /* octets inside one envelope */

/** Make key and certificate of a new store and write them. */
KW_MUST_CHECK enum kw_err ks_intake_create(struct ks_txn *txn);
/** @return KW_OK, KW_E_STORE_DAMAGED, KW_E_STORE, KW_E_NO_MEMORY */
KW_MUST_CHECK enum kw_err ks_intake_load(struct ks_txn *txn, struct ks_intake **out);
/** Wipes. NULL is fine. */
void ks_intake_free(struct ks_intake *intake);

/** What was in an envelope; pages of its own. */
struct ks_plain {
	uint8_t *octets;
	size_t length;
	size_t size;
};

/**
 * Open an envelope. Nothing of it is handed out before its tag was right.
 *
 * @param why  out: what is wrong and what to do, if KW_E_ENVELOPE
 * @return KW_OK, KW_E_ENVELOPE, KW_E_NO_MEMORY; *out is zero on any error
 */
KW_MUST_CHECK enum kw_err ks_envelope_open(const struct ks_store *store, const uint8_t *der,
	size_t length, struct ks_plain *out, char why[PR_TEXT_SIZE]);
/** Wipe and free. */
void ks_plain_free(struct ks_plain *plain);

#endif
