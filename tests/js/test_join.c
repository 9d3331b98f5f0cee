/* The join procedure over a real store: who may join, in which order things are checked, what is
 * remembered. Answers are compared with the numbers of docs and vectors in tests/lorawan and
 * tests/e2e; here it is about rules and effects. */
#include "js/join.h"

#include "keystore/intake.h"
#include "lorawan/join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t token[KS_DIGEST_SIZE] = {1, 2, 3};
static const uint8_t other_token[KS_DIGEST_SIZE] = {4, 5, 6};
static const struct lw_key app_key = {{0xa1, 0xb2, 0xc3, 0xd4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3}};
static const struct lw_key nwk_key = {{0x0f, 0x1e, 0x2d, 0x3c, 4, 3, 2, 1, 9, 8, 7, 6, 5, 4, 3, 2}};

struct fixture {
	char folder[64];
	struct kw_env env;
	uint64_t now_ms;
	struct ks_store *store;
	struct js_join join;
	struct lw_aes *aes;
};

static uint64_t fixed_now(void *arg)
{
	return ((struct fixture *)arg)->now_ms;
}

static uint64_t fixed_mono(void *arg)
{
	return ((struct fixture *)arg)->now_ms * 1000;
}

static enum kw_err system_random(void *arg, void *out, size_t length)
{
	(void)arg;
	return kw_random(&kw_env_system, out, length);
}

static void open_store(struct fixture *f)
{
	const struct ks_master_key master = {{7}};
	const struct ks_options options = {.path = f->folder, .map_size = 64 << 20, .env = &f->env};

	if (access(f->folder, F_OK) == 0 && f->store == NULL) {
		enum kw_err err = ks_store_create(&options, &master);

		assert_true(err == KW_OK || err == KW_E_EXISTS);
	}
	assert_int_equal(ks_store_open(&options, &master, &f->store), KW_OK);
	assert_int_equal(js_join_init(&f->join, f->store, 10000), KW_OK);
}

static void reopen(struct fixture *f)
{
	js_join_finish(&f->join);
	ks_store_close(f->store);
	f->store = NULL;
	open_store(f);
}

static void add_peer(
	struct fixture *f, const char *name, const uint8_t *digest, uint8_t net_id, bool any_device)
{
	struct ks_peer peer = {.kind = KS_PEER_NS, .net_id_count = 1, .any_device = any_device};
	struct ks_txn *txn;

