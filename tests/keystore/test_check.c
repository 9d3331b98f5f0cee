/* What ks_check() finds that no checksum does: records that do not fit each other. */
#include "tests/keystore/scratch.h"

#include "keystore/check.h"
#include "keystore/journal.h"

#include <stdlib.h>
#include <string.h>

#define DEVICES 3

struct found {
	size_t count;
	char table[32];
	char what[128];
};

static void keep(void *context, const struct ks_damage *damage)
{
	struct found *found = context;

	found->count++;
	assert_true(strlen(damage->table) < sizeof(found->table) &&
		    strlen(damage->what) < sizeof(found->what));
	assert_true(damage->code[0] != '\0' && damage->record != NULL);
	strcpy(found->table, damage->table);
	strcpy(found->what, damage->what);
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
	assert_string_equal(found.what, "");
	assert_int_equal(found.count, 0);
}

static void finds(struct scratch *scratch, const char *table, const char *what)
{
	struct found found;

	check(scratch, &found);
	assert_true(found.count > 0);
	assert_string_equal(found.table, table);
	assert_non_null(strstr(found.what, what));
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
}

static void a_record_of_impossible_length(void **state)
{
	struct scratch *scratch = *state;
	const uint8_t key[KS_ID_SIZE] = {0xff};
	uint8_t *octets = calloc(1, KS_VALUE_MAX + 1);
	struct ks_check check = {0};

	assert_non_null(octets);
	put_raw(scratch, scratch->store->tables.device, key, octets, KS_VALUE_MAX + 1);
	assert_int_equal(ks_check(scratch->store, &check), KW_E_STORE_DAMAGED);
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
		CASE(a_device_under_another_key),
		CASE(a_record_of_impossible_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
