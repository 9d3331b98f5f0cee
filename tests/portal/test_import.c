#include "tests/portal/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs these */
#include <cmocka.h>

#define PATH "/api/v1/devices/import"

static const uint8_t der[] = {0x30, 0x03, 0x02, 0x01, 0x07};
static const char pem[] = "-----BEGIN CMS-----\nMAMCAQc=\n-----END CMS-----\n";

static void test_der_and_pem(void **state)
{
	struct fake *fake = *state;
	struct ipc_import_ans answer = {.rows = 3, .added = 3};

	fake->answer = &answer;
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 200);
	assert_int_equal(fake->kind, IPC_DEVICE_IMPORT);
	assert_int_equal(fake->body.import.envelope_length, sizeof(der));
	assert_int_equal(fake->tail_length, sizeof(der));
	assert_memory_equal(fake->tail, der, sizeof(der));
	assert_int_equal(fake_number(fake, "rows"), 3);
	assert_int_equal(fake_number(fake, "added"), 3);
	assert_int_equal(fake_number(fake, "refused"), 0);
	assert_int_equal(json_array_size(fake_member(fake, "errors")), 0);
	assert_int_equal(fake_call(fake, "POST", PATH, pem), 200);
	assert_int_equal(fake->tail_length, sizeof(der));
	assert_memory_equal(fake->tail, der, sizeof(der));
}

static void test_query(void **state)
{
	struct fake *fake = *state;
	const struct ipc_import_req *req = &fake->body.import;

	fake_query(fake, "dry_run", "1");
	fake_query(fake, "skip_errors", "1");
	fake_query(fake, "first_line", "501");
	fake_query(fake, "strict", "1");
	fake_query(fake, "quiet", "1");
	fake_query(fake, "run", "4294967295");
	fake_query(fake, "net_id", "000013");
	fake_query(fake, "net_id", "60050A");
	fake_query(fake, "roaming", "c00001");
	fake_query(fake, "as_id", "as.example");
	fake_query(fake, "ns_id", "0102030405060708");
	fake_query(fake, "app_s_key", "fetch");
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 200);
	assert_int_equal(req->dry_run, 1);
	assert_int_equal(req->skip_errors, 1);
	assert_int_equal(req->first_line, 501);
	assert_int_equal(req->strict, 1);
	assert_int_equal(req->quiet, 1);
	assert_int_equal(req->run, UINT32_MAX);
	assert_int_equal(req->policy.net_id_count, 2);
	assert_memory_equal(req->policy.net_ids[1], "\x60\x05\x0a", 3);
	assert_int_equal(req->policy.roaming_count, 1);
	assert_string_equal(req->policy.as_id, "as.example");
	assert_int_equal(req->policy.has_ns_id, 1);
	assert_int_equal(req->policy.delivery, IPC_DELIVERY_FETCH);
	assert_true(json_is_true(fake_member(fake, "dry_run")));
}

static void test_wrong_query(void **state)
{
	struct fake *fake = *state;
	const char *const wrong[][2] = {{"dry_run", "true"}, {"skip_errors", ""}, {"strict", "yes"},
		{"quiet", "2"}, {"run", "4294967296"}, {"run", "x"}, {"first_line", "4294967296"},
		{"first_line", "-1"}, {"net_id", "13"}, {"roaming", ""}, {"as_id", ""},
		{"as_id", "\x01"}, {"ns_id", "1"}, {"app_s_key", "plain"}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fake_query(fake, wrong[i][0], wrong[i][1]);
		assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 400);
		assert_non_null(strstr(fake_text(fake, "error.message"), wrong[i][0]));
	}
	for (size_t i = 0; i <= IPC_NET_IDS_MAX; i++) {
		fake_query(fake, "net_id", "000013");
	}
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 400);
	assert_int_equal(fake->asked, 0);
}

static void test_no_envelope(void **state)
{
	struct fake *fake = *state;
	const char *const bodies[] = {NULL, "", "join_eui,dev_eui,app_key\n", "{}",
		"-----BEGIN CMS-----\n", "-----BEGIN CMS-----\n!!!!\n-----END CMS-----\n",
		"-----BEGIN CMS-----\n\n-----END CMS-----\n",
		"-----BEGIN CERTIFICATE-----\nMAMCAQc=\n-----END CERTIFICATE-----\n"};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(fake_call(fake, "POST", PATH, bodies[i]), 400);
		assert_string_equal(fake_text(fake, "error.code"), "ENVELOPE");
	}
	assert_int_equal(
		fake_call(fake, "POST", PATH, "MIME-Version: 1.0\nContent-Type: x\n"), 400);
	assert_non_null(strstr(fake_text(fake, "error.message"), "-outform DER"));
	assert_int_equal(fake->asked, 0);
}

