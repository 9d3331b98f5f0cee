#include "keystore/encode.h"
#include "keystore/journal.h"
#include "keystore/scan.h"
#include "tests/keystore/scratch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define V103 LW_VERSION_1_0_3
#define V104 LW_VERSION_1_0_4

static struct ks_record sample(enum ks_event_kind kind)
{
	const struct ks_state now = {.next_join_nonce = 0x123456};
	struct ks_record record = {.event = {
					   .sequence = 1000,
					   .time_ms = UINT64_C(0x0123456789abcdef),
					   .id = scratch_id(5),
					   .kind = kind,
					   .registered = V104,
					   .mac_version = LW_VERSION_1_0_2,
					   .opt_neg = true,
					   .net_id = {{0x60, 0x05, 0x0a}},
					   .dev_nonce = 0xbeef,
					   .has_last = true,
					   .last_dev_nonce = 0xbee0,
					   .repeats = 1,
					   .ns_peer = 0x01020304,
				   }};

	if (kind != KS_EVENT_ACCEPTED) {
		record.event.repeats = 77;
		record.event.join_nonce = 0x010203;
		if (kind == KS_EVENT_ALARM) {
			record.event.join_nonce = 0;
			record.event.seconds = 0x654321;
		}
		record.event.err =
			kind == KS_EVENT_REFUSED || kind == KS_EVENT_ALARM ? KW_E_REPLAY : KW_OK;
		record.event.procedure = KS_PROCEDURE_HOME_NS;
		record.joins_refused = kind == KS_EVENT_REFUSED ? UINT64_MAX : 0;
		return record;
	}
	record.session = scratch_session(&now, 0xbeef);
	record.event.time_ms = record.session.time_ms;
	record.event.net_id = record.session.net_id;
	record.event.mac_version = record.session.mac_version;
	record.event.opt_neg = record.session.opt_neg;
	record.event.ns_peer = record.session.ns_peer;
	record.event.join_nonce = record.session.join_nonce;
	record.prev = 999;
	record.joins_accepted = 0x123456;
	record.dev_nonce_count = 0x123455;
	record.max_dev_nonce = 0xbeef;
	return record;
}

static void same_record(const struct ks_record *a, const struct ks_record *b)
{
	uint8_t octets[2][KS_RECORD_SIZE_MAX] = {{0}};

	assert_int_equal(a->event.sequence, b->event.sequence);
	assert_int_equal(ks_record_write(a, octets[0]), ks_record_write(b, octets[1]));
	assert_memory_equal(octets[0], octets[1], KS_RECORD_SIZE_MAX);
}

static void records_are_read_as_written(void **state)
{
	static const size_t sizes[] = {0, 108, 62, 62, 62, 62};

	(void)state;
	for (unsigned kind = KS_EVENT_ACCEPTED; kind <= KS_EVENT_ALARM; kind++) {
		struct ks_record record = sample((enum ks_event_kind)kind);
		struct ks_record again;
		uint8_t octets[KS_RECORD_SIZE_MAX + 1] = {0};
		size_t length = ks_record_write(&record, octets);

		assert_int_equal(length, sizes[kind]);
		assert_int_equal(ks_record_read(1000, octets, length, &again), KW_OK);
		same_record(&again, &record);
		assert_int_equal(again.event.err, record.event.err);
		assert_int_equal(again.event.repeats, record.event.repeats);
		assert_int_equal(again.event.seconds, record.event.seconds);
		assert_int_equal(again.event.join_nonce, record.event.join_nonce);
		assert_int_equal(again.event.procedure, record.event.procedure);
		scratch_same_session(&again.session, &record.session);
		assert_int_equal(again.joins_refused, record.joins_refused);
		for (size_t cut = 0; cut <= length + 1; cut++) {
			assert_int_equal(ks_record_read(1000, octets, cut, &again),
				cut == length ? KW_OK : KW_E_STORE_DAMAGED);
		}
		assert_int_equal(ks_record_read(0, octets, length, &again), KW_E_STORE_DAMAGED);
	}
}

/* The checksum finds every damaged octet. What is wrong under a right checksum is refused, or says
 * exactly what its octets say. */
static void set_checksum(uint8_t *octets, size_t length)
{
	const uint32_t sum = ks_checksum(octets, length - KS_CHECKSUM_SIZE);

	for (size_t i = 0; i < KS_CHECKSUM_SIZE; i++) {
		octets[length - 1 - i] = (uint8_t)(sum >> 8 * i);
	}
}

