#include "keystore/journal.h"
#include "tests/keystore/scratch.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define V103 LW_VERSION_1_0_3
#define V104 LW_VERSION_1_0_4

static void join(struct scratch *scratch, uint32_t n, enum lw_version version, uint16_t dev_nonce)
{
	const struct lw_device_id id = scratch_id(n);

	assert_int_equal(scratch_join(scratch, &id, version, dev_nonce), KW_OK);
}

static void replay(struct scratch *scratch, uint32_t n, enum lw_version version, uint16_t dev_nonce)
{
	const struct lw_device_id id = scratch_id(n);

	assert_int_equal(scratch_join(scratch, &id, version, dev_nonce), KW_E_REPLAY);
}

/* The same questions have the same answers with the joins unfolded, replayed, folded, and both. */
static void in_every_form(struct scratch *scratch, void (*check)(struct scratch *))
{
	check(scratch);
	scratch_reopen(scratch);
	check(scratch);
	scratch_fold_all(scratch);
	check(scratch);
	scratch_reopen(scratch);
	check(scratch);
}

static void a_new_device(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_state fresh = scratch_state(scratch, &id);
	struct ks_session sessions[KS_SESSIONS_MAX];
	struct ks_txn *txn = scratch_begin(scratch);

	assert_memory_equal(&fresh.id, &id, sizeof(id));
	assert_int_equal(fresh.next_join_nonce, 1);
	assert_int_equal(fresh.dev_nonce_count, 0);
	assert_false(fresh.has_dev_nonce || fresh.has_session);
	assert_int_equal(fresh.joins_accepted + fresh.joins_refused, 0);
	assert_int_equal(ks_dev_nonce_check(txn, &fresh, V104, 0), KW_OK);
	assert_int_equal(ks_dev_nonce_check(txn, &fresh, V103, 0), KW_OK);
	assert_int_equal(ks_sessions_get(txn, &id, sessions), 0);
	ks_txn_abort(txn);
}

static void counted(struct scratch *scratch)
{
	const struct lw_device_id id = scratch_id(1);
	struct ks_state now = scratch_state(scratch, &id);

	assert_int_equal(now.next_join_nonce, 4);
	assert_int_equal(now.dev_nonce_count, 3);
	assert_int_equal(now.max_dev_nonce, 65535);
	assert_int_equal(now.last_dev_nonce, 65535);
	assert_true(now.has_dev_nonce && now.has_session);
	assert_int_equal(now.last_session.nonce, 65535);
	assert_int_equal(now.last_session.join_nonce, 3);
	replay(scratch, 1, V104, 0);
	replay(scratch, 1, V104, 4711);
	replay(scratch, 1, V104, 65535);
	replay(scratch, 1, LW_VERSION_1_1, 65535);
}

static void the_counter_from_first_to_last(void **state)
{
	struct scratch *scratch = *state;

	join(scratch, 1, V104, 0);
	replay(scratch, 1, V104, 0);
	join(scratch, 1, V104, 1);
	join(scratch, 1, V104, 65535);
	in_every_form(scratch, counted);
}

static void picked(struct scratch *scratch)
{
	const struct lw_device_id id = scratch_id(1);
	struct ks_state now = scratch_state(scratch, &id);
	struct ks_txn *txn = scratch_begin(scratch);
	static const uint16_t used[] = {500, 0, 65535, 7};

	assert_int_equal(now.dev_nonce_count, 4);
	assert_int_equal(now.last_dev_nonce, 7);
	assert_int_equal(now.max_dev_nonce, 65535);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ks_dev_nonce_check(txn, &now, V103, used[i]), KW_E_REPLAY);
	}
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 1), KW_OK);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 65534), KW_OK);
	ks_txn_abort(txn);
}

static void random_values_in_any_order(void **state)
{
	struct scratch *scratch = *state;

	join(scratch, 1, V103, 500);
	join(scratch, 1, V103, 0);
	scratch_fold_all(scratch);
	join(scratch, 1, V103, 65535);
	join(scratch, 1, V103, 7);
	in_every_form(scratch, picked);
}

