/* What one peer may ask, what became too old to be answered, and what is made of attacks on a device. */
#include "js/convert.h"
#include "tests/js/world.h"

#define MANY  40 /* devices, from this one on */
#define FIRST 100

static void slow(struct world *world, struct ks_peer *peer)
{
	(void)world;
	peer->rate = 10;
	peer->burst = 3;
}

/* How many of so many requests of a peer were worked on; none is well formed. */
static unsigned asks(struct world *world, uint8_t credential, unsigned times)
{
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_ans ans;
	unsigned worked = 0;

	world_show(&request, credential);
	request.field_err = KW_E_HEX;
	for (unsigned i = 0; i < times; i++) {
		const enum kw_err err = world_ask(world, &request, &ans);

		assert_true(err == KW_E_HEX || err == KW_E_RATE);
		worked += err == KW_E_HEX;
	}
	return worked;
}

static void test_rate_of_a_peer(void **state)
{
	struct world *world = *state;
	const struct js_alarms *alarms = &world->backend.alarms;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);

	world_add_ns(world, "theirs", WORLD_THEIRS, 0x13);
	assert_int_equal(asks(world, WORLD_OURS, 1000), 1000);
	assert_int_equal(alarms->rate_ms, 0);
	world_change_peer(world, KS_PEER_NS, "ours", slow);
	assert_int_equal(asks(world, WORLD_OURS, 100), 3);
	/* The header does not matter, the credential does: no request of the peer is without a price. */
	request.sender_net_id[2] = 0x77;
	world_refused(world, &request, KW_E_RATE);
	/* Others have their own. */
	assert_int_equal(asks(world, WORLD_THEIRS, 100), 100);
	assert_true(alarms->rate_ms != 0);
	assert_string_equal(alarms->rate_peer, "ours");
	assert_int_equal(world->backend.counters.rate_refused, 98);
	world->now_ms += 100;
	assert_int_equal(asks(world, WORLD_OURS, 100), 1);
	world->now_ms += 250;
	assert_int_equal(asks(world, WORLD_OURS, 100), 2);
	world->now_ms += 3600 * 1000;
	assert_int_equal(asks(world, WORLD_OURS, 100), 3);
	/* A refusal costs nothing of what comes. */
	world->now_ms += 100;
	assert_int_equal(asks(world, WORLD_OURS, 1), 1);
}

static void test_rate_of_the_configuration(void **state)
{
	struct world *world = *state;

	world_add_ns(world, "theirs", WORLD_THEIRS, 0x13);
	world->backend.peer_rate = 50;
	assert_int_equal(asks(world, WORLD_OURS, 200), 100);
	assert_int_equal(asks(world, WORLD_THEIRS, 200), 100);
	world->now_ms += 1000;
	assert_int_equal(asks(world, WORLD_THEIRS, 200), 50);
	/* A rate of its own goes before. */
	world->now_ms += 10000;
	world_change_peer(world, KS_PEER_NS, "ours", slow);
	assert_int_equal(asks(world, WORLD_OURS, 200), 3);
}

static void test_nobody_in_particular_has_no_rate(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);

	world->backend.peer_rate = 1;
	world_show(&request, WORLD_NOBODYS);
	for (unsigned i = 0; i < 100; i++) {
		world_refused(world, &request, KW_E_UNAUTHENTICATED);
	}
	assert_int_equal(world->backend.rates.count, 0);
}

static void test_late_is_not_worked_on(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_ans ans;

	request.arrived_ms = (uint32_t)world->now_ms - IPC_LATE_MS - 1;
	world_refused(world, &request, KW_E_TIMEOUT);
	assert_int_equal(world->backend.counters.late_refused, 1);
	assert_int_equal(world_state(world, WORLD_1_0_3).dev_nonce_count, 0);
	/* In time, from a clock that is ahead, or from nobody who says when. */
	request.arrived_ms = (uint32_t)world->now_ms - IPC_LATE_MS;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request = world_join_req(world, WORLD_1_0_3, 2);
	request.arrived_ms = (uint32_t)world->now_ms + 60000;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request = world_join_req(world, WORLD_1_0_3, 3);
	request.arrived_ms = 0;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
}

/* A sender who may not ask gets the same answer whether he was in time or not. */
static void test_late_strangers_are_strangers(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);

	request.arrived_ms = (uint32_t)world->now_ms - IPC_LATE_MS - 1;
	world_show(&request, WORLD_NOBODYS);
	world_refused(world, &request, KW_E_UNAUTHENTICATED);
	world_show(&request, WORLD_OURS);
	request.sender_net_id[2] = 0x77;
	world_refused(world, &request, KW_E_SENDER);
	assert_int_equal(world->backend.counters.late_refused, 0);
}

/* Nothing was done for it, so it takes nothing of what the peer may ask. */
static void test_late_is_not_counted_against_the_peer(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_ans ans;

	world_change_peer(world, KS_PEER_NS, "ours", slow);
	request.arrived_ms = (uint32_t)world->now_ms - IPC_LATE_MS - 1;
	for (unsigned i = 0; i < 100; i++) {
		world_refused(world, &request, KW_E_TIMEOUT);
	}
	assert_int_equal(world->backend.counters.late_refused, 100);
	request.arrived_ms = (uint32_t)world->now_ms;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
}