static void damaged_records_are_refused_or_read(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned kind = KS_EVENT_ACCEPTED; kind <= KS_EVENT_ALARM; kind++) {
		struct ks_record record = sample((enum ks_event_kind)kind);
		uint8_t octets[KS_RECORD_SIZE_MAX];
		uint8_t again[KS_RECORD_SIZE_MAX];
		size_t length = ks_record_write(&record, octets);

		for (size_t bit = 0; bit < 8 * length; bit++) {
			octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(
				ks_record_read(1000, octets, length, &record), KW_E_STORE_DAMAGED);
			assert_int_equal(record.event.sequence, 0);
			set_checksum(octets, length);
			if (ks_record_read(1000, octets, length, &record) == KW_OK) {
				assert_int_equal(ks_record_write(&record, again), length);
				assert_memory_equal(again, octets, length);
			} else {
				assert_int_equal(record.event.sequence, 0);
				refused++;
			}
			octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
			set_checksum(octets, length);
		}
	}
	assert_true(refused > 100);
}

#define DELIVERY_SIZE 8 /* what sessions of version 2 end with */

/* The record as version 1 had it: without what came with version 2. @return the length */
static size_t record_of_version_1(uint8_t *octets, size_t length)
{
	size_t more = octets[1] == KS_EVENT_ACCEPTED ? DELIVERY_SIZE : 1;

	assert_int_equal(octets[0], 2);
	octets[0] = 1;
	set_checksum(octets, length - more);
	return length - more;
}

static void no_delivery(struct ks_session *session)
{
	session->delivery = KS_DELIVERY_DEFAULT;
	session->ns_kek = 0;
	session->as_kek = 0;
	session->base_join_nonce = 0;
}

static void records_of_version_1_are_read(void **state)
{
	(void)state;
	for (unsigned kind = KS_EVENT_ACCEPTED; kind <= KS_EVENT_REPEATED; kind++) {
		struct ks_record record = sample((enum ks_event_kind)kind);
		struct ks_record again;
		uint8_t octets[KS_RECORD_SIZE_MAX];
		size_t length = ks_record_write(&record, octets);

		length = record_of_version_1(octets, length);
		assert_int_equal(length, kind == KS_EVENT_ACCEPTED ? 100 : 61);
		no_delivery(&record.session);
		record.event.procedure = KS_PROCEDURE_JOIN;
		assert_int_equal(ks_record_read(1000, octets, length, &again), KW_OK);
		same_record(&again, &record);
		for (size_t cut = 0; cut < length; cut++) {
			assert_int_equal(
				ks_record_read(1000, octets, cut, &again), KW_E_STORE_DAMAGED);
		}
	}
}

