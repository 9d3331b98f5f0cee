#include "lorawan/join.h"
#include "tests/lorawan/octets.h"

#define LENGTH_MAX 300

static struct lw_aes *aes;
static const struct lw_key nwk_octets = {{0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 7, 0x18, 0x29, 0x3a,
	0x4b, 0x5c, 0x6d, 0x7e, 0x8f, 0x90}};
static const struct lw_key app_octets = {{0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78}};
static struct lw_key_handle nwk_key;
static struct lw_key_handle app_key;

/* A handle whose engine fails after a number of calls, as an HSM may. */
struct failing {
	struct lw_key_handle real;
	int calls_left;
};

static bool spend(const struct lw_key_handle *handle)
{
	struct failing *failing = handle->context;

	return failing->calls_left-- > 0;
}

static enum kw_err failing_encrypt(
	const struct lw_key_handle *handle, const uint8_t *in, uint8_t *out, size_t length)
{
	const struct failing *failing = handle->context;

	memset(out, 0xee, length);
	return spend(handle) ? lw_key_encrypt(&failing->real, in, out, length) : KW_E_CRYPTO;
}

static enum kw_err failing_decrypt(
	const struct lw_key_handle *handle, const uint8_t *in, uint8_t *out, size_t length)
{
	const struct failing *failing = handle->context;

	return spend(handle) ? lw_key_decrypt(&failing->real, in, out, length) : KW_E_CRYPTO;
}

static enum kw_err failing_cmac(const struct lw_key_handle *handle, const uint8_t *message,
	size_t length, uint8_t out[LW_BLOCK_SIZE])
{
	const struct failing *failing = handle->context;

	memset(out, 0xee, LW_BLOCK_SIZE);
	return spend(handle) ? lw_key_cmac(&failing->real, message, length, out) : KW_E_CRYPTO;
}

static const struct lw_key_ops failing_ops = {
	.encrypt = failing_encrypt,
	.decrypt = failing_decrypt,
	.cmac = failing_cmac,
};

static struct lw_key_handle failing_handle(struct failing *failing, int calls)
{
	failing->real = nwk_key;
	failing->calls_left = calls;
	return (struct lw_key_handle){.ops = &failing_ops, .context = failing};
}

static struct lw_join_context join_context(enum lw_join_req_type type)
{
	struct lw_join_context context = {.type = type, .nonce = 17};

	octets_of("70b3d57ed0001234", context.join_eui.octets, LW_EUI_SIZE);
	octets_of("0004a30b001c0530", context.dev_eui.octets, LW_EUI_SIZE);
	return context;
}

static struct lw_join_accept join_accept(uint8_t dl_settings, bool has_cf_list)
{
	struct lw_join_accept accept = {.join_nonce = 5,
		.dl_settings = dl_settings,
		.rx_delay = 1,
		.has_cf_list = has_cf_list};

	octets_of("60050a", accept.net_id.octets, LW_NET_ID_SIZE);
	octets_of("ea140b2c", accept.dev_addr.octets, LW_DEV_ADDR_SIZE);
	if (has_cf_list) {
		memset(accept.cf_list, 0x33, sizeof(accept.cf_list));
	}
	return accept;
}

