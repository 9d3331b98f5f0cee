#include "lorawan/eui.h"
#include "tests/lorawan/octets.h"

#include <stdio.h>

static const uint8_t example[] = {0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0x00, 0x12, 0x34};

static void check_refused(const char *text, enum kw_err want)
{
	struct lw_eui eui;
	enum kw_err err;

	memset(&eui, 0xee, sizeof(eui));
	err = lw_eui_read(text, &eui);
	if (err != want) {
		fail_msg("\"%s\" gives \"%s\", not \"%s\"", text, kw_err_text(err),
			kw_err_text(want));
	}
	assert_true(all_zero(&eui, sizeof(eui)));
}

static void reads_what_people_write(void **state)
{
	static const char *const cases[] = {"70b3d57ed0001234", "70B3D57ED0001234",
		"70B3d57eD0001234", "0x70b3d57ed0001234", "0X70B3D57ED0001234",
		"70-b3-d5-7e-d0-00-12-34", "70:B3:D5:7E:D0:00:12:34", "70 b3 d5 7e d0 00 12 34",
		"70b3:d57e:d000:1234", "70b3d57e-d0001234", "70b3d5-7ed0001234",
		"  70b3d57ed0001234", "70b3d57ed0001234\t ", "\t70-b3-d5-7e-d0-00-12-34 ",
		" 0x70b3d57e d0001234 "};
	struct lw_eui eui;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (lw_eui_read(cases[i], &eui) != KW_OK) {
			fail_msg("\"%s\" is refused", cases[i]);
		}
		assert_memory_equal(eui.octets, example, sizeof(example));
	}
}

static void tells_lost_digits(void **state)
{
	char text[302] = "";

	(void)state;
	for (size_t digits = 0; digits <= 300; digits++) {
		if (digits != 16) {
			check_refused(text, KW_E_LENGTH);
		}
		text[digits] = "123456789abcdef0"[digits % 16];
	}
	check_refused("0x", KW_E_LENGTH);
	check_refused("   ", KW_E_LENGTH);
	check_refused("0x70b3d57ed000123", KW_E_LENGTH);
	check_refused("70-b3-d5-7e-d0-00-12", KW_E_LENGTH);
	check_refused("70-b3-d5-7e-d0-00-12-3", KW_E_LENGTH);
	check_refused("70-b3-d5-7e-d0-00-12-34-56", KW_E_LENGTH);
}

static void tells_numbers_of_spreadsheets(void **state)
{
	static const char *const cases[] = {"1.2E+15", "1,2E+15", "1.2e+15", "7E+15", "7e-3",
		"1.23457E+15", "1.", "1,5", "1234567890123450.0", " 1.2E+15 ", "1.2E15", "9.E+1"};
	struct lw_eui eui;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_refused(cases[i], KW_E_NUMBER);
	}
	check_refused("1.2E+", KW_E_HEX);
	check_refused("1.2.3", KW_E_HEX);
	check_refused("1.2E+15x", KW_E_HEX);
	check_refused("E+15", KW_E_HEX);
	check_refused("12E15", KW_E_LENGTH);
	assert_int_equal(lw_eui_read("1234567890123e15", &eui), KW_OK);
	assert_int_equal(lw_eui_read("0000000000003E-15", &eui), KW_OK);
	assert_int_equal(lw_eui_read("000000000123E-15", &eui), KW_E_NUMBER);
}

static void refuses_what_does_not_belong(void **state)
{
	static const char *const cases[] = {"70b3d57ed0001234x", "70b3d57ed0001234 x",
		"70b3d57ed000123g", "g0b3d57ed0001234", "70b3d57ed0001234\n", "70b3d57ed0001234;",
		"-70b3d57ed0001234", "70b3d57ed0001234-", "70--b3d57ed0001234", "70b-3d57ed0001234",
		"7-0b3d57ed0001234", "70-b3:d5-7e-d0-00-12-34", "70b3d57e  d0001234",
		"70b3d57e\td0001234", "0x0x70b3d57ed0001234", "x70b3d57ed0001234",
		"\"70b3d57ed0001234\"", "70.b3.d5.7e.d0.00.12.34", "70b3d57ed000\xc3\xa4zz34",
		"70_b3_d5_7e_d0_00_12_34", "0x 70b3d57ed0001234", "0x-70b3d57ed0001234"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_refused(cases[i], KW_E_HEX);
	}
}

