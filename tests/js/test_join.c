/* JoinReq over a real store: who may join, in which order things are checked, what is remembered. */
#include "keystore/epoch.h"
#include "tests/js/world.h"

static void test_each_version_joins(void **state)
{
	struct world *world = *state;
	const uint8_t numbers[] = {3, 4, 11};

	for (size_t i = 0; i < sizeof(numbers); i++) {
		struct ipc_backend_req request = world_join_req(world, numbers[i], 0);
		struct lw_session_keys keys;
		struct ipc_backend_ans ans;

		assert_int_equal(world_ask(world, &request, &ans), KW_OK);
		assert_int_equal(ans.phy_length, 17);
		assert_int_equal(ans.opt_neg, numbers[i] == 11);
		assert_int_equal(ans.f_nwk_s_int_key.length, 16);
		assert_int_equal(ans.s_nwk_s_int_key.length, numbers[i] == 11 ? 16 : 0);
		assert_int_equal(ans.app_s_key.length, 16);
		assert_int_equal(ans.has_session_key_id, 1);
		world_device_reads(world, &request, &ans, &keys);
		world_same_key(&ans.f_nwk_s_int_key, &keys.f_nwk_s_int);
		world_same_key(&ans.app_s_key, &keys.app_s);
		assert_int_equal(world_state(world, numbers[i]).next_join_nonce, 2);
	}
}

static void test_cf_list_makes_33_octets(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);
	struct lw_session_keys keys;
	struct ipc_backend_ans ans;

	request.has_cf_list = 1;
	memset(request.cf_list, 0x18, 15);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(ans.phy_length, 33);
	world_device_reads(world, &request, &ans, &keys);
}

static void test_stranger_learns_nothing(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);

	world_show(&request, WORLD_THEIRS);
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request.field_err = KW_E_HEX;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request.phy_payload[0] = 0x20;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
}

static void test_sender_must_be_the_peers(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);

	request.sender_net_id[2] = 0x14;
	world_refused(world, &request, KW_E_SENDER);
	request = world_join_req(world, 3, 1);
	request.sender_is_net_id = 0;
	world_refused(world, &request, KW_E_SENDER);
}

static void test_receiver_must_be_served(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);

	request.receiver[0] ^= 1;
	world_refused(world, &request, KW_E_RECEIVER);
	request.receiver_is_eui = 0;
	world_refused(world, &request, KW_E_RECEIVER);
}

static void test_field_error_comes_after_sender(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);

	request.field_err = KW_E_LENGTH;
	world_refused(world, &request, KW_E_LENGTH);
	request.field_err = 5; /* the other process is not believed: no such code */
	world_refused(world, &request, KW_E_INVALID);
	request.field_err = -5000;
	world_refused(world, &request, KW_E_INVALID);
	request.field_err = KW_E_NO_KEK; /* not for a front to say: it is an alarm */
	world_refused(world, &request, KW_E_INVALID);
	assert_int_equal(world->backend.counters.missing_keks, 0);
}

static void test_front_is_not_believed(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);

	request.dev_eui[7] = 4;
	world_refused(world, &request, KW_E_MISMATCH);
	request = world_join_req(world, 3, 1);
	request.phy_payload[0] = 0x40;
	world_refused(world, &request, KW_E_FRAME_TYPE);
	request = world_join_req(world, 3, 1);
	request.rx_delay = 16;
	world_refused(world, &request, KW_E_INVALID);
	request = world_join_req(world, 3, 1);
	request.mac_version = 99;
	world_refused(world, &request, KW_E_INVALID);
	request = world_join_req(world, 3, 1);
	request.has_cf_list = 2;
	world_refused(world, &request, KW_E_INVALID);
}

