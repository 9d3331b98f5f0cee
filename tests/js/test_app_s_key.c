/* AppSKeyReq over a real store: which application server gets which AppSKey, and how. */
#include "tests/js/world.h"

/* A session that was made for "as1" or whoever the device has. */
struct made {
	uint8_t id[IPC_SESSION_ID_SIZE];
	struct lw_session_keys keys;
};

static struct made make(struct world *world, uint8_t number, uint16_t dev_nonce)
{
	const struct ipc_backend_req request = world_join_req(world, number, dev_nonce);
	struct ipc_backend_ans ans;
	struct made made;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world_device_reads(world, &request, &ans, &made.keys);
	assert_int_equal(ans.has_session_key_id, 1);
	assert_int_equal(ans.app_s_key.length, 0); /* fetch, where the device has an AS */
	memcpy(made.id, ans.session_key_id, sizeof(made.id));
	return made;
}

static void add_ases(struct world *world)
{
	world_add_as(world, "as1", WORLD_AS);
	world_add_as(world, "as2", WORLD_AS_2);
	world_add_kek(world, KS_PEER_AS, "as1", "one", 0x11, 16);
	world_add_kek(world, KS_PEER_AS, "as2", "two", 0x22, 16);
	world_set_as(world, WORLD_1_0_3, "as1");
	world_set_as(world, WORLD_1_1, "as1");
}

static struct ipc_backend_req ask_as(
	struct world *world, uint8_t number, unsigned as, const struct made *made)
{
	return world_app_s_key_req(
		world, number, as == 1 ? "as1" : "as2", as == 1 ? WORLD_AS : WORLD_AS_2, made->id);
}

/* Gets it, under the KEK of `length` times `fill` that is called `label`; nothing else is told. */
static void gets(struct world *world, const struct ipc_backend_req *request, const char *label,
	uint8_t fill, size_t length, const struct made *made)
{
	const uint64_t records = ks_fold_records(world->store);
	struct ipc_backend_ans ans, expected = {.number = request->number};
	struct lw_key key;

	assert_int_equal(world_ask(world, request, &ans), KW_OK);
	key = world_unwrap(world, fill, length, &ans.app_s_key);
	assert_memory_equal(&key, &made->keys.app_s, sizeof(key));
	assert_string_equal(ans.app_kek_label, label);
	expected.app_s_key = ans.app_s_key;
	memcpy(expected.peer, ans.peer, sizeof(expected.peer));
	memcpy(expected.app_kek_label, ans.app_kek_label, sizeof(expected.app_kek_label));
	assert_memory_equal(&ans, &expected, sizeof(ans));
	assert_int_equal(ks_fold_records(world->store), records);
}

static void as1_gets(struct world *world, uint8_t number, const struct made *made)
{
	const struct ipc_backend_req request = ask_as(world, number, 1, made);

	gets(world, &request, "one", 0x11, 16, made);
}

static void as1_refused(
	struct world *world, uint8_t number, const struct made *made, enum kw_err expected)
{
	const struct ipc_backend_req request = ask_as(world, number, 1, made);

	world_refused(world, &request, expected);
}

static void test_keks_of_each_length(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct made made;

	add_ases(world);
	made = make(world, WORLD_1_0_3, 1);
	as1_gets(world, WORLD_1_0_3, &made);
	request = ask_as(world, WORLD_1_0_3, 1, &made);
	world_add_kek(world, KS_PEER_AS, "as1", "one-b", 0x12, 24);
	gets(world, &request, "one-b", 0x12, 24, &made);
	world_add_kek(world, KS_PEER_AS, "as1", "one-c", 0x13, 32);
	gets(world, &request, "one-c", 0x13, 32, &made);
	/* Of a 1.1 session, from the other root key. */
	made = make(world, WORLD_1_1, 1);
	request = ask_as(world, WORLD_1_1, 1, &made);
	gets(world, &request, "one-c", 0x13, 32, &made);
}

/* Of a 1.1 device in a 1.0 network, AppSKey is of NwkKey; and of a Rejoin of its own RJcount. */
static void test_sessions_of_each_kind(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct ipc_backend_ans ans;
	struct made made;

	add_ases(world);
	made = make(world, WORLD_1_1, 1);
	request = world_rejoin_req(
		world, WORLD_1_1, LW_JOIN_REQ_REJOIN_0, 300, &made.keys.s_nwk_s_int);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world_device_reads(world, &request, &ans, &made.keys);
	memcpy(made.id, ans.session_key_id, sizeof(made.id));
	as1_gets(world, WORLD_1_1, &made);
	request = world_rejoin_req(world, WORLD_1_1, LW_JOIN_REQ_REJOIN_1, 301, NULL);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world_device_reads(world, &request, &ans, &made.keys);
	memcpy(made.id, ans.session_key_id, sizeof(made.id));
	as1_gets(world, WORLD_1_1, &made);
	request = world_join_req(world, WORLD_1_1, 2);
	request.mac_version = LW_VERSION_1_0_3;
	request.dl_settings = 0;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world_device_reads(world, &request, &ans, &made.keys);
	memcpy(made.id, ans.session_key_id, sizeof(made.id));
	as1_gets(world, WORLD_1_1, &made);
	world_fold(world);
	world_reopen(world);
	as1_gets(world, WORLD_1_1, &made);
}

