/*
 * The power goes: whatever of what was not synced is on the disk then, the store opens, is whole, and
 * no answered join is forgotten.
 *
 * KEYWARD_POWER_IMAGES says how many images to try at most, KEYWARD_POWER_ROUNDS how long the vault
 * works, KEYWARD_SEED which ones.
 */
#include "tests/power/cut.h"

#include "base/log.h"
#include "keystore/backup.h"
#include "keystore/journal.h"
#include "keystore/restore.h"
#include "keystore/upgrade.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGES     800
#define ROUNDS     30
#define LIE_ROUNDS 6
#define LIES       60 /* images where the disk lies */
#define IMPORTED   300

static const char *program; /* keyward-vault, with record.c in it */
static uint64_t seed = 20260401;
static size_t images = IMAGES;
static size_t rounds = ROUNDS;

struct fixture {
	struct load load;
	struct cut cut;
	char data[96]; /* the store's file */
	char base[96]; /* the same before anything was recorded */
};

static void copy(const char *from, const char *to)
{
	char command[256];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	assert_int_equal(system(command), 0);
}

static struct fixture *fixture_create(struct world *world)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->data, sizeof(f->data), "%s/data.mdb", world->folder);
	snprintf(f->base, sizeof(f->base), "%s/base", world->folder);
	return f;
}

/* The disk gives the record's files the numbers that they had. */
static void begin_cut(struct fixture *f, size_t max)
{
	struct stat status;

	cut_init(&f->cut, &f->load, f->base);
	assert_int_equal(stat(f->data, &status), 0);
	f->cut.disk.files[0].id = status.st_ino;
	f->cut.images_max = max;
	f->cut.seed = seed;
}

static void report(const struct fixture *f, const char *what)
{
	print_message("%s: %zu images in %zu windows, %zu of them with all subsets, %zu joins "
		      "answered, seed %llu\n",
		what, f->cut.images, f->cut.windows, f->cut.exhaustive, f->load.answered,
		(unsigned long long)seed);
	if (f->cut.problems > 0) {
		print_message("%zu problems; %s\n", f->cut.problems, f->cut.first);
	}
}

/* The vault at work, recorded from its start to its end. */
static void work(struct fixture *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		load_round(&f->load);
		if (i == count / 3 || i == 2 * count / 3) {
			load_wait_folded(&f->load);
		}
		if (i == count / 2) {
			load_administer(&f->load);
		}
	}
	load_end(&f->load);
}

/* Nothing that was written went past the record. */
static void check_record(struct fixture *f)
{
	struct disk *disk = &f->cut.disk;
	uint8_t octets[4096];
	size_t at = 0, got;
	FILE *file = fopen(f->data, "rb");

	assert_non_null(file);
	assert_int_equal(disk->pending_count, 0);
	while ((got = fread(octets, 1, sizeof(octets), file)) > 0) {
		assert_true(at + got <= disk->files[0].size);
		assert_memory_equal(octets, disk->files[0].octets + at, got);
		at += got;
	}
	assert_int_equal(at, disk->files[0].size);
	fclose(file);
}

/* Start from a store with devices and a few joins that are not folded yet. */
static struct fixture *fixture_at_work(struct world *world, size_t count)
{
	struct fixture *f = fixture_create(world);
	struct lw_session_keys keys;

	load_fill(world);
	for (uint16_t i = 1; i < 4; i++) {
		const struct ipc_backend_req request = world_join_req(world, WORLD_1_0_3, i);

		world_joins(world, &request, &keys);
	}
	world_close(world);
	copy(f->data, f->base);
	load_start(&f->load, world, program, seed);
	f->load.next_nonce[WORLD_1_0_3] = 3;
	work(f, count);
	return f;
}

static void fixture_destroy(struct fixture *f)
{
	cut_finish(&f->cut);
	load_finish(&f->load);
	free(f);
}

static void no_answered_join_is_forgotten(void **state)
{
	struct fixture *f = fixture_at_work(*state, rounds);

	assert_true(f->load.answered > rounds);
	begin_cut(f, images);
	cut_run(&f->cut);
	report(f, "under load");
	assert_int_equal(f->cut.problems, 0);
	check_record(f);
	fixture_destroy(f);
	assert_int_equal(world_open(*state), KW_OK);
}

