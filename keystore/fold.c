#include "base/log.h"
#include "keystore/journal.h"

#include <stdlib.h>
#include <string.h>

#define SORTED_AT_ONCE 16384 /* slots: about two milliseconds */
#define PRUNED_AT_ONCE 8192

/* One run of slots whose devices are in the order of their keys. */
struct run {
	uint32_t at;
	uint32_t end;
};

/*
 * A pass over all that was pending when it began. The devices are sorted in runs, a bounded number
 * of them per call, and folded in the order of a merge of the runs, so that devices that share a
 * page of the state table are folded together. A slot may have got another device since; folding
 * that one is as good.
 */
struct ks_fold_pass {
	uint64_t last;  /* when the pass is over, all up to this record is folded */
	size_t slots;   /* to be looked at */
	size_t scanned; /* of them */
	bool damaged;   /* a device could not be folded */
	uint32_t count; /* slots in order */
	uint32_t *order;
	size_t run_count;
	struct run *runs;
};

/* Records of a chain, newest first. */
struct chain {
	size_t count;
	struct ks_record records[KS_CHAIN_MAX];
};

static enum kw_err chain_read(
	struct ks_txn *txn, const struct ks_pending *pending, uint64_t applied, struct chain *chain)
{
	enum kw_err err = KW_OK;

	chain->count = 0;
	for (uint64_t at = pending->last; err == KW_OK && at > applied;) {
		struct ks_record *record = &chain->records[chain->count];

		if (chain->count == KS_CHAIN_MAX) {
			return KW_E_STORE_DAMAGED;
		}
		err = ks_journal_read_own(txn, at, &pending->id, record);
		at = record->prev;
		chain->count++;
	}
	return err;
}

static enum kw_err apply_pending(struct ks_txn *txn, const struct ks_pending *pending,
	struct ks_history *history, bool *changed)
{
	struct chain chain;
	enum kw_err err = chain_read(txn, pending, history->applied, &chain);

	for (size_t i = chain.count; err == KW_OK && i > 0; i--) {
		err = ks_history_apply(history, &chain.records[i - 1]);
	}
	*changed = chain.count > 0 || pending->joins_refused > history->joins_refused;
	if (pending->joins_refused > history->joins_refused) {
		history->joins_refused = pending->joins_refused;
	}
	return err;
}

enum kw_err ks_history_whole(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_history *out, bool *changed)
{
	const struct ks_pending *pending = ks_pendings_find(txn->store->journal->pendings, id);
	bool any = false;
	enum kw_err err = ks_history_load(txn, id, out);

	if (err == KW_OK && pending != NULL) {
		err = apply_pending(txn, pending, out, &any);
	}
	if (changed != NULL) {
		*changed = any;
	}
	return err;
}

enum kw_err ks_history_replace(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_history *history)
{
	struct ks_journal *journal = txn->store->journal;
	const struct ks_pending *found = ks_pendings_find(journal->pendings, id);
	struct ks_pending pending;
	enum kw_err err = ks_pendings_reserve(journal->pendings);

	if (err == KW_OK) {
		history->applied = journal->next - 1;
		journal->generation++;
		err = ks_history_store(txn, id, history);
	}
	if (err == KW_OK && found != NULL) {
		pending = *found;
		pending.replayed = 1;
		ks_pendings_put(journal->pendings, &pending);
	}
	return err;
}

/* Fold a device of a pass: its entry goes. */
static enum kw_err fold_device(struct ks_txn *txn, const struct lw_device_id *id)
{
	struct ks_journal *journal = txn->store->journal;
	struct ks_history history;
	bool changed;
	enum kw_err err = ks_history_whole(txn, id, &history, &changed);

	if (err == KW_OK) {
		err = ks_pendings_reserve(journal->pendings);
	}
	if (err == KW_OK && changed) {
		history.applied = journal->next - 1;
		err = ks_history_store(txn, id, &history);
	}
	if (err == KW_OK) {
		ks_pendings_remove(journal->pendings, id);
		journal->generation++;
	}
	return err;
}

void ks_fold_pass_free(struct ks_fold_pass *pass)
{
	if (pass != NULL) {
		free(pass->order);
		free(pass->runs);
		free(pass);
	}
}

static enum kw_err pass_begin(struct ks_journal *journal)
{
	struct ks_fold_pass *pass = calloc(1, sizeof(*pass));

	if (pass == NULL) {
		return KW_E_NO_MEMORY;
	}
	pass->last = journal->next - 1;
	pass->slots = ks_pendings_slots(journal->pendings);
	pass->order = calloc(pass->slots, sizeof(*pass->order));
	pass->runs = calloc(pass->slots / SORTED_AT_ONCE + 1, sizeof(*pass->runs));
	if (pass->order == NULL || pass->runs == NULL) {
		ks_fold_pass_free(pass);
		return KW_E_NO_MEMORY;
	}
	journal->pass = pass;
	return KW_OK;
}

static void pass_end(struct ks_journal *journal)
{
	ks_fold_pass_free(journal->pass);
	journal->pass = NULL;
}

static int compare_slots(const void *a, const void *b, void *context)
{
	const struct ks_pendings *pendings = context;

	return memcmp(&ks_pendings_at(pendings, *(const uint32_t *)a)->id,
		&ks_pendings_at(pendings, *(const uint32_t *)b)->id, sizeof(struct lw_device_id));
}

