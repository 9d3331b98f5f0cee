#include "tests/provision/collect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define KEY_A "A1B2C3D4E5F60718293A4B5C6D7E8F90"
#define KEY_B "90F8E7D6C5B4A3928170605F4E3D2C1B"
#define JOIN  "70B3D57ED0000001"
#define DEV   "0004A30B001C0530"

static struct collected got;

static void read_row(const char *join_eui, const char *dev_eui, const char *version,
	const char *app_key, const char *nwk_key)
{
	char text[4096];

	/* Line 3, behind a blank one. */
	snprintf(text, sizeof(text),
		"join_eui;dev_eui;lorawan_version;app_key;nwk_key\n\n%s;%s;%s;%s;%s\n", join_eui,
		dev_eui, version, app_key, nwk_key);
	collect_text(&got, text);
}

/* Every kind of bad row, with the words that name the column. */
static void bad_rows(void **state)
{
	static const struct {
		const char *join_eui;
		const char *dev_eui;
		const char *version;
		const char *app_key;
		const char *nwk_key;
		enum kw_err err;
		const char *words;
	} cases[] = {
		{JOIN, "", "1.0.3", KEY_A, "", KW_E_MISSING, "column dev_eui is empty"},
		{"", DEV, "1.0.3", KEY_A, "", KW_E_MISSING, "column join_eui is empty"},
		{JOIN, "4.A30B001C053E+15", "1.0.3", KEY_A, "", KW_E_NUMBER, "column dev_eui: "},
		{JOIN, "1.23456789012345E+15", "1.0.3", KEY_A, "", KW_E_NUMBER,
			"column dev_eui: 1.23456789012345E+15 was turned into a number by a "
			"spreadsheet"},
		{"0.70B3E+12", DEV, "1.0.3", KEY_A, "", KW_E_NUMBER,
			"column join_eui: 0.70B3E+12 was turned into a number"},
		{JOIN, "4A30B001C0530", "1.0.3", KEY_A, "", KW_E_LENGTH, "13 hexadecimal digits"},
		{JOIN, "04A30B001C0530", "1.0.3", KEY_A, "", KW_E_LENGTH,
			"04A30B001C0530 has 14 digits, an EUI has 16; were leading zeros lost"},
		{"0B3D57ED0000001", DEV, "1.0.3", KEY_A, "", KW_E_LENGTH, "has 15 digits"},
		{JOIN, KEY_A, "1.0.3", KEY_A, "", KW_E_LENGTH, "is a key in the wrong column"},
		{JOIN, "0004A30B001C053G", "1.0.3", KEY_A, "", KW_E_HEX, "is not an EUI"},
		{JOIN, "0000000000000000", "1.0.3", KEY_A, "", KW_E_INVALID, "all zeros"},
		{JOIN, "FFFFFFFFFFFFFFFF", "1.0.3", KEY_A, "", KW_E_INVALID, "all ones"},
		{"0000000000000000", DEV, "1.0.4", KEY_A, "", KW_E_INVALID,
			"column join_eui: all zeros is not allowed with LoRaWAN 1.0.4"},
		{"0000000000000000", DEV, "1.1", KEY_A, KEY_B, KW_E_INVALID, "column join_eui"},
		{JOIN, DEV, "", KEY_A, "", KW_E_MISSING,
			"column lorawan_version is missing: add it, e.g. 1.0.3"},
		{JOIN, DEV, "", KEY_A, KEY_B, KW_E_MISSING, "column lorawan_version"},
		{JOIN, DEV, "1.0.5", KEY_A, "", KW_E_VERSION, "1.0.5 is not known"},
		{JOIN, DEV, "PHY_V1_0_3_REV_A", KEY_A, "", KW_E_VERSION, "column lorawan_version"},
		{JOIN, DEV, KEY_A, KEY_A, "", KW_E_VERSION,
			"column lorawan_version: not a version"},
		{JOIN, DEV, "1.0.3", "", "", KW_E_MISSING, "column app_key is empty"},
		{JOIN, DEV, "1.0.3", "A1B2C3D4E5F60718293A4B5C6D7E8F", "", KW_E_LENGTH,
			"column app_key: 30 hexadecimal digits, a key has 32"},
		{JOIN, DEV, "1.0.3", KEY_A "00", "", KW_E_LENGTH, "column app_key: 34"},
		{JOIN, DEV, "1.0.3", KEY_A "0011223344556677", "", KW_E_LENGTH, "wrapped key"},
		{JOIN, DEV, "1.0.3", "A1B2C3D4E5F60718293A4B5C6D7E8F9X", "", KW_E_HEX,
			"column app_key: a character"},
		{JOIN, DEV, "1.0.3", "1.2345678901234E+31", "", KW_E_NUMBER,
			"column app_key: turned"},
		{JOIN, DEV, "1.0.3", KEY_A, KEY_B, KW_E_CONFLICT,
			"columns app_key and nwk_key differ, but LoRaWAN 1.0.3 has one root key"},
		{JOIN, DEV, "1.0.3", "00000000000000000000000000000000", "", KW_E_INVALID,
			"column app_key: one octet repeated"},
		{JOIN, DEV, "1.0.3", "", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", KW_E_INVALID,
			"column nwk_key: one octet repeated"},
		{JOIN, DEV, "1.1", KEY_A, "", KW_E_MISSING, "column nwk_key is empty"},
		{JOIN, DEV, "1.1", "", KEY_A, KW_E_MISSING, "column app_key is empty"},
		{JOIN, DEV, "1.1", KEY_A, KEY_A, KW_E_CONFLICT, "are equal"},
		{JOIN, DEV, "1.1", KEY_A, "88888888888888888888888888888888", KW_E_INVALID,
			"column nwk_key: one octet repeated"},
		{JOIN, DEV, "1.1", KEY_A, KEY_B ";surplus", KW_E_SYNTAX, "more fields"},
		{JOIN, DEV, "1.0.3", "\"" KEY_A "\"" KEY_B, "", KW_E_SYNTAX,
			"column app_key: text behind the closing quote"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		read_row(cases[i].join_eui, cases[i].dev_eui, cases[i].version, cases[i].app_key,
			cases[i].nwk_key);
		assert_int_equal(got.row_count, 0);
		assert_problem(&got, 3, cases[i].err, cases[i].words);
		assert_not_told(&got, KEY_A);
		assert_not_told(&got, KEY_B);
		/* The end of the text was not cut off. */
		assert_true(strlen(got.problems[0].text) < PR_TEXT_SIZE - 1);
	}
}

/* A key in the column of an EUI is not shown in any form. */
static void keys_in_the_wrong_column(void **state)
{
	static const char *const keys[] = {KEY_A, "obLD1OX2BxgpOktcbX6PkA",
		"obLD1OX2BxgpOktcbX6PkA==", "zbLD1+E+BxgpOktcbX6PkA", "1.23456789012345E+31",
		"0x0123456789abcdef012"};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		read_row(JOIN, keys[i], "1.0.3", KEY_B, "");
		assert_int_equal(got.row_count, 0);
		assert_int_equal(got.problem_count, 1);
		assert_not_told(&got, keys[i]);
		read_row(keys[i], DEV, keys[i], KEY_B, "");
		assert_int_equal(got.row_count, 0);
		assert_int_equal(got.problem_count, 1);
		assert_not_told(&got, keys[i]);
	}
	/* What is none is. */
	read_row(JOIN, "00:04:A3:0B:00:1C:05:3G", "1.0.3", KEY_B, "");
	assert_problem(&got, 3, KW_E_HEX, "00:04:A3:0B:00:1C:05:3G is not an EUI");
}

