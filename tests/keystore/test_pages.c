/* The two meta pages: LMDB takes the one with the greater number, and no number has a checksum. */
#include "tests/keystore/store_fixture.h"

#include "keystore/internal.h"

#define PAGE_SIZE_AT   40 /* in a meta page */
#define TRANSACTION_AT 144
#define PAGE           4096
#define FREE_TABLE     0 /* LMDB's own */
#define COMMITS_MAX    1000
#define COMMITS        8 /* so that each of the lower bits is 0 and 1 in either page */

static int file_open(struct fixture *fixture)
{
	char path[128];
	int fd = open(fixture_file(fixture, "data.mdb", path), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static enum kw_err try_open(struct fixture *fixture)
{
	const enum kw_err err = ks_store_open(&fixture->options, &fixture->master, &fixture->store);

	ks_store_close(fixture->store);
	fixture->store = NULL;
	return err;
}

static enum kw_err open_with_bit_turned(struct fixture *fixture, int fd, off_t at, unsigned bit)
{
	uint8_t was, is;
	enum kw_err err;

	assert_int_equal(pread(fd, &was, 1, at), 1);
	is = (uint8_t)(was ^ 1u << bit);
	assert_int_equal(pwrite(fd, &is, 1, at), 1);
	err = try_open(fixture);
	assert_int_equal(pwrite(fd, &was, 1, at), 1);
	return err;
}

static void put(struct fixture *fixture, uint32_t n)
{
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(ks_meta_put_u32(txn, "n", n), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void commit(struct fixture *fixture, uint32_t n)
{
	fixture_open(fixture);
	put(fixture, n);
	fixture_close(fixture);
}

/* The number of the newer page as that of two commits ago: as after a commit that LMDB could not finish,
 * which nothing tells from it. */
static bool looks_unfinished(int fd, unsigned bit)
{
	uint64_t numbers[2];
	const unsigned page = bit / 64;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			pread(fd, &numbers[i], sizeof(numbers[i]), i * PAGE + TRANSACTION_AT),
			sizeof(numbers[i]));
	}
	return numbers[page] > numbers[1 - page] &&
	       (numbers[page] ^ UINT64_C(1) << bit % 64) == numbers[page] - 2;
}

/* Else it would be the store of one commit ago. @return how many bits nobody could find */
static unsigned turn_each_bit(struct fixture *fixture, int fd)
{
	unsigned unfinished = 0;

	for (unsigned bit = 0; bit < 2 * 64; bit++) {
		const off_t at = (bit / 64) * PAGE + TRANSACTION_AT + bit % 64 / 8;

		if (looks_unfinished(fd, bit)) {
			unfinished++;
			continue;
		}
		assert_int_equal(
			open_with_bit_turned(fixture, fd, at, bit % 8), KW_E_STORE_DAMAGED);
	}
	assert_int_equal(try_open(fixture), KW_OK);
	return unfinished;
}

static void each_bit_of_the_numbers_counts(void **state)
{
	struct fixture *fixture = *state;
	int fd = file_open(fixture);
	unsigned unfinished = 0;

	fixture_close(fixture);
	for (uint32_t n = 0; n < COMMITS; n++) {
		commit(fixture, n);
		unfinished += turn_each_bit(fixture, fd);
	}
	assert_int_equal(unfinished, COMMITS / 2);
	close(fd);
}

static unsigned depth_of_free_pages(struct fixture *fixture)
{
	MDB_stat stat;
	MDB_txn *txn;

	assert_int_equal(mdb_txn_begin(fixture->store->env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_stat(txn, FREE_TABLE, &stat), 0);
	mdb_txn_abort(txn);
	return stat.ms_depth;
}

/* While a backup is read, what is freed stays in the list: it grows into a tree. */
static void many_free_pages_are_a_tree(void **state)
{
	struct fixture *fixture = *state;
	int fd = file_open(fixture);
	MDB_txn *reader;
	uint32_t n = 0;

	assert_int_equal(mdb_env_set_flags(fixture->store->env, MDB_NOSYNC, 1), 0);
	assert_int_equal(mdb_txn_begin(fixture->store->env, NULL, MDB_RDONLY, &reader), 0);
	while (depth_of_free_pages(fixture) < 2) {
		put(fixture, n++);
		assert_true(n < COMMITS_MAX);
	}
	for (uint32_t last = n + 300; n < last; n++) {
		put(fixture, n);
	}
	assert_int_equal(depth_of_free_pages(fixture), 2);
	mdb_txn_abort(reader);
	fixture_close(fixture);
	(void)turn_each_bit(fixture, fd);
	close(fd);
}

/* Numbers in a row, in each other's place. */
static void each_number_has_its_page(void **state)
{
	struct fixture *fixture = *state;
	int fd = file_open(fixture);
	uint64_t first, second;

	fixture_close(fixture);
	assert_int_equal(pread(fd, &first, sizeof(first), TRANSACTION_AT), sizeof(first));
	assert_int_equal(pread(fd, &second, sizeof(second), PAGE + TRANSACTION_AT), sizeof(second));
	assert_int_equal(pwrite(fd, &second, sizeof(second), TRANSACTION_AT), sizeof(second));
	assert_int_equal(pwrite(fd, &first, sizeof(first), PAGE + TRANSACTION_AT), sizeof(first));
	assert_int_equal(try_open(fixture), KW_E_STORE_DAMAGED);
	close(fd);
}

static void a_page_has_a_size(void **state)
{
	static const uint32_t sizes[] = {0, 1, 511, 65537, 1u << 30, UINT32_MAX};
	struct fixture *fixture = *state;
	int fd = file_open(fixture);

	fixture_close(fixture);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(
			pwrite(fd, &sizes[i], sizeof(sizes[i]), PAGE_SIZE_AT), sizeof(sizes[i]));
		assert_int_equal(try_open(fixture), KW_E_STORE_DAMAGED);
	}
	close(fd);
}

/* As mdb_copy -c makes it: nothing in it was ever freed. */
static void a_compacted_copy_opens(void **state)
{
	struct fixture *fixture = *state;
	char folder[128], copy[128], path[128];

	assert_int_equal(mkdir(fixture_file(fixture, "copy", folder), 0700), 0);
	assert_int_equal(mdb_env_copy2(fixture->store->env, folder, MDB_CP_COMPACT), 0);
	fixture_close(fixture);
	assert_int_equal(rename(fixture_file(fixture, "copy/data.mdb", copy),
				 fixture_file(fixture, "data.mdb", path)),
		0);
	assert_int_equal(rmdir(folder), 0);
	for (uint32_t n = 0; n < COMMITS; n++) {
		commit(fixture, n);
	}
	assert_int_equal(try_open(fixture), KW_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_bit_of_the_numbers_counts, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			many_free_pages_are_a_tree, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			each_number_has_its_page, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_compacted_copy_opens, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(a_page_has_a_size, fixture_store, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
