#include "tests/portal/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs three of the above */
#include <cmocka.h>

#define KEY "2b7e151628aed2a6abf7158809cf4f3c"
#define DEVICE                                                                \
	"\"join_eui\":\"70b3d57ed0000001\",\"dev_eui\":\"0004a30b001c0530\"," \
	"\"lorawan_version\":\"1.0.4\""
#define DIGEST  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ZEROS   "0000000000000000000000000000000000000000000000000000000000000000"
#define LONG_64 "0123456789012345678901234567890123456789012345678901234567890123"

static void assert_refused(struct fake *fake, const char *method, const char *path,
	const char *body, const char *names)
{
	unsigned asked = fake->asked;
	unsigned status = fake_call(fake, method, path, body);

	if (status != 400) {
		fail_msg("%u for %s", status, body);
	}
	assert_int_equal(fake->asked, asked);
	if (strstr(fake_text(fake, "error.message"), names) == NULL) {
		fail_msg("no %s in %s", names, fake->got.text);
	}
	assert_null(strstr(fake->got.text, KEY));
}

static void test_no_json_object(void **state)
{
	struct fake *fake = *state;
	const char *const bodies[] = {"", " ", "{", "[]", "null", "\"x\"", "1", "{}}", "{\"a\":1,}",
		"{\"name\":\"a\",\"name\":\"b\"}", "{\"name\":\"\\u0000\"}", "{\"name\":\"\xff\"}",
		"{" KEY "}"};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_refused(fake, "POST", "/api/v1/devices", bodies[i], "body");
		assert_refused(fake, "PATCH", "/api/v1/network-servers/a", bodies[i], "body");
	}
	assert_refused(fake, "PATCH", "/api/v1/devices/0004a30b001c0530", "{}", "nothing");
}

static void test_too_long(void **state)
{
	struct fake *fake = *state;
	char *body = malloc(PO_JSON_BODY_MAX + 1);

	assert_non_null(body);
	memset(body, ' ', PO_JSON_BODY_MAX + 1);
	assert_int_equal(
		fake_call_octets(fake, "POST", "/api/v1/devices", body, PO_JSON_BODY_MAX + 1), 413);
	assert_int_equal(
		fake_call_octets(fake, "POST", "/api/v1/devices", body, PO_JSON_BODY_MAX), 400);
	free(body);
}

static void test_root_keys_are_refused(void **state)
{
	struct fake *fake = *state;
	const char *const names[] = {"app_key", "nwk_key", "root_key", "AppKey", "appkey",
		"root_keys", "gen-app-key", "key"};
	const char *const paths[][2] = {{"POST", "/api/v1/devices"},
		{"PATCH", "/api/v1/devices/0004a30b001c0530"},
		{"POST", "/api/v1/application-servers"}};
	char body[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
			snprintf(body, sizeof(body), "{\"name\":\"x\",\"%s\":\"" KEY "\"}",
				names[i]);
			assert_refused(fake, paths[p][0], paths[p][1], body, "seal");
		}
	}
	assert_refused(
		fake, "POST", "/api/v1/network-servers", "{\"token\":\"" KEY "\"}", "token_sha256");
	assert_refused(fake, "POST", "/api/v1/network-servers",
		"{\"authorization\":\"Basic " KEY "\"}", "authorization_sha256");
	assert_refused(fake, "POST", "/api/v1/network-servers", "{\"password\":\"" KEY "\"}",
		"authorization_sha256");
	assert_refused(fake, "POST", "/api/v1/network-servers", "{\"private_key\":\"" KEY "\"}",
		"private keys");
	assert_refused(fake, "POST", "/api/v1/network-servers", "{\"certificate\":\"" KEY "\"}",
		"certificates");
	assert_refused(
		fake, "POST", "/api/v1/network-servers", "{\"kek\":\"" KEY "\"}", "kek_envelope");
}

