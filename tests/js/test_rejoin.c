/* RejoinReq over a real store. Source: LoRaWAN 1.1, 6.2.4, and Backend Interfaces, RejoinReq. */
#include "tests/js/world.h"

#include "base/hex.h"

#define R0 LW_JOIN_REQ_REJOIN_0
#define R1 LW_JOIN_REQ_REJOIN_1
#define R2 LW_JOIN_REQ_REJOIN_2

static void join(
	struct world *world, uint8_t number, uint16_t dev_nonce, struct lw_session_keys *keys)
{
	const struct ipc_backend_req request = world_join_req(world, number, dev_nonce);

	world_joins(world, &request, keys);
}

/* In the session of `in`; type 1 needs none. */
static struct ipc_backend_req rejoin_req(struct world *world, enum lw_join_req_type type,
	uint16_t rj_count, const struct lw_session_keys *in)
{
	return world_rejoin_req(
		world, WORLD_1_1, type, rj_count, type == R1 ? NULL : &in->s_nwk_s_int);
}

static void rejoin(struct world *world, enum lw_join_req_type type, uint16_t rj_count,
	const struct lw_session_keys *in, struct lw_session_keys *keys)
{
	const struct ipc_backend_req request = rejoin_req(world, type, rj_count, in);

	world_joins(world, &request, keys);
}

static void refused(struct world *world, enum lw_join_req_type type, uint16_t rj_count,
	const struct lw_session_keys *in, enum kw_err expected)
{
	const struct ipc_backend_req request = rejoin_req(world, type, rj_count, in);

	world_refused(world, &request, expected);
}

/* The same answers unfolded, after a restart, folded, and both. */
static void in_every_form(
	struct world *world, void (*check)(struct world *world, const void *arg), const void *arg)
{
	check(world, arg);
	world_reopen(world);
	check(world, arg);
	world_fold(world);
	check(world, arg);
	world_reopen(world);
	check(world, arg);
}

/* ---- all types ---- */

static void test_each_type_makes_a_session(void **state)
{
	static const enum lw_join_req_type types[] = {R0, R1, R2};
	struct world *world = *state;
	struct lw_session_keys keys, before;

	join(world, WORLD_1_1, 7, &keys);
	for (uint32_t i = 0; i < 3; i++) {
		struct ks_state now;

		before = keys;
		rejoin(world, types[i], 1, &before, &keys);
		now = world_state(world, WORLD_1_1);
		assert_true(keys.opt_neg);
		assert_memory_not_equal(&keys.app_s, &before.app_s, sizeof(keys.app_s));
		assert_int_equal(now.next_join_nonce, 3 + i);
		assert_int_equal(now.last_session.type, types[i]);
		assert_int_equal(now.last_session.nonce, 1);
		/* DevNonces are another matter. */
		assert_int_equal(now.dev_nonce_count, 1);
		assert_int_equal(now.max_dev_nonce, 7);
	}
	assert_int_equal(world->backend.counters.accepted, 4);
	join(world, WORLD_1_1, 8, &keys);
}

static void test_cf_list_makes_33_octets(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys;
	struct ipc_backend_req request;

	join(world, WORLD_1_1, 1, &keys);
	request = rejoin_req(world, R2, 1, &keys);
	request.has_cf_list = 1;
	memset(request.cf_list, 0x18, 15);
	world_joins(world, &request, &keys);
}

static void test_every_bit_of_a_forged_frame(void **state)
{
	static const enum lw_join_req_type types[] = {R0, R1, R2};
	struct world *world = *state;
	struct lw_session_keys keys;

	join(world, WORLD_1_1, 1, &keys);
	for (size_t i = 0; i < 3; i++) {
		const struct ipc_backend_req good = rejoin_req(world, types[i], 1, &keys);
		size_t first = good.phy_length - 6u; /* RJcount and MIC */

		for (size_t bit = 8 * first; bit < 8u * good.phy_length; bit++) {
			struct ipc_backend_req forged = good;

			forged.phy_payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
			world_refused(world, &forged, KW_E_MIC);
			world->now_ms += 5000; /* too slow for an alarm */
		}
	}
	assert_int_equal(world->backend.counters.mic_failures, 3 * 48);
	assert_int_equal(world->backend.refusals.count, 3); /* one for each type */
}

