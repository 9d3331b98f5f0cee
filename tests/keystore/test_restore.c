/* Nonces after a restore, and a crash at every step of one. */
#include "tests/keystore/restored.h"

#include "keystore/history.h"
#include "keystore/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define V103    LW_VERSION_1_0_3
#define V104    LW_VERSION_1_0_4
#define MARGIN  KS_NONCE_MARGIN
#define CRASHED 77

/* ---- steps that are durable, counted; one of them is the last ---- */

static int steps, last_step;

static void step(void)
{
	if (++steps == last_step) {
		_exit(CRASHED);
	}
}

/* Before and after each: a crash in between is one of both. */
#define WRAP(name, parameters, arguments)       \
	int __real_##name parameters;           \
	int __wrap_##name parameters;           \
	int __wrap_##name parameters            \
	{                                       \
		int done;                       \
                                                \
		step();                         \
		done = __real_##name arguments; \
		step();                         \
		return done;                    \
	}

WRAP(renameat, (int from, const char *a, int to, const char *b), (from, a, to, b))
WRAP(linkat, (int from, const char *a, int to, const char *b, int flags), (from, a, to, b, flags))
WRAP(fsync, (int fd), (fd))
WRAP(unlinkat, (int folder, const char *name, int flags), (folder, name, flags))

/* ---- */

static uint32_t next_of(struct scratch *scratch, uint32_t n)
{
	const struct lw_device_id id = scratch_id(n);

	return scratch_state(scratch, &id).next_join_nonce;
}

static void join(struct scratch *scratch, uint32_t n, enum lw_version version, uint16_t nonce)
{
	const struct lw_device_id id = scratch_id(n);

	assert_int_equal(scratch_join(scratch, &id, version, nonce), KW_OK);
}

enum {
	FOLDED = 1, /* three joins, folded */
	UNFOLDED,   /* two joins, in the journal only */
	BOTH,       /* one folded, one not */
	NEVER,      /* no join */
	REFUSED,    /* refusals only, not folded */
	LATER       /* not in the backup at all */
};

static void fill(struct scratch *scratch)
{
	const struct lw_device_id refused = scratch_id(REFUSED);
	const struct ks_event refusal = scratch_refusal(&refused, 3);
	struct ks_txn *txn;

	for (uint32_t n = FOLDED; n < LATER; n++) {
		restored_add(scratch, n, V104);
	}
	for (uint16_t nonce = 1; nonce <= 3; nonce++) {
		join(scratch, FOLDED, V104, nonce);
	}
	join(scratch, BOTH, V104, 1);
	scratch_fold_all(scratch);
	join(scratch, BOTH, V104, 2);
	join(scratch, UNFOLDED, V104, 1);
	join(scratch, UNFOLDED, V104, 2);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_event_add(txn, &refusal), KW_OK);
	scratch_commit(txn);
}

static void assert_advanced(struct scratch *target, uint32_t by)
{
	assert_int_equal(next_of(target, FOLDED), 4 + by);
	assert_int_equal(next_of(target, UNFOLDED), 3 + by);
	assert_int_equal(next_of(target, BOTH), 3 + by);
	assert_int_equal(next_of(target, NEVER), 1 + by);
	assert_int_equal(next_of(target, REFUSED), 1 + by);
	assert_int_equal(next_of(target, LATER), 1 + by);
}

