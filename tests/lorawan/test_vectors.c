/*
 * Run every vector of tests/vectors/vectors.json, each as a test of its own name. The file is the
 * first argument.
 */
#include "lorawan/frame.h"
#include "lorawan/join.h"
#include "lorawan/names.h"
#include "lorawan/wrap.h"
#include "tests/lorawan/octets.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define VECTOR_COUNT 95
#define OCTETS_MAX   128

static struct lw_aes *aes;

static bool has(const json_t *object, const char *key)
{
	return json_object_get(object, key) != NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text == NULL) {
		fail_msg("%s is missing or no text", key);
	}
	return text;
}

static uint32_t number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value)) {
		fail_msg("%s is missing or no number", key);
	}
	assert_in_range(json_integer_value(value), 0, UINT32_MAX);
	return (uint32_t)json_integer_value(value);
}

static uint16_t nonce_of(const json_t *object, const char *key)
{
	uint32_t value = number_of(object, key);

	assert_in_range(value, 0, UINT16_MAX);
	return (uint16_t)value;
}

static size_t octets_in(const json_t *object, const char *key, uint8_t out[OCTETS_MAX])
{
	const char *text = text_of(object, key);
	size_t length;

	assert_int_equal(kw_hex_read_any(text, strlen(text), out, OCTETS_MAX, &length), KW_OK);
	return length;
}

static void fixed_octets(const json_t *object, const char *key, uint8_t *out, size_t length)
{
	octets_of(text_of(object, key), out, length);
}

static void check_octets(const json_t *expected, const char *key, const uint8_t *got, size_t length)
{
	uint8_t want[OCTETS_MAX];

	assert_int_equal(octets_in(expected, key, want), length);
	assert_memory_equal(got, want, length);
}

static void check_key(const json_t *expected, const char *name, const struct lw_key *key)
{
	check_octets(expected, name, key->octets, sizeof(key->octets));
}

/* A key and a handle on it, as one thing to hold on the stack. */
struct test_key {
	struct lw_key octets;
	struct lw_key_handle handle;
};

static const struct lw_key_handle *key_of(
	const json_t *object, const char *name, struct test_key *key)
{
	fixed_octets(object, name, key->octets.octets, sizeof(key->octets.octets));
	lw_key_handle_init(&key->handle, aes, &key->octets);
	return &key->handle;
}

static struct lw_eui eui_of(const json_t *object, const char *key)
{
	struct lw_eui eui;

	fixed_octets(object, key, eui.octets, sizeof(eui.octets));
	return eui;
}

static struct lw_net_id net_id_of(const json_t *object)
{
	struct lw_net_id net_id;

	assert_int_equal(lw_net_id_read(text_of(object, "net_id"), &net_id), KW_OK);
	return net_id;
}

static struct lw_dev_addr dev_addr_of(const json_t *object)
{
	struct lw_dev_addr dev_addr;

	fixed_octets(object, "dev_addr", dev_addr.octets, sizeof(dev_addr.octets));
	return dev_addr;
}

/* The frame is in `expected` if the source has it, else in `also_computed`. */
static const json_t *holder(const json_t *vector, const char *key)
{
	const json_t *expected = json_object_get(vector, "expected");

	return has(expected, key) ? expected : json_object_get(vector, "also_computed");
}

static void run_aes(const json_t *vector, const json_t *in, const json_t *want)
{
	uint8_t key[OCTETS_MAX];
	uint8_t block[LW_BLOCK_SIZE];
	size_t key_length = octets_in(in, "key", key);

	(void)vector;
	fixed_octets(in, "plaintext", block, sizeof(block));
	assert_int_equal(lw_aes_encrypt(aes, key, key_length, block, block, sizeof(block)), KW_OK);
	check_octets(want, "ciphertext", block, sizeof(block));
	assert_int_equal(lw_aes_decrypt(aes, key, key_length, block, block, sizeof(block)), KW_OK);
	check_octets(in, "plaintext", block, sizeof(block));
}

static void run_cmac(const json_t *vector, const json_t *in, const json_t *want)
{
	struct test_key key;
	uint8_t message[OCTETS_MAX];
	uint8_t cmac[LW_BLOCK_SIZE];
	size_t length = octets_in(in, "message", message);

	(void)vector;
	assert_int_equal(lw_key_cmac(key_of(in, "key", &key), message, length, cmac), KW_OK);
	check_octets(want, "cmac", cmac, sizeof(cmac));
}