/* The octet that tells type 0 from 2 and the NetID are under the MIC too. */
static void test_type_and_net_id_are_signed(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys;
	struct ipc_backend_req request;

	join(world, WORLD_1_1, 1, &keys);
	request = rejoin_req(world, R0, 1, &keys);
	request.phy_payload[1] = 2;
	world_refused(world, &request, KW_E_MIC);
	request = rejoin_req(world, R0, 1, &keys);
	request.phy_payload[2] ^= 1;
	world_refused(world, &request, KW_E_MIC);
}

static void test_wrong_keys(void **state)
{
	struct world *world = *state;
	const struct lw_key js_int_key = world_js_int_key(world, WORLD_1_1);
	struct lw_session_keys keys;

	join(world, WORLD_1_1, 1, &keys);
	{
		const struct lw_key *const wrong[] = {&world_key_1, &world_key_2, &keys.f_nwk_s_int,
			&keys.nwk_s_enc, &keys.app_s};

		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			for (unsigned type = 0; type < 3; type++) {
				const struct ipc_backend_req request = world_rejoin_req(
					world, WORLD_1_1, (enum lw_join_req_type)type, 1, wrong[i]);

				world_refused(world, &request, KW_E_MIC);
			}
		}
	}
	for (unsigned type = 0; type < 3; type++) {
		const struct ipc_backend_req request =
			world_rejoin_req(world, WORLD_1_1, (enum lw_join_req_type)type, 1,
				type == 1 ? &keys.s_nwk_s_int : &js_int_key);

		world_refused(world, &request, KW_E_MIC);
	}
}

static void test_wrong_lengths(void **state)
{
	static const uint8_t lengths[] = {0, 1, 18, 19, 20, 23, 24, 25, 255};
	struct world *world = *state;
	struct lw_session_keys keys;

	join(world, WORLD_1_1, 1, &keys);
	for (unsigned type = 0; type < 3; type++) {
		const struct ipc_backend_req good =
			rejoin_req(world, (enum lw_join_req_type)type, 1, &keys);

		for (size_t i = 0; i < sizeof(lengths); i++) {
			struct ipc_backend_req request = good;

			request.phy_length = lengths[i];
			if (lengths[i] != good.phy_length) {
				world_refused(world, &request, KW_E_FRAME_SIZE);
			}
		}
	}
}

static void test_frame_of_another_kind(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys;
	struct ipc_backend_req request;

	join(world, WORLD_1_1, 1, &keys);
	request = world_join_req(world, WORLD_1_1, 2);
	request.procedure = IPC_PROCEDURE_REJOIN;
	world_refused(world, &request, KW_E_FRAME_SIZE);
	request = rejoin_req(world, R1, 1, &keys);
	request.procedure = IPC_PROCEDURE_JOIN;
	world_refused(world, &request, KW_E_FRAME_SIZE);
	request = rejoin_req(world, R1, 1, &keys);
	request.phy_payload[1] = 3;
	world_refused(world, &request, KW_E_FRAME_TYPE);
	request = rejoin_req(world, R1, 1, &keys);
	request.phy_payload[0] = 0xc1;
	world_refused(world, &request, KW_E_FRAME_TYPE);
}

static void test_frame_and_message_must_agree(void **state)
{
	struct world *world = *state;
	const struct lw_key js_int_key = world_js_int_key(world, WORLD_1_1);
	struct lw_session_keys keys;
	struct ipc_backend_req request;

	join(world, WORLD_1_1, 1, &keys);
	request = rejoin_req(world, R1, 1, &keys);
	request.phy_payload[2] ^= 1; /* JoinEUI */
	world_sign(world, &request, &js_int_key);
	world_refused(world, &request, KW_E_MISMATCH);
	for (unsigned type = 0; type < 3; type++) {
		request = rejoin_req(world, (enum lw_join_req_type)type, 1, &keys);
		request.dev_eui[7] = WORLD_EXAMPLE;
		world_refused(world, &request, KW_E_MISMATCH);
		request = rejoin_req(world, (enum lw_join_req_type)type, 1, &keys);
		request.has_dev_eui = 0;
		world_refused(world, &request, KW_E_MISMATCH);
	}
}

