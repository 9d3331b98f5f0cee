/*
 * A record of a device or of the journal that does not read, is not there or is another one's: every
 * question about the device's joins is answered with KW_E_STORE_DAMAGED, none with a guess.
 */
#include "keystore/history.h"
#include "keystore/journal.h"
#include "tests/keystore/scratch.h"

#include <string.h>

#define V103 LW_VERSION_1_0_3

static void put(struct scratch *scratch, MDB_dbi table, const void *key, size_t key_length,
	const void *value, size_t length)
{
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_put(txn, table, key, key_length, value, length, 0), KW_OK);
	scratch_commit(txn);
}

static void spoil_state(struct scratch *scratch, const struct lw_device_id *id)
{
	uint8_t key[KS_ID_SIZE];
	uint8_t value[50];

	ks_id_write(id, key);
	memset(value, 0xaa, sizeof(value));
	put(scratch, scratch->store->tables.state, key, sizeof(key), value, sizeof(value));
}

/* Joins of device 1 with 1, 2, ... */
static struct ks_state join_times(struct scratch *scratch, uint16_t times)
{
	const struct lw_device_id id = scratch_id(1);

	for (uint16_t n = 1; n <= times; n++) {
		assert_int_equal(scratch_join(scratch, &id, V103, n), KW_OK);
	}
	return scratch_state(scratch, &id);
}

static void no_sessions(struct ks_txn *txn, const struct lw_device_id *id)
{
	struct ks_session sessions[KS_SESSIONS_MAX], none[KS_SESSIONS_MAX];

	memset(none, 0, sizeof(none));
	assert_int_equal(ks_sessions_get(txn, id, sessions), -1);
	assert_memory_equal(sessions, none, sizeof(none));
}

static void a_state_record_that_does_not_read(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_state before = join_times(scratch, 3), now;
	struct ks_session session = scratch_session(&before, 4);
	struct ks_txn *txn;
	int32_t last;

	scratch_fold_all(scratch);
	before = scratch_state(scratch, &id);
	spoil_state(scratch, &id);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_state_get(txn, &id, &now), KW_E_STORE_DAMAGED);
	assert_int_equal(now.next_join_nonce, 0);
	assert_int_equal(ks_dev_nonce_check(txn, &before, V103, 2), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_join_record(txn, &before, V103, &session), KW_E_STORE_DAMAGED);
	assert_int_equal(
		ks_rj_count_check(txn, &id, LW_JOIN_REQ_REJOIN_0, 1, 1, &last), KW_E_STORE_DAMAGED);
	assert_int_equal(
		ks_rj_count_check(txn, &id, LW_JOIN_REQ_REJOIN_1, 0, 1, &last), KW_E_STORE_DAMAGED);
	assert_int_equal(last, -1);
	no_sessions(txn, &id);
	assert_int_equal(ks_dev_nonce_reset(txn, &id), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_state_carry_over(txn, &id), KW_E_STORE_DAMAGED);
	ks_txn_abort(txn);
}

/* After a restart the journal alone tells of the device, until the record is asked for. */
static void a_state_record_behind_a_replay(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_state now = join_times(scratch, 3);
	struct ks_txn *txn;

	scratch_reopen(scratch);
	spoil_state(scratch, &id);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_state_get(txn, &id, &now), KW_E_STORE_DAMAGED);
	no_sessions(txn, &id);
	ks_txn_abort(txn);
}

/* Sums are right: only what the record says is not. */
static void sessions_with_one_join_nonce(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	uint8_t octets[KS_HISTORY_SIZE_MAX];
	struct ks_history history, again;
	struct ks_txn *txn;

	(void)join_times(scratch, 3);
	scratch_fold_all(scratch);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_history_load(txn, &id, &history), KW_OK);
	ks_txn_abort(txn);
	assert_int_equal(
		ks_history_read(octets, ks_history_write(&history, octets), &again), KW_OK);
	history.sessions[1].join_nonce = history.sessions[0].join_nonce;
	assert_int_equal(ks_history_read(octets, ks_history_write(&history, octets), &again),
		KW_E_STORE_DAMAGED);
	history.sessions[0].join_nonce = history.next_join_nonce;
	assert_int_equal(ks_history_read(octets, ks_history_write(&history, octets), &again),
		KW_E_STORE_DAMAGED);
}

