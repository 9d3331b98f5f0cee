/* How session keys leave the vault: delivery modes, KEKs and their generations. */
#include "tests/js/world.h"

static struct ipc_backend_ans join(struct world *world, const struct ipc_backend_req *request)
{
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, request, &ans), KW_OK);
	return ans;
}

/* Both kinds of keys are what the device computes. */
static void opens(struct world *world, const struct ipc_backend_req *request,
	const struct ipc_backend_ans *ans, uint8_t nwk_fill, size_t nwk_length, uint8_t app_fill,
	size_t app_length)
{
	struct lw_session_keys keys;
	struct lw_key key;

	world_device_reads(world, request, ans, &keys);
	if (nwk_fill == 0) {
		world_same_key(&ans->f_nwk_s_int_key, &keys.f_nwk_s_int);
	} else {
		key = world_unwrap(world, nwk_fill, nwk_length, &ans->f_nwk_s_int_key);
		assert_memory_equal(&key, &keys.f_nwk_s_int, sizeof(key));
	}
	if (nwk_fill != 0 && keys.opt_neg) {
		key = world_unwrap(world, nwk_fill, nwk_length, &ans->s_nwk_s_int_key);
		assert_memory_equal(&key, &keys.s_nwk_s_int, sizeof(key));
		key = world_unwrap(world, nwk_fill, nwk_length, &ans->nwk_s_enc_key);
		assert_memory_equal(&key, &keys.nwk_s_enc, sizeof(key));
	}
	if (app_fill != 0) {
		key = world_unwrap(world, app_fill, app_length, &ans->app_s_key);
		assert_memory_equal(&key, &keys.app_s, sizeof(key));
	}
}

static void deliver_wrapped(struct ks_policy *policy)
{
	policy->delivery = KS_DELIVERY_WRAPPED;
	strcpy(policy->as_id, "as1.example");
}

static void deliver_wrapped_to_nobody(struct ks_policy *policy)
{
	policy->delivery = KS_DELIVERY_WRAPPED;
	memset(policy->as_id, 0, sizeof(policy->as_id));
}

static void deliver_inline(struct ks_policy *policy)
{
	policy->delivery = KS_DELIVERY_INLINE;
}

static void deliver_fetch(struct ks_policy *policy)
{
	policy->delivery = KS_DELIVERY_FETCH;
}

static void has_as(struct ks_policy *policy)
{
	strcpy(policy->as_id, "as1.example");
}

static void test_delivery_modes(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 1);
	struct ipc_backend_ans ans;

	world_set_policy(world, 3, deliver_inline);
	ans = join(world, &request);
	assert_int_equal(ans.has_session_key_id, 0);
	assert_int_equal(ans.app_s_key.length, LW_BLOCK_SIZE);
	world_set_policy(world, 3, deliver_fetch);
	request = world_join_req(world, 3, 2);
	ans = join(world, &request);
	assert_int_equal(ans.has_session_key_id, 1);
	assert_int_equal(ans.app_s_key.length, 0);
	/* A device with an AS and no setting anywhere: the AS will ask. */
	world_set_policy(world, 4, has_as);
	request = world_join_req(world, 4, 1);
	ans = join(world, &request);
	assert_int_equal(ans.has_session_key_id, 1);
	assert_int_equal(ans.app_s_key.length, 0);
	/* Without an AS nobody could. */
	request = world_join_req(world, 11, 1);
	ans = join(world, &request);
	assert_int_equal(ans.has_session_key_id, 1);
	assert_int_equal(ans.app_s_key.length, LW_BLOCK_SIZE);
}

static void peer_inline(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->delivery = KS_DELIVERY_INLINE;
}

static void peer_inline_id(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->delivery = KS_DELIVERY_INLINE_ID;
}

/* The device's setting, then that of the application server, then that of the network server. */
static void test_whose_setting_counts(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct ipc_backend_ans ans;

	world_add_as(world, "as1", WORLD_AS);
	world_set_policy(world, 3, has_as);
	world_change_peer(world, KS_PEER_NS, "ours", peer_inline_id);
	request = world_join_req(world, 3, 1);
	ans = join(world, &request);
	assert_int_equal(ans.app_s_key.length, LW_BLOCK_SIZE);
	assert_int_equal(ans.has_session_key_id, 1);
	world_change_peer(world, KS_PEER_AS, "as1", peer_inline);
	request = world_join_req(world, 3, 2);
	ans = join(world, &request);
	assert_int_equal(ans.app_s_key.length, LW_BLOCK_SIZE);
	assert_int_equal(ans.has_session_key_id, 0);
	world_set_policy(world, 3, deliver_fetch);
	request = world_join_req(world, 3, 3);
	ans = join(world, &request);
	assert_int_equal(ans.app_s_key.length, 0);
}