static void test_only_1_1_devices_rejoin(void **state)
{
	struct world *world = *state;

	for (unsigned type = 0; type < 3; type++) {
		struct ipc_backend_req request =
			world_join_req(world, WORLD_1_0_4, (uint16_t)(type + 1));
		struct lw_session_keys keys;

		world_joins(world, &request, &keys);
		request = world_rejoin_req(world, WORLD_1_0_4, (enum lw_join_req_type)type, 1,
			type == 1 ? NULL : &keys.s_nwk_s_int);
		world_refused(world, &request, KW_E_DISAGREE);
	}
}

static void test_never_joined(void **state)
{
	struct world *world = *state;
	const struct lw_session_keys none = {0};

	refused(world, R0, 1, &none, KW_E_REJOIN);
	refused(world, R1, 1, &none, KW_E_REJOIN);
	refused(world, R2, 1, &none, KW_E_REJOIN);
}

/* A device that joined a 1.0 network since comes back by joining. */
static void test_last_session_without_opt_neg(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys, old;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_1, 0);

	/* With no other session there is nothing that a MIC could be right for. */
	request.mac_version = LW_VERSION_1_0_3;
	request.dl_settings = 0;
	world_joins(world, &request, &old);
	refused(world, R0, 1, &old, KW_E_REJOIN);
	join(world, WORLD_1_1, 1, &keys);
	request = world_join_req(world, WORLD_1_1, 2);
	request.mac_version = LW_VERSION_1_0_3;
	request.dl_settings = 0;
	world_joins(world, &request, &old);
	for (unsigned type = 0; type < 3; type++) {
		refused(world, (enum lw_join_req_type)type, 1, &keys, KW_E_REJOIN);
	}
	/* Its one network key never signs a Rejoin-request. */
	refused(world, R0, 1, &old, KW_E_MIC);
	join(world, WORLD_1_1, 3, &keys);
	refused(world, R0, 1, &old, KW_E_MIC);
	rejoin(world, R0, 1, &keys, &keys);
}

static void test_only_with_1_1_and_opt_neg(void **state)
{
	static const struct {
		enum lw_version mac_version;
		uint8_t dl_settings;
	} rows[] = {
		{LW_VERSION_1_0_3, 0x00},
		{LW_VERSION_1_0_4, 0x80},
		{LW_VERSION_1_1, 0x00},
		{LW_VERSION_1_1, 0x7f},
	};
	struct world *world = *state;
	struct lw_session_keys keys;

	join(world, WORLD_1_1, 1, &keys);
	for (unsigned type = 0; type < 3; type++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct ipc_backend_req request =
				rejoin_req(world, (enum lw_join_req_type)type, 1, &keys);

			request.mac_version = (uint8_t)rows[i].mac_version;
			request.dl_settings = rows[i].dl_settings;
			world_refused(world, &request, KW_E_DISAGREE);
		}
	}
}

static void block(struct ks_policy *policy)
{
	policy->blocked = true;
}

static void only_of_14(struct ks_policy *policy)
{
	policy->blocked = false;
	policy->net_id_count = 1;
	policy->net_ids[0].octets[2] = 0x14;
}

static void test_who_may_not_join_may_not_rejoin(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys;
	struct ipc_backend_req request;

	join(world, WORLD_1_1, 1, &keys);
	world_set_policy(world, WORLD_1_1, block);
	refused(world, R0, 1, &keys, KW_E_BLOCKED);
	refused(world, R1, 1, &keys, KW_E_BLOCKED);
	world_set_policy(world, WORLD_1_1, only_of_14);
	refused(world, R0, 1, &keys, KW_E_NOT_ALLOWED);
	refused(world, R1, 1, &keys, KW_E_NOT_ALLOWED);
	request = rejoin_req(world, R1, 1, &keys);
	world_show(&request, WORLD_NOBODYS);
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request = rejoin_req(world, R1, 1, &keys);
	request.receiver[0] ^= 1;
	world_refused(world, &request, KW_E_RECEIVER);
	request = world_rejoin_req(world, 99, R1, 1, NULL);
	world_refused(world, &request, KW_E_NO_DEVICE);
}

