/* One root key in two devices: what an import finds, and for how long it remembers. */
#include "tests/keystore/store_fixture.h"

#include "keystore/intake.h"
#include "keystore/twins.h"
#include "provision/seal.h"

#include <stdio.h>

#define KEY_1 "9f1c27e845d06ab3718e52fc0d94b6a1"
#define KEY_2 "3e84d1709bc5f2164ad7e0836c1f95b8"
#define KEY_3 "c7052f9e81d64ba30e7af5d1926c38b4"
#define HEAD  "join_eui,dev_eui,lorawan_version,app_key,nwk_key\n"
/* A device of LoRaWAN 1.0.3, and one of 1.1, by the last octet of its DevEUI. */
#define ROW(number, key)      "70b3d57ed0000000,0004a30b000000" number ",1.0.3," key ",\n"
#define ROW_1_1(number, a, n) "70b3d57ed0000000,0004a30b000000" number ",1.1," a "," n "\n"
#define SAME(number, other)                                            \
	"device 0004a30b000000" number ": device 0004a30b000000" other \
	" has the same root key; give each device keys of its own"

struct told {
	struct ks_import import;
	size_t count;
	struct pr_problem last;
};

static void note(void *context, const struct pr_problem *problem)
{
	struct told *told = context;

	told->count++;
	told->last = *problem;
}

/* Import in a transaction of its own, which is committed where the vault would. */
static struct told import_as(struct fixture *fixture, const char *rows, struct ks_import how)
{
	struct told told = {.import = how};
	struct ks_txn *txn = fixture_begin(fixture);
	char file[2048];
	uint8_t *der;
	size_t certificate_length, length;
	const uint8_t *certificate = ks_intake_certificate(fixture->store, &certificate_length);

	snprintf(file, sizeof(file), HEAD "%s", rows);
	assert_int_equal(
		pr_seal(certificate, certificate_length, file, strlen(file), &der, &length), KW_OK);
	told.import.problem = note;
	told.import.context = &told;
	assert_int_equal(ks_import(txn, der, length, &told.import), KW_OK);
	assert_false(fixture->store->root->open);
	free(der);
	if (how.dry_run || (told.import.refused > 0 && !how.skip_errors)) {
		ks_txn_abort(txn);
	} else {
		assert_int_equal(ks_txn_commit(txn), KW_OK);
	}
	assert_int_equal(told.count, told.import.refused + told.import.warned);
	return told;
}

static struct told import(struct fixture *fixture, const char *rows)
{
	return import_as(fixture, rows, (struct ks_import){0});
}

static void warned(const struct told *told, uint32_t added, uint32_t line, const char *text)
{
	assert_int_equal(told->import.added, added);
	assert_int_equal(told->import.refused, 0);
	assert_int_equal(told->import.warned, 1);
	assert_int_equal(told->last.err, KW_OK);
	assert_int_equal(told->last.line, line);
	assert_string_equal(told->last.text, text);
}

static void silent(const struct told *told, uint32_t added)
{
	assert_int_equal(told->count, 0);
	assert_int_equal(told->import.added, added);
}

static void refused(const struct told *told, const char *text)
{
	assert_int_equal(told->import.refused, 1);
	assert_int_equal(told->import.warned, 0);
	assert_int_equal(told->last.err, KW_E_CONFLICT);
	assert_string_equal(told->last.text, text);
}

static uint64_t devices(struct fixture *fixture)
{
	struct ks_store_figures figures;

	ks_store_figures(fixture->store, &figures);
	return figures.devices;
}

