#include "tests/keystore/store_fixture.h"

#include "base/hex.h"

static const char good[] = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n";

static void write_file(const char *path, const char *text, size_t length, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), length);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static enum kw_err read_file(const char *path, int flags, struct ks_master_key *out)
{
	const int fd = open(path, flags | O_CLOEXEC);
	enum kw_err err;

	assert_true(fd >= 0);
	err = ks_master_read(fd, out);
	close(fd);
	return err;
}

static void assert_refused(const char *path, int flags)
{
	static const struct ks_master_key zero;
	struct ks_master_key key;

	memset(&key, 0xee, sizeof(key));
	assert_int_equal(read_file(path, flags, &key), KW_E_MASTER_FILE);
	assert_memory_equal(&key, &zero, sizeof(key));
}

static void a_created_file_reads_back(void **state)
{
	struct fixture *fixture = *state;
	struct ks_master_key first, again;
	struct stat file;
	char path[128];

	fixture_file(fixture, "master.key", path);
	umask(0);
	assert_int_equal(ks_master_create(path, &fixture->env), KW_OK);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0600);
	assert_int_equal(file.st_size, 65);
	assert_int_equal(file.st_nlink, 1);
	assert_int_equal(read_file(path, O_RDONLY, &first), KW_OK);
	assert_int_equal(ks_master_create(path, &fixture->env), KW_E_EXISTS);
	assert_int_equal(read_file(path, O_RDONLY, &again), KW_OK);
	assert_memory_equal(&first, &again, sizeof(first));
}

static void nothing_is_left_where_creating_fails(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	fixture_file(fixture, "master.key", path);
	fixture->random_last = 1;
	assert_int_equal(ks_master_create(path, &fixture->env), KW_E_SYSTEM);
	assert_int_not_equal(access(path, F_OK), 0);
	fixture_file(fixture, "none/master.key", path);
	assert_int_equal(ks_master_create(path, &fixture->env), KW_E_SYSTEM);
}

static void a_dangling_link_is_not_written_through(void **state)
{
	struct fixture *fixture = *state;
	char path[128], target[128];

	fixture_file(fixture, "master.key", path);
	fixture_file(fixture, "elsewhere", target);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(ks_master_create(path, &fixture->env), KW_E_EXISTS);
	assert_int_not_equal(access(target, F_OK), 0);
}

static void reads_both_cases_and_a_missing_newline(void **state)
{
	struct fixture *fixture = *state;
	struct ks_master_key key;
	char path[128];

	fixture_file(fixture, "master.key", path);
	for (size_t length = sizeof(good) - 2; length < sizeof(good); length++) {
		write_file(path, good, length, 0400);
		assert_int_equal(read_file(path, O_RDONLY, &key), KW_OK);
		for (uint8_t i = 0; i < KS_MASTER_KEY_SIZE; i++) {
			assert_int_equal(key.octets[i], i);
		}
	}
}

static void refuses_every_other_length(void **state)
{
	struct fixture *fixture = *state;
	char text[200];
	char path[128];

	fixture_file(fixture, "master.key", path);
	memset(text, '0', sizeof(text));
	for (size_t length = 0; length < sizeof(text); length++) {
		if (length != 64) {
			write_file(path, text, length, 0600);
			assert_refused(path, O_RDONLY);
		}
	}
}

static void refuses_every_wrong_character(void **state)
{
	struct fixture *fixture = *state;
	char text[sizeof(good)];
	char path[128];

	fixture_file(fixture, "master.key", path);
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(text, good, sizeof(good));
		text[i] = 'g';
		write_file(path, text, sizeof(good) - 1, 0600);
		assert_refused(path, O_RDONLY);
		text[i] = '\0';
		write_file(path, text, sizeof(good) - 1, 0600);
		assert_refused(path, O_RDONLY);
	}
	memcpy(text, good, sizeof(good));
	memcpy(text, "0x", 2);
	write_file(path, text, sizeof(good) - 1, 0600);
	assert_refused(path, O_RDONLY);
}

static void refuses_what_others_can_reach(void **state)
{
	static const mode_t modes[] = {0644, 0640, 0604, 0620, 0602, 0610, 0601, 0660, 0666, 0777};
	struct fixture *fixture = *state;
	struct ks_master_key key;
	char path[128];

	fixture_file(fixture, "master.key", path);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		write_file(path, good, sizeof(good) - 1, modes[i]);
		assert_refused(path, O_RDONLY);
	}
	write_file(path, good, sizeof(good) - 1, 0600);
	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(chown(path, 1, 1), 0);
	assert_refused(path, O_RDONLY);
	assert_int_equal(chown(path, 0, 1), 0);
	assert_int_equal(read_file(path, O_RDONLY, &key), KW_OK);
}

static void refuses_what_is_no_file(void **state)
{
	struct fixture *fixture = *state;
	char path[128], target[128];

	assert_refused(fixture->path, O_RDONLY | O_DIRECTORY);
	assert_refused("/dev/null", O_RDONLY);
	fixture_file(fixture, "target", target);
	fixture_file(fixture, "link", path);
	write_file(target, good, sizeof(good) - 1, 0600);
	assert_int_equal(symlink(target, path), 0);
	assert_refused(path, O_PATH | O_NOFOLLOW);
	assert_int_equal(open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_created_file_reads_back, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			nothing_is_left_where_creating_fails, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_dangling_link_is_not_written_through, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			reads_both_cases_and_a_missing_newline, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			refuses_every_other_length, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			refuses_every_wrong_character, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			refuses_what_others_can_reach, fixture_folder, fixture_remove),
		cmocka_unit_test_setup_teardown(
			refuses_what_is_no_file, fixture_folder, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