static void every_bit_of_a_join_request_counts(void **state)
{
	uint8_t frame[LW_JOIN_REQUEST_SIZE];
	uint8_t mic[LW_MIC_SIZE];

	(void)state;
	octets_of("00341200d07ed5b37030051c000ba304001200735ad526", frame, sizeof(frame));
	assert_int_equal(lw_join_request_verify(&nwk_key, frame), KW_OK);
	assert_int_equal(lw_join_request_verify(&app_key, frame), KW_E_MIC);
	assert_int_equal(lw_join_request_mic(&nwk_key, frame, mic), KW_OK);
	assert_memory_equal(mic, frame + 19, sizeof(mic));
	for (size_t bit = 0; bit < 8 * sizeof(frame); bit++) {
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(lw_join_request_verify(&nwk_key, frame), KW_E_MIC);
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void rejoin_requests_of_every_length(void **state)
{
	uint8_t frame[LENGTH_MAX];
	uint8_t mic[LW_MIC_SIZE];

	(void)state;
	for (size_t length = 0; length <= sizeof(frame); length++) {
		memset(frame, 0x5a, sizeof(frame));
		memset(mic, 0xee, sizeof(mic));
		if (length != LW_REJOIN_02_SIZE && length != LW_REJOIN_1_SIZE) {
			assert_int_equal(
				lw_rejoin_request_verify(&nwk_key, frame, length), KW_E_FRAME_SIZE);
			assert_int_equal(lw_rejoin_request_mic(&nwk_key, frame, length, mic),
				KW_E_FRAME_SIZE);
			assert_true(all_zero(mic, sizeof(mic)));
			continue;
		}
		assert_int_equal(lw_rejoin_request_mic(&nwk_key, frame, length, mic), KW_OK);
		memcpy(frame + length - LW_MIC_SIZE, mic, LW_MIC_SIZE);
		assert_int_equal(lw_rejoin_request_verify(&nwk_key, frame, length), KW_OK);
		for (size_t bit = 0; bit < 8 * length; bit++) {
			frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(
				lw_rejoin_request_verify(&nwk_key, frame, length), KW_E_MIC);
			frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void accept_mics_take_two_lengths(void **state)
{
	struct lw_join_context context = join_context(LW_JOIN_REQ_JOIN);
	uint8_t clear[LENGTH_MAX] = {0};
	uint8_t mic[LW_MIC_SIZE];

	(void)state;
	for (size_t length = 0; length <= sizeof(clear); length++) {
		enum kw_err want = length == 13 || length == 29 ? KW_OK : KW_E_INVALID;

		memset(mic, 0, sizeof(mic));
		assert_int_equal(lw_join_accept_mic_1_0(&nwk_key, clear, length, mic), want);
		assert_int_equal(all_zero(mic, sizeof(mic)), want != KW_OK);
		memset(mic, 0xee, sizeof(mic));
		assert_int_equal(
			lw_join_accept_mic_1_1(&nwk_key, &context, clear, length, mic), want);
		assert_int_equal(all_zero(mic, sizeof(mic)), want != KW_OK);
	}
}

static void the_1_1_mic_binds_the_request(void **state)
{
	const struct lw_join_context right = join_context(LW_JOIN_REQ_JOIN);
	struct lw_join_context wrong[4];
	uint8_t clear[13] = {0x20};
	uint8_t mic[LW_MIC_SIZE];
	uint8_t other[LW_MIC_SIZE];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		wrong[i] = right;
	}
	wrong[0].type = LW_JOIN_REQ_REJOIN_0;
	wrong[1].join_eui.octets[7] ^= 1;
	wrong[2].nonce ^= 1;
	wrong[3].nonce ^= 0x100;
	assert_int_equal(
		lw_join_accept_mic_1_1(&nwk_key, &right, clear, sizeof(clear), mic), KW_OK);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(
			lw_join_accept_mic_1_1(&nwk_key, &wrong[i], clear, sizeof(clear), other),
			KW_OK);
		assert_memory_not_equal(mic, other, sizeof(mic));
	}
}

static void encrypts_accepts_of_two_lengths(void **state)
{
	uint8_t clear[LENGTH_MAX];
	uint8_t frame[LENGTH_MAX];

	(void)state;
	memset(clear, 0x44, sizeof(clear));
	for (size_t length = 0; length <= sizeof(frame); length++) {
		memcpy(frame, clear, sizeof(frame));
		if (length != LW_JOIN_ACCEPT_SIZE && length != LW_JOIN_ACCEPT_MAX) {
			assert_int_equal(
				lw_join_accept_encrypt(&nwk_key, frame, length), KW_E_INVALID);
			assert_true(all_zero(frame, length));
			continue;
		}
		assert_int_equal(lw_join_accept_encrypt(&nwk_key, frame, length), KW_OK);
		assert_int_equal(frame[0], 0x44);
		assert_memory_not_equal(frame, clear, length);
		assert_memory_equal(frame + length, clear + length, sizeof(frame) - length);
		assert_int_equal(lw_key_encrypt(&nwk_key, frame + 1, frame + 1, length - 1), KW_OK);
		assert_memory_equal(frame, clear, length);
	}
}

/* Read the accept as the device does and compare with what was asked for. */
static void check_build(enum lw_join_req_type type, uint8_t dl_settings, bool has_cf_list)
{
	const struct lw_join_context context = join_context(type);
	const struct lw_join_accept accept = join_accept(dl_settings, has_cf_list);
	struct lw_join_accept back;
	struct lw_key derived;
	struct lw_key_handle key = nwk_key;
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	uint8_t mic[LW_MIC_SIZE];
	uint8_t want[LW_MIC_SIZE];
	size_t length;

	assert_int_equal(
		lw_join_accept_build(aes, &nwk_key, &accept, &context, frame, &length), KW_OK);
	assert_int_equal(length, has_cf_list ? LW_JOIN_ACCEPT_MAX : LW_JOIN_ACCEPT_SIZE);
	assert_true(all_zero(frame + length, sizeof(frame) - length));
	if (type != LW_JOIN_REQ_JOIN) {
		assert_int_equal(lw_js_enc_key(&nwk_key, &context.dev_eui, &derived), KW_OK);
		lw_key_handle_init(&key, aes, &derived);
	}
	assert_int_equal(lw_key_encrypt(&key, frame + 1, frame + 1, length - 1), KW_OK);
	assert_int_equal(lw_join_accept_read(frame, length, &back, mic), KW_OK);
	assert_int_equal(back.join_nonce, accept.join_nonce);
	assert_memory_equal(&back.net_id, &accept.net_id, sizeof(back.net_id));
	assert_memory_equal(&back.dev_addr, &accept.dev_addr, sizeof(back.dev_addr));
	assert_int_equal(back.dl_settings, dl_settings);
	assert_int_equal(back.rx_delay, accept.rx_delay);
	assert_memory_equal(back.cf_list, accept.cf_list, sizeof(back.cf_list));
	if ((dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0) {
		assert_int_equal(lw_js_int_key(&nwk_key, &context.dev_eui, &derived), KW_OK);
		lw_key_handle_init(&key, aes, &derived);
		assert_int_equal(
			lw_join_accept_mic_1_1(&key, &context, frame, length - LW_MIC_SIZE, want),
			KW_OK);
	} else {
		assert_int_equal(
			lw_join_accept_mic_1_0(&nwk_key, frame, length - LW_MIC_SIZE, want), KW_OK);
	}
	assert_memory_equal(mic, want, sizeof(mic));
}

static void builds_what_a_device_can_read(void **state)
{
	(void)state;
	for (int has_cf_list = 0; has_cf_list <= 1; has_cf_list++) {
		check_build(LW_JOIN_REQ_JOIN, 0x00, has_cf_list);
		check_build(LW_JOIN_REQ_JOIN, 0x7f, has_cf_list);
		check_build(LW_JOIN_REQ_JOIN, 0x80, has_cf_list);
		check_build(LW_JOIN_REQ_REJOIN_0, 0x80, has_cf_list);
		check_build(LW_JOIN_REQ_REJOIN_1, 0x93, has_cf_list);
		check_build(LW_JOIN_REQ_REJOIN_2, 0xff, has_cf_list);
	}
}

static void check_no_build(enum lw_join_req_type type, const struct lw_join_accept *accept)
{
	const struct lw_join_context context = join_context(type);
	uint8_t out[LW_JOIN_ACCEPT_MAX];
	size_t length = 99;

	memset(out, 0xee, sizeof(out));
	assert_int_equal(
		lw_join_accept_build(aes, &nwk_key, accept, &context, out, &length), KW_E_INVALID);
	assert_int_equal(length, 0);
	assert_true(all_zero(out, sizeof(out)));
}

static void builds_nothing_illegal(void **state)
{
	struct lw_join_accept accept = join_accept(0x00, false);

	(void)state;
	check_no_build(LW_JOIN_REQ_REJOIN_0, &accept);
	check_no_build(LW_JOIN_REQ_REJOIN_1, &accept);
	check_no_build(LW_JOIN_REQ_REJOIN_2, &accept);
	accept = join_accept(0x80, false);
	for (unsigned type = 3; type < 0xff; type++) {
		check_no_build((enum lw_join_req_type)type, &accept);
	}
	accept.join_nonce = LW_JOIN_NONCE_MAX + 1;
	check_no_build(LW_JOIN_REQ_JOIN, &accept);
	accept.join_nonce = UINT32_MAX;
	check_no_build(LW_JOIN_REQ_JOIN, &accept);
}

static bool build_succeeds(enum lw_join_req_type type, uint8_t dl_settings, int calls)
{
	const struct lw_join_context context = join_context(type);
	const struct lw_join_accept accept = join_accept(dl_settings, true);
	struct failing failing;
	const struct lw_key_handle root = failing_handle(&failing, calls);
	uint8_t out[LW_JOIN_ACCEPT_MAX];
	size_t length = 99;
	enum kw_err err;

	memset(out, 0xee, sizeof(out));
	err = lw_join_accept_build(aes, &root, &accept, &context, out, &length);
	if (err == KW_OK) {
		return true;
	}
	assert_int_equal(err, KW_E_CRYPTO);
	assert_int_equal(length, 0);
	assert_true(all_zero(out, sizeof(out)));
	return false;
}

static void a_failing_key_leaves_no_accept(void **state)
{
	(void)state;
	for (int calls = 0; calls < 4; calls++) {
		assert_int_equal(build_succeeds(LW_JOIN_REQ_JOIN, 0x00, calls), calls >= 2);
		assert_int_equal(build_succeeds(LW_JOIN_REQ_JOIN, 0x80, calls), calls >= 2);
		assert_int_equal(build_succeeds(LW_JOIN_REQ_REJOIN_1, 0x80, calls), calls >= 2);
	}
}

static void a_failing_key_leaves_no_keys(void **state)
{
	const struct lw_join_context context = join_context(LW_JOIN_REQ_JOIN);
	const struct lw_net_id net_id = {{0x60, 0x05, 0x0a}};
	struct failing failing;
	struct lw_key_handle root;
	struct lw_session_keys keys;
	struct lw_key key;
	uint8_t frame[LW_JOIN_REQUEST_SIZE] = {0};
	uint8_t mic[LW_MIC_SIZE];

	(void)state;
	for (int opt_neg = 0; opt_neg <= 1; opt_neg++) {
		for (int calls = 0; calls < (opt_neg != 0 ? 4 : 2); calls++) {
			root = failing_handle(&failing, calls);
			memset(&keys, 0xee, sizeof(keys));
			assert_int_equal(lw_session_derive(&root, &root, opt_neg, 1, &net_id,
						 &context, &keys),
				KW_E_CRYPTO);
			assert_true(all_zero(&keys, sizeof(keys)));
		}
	}
	root = failing_handle(&failing, 0);
	memset(&key, 0xee, sizeof(key));
	assert_int_equal(lw_js_int_key(&root, &context.dev_eui, &key), KW_E_CRYPTO);
	assert_true(all_zero(&key, sizeof(key)));
	memset(&key, 0xee, sizeof(key));
	assert_int_equal(lw_js_enc_key(&root, &context.dev_eui, &key), KW_E_CRYPTO);
	assert_true(all_zero(&key, sizeof(key)));
	assert_int_equal(lw_join_request_verify(&root, frame), KW_E_CRYPTO);
	assert_int_equal(lw_rejoin_request_verify(&root, frame, LW_REJOIN_02_SIZE), KW_E_CRYPTO);
	memset(mic, 0xee, sizeof(mic));
	assert_int_equal(lw_join_request_mic(&root, frame, mic), KW_E_CRYPTO);
	assert_true(all_zero(mic, sizeof(mic)));
	memset(frame, 0x77, sizeof(frame));
	assert_int_equal(lw_join_accept_encrypt(&root, frame, LW_JOIN_ACCEPT_SIZE), KW_E_CRYPTO);
	assert_true(all_zero(frame, LW_JOIN_ACCEPT_SIZE));
}

static void one_network_key_without_opt_neg(void **state)
{
	const struct lw_join_context context = join_context(LW_JOIN_REQ_JOIN);
	const struct lw_net_id net_id = {{0x60, 0x05, 0x0a}};
	struct lw_session_keys keys;

	(void)state;
	assert_int_equal(
		lw_session_derive(&nwk_key, NULL, false, 1, &net_id, &context, &keys), KW_OK);
	assert_false(keys.opt_neg);
	assert_memory_equal(&keys.f_nwk_s_int, &keys.s_nwk_s_int, sizeof(struct lw_key));
	assert_memory_equal(&keys.f_nwk_s_int, &keys.nwk_s_enc, sizeof(struct lw_key));
	assert_memory_not_equal(&keys.f_nwk_s_int, &keys.app_s, sizeof(struct lw_key));
}

static void four_keys_with_opt_neg(void **state)
{
	struct lw_join_context context = join_context(LW_JOIN_REQ_JOIN);
	const struct lw_net_id net_ids[] = {{{0x60, 0x05, 0x0a}}, {{0, 0, 1}}};
	struct lw_session_keys keys;
	struct lw_session_keys other;
	const struct lw_key *all[] = {
		&keys.f_nwk_s_int, &keys.s_nwk_s_int, &keys.nwk_s_enc, &keys.app_s};

	(void)state;
	assert_int_equal(
		lw_session_derive(&nwk_key, &app_key, true, 1, &net_ids[0], &context, &keys),
		KW_OK);
	assert_true(keys.opt_neg);
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < i; j++) {
			assert_memory_not_equal(all[i], all[j], sizeof(struct lw_key));
		}
	}
	assert_int_equal(
		lw_session_derive(&nwk_key, &app_key, true, 1, &net_ids[1], &context, &other),
		KW_OK);
	assert_memory_equal(&keys.app_s, &other.app_s, sizeof(struct lw_key));
	assert_int_equal(
		lw_session_derive(&nwk_key, &nwk_key, true, 1, &net_ids[0], &context, &other),
		KW_OK);
	assert_memory_not_equal(&keys.app_s, &other.app_s, sizeof(struct lw_key));
	assert_memory_equal(&keys.f_nwk_s_int, &other.f_nwk_s_int, sizeof(struct lw_key));
	context.join_eui.octets[0] ^= 1;
	assert_int_equal(
		lw_session_derive(&nwk_key, &app_key, true, 1, &net_ids[0], &context, &other),
		KW_OK);
	assert_memory_not_equal(&keys.f_nwk_s_int, &other.f_nwk_s_int, sizeof(struct lw_key));
}

static void derives_from_tails_of_up_to_15_octets(void **state)
{
	uint8_t tail[LENGTH_MAX];
	uint8_t block[LW_BLOCK_SIZE];
	uint8_t want[LW_BLOCK_SIZE];
	struct lw_key key;

	(void)state;
	memset(tail, 0x99, sizeof(tail));
	for (size_t length = 0; length <= sizeof(tail); length++) {
		memset(&key, 0xee, sizeof(key));
		if (length > 15) {
			assert_int_equal(
				lw_block_derive(&nwk_key, 3, tail, length, &key), KW_E_INVALID);
			assert_true(all_zero(&key, sizeof(key)));
			continue;
		}
		memset(block, 0, sizeof(block));
		block[0] = 3;
		memset(block + 1, 0x99, length);
		assert_int_equal(
			lw_aes_encrypt(aes, nwk_octets.octets, 16, block, want, sizeof(want)),
			KW_OK);
		assert_int_equal(
			lw_block_derive(&nwk_key, 3, length > 0 ? tail : NULL, length, &key),
			KW_OK);
		assert_memory_equal(key.octets, want, sizeof(want));
	}
}

static int setup(void **state)
{
	(void)state;
	aes = lw_aes_create();
	if (aes == NULL) {
		return 1;
	}
	lw_key_handle_init(&nwk_key, aes, &nwk_octets);
	lw_key_handle_init(&app_key, aes, &app_octets);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lw_aes_destroy(aes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bit_of_a_join_request_counts),
		cmocka_unit_test(rejoin_requests_of_every_length),
		cmocka_unit_test(accept_mics_take_two_lengths),
		cmocka_unit_test(the_1_1_mic_binds_the_request),
		cmocka_unit_test(encrypts_accepts_of_two_lengths),
		cmocka_unit_test(builds_what_a_device_can_read),
		cmocka_unit_test(builds_nothing_illegal),
		cmocka_unit_test(a_failing_key_leaves_no_accept),
		cmocka_unit_test(a_failing_key_leaves_no_keys),
		cmocka_unit_test(one_network_key_without_opt_neg),
		cmocka_unit_test(four_keys_with_opt_neg),
		cmocka_unit_test(derives_from_tails_of_up_to_15_octets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