static void every_device_is_advanced(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(UNFOLDED);
	struct ks_session sessions[KS_SESSIONS_MAX];
	struct scratch target;
	struct octets octets;
	struct ks_txn *txn;

	fill(scratch);
	octets = restored_backup(scratch);
	restored_folder(&target);
	assert_int_equal(restored_make(&target, &octets), KW_OK);
	for (int round = 0; round < 2; round++) { /* the second time, replayed */
		scratch_open(&target);
		assert_advanced(&target, MARGIN);
		scratch_close(&target);
	}
	scratch_open(&target);
	/* What was known is known still. */
	assert_int_equal(scratch_join(&target, &id, V104, 2), KW_E_REPLAY);
	join(&target, UNFOLDED, V104, 3);
	join(&target, NEVER, V104, 1);
	restored_add(&target, LATER, V104); /* its nonces after the backup are not known either */
	join(&target, LATER, V104, 1);
	txn = scratch_begin(&target);
	assert_int_equal(ks_sessions_get(txn, &id, sessions), 3);
	assert_int_equal(sessions[0].join_nonce, 3 + MARGIN);
	assert_int_equal(sessions[1].join_nonce, 2);
	ks_txn_abort(txn);
	scratch_fold_all(&target);
	scratch_reopen(&target);
	assert_int_equal(next_of(&target, FOLDED), 4 + MARGIN);
	assert_int_equal(next_of(&target, UNFOLDED), 4 + MARGIN);
	assert_int_equal(next_of(&target, NEVER), 2 + MARGIN);
	assert_int_equal(next_of(&target, LATER), 2 + MARGIN);
	restored_remove(&target);
	free(octets.at);
}

static enum kw_err restore_over(struct scratch *target, const struct octets *octets)
{
	struct ks_restore restore = {.nonce_margin = MARGIN, .replace = true};
	enum kw_err err = restored_from(target, octets, &restore);

	assert_true(err != KW_OK || restore.aside[0] != '\0');
	return err;
}

/* Backup, restore, joins, the same backup once more: what the first gave out, the second does not. */
static void the_same_backup_twice_goes_on(void **state)
{
	struct scratch *scratch = *state;
	struct octets octets, second;
	struct scratch target;

	fill(scratch);
	octets = restored_backup(scratch);
	restored_folder(&target);
	assert_int_equal(restored_make(&target, &octets), KW_OK);
	scratch_open(&target);
	for (uint16_t nonce = 4; nonce < 30; nonce++) {
		join(&target, FOLDED, V104, nonce);
	}
	second = restored_backup(&target);
	scratch_close(&target);

	assert_int_equal(restore_over(&target, &octets), KW_OK);
	scratch_open(&target);
	assert_int_equal(target.store->epoch, 3);
	assert_advanced(&target, 2 * MARGIN);
	scratch_close(&target);

	/* A backup of the second epoch, after the third: beyond both. */
	assert_int_equal(restore_over(&target, &second), KW_OK);
	scratch_open(&target);
	assert_int_equal(target.store->epoch, 4);
	assert_int_equal(next_of(&target, FOLDED), 30 + 3 * MARGIN);
	assert_int_equal(next_of(&target, NEVER), 1 + 3 * MARGIN);
	restored_remove(&target);
	free(octets.at);
	free(second.at);
}