static void test_identical_request_identical_answer(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys;

	join(world, WORLD_1_1, 7, &keys);
	for (unsigned type = 0; type < 3; type++) {
		const struct ipc_backend_req request =
			rejoin_req(world, (enum lw_join_req_type)type, 5, &keys);
		struct ipc_backend_ans first, again;
		uint32_t next;

		assert_int_equal(world_ask(world, &request, &first), KW_OK);
		next = world_state(world, WORLD_1_1).next_join_nonce;
		world->now_ms += WORLD_WINDOW_MS;
		assert_int_equal(world_ask(world, &request, &again), KW_OK);
		assert_memory_equal(&first, &again, sizeof(first));
		world_reopen(world);
		world_fold(world);
		assert_int_equal(world_ask(world, &request, &again), KW_OK);
		assert_memory_equal(&first, &again, sizeof(first));
		assert_int_equal(world_state(world, WORLD_1_1).next_join_nonce, next);
		world->now_ms += 1;
		world_refused(world, &request, KW_E_REPLAY);
		world_device_reads(world, &request, &first, &keys);
	}
	assert_int_equal(world->backend.counters.repeated, 1); /* since the last restart */
}

static void test_same_frame_other_parameters(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys;

	join(world, WORLD_1_1, 1, &keys);
	for (unsigned type = 0; type < 3; type++) {
		const struct ipc_backend_req request =
			rejoin_req(world, (enum lw_join_req_type)type, 5, &keys);
		struct ipc_backend_req other = request;
		struct ipc_backend_ans ans;

		assert_int_equal(world_ask(world, &request, &ans), KW_OK);
		other.dev_addr[3] ^= 1;
		world_refused(world, &other, KW_E_REPLAY);
		other = request;
		other.rx_delay = 2;
		world_refused(world, &other, KW_E_REPLAY);
		other = request;
		other.dl_settings = 0x83;
		world_refused(world, &other, KW_E_REPLAY);
		world_device_reads(world, &request, &ans, &keys);
	}
}

static void test_two_in_one_transaction(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req one, two;
	struct ipc_backend_ans a, b, c;
	struct lw_session_keys keys;
	struct ks_txn *txn;

	join(world, WORLD_1_1, 1, &keys);
	one = rejoin_req(world, R1, 1, &keys);
	two = rejoin_req(world, R1, 2, &keys);
	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	(void)js_backend_answer(&world->backend, txn, &two, &a);
	(void)js_backend_answer(&world->backend, txn, &one, &b);
	(void)js_backend_answer(&world->backend, txn, &two, &c);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(a.err, KW_OK);
	assert_int_equal(b.err, KW_E_REPLAY);
	assert_memory_equal(&a, &c, sizeof(a));
	assert_int_equal(world_state(world, WORLD_1_1).next_join_nonce, 3);
}

/* ---- type 1 ---- */

static void used_up_to_5(struct world *world, const void *keys)
{
	refused(world, R1, 0, keys, KW_E_REPLAY);
	refused(world, R1, 4, keys, KW_E_REPLAY);
	refused(world, R1, 5, keys, KW_E_REPLAY);
}