static void run_cmac_subkeys(const json_t *vector, const json_t *in, const json_t *want)
{
	struct test_key key;
	uint8_t k1[LW_BLOCK_SIZE];
	uint8_t k2[LW_BLOCK_SIZE];

	(void)vector;
	key_of(in, "key", &key);
	assert_int_equal(lw_aes_cmac_subkeys(aes, &key.octets, k1, k2), KW_OK);
	check_octets(want, "k1", k1, sizeof(k1));
	check_octets(want, "k2", k2, sizeof(k2));
}

static void run_wrap(const json_t *vector, const json_t *in, const json_t *want)
{
	uint8_t kek[OCTETS_MAX];
	uint8_t data[OCTETS_MAX];
	uint8_t wrapped[LW_WRAP_DATA_MAX + LW_WRAP_EXTRA];
	uint8_t back[LW_WRAP_DATA_MAX];
	size_t kek_length = octets_in(in, "kek", kek);
	size_t length = octets_in(in, "key_data", data);

	(void)vector;
	assert_in_range(length, 0, LW_WRAP_DATA_MAX);
	assert_int_equal(lw_wrap(aes, kek, kek_length, data, length, wrapped), KW_OK);
	check_octets(want, "wrapped", wrapped, length + LW_WRAP_EXTRA);
	assert_int_equal(
		lw_unwrap(aes, kek, kek_length, wrapped, length + LW_WRAP_EXTRA, back), KW_OK);
	assert_memory_equal(back, data, length);
}

static void run_unwrap_fails(const json_t *vector, const json_t *in, const json_t *want)
{
	uint8_t kek[OCTETS_MAX];
	uint8_t wrapped[OCTETS_MAX];
	uint8_t out[OCTETS_MAX];
	size_t kek_length = octets_in(in, "kek", kek);
	size_t length = octets_in(in, "wrapped", wrapped);
	const char *error = text_of(want, "error");
	enum kw_err err = lw_unwrap(aes, kek, kek_length, wrapped, length, out);

	(void)vector;
	if (strcmp(error, "integrity") == 0) {
		assert_int_equal(err, KW_E_SEAL);
	} else {
		assert_string_equal(error, "length");
		assert_int_equal(err, KW_E_INVALID);
	}
}

static void run_join_request(const json_t *vector, const json_t *in, const json_t *want)
{
	struct lw_join_request request = {
		.join_eui = eui_of(in, "join_eui"),
		.dev_eui = eui_of(in, "dev_eui"),
		.dev_nonce = nonce_of(in, "dev_nonce"),
	};
	struct lw_join_request back;
	struct test_key key;
	const struct lw_key_handle *root = key_of(in, "root_key", &key);
	uint8_t frame[LW_JOIN_REQUEST_SIZE];

	lw_join_request_write(&request, frame);
	assert_int_equal(lw_join_request_mic(root, frame, request.mic), KW_OK);
	check_octets(want, "mic", request.mic, sizeof(request.mic));
	lw_join_request_write(&request, frame);
	check_octets(holder(vector, "phy_payload"), "phy_payload", frame, sizeof(frame));
	assert_int_equal(lw_join_request_verify(root, frame), KW_OK);
	assert_int_equal(lw_join_request_read(frame, sizeof(frame), &back), KW_OK);
	assert_memory_equal(&back, &request, sizeof(back));
}

static void check_rejoin(struct lw_rejoin_request *request, const struct lw_key_handle *key,
	const json_t *vector, const json_t *want)
{
	struct lw_rejoin_request back;
	uint8_t frame[LW_REJOIN_1_SIZE];
	size_t length = lw_rejoin_request_write(request, frame);

	assert_int_equal(lw_rejoin_request_mic(key, frame, length, request->mic), KW_OK);
	check_octets(want, "mic", request->mic, sizeof(request->mic));
	assert_int_equal(lw_rejoin_request_write(request, frame), length);
	check_octets(holder(vector, "phy_payload"), "phy_payload", frame, length);
	assert_int_equal(lw_rejoin_request_verify(key, frame, length), KW_OK);
	assert_int_equal(lw_rejoin_request_read(frame, length, &back), KW_OK);
	assert_int_equal(back.type, request->type);
	assert_int_equal(back.rj_count, request->rj_count);
	assert_true(lw_eui_equal(&back.dev_eui, &request->dev_eui));
	assert_true(lw_eui_equal(&back.join_eui, &request->join_eui));
	assert_true(lw_net_id_equal(&back.net_id, &request->net_id));
}