static void may_be_told_clear(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->clear = true;
}

static void may_not_be_told_clear(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->clear = false;
}

static void forget_keks(struct world *world, struct ks_peer *peer)
{
	(void)world;
	ks_peer_clear_keks(peer);
}

static void gets_clear(struct world *world, const struct made *made)
{
	const struct ipc_backend_req request = ask_as(world, WORLD_1_0_3, 1, made);
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world_same_key(&ans.app_s_key, &made->keys.app_s);
	assert_string_equal(ans.app_kek_label, "");
}

static void test_clear_only_where_allowed(void **state)
{
	struct world *world = *state;
	struct made made;

	world_add_as(world, "as1", WORLD_AS);
	world_set_as(world, WORLD_1_0_3, "as1");
	made = make(world, WORLD_1_0_3, 1);
	as1_refused(world, WORLD_1_0_3, &made, KW_E_NO_KEK);
	assert_int_equal(world->backend.counters.missing_keks, 1);
	world_change_peer(world, KS_PEER_AS, "as1", may_be_told_clear);
	gets_clear(world, &made);
	/* With a KEK it is wrapped, whatever may be. */
	world_add_kek(world, KS_PEER_AS, "as1", "one", 0x11, 16);
	as1_gets(world, WORLD_1_0_3, &made);
	/* And without one again it is an accident, not a reason to go on in the clear. */
	world_retire_kek(world, KS_PEER_AS, "as1", "one");
	as1_refused(world, WORLD_1_0_3, &made, KW_E_NO_KEK);
	world_change_peer(world, KS_PEER_AS, "as1", forget_keks);
	gets_clear(world, &made);
	world_change_peer(world, KS_PEER_AS, "as1", may_not_be_told_clear);
	as1_refused(world, WORLD_1_0_3, &made, KW_E_NO_KEK);
}

static void test_session_that_is_not_there(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct made made;

	add_ases(world);
	made = make(world, WORLD_1_0_3, 1);
	for (size_t bit = 0; bit < 8 * sizeof(made.id); bit++) {
		struct made other = made;

		other.id[bit / 8] ^= (uint8_t)(1 << bit % 8);
		as1_refused(world, WORLD_1_0_3, &other, KW_E_NO_SESSION);
	}
	request = ask_as(world, WORLD_1_0_3, 1, &made);
	request.has_session_key_id = 0; /* of another length */
	world_refused(world, &request, KW_E_NO_SESSION);
	request = ask_as(world, WORLD_1_0_4, 1, &made); /* of another device */
	world_refused(world, &request, KW_E_NO_SESSION);
	request = ask_as(world, 99, 1, &made);
	world_refused(world, &request, KW_E_NO_DEVICE);
	request = ask_as(world, WORLD_1_0_3, 1, &made);
	request.has_dev_eui = 0;
	world_refused(world, &request, KW_E_MISSING);
	request = ask_as(world, WORLD_1_0_3, 1, &made);
	request.receiver[0] ^= 1;
	world_refused(world, &request, KW_E_RECEIVER);
	request.receiver_is_eui = 0;
	world_refused(world, &request, KW_E_RECEIVER);
	/* No session at all has sixteen zero octets, also none that is not there. */
	request = ask_as(world, WORLD_1_0_4, 1, &made);
	memset(request.session_key_id, 0, sizeof(request.session_key_id));
	world_refused(world, &request, KW_E_NO_SESSION);
}

static void test_other_application_server(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct made made;

	add_ases(world);
	made = make(world, WORLD_1_0_3, 1);
	request = ask_as(world, WORLD_1_0_3, 2, &made);
	world_refused(world, &request, KW_E_OTHER_AS);
	world_show(&request, WORLD_AS);
	world_refused(world, &request, KW_E_SENDER);
	world_show(&request, WORLD_NOBODYS);
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
}

/* Whose a session is, is settled when it is made. */
static void test_device_moves_to_another(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct made old, new;

	add_ases(world);
	old = make(world, WORLD_1_0_3, 1);
	world_set_as(world, WORLD_1_0_3, "as2");
	new = make(world, WORLD_1_0_3, 2);
	as1_gets(world, WORLD_1_0_3, &old);
	as1_refused(world, WORLD_1_0_3, &new, KW_E_OTHER_AS);
	request = ask_as(world, WORLD_1_0_3, 2, &old);
	world_refused(world, &request, KW_E_OTHER_AS);
	request = ask_as(world, WORLD_1_0_3, 2, &new);
	gets(world, &request, "two", 0x22, 16, &new);
}

static void no_as(struct ks_policy *policy)
{
	memset(policy->as_id, 0, sizeof(policy->as_id));
}