static void a_field_of_any_length(void **state)
{
	char key[600];

	(void)state;
	for (size_t length = 0; length < sizeof(key); length++) {
		memset(key, 'A', length);
		key[length] = '\0';
		read_row(JOIN, DEV, "1.0.3", key, "");
		assert_int_equal(got.row_count, 0);
		assert_int_equal(got.problem_count, 1);
		assert_not_told(&got, "AAAA");
		read_row(JOIN, key, key, KEY_A, "");
		assert_int_equal(got.row_count, 0);
		assert_int_equal(got.problem_count, 1);
	}
}

static void one_root_key(void **state)
{
	static const char *const pairs[][2] = {{KEY_A, ""}, {"", KEY_A}, {KEY_A, KEY_A},
		{KEY_A, "a1b2c3d4e5f60718293a4b5c6d7e8f90"}};
	static const uint8_t key[] = {0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07, 0x18, 0x29, 0x3a,
		0x4b, 0x5c, 0x6d, 0x7e, 0x8f, 0x90};
	static const struct lw_key none;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		read_row(JOIN, DEV, "1.0.4", pairs[i][0], pairs[i][1]);
		assert_int_equal(got.problem_count, 0);
		assert_int_equal(got.row_count, 1);
		assert_memory_equal(got.rows[0].app_key.octets, key, sizeof(key));
		assert_false(got.rows[0].has_nwk_key);
		assert_memory_equal(&got.rows[0].nwk_key, &none, sizeof(none));
	}
}