/* PEM cut off at every length is refused or the whole envelope, never a part of it. */
static void test_pem_cut_off(void **state)
{
	struct fake *fake = *state;

	for (size_t length = 0; length < sizeof(pem); length++) {
		char *cut = malloc(length + 1);
		unsigned status;

		assert_non_null(cut);
		memcpy(cut, pem, length);
		status = fake_call_octets(fake, "POST", PATH, cut, length);
		free(cut);
		assert_true(status == 200 || status == 400);
		if (status == 200) {
			assert_int_equal(fake->tail_length, sizeof(der));
		}
	}
}

static void test_largest(void **state)
{
	struct fake *fake = *state;
	uint8_t *body = calloc(1, PO_BODY_MAX + 1);

	assert_non_null(body);
	body[0] = 0x30;
	assert_int_equal(fake_call_octets(fake, "POST", PATH, body, IPC_ENVELOPE_MAX), 200);
	assert_int_equal(fake->tail_length, IPC_ENVELOPE_MAX);
	assert_int_equal(fake_call_octets(fake, "POST", PATH, body, IPC_ENVELOPE_MAX + 1), 413);
	assert_int_equal(fake_call_octets(fake, "POST", PATH, body, PO_BODY_MAX + 1), 413);
	free(body);
}

static void test_refused_rows(void **state)
{
	struct fake *fake = *state;
	static struct ipc_import_ans answer;

	answer = (struct ipc_import_ans){.rows = 4, .already = 1, .errors = 2, .listed = 2};
	answer.list[0] = (struct ipc_row_error){.line = 3,
		.err = KW_E_NUMBER,
		.text = "dev_eui: a spreadsheet made a number of it"};
	answer.list[1] = (struct ipc_row_error){.line = 4, .err = KW_E_EXISTS, .text = "there"};
	fake->answer = &answer;
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 422);
	assert_int_equal(fake_number(fake, "refused"), 2);
	assert_int_equal(fake_number(fake, "already"), 1);
	assert_int_equal(fake_number(fake, "errors.0.line"), 3);
	assert_string_equal(fake_text(fake, "errors.0.code"), "NUMBER");
	assert_string_equal(fake_text(fake, "errors.1.text"), "there");
	fake_query(fake, "skip_errors", "1");
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 200);
	answer.listed = UINT32_MAX; /* more than can be */
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 422);
	assert_int_equal(json_array_size(fake_member(fake, "errors")) +
				 json_array_size(fake_member(fake, "warnings")),
		IPC_ROW_ERRORS_MAX);
}

static void test_rows_with_a_warning(void **state)
{
	struct fake *fake = *state;
	static struct ipc_import_ans answer;

	answer = (struct ipc_import_ans){
		.rows = 2, .added = 1, .errors = 1, .listed = 2, .warned = 1};
	answer.list[0] = (struct ipc_row_error){.line = 2, .text = "the same root key"};
	answer.list[1] = (struct ipc_row_error){.line = 3, .err = KW_E_EXISTS, .text = "there"};
	fake->answer = &answer;
	fake_query(fake, "skip_errors", "1");
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 200);
	assert_int_equal(fake_number(fake, "warned"), 1);
	assert_int_equal(json_array_size(fake_member(fake, "errors")), 1);
	assert_int_equal(json_array_size(fake_member(fake, "warnings")), 1);
	assert_int_equal(fake_number(fake, "warnings.0.line"), 2);
	assert_string_equal(fake_text(fake, "warnings.0.text"), "the same root key");
	assert_null(fake_member(fake, "warnings.0.code"));
	assert_int_equal(fake_number(fake, "errors.0.line"), 3);
}

static void test_refused_as_a_whole(void **state)
{
	struct fake *fake = *state;
	static struct ipc_import_ans answer;

	answer = (struct ipc_import_ans){.errors = 1, .text = "sealed to another certificate"};
	fake->answer = &answer;
	fake->err = KW_E_ENVELOPE;
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 400);
	assert_string_equal(fake_text(fake, "error.code"), "ENVELOPE");
	assert_string_equal(fake_text(fake, "error.message"), answer.text);
	fake->err = KW_E_STORE_FULL;
	fake_query(fake, "skip_errors", "1");
	assert_int_equal(fake_call_octets(fake, "POST", PATH, der, sizeof(der)), 507);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_der_and_pem),
		CASE(test_query),
		CASE(test_rows_with_a_warning),
		CASE(test_wrong_query),
		CASE(test_no_envelope),
		CASE(test_pem_cut_off),
		CASE(test_largest),
		CASE(test_refused_rows),
		CASE(test_refused_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
