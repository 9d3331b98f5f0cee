#include "tests/keystore/store_fixture.h"

#include "keystore/seal.h"
#include "keystore/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* In place of that of the C library, for LMDB too. */
static unsigned syncs;
static int sync_errno;

int fdatasync(int fd)
{
	syncs++;
	if (sync_errno != 0) {
		errno = sync_errno;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static bool there(const struct fixture *fixture, const char *name)
{
	char path[128];

	return access(fixture_file(fixture, name, path), F_OK) == 0;
}

static enum kw_err try_open(struct fixture *fixture)
{
	enum kw_err err;

	fixture->store = (struct ks_store *)-1;
	err = ks_store_open(&fixture->options, &fixture->master, &fixture->store);
	if (err != KW_OK) {
		assert_null(fixture->store);
	}
	return err;
}

static void creates_opens_and_closes(void **state)
{
	struct fixture *fixture = *state;
	struct ks_store_figures figures;
	struct stat file;
	char path[128];

	assert_int_equal(try_open(fixture), KW_E_STORE_ABSENT);
	assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_OK);
	assert_false(there(fixture, "data.mdb.new"));
	assert_false(there(fixture, "data.mdb.new-lock"));
	assert_int_equal(stat(fixture_file(fixture, "data.mdb", path), &file), 0);
	assert_int_equal(file.st_mode & 07777, 0600);
	assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_E_EXISTS);
	assert_int_equal(try_open(fixture), KW_OK);
	ks_store_figures(fixture->store, &figures);
	assert_int_equal(figures.devices, 0);
	assert_int_equal(figures.peers, 0);
	assert_int_equal(figures.events, 0);
	assert_int_equal(figures.journal_records, 0);
	assert_int_equal(figures.format, KS_FORMAT);
	assert_int_equal(figures.epoch, 1);
	assert_int_equal(figures.map_bytes, FIXTURE_MAP_SIZE);
	assert_true(figures.used_bytes > 0 && figures.used_bytes < 1u << 20);
	assert_ptr_equal(ks_store_env(fixture->store), &fixture->env);
	assert_non_null(ks_store_aes(fixture->store));
	assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_E_EXISTS);
	ks_store_close(NULL);
}

static void a_folder_that_is_not_there(void **state)
{
	struct fixture *fixture = *state;
	struct ks_options options = fixture->options;
	struct ks_store *store;

	options.path = "/tmp/keyward-test-none/at/all";
	assert_int_equal(ks_store_create(&options, &fixture->master), KW_E_SYSTEM);
	assert_int_equal(ks_store_open(&options, &fixture->master, &store), KW_E_SYSTEM);
	assert_null(store);
}

static void only_one_at_a_time(void **state)
{
	struct fixture *fixture = *state;
	struct ks_store *second;

	assert_int_equal(
		ks_store_open(&fixture->options, &fixture->master, &second), KW_E_STORE_LOCKED);
	assert_null(second);
	fixture_reopen(fixture);
}

/* It may be in the page cache alone; what is answered must not rest on that. */
static void what_is_read_is_made_durable(void **state)
{
	struct fixture *fixture = *state;

	fixture_close(fixture);
	syncs = 0;
	fixture_open(fixture);
	assert_true(syncs > 0);
	fixture_close(fixture);
	sync_errno = EIO;
	assert_int_equal(try_open(fixture), KW_E_STORE);
	sync_errno = 0;
	assert_int_equal(try_open(fixture), KW_OK);
}

static void another_master_key_is_refused(void **state)
{
	struct fixture *fixture = *state;

	fixture_close(fixture);
	fixture->master.octets[31] ^= 1;
	assert_int_equal(try_open(fixture), KW_E_MASTER_KEY);
	fixture->master.octets[31] ^= 1;
	assert_int_equal(try_open(fixture), KW_OK);
}

static void a_failed_creation_leaves_no_store(void **state)
{
	struct fixture *fixture = *state;
	unsigned calls = 0;

	for (fixture->random_last = 1;; fixture->random_last++) {
		enum kw_err err;

		fixture->random_calls = 0;
		err = ks_store_create(&fixture->options, &fixture->master);
		if (err == KW_OK) {
			break;
		}
		calls++;
		assert_int_equal(err, KW_E_SYSTEM);
		assert_false(there(fixture, "data.mdb.new"));
		assert_int_equal(try_open(fixture), KW_E_STORE_ABSENT);
	}
	assert_true(calls >= 4);
	fixture->random_last = 0;
	assert_int_equal(try_open(fixture), KW_OK);
}