/* What is unfolded of the device is a refusal: its last session is in the record. */
static void behind_a_refusal(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_event refusal = scratch_refusal(&id, 1);
	struct ks_state now = join_times(scratch, 3);
	struct ks_txn *txn;

	scratch_fold_all(scratch);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_event_add(txn, &refusal), KW_OK);
	scratch_commit(txn);
	assert_true(scratch_state(scratch, &id).has_session);
	spoil_state(scratch, &id);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_state_get(txn, &id, &now), KW_E_STORE_DAMAGED);
	assert_false(now.has_session);
	ks_txn_abort(txn);
}

static void under_another_join_eui(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct lw_device_id other = id;
	uint8_t key[KS_ID_SIZE];
	struct ks_txn *txn;

	other.join_eui.octets[0] ^= 1;
	(void)join_times(scratch, 3);
	scratch_fold_all(scratch);
	memcpy(key, id.dev_eui.octets, LW_EUI_SIZE);
	memcpy(key + LW_EUI_SIZE, id.join_eui.octets, LW_EUI_SIZE);
	put(scratch, scratch->store->tables.dev_eui, key, sizeof(key), "", 0);
	spoil_state(scratch, &id);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_state_carry_over(txn, &other), KW_E_STORE_DAMAGED);
	ks_txn_abort(txn);
	/* An entry of the table itself that is cut off. */
	txn = scratch_begin(scratch);
	assert_int_equal(ks_delete(txn, scratch->store->tables.dev_eui, key, sizeof(key)), KW_OK);
	scratch_commit(txn);
	put(scratch, scratch->store->tables.dev_eui, key, sizeof(key) - 1, "", 0);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_state_carry_over(txn, &other), KW_E_STORE_DAMAGED);
	ks_txn_abort(txn);
}

static void delete_record(struct ks_txn *txn, uint64_t sequence)
{
	uint8_t key[sizeof(uint64_t)];

	ks_sequence_write(sequence, key);
	assert_int_equal(ks_delete(txn, txn->store->tables.journal, key, sizeof(key)), KW_OK);
}

/* The middle one of a chain: neither the last nor the folded state tells. */
static void a_gap_in_the_chain(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_state now = join_times(scratch, KS_CHAIN_MAX);
	struct ks_session session = scratch_session(&now, 100);
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 0), KW_OK);
	delete_record(txn, KS_CHAIN_MAX - 2);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 0), KW_E_STORE_DAMAGED);
	no_sessions(txn, &id);
	/* The chain is as long as it may be, so the next join folds it. */
	assert_int_equal(ks_join_record(txn, &now, V103, &session), KW_E_STORE_DAMAGED);
	ks_txn_abort(txn);
}

static void write_record(struct ks_txn *txn, const struct ks_record *record, uint64_t sequence)
{
	uint8_t key[sizeof(uint64_t)];
	uint8_t value[KS_RECORD_SIZE_MAX];

	ks_sequence_write(sequence, key);
	assert_int_equal(ks_put(txn, txn->store->tables.journal, key, sizeof(key), value,
				 ks_record_write(record, value), 0),
		KW_OK);
}

static struct ks_record read_record(struct scratch *scratch, uint64_t sequence)
{
	struct ks_txn *txn = scratch_begin(scratch);
	struct ks_record record;

	assert_int_equal(ks_journal_read(txn, sequence, &record), KW_OK);
	ks_txn_abort(txn);
	return record;
}