/* 20, 300 by choice; up to 1000 by counting; 50 by choice is used then, 2000 by choice is new. */
static void changed(struct scratch *scratch)
{
	const struct lw_device_id id = scratch_id(1);
	struct ks_state now = scratch_state(scratch, &id);
	struct ks_txn *txn = scratch_begin(scratch);

	for (uint32_t n = 0; n <= 1000; n++) {
		assert_int_equal(ks_dev_nonce_check(txn, &now, V103, (uint16_t)n), KW_E_REPLAY);
	}
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 1001), KW_OK);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 2000), KW_E_REPLAY);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 1999), KW_OK);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V104, 1999), KW_E_REPLAY);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V104, 2000), KW_E_REPLAY);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V104, 2001), KW_OK);
	ks_txn_abort(txn);
}

static void a_changed_version_forgets_nothing(void **state)
{
	struct scratch *scratch = *state;

	join(scratch, 1, V103, 300);
	join(scratch, 1, V103, 20);
	replay(scratch, 1, V104, 299);
	join(scratch, 1, V104, 400);
	join(scratch, 1, V104, 1000);
	replay(scratch, 1, V103, 50);
	join(scratch, 1, V103, 2000);
	in_every_form(scratch, changed);
}

static void accept_all(struct scratch *scratch, const struct lw_device_id *id, uint16_t *nonce)
{
	struct ks_txn *txn = scratch_begin(scratch);

	for (unsigned i = 0; i < 512; i++) {
		assert_int_equal(scratch_join_in(txn, id, V103, *nonce), KW_OK);
		*nonce = (uint16_t)(*nonce * 40009u + 1);
	}
	scratch_commit(txn);
}

/* From the list over the border to the bitmap, until all 65,536 values are used. */
static void every_value_once(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	uint16_t nonce = 99;
	struct ks_state now;
	struct ks_txn *txn;

	for (unsigned round = 0; round < 128; round++) {
		uint16_t used = nonce;

		accept_all(scratch, &id, &nonce);
		if (round % 16 == 1) {
			scratch_fold_all(scratch);
		} else if (round % 16 == 3) {
			scratch_reopen(scratch);
		}
		replay(scratch, 1, V103, used);
	}
	now = scratch_state(scratch, &id);
	assert_int_equal(now.dev_nonce_count, 65536);
	assert_int_equal(now.next_join_nonce, 65537);
	txn = scratch_begin(scratch);
	for (uint32_t n = 0; n < 65536; n += 13) {
		assert_int_equal(ks_dev_nonce_check(txn, &now, V103, (uint16_t)n), KW_E_REPLAY);
	}
	ks_txn_abort(txn);
}

static void set_history(
	struct scratch *scratch, const struct lw_device_id *id, uint32_t next_join_nonce)
{
	struct ks_history history;
	struct ks_txn *txn = scratch_begin(scratch);

	ks_history_init(&history);
	history.next_join_nonce = next_join_nonce;
	assert_int_equal(ks_history_store(txn, id, &history), KW_OK);
	scratch_commit(txn);
}

static void exhausted(struct scratch *scratch)
{
	const struct lw_device_id id = scratch_id(1);

	assert_int_equal(scratch_state(scratch, &id).next_join_nonce, LW_JOIN_NONCE_MAX + 1);
	assert_int_equal(scratch_join(scratch, &id, V104, 2), KW_E_EXHAUSTED);
}

static void join_nonces_run_out(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);

	set_history(scratch, &id, LW_JOIN_NONCE_MAX);
	join(scratch, 1, V104, 1);
	assert_int_equal(scratch_state(scratch, &id).last_session.join_nonce, LW_JOIN_NONCE_MAX);
	in_every_form(scratch, exhausted);
}

