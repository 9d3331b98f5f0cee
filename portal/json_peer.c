#include "lorawan/eui.h"
#include "portal/json.h"
#include "portal/maker.h"

#include <string.h>

static json_t *ranges_json(struct po_maker *maker, const struct ipc_peer *peer)
{
	json_t *array = json_array();

	for (size_t i = 0; i < peer->range_count && i < IPC_RANGES_MAX; i++) {
		struct lw_eui_range range;
		char text[LW_EUI_RANGE_TEXT_SIZE];

		memcpy(range.first.octets, peer->ranges[i].first, LW_EUI_SIZE);
		memcpy(range.last.octets, peer->ranges[i].last, LW_EUI_SIZE);
		lw_eui_range_write(&range, text);
		po_append(maker, array, json_string(text));
	}
	return array;
}

/* "DIGEST NAME"; the digest has a fixed length. */
static void put_subject(struct po_maker *maker, const struct ipc_shown_credential *shown)
{
	const size_t digits = (size_t)2 * IPC_DIGEST_SIZE;
	const bool whole = strnlen(shown->text, sizeof(shown->text)) > digits;

	po_put_text(maker, "ca_sha256", shown->text, whole ? digits : 0);
	po_put_text(maker, "name", shown->text + digits + 1,
		whole ? sizeof(shown->text) - digits - 1 : 0);
}

static json_t *credential_json(const struct ipc_shown_credential *shown)
{
	struct po_maker maker = po_make();

	switch (shown->kind) {
	case IPC_CREDENTIAL_TOKEN:
		po_put_word(&maker, "kind", "token");
		break;
	case IPC_CREDENTIAL_HEADER:
		po_put_word(&maker, "kind", "authorization");
		break;
	case IPC_CREDENTIAL_CERTIFICATE:
		po_put_word(&maker, "kind", "certificate");
		po_put_text(&maker, "sha256", shown->text, sizeof(shown->text));
		po_put_time(&maker, "not_after", po_seconds_ms(shown->expires_s));
		break;
	case IPC_CREDENTIAL_SUBJECT:
		po_put_word(&maker, "kind", "subject");
		put_subject(&maker, shown);
		break;
	default:
		po_put_word(&maker, "kind", "unknown");
		break;
	}
	return po_done(&maker);
}

static size_t credential_count(const struct ipc_peer *peer)
{
	return peer->credential_count < IPC_CREDENTIALS_MAX ? peer->credential_count
							    : IPC_CREDENTIALS_MAX;
}

static json_t *credentials_json(struct po_maker *maker, const struct ipc_peer *peer)
{
	json_t *array = json_array();

	for (size_t i = 0; i < credential_count(peer); i++) {
		po_append(maker, array, credential_json(&peer->credentials[i]));
	}
	return array;
}

static bool has_token(const struct ipc_peer *peer)
{
	for (size_t i = 0; i < credential_count(peer); i++) {
		if (peer->credentials[i].kind == IPC_CREDENTIAL_TOKEN) {
			return true;
		}
	}
	return false;
}

static json_t *kek_json(const struct ipc_kek *kek)
{
	struct po_maker maker = po_make();

	po_put_text(&maker, "label", kek->label, sizeof(kek->label));
	po_put_bool(&maker, "current", kek->current != 0);
	po_put_number(&maker, "octets", kek->octets);
	po_put_time(&maker, "created", kek->created_ms);
	return po_done(&maker);
}

static size_t kek_count(const struct ipc_peer *peer)
{
	return peer->kek_count < IPC_KEKS_MAX ? peer->kek_count : IPC_KEKS_MAX;
}

static json_t *keks_json(struct po_maker *maker, const struct ipc_peer *peer)
{
	json_t *array = json_array();

	for (size_t i = 0; i < kek_count(peer); i++) {
		po_append(maker, array, kek_json(&peer->keks[i]));
	}
	return array;
}

static const struct ipc_kek *current_kek(const struct ipc_peer *peer)
{
	for (size_t i = 0; i < kek_count(peer); i++) {
		if (peer->keks[i].current != 0) {
			return &peer->keks[i];
		}
	}
	return NULL;
}

static void put_keks(struct po_maker *maker, const struct ipc_peer *peer)
{
	const struct ipc_kek *current = current_kek(peer);

	po_put_bool(maker, "has_kek", current != NULL);
	po_put(maker, "kek_label",
		current != NULL ? po_text_json(current->label, IPC_LABEL_SIZE) : json_null());
	po_put(maker, "keks", keks_json(maker, peer));
	po_put_bool(maker, "kek_missing", peer->kek_missing != 0);
}

static json_t *peer_json(const struct ipc_peer *peer)
{
	struct po_maker maker = po_make();

	po_put_text(&maker, "name", peer->name, sizeof(peer->name));
	po_put_net_ids(&maker, "net_ids", peer->net_ids, peer->net_id_count);
	po_put_hex_if(&maker, "ns_id", peer->has_ns_id != 0, peer->ns_id, LW_EUI_SIZE);
	po_put_text_or_null(&maker, "as_id", peer->as_id, sizeof(peer->as_id));
	po_put_bool(&maker, "has_token", has_token(peer));
	po_put(&maker, "credentials", credentials_json(&maker, peer));
	po_put_text_or_null(&maker, "answer_url", peer->answer_url, sizeof(peer->answer_url));
	po_put(&maker, "rate", peer->rate != 0 ? json_integer(peer->rate) : json_null());
	po_put(&maker, "burst", peer->rate != 0 ? json_integer(peer->burst) : json_null());
	put_keks(&maker, peer);
	po_put_word(&maker, "app_s_key", ipc_delivery_text(peer->delivery));
	po_put(&maker, "join_eui_ranges", ranges_json(&maker, peer));
	po_put_bool(&maker, "any_device", peer->any_device != 0);
	po_put_bool(&maker, "app_s_key_in_clear", peer->clear != 0);
	po_put_time(&maker, "created", peer->created_ms);
	po_put_time(&maker, "changed", peer->changed_ms);
	return po_done(&maker);
}

char *po_json_peer(const struct ipc_peer *peer)
{
	return po_text_of(peer_json(peer));
}

char *po_json_peers(const struct ipc_peer_page *page, const char *member)
{
	struct po_maker maker = po_make();
	json_t *array = json_array();
	uint32_t count = page->count < IPC_PEER_PAGE_MAX ? page->count : IPC_PEER_PAGE_MAX;

	for (uint32_t i = 0; i < count; i++) {
		po_append(&maker, array, peer_json(&page->peers[i]));
	}
	po_put(&maker, member, array);
	po_put(&maker, "resume",
		count > 0 ? po_text_json(page->peers[count - 1].name, IPC_NAME_SIZE) : json_null());
	po_put_bool(&maker, "more", page->more != 0 && count > 0);
	return po_text_done(&maker);
}

char *po_json_keks(const struct ipc_peer *peer)
{
	struct po_maker maker = po_make();

	po_put(&maker, "keks", keks_json(&maker, peer));
	po_put_bool(&maker, "kek_missing", peer->kek_missing != 0);
	return po_text_done(&maker);
}