/* For the life of the device: whatever happens, none comes a second time. */
static void test_rj_count_1_grows_for_ever(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys;

	join(world, WORLD_1_1, 1, &keys);
	rejoin(world, R1, 0, &keys, &keys); /* 0 is a good first value */
	world_wait(world);
	refused(world, R1, 0, &keys, KW_E_REPLAY);
	rejoin(world, R1, 5, &keys, &keys);
	world_wait(world);
	in_every_form(world, used_up_to_5, &keys);
	for (uint16_t i = 2; i < 20; i++) { /* its session is forgotten by then */
		join(world, WORLD_1_1, i, &keys);
	}
	in_every_form(world, used_up_to_5, &keys);
	rejoin(world, R1, 6, &keys, &keys);
	rejoin(world, R1, 65535, &keys, &keys);
	world_wait(world);
	refused(world, R1, 65535, &keys, KW_E_REPLAY);
	refused(world, R1, 0, &keys, KW_E_REPLAY);
	join(world, WORLD_1_1, 20, &keys);
	refused(world, R1, 6, &keys, KW_E_REPLAY);
}

/* The counters of types 0 and 2 are of another kind. */
static void test_rj_count_1_and_0_do_not_mix(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys, next;

	join(world, WORLD_1_1, 1, &keys);
	rejoin(world, R1, 500, &keys, &next);
	rejoin(world, R0, 1, &keys, &next);
	rejoin(world, R0, 900, &keys, &next);
	rejoin(world, R1, 501, &keys, &next);
	world_wait(world);
	refused(world, R1, 500, &keys, KW_E_REPLAY);
	refused(world, R0, 900, &keys, KW_E_REPLAY);
}

/* ---- types 0 and 2 ---- */

static void used_up_to_7(struct world *world, const void *keys)
{
	refused(world, R0, 7, keys, KW_E_REPLAY);
	refused(world, R2, 7, keys, KW_E_REPLAY);
	refused(world, R2, 0, keys, KW_E_REPLAY);
}

/* One counter for both types, of one session. */
static void test_rj_count_0_is_of_its_session(void **state)
{
	struct world *world = *state;
	struct lw_session_keys first, second, third, none;

	join(world, WORLD_1_1, 1, &first);
	rejoin(world, R0, 0, &first, &none);
	rejoin(world, R2, 3, &first, &none);
	world_wait(world);
	refused(world, R0, 3, &first, KW_E_REPLAY);
	rejoin(world, R0, 7, &first, &second);
	world_wait(world);
	in_every_form(world, used_up_to_7, &first);
	/* The session that came of it has its own. */
	rejoin(world, R0, 0, &second, &none);
	rejoin(world, R2, 7, &second, &none);
	world_wait(world);
	in_every_form(world, used_up_to_7, &second);
	join(world, WORLD_1_1, 2, &third);
	rejoin(world, R0, 7, &third, &none);
	world_wait(world);
	in_every_form(world, used_up_to_7, &first);
	in_every_form(world, used_up_to_7, &second);
	in_every_form(world, used_up_to_7, &third);
	rejoin(world, R2, 65535, &first, &none);
	world_wait(world);
	refused(world, R2, 65535, &first, KW_E_REPLAY);
}

/* The device never heard of the newest sessions and is in an older one. */
static void test_an_older_session_counts(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys[10];

	for (uint16_t i = 0; i < 10; i++) {
		join(world, WORLD_1_1, i, &keys[i]);
	}
	world_reopen(world);
	world_fold(world);
	rejoin(world, R0, 1, &keys[9], &keys[9]);
	/* That was the eleventh: the first is forgotten. */
	refused(world, R0, 1, &keys[0], KW_E_MIC);
	rejoin(world, R2, 1, &keys[1], &keys[1]);
	refused(world, R0, 2, &keys[0], KW_E_MIC);
}

static void base_is_gone(struct world *world, const void *keys)
{
	refused(world, R0, 1, keys, KW_E_MIC);
	refused(world, R0, 2, keys, KW_E_MIC);
	refused(world, R2, 3, keys, KW_E_MIC);
}

/* With its session its counter goes, and with its counter every right to use it. */
static void test_a_session_that_fell_out(void **state)
{
	struct world *world = *state;
	struct lw_session_keys base, keys;

	join(world, WORLD_1_1, 0, &base);
	rejoin(world, R0, 1, &base, &keys);
	for (uint16_t i = 1; i <= 8; i++) {
		join(world, WORLD_1_1, i, &keys);
	}
	world_wait(world);
	refused(world, R0, 1, &base, KW_E_REPLAY); /* the tenth and last */
	join(world, WORLD_1_1, 9, &keys);
	in_every_form(world, base_is_gone, &base);
	rejoin(world, R0, 1, &keys, &keys);
}