	strcpy(peer.name, name);
	peer.net_ids[0].octets[2] = net_id;
	assert_int_equal(ks_peer_set_token(f->store, &peer, digest), KW_OK);
	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static struct lw_device_id device_id(uint8_t number)
{
	struct lw_device_id id = {
		{{0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0, 0x12, 0x34}}, {{0, 4, 0xa3, 0x0b, 0, 0, 0, 0}}};

	id.dev_eui.octets[7] = number;
	return id;
}

static void add_device(struct fixture *f, uint8_t number, enum lw_version version)
{
	struct ks_device device = {
		.id = device_id(number), .version = version, .origin = KS_ORIGIN_IMPORTED};
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(
		ks_device_add(txn, &device, &app_key, lw_version_is_1_1(version) ? &nwk_key : NULL),
		KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void set_policy(struct fixture *f, uint8_t number, void (*change)(struct ks_policy *policy))
{
	const struct lw_device_id id = device_id(number);
	struct ks_device device;
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(ks_device_get(txn, &id, &device), KW_OK);
	change(&device.policy);
	assert_int_equal(ks_device_put_policy(txn, &device), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->folder, "/tmp/keyward-join-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->now_ms = 1800000000000;
	f->env = (struct kw_env){fixed_now, fixed_mono, system_random, f};
	f->aes = lw_aes_create();
	open_store(f);
	add_peer(f, "ours", token, 0x13, true);
	add_device(f, 3, LW_VERSION_1_0_3);
	add_device(f, 4, LW_VERSION_1_0_4);
	add_device(f, 11, LW_VERSION_1_1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	js_join_finish(&f->join);
	ks_store_close(f->store);
	lw_aes_destroy(f->aes);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* A well-formed request of one of the devices above. */
static struct ipc_join_req request_of(struct fixture *f, uint8_t number, uint16_t dev_nonce)
{
	const struct lw_device_id id = device_id(number);
	struct lw_join_request frame = {
		.join_eui = id.join_eui, .dev_eui = id.dev_eui, .dev_nonce = dev_nonce};
	struct ipc_join_req request = {.number = 1000 + dev_nonce, .protocol = IPC_PROTOCOL_1_0};
	struct lw_key_handle root;

	lw_key_handle_init(&root, f->aes, number == 11 ? &nwk_key : &app_key);
	lw_join_request_write(&frame, request.phy_payload);
	assert_int_equal(
		lw_join_request_mic(&root, request.phy_payload, request.phy_payload + 19), KW_OK);
	memcpy(request.credential, token, sizeof(token));
	request.sender_is_net_id = 1;
	request.sender_net_id[2] = 0x13;
	request.receiver_is_eui = 1;
	memcpy(request.receiver, id.join_eui.octets, LW_EUI_SIZE);
	request.has_dev_eui = 1;
	memcpy(request.dev_eui, id.dev_eui.octets, LW_EUI_SIZE);
	request.dev_addr[0] = 0x26;
	request.rx_delay = 1;
	request.mac_version = number == 11 ? LW_VERSION_1_1 : LW_VERSION_1_0_3;
	request.dl_settings = number == 11 ? 0x80 : 0;
	return request;
}

static enum kw_err ask(
	struct fixture *f, const struct ipc_join_req *request, struct ipc_join_ans *ans)
{
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	js_join_answer(&f->join, txn, request, ans);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(ans->number, request->number);
	return (enum kw_err)ans->err;
}

static struct ks_state state_of(struct fixture *f, uint8_t number)
{
	const struct lw_device_id id = device_id(number);
	struct ks_state state;
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(ks_state_get(txn, &id, &state), KW_OK);
	ks_txn_abort(txn);
	return state;
}

/* A refusal says nothing but itself, and changes no nonce. */
static void refused(struct fixture *f, const struct ipc_join_req *request, enum kw_err expected)
{
	uint8_t number = request->dev_eui[7];
	struct ks_state before = state_of(f, number);
	struct ipc_join_ans ans, empty = {.number = request->number, .err = expected};
	struct ks_state after;

	assert_int_equal(ask(f, request, &ans), expected);
	assert_memory_equal(&ans, &empty, sizeof(ans));
	after = state_of(f, number);
	assert_int_equal(before.next_join_nonce, after.next_join_nonce);
	assert_int_equal(before.dev_nonce_count, after.dev_nonce_count);
	assert_int_equal(before.max_dev_nonce, after.max_dev_nonce);
}

static void test_each_version_joins(void **state)
{
	struct fixture *f = *state;
	const uint8_t numbers[] = {3, 4, 11};

	for (size_t i = 0; i < sizeof(numbers); i++) {
		struct ipc_join_req request = request_of(f, numbers[i], 0);
		struct ipc_join_ans ans;

		assert_int_equal(ask(f, &request, &ans), KW_OK);
		assert_int_equal(ans.phy_length, 17);
		assert_int_equal(ans.opt_neg, numbers[i] == 11);
		assert_int_equal(ans.f_nwk_s_int_key.length, 16);
		assert_int_equal(ans.s_nwk_s_int_key.length, numbers[i] == 11 ? 16 : 0);
		assert_int_equal(ans.app_s_key.length, 16);
		assert_int_equal(ans.has_session_key_id, 1);
		assert_int_equal(state_of(f, numbers[i]).next_join_nonce, 2);
	}
}

static void test_cf_list_makes_33_octets(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);
	struct ipc_join_ans ans;

	request.has_cf_list = 1;
	memset(request.cf_list, 0x18, 15);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
	assert_int_equal(ans.phy_length, 33);
}

static void test_stranger_learns_nothing(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);

	memcpy(request.credential, other_token, sizeof(other_token));
	refused(f, &request, KW_E_UNAUTHENTICATED);
	request.field_err = KW_E_HEX;
	refused(f, &request, KW_E_UNAUTHENTICATED);
	request.phy_payload[0] = 0x20;
	refused(f, &request, KW_E_UNAUTHENTICATED);
}

static void test_sender_must_be_the_peers(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);

	request.sender_net_id[2] = 0x14;
	refused(f, &request, KW_E_SENDER);
	request = request_of(f, 3, 1);
	request.sender_is_net_id = 0;
	refused(f, &request, KW_E_SENDER);
}

static void test_receiver_must_be_served(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);

	request.receiver[0] ^= 1;
	refused(f, &request, KW_E_RECEIVER);
	request.receiver_is_eui = 0;
	refused(f, &request, KW_E_RECEIVER);
}

static void test_field_error_comes_after_sender(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);

	request.field_err = KW_E_LENGTH;
	refused(f, &request, KW_E_LENGTH);
	request.field_err = 5; /* the other process is not believed: no such code */
	refused(f, &request, KW_E_INVALID);
	request.field_err = -5000;
	refused(f, &request, KW_E_INVALID);
	request.field_err = KW_E_NO_KEK; /* not for a front to say: it is an alarm */
	refused(f, &request, KW_E_INVALID);
	assert_int_equal(f->join.counters.missing_keks, 0);
}

static void test_front_is_not_believed(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);