static void every_octet_in_every_place(void **state)
{
	struct lw_eui eui;
	char text[] = "70b3d57ed0001234";

	(void)state;
	for (size_t at = 0; at < 16; at++) {
		char kept = text[at];

		for (unsigned value = 1; value < 256; value++) {
			bool digit = strchr("0123456789abcdefABCDEF", (int)value) != NULL;

			text[at] = (char)value;
			assert_int_equal(lw_eui_read(text, &eui) == KW_OK, digit);
		}
		text[at] = kept;
	}
}

static void writes_and_compares(void **state)
{
	struct lw_eui a;
	struct lw_eui b;
	char text[LW_EUI_TEXT_SIZE];

	(void)state;
	assert_int_equal(lw_eui_read("70B3D57ED0001234", &a), KW_OK);
	lw_eui_write(&a, text);
	assert_string_equal(text, "70b3d57ed0001234");
	b = a;
	assert_true(lw_eui_equal(&a, &b));
	assert_int_equal(lw_eui_compare(&a, &b), 0);
	for (size_t i = 0; i < LW_EUI_SIZE; i++) {
		b = a;
		b.octets[i]++;
		assert_false(lw_eui_equal(&a, &b));
		assert_true(lw_eui_compare(&a, &b) < 0);
		assert_true(lw_eui_compare(&b, &a) > 0);
	}
}

static void reads_net_ids(void **state)
{
	struct lw_net_id net_id;
	struct lw_net_id other = {{0x60, 0x05, 0x0a}};
	char text[32] = "";

	(void)state;
	assert_int_equal(lw_net_id_read("60050a", &net_id), KW_OK);
	assert_true(lw_net_id_equal(&net_id, &other));
	assert_int_equal(lw_net_id_read("0x60050A", &net_id), KW_OK);
	assert_true(lw_net_id_equal(&net_id, &other));
	for (size_t i = 0; i < LW_NET_ID_SIZE; i++) {
		other = net_id;
		other.octets[i] ^= 1;
		assert_false(lw_net_id_equal(&net_id, &other));
	}
	for (size_t digits = 0; digits < sizeof(text) - 1; digits++) {
		enum kw_err want = digits == 6 ? KW_OK : digits % 2 == 1 ? KW_E_HEX : KW_E_LENGTH;

		memset(&net_id, 0xee, sizeof(net_id));
		assert_int_equal(lw_net_id_read(text, &net_id), want);
		assert_true(want == KW_OK || all_zero(&net_id, sizeof(net_id)));
		text[digits] = '1';
	}
	assert_int_equal(lw_net_id_read("60050g", &net_id), KW_E_HEX);
	assert_int_equal(lw_net_id_read(" 60050a", &net_id), KW_E_HEX);
	assert_int_equal(lw_net_id_read("60-05-0a", &net_id), KW_E_HEX);
}

/* First DevAddr of each type for ID 0 and for all ID bits set, from the table of prefixes. */
static void finds_the_ends_of_each_address_block(void **state)
{
	static const struct {
		uint8_t first;
		unsigned nwk_addr_bits;
		unsigned id_bits;
	} types[] = {{0x00, 25, 6}, {0x80, 24, 6}, {0xc0, 20, 9}, {0xe0, 17, 21}, {0xf0, 15, 21},
		{0xf8, 13, 21}, {0xfc, 10, 21}, {0xfe, 7, 21}};

	(void)state;
	for (unsigned type = 0; type < 8; type++) {
		uint32_t first = (uint32_t)types[type].first << 24;
		uint32_t last = first | ((UINT32_C(1) << types[type].nwk_addr_bits) - 1);
		uint32_t ends[] = {first, last, last + 1, first - 1};
		struct lw_net_id net_id = {{(uint8_t)(type << 5), 0, 0}};

		assert_int_equal(lw_net_id_type(&net_id), type);
		assert_int_equal(lw_net_id_id(&net_id), 0);
		for (size_t i = 0; i < 4; i++) {
			struct lw_dev_addr addr = {
				{(uint8_t)(ends[i] >> 24), (uint8_t)(ends[i] >> 16),
					(uint8_t)(ends[i] >> 8), (uint8_t)ends[i]}};

			assert_int_equal(lw_dev_addr_matches(&addr, &net_id), i < 2);
		}
		memset(net_id.octets, 0xff, sizeof(net_id.octets));
		net_id.octets[0] = (uint8_t)(type << 5 | 0x1f);
		assert_int_equal(lw_net_id_id(&net_id), (UINT32_C(1) << types[type].id_bits) - 1);
	}
}

