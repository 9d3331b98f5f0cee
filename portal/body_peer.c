#include "http/client.h"
#include "lorawan/eui.h"
#include "portal/body.h"
#include "portal/envelope.h"
#include "portal/member.h"
#include "portal/value.h"

#include <stdio.h>
#include <string.h>

static_assert(HTTP_URL_MAX < IPC_URL_SIZE, "a good URL fits");

static const char *peer_name(const json_t *value, struct po_target *target)
{
	const char *text = json_string_value(value);

	if (text == NULL || !po_peer_name_valid(text)) {
		return "must be 1 to 63 letters, digits, '-', '_' or '.'";
	}
	po_text_copy(target->peer->peer.name, text);
	return NULL;
}

static const char *peer_net_ids(const json_t *value, struct po_target *target)
{
	return po_value_net_ids(
		value, target->peer->peer.net_ids, &target->peer->peer.net_id_count);
}

static const char *peer_ns_id(const json_t *value, struct po_target *target)
{
	return po_value_eui_or_null(value, target->peer->peer.ns_id, &target->peer->peer.has_ns_id);
}

static const char *peer_as_id(const json_t *value, struct po_target *target)
{
	return po_value_printable(value, target->peer->peer.as_id);
}

static const char *peer_app_s_key(const json_t *value, struct po_target *target)
{
	return po_value_delivery(value, &target->peer->peer.delivery);
}

static const char *peer_any_device(const json_t *value, struct po_target *target)
{
	return po_value_bool(value, &target->peer->peer.any_device);
}

static const char *peer_clear(const json_t *value, struct po_target *target)
{
	return po_value_bool(value, &target->peer->peer.clear);
}

static const char *peer_answer_url(const json_t *value, struct po_target *target)
{
	const char *text = po_value_text_or_empty(value);
	char why[HTTP_URL_WHY_SIZE];

	if (text == NULL) {
		return "must be a URL, or null to answer at once";
	}
	if (json_is_null(value)) {
		return NULL;
	}
	if (http_client_url_check(text, why) != KW_OK) {
		snprintf(target->words, sizeof(target->words), "is not taken: %s", why);
		return target->words;
	}
	memcpy(target->peer->peer.answer_url, text, strlen(text));
	return NULL;
}

#define NEED_RATE "must be a number of requests from 1 to 1000000, or null"

static const char *read_rate(const json_t *value, uint32_t *out)
{
	json_int_t number = json_integer_value(value);

	*out = 0;
	if (json_is_null(value)) {
		return NULL;
	}
	if (!json_is_integer(value) || number < 1 || number > IPC_RATE_MAX) {
		return NEED_RATE;
	}
	*out = (uint32_t)number;
	return NULL;
}

static const char *peer_rate(const json_t *value, struct po_target *target)
{
	return read_rate(value, &target->peer->peer.rate);
}

static const char *peer_burst(const json_t *value, struct po_target *target)
{
	return read_rate(value, &target->peer->peer.burst);
}

static const char *peer_ranges(const json_t *value, struct po_target *target)
{
	struct ipc_peer *peer = &target->peer->peer;
	size_t size = json_array_size(value);

	if (!json_is_null(value) && (!json_is_array(value) || size > IPC_RANGES_MAX)) {
		return "must be a list of at most 8 ranges of JoinEUIs";
	}
	for (size_t i = 0; i < size; i++) {
		const char *text = json_string_value(json_array_get(value, i));
		struct lw_eui_range range;

		if (text == NULL || lw_eui_range_read(text, &range) != KW_OK) {
			return "holds something that is no range; write \"70b3d57ed0000000/40\", "
			       "\"FIRST-LAST\" or one EUI";
		}
		memcpy(peer->ranges[i].first, range.first.octets, LW_EUI_SIZE);
		memcpy(peer->ranges[i].last, range.last.octets, LW_EUI_SIZE);
	}
	peer->range_count = (uint8_t)size;
	return NULL;
}

static const char *peer_kek_label(const json_t *value, struct po_target *target)
{
	static_assert(IPC_LABEL_SIZE == IPC_NAME_SIZE, "labels are read as names are");
	return po_value_printable(value, target->peer->kek_label);
}

/* Of a KEK by itself, which null cannot take away. */
static const char *kek_label(const json_t *value, struct po_target *target)
{
	return json_is_null(value) ? "must not be null" : peer_kek_label(value, target);
}

static const char *peer_kek_envelope(const json_t *value, struct po_target *target)
{
	const char *text = json_string_value(value);

	if (text == NULL ||
		po_envelope_read_base64(text, json_string_length(value), target->kek) != KW_OK) {
		return "must be the KEK sealed to the intake certificate: CMS AuthEnvelopedData "
		       "in DER, as base64";
	}
	target->peer->kek_envelope_length = (uint32_t)target->kek->length;
	return NULL;
}

