/* HomeNSReq over a real store: who is told the home network of a device, and which it is. */
#include "tests/js/world.h"

static void home_is_60(struct ks_policy *policy)
{
	policy->net_id_count = 2;
	policy->net_ids[0].octets[2] = 0x60;
	policy->net_ids[1].octets[2] = 0x61;
}

static void roams_in_14(struct ks_policy *policy)
{
	policy->roaming_count = 2;
	policy->roaming[0].octets[2] = 0x77;
	policy->roaming[1].octets[2] = 0x14;
}

static void has_ns_id_7(struct ks_policy *policy)
{
	policy->has_ns_id = true;
	policy->ns_id.octets[7] = 7;
}

static void peer_has_ns_id_8(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->has_ns_id = true;
	peer->ns_id.octets[7] = 8;
}

/* "theirs" is NetID 000014. */
static void setup_home(struct world *world)
{
	world_add_ns(world, "theirs", WORLD_THEIRS, 0x14);
	world_set_policy(world, WORLD_1_0_3, home_is_60);
	world_set_policy(world, WORLD_1_0_3, roams_in_14);
}

static void is_home(
	struct world *world, const struct ipc_backend_req *request, uint8_t net_id, uint8_t ns_id)
{
	struct ipc_backend_ans ans, expected = {.number = request->number};

	assert_int_equal(world_ask(world, request, &ans), KW_OK);
	memcpy(expected.peer, ans.peer, sizeof(expected.peer));
	expected.h_net_id[2] = net_id;
	expected.has_h_ns_id = ns_id != 0;
	expected.h_ns_id[7] = ns_id;
	assert_memory_equal(&ans, &expected, sizeof(ans));
}

static void test_roaming_partner_is_told(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_THEIRS, 0x14);
	uint64_t records = ks_fold_records(world->store);

	setup_home(world);
	is_home(world, &request, 0x60, 0);
	assert_int_equal(ks_fold_records(world->store), records); /* only the log will know */
}

static void test_others_are_not_told(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_OURS, 0x13);

	setup_home(world);
	world_refused(world, &request, KW_E_ROAMING);
	request = world_home_ns_req(world, WORLD_1_0_3, WORLD_NOBODYS, 0x14);
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request = world_home_ns_req(world, WORLD_1_0_3, WORLD_OURS, 0x14);
	world_refused(world, &request, KW_E_SENDER);
	request = world_home_ns_req(world, 99, WORLD_THEIRS, 0x14);
	world_refused(world, &request, KW_E_NO_DEVICE);
	request = world_home_ns_req(world, WORLD_1_0_3, WORLD_THEIRS, 0x14);
	request.has_dev_eui = 0;
	world_refused(world, &request, KW_E_MISSING);
	request.receiver[3] ^= 1;
	world_refused(world, &request, KW_E_RECEIVER);
}

static void home_is_13(struct ks_policy *policy)
{
	policy->net_id_count = 1;
	policy->net_ids[0].octets[2] = 0x13;
}

static void test_home_network_itself(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_OURS, 0x13);

	world_set_policy(world, WORLD_1_0_3, home_is_13);
	is_home(world, &request, 0x13, 0);
}

/* Left to --any-device peers: where it joined is home. Before that there is none. */
static void test_where_it_joined(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req ours = world_home_ns_req(world, WORLD_1_0_3, WORLD_OURS, 0x13);
	struct ipc_backend_req theirs = world_home_ns_req(world, WORLD_1_0_3, WORLD_THEIRS, 0x14);
	struct ipc_backend_req join;
	struct ipc_backend_ans ans;

	world_add_ns(world, "theirs", WORLD_THEIRS, 0x14);
	world_refused(world, &ours, KW_E_ROAMING);
	world_set_policy(world, WORLD_1_0_3, roams_in_14);
	world_refused(world, &theirs, KW_E_NO_HOME);
	join = world_join_req(world, WORLD_1_0_3, 1);
	assert_int_equal(world_ask(world, &join, &ans), KW_OK);
	is_home(world, &ours, 0x13, 0);
	is_home(world, &theirs, 0x13, 0);
}

static void none_but_61(struct ks_policy *policy)
{
	policy->net_id_count = 1;
	policy->net_ids[0].octets[2] = 0x61;
}