/* One that was made for nobody stays nobody's. */
static void test_device_without_application_server(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req join;
	struct ipc_backend_ans ans;
	struct made made;

	add_ases(world);
	world_set_policy(world, WORLD_1_0_3, no_as);
	join = world_join_req(world, WORLD_1_0_3, 1);
	assert_int_equal(world_ask(world, &join, &ans), KW_OK);
	memcpy(made.id, ans.session_key_id, sizeof(made.id));
	world_set_as(world, WORLD_1_0_3, "as1");
	as1_refused(world, WORLD_1_0_3, &made, KW_E_OTHER_AS);
}

static void test_the_eleventh_session_is_forgotten(void **state)
{
	struct world *world = *state;
	struct made made[11];

	add_ases(world);
	for (uint16_t i = 0; i < 10; i++) {
		made[i] = make(world, WORLD_1_0_3, i);
	}
	as1_gets(world, WORLD_1_0_3, &made[0]);
	made[10] = make(world, WORLD_1_0_3, 10);
	for (unsigned round = 0; round < 3; round++) {
		as1_refused(world, WORLD_1_0_3, &made[0], KW_E_NO_SESSION);
		for (unsigned i = 1; i < 11; i++) {
			as1_gets(world, WORLD_1_0_3, &made[i]);
		}
		if (round == 0) {
			world_reopen(world);
		} else {
			world_fold(world);
		}
	}
}

/* The device of then had other root keys: what would be derived now is nobody's key. */
static void test_device_registered_anew(void **state)
{
	struct world *world = *state;
	struct made old, new;

	add_ases(world);
	old = make(world, WORLD_1_0_3, 1);
	world_remove_device(world, WORLD_1_0_3);
	as1_refused(world, WORLD_1_0_3, &old, KW_E_NO_DEVICE);
	world->now_ms += 1;
	world_add_device(world, WORLD_1_0_3, LW_VERSION_1_0_3);
	world_set_as(world, WORLD_1_0_3, "as1");
	as1_refused(world, WORLD_1_0_3, &old, KW_E_NO_SESSION);
	new = make(world, WORLD_1_0_3, 2);
	as1_gets(world, WORLD_1_0_3, &new);
	as1_refused(world, WORLD_1_0_3, &old, KW_E_NO_SESSION);
}

static void test_join_log(void **state)
{
	struct world *world = *state;
	struct ks_event events[4];
	struct made made;

	add_ases(world);
	made = make(world, WORLD_1_0_3, 7);
	as1_gets(world, WORLD_1_0_3, &made);
	as1_gets(world, WORLD_1_0_3, &made);
	made.id[0] ^= 1;
	as1_refused(world, WORLD_1_0_3, &made, KW_E_NO_SESSION);
	assert_int_equal(world_events(world, events, 4), 3);
	assert_int_equal(events[0].kind, KS_EVENT_ACCEPTED);
	assert_int_equal(events[1].kind, KS_EVENT_SERVED);
	assert_int_equal(events[1].procedure, KS_PROCEDURE_APP_S_KEY);
	assert_int_equal(events[1].join_nonce, 1);
	assert_int_equal(events[1].repeats, 2);
	assert_int_equal(events[1].ns_peer, ks_peer_by_name(world->store, KS_PEER_AS, "as1")->id);
	assert_int_equal(events[2].kind, KS_EVENT_REFUSED);
	assert_int_equal(events[2].procedure, KS_PROCEDURE_APP_S_KEY);
	assert_int_equal(events[2].err, KW_E_NO_SESSION);
	assert_int_equal(world->backend.counters.accepted, 1);
}

/* In one transaction with a join that cannot be kept: neither is answered, and one join is not counted. */
static void test_a_failed_commit_counts_joins_only(void **state)
{
	struct world *world = *state;
	const struct made made = (add_ases(world), make(world, WORLD_1_0_3, 1));
	const struct ipc_backend_req asks = ask_as(world, WORLD_1_0_3, 1, &made);
	const struct ipc_backend_req joins = world_join_req(world, WORLD_1_0_4, 1);
	struct js_counters *counters = &world->backend.counters;
	struct ipc_backend_ans key, join;
	struct ks_txn *txn;

	assert_int_equal(counters->accepted, 1);
	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	(void)js_backend_answer(&world->backend, txn, &asks, &key);
	(void)js_backend_answer(&world->backend, txn, &joins, &join);
	ks_txn_abort(txn);
	assert_int_equal(key.err, KW_OK);
	js_backend_void(&world->backend, &key, KW_E_STORE_FULL);
	js_backend_void(&world->backend, &join, KW_E_STORE_FULL);
	assert_int_equal(key.err, KW_E_STORE_FULL);
	assert_int_equal(key.app_s_key.length, 0);
	assert_int_equal(counters->accepted, 1);
	assert_int_equal(counters->refused, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_keks_of_each_length),
		WORLD_TEST(test_sessions_of_each_kind),
		WORLD_TEST(test_clear_only_where_allowed),
		WORLD_TEST(test_session_that_is_not_there),
		WORLD_TEST(test_other_application_server),
		WORLD_TEST(test_device_moves_to_another),
		WORLD_TEST(test_device_without_application_server),
		WORLD_TEST(test_the_eleventh_session_is_forgotten),
		WORLD_TEST(test_device_registered_anew),
		WORLD_TEST(test_a_failed_commit_counts_joins_only),
		WORLD_TEST(test_join_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