static void test_missing_kek_refuses_and_burns_nothing(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 3, 7);
	struct ipc_backend_ans ans;

	world_set_policy(world, 3, deliver_wrapped_to_nobody);
	world_refused(world, &request, KW_E_NO_KEK);
	world_set_policy(world, 3, deliver_wrapped);
	world_refused(world, &request, KW_E_NO_KEK);
	world_add_as(world, "as1", WORLD_AS);
	world_refused(world, &request, KW_E_NO_KEK);
	assert_int_equal(world->backend.counters.missing_keks, 3);
	world_add_kek(world, KS_PEER_AS, "as1", "a", 0x31, 32);
	ans = join(world, &request); /* the DevNonce is still good */
	opens(world, &request, &ans, 0, 0, 0x31, 32);
	assert_string_equal(ans.app_kek_label, "a");
	assert_string_equal(ans.nwk_kek_label, "");
	assert_int_equal(ans.has_session_key_id, 1);
}

static void test_missing_keks_do_not_fill_the_log(void **state)
{
	struct world *world = *state;
	const struct ipc_backend_req request = world_join_req(world, 3, 7);
	struct world_log log;

	world_set_policy(world, 3, deliver_wrapped_to_nobody);
	world_log_begin(&log);
	for (unsigned i = 0; i < 100; i++) {
		world_refused(world, &request, KW_E_NO_KEK);
	}
	world_log_end(&log, "the key encryption key is missing");
	assert_int_equal(world->backend.counters.missing_keks, 100);
}

/* Where keys are wrapped, a KEK that is gone is never a reason to send them in the clear. */
static void test_network_server_without_its_kek(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 11, 7);
	struct lw_session_keys keys;
	struct ipc_backend_ans ans;

	world_add_kek(world, KS_PEER_NS, "ours", "n", 0x21, 16);
	world_retire_kek(world, KS_PEER_NS, "ours", "n");
	world_refused(world, &request, KW_E_NO_KEK);
	assert_int_equal(world->backend.counters.missing_keks, 1);
	world_add_kek(world, KS_PEER_NS, "ours", "n2", 0x22, 24);
	ans = join(world, &request);
	opens(world, &request, &ans, 0x22, 24, 0, 0);
	world_device_reads(world, &request, &ans, &keys);
	world_retire_kek(world, KS_PEER_NS, "ours", "n2");
	request = world_rejoin_req(world, 11, LW_JOIN_REQ_REJOIN_0, 1, &keys.s_nwk_s_int);
	world_refused(world, &request, KW_E_NO_KEK);
	request = world_rejoin_req(world, 11, LW_JOIN_REQ_REJOIN_1, 1, NULL);
	world_refused(world, &request, KW_E_NO_KEK);
	world_add_kek(world, KS_PEER_NS, "ours", "n3", 0x23, 32);
	ans = join(world, &request);
	opens(world, &request, &ans, 0x23, 32, 0, 0);
	assert_string_equal(ans.nwk_kek_label, "n3");
}

static void add_keks(struct world *world)
{
	world_add_as(world, "as1", WORLD_AS);
	world_add_kek(world, KS_PEER_NS, "ours", "n-old", 0x21, 16);
	world_add_kek(world, KS_PEER_AS, "as1", "a-old", 0x31, 32);
	world_set_policy(world, 11, deliver_wrapped);
}

static void renew_keks(struct world *world)
{
	world_add_kek(world, KS_PEER_NS, "ours", "n-new", 0x22, 32);
	world_add_kek(world, KS_PEER_AS, "as1", "a-new", 0x32, 16);
}

static void test_new_sessions_use_the_current_keks(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 11, 1);
	struct ipc_backend_ans ans;

	add_keks(world);
	ans = join(world, &request);
	opens(world, &request, &ans, 0x21, 16, 0x31, 32);
	assert_string_equal(ans.nwk_kek_label, "n-old");
	assert_string_equal(ans.app_kek_label, "a-old");
	renew_keks(world);
	request = world_join_req(world, 11, 2);
	ans = join(world, &request);
	opens(world, &request, &ans, 0x22, 32, 0x32, 16);
	assert_string_equal(ans.nwk_kek_label, "n-new");
	assert_string_equal(ans.app_kek_label, "a-new");
}

