#include "keystore/journal.h"

#include "base/log.h"
#include "keystore/scan.h"

#include <stdlib.h>
#include <string.h>

#define SEQUENCE_SIZE sizeof(uint64_t)

static const char folded_key[] = "folded"; /* without the NUL */

void ks_sequence_write(uint64_t sequence, uint8_t out[sizeof(uint64_t)])
{
	for (size_t i = SEQUENCE_SIZE; i > 0; i--) {
		out[i - 1] = (uint8_t)sequence;
		sequence >>= 8;
	}
}

static enum kw_err read_sequence(const uint8_t *octets, size_t length, uint64_t *out)
{
	struct kw_reader reader;

	kw_reader_init(&reader, octets, length);
	*out = kw_read_u64(&reader);
	return kw_reader_end(&reader) == KW_OK && *out != 0 && *out != UINT64_MAX
		       ? KW_OK
		       : KW_E_STORE_DAMAGED;
}

static enum kw_err damaged(uint64_t sequence)
{
	kw_log(KW_LOG_ERROR, "keystore", "a journal record is damaged or missing",
		KW_NUM("sequence", sequence));
	return KW_E_STORE_DAMAGED;
}

enum kw_err ks_journal_append(struct ks_txn *txn, struct ks_record *record)
{
	struct ks_journal *journal = txn->store->journal;
	uint8_t key[SEQUENCE_SIZE];
	uint8_t value[KS_RECORD_SIZE_MAX];
	size_t length;
	enum kw_err err;

	record->event.sequence = journal->next;
	ks_sequence_write(journal->next, key);
	length = ks_record_write(record, value);
	err = ks_put(txn, txn->store->tables.journal, key, sizeof(key), value, length, MDB_APPEND);
	if (err == KW_OK) {
		journal->next++;
	}
	return err;
}

enum kw_err ks_journal_read(struct ks_txn *txn, uint64_t sequence, struct ks_record *out)
{
	uint8_t key[SEQUENCE_SIZE];
	const uint8_t *value;
	size_t length;
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	ks_sequence_write(sequence, key);
	err = ks_get(txn, txn->store->tables.journal, key, sizeof(key), &value, &length);
	if (err == KW_OK) {
		err = ks_record_read(sequence, value, length, out);
	}
	return err == KW_E_NOT_FOUND || err == KW_E_STORE_DAMAGED ? damaged(sequence) : err;
}

enum kw_err ks_journal_read_own(
	struct ks_txn *txn, uint64_t sequence, const struct lw_device_id *id, struct ks_record *out)
{
	enum kw_err err = ks_journal_read(txn, sequence, out);

	if (err == KW_OK && (out->event.kind != KS_EVENT_ACCEPTED ||
				    memcmp(&out->event.id, id, sizeof(*id)) != 0)) {
		memset(out, 0, sizeof(*out));
		return damaged(sequence);
	}
	return err;
}

enum kw_err ks_journal_put_folded(struct ks_txn *txn, uint64_t sequence)
{
	uint8_t value[SEQUENCE_SIZE];

	ks_sequence_write(sequence, value);
	return ks_put(txn, txn->store->tables.meta, folded_key, strlen(folded_key), value,
		sizeof(value), 0);
}

static enum kw_err get_folded(struct ks_txn *txn, uint64_t *out)
{
	const uint8_t *value;
	size_t length;
	enum kw_err err = ks_get(
		txn, txn->store->tables.meta, folded_key, strlen(folded_key), &value, &length);

	*out = 0;
	if (err == KW_E_NOT_FOUND) {
		return KW_OK;
	}
	return err == KW_OK ? read_sequence(value, length, out) : err;
}

static enum kw_err prune(struct ks_txn *txn, struct ks_scan *scan, uint64_t folded, uint64_t excess)
{
	enum kw_err err = ks_scan_first(scan);

	for (; err == KW_OK && excess > 0; excess--) {
		uint64_t sequence;

		err = read_sequence(scan->key, scan->key_length, &sequence);
		if (err != KW_OK || sequence > folded) {
			return err;
		}
		err = ks_scan_delete(txn, scan);
		if (err == KW_OK) {
			err = ks_scan_next(scan);
		}
	}
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

enum kw_err ks_journal_prune(struct ks_txn *txn, uint64_t kept, uint64_t folded, size_t max)
{
	uint64_t count = ks_journal_records(txn);
	struct ks_scan scan;
	enum kw_err err;

	if (count <= kept) {
		return KW_OK;
	}
	err = ks_scan_open(txn, txn->store->tables.journal, &scan);
	if (err != KW_OK) {
		return err;
	}
	err = prune(txn, &scan, folded, count - kept < max ? count - kept : max);
	ks_scan_close(&scan);
	return err;
}

uint64_t ks_journal_records(struct ks_txn *txn)
{
	return ks_scan_count(txn, txn->store->tables.journal);
}

/*
 * A join continues the chain that its device has. One whose predecessor is folded is folded itself:
 * chains are folded whole. That the replay cannot know before it meets the state record, so it takes
 * it for the first of a chain.
 */
static enum kw_err replay_join(const struct ks_journal *journal, const struct ks_record *record,
	struct ks_pending *pending)
{
	const struct ks_event *event = &record->event;
	const bool first = record->prev <= journal->folded;

