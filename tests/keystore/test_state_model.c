/*
 * Random joins, refusals, resets, folds, aborts, failed commits, reopened stores and killed
 * processes, compared with a model that is too simple to be wrong.
 */
#include "tests/keystore/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED        UINT64_C(20260611)
#define DEVICES     12
#define BATCHES     2500
#define KILLS       40
#define KILL_AFTER  400 /* batches at most, then the process ends by itself */
#define NONCES      65536
#define NONCES_NEAR 3000 /* small enough for repeats, large enough for bitmaps */

struct device {
	bool used[NONCES]; /* what the exact rule refuses */
	bool none_yet;
	uint16_t last;
	uint16_t max;
	uint32_t next_join_nonce;
	uint32_t count;
	uint64_t accepted;
	uint64_t refused;
	enum lw_version version;
	int session_count;
	struct ks_session sessions[KS_SESSIONS_MAX];
};

struct model {
	struct device devices[DEVICES];
};

/* Shared with the process that is killed: models[now] is committed, or, while `committing`, either
 * of the two may be. */
struct shared {
	struct model models[2];
	volatile unsigned now;
	volatile bool committing;
	volatile uint32_t batches;
	volatile uint64_t seed;
};

static void model_init(struct model *model)
{
	memset(model, 0, sizeof(*model));
	for (size_t i = 0; i < DEVICES; i++) {
		model->devices[i].none_yet = true;
		model->devices[i].next_join_nonce = 1;
		model->devices[i].version = i % 2 == 0 ? LW_VERSION_1_0_3 : LW_VERSION_1_0_4;
	}
}

static bool model_allows(const struct device *device, enum lw_version version, uint16_t nonce)
{
	if (device->none_yet) {
		return true;
	}
	return lw_version_counts_dev_nonce(version) ? nonce > device->max : !device->used[nonce];
}

static void model_join(struct device *device, const struct ks_session *session)
{
	const uint16_t nonce = session->nonce;

	device->used[nonce] = true;
	if (lw_version_counts_dev_nonce(device->version)) {
		memset(device->used, true, nonce);
	}
	device->max = device->none_yet || nonce > device->max ? nonce : device->max;
	device->none_yet = false;
	device->last = nonce;
	device->next_join_nonce++;
	device->count++;
	device->accepted++;
	memmove(device->sessions + 1, device->sessions,
		(KS_SESSIONS_MAX - 1) * sizeof(device->sessions[0]));
	device->sessions[0] = *session;
	device->session_count += device->session_count < KS_SESSIONS_MAX ? 1 : 0;
}

static void check_state(const struct ks_state *now, const struct device *device)
{
	assert_int_equal(now->next_join_nonce, device->next_join_nonce);
	assert_int_equal(now->dev_nonce_count, device->count);
	assert_int_equal(now->has_dev_nonce, !device->none_yet);
	assert_int_equal(now->last_dev_nonce, device->last);
	assert_int_equal(now->max_dev_nonce, device->max);
	assert_int_equal(now->joins_accepted, device->accepted);
	assert_int_equal(now->joins_refused, device->refused);
	assert_int_equal(now->has_session, device->session_count > 0);
	if (now->has_session) {
		scratch_same_session(&now->last_session, &device->sessions[0]);
	}
}

static void check_device(struct ks_txn *txn, const struct device *device, uint32_t n, uint32_t step)
{
	const struct lw_device_id id = scratch_id(n);
	struct ks_session sessions[KS_SESSIONS_MAX];
	struct ks_state now;

	assert_int_equal(ks_state_get(txn, &id, &now), KW_OK);
	check_state(&now, device);
	assert_int_equal(ks_sessions_get(txn, &id, sessions), device->session_count);
	for (int i = 0; i < device->session_count; i++) {
		scratch_same_session(&sessions[i], &device->sessions[i]);
	}
	for (uint32_t nonce = n % step; nonce < NONCES; nonce += step) {
		for (unsigned kind = 0; kind < 2; kind++) {
			enum lw_version version = kind == 0 ? LW_VERSION_1_0_2 : LW_VERSION_1_1;
			bool good = model_allows(device, version, (uint16_t)nonce);

			assert_int_equal(ks_dev_nonce_check(txn, &now, version, (uint16_t)nonce),
				good ? KW_OK : KW_E_REPLAY);
		}
	}
}