	request.dev_eui[7] = 4;
	refused(f, &request, KW_E_MISMATCH);
	request = request_of(f, 3, 1);
	request.phy_payload[0] = 0x40;
	refused(f, &request, KW_E_FRAME_TYPE);
	request = request_of(f, 3, 1);
	request.rx_delay = 16;
	refused(f, &request, KW_E_INVALID);
	request = request_of(f, 3, 1);
	request.mac_version = 99;
	refused(f, &request, KW_E_INVALID);
}

static void test_unknown_device(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 5, 1);

	refused(f, &request, KW_E_NO_DEVICE);
	assert_int_equal(f->join.counters.unknown_devices, 1);
	assert_int_equal(f->join.refusals.count, 0);
}

static void allow_14(struct ks_policy *policy)
{
	policy->net_id_count = 1;
	policy->net_ids[0].octets[2] = 0x14;
}

static void block(struct ks_policy *policy)
{
	policy->blocked = true;
}

static void test_only_its_networks_may_join_it(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);
	struct ipc_join_ans ans;

	add_peer(f, "theirs", other_token, 0x14, false);
	set_policy(f, 3, allow_14);
	refused(f, &request, KW_E_NOT_ALLOWED);
	memcpy(request.credential, other_token, sizeof(other_token));
	request.sender_net_id[2] = 0x14;
	assert_int_equal(ask(f, &request, &ans), KW_OK);
	/* Not any device of theirs: a device without networks is for --any-device peers. */
	request = request_of(f, 4, 1);
	memcpy(request.credential, other_token, sizeof(other_token));
	request.sender_net_id[2] = 0x14;
	refused(f, &request, KW_E_NOT_ALLOWED);
}

static void only_from_7(struct ks_policy *policy)
{
	policy->has_ns_id = true;
	policy->ns_id.octets[7] = 7;
}

static void give_ns_id(struct fixture *f, uint8_t ns_id)
{
	struct ks_peer peer = *ks_peer_by_token(f->store, token);
	struct ks_txn *txn;

	peer.has_ns_id = true;
	peer.ns_id.octets[7] = ns_id;
	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void test_sender_ns_id_must_be_the_peers(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);
	struct ipc_join_ans ans;

	give_ns_id(f, 7);
	request.protocol = IPC_PROTOCOL_1_1;
	refused(f, &request, KW_E_SENDER_NS_ID);
	request.has_ns_id = 1;
	refused(f, &request, KW_E_SENDER_NS_ID);
	request.sender_ns_id[7] = 7;
	assert_int_equal(ask(f, &request, &ans), KW_OK);
}

static void give_range(struct fixture *f, const char *text)
{
	struct ks_peer peer = *ks_peer_by_token(f->store, token);
	struct ks_txn *txn;

	peer.range_count = 1;
	assert_int_equal(lw_eui_range_read(text, &peer.ranges[0]), KW_OK);
	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

/* What helps is another command than for a network that is not listed. */
static void test_only_within_the_ranges_of_the_peer(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);
	struct ipc_join_ans ans;

	give_range(f, "ffffffffffffff00/56");
	refused(f, &request, KW_E_RANGE);
	give_range(f, "0000000000000000/0");
	assert_int_equal(ask(f, &request, &ans), KW_OK);
}