static void roams_in_14(struct ks_policy *policy)
{
	policy->roaming_count = 2;
	policy->roaming[0].octets[2] = 0x77;
	policy->roaming[1].octets[2] = 0x14;
}

/* The network that the device says it is on. */
static void test_net_id_of_the_frame(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct lw_session_keys keys;

	join(world, WORLD_1_1, 1, &keys);
	for (unsigned type = 0; type < 3; type += 2) {
		request =
			rejoin_req(world, (enum lw_join_req_type)type, (uint16_t)(1 + type), &keys);
		request.phy_payload[2] = 0x14;
		world_sign(world, &request, &keys.s_nwk_s_int);
		world_refused(world, &request, KW_E_NET_ID);
	}
	world_set_policy(world, WORLD_1_1, roams_in_14);
	world_joins(world, &request, &keys);
	/* The Join-accept says which network is home: that of the sender. */
	assert_int_equal(world_state(world, WORLD_1_1).last_session.net_id.octets[2], 0x13);
	request = rejoin_req(world, R0, 1, &keys);
	request.phy_payload[2] = 0x15;
	world_sign(world, &request, &keys.s_nwk_s_int);
	world_refused(world, &request, KW_E_NET_ID);
}

/* A stranger without keys does not learn whether a NetID is listed. */
static void test_mic_comes_before_net_id_and_count(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys;
	struct ipc_backend_req request;

	join(world, WORLD_1_1, 1, &keys);
	rejoin(world, R0, 5, &keys, &keys);
	request = rejoin_req(world, R0, 1, &keys);
	request.phy_payload[2] = 0x14;
	world_refused(world, &request, KW_E_MIC);
	request = rejoin_req(world, R1, 1, &keys);
	request.dl_settings = 0;
	request.phy_payload[23] ^= 1;
	world_refused(world, &request, KW_E_MIC);
}

/* ---- numbers of an independent implementation ---- */

static void is_60050a(struct world *world, struct ks_peer *peer)
{
	static const uint8_t kek[] = {0x6b, 0x9e, 0x1d, 0x5f, 0x0c, 0x3a, 0x48, 0xe7, 0xb2, 0xd4,
		0x90, 0x5f, 0x7c, 0x16, 0xae, 0x83};

	memcpy(peer->net_ids[0].octets, "\x60\x05\x0a", 3);
	assert_int_equal(
		ks_peer_add_kek(world->store, peer, "js1-ns-60050a-2024", kek, sizeof(kek)), KW_OK);
}

static void has_as_kek(struct world *world, struct ks_peer *peer)
{
	static const uint8_t kek[] = {0xd0, 0x5a, 0x7b, 0xe9, 0x1c, 0x26, 0x48, 0xf3, 0xa0, 0x7f,
		0xc4, 0xd1, 0x9b, 0x3e, 0x58, 0x27};

	assert_int_equal(
		ks_peer_add_kek(world->store, peer, "js1-as1-2024", kek, sizeof(kek)), KW_OK);
}

static void deliver_wrapped(struct ks_policy *policy)
{
	policy->delivery = KS_DELIVERY_WRAPPED;
}

static void has_octets(const void *octets, size_t length, const char *hex)
{
	uint8_t expected[64];

	assert_int_equal(strlen(hex), 2 * length);
	assert_int_equal(kw_hex_read(hex, strlen(hex), expected, length), KW_OK);
	assert_memory_equal(octets, expected, length);
}

struct example {
	const char *frame;
	const char *cf_list;
	const char *accept;
	const char *keys[4]; /* FNwkSIntKey, SNwkSIntKey, NwkSEncKey, AppSKey, wrapped */
};

