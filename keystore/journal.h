/**
 * The journal: what joins append, in the table and in memory. Private to keystore/.
 *
 * The accepted records of a device that are not folded form a chain: its last is known in memory
 * (keystore/pending.h), each names the one before. Refusals are in no chain; only their number
 * matters.
 */
#ifndef KW_KEYSTORE_JOURNAL_H
#define KW_KEYSTORE_JOURNAL_H

#include "keystore/history.h"
#include "keystore/internal.h"
#include "keystore/pending.h"
#include "keystore/record.h"

struct ks_fold_pass; /* fold.c: where folding stands between calls */

struct ks_journal {
	struct ks_pendings *pendings;
	uint64_t next;       /* sequence of the next record */
	uint64_t committed;  /* the same, as of the last commit */
	uint64_t folded;     /* all up to this one are folded and may be dropped */
	uint64_t generation; /* changes whenever state that was read before may be outdated */
	struct ks_fold_pass *pass;
};

/** Append a record as it is and set record->event.sequence.
 *  @return KW_OK, KW_E_STORE, KW_E_STORE_FULL */
KW_MUST_CHECK enum kw_err ks_journal_append(struct ks_txn *txn, struct ks_record *record);
/** Read a record. One that must be there and is not is damage, too; logged.
 *  @return KW_OK, KW_E_STORE, KW_E_STORE_DAMAGED */
KW_MUST_CHECK enum kw_err ks_journal_read(
	struct ks_txn *txn, uint64_t sequence, struct ks_record *out);
/** ks_journal_read() of an accepted record that must be this device's. */
KW_MUST_CHECK enum kw_err ks_journal_read_own(struct ks_txn *txn, uint64_t sequence,
	const struct lw_device_id *id, struct ks_record *out);

/** Note, in the meta table, that all records up to `sequence` are folded. */
KW_MUST_CHECK enum kw_err ks_journal_put_folded(struct ks_txn *txn, uint64_t sequence);
/** Delete at most `max` of the oldest records beyond the newest `kept`, none after `folded`. */
KW_MUST_CHECK enum kw_err ks_journal_prune(
	struct ks_txn *txn, uint64_t kept, uint64_t folded, size_t max);

/**
 * What is unfolded of a device; compared with the state table where that is needed (after a replay,
 * and after ks_history_replace()). Changes nothing.
 *
 * @return KW_OK with *out; KW_E_NOT_FOUND (nothing is); KW_E_STORE, KW_E_STORE_DAMAGED
 */
KW_MUST_CHECK enum kw_err ks_pending_get(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_pending *out);

/* fold.c */
/**
 * The whole history of a device: its state record with all that is unfolded applied. Writes nothing.
 *
 * @param changed  out: whether anything was unfolded; may be NULL
 * @return KW_OK, KW_E_STORE, KW_E_STORE_DAMAGED
 */
KW_MUST_CHECK enum kw_err ks_history_whole(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_history *out, bool *changed);
/**
 * Write a whole history, possibly altered, as the state record that has everything folded in. The
 * entry in memory stays until the next pass, and is compared with that record before its use.
 *
 * @return KW_OK, KW_E_NO_MEMORY, KW_E_STORE, KW_E_STORE_FULL
 */
KW_MUST_CHECK enum kw_err ks_history_replace(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_history *history);
void ks_fold_pass_free(struct ks_fold_pass *pass);

void ks_sequence_write(uint64_t sequence, uint8_t out[sizeof(uint64_t)]);

#endif