/* The NSID of a device counts also where its network is left to --any-device. */
static void test_only_its_network_server_may_join_it(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);
	struct ipc_join_ans ans;

	set_policy(f, 3, only_from_7);
	refused(f, &request, KW_E_DEVICE_NS_ID);
	give_ns_id(f, 8);
	refused(f, &request, KW_E_DEVICE_NS_ID);
	give_ns_id(f, 7);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
}

static void test_blocked(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);

	set_policy(f, 3, block);
	refused(f, &request, KW_E_BLOCKED);
}

static void test_every_bit_of_a_forged_frame(void **state)
{
	struct fixture *f = *state;

	for (size_t bit = 17 * 8; bit < 23 * 8; bit++) { /* DevNonce and MIC */
		struct ipc_join_req request = request_of(f, 3, 1);

		request.phy_payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
		refused(f, &request, KW_E_MIC);
	}
	assert_int_equal(f->join.counters.mic_failures, 48);
	assert_int_equal(f->join.refusals.count, 1);
	assert_int_equal(f->join.refusals.pending[0].repeats, 48);
}

static void test_mic_comes_before_nonce(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 4, 9);
	struct ipc_join_ans ans;

	assert_int_equal(ask(f, &request, &ans), KW_OK);
	request.phy_payload[22] ^= 1;
	refused(f, &request, KW_E_MIC);
}

/* Backend Interfaces, "Which keys are returned": registered, MACVersion, OptNeg. */
static void test_agreement_table(void **state)
{
	static const struct {
		uint8_t number;
		enum lw_version mac_version;
		uint8_t dl_settings;
		enum kw_err expected;
	} rows[] = {
		{3, LW_VERSION_1_0_3, 0x00, KW_OK},
		{3, LW_VERSION_1_0_0, 0x00, KW_OK},
		{3, LW_VERSION_1_0_3, 0x80, KW_E_DISAGREE},
		{3, LW_VERSION_1_1, 0x00, KW_E_DISAGREE},
		{3, LW_VERSION_1_1, 0x80, KW_E_DISAGREE},
		{11, LW_VERSION_1_1, 0x80, KW_OK},
		{11, LW_VERSION_1_0_3, 0x00, KW_OK},
		{11, LW_VERSION_1_1, 0x00, KW_E_DISAGREE},
		{11, LW_VERSION_1_0_4, 0x80, KW_E_DISAGREE},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipc_join_req request = request_of(f, rows[i].number, (uint16_t)(100 + i));
		struct ipc_join_ans ans;

		request.mac_version = (uint8_t)rows[i].mac_version;
		request.dl_settings = rows[i].dl_settings;
		assert_int_equal(ask(f, &request, &ans), rows[i].expected);
		if (rows[i].expected == KW_OK) {
			assert_int_equal(ans.opt_neg, rows[i].dl_settings >> 7);
			assert_int_equal(
				ans.s_nwk_s_int_key.length, rows[i].dl_settings != 0 ? 16 : 0);
		}
	}
}

static void test_counting_device_must_go_up(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 4, 7);
	struct ipc_join_ans ans;

	assert_int_equal(ask(f, &request, &ans), KW_OK);
	f->now_ms += 20000;
	refused(f, &request, KW_E_REPLAY);
	request = request_of(f, 4, 6);
	refused(f, &request, KW_E_REPLAY);
	request = request_of(f, 4, 8);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
	assert_int_equal(state_of(f, 4).next_join_nonce, 3);
}

static void test_random_device_may_go_down(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 700);
	struct ipc_join_ans ans;

	assert_int_equal(ask(f, &request, &ans), KW_OK);
	request = request_of(f, 3, 6);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
	f->now_ms += 20000;
	refused(f, &request, KW_E_REPLAY);
	request = request_of(f, 3, 700);
	refused(f, &request, KW_E_REPLAY);
}

