#include "cli/simulate_ns.h"

#include "base/hex.h"
#include "base/secret.h"
#include "lorawan/wrap.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void sim_verdict_fault(struct sim_verdict *verdict, enum sim_fault fault, const char *format, ...)
{
	char *text = verdict->details[fault];
	va_list list;

	if (text[0] == '\0') {
		va_start(list, format);
		vsnprintf(text, SIM_TEXT_SIZE, format, list);
		va_end(list);
	}
	if (verdict->fault == SIM_FAULT_NONE) {
		verdict->fault = fault;
		memcpy(verdict->detail, text, SIM_TEXT_SIZE);
	}
}

/* What comes from the server goes to a terminal: ASCII only, and cut to fit. */
static void copy_text(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0' && used + 1 < size; text++) {
		out[used++] = *text >= ' ' && *text < 0x7f ? *text : '?';
	}
	out[used] = '\0';
}

/* Hexadecimal identifiers may come back in the other case or with 0x in front. */
static bool same_id(const char *got, const char *sent)
{
	if (strcasecmp(got, sent) == 0) {
		return true;
	}
	return strncasecmp(got, "0x", 2) == 0 && strcasecmp(got + 2, sent) == 0;
}

static void expect_text(struct sim_verdict *verdict, enum sim_fault fault, const json_t *answer,
	const char *name, const char *wanted)
{
	const char *got = json_string_value(json_object_get(answer, name));
	char shown[64];

	if (got == NULL) {
		sim_verdict_fault(verdict, fault, "%s is missing or no string", name);
	} else if (!same_id(got, wanted)) {
		copy_text(shown, sizeof(shown), got);
		sim_verdict_fault(
			verdict, fault, "%s is \"%s\", expected \"%s\"", name, shown, wanted);
	}
}

static void check_header(const struct sim_ns *ns, const struct sim_join *join, const json_t *answer,
	struct sim_verdict *verdict)
{
	const json_t *transaction = json_object_get(answer, "TransactionID");
	char join_eui[LW_EUI_TEXT_SIZE];
	char ns_id[LW_EUI_TEXT_SIZE];

	lw_eui_write(&join->device->id.join_eui, join_eui);
	expect_text(verdict, SIM_FAULT_PROTOCOL, answer, "ProtocolVersion",
		ns->protocol_1_1 ? "1.1" : "1.0");
	expect_text(verdict, SIM_FAULT_HEADER, answer, "MessageType", "JoinAns");
	expect_text(verdict, SIM_FAULT_HEADER, answer, "SenderID", join_eui);
	expect_text(verdict, SIM_FAULT_HEADER, answer, "ReceiverID", ns->sender);
	if (!json_is_integer(transaction)) {
		sim_verdict_fault(
			verdict, SIM_FAULT_HEADER, "TransactionID is missing or no whole number");
	} else if (json_integer_value(transaction) != (json_int_t)join->transaction) {
		sim_verdict_fault(verdict, SIM_FAULT_HEADER,
			"TransactionID is %" JSON_INTEGER_FORMAT ", expected %u",
			json_integer_value(transaction), join->transaction);
	}
	if (ns->protocol_1_1 && ns->has_ns_id) {
		lw_eui_write(&ns->ns_id, ns_id);
		expect_text(verdict, SIM_FAULT_HEADER, answer, "ReceiverNSID", ns_id);
	}
}

/* Real network servers stop at a null wherever it stands. */
static void check_nulls(const json_t *answer, struct sim_verdict *verdict)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)answer, name, value)
	{
		if (json_is_null(value)) {
			char shown[64];

			copy_text(shown, sizeof(shown), name);
			sim_verdict_fault(verdict, SIM_FAULT_JSON, "%s is null", shown);
		} else if (json_is_object(value)) {
			check_nulls(value, verdict);
		}
	}
}