/* A JoinEUI that is served, and not the one in the frame. */
static void test_receiver_must_be_the_frames(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);
	struct ks_device device = {
		.id = world_id(9), .version = LW_VERSION_1_0_3, .origin = KS_ORIGIN_IMPORTED};
	struct ks_txn *txn;

	device.id.join_eui.octets[0] ^= 1;
	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	assert_int_equal(ks_device_add(txn, &device, &world_key_1, NULL), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	request.receiver[0] ^= 1;
	world_refused(world, &request, KW_E_MISMATCH);
}

static void test_unknown_device(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 5, 1);

	world_refused(world, &request, KW_E_NO_DEVICE);
	assert_int_equal(world->backend.counters.unknown_devices, 1);
	assert_int_equal(world->backend.refusals.count, 0);
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

static void not_any_device(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->any_device = false;
}

static void test_only_its_networks_may_join_it(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);
	struct ipc_backend_ans ans;

	world_add_ns(world, "theirs", WORLD_THEIRS, 0x14);
	world_change_peer(world, KS_PEER_NS, "theirs", not_any_device);
	world_set_policy(world, 3, allow_14);
	world_refused(world, &request, KW_E_NOT_ALLOWED);
	world_show(&request, WORLD_THEIRS);
	request.sender_net_id[2] = 0x14;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	/* Not any device of theirs: a device without networks is for --any-device peers. */
	request = world_join_req(world, 4, 1);
	world_show(&request, WORLD_THEIRS);
	request.sender_net_id[2] = 0x14;
	world_refused(world, &request, KW_E_NOT_ALLOWED);
}

static void only_from_7(struct ks_policy *policy)
{
	policy->has_ns_id = true;
	policy->ns_id.octets[7] = 7;
}

static void has_ns_id_7(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->has_ns_id = true;
	peer->ns_id.octets[7] = 7;
}

static void has_ns_id_8(struct world *world, struct ks_peer *peer)
{
	has_ns_id_7(world, peer);
	peer->ns_id.octets[7] = 8;
}

static void test_sender_ns_id_must_be_the_peers(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);
	struct ipc_backend_ans ans;

	world_change_peer(world, KS_PEER_NS, "ours", has_ns_id_7);
	request.protocol = IPC_PROTOCOL_1_1;
	world_refused(world, &request, KW_E_SENDER_NS_ID);
	request.has_ns_id = 1;
	world_refused(world, &request, KW_E_SENDER_NS_ID);
	request.sender_ns_id[7] = 7;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	/* Where the version is not spoken, that is what is said. */
	request = world_join_req(world, 3, 2);
	request.protocol = IPC_PROTOCOL_1_1;
	request.field_err = KW_E_PROTOCOL;
	world_refused(world, &request, KW_E_PROTOCOL);
}

static void has_far_range(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->range_count = 1;
	assert_int_equal(lw_eui_range_read("ffffffffffffff00/56", &peer->ranges[0]), KW_OK);
}

static void has_every_range(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->range_count = 1;
	assert_int_equal(lw_eui_range_read("0000000000000000/0", &peer->ranges[0]), KW_OK);
}

/* What helps is another command than for a network that is not listed. */
static void test_only_within_the_ranges_of_the_peer(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);
	struct ipc_backend_ans ans;

	world_change_peer(world, KS_PEER_NS, "ours", has_far_range);
	world_refused(world, &request, KW_E_RANGE);
	world_change_peer(world, KS_PEER_NS, "ours", has_every_range);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
}

/* The NSID of a device counts also where its network is left to --any-device. */
static void test_only_its_network_server_may_join_it(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);
	struct ipc_backend_ans ans;

	world_set_policy(world, 3, only_from_7);
	world_refused(world, &request, KW_E_DEVICE_NS_ID);
	world_change_peer(world, KS_PEER_NS, "ours", has_ns_id_8);
	world_refused(world, &request, KW_E_DEVICE_NS_ID);
	world_change_peer(world, KS_PEER_NS, "ours", has_ns_id_7);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
}

static void test_blocked(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);

	world_set_policy(world, 3, block);
	world_refused(world, &request, KW_E_BLOCKED);
}