/* The procedure of an accepted request follows from its type, in both versions. */
static void rejoins_have_their_procedure(void **state)
{
	static const struct {
		enum lw_join_req_type type;
		enum ks_procedure procedure;
	} rows[] = {
		{LW_JOIN_REQ_JOIN, KS_PROCEDURE_JOIN},
		{LW_JOIN_REQ_REJOIN_0, KS_PROCEDURE_REJOIN_0},
		{LW_JOIN_REQ_REJOIN_1, KS_PROCEDURE_REJOIN_1},
		{LW_JOIN_REQ_REJOIN_2, KS_PROCEDURE_REJOIN_2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ks_record record = sample(KS_EVENT_ACCEPTED);
		struct ks_record again;
		uint8_t octets[KS_RECORD_SIZE_MAX];
		size_t length;

		record.session.type = rows[i].type;
		length = ks_record_write(&record, octets);
		assert_int_equal(ks_record_read(1000, octets, length, &again), KW_OK);
		assert_int_equal(again.event.procedure, rows[i].procedure);
		length = record_of_version_1(octets, length);
		assert_int_equal(ks_record_read(1000, octets, length, &again), KW_OK);
		assert_int_equal(again.event.procedure, rows[i].procedure);
	}
}

static void records_of_other_versions_are_refused(void **state)
{
	static const uint8_t versions[] = {0, 3, 255};
	static const uint8_t state_versions[] = {0, 4, 255};
	static struct ks_history history;
	static uint8_t state_octets[KS_HISTORY_SIZE_MAX];

	(void)state;
	ks_history_init(&history);
	for (size_t i = 0; i < sizeof(versions); i++) {
		struct ks_record record = sample(KS_EVENT_REFUSED);
		uint8_t octets[KS_RECORD_SIZE_MAX];
		size_t length = ks_record_write(&record, octets);

		octets[0] = versions[i];
		set_checksum(octets, length);
		assert_int_equal(ks_record_read(1000, octets, length, &record), KW_E_STORE_DAMAGED);
		length = ks_history_write(&history, state_octets);
		state_octets[0] = state_versions[i];
		set_checksum(state_octets, length);
		assert_int_equal(
			ks_history_read(state_octets, length, &history), KW_E_STORE_DAMAGED);
	}
}

static void fill_history(struct ks_history *history, uint32_t joins, enum lw_version version)
{
	ks_history_init(history);
	for (uint32_t i = 0; i < joins; i++) {
		const struct ks_state now = {.next_join_nonce = history->next_join_nonce};
		struct ks_record record = {.event = {.registered = version}};

		record.session = scratch_session(&now, (uint16_t)(i * 5));
		assert_int_equal(ks_history_apply(history, &record), KW_OK);
	}
}

static void damage_history(const struct ks_history *history)
{
	static uint8_t octets[KS_HISTORY_SIZE_MAX];
	static uint8_t written[KS_HISTORY_SIZE_MAX];
	static struct ks_history again;
	size_t length = ks_history_write(history, octets);

	assert_int_equal(ks_history_read(octets, length, &again), KW_OK);
	assert_int_equal(ks_history_write(&again, written), length);
	assert_memory_equal(written, octets, length);
	for (size_t cut = 0; cut<length; cut += length> 1000 ? 41 : 1) {
		assert_int_equal(ks_history_read(octets, cut, &again), KW_E_STORE_DAMAGED);
	}
	for (size_t at = 0; at < length; at++) {
		for (unsigned bit = at > 1000 ? 7 : 0; bit < 8; bit++) {
			octets[at] ^= (uint8_t)(1 << bit);
			assert_int_equal(
				ks_history_read(octets, length, &again), KW_E_STORE_DAMAGED);
			assert_int_equal(again.next_join_nonce, 1);
			assert_int_equal(again.nonces.count, 0);
			set_checksum(octets, length);
			if (ks_history_read(octets, length, &again) == KW_OK) {
				assert_int_equal(ks_history_write(&again, written), length);
				assert_memory_equal(written, octets, length);
			}
			octets[at] ^= (uint8_t)(1 << bit);
			set_checksum(octets, length);
		}
	}
}

static void damaged_state_is_refused_or_read(void **state)
{
	static struct ks_history history;

	(void)state;
	fill_history(&history, 0, V103);
	damage_history(&history);
	fill_history(&history, 3, V104);
	damage_history(&history);
	fill_history(&history, 12, V103);
	damage_history(&history);
	fill_history(&history, 1001, V103);
	damage_history(&history);
}

#define SESSIONS_AT    39 /* octets in front of the sessions */
#define ADVANCED_SIZE  3  /* in front of the number of sessions, since version 3 */
#define SESSION_SIZE_1 59 /* of one in version 1 */

/* A state record as version 2 had it. */
static size_t history_of_version_2(uint8_t *octets, size_t length)
{
	uint8_t *advanced = octets + SESSIONS_AT - 1;

	assert_int_equal(octets[0], 3);
	octets[0] = 2;
	memmove(advanced, advanced + ADVANCED_SIZE, length - SESSIONS_AT + 1 - ADVANCED_SIZE);
	length -= ADVANCED_SIZE;
	set_checksum(octets, length);
	return length;
}

/* The same for version 1. */
static size_t history_of_version_1(uint8_t *octets, size_t length)
{
	const uint8_t count = octets[SESSIONS_AT - 1 + ADVANCED_SIZE];
	uint8_t *out = octets + SESSIONS_AT;
	const uint8_t *in = out;

	length = history_of_version_2(octets, length);
	octets[0] = 1;
	for (uint8_t i = 0; i < count; i++) {
		memmove(out, in, SESSION_SIZE_1);
		out += SESSION_SIZE_1;
		in += SESSION_SIZE_1 + DELIVERY_SIZE;
	}
	memmove(out, in, (size_t)(octets + length - in));
	length -= (size_t)count * DELIVERY_SIZE;
	set_checksum(octets, length);
	return length;
}

static void state_of_version_1_is_read(void **state)
{
	static const uint32_t joins[] = {0, 1, 3, 12, 1001};
	static struct ks_history history, again;
	static uint8_t octets[KS_HISTORY_SIZE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
		size_t length;

		fill_history(&history, joins[i], V103);
		length = history_of_version_1(octets, ks_history_write(&history, octets));
		assert_int_equal(ks_history_read(octets, length, &again), KW_OK);
		assert_int_equal(again.next_join_nonce, history.next_join_nonce);
		assert_int_equal(again.nonces.count, history.nonces.count);
		assert_int_equal(again.session_count, history.session_count);
		assert_int_equal(again.advanced, 0);
		for (size_t k = 0; k < history.session_count; k++) {
			no_delivery(&history.sessions[k]);
			scratch_same_session(&again.sessions[k], &history.sessions[k]);
		}
		for (size_t cut = 0; cut<length; cut += length> 1000 ? 41 : 1) {
			assert_int_equal(ks_history_read(octets, cut, &again), KW_E_STORE_DAMAGED);
		}
	}
}

static void state_of_version_2_is_read(void **state)
{
	static struct ks_history history, again;
	static uint8_t octets[KS_HISTORY_SIZE_MAX];
	size_t length;

	(void)state;
	fill_history(&history, 12, V103);
	length = history_of_version_2(octets, ks_history_write(&history, octets));
	assert_int_equal(ks_history_read(octets, length, &again), KW_OK);
	assert_int_equal(again.next_join_nonce, 13);
	assert_int_equal(again.advanced, 0);
	assert_int_equal(again.session_count, history.session_count);
	scratch_same_session(&again.sessions[9], &history.sessions[9]);
}

/* Each restore counts once, however late its margin is added. */
static void a_margin_is_added_once(void **state)
{
	static struct ks_history history, again;
	static uint8_t octets[KS_HISTORY_SIZE_MAX];

	(void)state;
	fill_history(&history, 5, V104);
	assert_int_equal(ks_history_advance(&history, 1000), KW_OK);
	assert_int_equal(history.next_join_nonce, 1006);
	assert_int_equal(
		ks_history_read(octets, ks_history_write(&history, octets), &again), KW_OK);
	assert_int_equal(ks_history_advance(&again, 1000), KW_OK);
	assert_int_equal(again.next_join_nonce, 1006);
	assert_int_equal(ks_history_advance(&again, 5000), KW_OK);
	assert_int_equal(again.next_join_nonce, 5006);
	assert_int_equal(ks_history_advance(&again, 4999), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_history_advance(&again, LW_JOIN_NONCE_MAX), KW_OK);
	assert_int_equal(again.next_join_nonce, LW_JOIN_NONCE_MAX + 1);
	/* Used up stays readable. */
	assert_int_equal(
		ks_history_read(octets, ks_history_write(&again, octets), &history), KW_OK);
	assert_int_equal(history.next_join_nonce, LW_JOIN_NONCE_MAX + 1);
}

static void a_used_join_nonce_is_damage(void **state)
{
	static struct ks_history history;
	struct ks_record record = sample(KS_EVENT_ACCEPTED);

	(void)state;
	fill_history(&history, 5, V103);
	record.session.join_nonce = 5;
	assert_int_equal(ks_history_apply(&history, &record), KW_E_STORE_DAMAGED);
	record.session.join_nonce = 6;
	assert_int_equal(ks_history_apply(&history, &record), KW_OK);
}

static void join_many(struct scratch *scratch, uint32_t first, uint32_t count, uint16_t nonce)
{
	struct ks_txn *txn = scratch_begin(scratch);

	for (uint32_t n = first; n < first + count; n++) {
		const struct lw_device_id id = scratch_id(n);

		assert_int_equal(scratch_join_in(txn, &id, V103, nonce), KW_OK);
	}
	scratch_commit(txn);
}

static void check_many(struct scratch *scratch, uint32_t first, uint32_t count, uint32_t joins)
{
	struct ks_txn *txn = scratch_begin(scratch);

	for (uint32_t n = first; n < first + count; n++) {
		const struct lw_device_id id = scratch_id(n);
		struct ks_state now;

		assert_int_equal(ks_state_get(txn, &id, &now), KW_OK);
		assert_int_equal(now.next_join_nonce, joins + 1);
		assert_int_equal(now.joins_accepted, joins);
	}
	ks_txn_abort(txn);
}

/* Every folded device is before every one that is not. */
static void check_order(struct scratch *scratch, uint64_t folded)
{
	const struct ks_pendings *pendings = scratch->store->journal->pendings;
	struct ks_txn *txn = scratch_begin(scratch);
	struct ks_scan scan;

	assert_int_equal(ks_scan_count(txn, scratch->store->tables.state), folded);
	assert_int_equal(ks_scan_open(txn, scratch->store->tables.state, &scan), KW_OK);
	assert_int_equal(ks_scan_last(&scan), KW_OK);
	for (size_t slot = 0; slot < ks_pendings_slots(pendings); slot++) {
		const struct ks_pending *pending = ks_pendings_at(pendings, slot);

		assert_true(pending == NULL || memcmp(&pending->id, scan.key, KS_ID_SIZE) > 0);
	}
	ks_scan_close(&scan);
	ks_txn_abort(txn);
}

/* More devices than are sorted at once. */
static void many_devices_are_folded_in_order(void **state)
{
	struct scratch *scratch = *state;
	const uint32_t many = 40000;
	size_t left = many;

	join_many(scratch, 0, many, 1);
	assert_int_equal(ks_fold_devices(scratch->store), many);
	assert_int_equal(ks_fold_records(scratch->store), many);
	while (left > many / 2) {
		size_t before = left;

		assert_int_equal(ks_fold(scratch->store, 3000, &left), KW_OK);
		assert_true(before - left <= 3000);
		if (left < many) {
			check_order(scratch, many - left);
		}
	}
	check_many(scratch, 0, many, 1);
	join_many(scratch, many, 100, 1); /* not of this pass */
	join_many(scratch, 0, 200, 2);    /* folded ones and others */
	scratch_reopen(scratch);
	check_many(scratch, 0, 200, 2);
	check_many(scratch, 200, many - 100, 1);
	scratch_fold_all(scratch);
	check_many(scratch, 0, 200, 2);
	check_many(scratch, 200, many - 100, 1);
	scratch_reopen(scratch);
	assert_int_equal(ks_fold_devices(scratch->store), 0);
	check_many(scratch, 0, 200, 2);
}

static void a_pass_moves_folded_forward(void **state)
{
	struct scratch *scratch = *state;
	size_t left;

	join_many(scratch, 0, 100, 1);
	assert_int_equal(ks_fold(scratch->store, 60, &left), KW_OK);
	assert_int_equal(left, 40);
	assert_int_equal(ks_fold_records(scratch->store), 100);
	join_many(scratch, 0, 10, 2); /* folded ones join again, behind the pass */
	while (ks_fold_records(scratch->store) > 10) {
		assert_int_equal(ks_fold(scratch->store, 30, &left), KW_OK);
	}
	assert_int_equal(ks_fold_records(scratch->store), 10);
	scratch_reopen(scratch);
	assert_int_equal(ks_fold_records(scratch->store), 10);
	scratch_fold_all(scratch);
	check_many(scratch, 0, 10, 2);
	check_many(scratch, 10, 90, 1);
}

static void nothing_to_fold_writes_nothing(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_event event = scratch_refusal(&id, 1);
	struct ks_txn *txn = scratch_begin(scratch);
	MDB_envinfo before;
	MDB_envinfo after;
	size_t left;

	event.kind = KS_EVENT_REPEATED;
	event.err = KW_OK;
	assert_int_equal(ks_event_add(txn, &event), KW_OK);
	scratch_commit(txn);
	assert_int_equal(ks_fold_devices(scratch->store), 0);
	assert_int_equal(ks_fold_records(scratch->store), 1);
	scratch_fold_all(scratch);
	mdb_env_info(scratch->store->env, &before);
	assert_int_equal(ks_fold(scratch->store, 10, &left), KW_OK);
	assert_int_equal(left, 0);
	mdb_env_info(scratch->store->env, &after);
	assert_int_equal(before.me_last_txnid, after.me_last_txnid);
}

static void a_failed_fold_leaves_all_as_it_was(void **state)
{
	struct scratch *scratch = *state;
	const struct rlimit none = {1, RLIM_INFINITY};
	struct rlimit before;
	size_t left;

	signal(SIGXFSZ, SIG_IGN);
	join_many(scratch, 0, 50, 1);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_not_equal(ks_fold(scratch->store, 20, &left), KW_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(left, 50);
	check_many(scratch, 0, 50, 1);
	scratch_fold_all(scratch);
	check_many(scratch, 0, 50, 1);
}

static uint64_t records(struct scratch *scratch)
{
	struct ks_txn *txn = scratch_begin(scratch);
	uint64_t count = ks_journal_records(txn);

	ks_txn_abort(txn);
	return count;
}

static void prune(struct scratch *scratch, uint64_t kept, size_t max)
{
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_journal_prune(txn, kept, scratch->store->journal->folded, max), KW_OK);
	scratch_commit(txn);
}

static void only_folded_records_are_dropped(void **state)
{
	struct scratch *scratch = *state;

	join_many(scratch, 0, 3000, 1);
	prune(scratch, 0, 100000);
	assert_int_equal(records(scratch), 3000);
	scratch_fold_all(scratch);
	join_many(scratch, 0, 10, 2);
	prune(scratch, 1000, 500);
	assert_int_equal(records(scratch), 2510);
	prune(scratch, 1000, 5000);
	assert_int_equal(records(scratch), 1000);
	prune(scratch, 0, 5000);
	assert_int_equal(records(scratch), 10); /* these are not folded */
	scratch_reopen(scratch);
	check_many(scratch, 0, 10, 2);
	check_many(scratch, 10, 2990, 1);
	scratch_fold_all(scratch);
	prune(scratch, 0, 5000);
	assert_int_equal(records(scratch), 0);
	scratch_reopen(scratch);
	join_many(scratch, 0, 10, 3); /* sequences go on */
	assert_int_equal(scratch->store->journal->next, 3021);
	scratch_reopen(scratch);
	check_many(scratch, 0, 10, 3);
}

/* Turn all records of a table into those of an older Keyward. */
static void make_old(struct scratch *scratch, MDB_dbi table, bool journal)
{
	static uint8_t value[KS_HISTORY_SIZE_MAX];
	struct ks_txn *txn = scratch_begin(scratch);
	struct ks_scan scan;
	enum kw_err err;

	assert_int_equal(ks_scan_open(txn, table, &scan), KW_OK);
	for (err = ks_scan_first(&scan); err == KW_OK; err = ks_scan_next(&scan)) {
		size_t length = scan.length;
		uint8_t key[KS_ID_SIZE];
		size_t key_length = scan.key_length;

		memcpy(key, scan.key, key_length);
		memcpy(value, scan.value, length);
		length = journal ? record_of_version_1(value, length)
				 : history_of_version_1(value, length);
		assert_int_equal(ks_put(txn, table, key, key_length, value, length, 0), KW_OK);
		assert_int_equal(ks_scan_seek(&scan, key, key_length), KW_OK);
	}
	assert_int_equal(err, KW_E_NOT_FOUND);
	ks_scan_close(&scan);
	scratch_commit(txn);
}

static void sessions_of_version_1(struct scratch *scratch, int count)
{
	const struct lw_device_id id = scratch_id(1);
	struct ks_session sessions[KS_SESSIONS_MAX];
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_sessions_get(txn, &id, sessions), count);
	for (int i = 0; i < count; i++) {
		const uint32_t join_nonce = (uint32_t)(count - i);
		const struct ks_state at = {.next_join_nonce = join_nonce};
		struct ks_session should = scratch_session(&at, (uint16_t)join_nonce);

		if (join_nonce <= 4) { /* those of before */
			no_delivery(&should);
		}
		scratch_same_session(&sessions[i], &should);
	}
	ks_txn_abort(txn);
}