static void check_result(const json_t *answer, struct sim_verdict *verdict)
{
	const json_t *result = json_object_get(answer, "Result");
	const char *code = json_string_value(json_object_get(result, "ResultCode"));
	const char *description = json_string_value(json_object_get(result, "Description"));

	if (description != NULL) {
		copy_text(verdict->description, sizeof(verdict->description), description);
	}
	if (code == NULL) {
		sim_verdict_fault(verdict, SIM_FAULT_RESULT, "Result.ResultCode is missing");
		return;
	}
	copy_text(verdict->result_code, sizeof(verdict->result_code), code);
	if (strcmp(code, "Success") != 0) {
		sim_verdict_fault(verdict, SIM_FAULT_REFUSED, "%s", verdict->result_code);
	}
}

static void read_accept(struct lw_aes *aes, struct sim_join *join, const json_t *answer,
	struct sim_verdict *verdict)
{
	const struct sim_uplink uplink = {LW_JOIN_REQ_JOIN, join->dev_nonce};
	const char *text = json_string_value(json_object_get(answer, "PHYPayload"));
	enum kw_err err;

	if (text == NULL) {
		sim_verdict_fault(verdict, SIM_FAULT_FRAME, "PHYPayload is missing or no string");
		return;
	}
	if (kw_hex_read_any(text, strlen(text), verdict->phy_payload, sizeof(verdict->phy_payload),
		    &verdict->phy_length) != KW_OK) {
		sim_verdict_fault(verdict, SIM_FAULT_FRAME,
			"PHYPayload is not hexadecimal, or longer than %d octets",
			LW_JOIN_ACCEPT_MAX);
		return;
	}
	err = sim_device_accept(aes, join->device, &uplink, verdict->phy_payload,
		verdict->phy_length, &verdict->accept);
	if (err == KW_OK) {
		err = sim_device_derive(
			aes, join->device, &uplink, &verdict->accept, &verdict->session);
	}
	switch (err) {
	case KW_OK:
		verdict->has_accept = true;
		break;
	case KW_E_FRAME_SIZE:
	case KW_E_FRAME_TYPE:
		sim_verdict_fault(verdict, SIM_FAULT_FRAME, "PHYPayload: %s (%zu octets)",
			kw_err_text(err), verdict->phy_length);
		break;
	case KW_E_MIC:
		sim_verdict_fault(verdict, SIM_FAULT_MIC,
			"the device cannot read the Join-accept: the MIC is wrong");
		break;
	default:
		sim_verdict_fault(verdict, SIM_FAULT_OWN, "%s", kw_err_text(err));
	}
}

static void expect_octets(struct sim_verdict *verdict, const char *name, const uint8_t *got,
	const uint8_t *wanted, size_t length)
{
	char got_text[2 * LW_CF_LIST_SIZE + 1];
	char wanted_text[2 * LW_CF_LIST_SIZE + 1];

	if (memcmp(got, wanted, length) != 0) {
		kw_hex_write(got_text, got, length);
		kw_hex_write(wanted_text, wanted, length);
		sim_verdict_fault(verdict, SIM_FAULT_ACCEPT, "%s is %s, asked for %s", name,
			got_text, wanted_text);
	}
}

static void check_accept(
	const struct sim_ns *ns, struct sim_join *join, struct sim_verdict *verdict)
{
	const struct lw_join_accept *got = &verdict->accept.fields;

	if (ns->has_net_id) {
		expect_octets(
			verdict, "NetID", got->net_id.octets, ns->net_id.octets, LW_NET_ID_SIZE);
	}
	expect_octets(
		verdict, "DevAddr", got->dev_addr.octets, join->dev_addr.octets, LW_DEV_ADDR_SIZE);
	expect_octets(verdict, "DLSettings", &got->dl_settings, &join->dl_settings, 1);
	expect_octets(verdict, "RxDelay", &got->rx_delay, &ns->rx_delay, 1);
	if (got->has_cf_list != ns->has_cf_list) {
		sim_verdict_fault(verdict, SIM_FAULT_ACCEPT, "CFList is %s",
			got->has_cf_list ? "there and was not asked for" : "missing");
	} else if (got->has_cf_list) {
		expect_octets(verdict, "CFList", got->cf_list, ns->cf_list, LW_CF_LIST_SIZE);
	}
	if (sim_device_take(join->device, &verdict->accept) != KW_OK) {
		sim_verdict_fault(verdict, SIM_FAULT_JOIN_NONCE, "JoinNonce is %u, the last was %u",
			got->join_nonce, join->device->last_join_nonce);
	}
}