static void two_joins_in_one_transaction(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_state first;
	struct ks_state second;
	struct ks_session session;
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_state_get(txn, &id, &first), KW_OK);
	second = first;
	session = scratch_session(&first, 9);
	assert_int_equal(ks_join_record(txn, &first, V104, &session), KW_OK);
	assert_int_equal(first.next_join_nonce, 2);
	assert_int_equal(first.last_session.join_nonce, 1);

	/* What was read before is outdated and may not give the same JoinNonce again. */
	assert_int_equal(ks_join_record(txn, &second, V104, &session), KW_E_INVALID);
	assert_int_equal(ks_state_get(txn, &id, &second), KW_OK);
	assert_int_equal(ks_dev_nonce_check(txn, &second, V104, 9), KW_E_REPLAY);
	assert_int_equal(ks_dev_nonce_check(txn, &second, V103, 9), KW_E_REPLAY);
	assert_int_equal(ks_dev_nonce_check(txn, &second, V104, 10), KW_OK);
	session = scratch_session(&second, 10);
	assert_int_equal(ks_join_record(txn, &second, V104, &session), KW_OK);
	scratch_commit(txn);
	assert_int_equal(scratch_state(scratch, &id).next_join_nonce, 3);
}

static void outdated_state_is_refused(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_state old = scratch_state(scratch, &id);
	struct ks_session session = scratch_session(&old, 5);
	struct ks_txn *txn;

	join(scratch, 1, V104, 5);
	scratch_fold_all(scratch); /* now nothing in memory tells that there was a join */
	txn = scratch_begin(scratch);
	assert_int_equal(ks_join_record(txn, &old, V104, &session), KW_E_INVALID);
	ks_txn_abort(txn);

	/* The state of an aborted transaction. */
	txn = scratch_begin(scratch);
	assert_int_equal(ks_state_get(txn, &id, &old), KW_OK);
	session = scratch_session(&old, 6);
	assert_int_equal(ks_join_record(txn, &old, V104, &session), KW_OK);
	ks_txn_abort(txn);
	txn = scratch_begin(scratch);
	session = scratch_session(&old, 7);
	assert_int_equal(ks_join_record(txn, &old, V104, &session), KW_E_INVALID);
	ks_txn_abort(txn);
	join(scratch, 1, V104, 6);
}

static void wrong_sessions_are_refused(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_txn *txn = scratch_begin(scratch);
	struct ks_state now;
	struct ks_session session;

	assert_int_equal(ks_state_get(txn, &id, &now), KW_OK);
	session = scratch_session(&now, 1);
	session.join_nonce = 2;
	assert_int_equal(ks_join_record(txn, &now, V104, &session), KW_E_INVALID);
	session.join_nonce = 1;
	session.type = (enum lw_join_req_type)3;
	assert_int_equal(ks_join_record(txn, &now, V104, &session), KW_E_INVALID);
	session.type = LW_JOIN_REQ_JOIN;
	session.mac_version = (enum lw_version)7;
	assert_int_equal(ks_join_record(txn, &now, V104, &session), KW_E_INVALID);
	session.mac_version = V103;
	session.delivery = (enum ks_delivery)(KS_DELIVERY_FETCH + 1);
	assert_int_equal(ks_join_record(txn, &now, V104, &session), KW_E_INVALID);
	session.delivery = KS_DELIVERY_FETCH;
	session.base_join_nonce = 1; /* its own */
	assert_int_equal(ks_join_record(txn, &now, V104, &session), KW_E_INVALID);
	session.base_join_nonce = 0;
	assert_int_equal(ks_join_record(txn, &now, LW_VERSION_NONE, &session), KW_E_INVALID);
	assert_int_equal(ks_join_record(txn, &now, V104, &session), KW_OK);
	ks_txn_abort(txn);
	assert_int_equal(ks_fold_devices(scratch->store), 0);
}

static void sessions_of(struct scratch *scratch, int wanted, uint32_t newest)
{
	const struct lw_device_id id = scratch_id(1);
	struct ks_session sessions[KS_SESSIONS_MAX];
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_sessions_get(txn, &id, sessions), wanted);
	for (int i = 0; i < wanted; i++) {
		struct ks_state at = {.next_join_nonce = newest - (uint32_t)i};
		struct ks_session should =
			scratch_session(&at, (uint16_t)(1000 + at.next_join_nonce));

		scratch_same_session(&sessions[i], &should);
	}
	ks_txn_abort(txn);
}

