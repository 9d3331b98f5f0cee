/* What a backup holds, what is refused as one, and the checks in it. */
#include "tests/keystore/restored.h"

#include "keystore/backup_file.h"
#include "keystore/event.h"
#include "keystore/scan.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define V103    LW_VERSION_1_0_3
#define V104    LW_VERSION_1_0_4
#define V11     LW_VERSION_1_1
#define DEVICES 40

static uint32_t next_device;

/* Devices with joins folded and not, some without, refusals. */
static void fill(struct scratch *scratch)
{
	for (uint32_t n = 0; n < DEVICES; n++) {
		restored_add(scratch, n, n % 2 == 0 ? V103 : V11);
	}
	for (uint32_t n = 0; n < DEVICES / 2; n++) {
		const struct lw_device_id id = scratch_id(n);

		assert_int_equal(scratch_join(scratch, &id, V103, (uint16_t)(7 + n)), KW_OK);
		if (n == DEVICES / 4) {
			scratch_fold_all(scratch);
		}
	}
	next_device = 1000;
}

/* One more device, one more join of each kind of device, a fold: whatever goes on meanwhile. */
static void go_on(struct scratch *scratch)
{
	const struct lw_device_id old = scratch_id(1);
	const struct lw_device_id fresh = scratch_id(next_device);

	restored_add(scratch, next_device, V104);
	assert_int_equal(scratch_join(scratch, &old, V103, (uint16_t)(next_device + 5000)), KW_OK);
	assert_int_equal(scratch_join(scratch, &fresh, V104, 1), KW_OK);
	scratch_fold_all(scratch);
	next_device++;
}

/* All of a table but what a restore changes, as one digest. */
static void digest_table(struct ks_txn *txn, MDB_dbi table, uint8_t out[SHA256_DIGEST_LENGTH])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	struct ks_scan scan;
	enum kw_err err;

	assert_int_equal(EVP_DigestInit_ex(context, EVP_sha256(), NULL), 1);
	assert_int_equal(ks_scan_open(txn, table, &scan), KW_OK);
	for (err = ks_scan_first(&scan); err == KW_OK; err = ks_scan_next(&scan)) {
		EVP_DigestUpdate(context, scan.key, scan.key_length);
		EVP_DigestUpdate(context, scan.value, scan.length);
	}
	assert_int_equal(err, KW_E_NOT_FOUND);
	ks_scan_close(&scan);
	EVP_DigestFinal_ex(context, out, NULL);
	EVP_MD_CTX_free(context);
}

struct tables {
	uint8_t digests[5][SHA256_DIGEST_LENGTH];
};

static struct tables tables_of(struct scratch *scratch)
{
	const struct ks_tables *tables = &scratch->store->tables;
	const MDB_dbi list[] = {
		tables->key, tables->device, tables->dev_eui, tables->journal, tables->peer};
	struct ks_txn *txn = scratch_begin(scratch);
	struct tables out;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		digest_table(txn, list[i], out.digests[i]);
	}
	ks_txn_abort(txn);
	return out;
}

static void a_backup_is_the_store(void **state)
{
	struct scratch *scratch = *state;
	struct ks_store_figures before, after;
	struct tables tables, again;
	struct scratch target;
	struct octets octets;

	fill(scratch);
	octets = restored_backup(scratch);
	tables = tables_of(scratch);
	ks_store_figures(scratch->store, &before);
	restored_folder(&target);
	assert_int_equal(restored_make(&target, &octets), KW_OK);
	scratch_open(&target);
	again = tables_of(&target);
	assert_memory_equal(&tables, &again, sizeof(tables));
	ks_store_figures(target.store, &after);
	assert_int_equal(after.devices, before.devices);
	assert_int_equal(after.events, before.events);
	assert_int_equal(after.format, KS_FORMAT);
	assert_int_equal(after.epoch, before.epoch + 1);
	assert_int_equal(after.journal_records, 0);
	restored_remove(&target);
	free(octets.at);
}

/* Large records make several pieces; between any two of them the store changes. */
static void a_backup_is_of_one_moment(void **state)
{
	struct scratch *scratch = *state;
	struct tables tables, again;
	struct scratch target;
	struct ks_backup *backup;
	struct octets octets;

	fill(scratch);
	for (uint32_t n = 100; n < 700; n++) {
		restored_add(scratch, n, V11);
	}
	tables = tables_of(scratch);
	assert_int_equal(ks_backup_open(scratch->store, &backup), KW_OK);
	octets = restored_read(backup, go_on, scratch);
	ks_backup_close(backup);
	assert_true(next_device > 1003); /* there was a "between" */
	restored_folder(&target);
	assert_int_equal(restored_make(&target, &octets), KW_OK);
	scratch_open(&target);
	again = tables_of(&target);
	assert_memory_equal(&tables, &again, sizeof(tables));
	restored_remove(&target);
	free(octets.at);
}

static enum kw_err check(struct scratch *target, const struct octets *octets)
{
	struct ks_restore restore = {.nonce_margin = KS_NONCE_MARGIN, .check = true};
	enum kw_err err = restored_from(target, octets, &restore);

	assert_true(err == KW_OK || restore.records == 0);
	return err;
}

static void assert_empty(const struct scratch *target)
{
	assert_int_equal(rmdir(target->path), 0);
}