static void knows_addresses_of_no_type(void **state)
{
	struct lw_dev_addr addr = {{0xff, 0, 0, 0}};
	struct lw_net_id net_id = {{0xff, 0xff, 0xff}};
	unsigned type;
	uint32_t nwk_id;

	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		type = 99;
		nwk_id = 99;
		addr.octets[0] = (uint8_t)first;
		assert_int_equal(lw_dev_addr_parse(&addr, &type, &nwk_id), first != 0xff);
		assert_in_range(type, 0, 7);
	}
	assert_int_equal(type, 0);
	assert_int_equal(nwk_id, 0);
	assert_false(lw_dev_addr_matches(&addr, &net_id));
}

static void check_range(const char *text, const char *first, const char *last, const char *written)
{
	struct lw_eui_range range;
	char out[LW_EUI_RANGE_TEXT_SIZE];
	char digits[LW_EUI_TEXT_SIZE];

	if (lw_eui_range_read(text, &range) != KW_OK) {
		fail_msg("\"%s\" is refused", text);
	}
	lw_eui_write(&range.first, digits);
	assert_string_equal(digits, first);
	lw_eui_write(&range.last, digits);
	assert_string_equal(digits, last);
	lw_eui_range_write(&range, out);
	assert_string_equal(out, written);
}

static void reads_and_writes_ranges(void **state)
{
	(void)state;
	check_range("70b3d57ed0000000/40", "70b3d57ed0000000", "70b3d57ed0ffffff",
		"70b3d57ed0000000/40");
	check_range("70B3D57ED0000000/36", "70b3d57ed0000000", "70b3d57edfffffff",
		"70b3d57ed0000000/36");
	check_range("70b3d57ed0001234", "70b3d57ed0001234", "70b3d57ed0001234", "70b3d57ed0001234");
	check_range(
		"70b3d57ed0001234/64", "70b3d57ed0001234", "70b3d57ed0001234", "70b3d57ed0001234");
	check_range(
		"0000000000000000/0", "0000000000000000", "ffffffffffffffff", "0000000000000000/0");
	check_range(
		"8000000000000000/1", "8000000000000000", "ffffffffffffffff", "8000000000000000/1");
	check_range("0000000000000000-ffffffffffffffff", "0000000000000000", "ffffffffffffffff",
		"0000000000000000/0");
	check_range("70b3d57ed0000000-70b3d57ed0ffffff", "70b3d57ed0000000", "70b3d57ed0ffffff",
		"70b3d57ed0000000/40");
	check_range("70b3d57ed0000001-70b3d57ed0000002", "70b3d57ed0000001", "70b3d57ed0000002",
		"70b3d57ed0000001-70b3d57ed0000002");
	check_range("0000000000000001-FFFFFFFFFFFFFFFF", "0000000000000001", "ffffffffffffffff",
		"0000000000000001-ffffffffffffffff");
	check_range("70b3d57ed0001234-70b3d57ed0001234", "70b3d57ed0001234", "70b3d57ed0001234",
		"70b3d57ed0001234");
}