static void the_last_ten_sessions(void **state)
{
	struct scratch *scratch = *state;

	for (uint16_t n = 1; n <= 200; n++) {
		join(scratch, 1, V104, (uint16_t)(1000 + n));
		sessions_of(scratch, n < 10 ? n : 10, n);
		if (n == 5 || n == 17 || n == 30) {
			scratch_fold_all(scratch);
			sessions_of(scratch, n < 10 ? n : 10, n);
		} else if (n == 24 || n == 70 || n == 130) {
			scratch_reopen(scratch);
			sessions_of(scratch, 10, n);
		}
	}
}

/* Many joins of one device without a fold in between, in one transaction and in many. */
static void a_long_chain(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_txn *txn = scratch_begin(scratch);

	for (uint16_t n = 0; n < 300; n++) {
		assert_int_equal(scratch_join_in(txn, &id, V103, n), KW_OK);
		assert_int_equal(scratch_join_in(txn, &id, V103, n / 2), KW_E_REPLAY);
	}
	ks_txn_abort(txn);
	assert_int_equal(scratch_state(scratch, &id).next_join_nonce, 1);
	assert_int_equal(ks_fold_devices(scratch->store), 0);
	txn = scratch_begin(scratch);
	for (uint16_t n = 0; n < 300; n++) {
		assert_int_equal(scratch_join_in(txn, &id, V103, n), KW_OK);
	}
	scratch_commit(txn);
	assert_int_equal(ks_fold_devices(scratch->store), 1);
	scratch_reopen(scratch);
	assert_int_equal(scratch_state(scratch, &id).next_join_nonce, 301);
	for (uint16_t n = 0; n < 300; n++) {
		replay(scratch, 1, V103, n);
	}
}

static void an_abort_undoes_memory_too(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id ids[] = {scratch_id(1), scratch_id(2), scratch_id(3)};
	struct ks_state before[3];
	struct ks_txn *txn;

	join(scratch, 1, V104, 1);
	join(scratch, 2, V103, 2);
	scratch_fold_all(scratch);
	join(scratch, 2, V103, 3);
	for (size_t i = 0; i < 3; i++) {
		before[i] = scratch_state(scratch, &ids[i]);
	}
	txn = scratch_begin(scratch);
	for (size_t i = 0; i < 3; i++) {
		const struct ks_event refusal = scratch_refusal(&ids[i], 1);

		assert_int_equal(scratch_join_in(txn, &ids[i], V104, 100), KW_OK);
		assert_int_equal(ks_event_add(txn, &refusal), KW_OK);
		assert_int_equal(ks_dev_nonce_reset(txn, &ids[i]), KW_OK);
	}
	ks_txn_abort(txn);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(ks_fold_devices(scratch->store), 1);
		assert_int_equal(ks_fold_records(scratch->store), 1);
		for (size_t i = 0; i < 3; i++) {
			struct ks_state now = scratch_state(scratch, &ids[i]);

			scratch_same_state(&now, &before[i]);
		}
		scratch_reopen(scratch);
	}
}

/* No file may grow: the commit itself fails. */
static void a_failed_commit_undoes_memory_too(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	const struct rlimit none = {1, RLIM_INFINITY};
	struct rlimit before;
	struct ks_txn *txn;

	join(scratch, 1, V104, 1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	txn = scratch_begin(scratch);
	assert_int_equal(scratch_join_in(txn, &id, V104, 2), KW_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_not_equal(ks_txn_commit(txn), KW_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(scratch_state(scratch, &id).next_join_nonce, 2);
	assert_int_equal(ks_fold_records(scratch->store), 1);
	scratch_reopen(scratch);
	assert_int_equal(scratch_state(scratch, &id).next_join_nonce, 2);
	join(scratch, 1, V104, 2);
	assert_int_equal(scratch_state(scratch, &id).next_join_nonce, 3);
}

static void after_reset(struct scratch *scratch)
{
	const struct lw_device_id id = scratch_id(1);
	struct ks_state now = scratch_state(scratch, &id);
	struct ks_session sessions[KS_SESSIONS_MAX];
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(now.next_join_nonce, 4);
	assert_int_equal(now.joins_accepted, 3);
	assert_int_equal(now.joins_refused, 2);
	assert_int_equal(now.dev_nonce_count, 0);
	assert_int_equal(now.last_dev_nonce + now.max_dev_nonce, 0);
	assert_false(now.has_dev_nonce);
	assert_true(now.has_session);
	assert_int_equal(now.last_session.join_nonce, 3);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V104, 0), KW_OK);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 7), KW_OK);
	assert_int_equal(ks_sessions_get(txn, &id, sessions), 3);
	ks_txn_abort(txn);
}