static void test_guessing_raises_an_alarm_and_locks_nobody_out(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 1);
	struct ipc_backend_ans ans;
	struct ks_event events[8];
	char words[IPC_TEXT_SIZE];
	struct ipc_event event;

	request.phy_payload[22] ^= 1;
	for (unsigned i = 0; i < 5000; i++) {
		world_refused(world, &request, KW_E_MIC);
	}
	assert_int_equal(world->backend.alarms.count[JS_SUSPECTS_MIC], 1);
	assert_int_equal(world->backend.counters.mic_failures, 5000);
	/* The usual ones as one entry, and the alarm. */
	assert_int_equal(world_events(world, events, 8), 2);
	assert_int_equal(events[0].kind, KS_EVENT_REFUSED);
	assert_int_equal(events[0].repeats, JS_SUSPECTS_ALARM - 1);
	assert_int_equal(events[1].kind, KS_EVENT_ALARM);
	assert_int_equal(events[1].repeats, JS_SUSPECTS_ALARM);
	js_event_to_ipc(&events[1], ks_peer_by_id(world->store, events[1].ns_peer), &event);
	ipc_event_words(&event, words);
	assert_string_equal(words,
		"MIC guessing: 20 wrong MICs in 1 s from NetID 000013 (ours); the "
		"device can join as before");
	/* The device itself joins in the middle of it. */
	request = world_join_req(world, WORLD_1_0_3, 1);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world->now_ms += JS_SUSPECTS_WINDOW_US / 1000;
	assert_true(js_backend_watches(&world->backend));
	js_backend_tick(&world->backend);
	assert_false(js_backend_watches(&world->backend));
	assert_int_equal(world_events(world, events, 8), 4);
	assert_int_equal(events[3].kind, KS_EVENT_ALARM);
	assert_int_equal(events[3].err, KW_E_MIC);
	assert_int_equal(events[3].repeats, 5000);
	assert_true(events[3].time_ms == world->now_ms);
}

/* Each is counted and in the join log; the operator's log takes ten lines a second. */
static void test_alarms_of_many_devices_do_not_fill_the_log(void **state)
{
	struct world *world = *state;
	struct world_log log;

	for (unsigned n = 0; n < MANY; n++) {
		world_add_device(world, (uint8_t)(FIRST + n), LW_VERSION_1_0_4);
	}
	world_log_begin(&log);
	for (unsigned n = 0; n < MANY; n++) {
		struct ipc_backend_req request = world_join_req(world, (uint8_t)(FIRST + n), 1);

		request.phy_payload[22] ^= 1;
		for (unsigned i = 0; i < JS_SUSPECTS_ALARM; i++) {
			world_refused(world, &request, KW_E_MIC);
		}
	}
	world_log_end(&log, "MIC guessing");
	assert_int_equal(world->backend.alarms.count[JS_SUSPECTS_MIC], MANY);
}

static void test_replays_raise_an_alarm(void **state)
{
	struct world *world = *state;
	const struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, 7);
	struct ipc_backend_req next;
	struct ipc_backend_ans ans;
	struct ks_event events[8];

	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	world_wait(world);
	for (unsigned i = 0; i < 100; i++) {
		world_refused(world, &request, KW_E_REPLAY);
	}
	assert_int_equal(world->backend.alarms.count[JS_SUSPECTS_REPLAY], 1);
	assert_int_equal(world->backend.alarms.count[JS_SUSPECTS_MIC], 0);
	assert_int_equal(world_events(world, events, 8), 3);
	assert_int_equal(events[2].kind, KS_EVENT_ALARM);
	assert_int_equal(events[2].err, KW_E_REPLAY);
	next = world_join_req(world, WORLD_1_0_3, 8);
	assert_int_equal(world_ask(world, &next, &ans), KW_OK);
}

static void test_guessed_rejoins_are_slowed_down(void **state)
{
	struct world *world = *state;
	const struct ipc_backend_req join = world_join_req(world, WORLD_1_1, 1);
	const struct lw_key wrong = {{1}};
	struct lw_session_keys keys;
	struct ipc_backend_req request;
	struct ipc_backend_ans ans;
	unsigned checked = 0, slowed = 0;

	world_joins(world, &join, &keys);
	request = world_rejoin_req(world, WORLD_1_1, LW_JOIN_REQ_REJOIN_0, 1, &wrong);
	for (unsigned i = 0; i < 1000; i++) {
		const enum kw_err err = world_ask(world, &request, &ans);

		checked += err == KW_E_MIC;
		slowed += err == KW_E_RATE;
	}
	assert_int_equal(checked, JS_SUSPECTS_ALARM);
	assert_int_equal(slowed, 1000 - JS_SUSPECTS_ALARM);
	/* Its own is checked as soon as there is a place, and it can join at once. */
	request = world_rejoin_req(world, WORLD_1_1, LW_JOIN_REQ_REJOIN_0, 1, &keys.s_nwk_s_int);
	world_refused(world, &request, KW_E_RATE);
	world->now_ms += JS_SUSPECTS_REJOIN_US / 1000;
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	request = world_join_req(world, WORLD_1_1, 2);
	assert_int_equal(world_ask(world, &request, &ans), KW_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_rate_of_a_peer),
		WORLD_TEST(test_rate_of_the_configuration),
		WORLD_TEST(test_nobody_in_particular_has_no_rate),
		WORLD_TEST(test_late_is_not_worked_on),
		WORLD_TEST(test_late_strangers_are_strangers),
		WORLD_TEST(test_late_is_not_counted_against_the_peer),
		WORLD_TEST(test_guessing_raises_an_alarm_and_locks_nobody_out),
		WORLD_TEST(test_alarms_of_many_devices_do_not_fill_the_log),
		WORLD_TEST(test_replays_raise_an_alarm),
		WORLD_TEST(test_guessed_rejoins_are_slowed_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