/* Records that read well and are not what the chain says they are. */
static void a_record_of_another(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_state now = join_times(scratch, 3);
	struct ks_record record = read_record(scratch, 3);
	struct ks_txn *txn = scratch_begin(scratch);

	record.event.id = scratch_id(2);
	write_record(txn, &record, 3);
	assert_int_equal(ks_state_get(txn, &id, &now), KW_E_STORE_DAMAGED);
	ks_txn_abort(txn);
	txn = scratch_begin(scratch);
	record.event = scratch_refusal(&id, 1);
	record.joins_refused = 1;
	write_record(txn, &record, 3);
	assert_int_equal(ks_state_get(txn, &id, &now), KW_E_STORE_DAMAGED);
	assert_false(now.has_session);
	ks_txn_abort(txn);
}

static void does_not_open(struct scratch *scratch)
{
	scratch_close(scratch);
	assert_int_equal(ks_store_open(&scratch->options, &scratch->master, &scratch->store),
		KW_E_STORE_DAMAGED);
	assert_null(scratch->store);
}

static void a_chain_with_another_predecessor(void **state)
{
	struct scratch *scratch = *state;
	struct ks_record record;
	struct ks_txn *txn;

	(void)join_times(scratch, 3);
	record = read_record(scratch, 3);
	assert_int_equal(record.prev, 2);
	record.prev = 1;
	txn = scratch_begin(scratch);
	write_record(txn, &record, 3);
	scratch_commit(txn);
	does_not_open(scratch);
}

static void a_chain_that_is_too_long(void **state)
{
	struct scratch *scratch = *state;
	struct ks_record record;
	struct ks_txn *txn;

	(void)join_times(scratch, KS_CHAIN_MAX);
	scratch_reopen(scratch); /* as long as it may be */
	record = read_record(scratch, KS_CHAIN_MAX);
	record.prev = KS_CHAIN_MAX;
	txn = scratch_begin(scratch);
	write_record(txn, &record, KS_CHAIN_MAX + 1);
	scratch_commit(txn);
	does_not_open(scratch);
}

static void a_key_of_the_journal(void **state)
{
	struct scratch *scratch = *state;
	const struct ks_state now = join_times(scratch, 3);
	const struct ks_record record = read_record(scratch, 3);
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(now.journal_last, 3);
	write_record(txn, &record, UINT64_MAX);
	scratch_commit(txn);
	does_not_open(scratch);
}

/* Before the first: met by who cuts the journal. */
static void a_first_key_that_is_none(void **state)
{
	struct scratch *scratch = *state;
	const struct ks_state now = join_times(scratch, 3);
	const struct ks_record record = read_record(scratch, 3);
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(now.journal_last, 3);
	write_record(txn, &record, 0);
	assert_int_equal(ks_journal_prune(txn, 1, 3, 10), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_journal_records(txn), 4);
	ks_txn_abort(txn);
}

static void folded_is(struct scratch *scratch, const uint8_t *value, size_t length)
{
	static const char name[] = "folded";

	(void)join_times(scratch, 3);
	scratch_fold_all(scratch);
	put(scratch, scratch->store->tables.meta, name, strlen(name), value, length);
	does_not_open(scratch);
}

static void folded_up_to_none(void **state)
{
	folded_is(*state, (const uint8_t[8]){0}, 8);
}

static void folded_up_to_more_than_there_can_be(void **state)
{
	folded_is(*state, (const uint8_t[]){255, 255, 255, 255, 255, 255, 255, 255}, 8);
}

static void folded_in_too_many_octets(void **state)
{
	folded_is(*state, (const uint8_t[]){0, 0, 0, 0, 0, 0, 0, 3, 0}, 9);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_of(a_state_record_that_does_not_read),
		case_of(a_state_record_behind_a_replay),
		case_of(sessions_with_one_join_nonce),
		case_of(behind_a_refusal),
		case_of(under_another_join_eui),
		case_of(a_gap_in_the_chain),
		case_of(a_record_of_another),
		case_of(a_chain_with_another_predecessor),
		case_of(a_chain_that_is_too_long),
		case_of(a_key_of_the_journal),
		case_of(a_first_key_that_is_none),
		case_of(folded_up_to_none),
		case_of(folded_up_to_more_than_there_can_be),
		case_of(folded_in_too_many_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