static void run_rejoin02(const json_t *vector, const json_t *in, const json_t *want)
{
	struct lw_rejoin_request request = {
		.type = (enum lw_join_req_type)number_of(in, "rejoin_type"),
		.net_id = net_id_of(in),
		.dev_eui = eui_of(in, "dev_eui"),
		.rj_count = nonce_of(in, "rjcount0"),
	};
	struct test_key key;

	check_rejoin(&request, key_of(in, "s_nwk_s_int_key", &key), vector, want);
}

static void run_rejoin1(const json_t *vector, const json_t *in, const json_t *want)
{
	struct lw_rejoin_request request = {
		.type = LW_JOIN_REQ_REJOIN_1,
		.join_eui = eui_of(in, "join_eui"),
		.dev_eui = eui_of(in, "dev_eui"),
		.rj_count = nonce_of(in, "rjcount1"),
	};
	struct test_key key;

	check_rejoin(&request, key_of(in, "js_int_key", &key), vector, want);
}

static struct lw_join_accept accept_of(const json_t *in)
{
	struct lw_join_accept accept = {
		.join_nonce = number_of(in, "join_nonce"),
		.net_id = net_id_of(in),
		.dev_addr = dev_addr_of(in),
		.rx_delay = (uint8_t)number_of(in, "rx_delay"),
	};

	fixed_octets(in, "dl_settings", &accept.dl_settings, 1);
	accept.has_cf_list = has(in, "cf_list") && *text_of(in, "cf_list") != '\0';
	if (accept.has_cf_list) {
		fixed_octets(in, "cf_list", accept.cf_list, sizeof(accept.cf_list));
	}
	return accept;
}

static enum kw_err mic_of_mode(
	const json_t *in, const uint8_t *clear, size_t length, uint8_t mic[LW_MIC_SIZE])
{
	struct lw_join_context context = {.type = LW_JOIN_REQ_JOIN};
	struct test_key key;
	const struct lw_key_handle *mic_key = key_of(in, "mic_key", &key);
	uint8_t type;

	if (strcmp(text_of(in, "mic_mode"), "1.0") == 0) {
		return lw_join_accept_mic_1_0(mic_key, clear, length, mic);
	}
	assert_string_equal(text_of(in, "mic_mode"), "1.1");
	fixed_octets(in, "join_req_type", &type, 1);
	context.type = (enum lw_join_req_type)type;
	context.join_eui = eui_of(in, "join_eui");
	context.nonce = nonce_of(in, "nonce");
	return lw_join_accept_mic_1_1(mic_key, &context, clear, length, mic);
}

static void run_join_accept(const json_t *vector, const json_t *in, const json_t *want)
{
	const struct lw_join_accept accept = accept_of(in);
	struct test_key key;
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	uint8_t *mic;
	size_t length = lw_join_accept_write(&accept, frame);

	check_octets(holder(vector, "clear"), "clear", frame, length);
	mic = frame + length;
	assert_int_equal(mic_of_mode(in, frame, length, mic), KW_OK);
	check_octets(want, "mic", mic, LW_MIC_SIZE);
	assert_int_equal(has(want, "phy_payload"), has(in, "enc_key"));
	if (has(want, "phy_payload")) {
		length += LW_MIC_SIZE;
		assert_int_equal(
			lw_join_accept_encrypt(key_of(in, "enc_key", &key), frame, length), KW_OK);
		check_octets(want, "phy_payload", frame, length);
	}
}

static void run_join_accept_crypt(const json_t *vector, const json_t *in, const json_t *want)
{
	struct test_key key;
	const struct lw_key_handle *handle = key_of(in, "key", &key);
	uint8_t decrypted[OCTETS_MAX];
	uint8_t frame[LW_JOIN_ACCEPT_MAX] = {LW_MHDR_JOIN_ACCEPT};
	size_t length = octets_in(in, "decrypted", decrypted);

	(void)vector;
	assert_in_range(length, 16, sizeof(frame) - 1);
	memcpy(frame + 1, decrypted, length);
	assert_int_equal(lw_join_accept_encrypt(handle, frame, length + 1), KW_OK);
	assert_int_equal(frame[0], LW_MHDR_JOIN_ACCEPT);
	check_octets(want, "encrypted", frame + 1, length);
	assert_int_equal(lw_key_encrypt(handle, frame + 1, frame + 1, length), KW_OK);
	assert_memory_equal(frame + 1, decrypted, length);
}