static void every_prefix_reads_back(void **state)
{
	struct lw_eui_range range;
	char text[LW_EUI_RANGE_TEXT_SIZE];
	char out[LW_EUI_RANGE_TEXT_SIZE];

	(void)state;
	for (unsigned prefix = 0; prefix < 64; prefix++) {
		snprintf(text, sizeof(text), "0000000000000000/%u", prefix);
		assert_int_equal(lw_eui_range_read(text, &range), KW_OK);
		lw_eui_range_write(&range, out);
		assert_string_equal(out, text);
	}
}

static void refuses_other_ranges(void **state)
{
	static const char *const cases[] = {"", "/", "-", "/40", "70b3d57ed0000000/",
		"70b3d57ed0000000-", "70b3d57ed0000000/65", "70b3d57ed0000000/100",
		"70b3d57ed0000000/-1", "70b3d57ed0000000/+8", "70b3d57ed0000000/ 8",
		"70b3d57ed0000000/8", "0000000000000000/08", "0000000000000000/4x",
		"0000000000000000/40 ", "0000000000000000/00", "0000000000000001/63",
		"0000000000000000/0x8", "70b3d57ed0000002-70b3d57ed0000001",
		"70b3d57ed0000000-70b3d57ed000000", "70b3d57ed0000000-70b3d57ed00000000",
		"70b3d57ed0000000-70b3d57ed0ffffff-70b3d57ed0ffffff",
		"70b3d57ed0000000-70b3d57ed0ffffff/40", "70b3d57ed000000", "70b3d57ed00000000",
		"0x70b3d57ed0000000", "0x70b3d57ed00000", "70b3d57ed000000g", " 70b3d57ed0000000",
		"70b3d57ed0000000 ", "70b3d57ed0000000 - 70b3d57ed0ffffff",
		"70-b3-d5-7e-d0-00-00-00", "70b3d57ed0000000,70b3d57ed0ffffff"};
	struct lw_eui_range range;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&range, 0xee, sizeof(range));
		if (lw_eui_range_read(cases[i], &range) != KW_E_SYNTAX) {
			fail_msg("\"%s\" is read", cases[i]);
		}
		assert_true(all_zero(&range, sizeof(range)));
	}
}

static void every_beginning_of_a_range(void **state)
{
	static const char whole[] = "70b3d57ed0000000-70b3d57ed0ffffff";
	struct lw_eui_range range;
	char text[sizeof(whole)];

	(void)state;
	for (size_t length = 0; length < sizeof(whole); length++) {
		memcpy(text, whole, length);
		text[length] = '\0';
		assert_int_equal(lw_eui_range_read(text, &range) == KW_OK,
			length == 16 || length == sizeof(whole) - 1);
	}
}

static void a_range_contains_its_ends(void **state)
{
	static const struct {
		const char *eui;
		bool inside;
	} cases[] = {{"70b3d57ecfffffff", false}, {"70b3d57ed0000000", true},
		{"70b3d57ed0001234", true}, {"70b3d57ed0ffffff", true}, {"70b3d57ed1000000", false},
		{"0000000000000000", false}, {"ffffffffffffffff", false}};
	struct lw_eui_range range;
	struct lw_eui eui;

	(void)state;
	assert_int_equal(lw_eui_range_read("70b3d57ed0000000/40", &range), KW_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(lw_eui_read(cases[i].eui, &eui), KW_OK);
		assert_int_equal(lw_eui_range_contains(&range, &eui), cases[i].inside);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_people_write),
		cmocka_unit_test(tells_lost_digits),
		cmocka_unit_test(tells_numbers_of_spreadsheets),
		cmocka_unit_test(refuses_what_does_not_belong),
		cmocka_unit_test(every_octet_in_every_place),
		cmocka_unit_test(writes_and_compares),
		cmocka_unit_test(reads_net_ids),
		cmocka_unit_test(finds_the_ends_of_each_address_block),
		cmocka_unit_test(knows_addresses_of_no_type),
		cmocka_unit_test(reads_and_writes_ranges),
		cmocka_unit_test(every_prefix_reads_back),
		cmocka_unit_test(refuses_other_ranges),
		cmocka_unit_test(every_beginning_of_a_range),
		cmocka_unit_test(a_range_contains_its_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
