#include "lorawan/version.h"
#include "portal/code.h"
#include "portal/json.h"
#include "portal/maker.h"

static const char *event_kind_text(uint8_t kind)
{
	switch (kind) {
	case IPC_EVENT_ACCEPTED:
		return "accepted";
	case IPC_EVENT_REFUSED:
		return "refused";
	case IPC_EVENT_REPEATED:
		return "repeated";
	case IPC_EVENT_SERVED:
		return "served";
	case IPC_EVENT_ALARM:
		return "alarm";
	default:
		return "unknown";
	}
}

static const char *procedure_text(uint8_t procedure)
{
	switch (procedure) {
	case IPC_EVENT_JOIN:
		return "join";
	case IPC_EVENT_REJOIN_0:
		return "rejoin-0";
	case IPC_EVENT_REJOIN_1:
		return "rejoin-1";
	case IPC_EVENT_REJOIN_2:
		return "rejoin-2";
	case IPC_EVENT_APP_S_KEY:
		return "app-s-key";
	case IPC_EVENT_HOME_NS:
		return "home-ns";
	default:
		return "unknown";
	}
}

/* Of the other procedures there is no nonce. */
static bool has_nonces(const struct ipc_event *event)
{
	return event->procedure <= IPC_EVENT_REJOIN_2;
}

static void put_nonces(struct po_maker *maker, const struct ipc_event *event)
{
	const bool there = has_nonces(event) && event->kind != IPC_EVENT_ALARM;
	const bool accepted =
		event->kind == IPC_EVENT_ACCEPTED || event->kind == IPC_EVENT_REPEATED;

	po_put(maker, "dev_nonce", there ? json_integer(event->dev_nonce) : json_null());
	po_put(maker, "last_dev_nonce",
		there && event->has_last != 0 ? json_integer(event->last_dev_nonce) : json_null());
	po_put(maker, "join_nonce",
		there && accepted ? json_integer(event->join_nonce) : json_null());
}

static void put_version(struct po_maker *maker, const char *name, uint8_t version)
{
	po_put_word(maker, name,
		lw_version_valid(version) ? lw_version_text((enum lw_version)version) : NULL);
}

static json_t *event_json(const struct ipc_event *event)
{
	struct po_maker maker = po_make();
	bool refused = event->kind == IPC_EVENT_REFUSED || event->kind == IPC_EVENT_ALARM;
	char words[IPC_TEXT_SIZE];

	ipc_event_words(event, words);
	po_put_number(&maker, "sequence", event->sequence);
	po_put_time(&maker, "time", event->time_ms);
	po_put_hex(&maker, "dev_eui", event->dev_eui, LW_EUI_SIZE);
	po_put_hex(&maker, "join_eui", event->join_eui, LW_EUI_SIZE);
	po_put_word(&maker, "kind", event_kind_text(event->kind));
	po_put_word(&maker, "procedure", procedure_text(event->procedure));
	po_put_word(&maker, "code", refused ? po_code_text((enum kw_err)event->err) : NULL);
	po_put_text(&maker, "text", words, sizeof(words));
	/* An application server has no NetID. */
	po_put_hex_if(&maker, "net_id", event->procedure != IPC_EVENT_APP_S_KEY, event->net_id,
		LW_NET_ID_SIZE);
	po_put_text_or_null(&maker, "sender", event->peer, sizeof(event->peer));
	put_nonces(&maker, event);
	put_version(&maker, "mac_version", event->mac_version);
	put_version(&maker, "lorawan_version", event->lorawan_version);
	po_put_bool(&maker, "opt_neg", event->opt_neg != 0);
	po_put_number(&maker, "repeats", event->repeats);
	return po_done(&maker);
}

char *po_json_events(const struct ipc_events_page *page)
{
	struct po_maker maker = po_make();
	json_t *array = json_array();

	for (uint32_t i = 0; i < page->count && i < IPC_PAGE_MAX; i++) {
		po_append(&maker, array, event_json(&page->events[i]));
	}
	po_put(&maker, "events", array);
	po_put_number(&maker, "resume", page->resume);
	po_put_bool(&maker, "more", page->more != 0);
	return po_text_done(&maker);
}
