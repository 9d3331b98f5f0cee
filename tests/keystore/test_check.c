/* What ks_check() finds that no checksum does: records that do not fit each other. */
#include "tests/keystore/scratch.h"

#include "keystore/check.h"
#include "keystore/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES    3
#define FOUND_MAX  16
#define FREE_TABLE 0 /* LMDB's own */
#define FREE_MAX   64

struct found {
	size_t count;
	struct {
		char table[32];
		char what[128];
	} list[FOUND_MAX];
};

static void keep(void *context, const struct ks_damage *damage)
{
	struct found *found = context;

	assert_true(found->count < FOUND_MAX);
	assert_true(damage->code[0] != '\0' && damage->record != NULL);
	snprintf(
		found->list[found->count].table, sizeof(found->list[0].table), "%s", damage->table);
	snprintf(found->list[found->count].what, sizeof(found->list[0].what), "%s", damage->what);
	found->count++;
}

static struct ks_check check(struct scratch *scratch, struct found *found)
{
	struct ks_check check = {.damage = keep, .context = found};

	memset(found, 0, sizeof(*found));
	assert_int_equal(ks_check(scratch->store, &check), KW_OK);
	assert_int_equal(check.damaged, found->count);
	return check;
}

static void is_whole(struct scratch *scratch)
{
	struct found found;

	check(scratch, &found);
	assert_string_equal(found.list[0].what, "");
	assert_int_equal(found.count, 0);
}

/* This, and maybe more that comes of it. */
static void finds(struct scratch *scratch, const char *table, const char *what)
{
	struct found found;

	check(scratch, &found);
	for (size_t i = 0; i < found.count; i++) {
		if (strcmp(found.list[i].table, table) == 0 &&
			strstr(found.list[i].what, what) != NULL) {
			return;
		}
	}
	fail_msg("%s: \"%s\" is not among %zu findings", table, what, found.count);
}

static int setup(void **state)
{
	int status = scratch_setup(state);
	struct scratch *scratch = *state;
	struct ks_txn *txn = scratch_begin(scratch);

	for (uint32_t i = 0; i < DEVICES; i++) {
		struct ks_device device = {.id = scratch_id(i), .version = LW_VERSION_1_1};

		assert_int_equal(ks_device_generate(txn, &device), KW_OK);
	}
	scratch_commit(txn);
	for (uint32_t i = 0; i < DEVICES; i++) {
		const struct lw_device_id id = scratch_id(i);

		for (uint16_t nonce = 1; nonce < 5; nonce++) {
			assert_int_equal(scratch_join(scratch, &id, LW_VERSION_1_1, nonce), KW_OK);
		}
	}
	return status;
}

static void write_folded(struct scratch *scratch, uint64_t sequence)
{
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_journal_put_folded(txn, sequence), KW_OK);
	scratch_commit(txn);
	scratch_reopen(scratch);
}

static void a_store_at_work_is_whole(void **state)
{
	struct scratch *scratch = *state;
	struct found found;
	struct ks_check counts = check(scratch, &found);

	is_whole(scratch);
	assert_int_equal(counts.devices, DEVICES);
	assert_int_equal(counts.states, 0);
	assert_int_equal(counts.events, 4 * DEVICES);
	assert_true(counts.pages > 8);
	scratch_fold_all(scratch);
	is_whole(scratch);
	assert_int_equal(check(scratch, &found).states, DEVICES);
	scratch_reopen(scratch);
	is_whole(scratch);
}

static void joins_that_were_never_folded(void **state)
{
	struct scratch *scratch = *state;

	/* What the replay passes over. */
	write_folded(scratch, 4 * DEVICES);
	finds(scratch, "journal", "not in the state");
	scratch_close(scratch);
	scratch_open(scratch);
	finds(scratch, "journal", "not in the state");
}

static void a_journal_that_ends_too_early(void **state)
{
	struct scratch *scratch = *state;

	scratch_fold_all(scratch);
	write_folded(scratch, 4 * DEVICES + 5);
	finds(scratch, "journal", "ends too early");
}

static void put_raw(struct scratch *scratch, MDB_dbi table, const uint8_t key[KS_ID_SIZE],
	const void *value, size_t length)
{
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_put(txn, table, key, KS_ID_SIZE, value, length, 0), KW_OK);
	scratch_commit(txn);
}

