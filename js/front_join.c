#include "js/front_join.h"

#include <string.h>

static_assert((int)BI_PROTOCOL_1_0 == (int)IPC_PROTOCOL_1_0, "the same numbers");
static_assert((int)BI_PROTOCOL_1_1 == (int)IPC_PROTOCOL_1_1, "the same numbers");

static void parties(const struct bi_request *request, struct ipc_join_req *out)
{
	out->sender_is_net_id = request->sender_is_net_id;
	out->receiver_is_eui = request->receiver_is_eui;
	out->has_ns_id = request->has_ns_id;
	memcpy(out->sender_net_id, request->sender_net_id.octets, sizeof(out->sender_net_id));
	memcpy(out->receiver, request->receiver.octets, sizeof(out->receiver));
	memcpy(out->sender_ns_id, request->sender_ns_id.octets, sizeof(out->sender_ns_id));
}

void js_front_question(const struct bi_request *request, const uint8_t credential[IPC_DIGEST_SIZE],
	uint64_t number, struct ipc_join_req *out)
{
	const struct bi_join *join = &request->join;

	memset(out, 0, sizeof(*out));
	out->number = number;
	memcpy(out->credential, credential, sizeof(out->credential));
	out->protocol = (uint8_t)request->protocol;
	out->field_err = request->err;
	parties(request, out);
	out->mac_version = (uint8_t)join->mac_version;
	out->has_dev_eui = join->has_dev_eui;
	memcpy(out->dev_eui, join->dev_eui.octets, sizeof(out->dev_eui));
	memcpy(out->dev_addr, join->dev_addr.octets, sizeof(out->dev_addr));
	out->dl_settings = join->dl_settings;
	out->rx_delay = join->rx_delay;
	out->has_cf_list = join->has_cf_list;
	memcpy(out->cf_list, join->cf_list, sizeof(out->cf_list));
	memcpy(out->phy_payload, join->phy_payload, sizeof(out->phy_payload));
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

static bool answer_valid(const struct ipc_join_ans *answer)
{
	return (answer->phy_length == LW_JOIN_ACCEPT_SIZE ||
		       answer->phy_length == LW_JOIN_ACCEPT_MAX) &&
	       key_valid(&answer->f_nwk_s_int_key) && key_valid(&answer->s_nwk_s_int_key) &&
	       key_valid(&answer->nwk_s_enc_key) && key_valid(&answer->app_s_key) &&
	       text_valid(answer->nwk_kek_label) && text_valid(answer->app_kek_label);
}

static struct bi_key key_of(const struct ipc_key *key)
{
	return (struct bi_key){key->octets, key->length};
}

void js_front_answer(const struct ipc_join_ans *answer, struct bi_answer *out)
{
	*out = (struct bi_answer){.err = (enum kw_err)answer->err};
	if (answer->err != KW_OK) {
		return;
	}
	if (!answer_valid(answer)) {
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
}
