/* Who asks: credentials, SenderID and AS-ID, and what each kind of peer may ask at all. */
#include "tests/js/world.h"

#include <stdio.h>

static const uint8_t some_id[IPC_SESSION_ID_SIZE] = {1};

/* Show one more. */
static void show_too(struct ipc_backend_req *request, uint8_t kind, uint8_t digest)
{
	struct ipc_credential *credential = &request->credentials[request->credential_count++];

	credential->kind = kind;
	credential->digest[0] = digest;
}

static void has_certificate(struct world *world, struct ks_peer *peer)
{
	const uint8_t digest[KS_DIGEST_SIZE] = {50};

	assert_int_equal(ks_peer_add_credential(world->store, peer, KS_CREDENTIAL_CERTIFICATE,
				 digest, "c0ffee", 0),
		KW_OK);
}

static void test_any_credential_of_the_peer(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct ipc_backend_ans ans;

	world_change_peer(world, KS_PEER_NS, "ours", has_certificate);
	request = world_join_req(world, WORLD_1_0_3, 1);
	request.credential_count = 0;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	show_too(&request, IPC_CREDENTIAL_CERTIFICATE, 50);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_string_equal(ans.peer, "ours");
	/* The same octets of another kind are another credential. */
	request = world_join_req(world, WORLD_1_0_3, 2);
	request.credentials[0].kind = IPC_CREDENTIAL_HEADER;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request.credentials[0].kind = 0;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request.credentials[0].kind = 255;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
}

static void test_several_credentials_of_one_peer(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct ipc_backend_ans ans;

	world_change_peer(world, KS_PEER_NS, "ours", has_certificate);
	request = world_join_req(world, WORLD_1_0_3, 1);
	show_too(&request, IPC_CREDENTIAL_CERTIFICATE, 50);
	show_too(&request, IPC_CREDENTIAL_SUBJECT, 51); /* nobody's: says nothing */
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request = world_join_req(world, WORLD_1_0_3, 2);
	world_show(&request, WORLD_NOBODYS);
	while (request.credential_count < IPC_CREDENTIALS_MAX - 1) {
		show_too(&request, IPC_CREDENTIAL_SUBJECT, 51);
	}
	show_too(&request, IPC_CREDENTIAL_TOKEN, WORLD_OURS);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
}

static void test_credentials_of_two_peers(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);

	world_add_ns(world, "theirs", WORLD_THEIRS, 0x13);
	world_add_as(world, "as1", WORLD_AS);
	show_too(&request, IPC_CREDENTIAL_TOKEN, WORLD_THEIRS);
	world_refused(world, &request, KW_E_SENDER);
	/* Also if the first peer comes back at the end, and if the second is of another kind. */
	show_too(&request, IPC_CREDENTIAL_TOKEN, WORLD_OURS);
	world_refused(world, &request, KW_E_SENDER);
	world_show(&request, WORLD_OURS);
	show_too(&request, IPC_CREDENTIAL_TOKEN, WORLD_AS);
	world_refused(world, &request, KW_E_SENDER);
}

/* The front is not believed. */
static void test_more_credentials_than_there_is_room(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);

	request.credential_count = IPC_CREDENTIALS_MAX + 1;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request.credential_count = 255;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
}

static void of_000000(struct world *world, struct ks_peer *peer)
{
	(void)world;
	memset(peer->net_ids[0].octets, 0, LW_NET_ID_SIZE);
}

/* NetID 000000 is everybody's: the credential alone says who it is. */
static void test_two_peers_with_one_net_id(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);
	uint32_t theirs = world_add_ns(world, "theirs", WORLD_THEIRS, 0);
	struct ipc_backend_ans ans;

	world_change_peer(world, KS_PEER_NS, "ours", of_000000);
	request.sender_net_id[2] = 0;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_string_equal(ans.peer, "ours");
	world_show(&request, WORLD_THEIRS);
	world_refused(world, &request, KW_E_REPLAY);
	request = world_join_req(world, WORLD_1_0_3, 2);
	request.sender_net_id[2] = 0;
	world_show(&request, WORLD_THEIRS);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_string_equal(ans.peer, "theirs");
	assert_int_equal(world_state(world, WORLD_1_0_3).last_session.ns_peer, theirs);
}

static void test_network_server_may_not_fetch_app_s_key(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request =
		world_app_s_key_req(world, WORLD_1_0_3, "as1", WORLD_OURS, some_id);

	world_add_as(world, "as1", WORLD_AS);
	world_refused(world, &request, KW_E_SENDER);
	request.sender_is_net_id = 1;
	request.sender_net_id[2] = 0x13;
	world_refused(world, &request, KW_E_SENDER);
}

static void test_application_server_may_not_join(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req requests[3] = {
		world_join_req(world, WORLD_1_1, 1),
		world_rejoin_req(world, WORLD_1_1, LW_JOIN_REQ_REJOIN_1, 1, NULL),
		world_home_ns_req(world, WORLD_1_1, WORLD_AS, 0x13),
	};

	world_add_as(world, "as1", WORLD_AS);
	for (size_t i = 0; i < 3; i++) {
		world_show(&requests[i], WORLD_AS);
		strcpy(requests[i].as_id, "as1.example");
		world_refused(world, &requests[i], KW_E_SENDER);
	}
}

