/* The table of devices for which failures come again and again. */
#include "tests/js/world.h"

#define START_US  UINT64_C(5000000)
#define SECOND_US UINT64_C(1000000)
/* 64 of them to a set of four slots: that a set gets fewer than four happens once in 10^20 secrets. */
#define MANY (16 * JS_SUSPECTS_SLOTS)

static struct js_suspects suspects;
static struct ks_event alarm;

static int setup(void **state)
{
	(void)state;
	return js_suspects_init(&suspects, &kw_env_system) == KW_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	js_suspects_finish(&suspects);
	return 0;
}

static struct ks_event failure(unsigned device, enum kw_err err)
{
	struct ks_event event = {.kind = KS_EVENT_REFUSED,
		.err = err,
		.repeats = 1,
		.time_ms = 4711,
		.net_id = {{0x60, 0, 0x13}},
		.ns_peer = 9};

	memset(event.id.join_eui.octets, 0x70, LW_EUI_SIZE);
	memcpy(event.id.dev_eui.octets, &device, sizeof(device));
	return event;
}

/* So many failures at once; @return what the last was. */
static enum js_suspects_verdict fails(
	unsigned device, enum kw_err err, unsigned times, uint64_t now_us)
{
	const struct ks_event event = failure(device, err);
	enum js_suspects_verdict verdict = JS_SUSPECTS_USUAL;

	for (unsigned i = 0; i < times; i++) {
		verdict = js_suspects_note(&suspects, &event, now_us, &alarm);
	}
	return verdict;
}

static void one_alarm_a_window(void **state)
{
	(void)state;
	assert_int_equal(fails(1, KW_E_MIC, JS_SUSPECTS_ALARM - 1, START_US), JS_SUSPECTS_USUAL);
	assert_int_equal(suspects.alarmed, 0);
	assert_int_equal(fails(1, KW_E_MIC, 1, START_US + 3 * SECOND_US), JS_SUSPECTS_RAISED);
	assert_int_equal(alarm.kind, KS_EVENT_ALARM);
	assert_int_equal(alarm.err, KW_E_MIC);
	assert_int_equal(alarm.repeats, JS_SUSPECTS_ALARM);
	assert_int_equal(alarm.seconds, 4);
	assert_int_equal(alarm.time_ms, 4711);
	assert_int_equal(alarm.ns_peer, 9);
	assert_int_equal(alarm.net_id.octets[0], 0x60);
	assert_int_equal(fails(1, KW_E_MIC, 1000, START_US + 4 * SECOND_US), JS_SUSPECTS_COUNTED);
	assert_int_equal(suspects.alarmed, 1);
	/* What came after it is told when the window is over, once, even if there is more by then. */
	assert_false(js_suspects_end(&suspects, START_US + JS_SUSPECTS_WINDOW_US - 1, &alarm));
	assert_int_equal(
		fails(1, KW_E_MIC, 1, START_US + JS_SUSPECTS_WINDOW_US), JS_SUSPECTS_COUNTED);
	assert_true(js_suspects_end(&suspects, START_US + JS_SUSPECTS_WINDOW_US, &alarm));
	assert_int_equal(alarm.repeats, JS_SUSPECTS_ALARM + 1001);
	assert_int_equal(alarm.seconds, 61);
	assert_false(js_suspects_end(&suspects, START_US + JS_SUSPECTS_WINDOW_US, &alarm));
	assert_int_equal(suspects.alarmed, 0);
	/* And the next window begins afresh. */
	assert_int_equal(
		fails(1, KW_E_MIC, JS_SUSPECTS_ALARM - 1, START_US + JS_SUSPECTS_WINDOW_US),
		JS_SUSPECTS_USUAL);
	assert_int_equal(
		fails(1, KW_E_MIC, 1, START_US + JS_SUSPECTS_WINDOW_US), JS_SUSPECTS_RAISED);
	/* Nothing came after it, so nothing more is told. */
	assert_false(js_suspects_end(&suspects, START_US + 2 * JS_SUSPECTS_WINDOW_US, &alarm));
	assert_int_equal(suspects.alarmed, 0);
}

static void a_few_now_and_then_are_none(void **state)
{
	uint64_t now_us = START_US;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(
			fails(1, KW_E_MIC, JS_SUSPECTS_ALARM - 1, now_us), JS_SUSPECTS_USUAL);
		now_us += JS_SUSPECTS_WINDOW_US;
	}
	/* Nor are other refusals, however many. */
	assert_int_equal(fails(1, KW_E_BLOCKED, 1000, now_us), JS_SUSPECTS_USUAL);
	assert_int_equal(fails(1, KW_E_MIC, 1, now_us), JS_SUSPECTS_USUAL);
}