static void deliver_inline_now(struct ks_policy *policy)
{
	policy->delivery = KS_DELIVERY_INLINE;
	memset(policy->as_id, 0, sizeof(policy->as_id));
}

/* Whatever was set since: the same request has the same answer, octet by octet. */
static void test_repeated_answer_is_as_it_was(void **state)
{
	struct world *world = *state;
	const struct ipc_backend_req request = world_join_req(world, 11, 1);
	struct ipc_backend_ans first, again;

	add_keks(world);
	first = join(world, &request);
	renew_keks(world);
	again = join(world, &request);
	assert_memory_equal(&first, &again, sizeof(first));
	world_set_policy(world, 11, deliver_inline_now);
	world_reopen(world);
	again = join(world, &request);
	assert_memory_equal(&first, &again, sizeof(first));
	world_fold(world);
	again = join(world, &request);
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_equal(world->backend.counters.repeated, 2);
}

/* What was given in the clear is given in the clear again, and is no fall-back. */
static void test_repeated_answer_in_the_clear(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 11, 1);
	struct ipc_backend_ans first = join(world, &request);
	struct ipc_backend_ans again;

	add_keks(world);
	again = join(world, &request);
	assert_memory_equal(&first, &again, sizeof(first));
	request = world_join_req(world, 11, 2);
	again = join(world, &request);
	opens(world, &request, &again, 0x21, 16, 0x31, 32);
}

static void forget_keks(struct world *world, struct ks_peer *peer)
{
	(void)world;
	ks_peer_clear_keks(peer);
}

/* The network server has no KEK; the application server's goes, and then it itself. */
static void test_repeated_answer_to_who_is_gone(void **state)
{
	struct world *world = *state;
	const struct ipc_backend_req request = world_join_req(world, 11, 1);
	struct ipc_backend_ans first;
	struct ks_txn *txn;

	world_add_as(world, "as1", WORLD_AS);
	world_add_kek(world, KS_PEER_AS, "as1", "a", 0x31, 32);
	world_set_policy(world, 11, deliver_wrapped);
	first = join(world, &request);
	opens(world, &request, &first, 0, 0, 0x31, 32);
	world_retire_kek(world, KS_PEER_AS, "as1", "a");
	world_refused(world, &request, KW_E_NO_KEK);
	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	assert_int_equal(
		ks_peer_remove(txn, ks_peer_by_name(world->store, KS_PEER_AS, "as1")->id), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	world_refused(world, &request, KW_E_NO_KEK);
}

static void test_repeated_answer_under_a_retired_kek(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, 11, 1);
	struct ipc_backend_ans first, again;

	add_keks(world);
	first = join(world, &request);
	renew_keks(world);
	world_retire_kek(world, KS_PEER_AS, "as1", "a-old");
	world_refused(world, &request, KW_E_NO_KEK);
	request = world_join_req(world, 11, 2);
	first = join(world, &request);
	world_change_peer(world, KS_PEER_NS, "ours", forget_keks);
	world_refused(world, &request, KW_E_NO_KEK);
	/* A KEK that comes later is another generation. */
	world_add_kek(world, KS_PEER_NS, "ours", "n-new", 0x22, 32);
	world_refused(world, &request, KW_E_NO_KEK);
	request = world_join_req(world, 11, 3);
	again = join(world, &request);
	opens(world, &request, &again, 0x22, 32, 0x32, 16);
	assert_memory_not_equal(&first, &again, sizeof(first));
	/* All forgotten: in the clear again. */
	world_change_peer(world, KS_PEER_NS, "ours", forget_keks);
	request = world_join_req(world, 11, 4);
	again = join(world, &request);
	opens(world, &request, &again, 0, 0, 0x32, 16);
	assert_string_equal(again.nwk_kek_label, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_delivery_modes),
		WORLD_TEST(test_whose_setting_counts),
		WORLD_TEST(test_missing_kek_refuses_and_burns_nothing),
		WORLD_TEST(test_missing_keks_do_not_fill_the_log),
		WORLD_TEST(test_network_server_without_its_kek),
		WORLD_TEST(test_new_sessions_use_the_current_keks),
		WORLD_TEST(test_repeated_answer_is_as_it_was),
		WORLD_TEST(test_repeated_answer_in_the_clear),
		WORLD_TEST(test_repeated_answer_to_who_is_gone),
		WORLD_TEST(test_repeated_answer_under_a_retired_kek),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
