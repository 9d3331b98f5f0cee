#include "keystore/event.h"

#include "base/log.h"
#include "keystore/journal.h"
#include "keystore/scan.h"

#include <string.h>

/* The entry of the device, or what becomes one. */
static enum kw_err pending_for_refusal(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_pending *out)
{
	struct ks_history history;
	enum kw_err err = ks_pending_get(txn, id, out);

	if (err == KW_E_NOT_FOUND) {
		err = ks_history_load(txn, id, &history);
		out->id = *id;
		out->next_join_nonce = history.next_join_nonce;
		out->joins_accepted = history.joins_accepted;
		out->joins_refused = history.joins_refused;
		out->dev_nonce_count = history.dev_nonce_count & LW_JOIN_NONCE_MAX;
		out->last_dev_nonce = history.last_dev_nonce;
		out->max_dev_nonce = history.max_dev_nonce;
	}
	return err == KW_OK ? ks_pendings_reserve(txn->store->journal->pendings) : err;
}

static enum kw_err add_refusal(struct ks_txn *txn, struct ks_record *record)
{
	struct ks_pending pending;
	enum kw_err err = pending_for_refusal(txn, &record->event.id, &pending);

	if (err != KW_OK) {
		return err;
	}
	if (__builtin_add_overflow(
		    pending.joins_refused, record->event.repeats, &pending.joins_refused)) {
		pending.joins_refused = UINT64_MAX;
	}
	record->joins_refused = pending.joins_refused;
	err = ks_journal_append(txn, record);
	if (err == KW_OK) {
		ks_pendings_put(txn->store->journal->pendings, &pending);
	}
	return err;
}

enum kw_err ks_event_add(struct ks_txn *txn, const struct ks_event *event)
{
	struct ks_record record = {.event = *event};

	if (!ks_event_valid(event) || event->kind == KS_EVENT_ACCEPTED) {
		return KW_E_INVALID;
	}
	return event->kind == KS_EVENT_REFUSED ? add_refusal(txn, &record)
					       : ks_journal_append(txn, &record);
}

/* Where a page is being read. */
struct page {
	struct ks_scan scan;
	bool backwards;
	const struct lw_eui *dev_eui;
};

static enum kw_err page_step(struct page *page)
{
	return page->backwards ? ks_scan_prev(&page->scan) : ks_scan_next(&page->scan);
}

static enum kw_err page_start(struct page *page, uint64_t after)
{
	uint8_t key[sizeof(uint64_t)];
	enum kw_err err;

	if (!page->backwards) {
		if (after == UINT64_MAX) {
			return KW_E_NOT_FOUND;
		}
		ks_sequence_write(after + 1, key);
		return ks_scan_seek(&page->scan, key, sizeof(key));
	}
	if (after == 0) {
		return ks_scan_last(&page->scan);
	}
	ks_sequence_write(after, key);
	err = ks_scan_seek(&page->scan, key, sizeof(key));
	return err == KW_E_NOT_FOUND ? ks_scan_last(&page->scan)
	       : err == KW_OK        ? ks_scan_prev(&page->scan)
				     : err;
}

/* Take the record here if it is wanted; one that does not read is passed over. */
static enum kw_err page_look(struct page *page, struct ks_event *out, bool *taken, uint64_t *resume)
{
	struct kw_reader reader;
	struct ks_record record;
	uint64_t sequence;

	*taken = false;
	kw_reader_init(&reader, page->scan.key, page->scan.key_length);
	sequence = kw_read_u64(&reader);
	if (kw_reader_end(&reader) != KW_OK) {
		return KW_E_STORE_DAMAGED;
	}
	*resume = sequence;
	if (ks_record_read(sequence, page->scan.value, page->scan.length, &record) != KW_OK) {
		kw_log(KW_LOG_ERROR, "keystore", "a journal record is damaged",
			KW_NUM("sequence", sequence));
		return KW_OK;
	}
	if (page->dev_eui == NULL || lw_eui_equal(&record.event.id.dev_eui, page->dev_eui)) {
		*out = record.event;
		*taken = true;
	}
	return KW_OK;
}

int ks_events_get(struct ks_txn *txn, uint64_t after, bool backwards, const struct lw_eui *dev_eui,
	struct ks_event *out, size_t max, size_t max_looked, uint64_t *resume, bool *more)
{
	struct page page = {.backwards = backwards, .dev_eui = dev_eui};
	size_t count = 0;
	enum kw_err err = ks_scan_open(txn, txn->store->tables.journal, &page.scan);

	*resume = after;
	*more = false;
	if (err != KW_OK) {
		return -1;
	}
	err = page_start(&page, after);
	for (size_t looked = 0; err == KW_OK && looked < max_looked && count < max; looked++) {
		bool taken;

		err = page_look(&page, &out[count], &taken, resume);
		count += taken ? 1 : 0;
		if (err == KW_OK) {
			err = page_step(&page);
		}
	}
	ks_scan_close(&page.scan);
	*more = err == KW_OK;
	return err == KW_OK || err == KW_E_NOT_FOUND ? (int)count : -1;
}