static void a_file_of_another_store_does_not_count(void **state)
{
	struct scratch *scratch = *state;
	struct octets octets = restored_backup(scratch);
	struct scratch target;
	char path[128];
	FILE *file;

	restored_folder(&target);
	snprintf(path, sizeof(path), "%s/epoch", target.path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("store 0000000000000000 epoch 9 advanced 9000000\n", file);
	fclose(file);
	assert_int_equal(restored_make(&target, &octets), KW_OK);
	scratch_open(&target);
	assert_int_equal(target.store->epoch, 2);
	assert_int_equal(target.store->advanced, MARGIN);
	scratch_close(&target);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("store 0000000000000000 epoch 9 advanced 9000000 \n", file);
	fclose(file);
	assert_int_equal(restore_over(&target, &octets), KW_E_STORE_DAMAGED);
	restored_remove(&target);
	free(octets.at);
}

static void put_next(struct scratch *scratch, uint32_t n, uint32_t next)
{
	const struct lw_device_id id = scratch_id(n);
	struct ks_txn *txn = scratch_begin(scratch);
	struct ks_history history;

	assert_int_equal(ks_history_load(txn, &id, &history), KW_OK);
	history.next_join_nonce = next;
	assert_int_equal(ks_history_replace(txn, &id, &history), KW_OK);
	scratch_commit(txn);
}

/* 2^24 is not passed: who comes too near is told and does not join any more. */
static void the_last_join_nonce_is_not_passed(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id near = scratch_id(FOLDED), beyond = scratch_id(NEVER);
	struct ks_restore restore = {.nonce_margin = MARGIN};
	struct scratch target;
	struct octets octets;

	fill(scratch);
	put_next(scratch, FOLDED, LW_JOIN_NONCE_MAX - MARGIN);
	put_next(scratch, NEVER, LW_JOIN_NONCE_MAX - MARGIN + 1);
	octets = restored_backup(scratch);
	restored_folder(&target);
	assert_int_equal(restored_from(&target, &octets, &restore), KW_OK);
	assert_int_equal(restore.exhausted, 1);
	assert_int_equal(restore.damaged, 0);
	scratch_open(&target);
	assert_int_equal(next_of(&target, FOLDED), LW_JOIN_NONCE_MAX);
	assert_int_equal(scratch_join(&target, &near, V104, 10), KW_OK);
	assert_int_equal(scratch_join(&target, &near, V104, 11), KW_E_EXHAUSTED);
	assert_int_equal(scratch_join(&target, &beyond, V104, 10), KW_E_EXHAUSTED);
	scratch_fold_all(&target);
	scratch_reopen(&target);
	assert_int_equal(scratch_join(&target, &near, V104, 11), KW_E_EXHAUSTED);
	restored_remove(&target);
	free(octets.at);
}

static void so_many_restores_are_refused(void **state)
{
	struct scratch *scratch = *state;
	struct ks_restore restore = {.nonce_margin = KS_NONCE_MARGIN_MAX, .replace = true};
	struct octets octets = restored_backup(scratch);
	struct scratch target;

	restored_folder(&target);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(restored_from(&target, &octets, &restore), KW_OK);
	}
	assert_int_equal(restored_from(&target, &octets, &restore), KW_E_EXHAUSTED);
	restore.nonce_margin = KS_NONCE_MARGIN_MIN - 1;
	assert_int_equal(restored_from(&target, &octets, &restore), KW_E_INVALID);
	restore.nonce_margin = KS_NONCE_MARGIN_MAX + 1;
	assert_int_equal(restored_from(&target, &octets, &restore), KW_E_INVALID);
	scratch_open(&target);
	assert_int_equal(target.store->advanced, 3 * KS_NONCE_MARGIN_MAX);
	restored_remove(&target);
	free(octets.at);
}

/* Its state does not read, its joins wait in the journal: it must not go on from those. */
static void a_damaged_device_does_not_join(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(BOTH), other = scratch_id(UNFOLDED);
	struct ks_restore restore = {.nonce_margin = MARGIN};
	uint8_t key[KS_ID_SIZE];
	struct scratch target;
	struct octets octets;
	struct ks_txn *txn;

	fill(scratch);
	txn = scratch_begin(scratch);
	ks_id_write(&id, key);
	assert_int_equal(
		ks_put(txn, scratch->store->tables.state, key, sizeof(key), "rubbish", 7, 0),
		KW_OK);
	scratch_commit(txn);
	octets = restored_backup(scratch);
	restored_folder(&target);
	assert_int_equal(restored_from(&target, &octets, &restore), KW_OK);
	assert_int_equal(restore.damaged, 1);
	scratch_open(&target);
	assert_int_equal(scratch_join(&target, &id, V104, 9), KW_E_STORE_DAMAGED);
	assert_int_equal(scratch_join(&target, &other, V104, 9), KW_OK);
	restored_remove(&target);
	free(octets.at);
}

/* The same where the state reads, but is not that of the chain. */
static void a_chain_from_before_the_margin_is_damage(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(UNFOLDED);
	struct ks_txn *txn;

	fill(scratch);
	txn = scratch_begin(scratch);
	/* As a restore would leave it that could not fold. */
	assert_int_equal(ks_meta_put_u32(txn, "advanced", MARGIN), KW_OK);
	scratch_commit(txn);
	scratch_reopen(scratch);
	assert_int_equal(scratch_join(scratch, &id, V104, 9), KW_E_STORE_DAMAGED);
}