/* Two joins folded, two not, all by an older Keyward; and then more by this one. */
static void a_store_of_version_1_goes_on(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	size_t left;

	for (uint16_t n = 1; n <= 4; n++) {
		assert_int_equal(scratch_join(scratch, &id, V104, n), KW_OK);
		if (n == 2) {
			assert_int_equal(ks_fold(scratch->store, 10, &left), KW_OK);
		}
	}
	make_old(scratch, scratch->store->tables.journal, true);
	make_old(scratch, scratch->store->tables.state, false);
	scratch_reopen(scratch);
	sessions_of_version_1(scratch, 4);
	assert_int_equal(scratch_join(scratch, &id, V104, 4), KW_E_REPLAY);
	assert_int_equal(scratch_join(scratch, &id, V104, 5), KW_OK);
	for (unsigned round = 0; round < 3; round++) {
		sessions_of_version_1(scratch, 5);
		assert_int_equal(scratch_join(scratch, &id, V104, 5), KW_E_REPLAY);
		if (round == 0) {
			scratch_reopen(scratch);
		} else {
			scratch_fold_all(scratch);
		}
	}
}

static void put_raw(
	struct scratch *scratch, MDB_dbi table, const void *key, size_t length, uint8_t octet)
{
	struct ks_txn *txn = scratch_begin(scratch);
	uint8_t value[50];

