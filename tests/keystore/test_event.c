#include "keystore/journal.h"
#include "tests/keystore/scratch.h"

#include <string.h>

#define V104    LW_VERSION_1_0_4
#define RECORDS 60

/* Three devices take turns; every fifth record is a refusal, every seventh a repeated answer. */
static void fill(struct scratch *scratch)
{
	struct ks_txn *txn = scratch_begin(scratch);

	for (uint16_t i = 1; i <= RECORDS; i++) {
		const struct lw_device_id id = scratch_id(i % 3);
		struct ks_event event = scratch_refusal(&id, i);

		if (i % 5 == 0) {
			assert_int_equal(ks_event_add(txn, &event), KW_OK);
		} else if (i % 7 == 0) {
			event.kind = KS_EVENT_REPEATED;
			event.err = KW_OK;
			event.join_nonce = 3;
			assert_int_equal(ks_event_add(txn, &event), KW_OK);
		} else {
			assert_int_equal(scratch_join_in(txn, &id, V104, i), KW_OK);
		}
	}
	scratch_commit(txn);
}

static void check(const struct ks_event *event, uint64_t sequence)
{
	const struct lw_device_id id = scratch_id((uint32_t)sequence % 3);

	assert_int_equal(event->sequence, sequence);
	assert_memory_equal(&event->id, &id, sizeof(id));
	if (sequence % 5 == 0) {
		assert_int_equal(event->kind, KS_EVENT_REFUSED);
		assert_int_equal(event->err, KW_E_MIC);
		assert_int_equal(event->repeats, sequence);
	} else if (sequence % 7 == 0) {
		assert_int_equal(event->kind, KS_EVENT_REPEATED);
		assert_int_equal(event->err, KW_OK);
		assert_int_equal(event->join_nonce, 3);
	} else {
		assert_int_equal(event->kind, KS_EVENT_ACCEPTED);
		assert_int_equal(event->err, KW_OK);
		assert_int_equal(event->registered, V104);
		assert_int_equal(event->mac_version, LW_VERSION_1_0_3);
		assert_int_equal(event->dev_nonce, sequence);
		assert_int_equal(event->repeats, 1);
		assert_int_equal(event->has_last, sequence > 3);
		assert_in_range(event->join_nonce, 1, RECORDS);
	}
}

/* All pages one after the other; a sequence below 1 or beyond the end ends them. */
static unsigned read_all(struct scratch *scratch, bool backwards, const struct lw_eui *dev_eui,
	size_t max, size_t max_looked)
{
	uint64_t after = 0;
	uint64_t last = backwards ? RECORDS + 1 : 0;
	unsigned seen = 0;
	bool more = true;
	struct ks_event events[RECORDS + 1];

	while (more) {
		struct ks_txn *txn = scratch_begin(scratch);
		int count = ks_events_get(
			txn, after, backwards, dev_eui, events, max, max_looked, &after, &more);

		ks_txn_abort(txn);
		assert_in_range(count, 0, max);
		for (int i = 0; i < count; i++) {
			assert_true(
				backwards ? events[i].sequence < last : events[i].sequence > last);
			last = events[i].sequence;
			check(&events[i], last);
			assert_true(
				dev_eui == NULL || lw_eui_equal(&events[i].id.dev_eui, dev_eui));
			seen++;
		}
	}
	return seen;
}

static void pages(struct scratch *scratch)
{
	const struct lw_device_id id = scratch_id(2);
	static const size_t sizes[] = {1, 2, 7, 19, 20, 21, 59, 60, 61};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (unsigned backwards = 0; backwards < 2; backwards++) {
			size_t max = sizes[i];

			assert_int_equal(read_all(scratch, backwards, NULL, max, 1000), RECORDS);
			assert_int_equal(read_all(scratch, backwards, NULL, RECORDS, max), RECORDS);
			assert_int_equal(
				read_all(scratch, backwards, &id.dev_eui, max, 1000), RECORDS / 3);
			assert_int_equal(read_all(scratch, backwards, &id.dev_eui, RECORDS, max),
				RECORDS / 3);
		}
	}
}

static void pages_in_both_directions(void **state)
{
	struct scratch *scratch = *state;

	fill(scratch);
	pages(scratch);
	scratch_fold_all(scratch);
	scratch_reopen(scratch);
	pages(scratch);
}