static void a_reset_forgets_dev_nonces_only(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	const struct ks_event refusal = scratch_refusal(&id, 2);
	struct ks_txn *txn;

	join(scratch, 1, V103, 7);
	scratch_fold_all(scratch);
	join(scratch, 1, V104, 50);
	join(scratch, 1, V103, 60);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_event_add(txn, &refusal), KW_OK);
	assert_int_equal(ks_dev_nonce_reset(txn, &id), KW_OK);
	scratch_commit(txn);
	in_every_form(scratch, after_reset);
	join(scratch, 1, V104, 0);
	assert_int_equal(scratch_state(scratch, &id).dev_nonce_count, 1);
	scratch_reopen(scratch);
	assert_int_equal(scratch_state(scratch, &id).dev_nonce_count, 1);
	replay(scratch, 1, V103, 0);

	/* Of a device without any, nothing is written. */
	txn = scratch_begin(scratch);
	assert_int_equal(ks_dev_nonce_reset(txn, &(struct lw_device_id){.dev_eui = {{9}}}), KW_OK);
	assert_false(txn->dirty);
	ks_txn_abort(txn);
}

static struct lw_device_id under(const struct lw_device_id *id, uint8_t join_eui)
{
	struct lw_device_id other = *id;

	memset(other.join_eui.octets, join_eui, LW_EUI_SIZE);
	return other;
}

/* What registering a device under a JoinEUI does, as far as its nonces are concerned. */
static void carry(struct ks_txn *txn, const struct lw_device_id *id)
{
	uint8_t key[KS_ID_SIZE];

	memcpy(key, id->dev_eui.octets, LW_EUI_SIZE);
	memcpy(key + LW_EUI_SIZE, id->join_eui.octets, LW_EUI_SIZE);
	assert_int_equal(ks_state_carry_over(txn, id), KW_OK);
	assert_int_equal(
		ks_put(txn, txn->store->tables.dev_eui, key, sizeof(key), "", 0, 0), KW_OK);
}

static void join_nonces_go_on_under_another_join_eui(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id neighbour = scratch_id(2);
	const struct lw_device_id base = scratch_id(1);
	const struct lw_device_id a = under(&base, 0x11);
	const struct lw_device_id b = under(&base, 0x22);
	struct ks_txn *txn = scratch_begin(scratch);

	carry(txn, &neighbour);
	carry(txn, &a);
	assert_int_equal(scratch_join_in(txn, &neighbour, V104, 1), KW_OK);
	for (uint16_t n = 0; n < 5; n++) {
		assert_int_equal(scratch_join_in(txn, &a, V104, n), KW_OK);
	}
	carry(txn, &b); /* from an unfolded device */
	scratch_commit(txn);
	assert_int_equal(scratch_state(scratch, &b).next_join_nonce, 6);
	assert_false(scratch_state(scratch, &b).has_dev_nonce);
	assert_int_equal(scratch_join(scratch, &b, V104, 0), KW_OK);
	assert_int_equal(scratch_join(scratch, &b, V104, 1), KW_OK);
	assert_int_equal(scratch_state(scratch, &b).next_join_nonce, 8);
	assert_int_equal(scratch_state(scratch, &a).next_join_nonce, 6);

	/* Back again, while joins of both are unfolded: DevNonces of then are still used. */
	txn = scratch_begin(scratch);
	carry(txn, &a);
	assert_int_equal(scratch_join_in(txn, &a, V104, 4), KW_E_REPLAY);
	scratch_commit(txn);
	for (unsigned round = 0; round < 3; round++) {
		struct ks_state now = scratch_state(scratch, &a);

		assert_int_equal(now.next_join_nonce, 8);
		assert_int_equal(now.max_dev_nonce, 4);
		assert_int_equal(now.last_session.join_nonce, 5);
		assert_int_equal(now.joins_accepted, 5);
		if (round == 0) {
			scratch_reopen(scratch);
		} else {
			scratch_fold_all(scratch);
		}
	}
	assert_int_equal(scratch_join(scratch, &a, V104, 5), KW_OK);
	assert_int_equal(scratch_state(scratch, &a).next_join_nonce, 9);
	assert_int_equal(scratch_state(scratch, &neighbour).next_join_nonce, 2);
}