static void check_session(const struct lw_session_keys *keys, const json_t *want)
{
	if (keys->opt_neg) {
		assert_int_equal(json_object_size(want), 4);
		check_key(want, "FNwkSIntKey", &keys->f_nwk_s_int);
		check_key(want, "SNwkSIntKey", &keys->s_nwk_s_int);
		check_key(want, "NwkSEncKey", &keys->nwk_s_enc);
	} else {
		assert_int_equal(json_object_size(want), 2);
		check_key(want, "NwkSKey", &keys->f_nwk_s_int);
		check_key(want, "NwkSKey", &keys->s_nwk_s_int);
		check_key(want, "NwkSKey", &keys->nwk_s_enc);
	}
	check_key(want, "AppSKey", &keys->app_s);
}

static void run_session_10(const json_t *vector, const json_t *in, const json_t *want)
{
	const struct lw_join_context context = {
		.type = LW_JOIN_REQ_JOIN, .nonce = nonce_of(in, "dev_nonce")};
	const struct lw_net_id net_id = net_id_of(in);
	struct test_key root;
	struct lw_session_keys keys;

	(void)vector;
	assert_int_equal(lw_session_derive(key_of(in, "root_key", &root), NULL, false,
				 number_of(in, "join_nonce"), &net_id, &context, &keys),
		KW_OK);
	check_session(&keys, want);
}

static void run_session_11(const json_t *vector, const json_t *in, const json_t *want)
{
	const struct lw_join_context context = {.type = LW_JOIN_REQ_JOIN,
		.join_eui = eui_of(in, "join_eui"),
		.nonce = nonce_of(in, "nonce")};
	const struct lw_net_id no_net_id = {{0}};
	struct test_key nwk;
	struct test_key app;
	struct lw_session_keys keys;

	(void)vector;
	assert_int_equal(lw_session_derive(key_of(in, "nwk_key", &nwk), key_of(in, "app_key", &app),
				 true, number_of(in, "join_nonce"), &no_net_id, &context, &keys),
		KW_OK);
	check_session(&keys, want);
}

static void run_block_kdf(const json_t *vector, const json_t *in, const json_t *want)
{
	struct test_key key;
	struct lw_key derived;
	uint8_t first;
	uint8_t tail[OCTETS_MAX] = {0};
	size_t length = 0;

	(void)vector;
	fixed_octets(in, "first_byte", &first, 1);
	if (has(in, "tail")) {
		length = octets_in(in, "tail", tail);
	}
	assert_int_equal(
		lw_block_derive(key_of(in, "key", &key), first, tail, length, &derived), KW_OK);
	check_key(want, "derived", &derived);
}

static void run_netid(const json_t *vector, const json_t *in, const json_t *want)
{
	const struct lw_net_id net_id = net_id_of(in);

	(void)vector;
	assert_int_equal(lw_net_id_type(&net_id), number_of(want, "type"));
	assert_int_equal(lw_net_id_id(&net_id), number_of(want, "id"));
}

static void run_devaddr(const json_t *vector, const json_t *in, const json_t *want)
{
	const struct lw_dev_addr dev_addr = dev_addr_of(in);
	const struct lw_net_id net_id = net_id_of(in);
	const json_t *matches = json_object_get(want, "matches");

	(void)vector;
	assert_true(json_is_boolean(matches));
	assert_int_equal(lw_dev_addr_matches(&dev_addr, &net_id), json_is_true(matches));
}

static void run_devaddr_parse(const json_t *vector, const json_t *in, const json_t *want)
{
	const struct lw_dev_addr dev_addr = dev_addr_of(in);
	const json_t *type_wanted = json_object_get(want, "netid_type");
	unsigned type;
	uint32_t nwk_id;
	bool known = lw_dev_addr_parse(&dev_addr, &type, &nwk_id);

	(void)vector;
	assert_true(json_is_integer(type_wanted));
	assert_int_equal(known, json_integer_value(type_wanted) >= 0);
	if (known) {
		assert_int_equal(type, number_of(want, "netid_type"));
		assert_int_equal(nwk_id, number_of(want, "nwk_id"));
	}
}