static void test_every_bit_of_a_forged_frame(void **state)
{
	struct world *world = *state;

	for (size_t bit = 17 * 8; bit < 23 * 8; bit++) { /* DevNonce and MIC */
		struct ipc_backend_req request = world_join_req(world, 3, 1);

		request.phy_payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
		world_refused(world, &request, KW_E_MIC);
	}
	assert_int_equal(world->backend.counters.mic_failures, 48);
	/* The first ones are one entry, then there is an alarm in place of more. */
	assert_int_equal(world->backend.refusals.count, 2);
	assert_int_equal(world->backend.refusals.pending[0].repeats, JS_SUSPECTS_ALARM - 1);
	assert_int_equal(world->backend.refusals.pending[1].kind, KS_EVENT_ALARM);
}

static void test_mic_comes_before_nonce(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 4, 9);
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request.phy_payload[22] ^= 1;
	world_refused(world, &request, KW_E_MIC);
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
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipc_backend_req request =
			world_join_req(world, rows[i].number, (uint16_t)(100 + i));
		struct ipc_backend_ans ans;

		request.mac_version = (uint8_t)rows[i].mac_version;
		request.dl_settings = rows[i].dl_settings;
		assert_int_equal(world_ask(world, &request, &ans), rows[i].expected);
		if (rows[i].expected == KW_OK) {
			assert_int_equal(ans.opt_neg, rows[i].dl_settings >> 7);
			assert_int_equal(
				ans.s_nwk_s_int_key.length, rows[i].dl_settings != 0 ? 16 : 0);
		}
	}
}

static void test_counting_device_must_go_up(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 4, 7);
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world->now_ms += 20000;
	world_refused(world, &request, KW_E_REPLAY);
	request = world_join_req(world, 4, 6);
	world_refused(world, &request, KW_E_REPLAY);
	request = world_join_req(world, 4, 8);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(world_state(world, 4).next_join_nonce, 3);
}

static void test_random_device_may_go_down(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 700);
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request = world_join_req(world, 3, 6);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world->now_ms += 20000;
	world_refused(world, &request, KW_E_REPLAY);
	request = world_join_req(world, 3, 700);
	world_refused(world, &request, KW_E_REPLAY);
}

static void test_identical_request_identical_answer(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 11, 7);
	struct ipc_backend_ans first, again;

	assert_int_equal(world_ask(world, &request, &first), KW_OK);
	world->now_ms += 9999;
	assert_int_equal(world_ask(world, &request, &again), KW_OK);
	assert_memory_equal(&first, &again, sizeof(first));
	world_reopen(world); /* no cache is needed for it */
	assert_int_equal(world_ask(world, &request, &again), KW_OK);
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_equal(world_state(world, 11).next_join_nonce, 2);
	world->now_ms += 2;
	world_refused(world, &request, KW_E_REPLAY);
}

static void test_identical_request_after_the_clock_went_back(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 11, 7);
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world->now_ms--;
	world_refused(world, &request, KW_E_REPLAY);
}

/* Of those that count up, and once for each nonce. */
static void test_high_dev_nonces_are_counted(void **state)
{
	struct world *world = *state;
	const uint64_t *high = &world->backend.counters.dev_nonces_high;
	struct ipc_backend_req request = world_join_req(world, 3, 65000);
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request = world_join_req(world, 4, 59999);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(*high, 0);
	request = world_join_req(world, 4, 60000);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(*high, 1);
}

static void test_same_frame_other_parameters(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 4, 7), other;
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	other = request;
	other.dev_addr[3] ^= 1;
	world_refused(world, &other, KW_E_REPLAY);
	other = request;
	other.rx_delay = 2;
	world_refused(world, &other, KW_E_REPLAY);
	other = request;
	other.dl_settings = 3;
	world_refused(world, &other, KW_E_REPLAY);
	other = request;
	other.has_cf_list = 1;
	world_refused(world, &other, KW_E_REPLAY);
	other = request;
	other.mac_version = LW_VERSION_1_0_4;
	world_refused(world, &other, KW_E_REPLAY);
}