static void ask_example(struct world *world, const struct example *example, bool rejoin_request)
{
	struct ipc_backend_req request = world_join_req(world, WORLD_EXAMPLE, 0);
	struct ipc_backend_ans ans;
	size_t octets = strlen(example->frame) / 2;

	request.procedure = rejoin_request ? IPC_PROCEDURE_REJOIN : IPC_PROCEDURE_JOIN;
	memcpy(request.sender_net_id, "\x60\x05\x0a", 3);
	memcpy(request.dev_addr, "\xea\x14\x0b\x2c", 4);
	request.phy_length = (uint8_t)octets;
	assert_int_equal(
		kw_hex_read(example->frame, 2 * octets, request.phy_payload, octets), KW_OK);
	if (example->cf_list != NULL) {
		request.has_cf_list = 1;
		request.dl_settings = rejoin_request ? 0x80 : 0x93;
		request.rx_delay = rejoin_request ? 1 : 5;
		assert_int_equal(kw_hex_read(example->cf_list, 32, request.cf_list, 16), KW_OK);
	}
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	has_octets(ans.phy_payload, ans.phy_length, example->accept);
	assert_string_equal(ans.nwk_kek_label, "js1-ns-60050a-2024");
	assert_string_equal(ans.app_kek_label, "js1-as1-2024");
	if (example->keys[0] != NULL) {
		has_octets(ans.f_nwk_s_int_key.octets, 24, example->keys[0]);
		has_octets(ans.s_nwk_s_int_key.octets, 24, example->keys[1]);
		has_octets(ans.nwk_s_enc_key.octets, 24, example->keys[2]);
		has_octets(ans.app_s_key.octets, 24, example->keys[3]);
	}
}

/*
 * tests/vectors computed-11-* and tests/backend-if/examples rejoinans-*: the session with JoinNonce
 * 6 never came to life, the Rejoin-request of type 0 is signed in that with JoinNonce 5.
 */
static void test_examples_to_the_octet(void **state)
{
	static const char cf_list[] = "184f84e85684b85e84886684586e8400";
	static const struct example joins[] = {
		{"00341200d07ed5b37030051c000ba3040011009f79e3c9", NULL,
			"20025d18e52b5be751c1d21ab95798eeda", {NULL}},
		{"00341200d07ed5b37030051c000ba304001200735ad526", cf_list,
			"20e4032e07d370712a03be0872bbc34bb211bcf4f68a7704a7f53f26fcbc80c599",
			{NULL}},
	};
	static const struct example rejoins[] = {
		{"c0000a056030051c000ba304000100be6a0a6e", NULL,
			"20b53f26e6c42a406496a775754ef4eda1",
			{"1945541013d8f463037b52b3781c10c46642b7fea8d944da",
				"8d49d75e88f39c8b45f1c8ef15272f1a806257f63059836f",
				"5ab52f1d88e32dbca354fd59f9e27a0e4d9fc0d71452ec05",
				"9e1d8a54c3ed13b9b7e231c78f40707fe4582458ca053349"}},
		{"c001341200d07ed5b37030051c000ba3040003027777c297", NULL,
			"201ca6439cb9327c0fd3b0434e2501c387",
			{"893a6da12c2d6d98ced10c4e82d64a723b823aec0825733b",
				"3f900381f72384248ee67d94cbf7de82b55c7cf865e96c1a",
				"7c5dd4f6f87f2ac2a8025f60565a8161ac74730596ee1f94",
				"c8bde4da4464ebe07e73e566cfbd69f88c867a982005d421"}},
	};
	struct world *world = *state;
	struct ipc_backend_ans ans;

	for (uint16_t i = 1; i <= 4; i++) {
		const struct ipc_backend_req request = world_join_req(world, WORLD_EXAMPLE, i);

		assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	}
	world_change_peer(world, KS_PEER_NS, "ours", is_60050a);
	world_add_as(world, "as1", WORLD_AS);
	world_change_peer(world, KS_PEER_AS, "as1", has_as_kek);
	world_set_as(world, WORLD_EXAMPLE, "as1");
	world_set_policy(world, WORLD_EXAMPLE, deliver_wrapped);
	ask_example(world, &joins[0], false);
	ask_example(world, &joins[1], false);
	ask_example(world, &rejoins[0], true);
	ask_example(world, &rejoins[1], true);
	assert_int_equal(world_state(world, WORLD_EXAMPLE).next_join_nonce, 9);
	assert_int_equal(world_state(world, WORLD_EXAMPLE).last_session.nonce, 515);
}

