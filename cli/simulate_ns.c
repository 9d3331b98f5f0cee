#include "cli/simulate_ns.h"

#include "base/hex.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Width of the NwkID in a DevAddr by NetID type; in front stand `type` ones and a zero. */
static const unsigned nwk_id_bits[] = {6, 6, 9, 11, 12, 13, 15, 17};

static void choose_dev_addr(const struct sim_ns *ns, uint32_t random, struct lw_dev_addr *out)
{
	uint32_t value = random;

	if (ns->has_net_id) {
		unsigned type = lw_net_id_type(&ns->net_id);
		unsigned bits = nwk_id_bits[type];
		unsigned address_bits = 32 - (type + 1) - bits;
		uint32_t nwk_id = lw_net_id_id(&ns->net_id) & ((1u << bits) - 1);
		uint32_t prefix = (1u << (type + 1)) - 2;

		value &= (1u << address_bits) - 1;
		value |= (prefix << bits | nwk_id) << address_bits;
	}
	for (size_t i = 0; i < LW_DEV_ADDR_SIZE; i++) {
		out->octets[i] = (uint8_t)(value >> (24 - 8 * i));
	}
}

static uint8_t choose_dl_settings(const struct sim_ns *ns, enum lw_version version)
{
	enum lw_version mac = version;

	if (ns->has_dl_settings) {
		return ns->dl_settings;
	}
	if (ns->mac_version[0] != '\0' && lw_version_read(ns->mac_version, &mac) != KW_OK) {
		mac = LW_VERSION_NONE;
	}
	return lw_version_is_1_1(version) && lw_version_is_1_1(mac) ? LW_DL_SETTINGS_OPT_NEG : 0;
}

/* Neighbouring joins get DevAddrs and TransactionIDs that are far apart. */
static uint32_t mix(uint32_t value)
{
	value = (value ^ value >> 16) * 0x45d9f3bu;
	value = (value ^ value >> 16) * 0x45d9f3bu;
	return value ^ value >> 16;
}

enum kw_err sim_join_start(struct lw_aes *aes, const struct sim_ns *ns, struct sim_device *device,
	uint32_t random, struct sim_join *join)
{
	memset(join, 0, sizeof(*join));
	if (device->next_dev_nonce >= SIM_DEV_NONCES) {
		return KW_E_EXHAUSTED;
	}
	join->device = device;
	join->dev_nonce = (uint16_t)device->next_dev_nonce++;
	join->transaction = ns->dialect == SIM_TTS ? 0 : random;
	join->dl_settings = choose_dl_settings(ns, device->version);
	if (ns->has_dev_addr) {
		join->dev_addr = ns->dev_addr;
	} else {
		choose_dev_addr(ns, mix(random), &join->dev_addr);
	}
	return sim_device_request(aes, device, join->dev_nonce, join->frame);
}

const char *sim_mac_version(const struct sim_ns *ns, enum lw_version version)
{
	if (ns->mac_version[0] != '\0') {
		return ns->mac_version;
	}
	if (ns->dialect == SIM_TTS && version == LW_VERSION_1_0_0) {
		return "1.0";
	}
	if (ns->dialect == SIM_CHIRPSTACK && version == LW_VERSION_1_1) {
		return "1.1.0";
	}
	return lw_version_text(version);
}

struct body {
	char *out;
	size_t used;
	bool upper;
};

static void add(struct body *body, const char *text)
{
	size_t length = strlen(text);

	assert(body->used + length < SIM_BODY_MAX);
	memcpy(body->out + body->used, text, length + 1);
	body->used += length;
}

static void add_name(struct body *body, const char *name)
{
	add(body, body->used == 1 ? "\"" : ",\"");
	add(body, name);
	add(body, "\":");
}

static void add_text(struct body *body, const char *name, const char *text)
{
	add_name(body, name);
	add(body, "\"");
	add(body, text);
	add(body, "\"");
}

static void add_number(struct body *body, const char *name, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	add_name(body, name);
	add(body, text);
}

static void add_hex(struct body *body, const char *name, const uint8_t *octets, size_t length)
{
	char text[2 * LW_JOIN_ACCEPT_MAX + 1];

	assert(length <= LW_JOIN_ACCEPT_MAX);
	kw_hex_write(text, octets, length);
	for (char *at = text; body->upper && *at != '\0'; at++) {
		*at = (char)toupper((unsigned char)*at);
	}
	add_text(body, name, text);
}

/* The order of the members is that of the programs whose dialect it is. */
static void add_header(struct body *body, const struct sim_ns *ns, const struct sim_join *join)
{
	add_text(body, "ProtocolVersion", ns->protocol_1_1 ? "1.1" : "1.0");
	if (ns->dialect == SIM_TTS) {
		add_number(body, "TransactionID", join->transaction);
		add_text(body, "MessageType", "JoinReq");
	}
	add_text(body, "SenderID", ns->sender);
	if (ns->has_ns_id && ns->protocol_1_1) {
		add_hex(body, "SenderNSID", ns->ns_id.octets, LW_EUI_SIZE);
	}
	add_hex(body, "ReceiverID", join->device->id.join_eui.octets, LW_EUI_SIZE);
	if (ns->dialect != SIM_TTS) {
		add_number(body, "TransactionID", join->transaction);
		add_text(body, "MessageType", "JoinReq");
	}
}