static void test_identical_request_identical_answer(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 11, 7);
	struct ipc_join_ans first, again;

	assert_int_equal(ask(f, &request, &first), KW_OK);
	f->now_ms += 9999;
	assert_int_equal(ask(f, &request, &again), KW_OK);
	assert_memory_equal(&first, &again, sizeof(first));
	reopen(f); /* no cache is needed for it */
	assert_int_equal(ask(f, &request, &again), KW_OK);
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_equal(state_of(f, 11).next_join_nonce, 2);
	f->now_ms += 2;
	refused(f, &request, KW_E_REPLAY);
}

static void test_same_frame_other_parameters(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 4, 7), other;
	struct ipc_join_ans ans;

	assert_int_equal(ask(f, &request, &ans), KW_OK);
	other = request;
	other.dev_addr[3] ^= 1;
	refused(f, &other, KW_E_REPLAY);
	other = request;
	other.rx_delay = 2;
	refused(f, &other, KW_E_REPLAY);
	other = request;
	other.dl_settings = 3;
	refused(f, &other, KW_E_REPLAY);
	other = request;
	other.has_cf_list = 1;
	refused(f, &other, KW_E_REPLAY);
	other = request;
	other.mac_version = LW_VERSION_1_0_4;
	refused(f, &other, KW_E_REPLAY);
}

static void test_same_frame_other_peer(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 4, 7);
	struct ipc_join_ans ans;

	add_peer(f, "second", other_token, 0x13, true);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
	memcpy(request.credential, other_token, sizeof(other_token));
	refused(f, &request, KW_E_REPLAY);
}

static void test_two_in_one_transaction(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req first = request_of(f, 4, 7), second = request_of(f, 4, 8);
	struct ipc_join_ans a, b, c;
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	js_join_answer(&f->join, txn, &first, &a);
	js_join_answer(&f->join, txn, &first, &b);
	js_join_answer(&f->join, txn, &second, &c);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(a.err, KW_OK);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(c.err, KW_OK);
	assert_memory_not_equal(a.phy_payload, c.phy_payload, sizeof(a.phy_payload));
	assert_int_equal(state_of(f, 4).next_join_nonce, 3);
}

static void test_nothing_happened_without_commit(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 4, 7);
	struct ipc_join_ans ans, empty = {.number = request.number, .err = KW_E_STORE_FULL};
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	js_join_answer(&f->join, txn, &request, &ans);
	ks_txn_abort(txn);
	js_join_void(&f->join, &ans, KW_E_STORE_FULL);
	assert_memory_equal(&ans, &empty, sizeof(ans));
	assert_int_equal(state_of(f, 4).next_join_nonce, 1);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
}

static void deliver_wrapped(struct ks_policy *policy)
{
	policy->delivery = KS_DELIVERY_WRAPPED;
	strcpy(policy->as_id, "as1.example");
}

static void add_as(struct fixture *f, bool with_kek)
{
	static const uint8_t kek[32] = {9, 8, 7};
	struct ks_peer peer = {.kind = KS_PEER_AS, .name = "as", .as_id = "as1.example"};
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	if (with_kek) {
		assert_int_equal(
			ks_peer_set_kek(f->store, &peer, "as1-2026", kek, sizeof(kek)), KW_OK);
		assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	}
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void test_missing_kek_refuses_and_burns_nothing(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 7);

	set_policy(f, 3, deliver_wrapped);
	refused(f, &request, KW_E_NO_KEK);
	add_as(f, false);
	refused(f, &request, KW_E_NO_KEK);
	assert_int_equal(f->join.counters.missing_keks, 2);
}

static void test_wrapped(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 7);
	struct ipc_join_ans ans;

	add_as(f, true);
	set_policy(f, 3, deliver_wrapped);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
	assert_int_equal(ans.app_s_key.length, LW_WRAPPED_SIZE);
	assert_string_equal(ans.app_kek_label, "as1-2026");
	assert_int_equal(ans.has_session_key_id, 1);
	assert_string_equal(ans.nwk_kek_label, "");
	assert_int_equal(ans.f_nwk_s_int_key.length, LW_BLOCK_SIZE);
}

static void deliver_inline(struct ks_policy *policy)
{
	policy->delivery = KS_DELIVERY_INLINE;
}