	memset(value, octet, sizeof(value));
	assert_int_equal(ks_put(txn, table, key, length, value, sizeof(value), 0), KW_OK);
	scratch_commit(txn);
}

static void a_damaged_device_does_not_hold_up_others(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(7);
	uint8_t key[KS_ID_SIZE];
	struct ks_state now;
	struct ks_txn *txn;
	size_t left;

	ks_id_write(&id, key);
	join_many(scratch, 0, 20, 1);
	put_raw(scratch, scratch->store->tables.state, key, sizeof(key), 0xaa);
	assert_int_equal(ks_fold(scratch->store, 100, &left), KW_E_STORE_DAMAGED);
	assert_int_equal(left, 1);
	assert_int_equal(ks_fold_records(scratch->store), 20);
	scratch_reopen(scratch);
	check_many(scratch, 0, 7, 1);
	check_many(scratch, 8, 12, 1);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_state_get(txn, &id, &now), KW_E_STORE_DAMAGED);
	assert_int_equal(now.next_join_nonce, 0);
	assert_int_equal(scratch_join_in(txn, &id, V103, 2), KW_E_STORE_DAMAGED);
	ks_txn_abort(txn);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_delete(txn, scratch->store->tables.state, key, sizeof(key)), KW_OK);
	scratch_commit(txn);
	scratch_fold_all(scratch);
	check_many(scratch, 0, 20, 1);
}