static void test_unknown_members(void **state)
{
	struct fake *fake = *state;

	assert_refused(fake, "POST", "/api/v1/devices", "{" DEVICE ",\"colour\":1}", "\"colour\"");
	assert_refused(fake, "POST", "/api/v1/network-servers", "{\"a_url\":\"u\"}", "\"a_url\"");
	assert_refused(fake, "PATCH", "/api/v1/application-servers/a", "{\"\\u001b[1m\\\"\":1}",
		"\"?[1m?\"");
	/* a key where a name should be */
	assert_refused(fake, "POST", "/api/v1/devices", "{\"" KEY "\":1}", "...");
}

static void test_wrong_values_of_devices(void **state)
{
	struct fake *fake = *state;
	const char *const wrong[][2] = {
		{"name", "1"},
		{"name", "\"" LONG_64 "\""},
		{"name", "\"a\\nb\""},
		{"name", "\"a\\u009bb\""},
		{"net_ids", "\"000013\""},
		{"net_ids", "[1]"},
		{"net_ids", "[\"00001\"]"},
		{"net_ids", "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]"},
		{"net_ids", "[\"000001\",\"000001\",\"000001\",\"000001\",\"000001\",\"000001\","
			    "\"000001\",\"000001\",\"000001\"]"},
		{"roaming", "{}"},
		{"ns_id", "\"" KEY "\""},
		{"ns_id", "12"},
		{"ns_id", "\"1.2E+15\""},
		{"as_id", "\"\""},
		{"as_id", "[]"},
		{"as_id", "\"\\u00e4\""},
		{"as_id", "\"" LONG_64 "\""},
		{"app_s_key", "\"" KEY "\""},
		{"app_s_key", "3"},
		{"blocked", "null"},
		{"blocked", "1"},
		{"blocked", "\"true\""},
	};
	const char *const wrong_new[][2] = {
		{"join_eui", "\"x\""},
		{"join_eui", "null"},
		{"dev_eui", "1"},
		{"lorawan_version", "\"1.2\""},
		{"lorawan_version", "1.1"},
		{"generate", "false"},
		{"generate", "\"true\""},
	};
	char body[512];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(body, sizeof(body), "{\"%s\":%s}", wrong[i][0], wrong[i][1]);
		assert_refused(
			fake, "PATCH", "/api/v1/devices/0004a30b001c0530", body, wrong[i][0]);
		snprintf(body, sizeof(body), "{" DEVICE ",\"generate\":true,\"%s\":%s}",
			wrong[i][0], wrong[i][1]);
		assert_refused(fake, "POST", "/api/v1/devices", body, wrong[i][0]);
	}
	for (size_t i = 0; i < sizeof(wrong_new) / sizeof(wrong_new[0]); i++) {
		snprintf(body, sizeof(body), "{\"%s\":%s}", wrong_new[i][0], wrong_new[i][1]);
		assert_refused(fake, "POST", "/api/v1/devices", body, wrong_new[i][0]);
		assert_refused(fake, "PATCH", "/api/v1/devices/0004a30b001c0530", body,
			"cannot be changed");
	}
}

static void test_missing_members(void **state)
{
	struct fake *fake = *state;

	assert_refused(fake, "POST", "/api/v1/devices", "{}", "join_eui is missing");
	assert_refused(fake, "POST", "/api/v1/devices", "{\"join_eui\":\"70b3d57ed0000001\"}",
		"dev_eui is missing");
	assert_refused(
		fake, "POST", "/api/v1/devices", "{" DEVICE "}", "generate is missing; root");
	assert_refused(fake, "POST", "/api/v1/network-servers", "{\"net_ids\":[\"000013\"]}",
		"name is missing");
	assert_refused(fake, "POST", "/api/v1/network-servers", "{\"name\":\"a\"}", "net_ids");
	assert_refused(fake, "POST", "/api/v1/application-servers", "{\"name\":\"a\"}", "as_id");
	assert_refused(fake, "PATCH", "/api/v1/network-servers/a", "{\"net_ids\":[]}", "net_ids");
	assert_refused(fake, "PATCH", "/api/v1/application-servers/a", "{\"as_id\":null}", "as_id");
	assert_refused(fake, "PATCH", "/api/v1/network-servers/a", "{\"kek_label\":\"l\"}",
		"kek_envelope");
	assert_refused(fake, "PATCH", "/api/v1/network-servers/a", "{\"kek_envelope\":\"MAA=\"}",
		"kek_label");
	assert_refused(fake, "PATCH", "/api/v1/network-servers/a",
		"{\"kek_envelope\":\"MAA=\",\"kek_label\":null}", "kek_label");
}