/* ---- the same with a disk that lies: that must be found out ---- */

/* LMDB believes what it reads: in a process of its own. */
static const char *judge_apart(struct cut *cut, const struct record_op *at, bool commits)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		setenv("CMOCKA_TEST_ABORT", "1", 1);
		dup2(null, STDERR_FILENO);
		dup2(null, STDOUT_FILENO);
		_exit(cut_judge(cut, at, commits) != NULL ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0 ? NULL : WIFEXITED(status) ? "it is bad" : "it ends the process";
}

static void find_out(struct world *world, enum disk_lie lie, const char *what)
{
	struct fixture *f = fixture_at_work(world, LIE_ROUNDS);

	begin_cut(f, LIES);
	f->cut.contents = false;
	f->cut.disk.lie = lie;
	f->cut.judge = judge_apart;
	cut_run(&f->cut);
	print_message("%s: %zu of %zu images are bad\n", what, f->cut.problems, f->cut.images);
	assert_true(f->cut.problems > 0);
	fixture_destroy(f);
	assert_int_equal(world_open(world), KW_OK);
}

static void a_disk_that_ignores_sync_is_found_out(void **state)
{
	find_out(*state, DISK_IGNORES_SYNC, "a disk that ignores fdatasync");
}

static void a_disk_that_ignores_dsync_is_found_out(void **state)
{
	find_out(*state, DISK_IGNORES_DSYNC, "a disk that ignores O_DSYNC");
}

/* ---- calls that fail ---- */

static const struct {
	const char *what;
	struct record_fault fault;
} faults[] = {
	{"fdatasync: EIO", {.kind = RECORD_SYNC, .err = EIO}},
	{"fdatasync: ENOSPC", {.kind = RECORD_SYNC, .err = ENOSPC}},
	{"write: EIO", {.kind = RECORD_WRITE, .err = EIO}},
	{"write: ENOSPC", {.kind = RECORD_WRITE, .err = ENOSPC}},
	{"write: EIO, done", {.kind = RECORD_WRITE, .err = EIO, .late = true}},
	{"write: short", {.kind = RECORD_WRITE}},
	{"meta: EIO", {.kind = RECORD_WRITE, .err = EIO, .durable = true}},
	{"meta: ENOSPC", {.kind = RECORD_WRITE, .err = ENOSPC, .durable = true}},
	{"meta: EIO, done", {.kind = RECORD_WRITE, .err = EIO, .durable = true, .late = true}},
};

/* Joins, a commit that fails among them: that of a join or, where time passes, of folding. */
static void fail_and_go_on(struct load *load, const struct record_fault *fault)
{
	load->record->fault = *fault;
	load->record->fault.after = 2;
	load->record->fault.times = 1;
	for (size_t i = 0; i < 12; i++) {
		const enum kw_err err = load_join(load, WORLD_1_0_4);

		if (err == KW_E_TIMEOUT || err == KW_E_STORE) {
			/* It gave up, for keywardd to start it again. */
			assert_int_equal(WEXITSTATUS(load_end(load)), 1);
			load_restart(load, program);
		}
	}
	assert_int_equal(load->record->failures, 1);
}

static void a_failed_call_is_no_answer(void **state)
{
	struct world *world = *state;
	size_t tried = 0;

	world_close(world);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct fixture *f = fixture_create(world);

		copy(f->data, f->base);
		load_start(&f->load, world, program, seed);
		f->load.next_nonce[WORLD_1_0_4] = (uint16_t)(100 * i);
		fail_and_go_on(&f->load, &faults[i].fault);
		load_end(&f->load);
		begin_cut(f, images / 16);
		f->cut.contents = false;
		cut_run(&f->cut);
		tried += f->cut.images;
		if (f->cut.problems > 0) {
			report(f, faults[i].what);
		}
		assert_int_equal(f->cut.problems, 0);
		fixture_destroy(f);
	}
	print_message("%zu images after %zu faults\n", tried, sizeof(faults) / sizeof(faults[0]));
	assert_int_equal(world_open(world), KW_OK);
}