static void check_all(struct scratch *scratch, const struct model *model, uint32_t step)
{
	struct ks_txn *txn = scratch_begin(scratch);

	for (uint32_t n = 0; n < DEVICES; n++) {
		check_device(txn, &model->devices[n], n, step);
	}
	assert_false(txn->dirty);
	ks_txn_abort(txn);
}

static uint16_t choose_nonce(const struct device *device, uint64_t *seed)
{
	switch (scratch_random(seed, 4)) {
	case 0:
		return device->last;
	case 1:
		return (uint16_t)(device->max + scratch_random(seed, 3));
	default:
		return (uint16_t)scratch_random(seed, NONCES_NEAR);
	}
}

static void try_join(struct ks_txn *txn, struct device *device, uint32_t n, uint64_t *seed)
{
	const struct lw_device_id id = scratch_id(n);
	const uint16_t nonce = choose_nonce(device, seed);
	struct ks_state now;
	struct ks_session session;
	bool good = model_allows(device, device->version, nonce);

	assert_int_equal(ks_state_get(txn, &id, &now), KW_OK);
	check_state(&now, device);
	assert_int_equal(
		ks_dev_nonce_check(txn, &now, device->version, nonce), good ? KW_OK : KW_E_REPLAY);
	if (!good) {
		return;
	}
	session = scratch_session(&now, nonce);
	assert_int_equal(ks_join_record(txn, &now, device->version, &session), KW_OK);
	model_join(device, &session);
	check_state(&now, device);
}

static void try_event(struct ks_txn *txn, struct device *device, uint32_t n, uint64_t *seed)
{
	const struct lw_device_id id = scratch_id(n);
	struct ks_event event = scratch_refusal(&id, 1 + scratch_random(seed, 3));

	if (scratch_random(seed, 2) == 0) {
		event.kind = KS_EVENT_REPEATED;
		event.err = KW_OK;
	} else {
		device->refused += event.repeats;
	}
	assert_int_equal(ks_event_add(txn, &event), KW_OK);
}

static void try_reset(struct ks_txn *txn, struct device *device, uint32_t n)
{
	const struct lw_device_id id = scratch_id(n);

	assert_int_equal(ks_dev_nonce_reset(txn, &id), KW_OK);
	memset(device->used, 0, sizeof(device->used));
	device->none_yet = true;
	device->last = 0;
	device->max = 0;
	device->count = 0;
}

static void one_thing(struct ks_txn *txn, struct model *model, uint64_t *seed)
{
	/* Some devices have long chains, some hardly any joins. */
	uint32_t n = scratch_random(seed, 2) == 0 ? scratch_random(seed, 3)
						  : scratch_random(seed, DEVICES);
	struct device *device = &model->devices[n];
	uint32_t what = scratch_random(seed, 1000);

	if (what < 820) {
		try_join(txn, device, n, seed);
	} else if (what < 980) {
		try_event(txn, device, n, seed);
	} else if (what < 995) {
		device->version = (enum lw_version)(1 + scratch_random(seed, 6));
	} else {
		try_reset(txn, device, n);
	}
}

static void batch(struct ks_txn *txn, struct model *model, uint64_t *seed)
{
	uint32_t things = 1 + scratch_random(seed, 40);

	while (things-- > 0) {
		one_thing(txn, model, seed);
	}
}