static void rejoins_leave_dev_nonces_alone(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	static const enum lw_join_req_type types[] = {
		LW_JOIN_REQ_REJOIN_0, LW_JOIN_REQ_REJOIN_1, LW_JOIN_REQ_REJOIN_2};
	struct ks_history history;
	struct ks_txn *txn;

	join(scratch, 1, LW_VERSION_1_1, 3);
	for (size_t i = 0; i < 3; i++) {
		struct ks_state now;
		struct ks_session session;

		txn = scratch_begin(scratch);
		assert_int_equal(ks_state_get(txn, &id, &now), KW_OK);
		session = scratch_session(&now, (uint16_t)(600 + i));
		session.type = types[i];
		assert_int_equal(ks_join_record(txn, &now, LW_VERSION_1_1, &session), KW_OK);
		scratch_commit(txn);
	}
	for (unsigned round = 0; round < 3; round++) {
		struct ks_state now = scratch_state(scratch, &id);

		assert_int_equal(now.next_join_nonce, 5);
		assert_int_equal(now.dev_nonce_count, 1);
		assert_int_equal(now.last_dev_nonce, 3);
		assert_int_equal(now.max_dev_nonce, 3);
		assert_int_equal(now.last_session.type, LW_JOIN_REQ_REJOIN_2);
		if (round == 0) {
			scratch_reopen(scratch);
		} else {
			scratch_fold_all(scratch);
		}
	}
	txn = scratch_begin(scratch);
	assert_int_equal(ks_history_load(txn, &id, &history), KW_OK);
	assert_true(history.has_rj_count_1);
	assert_int_equal(history.rj_count_1, 601);
	ks_txn_abort(txn);
	join(scratch, 1, LW_VERSION_1_1, 4);
}

static void join_and_rejoin_counts(struct scratch *scratch)
{
	const struct lw_device_id id = scratch_id(1);
	const struct ks_state now = scratch_state(scratch, &id);
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(now.max_dev_nonce, 800);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 800), KW_E_REPLAY);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 700), KW_E_REPLAY);
	assert_int_equal(ks_dev_nonce_check(txn, &now, V103, 601), KW_OK);
	ks_txn_abort(txn);
}

static void rejoin(
	struct scratch *scratch, enum lw_join_req_type type, uint32_t base, uint16_t rj_count)
{
	const struct lw_device_id id = scratch_id(1);
	struct ks_txn *txn = scratch_begin(scratch);
	struct ks_session session;
	struct ks_state now;
	int32_t last;

	assert_int_equal(ks_rj_count_check(txn, &id, type, base, rj_count, &last), KW_OK);
	assert_int_equal(ks_state_get(txn, &id, &now), KW_OK);
	session = scratch_session(&now, rj_count);
	session.type = type;
	session.base_join_nonce = type == LW_JOIN_REQ_REJOIN_1 ? 0 : base;
	assert_int_equal(ks_join_record(txn, &now, LW_VERSION_1_1, &session), KW_OK);
	scratch_commit(txn);
}

/* All up to `expected` are used (-1: none), and no others. */
static void counted_up_to(
	struct scratch *scratch, enum lw_join_req_type type, uint32_t base, int32_t expected)
{
	const struct lw_device_id id = scratch_id(1);
	struct ks_txn *txn = scratch_begin(scratch);

	for (int32_t i = 0; i <= UINT16_MAX; i += i < 2000 ? 1 : 4093) {
		int32_t last = 77;

		assert_int_equal(ks_rj_count_check(txn, &id, type, base, (uint16_t)i, &last),
			i > expected ? KW_OK : KW_E_REPLAY);
		assert_int_equal(last, expected);
	}
	assert_false(txn->dirty);
	ks_txn_abort(txn);
}