static void a_store_that_is_there_is_kept(void **state)
{
	struct scratch *scratch = *state;
	struct ks_restore restore = {.nonce_margin = MARGIN};
	struct octets octets;
	char from[200], to[200];

	fill(scratch);
	octets = restored_backup(scratch);
	join(scratch, NEVER, V104, 77);
	assert_int_equal(restored_from(scratch, &octets, &restore), KW_E_STORE_LOCKED);
	scratch_close(scratch);
	assert_int_equal(restored_from(scratch, &octets, &restore), KW_E_EXISTS);
	restore.replace = true;
	assert_int_equal(restored_from(scratch, &octets, &restore), KW_OK);
	scratch_open(scratch);
	assert_advanced(scratch, MARGIN);
	scratch_close(scratch);
	snprintf(from, sizeof(from), "%s/%s", scratch->path, restore.aside);
	snprintf(to, sizeof(to), "%s/data.mdb", scratch->path);
	assert_int_equal(rename(from, to), 0);
	scratch_open(scratch);
	assert_int_equal(next_of(scratch, NEVER), 2);
	free(octets.at);
}

/* ---- crashes ---- */

static int crash_at(struct scratch *target, const struct octets *octets, int at)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct ks_restore restore = {.nonce_margin = MARGIN, .replace = true};

		steps = 0;
		last_step = at;
		_exit(restored_from(target, octets, &restore) == KW_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool has_store(const struct scratch *target)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/data.mdb", target->path);
	return access(path, F_OK) == 0;
}

/* Whatever is there after a crash is whole, and the next restore is beyond it. */
static void a_crash_leaves_a_whole_store_or_none(void **state)
{
	struct scratch *scratch = *state;
	struct octets octets;
	int outcome = CRASHED;
	int seen_none = 0, seen_new = 0;

	fill(scratch);
	octets = restored_backup(scratch);
	for (int at = 1; outcome == CRASHED; at++) {
		struct scratch target;
		uint32_t advanced = 0;

		restored_folder(&target);
		outcome = crash_at(&target, &octets, at);
		assert_true(outcome == CRASHED || outcome == 0);
		if (has_store(&target)) {
			scratch_open(&target);
			assert_advanced(&target, MARGIN);
			advanced = target.store->advanced;
			scratch_close(&target);
			seen_new++;
		} else {
			seen_none++;
		}
		assert_int_equal(crash_at(&target, &octets, 0), 0);
		scratch_open(&target);
		assert_true(target.store->advanced >= advanced + MARGIN || advanced == 0);
		assert_advanced(&target, target.store->advanced);
		restored_remove(&target);
	}
	assert_true(seen_none > 4 && seen_new > 2);
	free(octets.at);
}

/* With a store there: it stays, whole, until the new one has its name; and then under another. */
static void a_crash_loses_no_store(void **state)
{
	struct scratch *scratch = *state;
	struct octets octets, first;
	int outcome = CRASHED;
	int seen_old = 0, seen_new = 0;

	first = restored_backup(scratch);
	fill(scratch);
	octets = restored_backup(scratch);
	for (int at = 1; outcome == CRASHED; at++) {
		struct scratch target;

		restored_folder(&target);
		assert_int_equal(restored_make(&target, &first), KW_OK);
		outcome = crash_at(&target, &octets, at);
		assert_true(outcome == CRASHED || outcome == 0);
		scratch_open(&target);
		if (target.store->advanced == MARGIN) {
			assert_int_equal(next_of(&target, FOLDED), 1 + MARGIN);
			seen_old++;
		} else {
			assert_advanced(&target, 2 * MARGIN);
			seen_new++;
		}
		restored_remove(&target);
	}
	assert_true(seen_old > 4 && seen_new > 2);
	free(first.at);
	free(octets.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
		TEST(every_device_is_advanced),
		TEST(the_same_backup_twice_goes_on),
		TEST(a_file_of_another_store_does_not_count),
		TEST(the_last_join_nonce_is_not_passed),
		TEST(so_many_restores_are_refused),
		TEST(a_damaged_device_does_not_join),
		TEST(a_chain_from_before_the_margin_is_damage),
		TEST(a_store_that_is_there_is_kept),
		TEST(a_crash_leaves_a_whole_store_or_none),
		TEST(a_crash_loses_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