static void fail_to_commit(struct ks_txn *txn)
{
	const struct rlimit none = {1, RLIM_INFINITY};
	struct rlimit before;
	bool wrote = txn->dirty;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(ks_txn_commit(txn) != KW_OK, wrote);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

static void some_fold(struct scratch *scratch, uint64_t *seed)
{
	size_t left;

	assert_int_equal(ks_fold(scratch->store, scratch_random(seed, 5), &left), KW_OK);
	assert_int_equal(left, ks_fold_devices(scratch->store));
}

static struct model committed;
static struct model working;

static void like_the_model(void **state)
{
	struct scratch *scratch = *state;
	uint64_t seed = SEED;
	uint32_t failures = 0;

	print_message("seed %llu\n", (unsigned long long)seed);
	signal(SIGXFSZ, SIG_IGN);
	model_init(&committed);
	for (uint32_t i = 0; i < BATCHES; i++) {
		struct ks_txn *txn = scratch_begin(scratch);
		uint32_t end = scratch_random(&seed, 100);

		working = committed;
		batch(txn, &working, &seed);
		if (end < 15) {
			ks_txn_abort(txn);
		} else if (end < 18) {
			fail_to_commit(txn);
			failures++;
		} else {
			scratch_commit(txn);
			committed = working;
		}
		if (scratch_random(&seed, 4) == 0) {
			some_fold(scratch, &seed);
		}
		if (scratch_random(&seed, 40) == 0) {
			scratch_reopen(scratch);
		}
		if (scratch_random(&seed, 20) == 0) {
			check_all(scratch, &committed, 4999);
		}
	}
	assert_true(failures > 0);
	check_all(scratch, &committed, 37);
	scratch_fold_all(scratch);
	check_all(scratch, &committed, 37);
	scratch_reopen(scratch);
	check_all(scratch, &committed, 37);
}

/* Works on the store until it is killed. */
static void victim(struct scratch *scratch, struct shared *shared)
{
	uint64_t seed = shared->seed;

	if (ks_store_open(&scratch->options, &scratch->master, &scratch->store) != KW_OK) {
		_exit(1);
	}
	for (uint32_t i = 0; i < KILL_AFTER; i++) {
		struct model *next = &shared->models[1 - shared->now];
		struct ks_txn *txn;
		size_t left;

		if (ks_txn_begin(scratch->store, &txn) != KW_OK) {
			_exit(1);
		}
		*next = shared->models[shared->now];
		batch(txn, next, &seed);
		shared->committing = true;
		if (ks_txn_commit(txn) != KW_OK) {
			_exit(1);
		}
		shared->now = 1 - shared->now;
		shared->committing = false;
		shared->batches++;
		if (scratch_random(&seed, 3) == 0 &&
			ks_fold(scratch->store, scratch_random(&seed, 5), &left) != KW_OK) {
			_exit(1);
		}
	}
	_exit(0);
}

/* Which of the two the store has, while a commit was under way: the sum of joins tells. */
static unsigned which(struct scratch *scratch, const struct shared *shared)
{
	uint64_t wanted = 0;
	uint64_t found = 0;

	for (uint32_t n = 0; n < DEVICES; n++) {
		const struct lw_device_id id = scratch_id(n);
		const struct device *next = &shared->models[1 - shared->now].devices[n];
		struct ks_state now = scratch_state(scratch, &id);

		wanted += next->accepted + next->refused + next->none_yet;
		found += now.joins_accepted + now.joins_refused + !now.has_dev_nonce;
	}
	return wanted == found ? 1 - shared->now : shared->now;
}

static void nothing_is_lost_when_killed(void **state)
{
	struct scratch *scratch = *state;
	uint64_t seed = SEED + 1;
	uint32_t killed = 0;
	struct shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(shared, MAP_FAILED);
	print_message("seed %llu\n", (unsigned long long)seed);
	model_init(&shared->models[0]);
	scratch_close(scratch);
	for (uint32_t i = 0; i < KILLS; i++) {
		uint32_t wait_us = scratch_random(&seed, 60000);
		int status;
		pid_t pid;

		shared->seed = seed;
		fflush(stdout);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			victim(scratch, shared);
		}
		usleep(wait_us);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
		killed += WIFSIGNALED(status) ? 1 : 0;
		scratch_open(scratch);
		if (shared->committing) {
			shared->now = which(scratch, shared);
			shared->committing = false;
		}
		check_all(scratch, &shared->models[shared->now], 1009);
		scratch_close(scratch);
	}
	print_message("%u times killed, %u transactions\n", killed, shared->batches);
	assert_true(killed > 0 && shared->batches > 0);
	scratch_open(scratch);
	scratch_fold_all(scratch);
	check_all(scratch, &shared->models[shared->now], 101);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(like_the_model, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(
			nothing_is_lost_when_killed, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