static void pass_sort_run(struct ks_journal *journal)
{
	struct ks_fold_pass *pass = journal->pass;
	struct run run = {pass->count, pass->count};
	size_t end = pass->scanned + SORTED_AT_ONCE;

	for (; pass->scanned < end && pass->scanned < pass->slots; pass->scanned++) {
		if (ks_pendings_at(journal->pendings, pass->scanned) != NULL) {
			pass->order[run.end++] = (uint32_t)pass->scanned;
		}
	}
	qsort_r(pass->order + run.at, run.end - run.at, sizeof(*pass->order), compare_slots,
		journal->pendings);
	pass->count = run.end;
	pass->runs[pass->run_count++] = run;
}

/* What the run has next; slots that were emptied since are passed over. */
static const struct ks_pending *run_head(const struct ks_journal *journal, struct run *run)
{
	for (; run->at < run->end; run->at++) {
		const struct ks_pending *pending =
			ks_pendings_at(journal->pendings, journal->pass->order[run->at]);

		if (pending != NULL) {
			return pending;
		}
	}
	return NULL;
}

/* The next device of the merge; NULL: the pass is over. */
static const struct ks_pending *pass_take(struct ks_journal *journal)
{
	struct ks_fold_pass *pass = journal->pass;
	const struct ks_pending *first = NULL;
	struct run *from = NULL;

	for (size_t i = 0; i < pass->run_count; i++) {
		const struct ks_pending *head = run_head(journal, &pass->runs[i]);

		if (head != NULL &&
			(first == NULL || memcmp(&head->id, &first->id, sizeof(head->id)) < 0)) {
			first = head;
			from = &pass->runs[i];
		}
	}
	if (from != NULL) {
		from->at++;
	}
	return first;
}

/* A device that does not read must not hold up the others: it stays as it is. Its own records keep
 * the journal from being dropped. */
static enum kw_err pass_fold(struct ks_txn *txn, size_t max_devices, bool *over)
{
	struct ks_journal *journal = txn->store->journal;
	enum kw_err err = KW_OK;

	*over = false;
	for (size_t i = 0; err == KW_OK && i < max_devices; i++) {
		const struct ks_pending *next = pass_take(journal);
		struct lw_device_id id;

		if (next == NULL) {
			*over = true;
			break;
		}
		id = next->id;
		err = fold_device(txn, &id);
		if (err == KW_E_STORE_DAMAGED) {
			kw_log(KW_LOG_ERROR, "keystore", "cannot fold the joins of a device",
				KW_EUI("dev_eui", id.dev_eui.octets),
				KW_EUI("join_eui", id.join_eui.octets),
				KW_STR("err", kw_err_text(err)));
			journal->pass->damaged = true;
			err = KW_OK;
		}
	}
	return err;
}

/* Fold a piece; *folded becomes the record up to which all is folded then. */
static enum kw_err fold_piece(struct ks_txn *txn, size_t max_devices, uint64_t *folded)
{
	struct ks_journal *journal = txn->store->journal;
	enum kw_err err = KW_OK;
	bool over = false;

	if (journal->pass == NULL && ks_pendings_count(journal->pendings) > 0) {
		err = pass_begin(journal);
	}
	if (err == KW_OK && journal->pass != NULL) {
		if (journal->pass->scanned < journal->pass->slots) {
			pass_sort_run(journal);
		}
		if (journal->pass->scanned == journal->pass->slots) {
			err = pass_fold(txn, max_devices, &over);
		}
	}
	if (err != KW_OK) {
		return err;
	}
	if (ks_pendings_count(journal->pendings) == 0) {
		*folded = journal->next - 1;
	} else if (over && !journal->pass->damaged) {
		*folded = journal->pass->last;
	}
	if (*folded > journal->folded) {
		err = ks_journal_put_folded(txn, *folded);
	}
	if (err == KW_OK) {
		err = ks_journal_prune(txn, KS_EVENTS_KEPT, *folded, PRUNED_AT_ONCE);
	}
	if (err == KW_OK && journal->pass != NULL &&
		(over || ks_pendings_count(journal->pendings) == 0)) {
		err = journal->pass->damaged ? KW_E_STORE_DAMAGED : KW_OK;
		pass_end(journal);
	}
	return err;
}

enum kw_err ks_fold(struct ks_store *store, size_t max_devices, size_t *left)
{
	struct ks_journal *journal = store->journal;
	uint64_t folded = journal->folded;
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(store, &txn);
	bool damaged;

	*left = ks_fold_devices(store);
	if (err != KW_OK) {
		return err;
	}
	err = fold_piece(txn, max_devices, &folded);
	damaged = err == KW_E_STORE_DAMAGED;
	if (err != KW_OK && !damaged) {
		ks_txn_abort(txn);
	} else {
		err = ks_txn_commit(txn);
	}
	if (err == KW_OK) {
		journal->folded = folded;
	} else {
		pass_end(journal);
	}
	*left = ks_fold_devices(store);
	return err == KW_OK && damaged ? KW_E_STORE_DAMAGED : err;
}

size_t ks_fold_devices(const struct ks_store *store)
{
	return ks_pendings_count(store->journal->pendings);
}

uint64_t ks_fold_records(const struct ks_store *store)
{
	return store->journal->next - 1 - store->journal->folded;
}
