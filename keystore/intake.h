/**
 * How root keys and KEKs enter: sealed to the intake certificate of this store, as CMS
 * AuthEnvelopedData (RFC 5083) with AES-256-GCM, key agreement on EC P-256 (RFC 5753).
 */
#ifndef KW_KEYSTORE_INTAKE_H
#define KW_KEYSTORE_INTAKE_H

#include "keystore/device.h"
#include "keystore/peer.h"
#include "provision/row.h"

/** The certificate in DER; borrowed for the life of the store. */
const uint8_t *ks_intake_certificate(const struct ks_store *store, size_t *length);

/** What ks_import() is told and tells. */
struct ks_import {
	struct ks_policy policy; /* for every row; the name comes from the row */
	bool dry_run;
	bool skip_errors;
	bool strict;  /* refuse a new device that has a root key of another one; else warn */
	bool quiet;   /* do not even warn: what is tried now is loaded later, and told of then */
	uint32_t run; /* the same for all envelopes of a file; 0: this one is all of it */
	/** A row that was refused, or, with problem->err KW_OK, one that was taken with a warning. The
	 *  words never hold a key. */
	void (*problem)(void *context, const struct pr_problem *problem);
	void *context;
	uint32_t rows;          /* out: rows read */
	uint32_t added;         /* out: stored, or could be stored in a dry run */
	uint32_t already;       /* out: there already with this JoinEUI, version and keys */
	uint32_t refused;       /* out */
	uint32_t warned;        /* out: rows that were taken with a warning */
	char why[PR_TEXT_SIZE]; /* out: when the envelope as a whole is refused */
};

/**
 * Open an envelope that holds a device file (provision/row.h) and store its devices, all in the
 * given transaction. Without skip_errors one bad row means that nothing is stored: the caller
 * aborts the transaction when refused is not 0.
 *
 * A device that is there already as the row says, root keys included, is counted and left as it is,
 * so that an import that was broken off can be done again. With anything else under its DevEUI the
 * row is refused (KW_E_EXISTS).
 *
 * A new device that has a root key of another device is told of, or refused (KW_E_CONFLICT), as far
 * as keystore/twins.h remembers: other devices of this file, and devices of earlier imports since the
 * store was opened.
 *
 * @param der  CMS, DER
 * @return KW_OK (look at refused), KW_E_ENVELOPE, KW_E_SYNTAX (the file in it), KW_E_STORE,
 *         KW_E_STORE_FULL, KW_E_NO_MEMORY, KW_E_CRYPTO. Plaintext is wiped on every path.
 */
KW_MUST_CHECK enum kw_err ks_import(
	struct ks_txn *txn, const uint8_t *der, size_t length, struct ks_import *import);

/** Open an envelope that holds the octets of one KEK and seal it into the peer, as
 *  ks_peer_add_kek(). Also KW_E_ENVELOPE, KW_E_NO_MEMORY. */
KW_MUST_CHECK enum kw_err ks_intake_kek(struct ks_store *store, struct ks_peer *peer,
	const char *label, const uint8_t *der, size_t length);

#endif