static void test_as_id_must_be_the_peers(void **state)
{
	static const char *const others[] = {
		"", "as2.example", "as1.exampl", "as1.example.", "AS1.example"};
	struct world *world = *state;
	struct ipc_backend_req request =
		world_app_s_key_req(world, WORLD_1_0_3, "as1", WORLD_AS, some_id);

	world_add_as(world, "as1", WORLD_AS);
	world_add_as(world, "as2", WORLD_AS_2);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(request.as_id, sizeof(request.as_id), "%s", others[i]);
		world_refused(world, &request, KW_E_SENDER);
	}
	/* A text without an end from the other process. */
	memset(request.as_id, 'a', sizeof(request.as_id));
	world_refused(world, &request, KW_E_SENDER);
	strcpy(request.as_id, "as1.example");
	world_refused(world, &request, KW_E_NO_SESSION);
}

/* ---- ErrorNotif, and what is not offered ---- */

static struct ipc_backend_req notif(uint8_t credential)
{
	struct ipc_backend_req request = {.number = 5,
		.procedure = IPC_PROCEDURE_ERROR_NOTIF,
		.protocol = IPC_PROTOCOL_1_1,
		.sender_is_net_id = 1,
		.sender_net_id = {0, 0, 0x13}};

	world_show(&request, credential);
	return request;
}

/* Known or not is all that is told, and nothing changes. */
static void test_error_notif(void **state)
{
	struct world *world = *state;
	struct ipc_backend_ans ans, expected = {.number = 5, .peer = "ours"};
	uint64_t records = ks_fold_records(world->store);
	struct ipc_backend_req request = notif(WORLD_OURS);
	struct ks_event event;

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_memory_equal(&ans, &expected, sizeof(ans));
	request = notif(WORLD_NOBODYS);
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request = notif(WORLD_OURS);
	request.sender_net_id[2] = 0x14;
	world_refused(world, &request, KW_E_SENDER);
	request.sender_is_net_id = 0;
	world_refused(world, &request, KW_E_SENDER);
	assert_int_equal(ks_fold_records(world->store), records);
	assert_int_equal(world->backend.counters.accepted, 0);
	assert_int_equal(world_events(world, &event, 1), 0);
}

static void test_error_notif_of_an_application_server(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = notif(WORLD_AS);
	struct ipc_backend_ans ans;

	world_add_as(world, "as1", WORLD_AS);
	world_refused(world, &request, KW_E_SENDER);
	strcpy(request.as_id, "as1.example");
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	assert_string_equal(ans.peer, "as1");
}

static void test_what_is_not_offered(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);

	request.procedure = IPC_PROCEDURE_NONE;
	world_refused(world, &request, KW_E_UNSUPPORTED);
	request.procedure = 77;
	world_refused(world, &request, KW_E_UNSUPPORTED);
	request.field_err = KW_E_UNSUPPORTED;
	world_refused(world, &request, KW_E_UNSUPPORTED);
	world_show(&request, WORLD_NOBODYS);
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
}

static void test_a_token_for_a_test_stands_for_a_minute(void **state)
{
	struct world *world = *state;
	struct js_probe *probe = &world->backend.probe;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_ans ans;

	request.credential_count = 0;
	show_too(&request, IPC_CREDENTIAL_TOKEN, 77);
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	probe->peer = ks_peer_by_name(world->store, KS_PEER_NS, "ours")->id;
	probe->digest[0] = 77;
	probe->until_us = world->now_ms * 1000 + JS_PROBE_US;
	request.credentials[0].kind = IPC_CREDENTIAL_HEADER;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	request.credentials[0].kind = IPC_CREDENTIAL_TOKEN;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world->now_ms += JS_PROBE_US / 1000 - 1;
	request = world_join_req(world, WORLD_1_0_3, 2);
	request.credentials[0].digest[0] = 77;
	memset(request.credentials[0].digest + 1, 0, IPC_DIGEST_SIZE - 1);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	/* The peer's own stands beside it. */
	request = world_join_req(world, WORLD_1_0_3, 3);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request = world_join_req(world, WORLD_1_0_3, 4);
	request.credentials[0].digest[0] = 77;
	memset(request.credentials[0].digest + 1, 0, IPC_DIGEST_SIZE - 1);
	world->now_ms++;
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_any_credential_of_the_peer),
		WORLD_TEST(test_several_credentials_of_one_peer),
		WORLD_TEST(test_credentials_of_two_peers),
		WORLD_TEST(test_more_credentials_than_there_is_room),
		WORLD_TEST(test_two_peers_with_one_net_id),
		WORLD_TEST(test_network_server_may_not_fetch_app_s_key),
		WORLD_TEST(test_application_server_may_not_join),
		WORLD_TEST(test_as_id_must_be_the_peers),
		WORLD_TEST(test_error_notif),
		WORLD_TEST(test_error_notif_of_an_application_server),
		WORLD_TEST(test_what_is_not_offered),
		WORLD_TEST(test_a_token_for_a_test_stands_for_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