static void run_dns(const json_t *vector, const json_t *in, const json_t *want)
{
	struct lw_eui join_eui;
	struct lw_net_id net_id;
	char name[LW_DNS_NAME_SIZE];

	(void)vector;
	if (has(in, "join_eui")) {
		join_eui = eui_of(in, "join_eui");
		assert_int_equal(lw_join_eui_dns_name(&join_eui, LW_JOIN_EUI_DOMAIN, name), KW_OK);
	} else {
		net_id = net_id_of(in);
		assert_int_equal(lw_net_id_dns_name(&net_id, LW_NET_ID_DOMAIN, name), KW_OK);
	}
	assert_string_equal(name, text_of(want, "name"));
}

static void run_tr005(const json_t *vector, const json_t *in, const json_t *want)
{
	const char *text = text_of(in, "text");
	char checksum[8];

	(void)vector;
	snprintf(checksum, sizeof(checksum), "%04X", lw_qr_checksum(text, strlen(text)));
	assert_string_equal(checksum, text_of(want, "checksum"));
}

static enum lw_join_req_type request_type_of(const json_t *in)
{
	static const struct {
		const char *text;
		enum lw_join_req_type type;
	} requests[] = {
		{"join", LW_JOIN_REQ_JOIN},
		{"rejoin0", LW_JOIN_REQ_REJOIN_0},
		{"rejoin1", LW_JOIN_REQ_REJOIN_1},
		{"rejoin2", LW_JOIN_REQ_REJOIN_2},
	};
	const char *text = text_of(in, "request");

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (strcmp(text, requests[i].text) == 0) {
			return requests[i].type;
		}
	}
	fail_msg("unknown request \"%s\"", text);
	return LW_JOIN_REQ_JOIN;
}

static void check_uplink(
	const json_t *want, const struct lw_key_handle *root, const struct lw_join_context *context)
{
	struct lw_join_request request;
	uint8_t frame[LW_JOIN_REQUEST_SIZE];
	uint8_t again[LW_JOIN_REQUEST_SIZE];

	assert_int_equal(context->type, LW_JOIN_REQ_JOIN);
	fixed_octets(want, "uplink", frame, sizeof(frame));
	assert_int_equal(lw_join_request_verify(root, frame), KW_OK);
	assert_int_equal(lw_join_request_read(frame, sizeof(frame), &request), KW_OK);
	assert_true(lw_eui_equal(&request.join_eui, &context->join_eui));
	assert_true(lw_eui_equal(&request.dev_eui, &context->dev_eui));
	assert_int_equal(request.dev_nonce, context->nonce);
	lw_join_request_write(&request, again);
	assert_memory_equal(again, frame, sizeof(frame));
	frame[0] ^= 1;
	assert_int_equal(lw_join_request_verify(root, frame), KW_E_MIC);
}

/* What the device sees after it has decrypted the accept. */
static void check_decrypted(
	const json_t *want, const struct lw_key_handle *key, const uint8_t *frame, size_t length)
{
	struct lw_join_accept accept;
	uint8_t clear[LW_JOIN_ACCEPT_MAX] = {frame[0]};
	uint8_t mic[LW_MIC_SIZE];

	assert_int_equal(lw_key_encrypt(key, frame + 1, clear + 1, length - 1), KW_OK);
	check_octets(want, "clear", clear, length - LW_MIC_SIZE);
	assert_int_equal(lw_join_accept_read(clear, length, &accept, mic), KW_OK);
	check_octets(want, "mic", mic, sizeof(mic));
}