/* ---- the join log ---- */

static void is_event(const struct ks_event *event, enum ks_event_kind kind,
	enum ks_procedure procedure, uint32_t join_nonce, uint16_t count)
{
	assert_int_equal(event->kind, kind);
	assert_int_equal(event->procedure, procedure);
	assert_int_equal(event->join_nonce, join_nonce);
	assert_int_equal(event->dev_nonce, count);
}

static void test_join_log(void **state)
{
	struct world *world = *state;
	struct lw_session_keys keys, next;
	struct ipc_backend_ans ans;
	struct ks_event events[9];
	struct ipc_backend_req request;

	join(world, WORLD_1_1, 77, &keys);
	rejoin(world, R0, 5, &keys, &next);
	rejoin(world, R1, 6, &keys, &next);
	rejoin(world, R2, 7, &keys, &next);
	request = rejoin_req(world, R2, 7, &keys);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	refused(world, R0, 4, &keys, KW_E_REPLAY);
	refused(world, R1, 3, &keys, KW_E_REPLAY);
	assert_int_equal(world_events(world, events, 9), 7);
	is_event(&events[0], KS_EVENT_ACCEPTED, KS_PROCEDURE_JOIN, 1, 77);
	is_event(&events[1], KS_EVENT_ACCEPTED, KS_PROCEDURE_REJOIN_0, 2, 5);
	is_event(&events[2], KS_EVENT_ACCEPTED, KS_PROCEDURE_REJOIN_1, 3, 6);
	is_event(&events[3], KS_EVENT_ACCEPTED, KS_PROCEDURE_REJOIN_2, 4, 7);
	is_event(&events[4], KS_EVENT_REPEATED, KS_PROCEDURE_REJOIN_2, 4, 7);
	is_event(&events[5], KS_EVENT_REFUSED, KS_PROCEDURE_REJOIN_0, 0, 4);
	is_event(&events[6], KS_EVENT_REFUSED, KS_PROCEDURE_REJOIN_1, 0, 3);
	/* What the words of a refusal compare with is the counter, not the DevNonce. */
	assert_int_equal(events[5].err, KW_E_REPLAY);
	assert_true(events[5].has_last);
	assert_int_equal(events[5].last_dev_nonce, 7);
	assert_true(events[6].has_last);
	assert_int_equal(events[6].last_dev_nonce, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_each_type_makes_a_session),
		WORLD_TEST(test_cf_list_makes_33_octets),
		WORLD_TEST(test_every_bit_of_a_forged_frame),
		WORLD_TEST(test_type_and_net_id_are_signed),
		WORLD_TEST(test_wrong_keys),
		WORLD_TEST(test_wrong_lengths),
		WORLD_TEST(test_frame_of_another_kind),
		WORLD_TEST(test_frame_and_message_must_agree),
		WORLD_TEST(test_only_1_1_devices_rejoin),
		WORLD_TEST(test_never_joined),
		WORLD_TEST(test_last_session_without_opt_neg),
		WORLD_TEST(test_only_with_1_1_and_opt_neg),
		WORLD_TEST(test_who_may_not_join_may_not_rejoin),
		WORLD_TEST(test_identical_request_identical_answer),
		WORLD_TEST(test_same_frame_other_parameters),
		WORLD_TEST(test_two_in_one_transaction),
		WORLD_TEST(test_rj_count_1_grows_for_ever),
		WORLD_TEST(test_rj_count_1_and_0_do_not_mix),
		WORLD_TEST(test_rj_count_0_is_of_its_session),
		WORLD_TEST(test_an_older_session_counts),
		WORLD_TEST(test_a_session_that_fell_out),
		WORLD_TEST(test_net_id_of_the_frame),
		WORLD_TEST(test_mic_comes_before_net_id_and_count),
		WORLD_TEST(test_examples_to_the_octet),
		WORLD_TEST(test_join_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