/* The child dies wherever it asks for randomness; the parent finds no store and can make one. */
static void a_creation_that_dies_leaves_no_store(void **state)
{
	struct fixture *fixture = *state;

	fixture->at_last = RANDOM_EXITS;
	for (unsigned last = 1; last <= 4; last++) {
		int status;
		const pid_t child = fork();

		if (child == 0) {
			fixture->random_last = last;
			(void)!ks_store_create(&fixture->options, &fixture->master);
			_exit(1); /* did not ask so often */
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		assert_int_equal(try_open(fixture), KW_E_STORE_ABSENT);
	}
	assert_true(there(fixture, "data.mdb.new"));
	assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_OK);
	assert_false(there(fixture, "data.mdb.new"));
	assert_int_equal(try_open(fixture), KW_OK);
}

static void write_rubbish(struct fixture *fixture, const char *name, size_t length)
{
	char path[128];
	FILE *file = fopen(fixture_file(fixture, name, path), "we");

	assert_non_null(file);
	for (size_t i = 0; i < length; i++) {
		fputc((int)(i * 37 + 11) & 0xff, file);
	}
	assert_int_equal(fclose(file), 0);
}

static void rubbish_is_no_store(void **state)
{
	static const size_t lengths[] = {0, 1, 100, 4096, 8192, 20000};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		write_rubbish(fixture, "data.mdb", lengths[i]);
		assert_int_equal(try_open(fixture), KW_E_STORE_DAMAGED);
		assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_E_EXISTS);
	}
}

static void put_format(struct fixture *fixture, uint32_t format)
{
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(ks_meta_put_u32(txn, KS_FORMAT_NAME, format), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	fixture_close(fixture);
}

static void a_newer_format_is_refused_first(void **state)
{
	struct fixture *fixture = *state;

	put_format(fixture, KS_FORMAT + 1);
	assert_int_equal(try_open(fixture), KW_E_STORE_NEWER);
	fixture->master.octets[0] ^= 1;
	assert_int_equal(try_open(fixture), KW_E_STORE_NEWER);
}

static void an_unknown_old_format_is_refused(void **state)
{
	struct fixture *fixture = *state;

	put_format(fixture, 0);
	assert_int_equal(try_open(fixture), KW_E_STORE_DAMAGED);
}

static void a_store_without_its_parts_is_damaged(void **state)
{
	static const char *const names[] = {"data_key", "hmac_secret", "epoch", "store_id",
		"intake_key", "intake_certificate", "format"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t kept[2048];
		const uint8_t *value;
		size_t length;
		struct ks_txn *txn = fixture_begin(fixture);
		const MDB_dbi meta = fixture->store->tables.meta;

		assert_int_equal(
			ks_get(txn, meta, names[i], strlen(names[i]), &value, &length), KW_OK);
		assert_true(length <= sizeof(kept));
		memcpy(kept, value, length);
		kept[length / 2] ^= 0x40;
		assert_int_equal(ks_meta_put(txn, names[i], kept, length), KW_OK);
		assert_int_equal(ks_txn_commit(txn), KW_OK);
		fixture_close(fixture);
		/* A changed epoch, store id or data key number cannot be told; but never a crash. */
		if (try_open(fixture) == KW_OK) {
			fixture_close(fixture);
		}
		char path[128];
		unlink(fixture_file(fixture, "data.mdb", path));
		assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_OK);
		fixture_open(fixture);
		txn = fixture_begin(fixture);
		assert_int_equal(
			ks_delete(txn, fixture->store->tables.meta, names[i], strlen(names[i])),
			KW_OK);
		assert_int_equal(ks_txn_commit(txn), KW_OK);
		fixture_close(fixture);
		assert_int_equal(try_open(fixture), KW_E_STORE_DAMAGED);
		unlink(path);
		assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_OK);
		fixture_open(fixture);
	}
}

static void turn_bit(int fd, off_t at, unsigned bit)
{
	uint8_t octet;

	assert_int_equal(pread(fd, &octet, 1, at), 1);
	octet ^= (uint8_t)(1u << bit);
	assert_int_equal(pwrite(fd, &octet, 1, at), 1);
}

/* LMDB would write behind the page that its meta page calls the last, and who checks a store makes a
 * table of all of them. */