static void a_damaged_journal_is_not_opened(void **state)
{
	struct scratch *scratch = *state;
	uint8_t key[sizeof(uint64_t)];

	join_many(scratch, 0, 20, 1);
	ks_sequence_write(11, key);
	put_raw(scratch, scratch->store->tables.journal, key, sizeof(key), 0);
	scratch_close(scratch);
	assert_int_equal(ks_store_open(&scratch->options, &scratch->master, &scratch->store),
		KW_E_STORE_DAMAGED);
	assert_null(scratch->store);
}

static void a_missing_record_is_damage(void **state)
{
	struct scratch *scratch = *state;
	uint8_t key[sizeof(uint64_t)];
	struct ks_txn *txn;
	const struct lw_device_id id = scratch_id(10);
	struct ks_state now;

	join_many(scratch, 0, 20, 1);
	txn = scratch_begin(scratch);
	ks_sequence_write(11, key);
	assert_int_equal(ks_delete(txn, scratch->store->tables.journal, key, sizeof(key)), KW_OK);
	scratch_commit(txn);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_state_get(txn, &id, &now), KW_E_STORE_DAMAGED);
	ks_txn_abort(txn);
	scratch_close(scratch);
	assert_int_equal(ks_store_open(&scratch->options, &scratch->master, &scratch->store),
		KW_E_STORE_DAMAGED);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_version_1_are_read),
		cmocka_unit_test(rejoins_have_their_procedure),
		cmocka_unit_test(records_of_other_versions_are_refused),
		cmocka_unit_test(state_of_version_1_is_read),
		cmocka_unit_test(state_of_version_2_is_read),
		cmocka_unit_test(a_margin_is_added_once),
		cmocka_unit_test_setup_teardown(
			a_store_of_version_1_goes_on, scratch_setup, scratch_teardown),
		cmocka_unit_test(records_are_read_as_written),
		cmocka_unit_test(damaged_records_are_refused_or_read),
		cmocka_unit_test(damaged_state_is_refused_or_read),
		cmocka_unit_test(a_used_join_nonce_is_damage),
		case_of(many_devices_are_folded_in_order),
		case_of(a_pass_moves_folded_forward),
		case_of(nothing_to_fold_writes_nothing),
		case_of(a_failed_fold_leaves_all_as_it_was),
		case_of(only_folded_records_are_dropped),
		case_of(a_damaged_device_does_not_hold_up_others),
		case_of(a_damaged_journal_is_not_opened),
		case_of(a_missing_record_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