static void a_check_makes_nothing(void **state)
{
	struct scratch *scratch = *state;
	struct ks_restore restore = {.nonce_margin = KS_NONCE_MARGIN, .check = true};
	struct scratch target;
	struct octets octets;

	fill(scratch);
	octets = restored_backup(scratch);
	restored_folder(&target);
	assert_int_equal(restored_from(&target, &octets, &restore), KW_OK);
	assert_int_equal(restore.devices, DEVICES);
	assert_int_equal(restore.epoch, 1);
	assert_true(restore.records > DEVICES * 2);
	assert_memory_equal(restore.store_id, scratch->store->id, sizeof(restore.store_id));
	assert_empty(&target);
	free(octets.at);
}

static void every_damage_is_found(void **state)
{
	struct scratch *scratch = *state;
	struct scratch target;
	struct octets octets;

	restored_add(scratch, 1, V11);
	octets = restored_backup(scratch);
	restored_folder(&target);
	assert_int_equal(check(&target, &octets), KW_OK);
	for (size_t at = 0; at < octets.length; at += at < 100 ? 1 : 13) {
		octets.at[at] ^= (uint8_t)(1 << at % 8);
		assert_int_not_equal(check(&target, &octets), KW_OK);
		octets.at[at] ^= (uint8_t)(1 << at % 8);
	}
	assert_int_equal(check(&target, &octets), KW_OK);
	assert_empty(&target);
	free(octets.at);
}

static void every_cut_is_found(void **state)
{
	struct scratch *scratch = *state;
	struct scratch target;
	struct octets octets, part;

	restored_add(scratch, 1, V11);
	octets = restored_backup(scratch);
	restored_folder(&target);
	part = octets;
	for (part.length = 0; part.length < octets.length; part.length += 11) {
		assert_int_equal(check(&target, &part),
			part.length < KS_BACKUP_HEAD_SIZE ? KW_E_SYNTAX : KW_E_TRUNCATED);
	}
	part.length = octets.length - 1;
	assert_int_equal(check(&target, &part), KW_E_TRUNCATED);
	part.at = calloc(1, octets.length + 1);
	part.length = octets.length + 1;
	memcpy(part.at, octets.at, octets.length);
	assert_int_equal(check(&target, &part), KW_E_TRUNCATED);
	assert_empty(&target);
	free(part.at);
	free(octets.at);
}

/* SHA-256 anybody can make again; what is changed is found all the same. */
static void a_forged_backup_is_found(void **state)
{
	struct scratch *scratch = *state;
	struct scratch target;
	struct octets octets;
	size_t checked;

	restored_add(scratch, 1, V103);
	octets = restored_backup(scratch);
	restored_folder(&target);
	checked = octets.length - 2 * KS_BACKUP_CHECK_SIZE;
	octets.at[23] ^= 1; /* the time in the head: nothing else notices */
	SHA256(octets.at, checked, octets.at + checked);
	assert_int_equal(check(&target, &octets), KW_E_STORE_DAMAGED);
	octets.at[23] ^= 1;
	SHA256(octets.at, checked, octets.at + checked);
	assert_int_equal(check(&target, &octets), KW_OK);
	octets.at[octets.length - 1] ^= 1;
	assert_int_equal(check(&target, &octets), KW_E_STORE_DAMAGED);
	assert_int_equal(restored_make(&target, &octets), KW_E_STORE_DAMAGED);
	assert_empty(&target);
	free(octets.at);
}

static void what_is_no_backup_of_this_store_is_refused(void **state)
{
	struct scratch *scratch = *state;
	struct octets octets = restored_backup(scratch);
	struct scratch target;

	restored_folder(&target);
	target.master.octets[0] ^= 1;
	assert_int_equal(check(&target, &octets), KW_E_MASTER_KEY);
	assert_int_equal(restored_make(&target, &octets), KW_E_MASTER_KEY);
	target.master.octets[0] ^= 1;
	octets.at[11]++; /* version of the file */
	assert_int_equal(check(&target, &octets), KW_E_STORE_NEWER);
	octets.at[11]--;
	octets.at[15]++; /* format of the store */
	assert_int_equal(restored_make(&target, &octets), KW_E_STORE_NEWER);
	octets.at[15]--;
	memcpy(octets.at, "BEGIN:VCARD", 8);
	assert_int_equal(restored_make(&target, &octets), KW_E_SYNTAX);
	assert_empty(&target);
	free(octets.at);
}

static bool holds(const struct octets *octets, const void *what, size_t length)
{
	return memmem(octets->at, octets->length, what, length) != NULL;
}

static void no_key_is_in_it(void **state)
{
	struct scratch *scratch = *state;
	const struct lw_device_id id = scratch_id(1);
	struct octets octets;

	fill(scratch);
	octets = restored_backup(scratch);
	assert_true(holds(&octets, &id, sizeof(id))); /* it would be found */
	for (uint32_t n = 0; n < DEVICES; n++) {
		const struct lw_key app = restored_key("app", n), nwk = restored_key("nwk", n);

		assert_false(holds(&octets, app.octets, sizeof(app.octets)));
		assert_false(holds(&octets, nwk.octets, sizeof(nwk.octets)));
	}
	assert_false(holds(&octets, scratch->master.octets, KS_MASTER_KEY_SIZE));
	free(octets.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
		TEST(a_backup_is_the_store),
		TEST(a_backup_is_of_one_moment),
		TEST(a_check_makes_nothing),
		TEST(every_damage_is_found),
		TEST(every_cut_is_found),
		TEST(a_forged_backup_is_found),
		TEST(what_is_no_backup_of_this_store_is_refused),
		TEST(no_key_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