static void a_last_page_far_behind_the_file_is_damage(void **state)
{
	const off_t page_size = sysconf(_SC_PAGESIZE);
	const off_t last_page_at = 136; /* little-endian, in LMDB 0.9 */
	struct fixture *fixture = *state;
	char path[128];
	int fd;

	fixture_close(fixture);
	fd = open(fixture_file(fixture, "data.mdb", path), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (unsigned bit = 18; bit < 64; bit++) {
		for (off_t page = 0; page < 2; page++) {
			const off_t at = page * page_size + last_page_at + bit / 8;

			turn_bit(fd, at, bit % 8);
			assert_int_equal(try_open(fixture), KW_E_STORE_DAMAGED);
			turn_bit(fd, at, bit % 8);
		}
	}
	close(fd);
	assert_int_equal(try_open(fixture), KW_OK);
}

static void aborting_undoes_everything(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = {.kind = KS_PEER_NS, .name = "one"};
	struct ks_device device;
	struct ks_store_figures figures;
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_1, 1), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	ks_store_figures(fixture->store, &figures);
	assert_int_equal(figures.devices, 1);
	ks_txn_abort(txn);
	ks_txn_abort(NULL);
	assert_null(ks_peer_by_name(fixture->store, KS_PEER_NS, "one"));
	txn = fixture_begin(fixture);
	assert_int_equal(ks_device_get(txn, &(struct lw_device_id){0}, &device), KW_E_NOT_FOUND);
	ks_txn_abort(txn);
	ks_store_figures(fixture->store, &figures);
	assert_int_equal(figures.devices, 0);
}

/* Fill in transactions of 50 until there is no room. @return devices stored */
static uint32_t fill(struct fixture *fixture)
{
	for (uint32_t n = 0;; n += 50) {
		struct ks_txn *txn = fixture_begin(fixture);
		enum kw_err err = KW_OK;

		for (uint32_t i = 0; i < 50 && err == KW_OK; i++) {
			err = fixture_add(txn, n + i, LW_VERSION_1_1, 1);
		}
		if (err != KW_OK) {
			assert_int_equal(err, KW_E_STORE_FULL);
			assert_int_equal(
				fixture_add(txn, 9999999, LW_VERSION_1_1, 1), KW_E_STORE_FULL);
			assert_int_equal(ks_txn_commit(txn), KW_E_STORE_FULL);
			return n;
		}
		err = ks_txn_commit(txn);
		if (err != KW_OK) {
			assert_int_equal(err, KW_E_STORE_FULL);
			return n;
		}
	}
}

static void a_full_map_loses_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = {.kind = KS_PEER_NS, .name = "early"};
	struct ks_store_figures figures;
	struct ks_device device;
	struct ks_txn *txn;
	uint32_t count;

	fixture_close(fixture);
	fixture->options.map_size = 1u << 20;
	fixture_open(fixture);
	txn = fixture_begin(fixture);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	count = fill(fixture);
	assert_true(count > 500);
	ks_store_figures(fixture->store, &figures);
	assert_int_equal(figures.devices, count);
	assert_non_null(ks_peer_by_name(fixture->store, KS_PEER_NS, "early"));
	txn = fixture_begin(fixture);
	for (uint32_t n = 0; n < count; n++) {
		const struct lw_device_id id = fixture_id(n);

		assert_int_equal(ks_device_get(txn, &id, &device), KW_OK);
	}
	ks_txn_abort(txn);

	/* A peer that did not fit is not in memory either. */
	for (unsigned i = 0; i < 10000; i++) {
		struct ks_peer late = {.kind = KS_PEER_NS};
		enum kw_err err;

		snprintf(late.name, sizeof(late.name), "late %u", i);
		txn = fixture_begin(fixture);
		err = ks_peer_put(txn, &late);
		if (err == KW_OK) {
			err = ks_txn_commit(txn);
		} else {
			ks_txn_abort(txn);
		}
		if (err != KW_OK) {
			assert_int_equal(err, KW_E_STORE_FULL);
			assert_null(ks_peer_by_name(fixture->store, KS_PEER_NS, late.name));
			break;
		}
		assert_non_null(ks_peer_by_name(fixture->store, KS_PEER_NS, late.name));
	}

	fixture_close(fixture);
	fixture->options.map_size = 4u << 20;
	fixture_open(fixture);
	ks_store_figures(fixture->store, &figures);
	assert_int_equal(figures.devices, count);
	txn = fixture_begin(fixture);
	assert_int_equal(fixture_add(txn, count, LW_VERSION_1_0_3, 1), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void removing_makes_room(void **state)
{
	struct fixture *fixture = *state;
	struct ks_txn *txn;
	uint32_t count;

	fixture_close(fixture);
	fixture->options.map_size = 1u << 20;
	fixture_open(fixture);
	/* Leave a little room: LMDB copies the pages from which it deletes. */
	count = fill(fixture) / 2;
	fixture_close(fixture);
	fixture->options.map_size = (1u << 20) + (1u << 16);
	fixture_open(fixture);
	txn = fixture_begin(fixture);
	for (uint32_t n = 0; n < count; n++) {
		const struct lw_device_id id = fixture_id(n);
		enum kw_err err = ks_device_remove(txn, &id);

		assert_int_equal(err, KW_OK);
		if (n % 20 == 19) {
			assert_int_equal(ks_txn_commit(txn), KW_OK);
			txn = fixture_begin(fixture);
		}
	}
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	txn = fixture_begin(fixture);
	for (uint32_t n = 0; n < 100; n++) {
		assert_int_equal(fixture_add(txn, n, LW_VERSION_1_0_3, 1), KW_OK);
	}
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

/* The disk refuses to let the file grow, as when it is full: EFBIG stands for ENOSPC. */
static void a_full_disk_loses_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before, limit;
	struct ks_store_figures figures;
	struct stat file;
	char path[128];

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(stat(fixture_file(fixture, "data.mdb", path), &file), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)file.st_size;
	for (uint32_t round = 0; round < 3; round++) {
		struct ks_peer peer = {.kind = KS_PEER_NS, .name = "late"};
		struct ks_txn *txn;

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		txn = fixture_begin(fixture);
		for (uint32_t n = 0; n < 500; n++) {
			assert_int_equal(fixture_add(txn, n, LW_VERSION_1_1, 1), KW_OK);
		}
		assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
		assert_int_equal(ks_txn_commit(txn), KW_E_STORE_FULL);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		ks_store_figures(fixture->store, &figures);
		assert_int_equal(figures.devices, round);
		assert_null(ks_peer_by_name(fixture->store, KS_PEER_NS, "late"));
		txn = fixture_begin(fixture);
		assert_int_equal(fixture_add(txn, 1000 + round, LW_VERSION_1_1, 1), KW_OK);
		assert_int_equal(ks_txn_commit(txn), KW_OK);
		/* What was committed is there after opening again, and nothing else. */
		fixture_reopen(fixture);
		assert_int_equal(stat(path, &file), 0);
		limit.rlim_cur = (rlim_t)file.st_size;
	}
}

static void assert_absent(const uint8_t *file, size_t size, const void *octets, size_t length)
{
	char hex[2 * 64 + 1];

	assert_null(memmem(file, size, octets, length));
	for (size_t i = 0; i < length; i++) {
		snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *)octets)[i]);
	}
	assert_null(memmem(file, size, hex, 2 * length));
	for (size_t i = 0; i < 2 * length; i++) {
		hex[i] = (char)(hex[i] >= 'a' ? hex[i] - 'a' + 'A' : hex[i]);
	}
	assert_null(memmem(file, size, hex, 2 * length));
}