static void the_ends_of_the_log(void **state)
{
	struct scratch *scratch = *state;
	struct ks_event events[4];
	struct ks_txn *txn = scratch_begin(scratch);
	uint64_t resume;
	bool more;

	assert_int_equal(ks_events_get(txn, 0, false, NULL, events, 4, 10, &resume, &more), 0);
	assert_false(more);
	assert_int_equal(resume, 0);
	assert_int_equal(ks_events_get(txn, 0, true, NULL, events, 4, 10, &resume, &more), 0);
	assert_false(more);
	ks_txn_abort(txn);
	fill(scratch);
	txn = scratch_begin(scratch);
	assert_int_equal(
		ks_events_get(txn, RECORDS, false, NULL, events, 4, 10, &resume, &more), 0);
	assert_false(more);
	assert_int_equal(resume, RECORDS); /* what comes next is read from here */
	assert_int_equal(
		ks_events_get(txn, UINT64_MAX, false, NULL, events, 4, 10, &resume, &more), 0);
	assert_int_equal(
		ks_events_get(txn, UINT64_MAX, true, NULL, events, 4, 10, &resume, &more), 4);
	assert_int_equal(events[0].sequence, RECORDS);
	assert_int_equal(ks_events_get(txn, 1, true, NULL, events, 4, 10, &resume, &more), 0);
	assert_false(more);
	assert_int_equal(ks_events_get(txn, 3, true, NULL, events, 2, 10, &resume, &more), 2);
	assert_false(more);
	assert_int_equal(resume, 1);
	assert_int_equal(ks_events_get(txn, 0, false, NULL, events, 0, 10, &resume, &more), 0);
	assert_true(more);
	assert_int_equal(ks_events_get(txn, 0, false, NULL, events, 4, 0, &resume, &more), 0);
	assert_true(more);
	ks_txn_abort(txn);
}

static void refusals_are_counted(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_event refusal = scratch_refusal(&id, 3);

	for (unsigned round = 1; round <= 6; round++) {
		struct ks_txn *txn = scratch_begin(scratch);

		assert_int_equal(ks_event_add(txn, &refusal), KW_OK);
		refusal.kind = KS_EVENT_REPEATED;
		refusal.err = KW_OK;
		assert_int_equal(ks_event_add(txn, &refusal), KW_OK);
		refusal = scratch_refusal(&id, 3);
		scratch_commit(txn);
		if (round == 2) {
			scratch_fold_all(scratch);
		} else if (round == 3 || round == 5) {
			scratch_reopen(scratch);
		} else if (round == 4) {
			assert_int_equal(scratch_join(scratch, &id, V104, 9), KW_OK);
		}
		assert_int_equal(scratch_state(scratch, &id).joins_refused, 3 * round);
		assert_int_equal(scratch_state(scratch, &id).joins_accepted, round >= 4);
	}
	refusal.repeats = UINT32_MAX;
	for (unsigned i = 0; i < 2; i++) {
		struct ks_txn *txn = scratch_begin(scratch);

		assert_int_equal(ks_event_add(txn, &refusal), KW_OK);
		scratch_commit(txn);
	}
	assert_int_equal(scratch_state(scratch, &id).joins_refused, 18 + 2 * (uint64_t)UINT32_MAX);
}

static void is(const struct ks_event *event, enum ks_event_kind kind, enum ks_procedure procedure)
{
	assert_int_equal(event->kind, kind);
	assert_int_equal(event->procedure, procedure);
}

/* Which procedure it was, and that a request was served: that changes nothing of the device. */
static void procedures(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_event event, events[16];
	struct ks_txn *txn = scratch_begin(scratch);
	uint64_t resume;
	bool more;

	for (unsigned i = KS_PROCEDURE_JOIN; i <= KS_PROCEDURE_HOME_NS; i++) {
		event = scratch_refusal(&id, 1);
		event.procedure = (enum ks_procedure)i;
		assert_int_equal(ks_event_add(txn, &event), KW_OK);
		event.kind = KS_EVENT_SERVED;
		event.err = KW_OK;
		event.join_nonce = i;
		assert_int_equal(ks_event_add(txn, &event), KW_OK);
	}
	scratch_commit(txn);
	for (unsigned round = 0; round < 3; round++) {
		txn = scratch_begin(scratch);
		assert_int_equal(
			ks_events_get(txn, 0, false, NULL, events, 16, 99, &resume, &more), 12);
		ks_txn_abort(txn);
		for (unsigned i = 0; i < 6; i++) {
			is(&events[2 * i], KS_EVENT_REFUSED, (enum ks_procedure)i);
			is(&events[2 * i + 1], KS_EVENT_SERVED, (enum ks_procedure)i);
			assert_int_equal(events[2 * i + 1].join_nonce, i);
		}
		assert_int_equal(scratch_state(scratch, &id).joins_refused, 6);
		assert_int_equal(scratch_state(scratch, &id).joins_accepted, 0);
		if (round == 0) {
			scratch_reopen(scratch);
		} else {
			scratch_fold_all(scratch);
		}
	}
}

