#include "js/front_convert.h"

#include <string.h>

static_assert((int)BI_PROTOCOL_1_0 == (int)IPC_PROTOCOL_1_0, "the same numbers");
static_assert((int)BI_PROTOCOL_1_1 == (int)IPC_PROTOCOL_1_1, "the same numbers");
static_assert(BI_SESSION_KEY_ID_SIZE == IPC_SESSION_ID_SIZE, "the same size");

static const uint8_t procedures[] = {
	[BI_TYPE_OTHER] = IPC_PROCEDURE_NONE,
	[BI_TYPE_JOIN] = IPC_PROCEDURE_JOIN,
	[BI_TYPE_REJOIN] = IPC_PROCEDURE_REJOIN,
	[BI_TYPE_APP_S_KEY] = IPC_PROCEDURE_APP_S_KEY,
	[BI_TYPE_HOME_NS] = IPC_PROCEDURE_HOME_NS,
	[BI_TYPE_ERROR_NOTIF] = IPC_PROCEDURE_ERROR_NOTIF,
};

static void parties(const struct bi_request *request, struct ipc_backend_req *out)
{
	size_t length = strlen(request->sender_id);

	out->sender_is_net_id = request->sender_is_net_id;
	out->receiver_is_eui = request->receiver_is_eui;
	out->has_ns_id = request->has_ns_id;
	memcpy(out->sender_net_id, request->sender_net_id.octets, sizeof(out->sender_net_id));
	memcpy(out->receiver, request->receiver.octets, sizeof(out->receiver));
	memcpy(out->sender_ns_id, request->sender_ns_id.octets, sizeof(out->sender_ns_id));
	if (length < sizeof(out->as_id)) {
		memcpy(out->as_id, request->sender_id, length);
	}
}

static void join_fields(const struct bi_join *join, struct ipc_backend_req *out)
{
	out->mac_version = (uint8_t)join->mac_version;
	memcpy(out->dev_addr, join->dev_addr.octets, sizeof(out->dev_addr));
	out->dl_settings = join->dl_settings;
	out->rx_delay = join->rx_delay;
	out->has_cf_list = join->has_cf_list;
	memcpy(out->cf_list, join->cf_list, sizeof(out->cf_list));
	out->phy_length = join->phy_length;
	memcpy(out->phy_payload, join->phy_payload, sizeof(out->phy_payload));
}

void js_front_question(const struct bi_request *request, const struct ipc_credential *credentials,
	size_t count, uint64_t number, struct ipc_backend_req *out)
{
	memset(out, 0, sizeof(*out));
	out->number = number;
	out->procedure = procedures[request->type];
	out->credential_count = (uint8_t)count;
	memcpy(out->credentials, credentials, count * sizeof(*credentials));
	out->protocol = (uint8_t)request->protocol;
	out->field_err = request->err;
	parties(request, out);
	out->has_dev_eui = request->has_dev_eui;
	memcpy(out->dev_eui, request->dev_eui.octets, sizeof(out->dev_eui));
	join_fields(&request->join, out);
	out->has_session_key_id = request->app_s_key.has_session_key_id;
	memcpy(out->session_key_id, request->app_s_key.session_key_id, sizeof(out->session_key_id));
}

static bool key_valid(const struct ipc_key *key)
{
	return key->length == 0 || key->length == LW_WRAPPED_SIZE - LW_WRAP_EXTRA ||
	       key->length == LW_WRAPPED_SIZE;
}

static bool text_valid(const char text[IPC_LABEL_SIZE])
{
	return memchr(text, '\0', IPC_LABEL_SIZE) != NULL;
}

static bool answer_valid(const struct bi_request *request, const struct ipc_backend_ans *answer)
{
	bool join = request->type == BI_TYPE_JOIN || request->type == BI_TYPE_REJOIN;

	bool whole = answer->phy_length == LW_JOIN_ACCEPT_SIZE ||
		     answer->phy_length == LW_JOIN_ACCEPT_MAX;

	return (join ? whole : answer->phy_length == 0) && key_valid(&answer->f_nwk_s_int_key) &&
	       key_valid(&answer->s_nwk_s_int_key) && key_valid(&answer->nwk_s_enc_key) &&
	       key_valid(&answer->app_s_key) && text_valid(answer->nwk_kek_label) &&
	       text_valid(answer->app_kek_label);
}

static struct bi_key key_of(const struct ipc_key *key)
{
	return (struct bi_key){key->octets, key->length};
}

void js_front_answer(const struct bi_request *request, const struct ipc_backend_ans *answer,
	struct bi_answer *out)
{
	*out = (struct bi_answer){.err = (enum kw_err)answer->err};
	if (answer->err != KW_OK) {
		return;
	}
	if (!answer_valid(request, answer)) {
		out->err = KW_E_SYSTEM;
		return;
	}
	out->lifetime = answer->lifetime;
	out->opt_neg = answer->opt_neg != 0;
	out->phy_payload = answer->phy_payload;
	out->phy_length = answer->phy_length;
	out->session_key_id = answer->session_key_id;
	out->session_key_id_length =
		answer->has_session_key_id != 0 ? sizeof(answer->session_key_id) : 0;
	out->f_nwk_s_int_key = key_of(&answer->f_nwk_s_int_key);
	out->s_nwk_s_int_key = key_of(&answer->s_nwk_s_int_key);
	out->nwk_s_enc_key = key_of(&answer->nwk_s_enc_key);
	out->app_s_key = key_of(&answer->app_s_key);
	out->nwk_kek_label = answer->nwk_kek_label;
	out->app_kek_label = answer->app_kek_label;
	out->h_net_id = answer->h_net_id;
	out->h_ns_id = answer->has_h_ns_id != 0 ? answer->h_ns_id : NULL;
}