static const struct sim_kek *find_kek(const struct sim_ns *ns, const char *label)
{
	for (size_t i = 0; i < ns->kek_count; i++) {
		if (strcmp(ns->keks[i].label, label) == 0) {
			return &ns->keks[i];
		}
	}
	return NULL;
}

static void unwrap_key(struct lw_aes *aes, const struct sim_ns *ns, const char *name,
	const char *hex, struct sim_key_seen *seen, struct sim_verdict *verdict)
{
	const struct sim_kek *kek = find_kek(ns, seen->label);
	uint8_t wrapped[LW_WRAPPED_SIZE];
	enum kw_err err;

	seen->state = SIM_KEY_SEALED;
	if (kw_hex_read(hex, strlen(hex), wrapped, sizeof(wrapped)) != KW_OK) {
		sim_verdict_fault(verdict, SIM_FAULT_KEY_FORM,
			"%s: AESKey under a KEK is 48 hexadecimal digits", name);
		return;
	}
	if (kek == NULL) {
		return;
	}
	err = lw_unwrap(aes, kek->octets, kek->length, wrapped, sizeof(wrapped), seen->key.octets);
	if (err == KW_OK) {
		seen->state = SIM_KEY_UNWRAPPED;
	} else {
		sim_verdict_fault(verdict, SIM_FAULT_KEK, "%s does not open with the KEK \"%s\"",
			name, seen->label);
	}
}

static void read_key(struct lw_aes *aes, const struct sim_ns *ns, const json_t *answer,
	enum sim_key which, struct sim_verdict *verdict)
{
	struct sim_key_seen *seen = &verdict->keys[which];
	const char *name = sim_key_name(which);
	const json_t *envelope = json_object_get(answer, name);
	const json_t *label = json_object_get(envelope, "KEKLabel");
	const char *hex = json_string_value(json_object_get(envelope, "AESKey"));

	if (envelope == NULL) {
		return;
	}
	if (hex == NULL || (label != NULL && !json_is_string(label)) ||
		json_string_length(label) >= sizeof(seen->label)) {
		seen->state = SIM_KEY_SEALED;
		sim_verdict_fault(verdict, SIM_FAULT_KEY_FORM,
			"%s must be an object with AESKey and perhaps KEKLabel", name);
		return;
	}
	copy_text(seen->label, sizeof(seen->label), label == NULL ? "" : json_string_value(label));
	if (seen->label[0] != '\0') {
		unwrap_key(aes, ns, name, hex, seen, verdict);
		return;
	}
	seen->state = SIM_KEY_CLEAR;
	if (kw_hex_read(hex, strlen(hex), seen->key.octets, sizeof(seen->key.octets)) != KW_OK) {
		sim_verdict_fault(verdict, SIM_FAULT_KEY_FORM,
			"%s: AESKey without a KEKLabel is 32 hexadecimal digits", name);
	}
}

static bool key_belongs(const struct sim_verdict *verdict, enum sim_key key)
{
	return key == SIM_APP_S_KEY || (key == SIM_NWK_S_KEY) != verdict->session.opt_neg;
}

static void check_key(struct sim_verdict *verdict, enum sim_key which)
{
	struct sim_key_seen *seen = &verdict->keys[which];
	const struct lw_key *wanted = sim_session_key(&verdict->session, which);
	const char *name = sim_key_name(which);

	if (!key_belongs(verdict, which)) {
		if (seen->state != SIM_KEY_ABSENT) {
			sim_verdict_fault(verdict, SIM_FAULT_KEY_SET,
				"%s does not belong to a session with OptNeg = %d", name,
				verdict->session.opt_neg);
		}
		return;
	}
	switch (seen->state) {
	case SIM_KEY_ABSENT:
		if (which != SIM_APP_S_KEY) {
			sim_verdict_fault(verdict, SIM_FAULT_KEY_SET, "%s is missing", name);
		}
		return;
	case SIM_KEY_SEALED:
		if (which != SIM_APP_S_KEY) {
			sim_verdict_fault(verdict, SIM_FAULT_KEK,
				"%s is under the KEK \"%s\", which is not given: --kek-file "
				"%s=FILE",
				name, seen->label, seen->label);
		}
		return;
	case SIM_KEY_CLEAR:
	case SIM_KEY_UNWRAPPED:
		break;
	}
	seen->equal = kw_equal_ct(&seen->key, wanted, sizeof(seen->key));
	if (!seen->equal) {
		sim_verdict_fault(verdict,
			which == SIM_APP_S_KEY ? SIM_FAULT_APP_S_KEY : SIM_FAULT_NETWORK_KEY,
			"%s is not the key that the device derived", name);
	}
}