static void has_as(struct ks_policy *policy)
{
	strcpy(policy->as_id, "as1.example");
}

static void test_delivery_modes(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 3, 1);
	struct ipc_join_ans ans;

	set_policy(f, 3, deliver_inline);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
	assert_int_equal(ans.has_session_key_id, 0);
	assert_int_equal(ans.app_s_key.length, LW_BLOCK_SIZE);
	/* A device with an AS and no setting anywhere: the AS will ask. */
	set_policy(f, 4, has_as);
	request = request_of(f, 4, 1);
	assert_int_equal(ask(f, &request, &ans), KW_OK);
	assert_int_equal(ans.has_session_key_id, 1);
	assert_int_equal(ans.app_s_key.length, 0);
}

static void test_refusals_reach_the_join_log(void **state)
{
	struct fixture *f = *state;
	struct ipc_join_req request = request_of(f, 4, 23);
	struct ipc_join_ans ans;
	struct ks_event events[4];
	struct ks_txn *txn;
	uint64_t resume;
	bool more;

	assert_int_equal(ask(f, &request, &ans), KW_OK);
	request = request_of(f, 4, 17);
	refused(f, &request, KW_E_REPLAY);
	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(js_refusals_write(&f->join.refusals, txn), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	js_refusals_written(&f->join.refusals);
	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(ks_events_get(txn, 0, false, NULL, events, 4, 1000, &resume, &more), 2);
	ks_txn_abort(txn);
	assert_int_equal(events[0].kind, KS_EVENT_ACCEPTED);
	assert_int_equal(events[0].dev_nonce, 23);
	assert_int_equal(events[1].kind, KS_EVENT_REFUSED);
	assert_int_equal(events[1].err, KW_E_REPLAY);
	assert_int_equal(events[1].dev_nonce, 17);
	assert_true(events[1].has_last);
	assert_int_equal(events[1].last_dev_nonce, 23);
}

/* One that the store does not take is left out; else none would ever get there. */
static void test_bad_refusal_does_not_hold_up_others(void **state)
{
	struct fixture *f = *state;
	const struct ks_event bad = {.id = device_id(3), .kind = KS_EVENT_REFUSED, .err = -5000};
	struct ipc_join_req request = request_of(f, 4, 1);
	struct ks_event event;
	struct ks_txn *txn;
	uint64_t resume;
	bool more;

	js_refusals_add(&f->join.refusals, &bad);
	request.mac_version = LW_VERSION_1_1;
	refused(f, &request, KW_E_DISAGREE);
	assert_int_equal(ks_txn_begin(f->store, &txn), KW_OK);
	assert_int_equal(js_refusals_write(&f->join.refusals, txn), KW_OK);
	assert_int_equal(ks_events_get(txn, 0, false, NULL, &event, 1, 1000, &resume, &more), 1);
	assert_int_equal(event.err, KW_E_DISAGREE);
	assert_false(more);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_version_joins),
		TEST(test_cf_list_makes_33_octets),
		TEST(test_stranger_learns_nothing),
		TEST(test_sender_must_be_the_peers),
		TEST(test_receiver_must_be_served),
		TEST(test_field_error_comes_after_sender),
		TEST(test_front_is_not_believed),
		TEST(test_unknown_device),
		TEST(test_only_its_networks_may_join_it),
		TEST(test_sender_ns_id_must_be_the_peers),
		TEST(test_only_within_the_ranges_of_the_peer),
		TEST(test_only_its_network_server_may_join_it),
		TEST(test_blocked),
		TEST(test_every_bit_of_a_forged_frame),
		TEST(test_mic_comes_before_nonce),
		TEST(test_agreement_table),
		TEST(test_counting_device_must_go_up),
		TEST(test_random_device_may_go_down),
		TEST(test_identical_request_identical_answer),
		TEST(test_same_frame_other_parameters),
		TEST(test_same_frame_other_peer),
		TEST(test_two_in_one_transaction),
		TEST(test_nothing_happened_without_commit),
		TEST(test_missing_kek_refuses_and_burns_nothing),
		TEST(test_wrapped),
		TEST(test_delivery_modes),
		TEST(test_refusals_reach_the_join_log),
		TEST(test_bad_refusal_does_not_hold_up_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