static void run_join_full(const json_t *vector, const json_t *in, const json_t *want)
{
	const struct lw_join_accept accept = accept_of(in);
	const bool opt_neg = (accept.dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0;
	const struct lw_join_context context = {
		.type = request_type_of(in),
		.join_eui = eui_of(in, "join_eui"),
		.dev_eui = eui_of(in, "dev_eui"),
		.nonce = nonce_of(in, "nonce"),
	};
	struct test_key nwk;
	struct test_key app;
	struct test_key js_enc;
	struct lw_key js_int;
	struct lw_session_keys keys;
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	size_t length;
	const struct lw_key_handle *root = key_of(in, "nwk_key", &nwk);
	const struct lw_key_handle *crypt_key = root;

	(void)vector;
	assert_int_equal(has(want, "uplink"), context.type == LW_JOIN_REQ_JOIN);
	if (has(want, "uplink")) {
		check_uplink(want, root, &context);
	}
	assert_int_equal(lw_js_int_key(root, &context.dev_eui, &js_int), KW_OK);
	assert_int_equal(lw_js_enc_key(root, &context.dev_eui, &js_enc.octets), KW_OK);
	lw_key_handle_init(&js_enc.handle, aes, &js_enc.octets);
	assert_int_equal(has(want, "JSIntKey"), opt_neg);
	if (opt_neg) {
		check_key(want, "JSIntKey", &js_int);
		check_key(want, "JSEncKey", &js_enc.octets);
	}
	assert_int_equal(lw_join_accept_build(aes, root, &accept, &context, frame, &length), KW_OK);
	check_octets(want, "phy_payload", frame, length);
	if (context.type != LW_JOIN_REQ_JOIN) {
		crypt_key = &js_enc.handle;
	}
	check_decrypted(want, crypt_key, frame, length);
	assert_int_equal(lw_session_derive(root, key_of(in, "app_key", &app), opt_neg,
				 accept.join_nonce, &accept.net_id, &context, &keys),
		KW_OK);
	check_session(&keys, json_object_get(want, "keys"));
}

static const struct {
	const char *kind;
	void (*run)(const json_t *vector, const json_t *inputs, const json_t *expected);
} kinds[] = {
	{"aes", run_aes},
	{"cmac", run_cmac},
	{"cmac_subkeys", run_cmac_subkeys},
	{"wrap", run_wrap},
	{"unwrap_fails", run_unwrap_fails},
	{"join_request", run_join_request},
	{"rejoin02", run_rejoin02},
	{"rejoin1", run_rejoin1},
	{"join_accept", run_join_accept},
	{"join_accept_crypt", run_join_accept_crypt},
	{"session_10", run_session_10},
	{"session_11", run_session_11},
	{"block_kdf", run_block_kdf},
	{"netid", run_netid},
	{"devaddr", run_devaddr},
	{"devaddr_parse", run_devaddr_parse},
	{"dns", run_dns},
	{"tr005", run_tr005},
	{"join_full", run_join_full},
};

static void run_vector(void **state)
{
	const json_t *vector = *state;
	const char *kind = text_of(vector, "kind");
	const json_t *inputs = json_object_get(vector, "inputs");
	const json_t *expected = json_object_get(vector, "expected");

	assert_true(json_is_object(inputs));
	assert_true(json_is_object(expected));
	assert_true(*text_of(vector, "source") != '\0');
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kind, kinds[i].kind) == 0) {
			kinds[i].run(vector, inputs, expected);
			return;
		}
	}
	fail_msg("unknown kind \"%s\"", kind);
}

static json_t *vectors;

static void all_vectors_are_there(void **state)
{
	(void)state;
	assert_int_equal(json_array_size(vectors), VECTOR_COUNT);
}

static void names_are_unique(void **state)
{
	const size_t count = json_array_size(vectors);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *name = text_of(json_array_get(vectors, i), "name");

		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(name, text_of(json_array_get(vectors, j), "name"));
		}
	}
}

static int run_all(void)
{
	const size_t count = json_array_size(vectors);
	struct CMUnitTest *tests = calloc(count + 2, sizeof(*tests));
	int failed;

	if (tests == NULL) {
		return 1;
	}
	for (size_t i = 0; i < count; i++) {
		json_t *vector = json_array_get(vectors, i);
		const char *name = json_string_value(json_object_get(vector, "name"));

		tests[i].name = name != NULL ? name : "vector without a name";
		tests[i].test_func = run_vector;
		tests[i].initial_state = vector;
	}
	tests[count] = (struct CMUnitTest)cmocka_unit_test(all_vectors_are_there);
	tests[count + 1] = (struct CMUnitTest)cmocka_unit_test(names_are_unique);
	failed = _cmocka_run_group_tests("vectors", tests, count + 2, NULL, NULL);
	free(tests);
	return failed;
}

int main(int argc, char **argv)
{
	json_error_t error;
	int failed = 1;

	if (argc != 2) {
		fprintf(stderr, "usage: %s vectors.json\n", argv[0]);
		return 1;
	}
	vectors = json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error);
	if (vectors == NULL) {
		fprintf(stderr, "%s:%d: %s\n", argv[1], error.line, error.text);
		return 1;
	}
	aes = lw_aes_create();
	if (aes != NULL) {
		failed = run_all();
	}
	lw_aes_destroy(aes);
	json_decref(vectors);
	return failed;
}