#define R0 LW_JOIN_REQ_REJOIN_0
#define R1 LW_JOIN_REQ_REJOIN_1
#define R2 LW_JOIN_REQ_REJOIN_2

/* 1: joined; 2: from 1 with 5; 3: from 1 with 9 (type 2); 4: from 2 with 0; 5: type 1 with 700. */
static void rj_counted(struct scratch *scratch)
{
	counted_up_to(scratch, R0, 1, 9);
	counted_up_to(scratch, R2, 1, 9);
	counted_up_to(scratch, R0, 2, 0);
	counted_up_to(scratch, R2, 3, -1);
	counted_up_to(scratch, R0, 4, -1);
	counted_up_to(scratch, R0, 5, -1);
	counted_up_to(scratch, R1, 0, 700);
	counted_up_to(scratch, R1, 1, 700); /* of the device, not of a session */
}

/* A device of 1.1 that becomes one of 1.0.3: an RJcount is no DevNonce. */
static void an_rj_count_uses_no_dev_nonce(void **state)
{
	struct scratch *scratch = *state;

	join(scratch, 1, V103, 700);
	rejoin(scratch, R1, 0, 601);
	join(scratch, 1, V103, 800);
	in_every_form(scratch, join_and_rejoin_counts);
}

static void rj_counts(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_txn *txn = scratch_begin(scratch);
	int32_t last = 77;

	assert_int_equal(ks_rj_count_check(txn, &id, LW_JOIN_REQ_JOIN, 0, 1, &last), KW_E_INVALID);
	assert_int_equal(last, -1);
	ks_txn_abort(txn);
	counted_up_to(scratch, R1, 0, -1); /* a device without history */
	join(scratch, 1, LW_VERSION_1_1, 3);
	counted_up_to(scratch, R0, 1, -1);
	rejoin(scratch, R0, 1, 5);
	rejoin(scratch, R2, 1, 9);
	scratch_fold_all(scratch);
	rejoin(scratch, R0, 2, 0);
	rejoin(scratch, R1, 0, 700);
	in_every_form(scratch, rj_counted);
}

static void rj_count_1_is_701(struct scratch *scratch)
{
	counted_up_to(scratch, R1, 0, 701);
}

/* RJcount1 outlives its sessions, a reset of the DevNonces, and chains that are cut. */
static void rj_count_1_is_for_ever(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct ks_txn *txn;

	join(scratch, 1, LW_VERSION_1_1, 0);
	rejoin(scratch, R1, 0, 0);
	counted_up_to(scratch, R1, 0, 0);
	rejoin(scratch, R1, 0, 701);
	for (uint16_t n = 1; n <= 150; n++) {
		join(scratch, 1, LW_VERSION_1_1, n);
	}
	in_every_form(scratch, rj_count_1_is_701);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_dev_nonce_reset(txn, &id), KW_OK);
	scratch_commit(txn);
	in_every_form(scratch, rj_count_1_is_701);
	rejoin(scratch, R1, 0, 65535);
	counted_up_to(scratch, R1, 0, 65535);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_of(a_new_device),
		case_of(the_counter_from_first_to_last),
		case_of(random_values_in_any_order),
		case_of(a_changed_version_forgets_nothing),
		case_of(every_value_once),
		case_of(join_nonces_run_out),
		case_of(two_joins_in_one_transaction),
		case_of(outdated_state_is_refused),
		case_of(wrong_sessions_are_refused),
		case_of(the_last_ten_sessions),
		case_of(a_long_chain),
		case_of(an_abort_undoes_memory_too),
		case_of(a_failed_commit_undoes_memory_too),
		case_of(a_reset_forgets_dev_nonces_only),
		case_of(join_nonces_go_on_under_another_join_eui),
		case_of(rejoins_leave_dev_nonces_alone),
		case_of(an_rj_count_uses_no_dev_nonce),
		case_of(rj_counts),
		case_of(rj_count_1_is_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