/* A network that may not join it any more is not its home any more. */
static void test_network_that_lost_the_device(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req join = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_OURS, 0x13);
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, &join, &ans), KW_OK);
	world_set_policy(world, WORLD_1_0_3, none_but_61);
	world_refused(world, &request, KW_E_ROAMING);
	world_add_ns(world, "theirs", WORLD_THEIRS, 0x14);
	world_set_policy(world, WORLD_1_0_3, roams_in_14);
	request = world_home_ns_req(world, WORLD_1_0_3, WORLD_THEIRS, 0x14);
	is_home(world, &request, 0x61, 0);
}

/* The last session among several that may join it. */
static void two_homes(struct ks_policy *policy)
{
	policy->net_id_count = 2;
	policy->net_ids[0].octets[2] = 0x60;
	policy->net_ids[1].octets[2] = 0x13;
}

static void test_several_homes(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req join = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_OURS, 0x13);
	struct ipc_backend_ans ans;

	world_set_policy(world, WORLD_1_0_3, two_homes);
	is_home(world, &request, 0x60, 0);
	assert_int_equal(world_ask(world, &join, &ans), KW_OK);
	is_home(world, &request, 0x13, 0);
	world_fold(world);
	world_reopen(world);
	is_home(world, &request, 0x13, 0);
}

static void test_ns_id_of_the_device(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_THEIRS, 0x14);

	setup_home(world);
	world_set_policy(world, WORLD_1_0_3, has_ns_id_7);
	is_home(world, &request, 0x60, 7);
}

/* Which NS of the network made the session; only if that network is the home that is told. */
static void test_ns_id_of_the_last_session(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req join = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_THEIRS, 0x14);
	struct ipc_backend_ans ans;

	world_add_ns(world, "theirs", WORLD_THEIRS, 0x14);
	world_set_policy(world, WORLD_1_0_3, roams_in_14);
	assert_int_equal(world_ask(world, &join, &ans), KW_OK);
	is_home(world, &request, 0x13, 0);
	world_change_peer(world, KS_PEER_NS, "ours", peer_has_ns_id_8);
	is_home(world, &request, 0x13, 8);
	world_set_policy(world, WORLD_1_0_3, none_but_61);
	is_home(world, &request, 0x61, 0);
}

static void test_ns_id_of_the_asking_server(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_THEIRS, 0x14);

	setup_home(world);
	world_change_peer(world, KS_PEER_NS, "theirs", peer_has_ns_id_8);
	is_home(world, &request, 0x60, 0); /* not asked for in 1.0 */
	request.protocol = IPC_PROTOCOL_1_1;
	world_refused(world, &request, KW_E_SENDER_NS_ID);
	request.has_ns_id = 1;
	request.sender_ns_id[7] = 8;
	is_home(world, &request, 0x60, 0);
}

static void test_join_log(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_home_ns_req(world, WORLD_1_0_3, WORLD_THEIRS, 0x14);
	struct ks_event events[3];

	setup_home(world);
	is_home(world, &request, 0x60, 0);
	is_home(world, &request, 0x60, 0);
	request = world_home_ns_req(world, WORLD_1_0_3, WORLD_OURS, 0x13);
	world_refused(world, &request, KW_E_ROAMING);
	assert_int_equal(world_events(world, events, 3), 2);
	assert_int_equal(events[0].kind, KS_EVENT_SERVED);
	assert_int_equal(events[0].procedure, KS_PROCEDURE_HOME_NS);
	assert_int_equal(events[0].net_id.octets[2], 0x14);
	assert_int_equal(events[0].repeats, 2);
	assert_int_equal(events[1].kind, KS_EVENT_REFUSED);
	assert_int_equal(events[1].procedure, KS_PROCEDURE_HOME_NS);
	assert_int_equal(events[1].err, KW_E_ROAMING);
	assert_false(events[1].has_last);
	assert_int_equal(world->backend.counters.accepted, 0);
	assert_int_equal(world_state(world, WORLD_1_0_3).joins_refused, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_roaming_partner_is_told),
		WORLD_TEST(test_others_are_not_told),
		WORLD_TEST(test_home_network_itself),
		WORLD_TEST(test_where_it_joined),
		WORLD_TEST(test_network_that_lost_the_device),
		WORLD_TEST(test_several_homes),
		WORLD_TEST(test_ns_id_of_the_device),
		WORLD_TEST(test_ns_id_of_the_last_session),
		WORLD_TEST(test_ns_id_of_the_asking_server),
		WORLD_TEST(test_join_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