/* SessionKeyID is compared by nobody; its form is all there is to check. */
static void check_session_id(const json_t *answer, struct sim_verdict *verdict)
{
	const json_t *value = json_object_get(answer, "SessionKeyID");
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);

	if (value == NULL) {
		if (verdict->keys[SIM_APP_S_KEY].state == SIM_KEY_ABSENT) {
			sim_verdict_fault(verdict, SIM_FAULT_SESSION_ID,
				"neither AppSKey nor SessionKeyID came");
		}
		return;
	}
	if (text == NULL || length == 0 || length % 2 != 0 ||
		strspn(text, "0123456789abcdefABCDEF") != length) {
		sim_verdict_fault(verdict, SIM_FAULT_SESSION_ID, "SessionKeyID is not hexadecimal");
		return;
	}
	copy_text(verdict->session_key_id, sizeof(verdict->session_key_id), text);
}

static void check_lifetime(const json_t *answer, struct sim_verdict *verdict)
{
	const json_t *value = json_object_get(answer, "Lifetime");

	if (value == NULL) {
		return;
	}
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		json_integer_value(value) > UINT32_MAX) {
		sim_verdict_fault(verdict, SIM_FAULT_LIFETIME,
			"Lifetime must be a whole number of seconds below 2^32");
		return;
	}
	verdict->has_lifetime = true;
	verdict->lifetime = (uint64_t)json_integer_value(value);
}

static void check_success(struct lw_aes *aes, const struct sim_ns *ns, struct sim_join *join,
	const json_t *answer, struct sim_verdict *verdict)
{
	read_accept(aes, join, answer, verdict);
	for (unsigned key = 0; key < SIM_KEY_COUNT; key++) {
		read_key(aes, ns, answer, (enum sim_key)key, verdict);
	}
	if (verdict->has_accept) {
		check_accept(ns, join, verdict);
		for (unsigned key = 0; key < SIM_KEY_COUNT; key++) {
			check_key(verdict, (enum sim_key)key);
		}
	}
	check_session_id(answer, verdict);
	check_lifetime(answer, verdict);
}

static const char *status_words(long status)
{
	switch (status) {
	case 401:
		return ", the join server knows no sender by this credential";
	case 503:
		return ", the join server has no time, or the sender asks more than it may";
	default:
		return ", where 200 is right";
	}
}

void sim_join_answer(struct lw_aes *aes, const struct sim_ns *ns, struct sim_join *join,
	long status, const char *body, size_t length, struct sim_verdict *verdict)
{
	json_error_t where;
	json_t *answer = json_loadb(body, length, JSON_REJECT_DUPLICATES, &where);

	memset(verdict, 0, sizeof(*verdict));
	if (status != 200) {
		sim_verdict_fault(verdict, SIM_FAULT_STATUS, "%ld%s", status, status_words(status));
	}
	if (!json_is_object(answer)) {
		sim_verdict_fault(verdict, SIM_FAULT_JSON, "%s",
			answer == NULL ? "the body is not JSON" : "the body is no JSON object");
		json_decref(answer);
		return;
	}
	check_result(answer, verdict);
	check_nulls(answer, verdict);
	check_header(ns, join, answer, verdict);
	if (strcmp(verdict->result_code, "Success") == 0) {
		check_success(aes, ns, join, answer, verdict);
	}
	json_decref(answer);
}