static void test_same_frame_other_peer(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 4, 7);
	struct ipc_backend_ans ans;

	world_add_ns(world, "second", WORLD_THEIRS, 0x13);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world_show(&request, WORLD_THEIRS);
	world_refused(world, &request, KW_E_REPLAY);
}

static void test_two_in_one_transaction(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req first = world_join_req(world, 4, 7),
			       second = world_join_req(world, 4, 8);
	struct ipc_backend_ans a, b, c;
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	(void)js_backend_answer(&world->backend, txn, &first, &a);
	(void)js_backend_answer(&world->backend, txn, &first, &b);
	(void)js_backend_answer(&world->backend, txn, &second, &c);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(a.err, KW_OK);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(c.err, KW_OK);
	assert_memory_not_equal(a.phy_payload, c.phy_payload, sizeof(a.phy_payload));
	assert_int_equal(world_state(world, 4).next_join_nonce, 3);
}

static void test_nothing_happened_without_commit(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 4, 7);
	struct ipc_backend_ans ans,
		empty = {.number = request.number, .err = KW_E_STORE_FULL, .peer = "ours"};
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	(void)js_backend_answer(&world->backend, txn, &request, &ans);
	ks_txn_abort(txn);
	js_backend_void(&world->backend, &ans, KW_E_STORE_FULL);
	assert_memory_equal(&ans, &empty, sizeof(ans));
	assert_int_equal(world_state(world, 4).next_join_nonce, 1);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
}

/* What was refused stays refused for its own reason. */
static void test_a_refusal_needs_no_commit(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 4, 7);
	struct ipc_backend_ans ans, before;

	request.phy_payload[22] ^= 1;
	assert_int_equal(world_ask(world, &request, &ans), KW_E_MIC);
	before = ans;
	js_backend_void(&world->backend, &ans, KW_E_STORE_FULL);
	assert_memory_equal(&ans, &before, sizeof(ans));
	assert_int_equal(world->backend.counters.refused, 1);
}

/* Worked out, but not committed. */
static void ask_in_vain(
	struct world *world, const struct ipc_backend_req *request, struct ipc_backend_ans *ans)
{
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	(void)js_backend_answer(&world->backend, txn, request, ans);
	ks_txn_abort(txn);
	assert_int_equal(ans->err, KW_OK);
	js_backend_void(&world->backend, ans, KW_E_STORE_FULL);
	assert_int_equal(ans->err, KW_E_STORE_FULL);
	assert_int_equal(ans->phy_length, 0);
}

/* By the vault that accepted the request, and by the next one. */
static void test_a_repeated_answer_without_commit(void **state)
{
	struct world *world = *state;
	const struct js_counters *counters = &world->backend.counters;
	struct ipc_backend_req request = world_join_req(world, 4, 7);
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	for (int accepted = 1; accepted >= 0; accepted--) {
		ask_in_vain(world, &request, &ans);
		assert_int_equal(counters->accepted, accepted);
		assert_int_equal(counters->repeated, 0);
		assert_int_equal(counters->refused, 1);
		assert_int_equal(world_ask(world, &request, &ans), KW_OK);
		assert_int_equal(counters->accepted, accepted);
		assert_int_equal(counters->repeated, 1);
		world_reopen(world);
	}
}

static void test_a_join_without_commit_is_not_counted(void **state)
{
	struct world *world = *state;
	const struct js_counters *counters = &world->backend.counters;
	struct ipc_backend_req request = world_join_req(world, 4, 60000);
	struct ipc_backend_ans ans;

	ask_in_vain(world, &request, &ans);
	assert_int_equal(counters->accepted, 0);
	assert_int_equal(counters->dev_nonces_high, 0);
	assert_int_equal(counters->refused, 1);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(counters->accepted, 1);
	assert_int_equal(counters->dev_nonces_high, 1);
}