	if (!first && (record->prev != pending->last || pending->chain >= KS_CHAIN_MAX)) {
		return damaged(event->sequence);
	}
	pending->last = event->sequence;
	pending->chain = (first ? 1u : pending->chain + 1u) & 0x7f;
	pending->next_join_nonce = event->join_nonce + 1;
	pending->joins_accepted = record->joins_accepted;
	pending->dev_nonce_count = record->dev_nonce_count & LW_JOIN_NONCE_MAX;
	pending->max_dev_nonce = record->max_dev_nonce;
	pending->last_dev_nonce =
		record->session.type == LW_JOIN_REQ_JOIN ? event->dev_nonce : event->last_dev_nonce;
	return KW_OK;
}

/* What a replayed record says about its device; no look at the state table. */
static enum kw_err replay_record(struct ks_journal *journal, const struct ks_record *record)
{
	const struct lw_device_id *id = &record->event.id;
	const struct ks_pending *known = ks_pendings_find(journal->pendings, id);
	struct ks_pending pending = {.id = *id, .next_join_nonce = 1, .replayed = 1};
	enum kw_err err = KW_OK;

	if (known != NULL) {
		pending = *known;
	}
	switch (record->event.kind) {
	case KS_EVENT_ACCEPTED:
		err = replay_join(journal, record, &pending);
		break;
	case KS_EVENT_REFUSED:
		pending.joins_refused = record->joins_refused;
		break;
	case KS_EVENT_REPEATED:
	case KS_EVENT_SERVED:
	case KS_EVENT_ALARM:
		return KW_OK;
	}
	if (err == KW_OK) {
		err = ks_pendings_reserve(journal->pendings);
	}
	if (err == KW_OK) {
		ks_pendings_put(journal->pendings, &pending);
		ks_pendings_keep(journal->pendings);
	}
	return err;
}

static enum kw_err replay(struct ks_journal *journal, struct ks_scan *scan)
{
	uint8_t key[SEQUENCE_SIZE];
	enum kw_err err;

	ks_sequence_write(journal->folded + 1, key);
	for (err = ks_scan_seek(scan, key, sizeof(key)); err == KW_OK; err = ks_scan_next(scan)) {
		struct ks_record record;
		uint64_t sequence;

		err = read_sequence(scan->key, scan->key_length, &sequence);
		if (err == KW_OK) {
			err = ks_record_read(sequence, scan->value, scan->length, &record);
			if (err == KW_OK && sequence != journal->next) {
				err = KW_E_STORE_DAMAGED;
			}
			if (err != KW_OK) {
				return damaged(journal->next);
			}
			err = replay_record(journal, &record);
		}
		if (err != KW_OK) {
			return err;
		}
		journal->next++;
	}
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

static enum kw_err journal_load(struct ks_txn *txn, struct ks_journal *journal)
{
	struct ks_scan scan;
	enum kw_err err = ks_pendings_create(txn->store->clock, &journal->pendings);

	if (err == KW_OK) {
		err = get_folded(txn, &journal->folded);
	}
	if (err != KW_OK) {
		return err;
	}
	journal->next = journal->folded + 1;
	err = ks_scan_open(txn, txn->store->tables.journal, &scan);
	if (err == KW_OK) {
		err = replay(journal, &scan);
		ks_scan_close(&scan);
	}
	journal->committed = journal->next;
	return err;
}

enum kw_err ks_journal_open(struct ks_txn *txn, struct ks_journal **out)
{
	struct ks_journal *journal = calloc(1, sizeof(*journal));
	enum kw_err err;

	*out = NULL;
	if (journal == NULL) {
		return KW_E_NO_MEMORY;
	}
	err = journal_load(txn, journal);
	if (err != KW_OK) {
		ks_journal_close(journal);
		return err;
	}
	*out = journal;
	return KW_OK;
}

void ks_journal_close(struct ks_journal *journal)
{
	if (journal == NULL) {
		return;
	}
	ks_fold_pass_free(journal->pass);
	ks_pendings_destroy(journal->pendings);
	free(journal);
}

void ks_journal_committed(struct ks_journal *journal)
{
	journal->committed = journal->next;
	journal->generation++;
	ks_pendings_keep(journal->pendings);
}

void ks_journal_undone(struct ks_journal *journal)
{
	journal->next = journal->committed;
	journal->generation++;
	ks_pendings_undo(journal->pendings);
}

/* The state table decides what of an entry is still unfolded. */
static enum kw_err compare(struct ks_txn *txn, struct ks_pending *pending)
{
	struct ks_history history;
	enum kw_err err = ks_history_load(txn, &pending->id, &history);

	if (err != KW_OK) {
		return err;
	}
	if (pending->last > history.applied &&
		pending->next_join_nonce <= history.next_join_nonce) {
		return damaged(pending->last); /* what was folded, or a restore, is past it */
	}
	if (pending->last <= history.applied) {
		pending->last = 0;
		pending->chain = 0;
		pending->next_join_nonce = history.next_join_nonce;
		pending->joins_accepted = history.joins_accepted;
		pending->dev_nonce_count = history.dev_nonce_count & LW_JOIN_NONCE_MAX;
		pending->last_dev_nonce = history.last_dev_nonce;
		pending->max_dev_nonce = history.max_dev_nonce;
	}
	if (pending->joins_refused < history.joins_refused) {
		pending->joins_refused = history.joins_refused;
	}
	pending->replayed = 0;
	return KW_OK;
}

enum kw_err ks_pending_get(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_pending *out)
{
	const struct ks_pending *found = ks_pendings_find(txn->store->journal->pendings, id);
	enum kw_err err = KW_OK;

	memset(out, 0, sizeof(*out));
	if (found == NULL) {
		return KW_E_NOT_FOUND;
	}
	*out = *found;
	if (out->replayed) {
		err = compare(txn, out);
	}
	if (err != KW_OK) {
		memset(out, 0, sizeof(*out));
	}
	return err;
}