static void keys_in_other_forms(void **state)
{
	static const char *const forms[] = {"a1b2c3d4e5f60718293a4b5c6d7e8f90", "0x" KEY_A,
		"A1 B2 C3 D4 E5 F6 07 18 29 3A 4B 5C 6D 7E 8F 90",
		"A1:B2:C3:D4:E5:F6:07:18:29:3A:4B:5C:6D:7E:8F:90",
		"A1B2C3D4-E5F60718-293A4B5C-6D7E8F90",
		"{ 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x07, 0x18, 0x29, 0x3A, 0x4B, 0x5C, 0x6D, "
		"0x7E, "
		"0x8F, 0x90 }"};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		read_row(JOIN, DEV, "1.0.4", forms[i], KEY_A);
		assert_int_equal(got.problem_count, 0);
		assert_int_equal(got.row_count, 1);
	}
}

static void join_eui_zero_before_1_0_4(void **state)
{
	(void)state;
	read_row("0000000000000000", DEV, "1.0.2", KEY_A, "");
	assert_int_equal(got.problem_count, 0);
	assert_int_equal(got.row_count, 1);
	assert_int_equal(got.notice_count, 1);
}

static void doubled_dev_eui(void **state)
{
	(void)state;
	collect_text(&got, "join_eui,dev_eui,lorawan_version,app_key\n"
			   "70B3D57ED0000001,0004A30B001C0530,1.0.3," KEY_A "\n"
			   "70B3D57ED0000001,0004A30B001C0531,1.0.3,bad\n"
			   "70B3D57ED0000002,00-04-a3-0b-00-1c-05-30,1.0.3," KEY_B "\n"
			   "70B3D57ED0000002,0004A30B001C0531,1.0.3," KEY_B "\n");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.row_count, 1);
	assert_int_equal(got.problem_count, 3);
	assert_int_equal(got.problems[1].line, 4);
	assert_int_equal(got.problems[1].err, KW_E_EXISTS);
	assert_non_null(strstr(got.problems[1].text, "0004a30b001c0530 is on line 2 already"));
	assert_int_equal(got.problems[2].line, 5);
	assert_non_null(strstr(got.problems[2].text, "0004a30b001c0531 is on line 3 already"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_rows),
		cmocka_unit_test(keys_in_the_wrong_column),
		cmocka_unit_test(a_field_of_any_length),
		cmocka_unit_test(one_root_key),
		cmocka_unit_test(keys_in_other_forms),
		cmocka_unit_test(join_eui_zero_before_1_0_4),
		cmocka_unit_test(doubled_dev_eui),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