static void test_keks(void **state)
{
	struct fake *fake = *state;
	const char *const wrong[][2] = {
		{"{\"envelope\":\"MAA=\"}", "label is missing"},
		{"{\"label\":\"l\"}", "envelope is missing"},
		{"{\"label\":null,\"envelope\":\"MAA=\"}", "label must"},
		{"{\"label\":\"\",\"envelope\":\"MAA=\"}", "label must"},
		{"{\"label\":\"" LONG_64 "\",\"envelope\":\"MAA=\"}", "label must"},
		{"{\"label\":\"l\",\"envelope\":null}", "envelope must"},
		{"{\"label\":\"l\",\"envelope\":\"" KEY "\"}", "envelope must"},
		{"{\"label\":\"l\",\"envelope\":\"MAA=\",\"current\":true}", "\"current\""},
		{"{\"label\":\"l\",\"kek\":\"" KEY "\"}", "seal"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_refused(
			fake, "POST", "/api/v1/network-servers/a/keks", wrong[i][0], wrong[i][1]);
		assert_refused(fake, "POST", "/api/v1/application-servers/a/keks", wrong[i][0],
			wrong[i][1]);
	}
}

static void test_wrong_values_of_peers(void **state)
{
	struct fake *fake = *state;
	const char *const wrong[][2] = {
		{"token_sha256", "1"},
		{"token_sha256", "\"\""},
		{"token_sha256", "\"" KEY "\""},
		{"token_sha256", "\"0x" KEY KEY "\""},
		{"token_sha256", "\"00" KEY "0000000000000000000000000000zz\""},
		{"token_sha256",
			"\"0000000000000000000000000000000000000000000000000000000000000000\""},
		{"authorization_sha256", "\"" KEY "\""},
		{"authorization_sha256", "[]"},
		{"authorization_sha256", "\"" ZEROS "\""},
		{"certificates", "\"" DIGEST "\""},
		{"certificates", "{}"},
		{"certificates", "[\"" DIGEST "\"]"},
		{"certificates", "[{}]"},
		{"certificates", "[{\"sha256\":\"" KEY "\"}]"},
		{"certificates", "[{\"sha256\":\"" ZEROS "\"}]"},
		{"certificates", "[{\"sha256\":\"" DIGEST "\",\"not_after\":1}]"},
		{"certificates", "[{\"sha256\":\"" DIGEST "\",\"not_after\":\"2027-01-01\"}]"},
		{"certificates",
			"[{\"sha256\":\"" DIGEST "\",\"not_after\":\"2027-02-30T00:00:00Z\"}]"},
		{"certificates", "[{\"sha256\":\"" DIGEST "\",\"key\":\"" KEY "\"}]"},
		{"certificates", "[{\"sha256\":\"" DIGEST "\"},{\"sha256\":\"" DIGEST "\"}]"},
		{"certificates", "[{},{},{},{},{}]"},
		{"subjects", "\"ns.example\""},
		{"subjects", "[\"ns.example\"]"},
		{"subjects", "[{\"name\":\"ns.example\"}]"},
		{"subjects", "[{\"ca_sha256\":\"" DIGEST "\"}]"},
		{"subjects", "[{\"ca_sha256\":\"" KEY "\",\"name\":\"ns.example\"}]"},
		{"subjects", "[{\"ca_sha256\":\"" DIGEST "\",\"name\":\"\"}]"},
		{"subjects", "[{\"ca_sha256\":\"" DIGEST "\",\"name\":\"a\\nb\"}]"},
		{"subjects", "[{\"ca_sha256\":\"" DIGEST
			     "\",\"name\":\"" LONG_64 LONG_64 LONG_64 LONG_64 "\"}]"},
		{"subjects", "[{\"ca_sha256\":\"" DIGEST "\",\"name\":\"a\",\"more\":1}]"},
		/* one name in two spellings */
		{"subjects",
			"[{\"ca_sha256\":\"" DIGEST "\",\"name\":\"A.b\"},{\"ca_sha256\":\"" DIGEST
			"\",\"name\":\"a.B\"}]"},
		{"answer_url", "1"},
		{"answer_url", "\"\""},
		{"answer_url", "\"ns.example\""},
		{"answer_url", "\"http://ns.example/\""},
		{"answer_url", "\"ftp://ns.example/\""},
		{"answer_url", "\"https://user:" KEY "@ns.example/\""},
		{"answer_url", "\"https://" LONG_64 "/" LONG_64 LONG_64 LONG_64 "\""},
		{"app_s_key_in_clear", "1"},
		{"app_s_key_in_clear", "null"},
		{"kek_label", "\"\""},
		{"kek_label", "1"},
		{"kek_envelope", "\"" KEY "\""},
		{"kek_envelope", "\"\""},
		{"kek_envelope", "\"!!!!\""},
		{"kek_envelope", "null"},
		{"join_eui_ranges", "\"70b3d57ed0000000/40\""},
		{"join_eui_ranges", "[\"70b3d57ed0000001/40\"]"},
		{"join_eui_ranges", "[null]"},
		{"join_eui_ranges", "[1,2,3,4,5,6,7,8,9]"},
		{"any_device", "1"},
		{"any_device", "null"},
		{"app_s_key", "\"plain\""},
		{"net_ids", "[\"13\"]"},
		{"ns_id", "\"13\""},
		{"as_id", "7"},
	};
	const char *const names[] = {"", ".", "..", "a/b", "a b", LONG_64, "\\u00e4", "a\\n"};
	char body[1024];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(body, sizeof(body), "{\"%s\":%s}", wrong[i][0], wrong[i][1]);
		assert_refused(fake, "PATCH", "/api/v1/network-servers/a", body, wrong[i][0]);
		assert_refused(fake, "POST", "/api/v1/application-servers", body, wrong[i][0]);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(
			body, sizeof(body), "{\"name\":\"%s\",\"net_ids\":[\"000013\"]}", names[i]);
		assert_refused(fake, "POST", "/api/v1/network-servers", body, "name");
	}
	assert_refused(fake, "PATCH", "/api/v1/network-servers/a", "{\"name\":\"b\"}",
		"cannot be changed");
	assert_refused(fake, "PATCH", "/api/v1/network-servers/a", "{\"app_s_key_in_clear\":true}",
		"application servers only");
}

