/*
 * A store that is damaged, or at its end: each procedure refuses and says why, and counts nothing as
 * accepted. What each record is good for is in tests/keystore/test_damage.c.
 */
#include "keystore/history.h"
#include "keystore/internal.h"
#include "tests/js/world.h"

#define DEVICE 0x21 /* as WORLD_1_0_3, of which there is one more */

static struct ks_txn *begin(struct world *world)
{
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	return txn;
}

static void put(struct ks_txn *txn, MDB_dbi table, uint8_t number, const void *value, size_t length)
{
	const struct lw_device_id id = world_id(number);
	uint8_t key[KS_ID_SIZE];

	ks_id_write(&id, key);
	assert_int_equal(ks_put(txn, table, key, sizeof(key), value, length, 0), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void spoil_state(struct world *world, uint8_t number)
{
	uint8_t value[50];

	world_fold(world);
	memset(value, 0xaa, sizeof(value));
	put(begin(world), world->store->tables.state, number, value, sizeof(value));
}

/* As world_refused(), of a device whose state does not read. */
static void refused(
	struct world *world, const struct ipc_backend_req *request, enum kw_err expected)
{
	const uint64_t records = ks_fold_records(world->store);
	struct ipc_backend_ans ans, empty = {.number = request->number, .err = expected};

	assert_int_equal(world_ask(world, request, &ans), expected);
	memcpy(empty.peer, ans.peer, sizeof(empty.peer));
	assert_memory_equal(&ans, &empty, sizeof(ans));
	assert_int_equal(ks_fold_records(world->store), records);
}

static void test_state_that_does_not_read(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_1, 1);
	struct lw_session_keys keys;
	uint8_t some_id[IPC_SESSION_ID_SIZE] = {1};

	world_add_as(world, "as1", WORLD_AS);
	world_joins(world, &request, &keys);
	spoil_state(world, WORLD_1_1);
	request = world_join_req(world, WORLD_1_1, 2);
	refused(world, &request, KW_E_STORE_DAMAGED);
	request = world_rejoin_req(world, WORLD_1_1, LW_JOIN_REQ_REJOIN_0, 1, &keys.s_nwk_s_int);
	refused(world, &request, KW_E_STORE_DAMAGED);
	request = world_rejoin_req(world, WORLD_1_1, LW_JOIN_REQ_REJOIN_1, 1, NULL);
	refused(world, &request, KW_E_STORE_DAMAGED);
	request = world_app_s_key_req(world, WORLD_1_1, "as1", WORLD_AS, some_id);
	refused(world, &request, KW_E_STORE_DAMAGED);
	request = world_home_ns_req(world, WORLD_1_1, WORLD_OURS, 0x13);
	refused(world, &request, KW_E_STORE_DAMAGED);
	assert_int_equal(world->backend.counters.accepted, 1);
	assert_int_equal(world->backend.counters.refused, 5);
	/* A forged frame gets no further than without the damage. */
	request = world_join_req(world, WORLD_1_1, 2);
	request.phy_payload[22] ^= 1;
	refused(world, &request, KW_E_MIC);
}

/* The sealed keys of one device under another one. */
static void move_keys(struct world *world, uint8_t from, uint8_t to)
{
	const struct lw_device_id id = world_id(from);
	uint8_t key[KS_ID_SIZE], value[512];
	struct ks_txn *txn = begin(world);
	const uint8_t *found;
	size_t length;

	ks_id_write(&id, key);
	assert_int_equal(
		ks_get(txn, world->store->tables.device, key, sizeof(key), &found, &length), KW_OK);
	assert_true(length <= sizeof(value));
	memcpy(value, found, length);
	put(txn, world->store->tables.device, to, value, length);
}

static void test_root_keys_that_do_not_open(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, DEVICE, 1);
	struct ipc_backend_ans ans;

	world_add_as(world, "as1", WORLD_AS);
	world_add_device(world, DEVICE, LW_VERSION_1_0_3);
	world_set_as(world, DEVICE, "as1");
	world_set_as(world, WORLD_1_0_3, "as1");
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(ans.has_session_key_id, 1);
	move_keys(world, WORLD_1_0_3, DEVICE);
	request = world_join_req(world, DEVICE, 2);
	world_refused(world, &request, KW_E_SEAL);
	request = world_app_s_key_req(world, DEVICE, "as1", WORLD_AS, ans.session_key_id);
	world_refused(world, &request, KW_E_SEAL);
}

static void spoil_kek(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->keks[0].sealed.octets[20] ^= 1;
}

/* Never a reason to send keys in the clear. */
static void test_kek_that_does_not_open(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_ans ans;

	world_add_kek(world, KS_PEER_NS, "ours", "n", 0x21, 16);
	world_change_peer(world, KS_PEER_NS, "ours", spoil_kek);
	world_refused(world, &request, KW_E_SEAL);
	world_add_kek(world, KS_PEER_NS, "ours", "n2", 0x22, 16);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_string_equal(ans.nwk_kek_label, "n2");
}

static void test_join_nonces_run_out(void **state)
{
	struct world *world = *state;
	const struct lw_device_id id = world_id(WORLD_1_0_4);
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_4, 1);
	struct ks_txn *txn = begin(world);
	struct ks_history history;
	struct ipc_backend_ans ans;

	ks_history_init(&history);
	history.next_join_nonce = LW_JOIN_NONCE_MAX;
	assert_int_equal(ks_history_store(txn, &id, &history), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_int_equal(world_join_nonce(world, &request, &ans), LW_JOIN_NONCE_MAX);
	request = world_join_req(world, WORLD_1_0_4, 2);
	world_refused(world, &request, KW_E_EXHAUSTED);
}

/* Of an older Keyward, which did not note how it delivered: what was sent cannot be sent again. */
static void test_session_without_its_delivery(void **state)
{
	struct world *world = *state;
	const struct lw_device_id id = world_id(WORLD_1_0_3);
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);
	struct ks_history history;
	struct ipc_backend_ans ans;
	struct ks_txn *txn;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world_fold(world);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	txn = begin(world);
	assert_int_equal(ks_history_load(txn, &id, &history), KW_OK);
	history.sessions[0].delivery = KS_DELIVERY_DEFAULT;
	assert_int_equal(ks_history_store(txn, &id, &history), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	world_refused(world, &request, KW_E_REPLAY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_state_that_does_not_read),
		WORLD_TEST(test_root_keys_that_do_not_open),
		WORLD_TEST(test_kek_that_does_not_open),
		WORLD_TEST(test_join_nonces_run_out),
		WORLD_TEST(test_session_without_its_delivery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