static const struct po_member peer_members[] = {
	{"name", peer_name, 0, PO_ON_CREATE, true, NULL},
	{"net_ids", peer_net_ids, IPC_PEER_SET_NET_IDS, PO_ALWAYS, false, NULL},
	{"ns_id", peer_ns_id, IPC_PEER_SET_NS_ID, PO_ALWAYS, false, NULL},
	{"as_id", peer_as_id, IPC_PEER_SET_AS_ID, PO_ALWAYS, false, NULL},
	{"token_sha256", po_credential_token, IPC_PEER_SET_TOKEN, PO_ALWAYS, false, NULL},
	{"authorization_sha256", po_credential_authorization, IPC_PEER_SET_HEADER, PO_ALWAYS, false,
		NULL},
	{"certificates", po_credential_certificates, IPC_PEER_SET_CERTIFICATE, PO_ALWAYS, false,
		NULL},
	{"subjects", po_credential_subjects, IPC_PEER_SET_SUBJECT, PO_ALWAYS, false, NULL},
	{"answer_url", peer_answer_url, IPC_PEER_SET_ANSWER_URL, PO_ALWAYS, false, NULL},
	{"rate", peer_rate, IPC_PEER_SET_RATE, PO_ALWAYS, false, NULL},
	{"burst", peer_burst, IPC_PEER_SET_RATE, PO_ALWAYS, false, NULL},
	{"app_s_key", peer_app_s_key, IPC_PEER_SET_DELIVERY, PO_ALWAYS, false, NULL},
	{"join_eui_ranges", peer_ranges, IPC_PEER_SET_RANGES, PO_ALWAYS, false, NULL},
	{"any_device", peer_any_device, IPC_PEER_SET_ANY_DEVICE, PO_ALWAYS, false, NULL},
	{"app_s_key_in_clear", peer_clear, IPC_PEER_SET_CLEAR, PO_ALWAYS, false, NULL},
	{"kek_label", peer_kek_label, IPC_PEER_SET_KEK, PO_ALWAYS, false, NULL},
	{"kek_envelope", peer_kek_envelope, IPC_PEER_SET_KEK, PO_ALWAYS, false, NULL},
	{.name = NULL},
};

static enum kw_err kek_check(const json_t *object, bool create, struct po_why *why)
{
	const json_t *label = json_object_get(object, "kek_label");
	const json_t *envelope = json_object_get(object, "kek_envelope");

	if (envelope != NULL && !json_is_string(label)) {
		po_say(why, "kek_label is missing; kek_envelope needs it");
		return KW_E_MISSING;
	}
	if (envelope == NULL && json_is_string(label)) {
		po_say(why, "kek_envelope is missing; kek_label needs it%s",
			create ? "" : ", or must be null to take the KEK away");
		return KW_E_MISSING;
	}
	return KW_OK;
}

/* Without a burst of its own a rate has one of two seconds. */
static enum kw_err rate_check(struct ipc_peer *peer, struct po_why *why)
{
	if (peer->rate == 0 && peer->burst != 0) {
		po_say(why, "rate is missing; burst needs it");
		return KW_E_MISSING;
	}
	if (peer->rate != 0 && peer->burst == 0) {
		peer->burst = peer->rate > IPC_RATE_MAX / 2 ? IPC_RATE_MAX : 2 * peer->rate;
	}
	return KW_OK;
}

static const struct po_member kek_members[] = {
	{"label", kek_label, IPC_PEER_SET_KEK, PO_ON_CREATE, true, NULL},
	{"envelope", peer_kek_envelope, IPC_PEER_SET_KEK, PO_ON_CREATE, true, NULL},
	{.name = NULL},
};

/* What a peer cannot be without. */
static enum kw_err identity_check(
	const struct ipc_peer_req *req, enum ipc_peer_kind kind, bool create, struct po_why *why)
{
	bool ns = kind == IPC_PEER_NS;
	uint32_t bit = ns ? IPC_PEER_SET_NET_IDS : IPC_PEER_SET_AS_ID;
	bool there = ns ? req->peer.net_id_count > 0 : req->peer.as_id[0] != '\0';

	if (ns && req->peer.clear != 0) {
		po_say(why, "app_s_key_in_clear is for application servers only");
		return KW_E_INVALID;
	}
	if (there || (!create && (req->set & bit) == 0)) {
		return KW_OK;
	}
	po_say(why, ns ? "net_ids is missing; a network server has at least one NetID"
		       : "as_id is missing; an application server has one");
	return KW_E_MISSING;
}

/* Read a body by one of the tables. */
static enum kw_err body_read(const char *body, size_t length, const struct po_member *members,
	enum po_when when, struct po_target *target, json_t **object, struct po_why *why)
{
	enum kw_err err;

	memset(target->peer, 0, sizeof(*target->peer));
	*target->kek = (struct po_envelope){.octets = NULL};
	err = po_object_read(body, length, object, why);
	if (err == KW_OK) {
		err = po_members_read(members, *object, when, target, &target->peer->set, why);
	}
	return err;
}

enum kw_err po_body_peer(const char *body, size_t length, enum ipc_peer_kind kind, bool create,
	struct ipc_peer_req *out, struct po_envelope *kek, struct po_why *why)
{
	struct po_target target = {.peer = out, .kek = kek};
	json_t *object;
	enum kw_err err = body_read(body, length, peer_members,
		create ? PO_ON_CREATE : PO_ON_CHANGE, &target, &object, why);

	out->peer.kind = (uint8_t)kind;
	if (err == KW_OK) {
		err = kek_check(object, create, why);
	}
	if (err == KW_OK) {
		err = rate_check(&out->peer, why);
	}
	if (err == KW_OK) {
		err = identity_check(out, kind, create, why);
	}
	if (err != KW_OK) {
		po_envelope_finish(kek);
	}
	json_decref(object);
	return err;
}

enum kw_err po_body_kek(const char *body, size_t length, enum ipc_peer_kind kind,
	struct ipc_peer_req *out, struct po_envelope *kek, struct po_why *why)
{
	struct po_target target = {.peer = out, .kek = kek};
	json_t *object;
	enum kw_err err = body_read(body, length, kek_members, PO_ON_CREATE, &target, &object, why);

	out->peer.kind = (uint8_t)kind;
	if (err != KW_OK) {
		po_envelope_finish(kek);
	}
	json_decref(object);
	return err;
}