static void remove_device(struct fixture *fixture, uint8_t number)
{
	const struct lw_device_id id = fixture_id(number);
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(ks_device_remove(txn, &id), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static void in_one_file(void **state)
{
	struct fixture *fixture = *state;
	const char *rows = ROW("01", KEY_1) ROW("02", KEY_2) ROW("03", KEY_1);
	struct told told = import_as(fixture, rows, (struct ks_import){.dry_run = true});

	warned(&told, 3, 4, SAME("03", "01"));
	told = import_as(fixture, rows, (struct ks_import){.strict = true});
	refused(&told, SAME("03", "01"));
	assert_int_equal(devices(fixture), 0);
	told = import_as(fixture, rows, (struct ks_import){.strict = true, .skip_errors = true});
	refused(&told, SAME("03", "01"));
	assert_int_equal(told.import.added, 2);
	assert_int_equal(devices(fixture), 2);
	told = import(fixture, rows);
	warned(&told, 1, 4, SAME("03", "01"));
	assert_int_equal(told.import.already, 2);
	assert_int_equal(devices(fixture), 3);
}

static void in_two_files(void **state)
{
	struct fixture *fixture = *state;
	struct told told = import(fixture, ROW("01", KEY_1));

	silent(&told, 1);
	told = import(fixture, ROW("02", KEY_1));
	warned(&told, 1, 2, SAME("02", "01"));
	/* The first owner is the one that is named. */
	told = import(fixture, ROW("03", KEY_1));
	warned(&told, 1, 2, SAME("03", "01"));
}

static void keys_of_every_kind(void **state)
{
	struct fixture *fixture = *state;
	struct told told = import(fixture, ROW_1_1("01", KEY_1, KEY_2));

	silent(&told, 1);
	told = import(fixture, ROW("02", KEY_2));
	warned(&told, 1, 2, SAME("02", "01"));
	told = import(fixture, ROW_1_1("03", KEY_3, KEY_1));
	warned(&told, 1, 2, SAME("03", "01"));
	told = import(fixture, ROW("04", KEY_3));
	warned(&told, 1, 2, SAME("04", "03"));
	told = import(fixture, ROW_1_1("05", KEY_2, KEY_1));
	warned(&told, 1, 2, SAME("05", "01"));
}

/* A file is tried before it is loaded, and may be in several envelopes. */
static void in_envelopes_of_one_file(void **state)
{
	struct fixture *fixture = *state;
	const struct ks_import try = {.dry_run = true, .run = 7};
	const struct ks_import load = {.run = 7};
	struct told told = import_as(fixture, ROW("01", KEY_1), try);

	silent(&told, 1);
	told = import_as(fixture, ROW("02", KEY_1), try);
	warned(&told, 1, 2, SAME("02", "01"));
	told = import_as(fixture, ROW("02", KEY_1),
		(struct ks_import){.dry_run = true, .run = 7, .strict = true});
	refused(&told, SAME("02", "01"));
	told = import_as(fixture, ROW("01", KEY_1), load);
	silent(&told, 1);
	told = import_as(fixture, ROW("02", KEY_1), load);
	warned(&told, 1, 2, SAME("02", "01"));
}

/* Who only tries what he loads later is told once. */
static void quietly(void **state)
{
	struct fixture *fixture = *state;
	const char *rows = ROW("01", KEY_1) ROW("02", KEY_1);
	struct ks_import how = {.dry_run = true, .quiet = true, .run = 7};
	struct told told = import_as(fixture, rows, how);

	silent(&told, 2);
	how.strict = true;
	told = import_as(fixture, rows, how);
	refused(&told, SAME("02", "01"));
}

/* A device that is not there owns nothing: its row was only tried, or it was removed. */
static void devices_that_are_not_there(void **state)
{
	struct fixture *fixture = *state;
	struct told told =
		import_as(fixture, ROW("01", KEY_1), (struct ks_import){.dry_run = true, .run = 7});

	silent(&told, 1);
	told = import_as(fixture, ROW("02", KEY_1), (struct ks_import){.strict = true, .run = 8});
	silent(&told, 1);
	remove_device(fixture, 2);
	told = import_as(fixture, ROW("03", KEY_1), (struct ks_import){.strict = true});
	silent(&told, 1);
	/* It is back with other keys. */
	remove_device(fixture, 3);
	told = import(fixture, ROW("03", KEY_2));
	silent(&told, 1);
	told = import_as(fixture, ROW("04", KEY_1), (struct ks_import){.strict = true});
	silent(&told, 1);
}

/* To change the key of a device that is there is not what an import can do. */
static void devices_that_are_there_already(void **state)
{
	struct fixture *fixture = *state;
	const char *rows = ROW("01", KEY_1) ROW("02", KEY_1);
	struct told told = import(fixture, rows);

	warned(&told, 2, 3, SAME("02", "01"));
	fixture_reopen(fixture);
	for (int dry = 0; dry <= 1; dry++) {
		told = import_as(
			fixture, rows, (struct ks_import){.strict = true, .dry_run = dry != 0});
		silent(&told, 0);
		assert_int_equal(told.import.already, 2);
	}
	/* They are known again by that. */
	told = import_as(fixture, ROW("03", KEY_1), (struct ks_import){.strict = true});
	refused(&told, SAME("03", "01"));
}

static void forgotten_when_the_store_is_closed(void **state)
{
	struct fixture *fixture = *state;
	struct told told = import(fixture, ROW("01", KEY_1));

	silent(&told, 1);
	fixture_reopen(fixture);
	told = import(fixture, ROW("02", KEY_1));
	silent(&told, 1);
}

/* Keys of other devices; every 8 of them are in one chain, that of the ones that they drive out. */
static void note_others(struct fixture *fixture, uint32_t from, uint32_t count)
{
	const struct lw_eui dev_eui = {{0xff}};

	for (uint32_t i = from; i < from + count; i++) {
		struct ks_twins_search search = {.count = 1};
		const uint32_t chain = i % KS_TWINS_MAX / 8 * 2654435761u;

		memcpy(search.marks[0], &chain, sizeof(chain));
		memcpy(search.marks[0] + sizeof(chain), &i, sizeof(i));
		ks_twins_note(fixture->store->twins, 1, &dev_eui, &search);
	}
}

static void remembers_the_last_ones(void **state)
{
	const struct ks_import strict = {.strict = true};
	struct fixture *fixture = *state;
	struct told told = import(fixture, ROW("01", KEY_1));

	silent(&told, 1);
	note_others(fixture, 0, KS_TWINS_MAX - 1);
	told = import_as(fixture, ROW("02", KEY_1), strict);
	refused(&told, SAME("02", "01"));
	note_others(fixture, KS_TWINS_MAX - 1, 1);
	told = import_as(fixture, ROW("02", KEY_1), strict);
	silent(&told, 1);
	/* Round and round: what is new is found, and chains stay whole. */
	note_others(fixture, KS_TWINS_MAX, 2 * KS_TWINS_MAX);
	told = import_as(fixture, ROW("03", KEY_1), strict);
	silent(&told, 1);
	told = import_as(fixture, ROW("04", KEY_1), strict);
	refused(&told, SAME("04", "03"));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_store, fixture_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_one_file),
		TEST(in_two_files),
		TEST(keys_of_every_kind),
		TEST(in_envelopes_of_one_file),
		TEST(quietly),
		TEST(devices_that_are_not_there),
		TEST(devices_that_are_there_already),
		TEST(forgotten_when_the_store_is_closed),
		TEST(remembers_the_last_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