static void no_secret_is_in_the_file(void **state)
{
	static uint8_t file[1u << 20];
	static const char canary[] = "the name of a device";
	struct fixture *fixture = *state;
	struct ks_peer peer = {.kind = KS_PEER_NS, .name = "peer"};
	struct ks_device device = fixture_device(1, LW_VERSION_1_1);
	uint8_t token[KS_DIGEST_SIZE], kek[32];
	struct lw_key app, nwk;
	struct ks_txn *txn = fixture_begin(fixture);
	char path[128];
	ssize_t size;
	int fd;

	(void)!fixture_random(fixture, token, sizeof(token));
	(void)!fixture_random(fixture, kek, sizeof(kek));
	(void)!fixture_random(fixture, &app, sizeof(app));
	(void)!fixture_random(fixture, &nwk, sizeof(nwk));
	strcpy(device.policy.name, canary);
	assert_int_equal(ks_device_add(txn, &device, &app, &nwk), KW_OK);
	assert_int_equal(
		ks_peer_add_credential(fixture->store, &peer, KS_CREDENTIAL_TOKEN, token, "", 0),
		KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_int_equal(ks_peer_add_kek(fixture->store, &peer, "label", kek, sizeof(kek)), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	fixture_close(fixture);
	fd = open(fixture_file(fixture, "data.mdb", path), O_RDONLY | O_CLOEXEC);
	size = read(fd, file, sizeof(file));
	close(fd);
	assert_true(size > 0 && size < (ssize_t)sizeof(file));
	assert_non_null(memmem(file, (size_t)size, canary, strlen(canary)));
	assert_absent(file, (size_t)size, &app, sizeof(app));
	assert_absent(file, (size_t)size, &nwk, sizeof(nwk));
	assert_absent(file, (size_t)size, token, sizeof(token));
	assert_absent(file, (size_t)size, kek, sizeof(kek));
	assert_absent(file, (size_t)size, kek, 16);
	assert_absent(file, (size_t)size, fixture->master.octets, KS_MASTER_KEY_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			creates_opens_and_closes, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_folder_that_is_not_there, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(only_one_at_a_time, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			what_is_read_is_made_durable, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			another_master_key_is_refused, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_failed_creation_leaves_no_store, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_creation_that_dies_leaves_no_store, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			rubbish_is_no_store, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_newer_format_is_refused_first, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			an_unknown_old_format_is_refused, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_store_without_its_parts_is_damaged, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_last_page_far_behind_the_file_is_damage, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			aborting_undoes_everything, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_full_map_loses_nothing, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_full_disk_loses_nothing, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(removing_makes_room, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			no_secret_is_in_the_file, fixture_store, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