/* ---- what the vault does in one process, without answers ---- */

static struct ks_txn *begin(struct world *world)
{
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	return txn;
}

/* Many devices in one transaction, as an import writes them: most pages are new. */
static void import(struct world *world)
{
	struct ks_txn *txn = begin(world);

	for (unsigned i = 0; i < IMPORTED; i++) {
		struct ks_device device = {.version = LW_VERSION_1_1};

		device.id = world_id((uint8_t)i);
		device.id.dev_eui.octets[0] = 0x70;
		device.id.dev_eui.octets[1] = (uint8_t)(i >> 8);
		assert_int_equal(ks_device_generate(txn, &device), KW_OK);
	}
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void join_all(struct world *world, uint16_t nonce)
{
	static const uint8_t numbers[] = {WORLD_1_0_3, WORLD_1_0_4, WORLD_1_1, WORLD_EXAMPLE};
	struct lw_session_keys keys;

	for (size_t i = 0; i < sizeof(numbers); i++) {
		const struct ipc_backend_req request = world_join_req(world, numbers[i], nonce);

		world_joins(world, &request, &keys);
	}
}

static void prune(struct world *world)
{
	struct ks_txn *txn = begin(world);

	assert_int_equal(ks_journal_prune(txn, 2, world->store->journal->folded, 1000), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void downgrade(struct world *world)
{
	struct ks_txn *txn = begin(world);

	assert_int_equal(ks_meta_put_u32(txn, KS_FORMAT_NAME, 1), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void change_devices(struct world *world)
{
	const struct lw_device_id id = world_id(WORLD_1_0_4);
	struct ks_txn *txn = begin(world);

	assert_int_equal(ks_dev_nonce_reset(txn, &id), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	world_remove_device(world, WORLD_1_0_3);
	world_add_device(world, WORLD_1_0_3, LW_VERSION_1_0_4);
	world_add_ns(world, "another", WORLD_THEIRS, 0x14);
	world_add_kek(world, KS_PEER_NS, "another", "first", 7, 16);
}

static void operate(struct world *world)
{
	assert_int_equal(world_open(world), KW_OK); /* with its upgrade */
	join_all(world, 100);
	world_fold(world);
	import(world);
	join_all(world, 101);
	change_devices(world);
	world_fold(world);
	prune(world);
	join_all(world, 200);
	world_close(world);
}

static struct record *record_here(struct fixture *f, struct world *world)
{
	struct stat status;

	f->load.world = world;
	f->load.record = record_create(&f->load.record_fd);
	assert_non_null(f->load.record);
	assert_int_equal(stat(world->folder, &status), 0);
	f->load.record->folder = status.st_ino;
	return f->load.record;
}

static void each_change_is_whole_or_not_there(void **state)
{
	struct fixture *f = fixture_create(*state);

	downgrade(*state);
	world_close(*state);
	copy(f->data, f->base);
	record_use(record_here(f, *state));
	operate(*state);
	record_use(NULL);
	begin_cut(f, images / 2);
	cut_run(&f->cut);
	report(f, "upgrade, import, changes, folding, pruning");
	assert_int_equal(f->cut.problems, 0);
	check_record(f);
	fixture_destroy(f);
	assert_int_equal(world_open(*state), KW_OK);
}

/* There is a whole store or none. */
static const char *judge_new(struct cut *cut, const struct record_op *at, bool commits)
{
	char path[96];
	const char *problem = NULL;
	uint64_t digest;

	(void)at;
	(void)commits;
	snprintf(path, sizeof(path), "%s/data.mdb", cut->image.world.folder);
	if (access(path, F_OK) == 0) {
		problem = image_open(&cut->image, &digest);
	}
	if (cut->image.world.store != NULL) {
		world_close(&cut->image.world);
	}
	return problem;
}

static void a_new_store_is_whole_or_not_there(void **state)
{
	struct world *world = *state;
	const struct ks_options options = {
		.path = world->folder, .map_size = WORLD_MAP_SIZE, .env = &world->env};
	struct fixture *f = fixture_create(world);

	world_close(world);
	assert_int_equal(unlink(f->data), 0);
	record_use(record_here(f, world));
	assert_int_equal(ks_store_create(&options, &world_master), KW_OK);
	record_use(NULL);
	cut_init(&f->cut, &f->load, NULL);
	f->cut.images_max = images / 4;
	f->cut.seed = seed;
	f->cut.judge = judge_new;
	cut_run(&f->cut);
	report(f, "creation");
	assert_int_equal(f->cut.problems, 0);
	/* Who was told that there is a store has one. */
	assert_int_equal(disk_pieces(&f->cut.disk, 4096), 0);
	check_record(f);
	fixture_destroy(f);
	assert_int_equal(world_open(world), KW_OK);
}

/* The backup of the store as it is, in memory. */
static int take_backup(struct world *world)
{
	static uint8_t piece[KS_BACKUP_PIECE_MAX];
	const int fd = memfd_create("backup", MFD_CLOEXEC);
	struct ks_backup *backup;
	size_t length;

	assert_true(fd >= 0);
	assert_int_equal(ks_backup_open(world->store, &backup), KW_OK);
	do {
		assert_int_equal(ks_backup_read(backup, piece, &length), KW_OK);
		assert_int_equal(write(fd, piece, length), length);
	} while (length > 0);
	ks_backup_close(backup);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* A store that is there is whole, in its new epoch, and the file beside it remembers that. */
static const char *judge_restored(struct cut *cut, const struct record_op *at, bool commits)
{
	const char *problem = judge_new(cut, at, commits);
	struct world *world = &cut->image.world;
	struct ks_store_figures figures;
	char path[96], text[96] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/data.mdb", world->folder);
	if (problem != NULL || access(path, F_OK) != 0) {
		return problem;
	}
	if (world_open(world) != KW_OK) {
		return "it does not open";
	}
	ks_store_figures(world->store, &figures);
	world_close(world);
	snprintf(path, sizeof(path), "%s/epoch", world->folder);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
		strstr(text, " epoch 2 advanced 131072\n") == NULL) {
		problem = "the file epoch is not there or not whole";
	}
	close(fd);
	return figures.epoch != 2 ? "it is not in its new epoch" : problem;
}

static void a_restored_store_is_whole_or_not_there(void **state)
{
	struct world *world = *state;
	struct ks_restore restore = {.nonce_margin = KS_NONCE_MARGIN};
	const struct ks_options options = {
		.path = world->folder, .map_size = WORLD_MAP_SIZE, .env = &world->env};
	struct fixture *f = fixture_create(world);

	load_fill(world);
	restore.fd = take_backup(world);
	world_close(world);
	assert_int_equal(unlink(f->data), 0);
	record_use(record_here(f, world));
	assert_int_equal(ks_restore(&options, &world_master, &restore), KW_OK);
	record_use(NULL);
	cut_init(&f->cut, &f->load, NULL);
	f->cut.images_max = images / 4;
	f->cut.seed = seed;
	f->cut.judge = judge_restored;
	cut_run(&f->cut);
	report(f, "restore");
	assert_int_equal(f->cut.problems, 0);
	/* Who was told that it is restored has it. */
	assert_int_equal(disk_pieces(&f->cut.disk, 4096), 0);
	check_record(f);
	record_destroy(f->load.record);
	fixture_destroy(f);
	close(restore.fd);
	assert_int_equal(world_open(world), KW_OK);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(no_answered_join_is_forgotten),
		WORLD_TEST(each_change_is_whole_or_not_there),
		WORLD_TEST(a_new_store_is_whole_or_not_there),
		WORLD_TEST(a_restored_store_is_whole_or_not_there),
		WORLD_TEST(a_failed_call_is_no_answer),
		WORLD_TEST(a_disk_that_ignores_sync_is_found_out),
		WORLD_TEST(a_disk_that_ignores_dsync_is_found_out),
	};

	if (argc != 2) {
		return 2;
	}
	kw_log_setup(KW_LOG_ERROR, false);
	program = argv[1];
	images = number_from("KEYWARD_POWER_IMAGES", images);
	rounds = number_from("KEYWARD_POWER_ROUNDS", rounds);
	seed = number_from("KEYWARD_SEED", seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
