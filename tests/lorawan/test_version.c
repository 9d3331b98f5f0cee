#include "lorawan/version.h"
#include "tests/lorawan/octets.h"

static enum lw_version read_ok(const char *text)
{
	enum lw_version version = LW_VERSION_NONE;

	assert_int_equal(lw_version_read(text, &version), KW_OK);
	return version;
}

static void reads_what_peers_write(void **state)
{
	static const struct {
		const char *text;
		enum lw_version version;
	} cases[] = {
		{"1.0", LW_VERSION_1_0_0},
		{"1.0.0", LW_VERSION_1_0_0},
		{"1.0.1", LW_VERSION_1_0_1},
		{"1.0.2", LW_VERSION_1_0_2},
		{"1.0.3", LW_VERSION_1_0_3},
		{"1.0.4", LW_VERSION_1_0_4},
		{"1.1", LW_VERSION_1_1},
		{"1.1.0", LW_VERSION_1_1},
		{"1.1.1", LW_VERSION_1_1},
		{"1.1.10", LW_VERSION_1_1},
		{"MAC_V1_0", LW_VERSION_1_0_0},
		{"MAC_V1_0_3", LW_VERSION_1_0_3},
		{"mac_v1_0_4", LW_VERSION_1_0_4},
		{"MAC_V1_1", LW_VERSION_1_1},
		{"LORAWAN_1_0_3", LW_VERSION_1_0_3},
		{"LoRaWAN_1_1_0", LW_VERSION_1_1},
		{"V1.0.3", LW_VERSION_1_0_3},
		{"v1.1", LW_VERSION_1_1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(read_ok(cases[i].text), cases[i].version);
	}
}

static void refuses_the_rest(void **state)
{
	static const char *const cases[] = {"", "1", "1.", "1.0.", "1.0.5", "1.0.10", "1.1.", "1.2",
		"1.2.0", "2.0", "0.9", "10.0", "1.01", "01.0", "1.1.00", "1.0.3.0", "1.0.3 ",
		" 1.0", "1.0.x", "1.x", "x", "1,0", "1..0", "1.1.100", "-1.0", "1.-0", "+1.0",
		"1.0.-1", "1.0_3", "1_0.3", "MAC_V", "MAC_1_0", "LORAWAN_", "LORAWAN1_0", "V",
		"VV1.0", "1.0.3a", "1.0RevB", "1.11111111111111111111", "18446744073709551617.0"};
	enum lw_version version;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		version = LW_VERSION_1_1;
		if (lw_version_read(cases[i], &version) != KW_E_VERSION) {
			fail_msg("\"%s\" was read", cases[i]);
		}
		assert_int_equal(version, LW_VERSION_NONE);
	}
}

static void text_reads_back(void **state)
{
	(void)state;
	for (unsigned value = 0; value < 300; value++) {
		enum lw_version version = (enum lw_version)value;

		if (lw_version_valid(value)) {
			assert_int_equal(read_ok(lw_version_text(version)), version);
		} else {
			assert_string_equal(lw_version_text(version), "unknown");
		}
		assert_int_equal(lw_version_valid(value), value >= 1 && value <= 6);
	}
	assert_false(lw_version_valid(~0u));
	assert_string_equal(lw_version_text(LW_VERSION_1_0_0), "1.0.0");
	assert_string_equal(lw_version_text(LW_VERSION_1_1), "1.1");
}

static void rules_by_version(void **state)
{
	(void)state;
	for (unsigned value = 0; value <= 7; value++) {
		enum lw_version version = (enum lw_version)value;

		assert_int_equal(lw_version_is_1_1(version), value == 6);
		assert_int_equal(lw_version_counts_dev_nonce(version), value == 5 || value == 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_peers_write),
		cmocka_unit_test(refuses_the_rest),
		cmocka_unit_test(text_reads_back),
		cmocka_unit_test(rules_by_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