size_t sim_join_body(const struct sim_ns *ns, const struct sim_join *join, char out[SIM_BODY_MAX])
{
	struct body body = {.out = out, .upper = ns->dialect == SIM_TTS};

	add(&body, "{");
	add_header(&body, ns, join);
	add_text(&body, "MACVersion", sim_mac_version(ns, join->device->version));
	add_hex(&body, "PHYPayload", join->frame, sizeof(join->frame));
	add_hex(&body, "DevEUI", join->device->id.dev_eui.octets, LW_EUI_SIZE);
	add_hex(&body, "DevAddr", join->dev_addr.octets, LW_DEV_ADDR_SIZE);
	add_hex(&body, "DLSettings", &join->dl_settings, 1);
	add_number(&body, "RxDelay", ns->rx_delay);
	if (ns->has_cf_list) {
		add_hex(&body, "CFList", ns->cf_list, LW_CF_LIST_SIZE);
	}
	add(&body, "}");
	return body.used;
}

const char *sim_fault_text(enum sim_fault fault)
{
	static const char *const texts[SIM_FAULT_COUNT] = {
		[SIM_FAULT_NONE] = "right",
		[SIM_FAULT_TRANSPORT] = "no answer",
		[SIM_FAULT_STATUS] = "HTTP status",
		[SIM_FAULT_JSON] = "answer is no good JSON",
		[SIM_FAULT_PROTOCOL] = "ProtocolVersion of the answer",
		[SIM_FAULT_HEADER] = "header of the answer",
		[SIM_FAULT_RESULT] = "no proper Result",
		[SIM_FAULT_REFUSED] = "refused",
		[SIM_FAULT_FRAME] = "no Join-accept",
		[SIM_FAULT_MIC] = "MIC of the Join-accept",
		[SIM_FAULT_JOIN_NONCE] = "JoinNonce not above the last",
		[SIM_FAULT_ACCEPT] = "field of the Join-accept",
		[SIM_FAULT_LIFETIME] = "Lifetime",
		[SIM_FAULT_KEY_SET] = "keys missing or too many",
		[SIM_FAULT_KEY_FORM] = "no proper KeyEnvelope",
		[SIM_FAULT_KEK] = "KEK does not open a key",
		[SIM_FAULT_NETWORK_KEY] = "network session key differs",
		[SIM_FAULT_APP_S_KEY] = "AppSKey differs",
		[SIM_FAULT_SESSION_ID] = "AppSKey and SessionKeyID",
		[SIM_FAULT_OWN] = "the simulator failed",
	};

	return (unsigned)fault < SIM_FAULT_COUNT ? texts[fault] : "unknown";
}

const char *sim_key_name(enum sim_key key)
{
	static const char *const names[SIM_KEY_COUNT] = {
		[SIM_NWK_S_KEY] = "NwkSKey",
		[SIM_F_NWK_S_INT_KEY] = "FNwkSIntKey",
		[SIM_S_NWK_S_INT_KEY] = "SNwkSIntKey",
		[SIM_NWK_S_ENC_KEY] = "NwkSEncKey",
		[SIM_APP_S_KEY] = "AppSKey",
	};

	assert((unsigned)key < SIM_KEY_COUNT);
	return names[key];
}

const struct lw_key *sim_session_key(const struct sim_session *session, enum sim_key key)
{
	switch (key) {
	case SIM_S_NWK_S_INT_KEY:
		return &session->s_nwk_s_int;
	case SIM_NWK_S_ENC_KEY:
		return &session->nwk_s_enc;
	case SIM_APP_S_KEY:
		return &session->app_s;
	case SIM_NWK_S_KEY:
	case SIM_F_NWK_S_INT_KEY:
	case SIM_KEY_COUNT:
		break;
	}
	return &session->f_nwk_s_int;
}

const char *sim_result_meaning(const char *result_code)
{
	static const struct {
		const char *code;
		const char *meaning;
	} rows[] = {
		{"MICFailed", "the device signed with another root key than the one registered: "
			      "compare the "
			      "key, and whether it stands as AppKey or NwkKey"},
		{"FrameReplayed",
			"this DevNonce was used already, or is not above the last one: raise "
			"--dev-nonce, or reset the nonces of the device at the join server"},
		{"JoinReqFailed", "a DevNonce that was used already (raise --dev-nonce), "
				  "registered version, MACVersion and OptNeg that do not agree, or "
				  "a KEK that is missing"},
		{"ActivationDisallowed", "this network may not activate this device: name its "
					 "NetID on the device, or "
					 "the device is blocked"},
		{"UnknownDevEUI", "this DevEUI is not registered under this JoinEUI: check both, "
				  "and their octet "
				  "order"},
		{"UnknownSender", "the token is missing or wrong, or SenderID is not the NetID "
				  "that goes with it"},
		{"UnkownReceiver", "this JoinEUI is not served here, or not for this network"},
		{"UnknownReceiver", "this JoinEUI is not served here, or not for this network"},
		{"InvalidProtocolVersion", "the server does not speak this --protocol"},
		{"MalformedRequest", "a field is missing or malformed"},
		{"MalformedMessage", "a field is missing or malformed"},
		{"FrameSizeError", "PHYPayload or CFList has a wrong length"},
		{"NoRoamingAgreement", "the networks have no roaming agreement for this device"},
		{"Other", "the server has a problem of its own: see its log"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(result_code, rows[i].code) == 0) {
			return rows[i].meaning;
		}
	}
	return NULL;
}
