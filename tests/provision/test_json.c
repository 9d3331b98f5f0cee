#include "tests/provision/collect.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define KEY_A "A1B2C3D4E5F60718293A4B5C6D7E8F90"
#define KEY_B "90F8E7D6C5B4A3928170605F4E3D2C1B"

static struct collected got;

/* As The Things Stack exports a device, session and all. */
#define THINGS_DEVICE                                                                            \
	"{\"ids\":{\"device_id\":\"pump-7\",\"application_ids\":{\"application_id\":\"water\"}," \
	"\"dev_eui\":\"0004A30B001C0530\",\"join_eui\":\"70B3D57ED0000001\"},\n"                 \
	"\"created_at\":\"2024-01-01T00:00:00Z\",\"name\":\"pump 7\",\"attributes\":{},\n"       \
	"\"lorawan_version\":\"MAC_V1_1\",\"lorawan_phy_version\":\"PHY_V1_1_REV_B\",\n"         \
	"\"supports_join\":true,\"root_keys\":{\"root_key_id\":\"x\",\n"                         \
	"\"app_key\":{\"key\":\"" KEY_A "\"},\"nwk_key\":{\"key\":\"" KEY_B "\"}},\n"            \
	"\"used_dev_nonces\":[1,2,3],\"session\":{\"keys\":{\"app_s_key\":{\"key\":\"" KEY_A     \
	"\"}}}}"

static void things_stack(void **state)
{
	(void)state;
	collect_text(&got, "[\n" THINGS_DEVICE "\n]\n");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.problem_count, 0);
	assert_int_equal(got.row_count, 1);
	assert_int_equal(got.rows[0].line, 2);
	assert_int_equal(got.rows[0].version, LW_VERSION_1_1);
	assert_true(got.rows[0].has_nwk_key);
	assert_int_equal(got.rows[0].app_key.octets[0], 0xa1);
	assert_int_equal(got.rows[0].nwk_key.octets[0], 0x90);
	assert_string_equal(got.rows[0].name, "pump 7");
	assert_true(has_notice(&got, "column used_dev_nonces is ignored"));
	assert_not_told(&got, KEY_A);
}

static void flat_objects(void **state)
{
	(void)state;
	collect_text(&got,
		"{\"join_eui\":\"70B3D57ED0000001\",\"dev_eui\":\"0004A30B001C0530\","
		"\"lorawan_version\":\"1.0.3\",\"app_key\":\"" KEY_A "\",\"nwk_key\":null}\n"
		"{\"appEUI\":\"70B3D57ED0000001\",\"devEUI\":\"0004A30B001C0531\","
		"\"macVersion\":\"1.0.3\",\"nwkKey\":\"" KEY_A "\",\"id\":\"b\"}\n"
		"\n"
		"{\"device\":{\"joinEui\":\"70B3D57ED0000001\",\"devEui\":\"0004A30B001C0532\"},"
		"\"mac_version\":\"1.0.3\",\"deviceKeys\":{\"nwkKey\":\"" KEY_A
		"\",\"appKey\":\"\"}}");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.problem_count, 0);
	assert_int_equal(got.row_count, 3);
	assert_int_equal(got.rows[1].line, 2);
	assert_string_equal(got.rows[1].name, "b");
	assert_int_equal(got.rows[2].line, 4);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(got.rows[i].app_key.octets[15], 0x90);
	}
}

static void bad_objects(void **state)
{
	(void)state;
	collect_text(&got, "[{},\n{\"dev_eui\": 4503599627370496},\n"
			   "{\"dev_eui\":\"0004A30B001C0531\",\"devEUI\":\"0004A30B001C0531\"},\n"
			   "{\"root_keys\":{\"app_key\":{\"kek_label\":\"x\"}},"
			   "\"dev_eui\":\"0004A30B001C0532\",\"join_eui\":\"70B3D57ED0000001\","
			   "\"lorawan_version\":\"1.0.3\"}]");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.row_count, 0);
	assert_int_equal(got.problem_count, 4);
	assert_string_equal(got.problems[0].text, "column dev_eui is empty");
	assert_int_equal(got.problems[1].line, 2);
	assert_non_null(strstr(got.problems[1].text, "column dev_eui: not a text"));
	assert_int_equal(got.problems[2].line, 3);
	assert_non_null(strstr(got.problems[2].text, "twice"));
	assert_int_equal(got.problems[3].line, 4);
	assert_non_null(strstr(got.problems[3].text, "column app_key is empty"));
}

static void not_json(void **state)
{
	static const char *const texts[] = {"{", "[", "[{}", "[{},", "[{}}", "{}]", "[1]", "{},{}",
		"{\"app_key\":\"" KEY_A "\" x}", "{\"app_key\":\"" KEY_A, "{\"" KEY_A "\"}",
		"{\"a\":\"" KEY_A "\",\"a\":\"" KEY_A "\"}", "[[{}]]"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		collect_text(&got, texts[i]);
		assert_int_equal(got.err, KW_E_SYNTAX);
		assert_non_null(strstr(got.why, "line 1: not valid JSON"));
		assert_not_told(&got, KEY_A);
	}
	collect_text(&got, "[\n{},\n{\"a\":\n x}]");
	assert_int_equal(got.err, KW_E_SYNTAX);
	assert_non_null(strstr(got.why, "line 4: not valid JSON"));
}

static void cut_anywhere(void **state)
{
	static const char text[] = "[" THINGS_DEVICE "]";

	(void)state;
	for (size_t length = 0; length < strlen(text); length++) {
		collect(&got, text, length);
		assert_int_equal(got.err, KW_E_SYNTAX);
		assert_not_told(&got, KEY_A);
		assert_not_told(&got, KEY_B);
	}
}

static void empty_list(void **state)
{
	(void)state;
	collect_text(&got, " [ ] ");
	assert_int_equal(got.err, KW_OK);
	assert_int_equal(got.row_count + got.problem_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(things_stack),
		cmocka_unit_test(flat_objects),
		cmocka_unit_test(bad_objects),
		cmocka_unit_test(not_json),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(empty_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