/* Whatever is refused, no value of a body comes back or is logged. */
static void test_values_are_not_logged(void **state)
{
	struct fake *fake = *state;
	const char *const bodies[] = {"{\"app_key\":\"" KEY "\"}", "{\"name\":\"" KEY "\",\"x\":1}",
		"{\"ns_id\":\"" KEY "\"}", "{" KEY, "{\"" KEY "\":\"" KEY "\"}"};
	FILE *log = tmpfile();
	int kept = dup(STDERR_FILENO);
	char text[8192] = "";

	assert_non_null(log);
	assert_true(kept >= 0);
	assert_true(dup2(fileno(log), STDERR_FILENO) >= 0);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		fake_call(fake, "POST", "/api/v1/devices", bodies[i]);
		fake_call(fake, "PATCH", "/api/v1/network-servers/ns1", bodies[i]);
		fake_call(fake, "POST", "/api/v1/devices/import", bodies[i]);
	}
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	close(kept);
	rewind(log);
	assert_true(fread(text, 1, sizeof(text) - 1, log) > 0);
	fclose(log);
	assert_non_null(strstr(text, "device add"));
	assert_null(strstr(text, KEY));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_no_json_object),
		CASE(test_too_long),
		CASE(test_root_keys_are_refused),
		CASE(test_unknown_members),
		CASE(test_wrong_values_of_devices),
		CASE(test_missing_members),
		CASE(test_keks),
		CASE(test_wrong_values_of_peers),
		CASE(test_values_are_not_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
