#include "js/refusals.h"

#include <string.h>

static bool same_kind(const struct ks_event *a, const struct ks_event *b)
{
	return a->kind == b->kind && a->kind != KS_EVENT_ALARM && a->procedure == b->procedure &&
	       a->err == b->err && a->ns_peer == b->ns_peer &&
	       lw_eui_equal(&a->id.dev_eui, &b->id.dev_eui) &&
	       lw_eui_equal(&a->id.join_eui, &b->id.join_eui);
}

void js_refusals_add(struct js_refusals *refusals, const struct ks_event *event)
{
	struct ks_event *entry;
	uint32_t repeats = event->kind == KS_EVENT_ALARM ? event->repeats : 1;
	size_t i;

	for (i = 0; i < refusals->count && !same_kind(&refusals->pending[i], event); i++) {
	}
	if (i == JS_REFUSALS_MAX) {
		refusals->dropped++;
		return;
	}
	entry = &refusals->pending[i];
	if (i == refusals->count) {
		refusals->count++;
	} else {
		repeats = entry->repeats < UINT32_MAX ? entry->repeats + 1 : UINT32_MAX;
	}
	*entry = *event; /* the newest of its kind says most */
	entry->repeats = repeats;
}

enum kw_err js_refusals_write(const struct js_refusals *refusals, struct ks_txn *txn)
{
	for (size_t i = 0; i < refusals->count; i++) {
		enum kw_err err = ks_event_add(txn, &refusals->pending[i]);

		/* What one device has must not keep the others' out of the log for ever. */
		if (err != KW_OK && err != KW_E_INVALID && err != KW_E_STORE_DAMAGED) {
			return err;
		}
	}
	return KW_OK;
}

void js_refusals_written(struct js_refusals *refusals)
{
	refusals->count = 0;
}