/* A bit of a key is turned: the record is one of another device. */
static void a_record_under_another_key(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(0);
	uint8_t key[KS_ID_SIZE], octets[KS_HISTORY_SIZE_MAX];
	struct ks_history history;
	struct ks_txn *txn;
	size_t length;

	scratch_fold_all(scratch);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_history_load(txn, &id, &history), KW_OK);
	length = ks_history_write(&history, octets);
	ks_id_write(&id, key);
	assert_int_equal(ks_delete(txn, scratch->store->tables.state, key, sizeof(key)), KW_OK);
	scratch_commit(txn);
	key[KS_ID_SIZE - 1] ^= 0x10;
	put_raw(scratch, scratch->store->tables.state, key, octets, length);
	finds(scratch, "journal", "not in the state");
	finds(scratch, "state", "no device that was ever here");
}

/* What only a store could have written that is ahead of this one, as of another restore or crash. */
static void a_state_from_the_future(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(0);
	struct ks_history history, changed;
	struct ks_txn *txn;

	scratch_fold_all(scratch);
	txn = scratch_begin(scratch);
	assert_int_equal(ks_history_load(txn, &id, &history), KW_OK);
	changed = history;
	changed.applied = scratch->store->journal->next;
	assert_int_equal(ks_history_store(txn, &id, &changed), KW_OK);
	scratch_commit(txn);
	finds(scratch, "state", "newer than the journal");
	changed = history;
	changed.advanced++;
	changed.next_join_nonce++;
	txn = scratch_begin(scratch);
	assert_int_equal(ks_history_store(txn, &id, &changed), KW_OK);
	scratch_commit(txn);
	finds(scratch, "state", "more margins");
	/* Nobody can tell which JoinNonce is the next. */
	assert_int_equal(scratch_join(scratch, &id, LW_VERSION_1_1, 9), KW_E_STORE_DAMAGED);
}

static void a_journal_with_a_gap(void **state)
{
	struct scratch *scratch = *state;
	struct ks_txn *txn = scratch_begin(scratch);
	uint8_t key[sizeof(uint64_t)];

	/* The second join of the second device. */
	ks_sequence_write(6, key);
	assert_int_equal(ks_delete(txn, scratch->store->tables.journal, key, sizeof(key)), KW_OK);
	scratch_commit(txn);
	finds(scratch, "journal", "records before it are missing");
	finds(scratch, "journal", "cannot be folded");
}

static void put_peer(struct scratch *scratch, struct ks_peer *peer)
{
	struct ks_txn *txn = scratch_begin(scratch);

	assert_int_equal(ks_peer_put(txn, peer), KW_OK);
	scratch_commit(txn);
}

static void a_kek_that_does_not_open(void **state)
{
	struct scratch *scratch = *state;
	struct ks_peer peer = {.kind = KS_PEER_AS, .name = "as", .as_id = "as"};
	const uint8_t kek[16] = {1};

	put_peer(scratch, &peer); /* which gives it its id */
	assert_int_equal(ks_peer_add_kek(scratch->store, &peer, "first", kek, sizeof(kek)), KW_OK);
	put_peer(scratch, &peer);
	is_whole(scratch);
	peer.keks[0].sealed.octets[20] ^= 1;
	put_peer(scratch, &peer);
	finds(scratch, "peer", "a KEK does not open");
}

/* ---- free pages: LMDB writes their list, so it is changed in the file ---- */