/* It stands for refusals that are not logged, and changes nothing of the device. */
static void alarms(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_event event = scratch_refusal(&id, 70000), events[2];
	struct ks_txn *txn = scratch_begin(scratch);
	uint64_t resume;
	bool more;

	event.kind = KS_EVENT_ALARM;
	event.seconds = 0xffffff;
	assert_int_equal(ks_event_add(txn, &event), KW_OK);
	scratch_commit(txn);
	for (unsigned round = 0; round < 3; round++) {
		txn = scratch_begin(scratch);
		assert_int_equal(
			ks_events_get(txn, 0, false, NULL, events, 2, 99, &resume, &more), 1);
		ks_txn_abort(txn);
		assert_int_equal(events[0].kind, KS_EVENT_ALARM);
		assert_int_equal(events[0].err, event.err);
		assert_int_equal(events[0].repeats, 70000);
		assert_int_equal(events[0].seconds, 0xffffff);
		assert_int_equal(events[0].join_nonce, 0);
		assert_int_equal(scratch_state(scratch, &id).joins_refused, 0);
		if (round == 0) {
			scratch_reopen(scratch);
		} else {
			scratch_fold_all(scratch);
		}
	}
}

static void nonsense_is_not_logged(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_txn *txn = scratch_begin(scratch);
	struct ks_event event = scratch_refusal(&id, 0);

	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event = scratch_refusal(&id, 1);
	event.err = KW_OK;
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event.err = KW_E_MIC;
	event.kind = KS_EVENT_REPEATED;
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event.kind = KS_EVENT_ACCEPTED;
	event.err = KW_OK;
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event = scratch_refusal(&id, 1);
	event.join_nonce = 0x1000000;
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event = scratch_refusal(&id, 1);
	event.last_dev_nonce = 1; /* without has_last */
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event = scratch_refusal(&id, 1);
	event.procedure = (enum ks_procedure)(KS_PROCEDURE_HOME_NS + 1);
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event = scratch_refusal(&id, 1);
	event.kind = KS_EVENT_SERVED; /* with an error */
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event.err = KW_OK;
	event.kind = (enum ks_event_kind)(KS_EVENT_ALARM + 1);
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event.kind = KS_EVENT_ALARM; /* of nothing */
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event.err = KW_E_MIC;
	event.seconds = 0x1000000;
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	event = scratch_refusal(&id, 1);
	event.seconds = 1; /* only an alarm has them */
	assert_int_equal(ks_event_add(txn, &event), KW_E_INVALID);
	assert_false(txn->dirty);
	ks_txn_abort(txn);
}

static void a_damaged_record_is_passed_over(void **state)
{
	struct scratch *scratch = *state;
	struct ks_event events[RECORDS];
	uint8_t key[sizeof(uint64_t)];
	struct ks_txn *txn;
	uint64_t resume;
	bool more;

	fill(scratch);
	scratch_fold_all(scratch);
	txn = scratch_begin(scratch);
	ks_sequence_write(2, key);
	assert_int_equal(
		ks_put(txn, scratch->store->tables.journal, key, sizeof(key), "x", 1, 0), KW_OK);
	assert_int_equal(ks_events_get(txn, 0, false, NULL, events, RECORDS, 1000, &resume, &more),
		RECORDS - 1);
	assert_int_equal(events[1].sequence, 3);
	ks_txn_abort(txn);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_of(pages_in_both_directions),
		case_of(the_ends_of_the_log),
		case_of(refusals_are_counted),
		case_of(procedures),
		case_of(alarms),
		case_of(nonsense_is_not_logged),
		case_of(a_damaged_record_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