/* The device may have had newer answers than the store that was restored knows of. */
static void test_no_repeated_answer_after_a_restore(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 4, 7);
	struct ipc_backend_ans ans;
	struct ks_txn *txn;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(world->backend.counters.repeated, 1);
	world_fold(world);
	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	assert_int_equal(ks_epoch_write(txn, KS_EPOCH_FIRST + 1, 1000), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	world_reopen(world);
	world_refused(world, &request, KW_E_REPLAY);
	request = world_join_req(world, 4, 8);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_true(world_join_nonce(world, &request, &ans) > 1000);
}

static void test_refusals_reach_the_join_log(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 4, 23);
	struct ipc_backend_ans ans;
	struct ks_event events[4];
	struct ks_txn *txn;
	uint64_t resume;
	bool more;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request = world_join_req(world, 4, 17);
	world_refused(world, &request, KW_E_REPLAY);
	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	assert_int_equal(js_refusals_write(&world->backend.refusals, txn), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	js_refusals_written(&world->backend.refusals);
	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
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
	struct world *world = *state;
	const struct ks_event bad = {.id = world_id(3), .kind = KS_EVENT_REFUSED, .err = -5000};
	struct ipc_backend_req request = world_join_req(world, 4, 1);
	struct ks_event event;
	struct ks_txn *txn;
	uint64_t resume;
	bool more;

	js_refusals_add(&world->backend.refusals, &bad);
	request.mac_version = LW_VERSION_1_1;
	world_refused(world, &request, KW_E_DISAGREE);
	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	assert_int_equal(js_refusals_write(&world->backend.refusals, txn), KW_OK);
	assert_int_equal(ks_events_get(txn, 0, false, NULL, &event, 1, 1000, &resume, &more), 1);
	assert_int_equal(event.err, KW_E_DISAGREE);
	assert_false(more);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_each_version_joins),
		WORLD_TEST(test_cf_list_makes_33_octets),
		WORLD_TEST(test_stranger_learns_nothing),
		WORLD_TEST(test_sender_must_be_the_peers),
		WORLD_TEST(test_receiver_must_be_served),
		WORLD_TEST(test_field_error_comes_after_sender),
		WORLD_TEST(test_front_is_not_believed),
		WORLD_TEST(test_receiver_must_be_the_frames),
		WORLD_TEST(test_unknown_device),
		WORLD_TEST(test_only_its_networks_may_join_it),
		WORLD_TEST(test_sender_ns_id_must_be_the_peers),
		WORLD_TEST(test_only_within_the_ranges_of_the_peer),
		WORLD_TEST(test_only_its_network_server_may_join_it),
		WORLD_TEST(test_blocked),
		WORLD_TEST(test_every_bit_of_a_forged_frame),
		WORLD_TEST(test_mic_comes_before_nonce),
		WORLD_TEST(test_agreement_table),
		WORLD_TEST(test_counting_device_must_go_up),
		WORLD_TEST(test_random_device_may_go_down),
		WORLD_TEST(test_identical_request_identical_answer),
		WORLD_TEST(test_high_dev_nonces_are_counted),
		WORLD_TEST(test_identical_request_after_the_clock_went_back),
		WORLD_TEST(test_same_frame_other_parameters),
		WORLD_TEST(test_same_frame_other_peer),
		WORLD_TEST(test_two_in_one_transaction),
		WORLD_TEST(test_nothing_happened_without_commit),
		WORLD_TEST(test_a_refusal_needs_no_commit),
		WORLD_TEST(test_a_repeated_answer_without_commit),
		WORLD_TEST(test_no_repeated_answer_after_a_restore),
		WORLD_TEST(test_a_join_without_commit_is_not_counted),
		WORLD_TEST(test_refusals_reach_the_join_log),
		WORLD_TEST(test_bad_refusal_does_not_hold_up_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