/* A record of that list: how many, and which. */
static size_t free_pages(struct scratch *scratch, size_t out[1 + FREE_MAX])
{
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_txn *txn;
	size_t count = 0;

	assert_int_equal(mdb_txn_begin(scratch->store->env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_cursor_open(txn, FREE_TABLE, &cursor), 0);
	while (count < 2 && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		memcpy(&count, value.mv_data, sizeof(count));
		assert_true(count <= FREE_MAX);
		memcpy(out, value.mv_data, (1 + count) * sizeof(count));
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	assert_true(count >= 2);
	return count;
}

/* Wherever the file has these octets; older pages may have them, too. */
static void replace_in_file(
	const struct scratch *scratch, const void *old, const void *new, size_t length)
{
	struct stat status;
	char path[96];
	uint8_t *octets, *end, *at;
	int fd;

	snprintf(path, sizeof(path), "%s/data.mdb", scratch->path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &status) == 0);
	octets = malloc((size_t)status.st_size);
	assert_non_null(octets);
	assert_int_equal(read(fd, octets, (size_t)status.st_size), status.st_size);
	end = octets + status.st_size;
	at = memmem(octets, (size_t)(end - octets), old, length);
	assert_non_null(at);
	for (; at != NULL; at = memmem(at, (size_t)(end - at), old, length)) {
		memcpy(at, new, length);
	}
	assert_int_equal(pwrite(fd, octets, (size_t)status.st_size, 0), status.st_size);
	close(fd);
	free(octets);
}

static void finds_in_free_pages(struct scratch *scratch, const size_t *old, const size_t *new,
	size_t count, const char *what)
{
	const size_t length = (1 + count) * sizeof(*old);

	scratch_close(scratch);
	replace_in_file(scratch, old, new, length);
	scratch_open(scratch);
	finds(scratch, "free pages", what);
	scratch_close(scratch);
	replace_in_file(scratch, new, old, length);
	scratch_open(scratch);
	is_whole(scratch);
}

static void a_list_of_free_pages_that_is_wrong(void **state)
{
	struct scratch *scratch = *state;
	size_t old[1 + FREE_MAX], new[1 + FREE_MAX];
	size_t count;

	scratch_fold_all(scratch);
	count = free_pages(scratch, old);
	/* One twice, so that another is lost: the sum is right. */
	memcpy(new, old, sizeof(new));
	new[1] = new[2];
	finds_in_free_pages(scratch, old, new, count, "the list of free pages is damaged");
	memcpy(new, old, sizeof(new));
	new[0]--;
	finds_in_free_pages(scratch, old, new, count, "a page is in use twice, or lost");
}

static void a_device_under_another_key(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	uint8_t key[KS_ID_SIZE], copy[512];
	const uint8_t *value;
	struct ks_txn *txn = scratch_begin(scratch);
	size_t length;

	ks_id_write(&id, key);
	assert_int_equal(
		ks_get(txn, scratch->store->tables.device, key, sizeof(key), &value, &length),
		KW_OK);
	assert_true(length <= sizeof(copy));
	memcpy(copy, value, length);
	ks_txn_abort(txn);
	key[KS_ID_SIZE - 1] ^= 1;
	put_raw(scratch, scratch->store->tables.device, key, copy, length);
	finds(scratch, "device", "not in the table dev_eui");
	/* Entered there, it still holds the sealed keys of another device. */
	memcpy(key, id.dev_eui.octets, LW_EUI_SIZE);
	memcpy(key + LW_EUI_SIZE, id.join_eui.octets, LW_EUI_SIZE);
	key[LW_EUI_SIZE - 1] ^= 1;
	put_raw(scratch, scratch->store->tables.dev_eui, key, "\1", 1);
	finds(scratch, "device", "root keys do not open");
	put_raw(scratch, scratch->store->tables.dev_eui, key, "\2", 1);
	finds(scratch, "dev_eui", "the record is damaged");
}

static void a_record_of_impossible_length(void **state)
{
	struct scratch *scratch = *state;
	const uint8_t key[KS_ID_SIZE] = {0xff};
	uint8_t *octets = calloc(1, KS_VALUE_MAX + 1);
	struct ks_check check = {0};
	const uint8_t *value;
	struct ks_txn *txn;
	size_t length;

	assert_non_null(octets);
	put_raw(scratch, scratch->store->tables.device, key, octets, KS_VALUE_MAX + 1);
	assert_int_equal(ks_check(scratch->store, &check), KW_E_STORE_DAMAGED);
	txn = scratch_begin(scratch);
	assert_int_equal(
		ks_get(txn, scratch->store->tables.device, key, sizeof(key), &value, &length),
		KW_E_STORE_DAMAGED);
	assert_null(value);
	assert_int_equal(length, 0);
	ks_txn_abort(txn);
	free(octets);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_store_at_work_is_whole),
		CASE(joins_that_were_never_folded),
		CASE(a_journal_that_ends_too_early),
		CASE(a_record_under_another_key),
		CASE(a_state_from_the_future),
		CASE(a_journal_with_a_gap),
		CASE(a_kek_that_does_not_open),
		CASE(a_list_of_free_pages_that_is_wrong),
		CASE(a_device_under_another_key),
		CASE(a_record_of_impossible_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