static void kinds_and_devices_are_apart(void **state)
{
	struct ks_event other = failure(1, KW_E_MIC);

	(void)state;
	assert_int_equal(fails(1, KW_E_MIC, JS_SUSPECTS_ALARM - 1, START_US), JS_SUSPECTS_USUAL);
	assert_int_equal(fails(1, KW_E_REPLAY, JS_SUSPECTS_ALARM - 1, START_US), JS_SUSPECTS_USUAL);
	assert_int_equal(fails(2, KW_E_MIC, JS_SUSPECTS_ALARM - 1, START_US), JS_SUSPECTS_USUAL);
	/* Nor is the same DevEUI under another JoinEUI the same device. */
	other.id.join_eui.octets[7] ^= 1;
	assert_int_equal(js_suspects_note(&suspects, &other, START_US, &alarm), JS_SUSPECTS_USUAL);
	assert_int_equal(fails(1, KW_E_REPLAY, 1, START_US), JS_SUSPECTS_RAISED);
	assert_int_equal(alarm.err, KW_E_REPLAY);
	assert_int_equal(fails(1, KW_E_MIC, 1, START_US), JS_SUSPECTS_RAISED);
	assert_int_equal(alarm.err, KW_E_MIC);
	assert_int_equal(suspects.alarmed, 1);
	assert_int_equal(fails(1, KW_E_MIC, 5, START_US), JS_SUSPECTS_COUNTED);
	assert_int_equal(fails(1, KW_E_REPLAY, 6, START_US), JS_SUSPECTS_COUNTED);
	assert_true(js_suspects_end(&suspects, START_US + JS_SUSPECTS_WINDOW_US, &alarm));
	assert_true(js_suspects_end(&suspects, START_US + JS_SUSPECTS_WINDOW_US, &alarm));
	assert_int_equal(alarm.repeats, JS_SUSPECTS_ALARM + 6);
	assert_false(js_suspects_end(&suspects, START_US + JS_SUSPECTS_WINDOW_US, &alarm));
}

/* However many devices fail, one under attack is not lost among them while there is room in its set. */
static void others_do_not_push_out_an_alarm(void **state)
{
	(void)state;
	assert_int_equal(fails(MANY, KW_E_MIC, JS_SUSPECTS_ALARM, START_US), JS_SUSPECTS_RAISED);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(fails(i, KW_E_MIC, 1, START_US + i), JS_SUSPECTS_USUAL);
	}
	assert_int_equal(fails(MANY, KW_E_MIC, 1, START_US + MANY), JS_SUSPECTS_COUNTED);
	/* Alarms for more than there are slots: as many as there are remain, and all of them end. */
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(fails(i, KW_E_REPLAY, JS_SUSPECTS_ALARM + 1, START_US + MANY),
			JS_SUSPECTS_COUNTED);
	}
	assert_int_equal(suspects.alarmed, JS_SUSPECTS_SLOTS);
	for (unsigned i = 0;
		js_suspects_end(&suspects, START_US + 2 * JS_SUSPECTS_WINDOW_US, &alarm); i++) {
		assert_true(i < JS_SUSPECTS_SLOTS);
	}
	assert_int_equal(suspects.alarmed, 0);
}

static void rejoins_are_slowed_down_with_an_alarm_only(void **state)
{
	const struct ks_event event = failure(1, KW_E_MIC);
	uint64_t now_us = START_US;
	unsigned may = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_true(js_suspects_may_rejoin(&suspects, &event.id, now_us));
	}
	assert_int_equal(fails(1, KW_E_MIC, JS_SUSPECTS_ALARM, now_us), JS_SUSPECTS_RAISED);
	for (unsigned i = 0; i < 1000; i++) {
		may += js_suspects_may_rejoin(&suspects, &event.id, now_us);
		now_us += 1000;
	}
	assert_int_equal(may, 10);
	assert_false(js_suspects_end(&suspects, START_US + JS_SUSPECTS_WINDOW_US, &alarm));
	assert_true(js_suspects_may_rejoin(&suspects, &event.id, now_us));
	assert_true(js_suspects_may_rejoin(&suspects, &event.id, now_us));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_alarm_a_window),
		CASE(a_few_now_and_then_are_none),
		CASE(kinds_and_devices_are_apart),
		CASE(others_do_not_push_out_an_alarm),
		CASE(rejoins_are_slowed_down_with_an_alarm_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
