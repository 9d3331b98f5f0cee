#include "lorawan/version.h"
#include "tests/portal/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the three above */
#include <cmocka.h>

static void assert_no_json_null(const struct fake *fake, const char *path)
{
	assert_false(json_is_null(fake_member(fake, path)));
}

/* ---- addresses, methods, errors ---- */

static const struct {
	const char *path;
	const char *allow;
} addresses[] = {
	{"/api/v1/status", "GET"},
	{"/api/v1/intake-certificate", "GET"},
	{"/api/v1/events", "GET"},
	{"/api/v1/backup", "POST, GET"},
	{"/api/v1/devices", "GET, POST"},
	{"/api/v1/devices/import", "POST"},
	{"/api/v1/devices/0004a30b001c0530", "GET, PATCH, DELETE"},
	{"/api/v1/devices/0004a30b001c0530/reset-nonces", "POST"},
	{"/api/v1/network-servers", "GET, POST"},
	{"/api/v1/network-servers/ns1", "GET, PATCH, DELETE"},
	{"/api/v1/network-servers/ns1/keks", "GET, POST"},
	{"/api/v1/network-servers/ns1/keks/2026", "DELETE"},
	{"/api/v1/application-servers", "GET, POST"},
	{"/api/v1/application-servers/as1", "GET, PATCH, DELETE"},
	{"/api/v1/application-servers/as1/keks", "GET, POST"},
	{"/api/v1/application-servers/as1/keks/a/b c", "DELETE"},
};

static void test_methods(void **state)
{
	struct fake *fake = *state;
	const char *const methods[] = {
		"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "", "get"};

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
			bool listed = methods[m][0] != '\0' &&
				      strstr(addresses[i].allow, methods[m]) != NULL;
			unsigned status = fake_call(fake, methods[m], addresses[i].path, NULL);

			assert_true((status != 405) == listed);
			if (!listed) {
				assert_string_equal(fake->got.allow, addresses[i].allow);
				assert_string_equal(fake_text(fake, "error.code"), "METHOD");
			}
		}
	}
}

static void test_addresses_that_are_none(void **state)
{
	struct fake *fake = *state;
	const char *const paths[] = {"", "/", "/api/v1", "/api/v1/", "/api/v2/status", "status",
		"/api/v1/status/", "/api/v1/statu", "/api/v1/statuses", "/api/v1//devices",
		"/api/v1/devices/", "/api/v1/devices/0004a30b001c0530/",
		"/api/v1/devices/0004a30b001c0530/nonces", "/api/v1/devices//reset-nonces",
		"/api/v1/network-servers/a/b", "/api/v1/network-servers/a/keks/",
		"/api/v1/network-servers//keks", "/api/v1/network-servers/a/kekss",
		("/api/v1/network-servers/a/keks/"
		 "0123456789012345678901234567890123456789012345678901234567890123"),
		("/api/v1/network-servers/"
		 "0123456789012345678901234567890123456789012345678901234567890123")};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(fake_call(fake, "GET", paths[i], NULL), 404);
		assert_string_equal(fake_text(fake, "error.code"), "NOT_FOUND");
	}
	assert_int_equal(fake->asked, 0);
}

static void test_what_the_vault_says_becomes_a_status(void **state)
{
	struct fake *fake = *state;
	const struct {
		enum kw_err err;
		unsigned status;
		const char *code;
	} cases[] = {
		{KW_E_NOT_FOUND, 404, "NOT_FOUND"},
		{KW_E_NO_DEVICE, 404, "NO_DEVICE"},
		{KW_E_EXISTS, 409, "EXISTS"},
		{KW_E_INVALID, 400, "INVALID"},
		{KW_E_VERSION, 400, "VERSION"},
		{KW_E_FORBIDDEN, 403, "FORBIDDEN"},
		{KW_E_TOO_LONG, 413, "TOO_LONG"},
		{KW_E_BUSY, 503, "BUSY"},
		{KW_E_STORE_FULL, 507, "STORE_FULL"},
		{KW_E_STORE, 500, "STORE"},
		{KW_E_SEAL, 500, "SEAL"},
		{KW_E_NO_SESSION, 404, "NO_SESSION"},
		{KW_E_OTHER_AS, 403, "OTHER_AS"},
		{KW_E_ROAMING, 403, "ROAMING"},
		{KW_E_NO_HOME, 404, "NO_HOME"},
		{KW_E_NET_ID, 403, "NET_ID"},
		{KW_E_REJOIN, 409, "REJOIN"},
		{(enum kw_err) - 9999, 500, "ERROR"},
	};
	static const struct ipc_device_ans answer = {.text = "the vault's own words"};

	fake->answer = &answer;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake->err = cases[i].err;
		for (int bodiless = 0; bodiless < 2; bodiless++) {
			fake->bodiless = bodiless != 0;
			assert_int_equal(
				fake_call(fake, "GET", "/api/v1/devices/0004a30b001c0530", NULL),
				cases[i].status);
			assert_string_equal(fake_text(fake, "error.code"), cases[i].code);
			assert_string_equal(fake_text(fake, "error.message"),
				bodiless ? kw_err_text(cases[i].err) : answer.text);
		}
	}
}

static void test_no_answer_from_the_vault(void **state)
{
	struct fake *fake = *state;
	const struct {
		enum kw_err err;
		unsigned status;
	} cases[] = {{KW_E_BUSY, 503}, {KW_E_CLOSED, 503}, {KW_E_TIMEOUT, 503}, {KW_E_SYSTEM, 500},
		{KW_E_TOO_LONG, 500}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake->fail = cases[i].err;
		assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), cases[i].status);
		assert_non_null(strstr(fake_text(fake, "error.message"), "vault"));
	}
}

/* Only of what may have been done: a question has changed nothing. */
static void test_what_may_have_been_done_is_to_be_looked_at(void **state)
{
	static const char eui[] = "/api/v1/devices/0004A30B001C0530";
	static const enum kw_err silent[] = {KW_E_CLOSED, KW_E_TIMEOUT};
	struct fake *fake = *state;

	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++) {
		fake->fail = silent[i];
		assert_int_equal(fake_call(fake, "DELETE", eui, NULL), 503);
		assert_non_null(strstr(fake_text(fake, "error.message"), "see whether"));
		assert_int_equal(fake_call(fake, "GET", eui, NULL), 503);
		assert_null(strstr(fake_text(fake, "error.message"), "see whether"));
		assert_non_null(strstr(fake_text(fake, "error.message"), "try again"));
	}
}

/* ---- status, certificate, events ---- */

static void test_status(void **state)
{
	struct fake *fake = *state;
	struct ipc_status status = {
		.generation = UINT64_MAX,
		.started_ms = fake->now_ms - 5000,
		.devices = 1000000,
		.joins_accepted = 7,
		.commits = 4,
		.commit_us_total = 400,
		.store_bytes = 10,
		.store_map_bytes = 1000,
		.fronts = 2,
		.peers = 5,
		.keks_missing = 0,
		.credential_expires_s = UINT64_C(1798761600), /* 2027-01-01 */
		.credential_peer = "partner",
		.reports = {.answers_posted = 8,
			.answers_failed = 9,
			.tls_expires_s = UINT64_C(1798761601)},
	};

	fake->answer = &status;
	for (unsigned i = 1; i <= 1000; i++) {
		kw_histogram_add(&status.reports.latency, i);
	}
	fake->processes[0] = (struct po_process){
		.name = "vault", .pid = 77, .started_ms = fake->now_ms - 3600000};
	fake->process_count = 1;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), 200);
	assert_string_equal(fake->got.content_type, "application/json");
	assert_string_equal(fake_text(fake, "time"), "2026-01-01T00:00:00.000Z");
	assert_string_equal(fake_text(fake, "vault.generation"), "ffffffffffffffff");
	assert_int_equal(fake_number(fake, "vault.uptime_s"), 5);
	assert_int_equal(fake_number(fake, "store.devices"), 1000000);
	assert_int_equal(fake_number(fake, "store.commit_us_mean"), 100);
	assert_int_equal(fake_number(fake, "joins.accepted"), 7);
	assert_int_equal(fake_number(fake, "fronts.latency_us.max"), 1000);
	assert_true(fake_number(fake, "fronts.latency_us.p50") >= 500);
	assert_true(fake_number(fake, "fronts.latency_us.p99") >= 990);
	assert_string_equal(fake_text(fake, "processes.0.name"), "vault");
	assert_int_equal(fake_number(fake, "processes.0.uptime_s"), 3600);
	assert_int_equal(json_array_size(fake_member(fake, "warnings")), 0);
	assert_int_equal(fake_number(fake, "peers.count"), 5);
	assert_int_equal(fake_number(fake, "peers.keks_missing"), 0);
	assert_string_equal(
		fake_text(fake, "peers.certificate_expires"), "2027-01-01T00:00:00.000Z");
	assert_string_equal(fake_text(fake, "peers.certificate_peer"), "partner");
	assert_int_equal(fake_number(fake, "fronts.answers_posted"), 8);
	assert_int_equal(fake_number(fake, "fronts.answers_failed"), 9);
	assert_string_equal(fake_text(fake, "fronts.tls_expires"), "2027-01-01T00:00:01.000Z");
	memset(&status, 0, sizeof(status));
	assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), 200);
	assert_true(json_is_null(fake_member(fake, "peers.certificate_expires")));
	assert_true(json_is_null(fake_member(fake, "peers.certificate_peer")));
	assert_true(json_is_null(fake_member(fake, "fronts.tls_expires")));
	status.reports.tls_expires_s = UINT64_MAX; /* no date */
	assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), 200);
	assert_int_equal(json_array_size(fake_member(fake, "warnings")), 0);
}

static void test_warnings(void **state)
{
	struct fake *fake = *state;
	struct ipc_status status = {
		.store_bytes = 81,
		.store_map_bytes = 100,
		.store_failed = 1,
		.missing_keks = 3,
		.dev_nonces_high = 2,
	};

	fake->answer = &status;
	fake->processes[0] = (struct po_process){
		.name = "vault", .pid = 1, .restarts = 2, .started_ms = fake->now_ms - 599000};
	fake->processes[1] = (struct po_process){
		.name = "front 1", .pid = 2, .restarts = 2, .started_ms = fake->now_ms - 601000};
	fake->processes[2] = (struct po_process){.name = "front 2", .pid = 0};
	fake->process_count = 3;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), 200);
	assert_int_equal(json_array_size(fake_member(fake, "warnings")), 6);
	assert_non_null(strstr(fake_text(fake, "warnings.0"), "commit failed"));
	assert_non_null(strstr(fake_text(fake, "warnings.1"), "81 %"));
	assert_non_null(strstr(fake_text(fake, "warnings.2"), "3 joins"));
	assert_non_null(strstr(fake_text(fake, "warnings.3"), "2 devices"));
	assert_non_null(strstr(fake_text(fake, "warnings.4"), "vault was restarted"));
	assert_non_null(strstr(fake_text(fake, "warnings.5"), "front 2 is not running"));
	assert_true(json_is_null(fake_member(fake, "processes.2.pid")));
	status.store_bytes = 80;
	fake_call(fake, "GET", "/api/v1/status", NULL);
	assert_int_equal(json_array_size(fake_member(fake, "warnings")), 5);
}

#define DAY_S UINT64_C(86400)

/* 30 days before their end, certificates are spoken of. */
static void test_warnings_of_certificates(void **state)
{
	struct fake *fake = *state;
	const uint64_t now_s = fake->now_ms / 1000;
	struct ipc_status status = {.credential_peer = "partner"};
	const struct {
		uint64_t expires_s;
		const char *words; /* NULL: silence */
	} cases[] = {
		{0, NULL},
		{now_s + 30 * DAY_S + 1, NULL},
		{now_s + 30 * DAY_S, "ends in 30 days"},
		{now_s + 2 * DAY_S - 1, "ends in 1 day;"},
		{now_s + 1, "ends today"},
		{now_s, "has ended"},
		{1, "has ended"},
	};

	fake->answer = &status;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t count = cases[i].words != NULL ? 1 : 0;

		status.credential_expires_s = cases[i].expires_s;
		status.reports.tls_expires_s = 0;
		assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), 200);
		assert_int_equal(json_array_size(fake_member(fake, "warnings")), count);
		if (count > 0) {
			assert_non_null(strstr(fake_text(fake, "warnings.0"), cases[i].words));
			assert_non_null(strstr(fake_text(fake, "warnings.0"), "partner"));
		}
		status.credential_expires_s = 0;
		status.reports.tls_expires_s = cases[i].expires_s;
		assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), 200);
		assert_int_equal(json_array_size(fake_member(fake, "warnings")), count);
		if (count > 0) {
			assert_non_null(strstr(fake_text(fake, "warnings.0"), cases[i].words));
			assert_non_null(strstr(fake_text(fake, "warnings.0"), "this server"));
		}
	}
	fake->answer = NULL;
}

static void test_warning_of_missing_keks(void **state)
{
	struct fake *fake = *state;
	struct ipc_status status = {.keks_missing = 2};

	fake->answer = &status;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), 200);
	assert_int_equal(fake_number(fake, "peers.keks_missing"), 2);
	assert_int_equal(json_array_size(fake_member(fake, "warnings")), 1);
	assert_non_null(strstr(fake_text(fake, "warnings.0"), "2 peers have no current KEK"));
	assert_non_null(strstr(fake_text(fake, "warnings.0"), "keyward kek add"));
	status.keks_missing = 1;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/status", NULL), 200);
	assert_non_null(strstr(fake_text(fake, "warnings.0"), "1 peer has no current KEK"));
}

static void test_certificate(void **state)
{
	struct fake *fake = *state;
	struct ipc_intake intake = {.length = 3, .certificate = {0x30, 0x01, 0x00}};

	fake->answer = &intake;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/intake-certificate", NULL), 200);
	assert_string_equal(fake->got.content_type, "application/x-pem-file");
	assert_string_equal(
		fake->got.text, "-----BEGIN CERTIFICATE-----\nMAEA\n-----END CERTIFICATE-----\n");
	intake.length = 0;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/intake-certificate", NULL), 500);
	intake.length = sizeof(intake.certificate) + 1;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/intake-certificate", NULL), 500);
	intake.length = UINT32_MAX;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/intake-certificate", NULL), 500);
}

static void test_events(void **state)
{
	struct fake *fake = *state;
	static struct ipc_events_page page;

	page = (struct ipc_events_page){.resume = 12, .count = 2, .more = 1};
	page.events[0] = (struct ipc_event){.sequence = 11,
		.time_ms = fake->now_ms,
		.kind = IPC_EVENT_ACCEPTED,
		.lorawan_version = LW_VERSION_1_1,
		.mac_version = LW_VERSION_1_1,
		.net_id = {0x60, 0x05, 0x0a},
		.dev_nonce = 17,
		.join_nonce = 3,
		.repeats = 1,
		.peer = "ns1"};
	page.events[1] = (struct ipc_event){
		.sequence = 12, .kind = IPC_EVENT_REFUSED, .err = KW_E_MIC, .repeats = 2};
	fake->answer = &page;
	fake_query(fake, "after", "10");
	fake_query(fake, "limit", "2");
	fake_query(fake, "dev_eui", "00-04-A3-0B-00-1C-05-30");
	fake_query(fake, "newest", "1");
	assert_int_equal(fake_call(fake, "GET", "/api/v1/events", NULL), 200);
	assert_int_equal(fake->body.events.after, 10);
	assert_int_equal(fake->body.events.limit, 2);
	assert_int_equal(fake->body.events.backwards, 1);
	assert_int_equal(fake->body.events.has_device, 1);
	assert_memory_equal(fake->body.events.dev_eui, "\x00\x04\xa3\x0b\x00\x1c\x05\x30", 8);
	assert_int_equal(fake_number(fake, "resume"), 12);
	assert_true(json_is_true(fake_member(fake, "more")));
	assert_string_equal(fake_text(fake, "events.0.text"),
		"joined network 60050a with DevNonce 17; JoinNonce 3");
	assert_string_equal(fake_text(fake, "events.0.time"), "2026-01-01T00:00:00.000Z");
	assert_string_equal(fake_text(fake, "events.0.sender"), "ns1");
	assert_int_equal(fake_number(fake, "events.0.join_nonce"), 3);
	assert_true(json_is_null(fake_member(fake, "events.0.code")));
	assert_string_equal(fake_text(fake, "events.1.code"), "MIC");
	assert_string_equal(fake_text(fake, "events.1.kind"), "refused");
	assert_true(json_is_null(fake_member(fake, "events.1.join_nonce")));
	page.count = 9999; /* more than can be */
	assert_int_equal(fake_call(fake, "GET", "/api/v1/events", NULL), 200);
	assert_int_equal(json_array_size(fake_member(fake, "events")), IPC_PAGE_MAX);
}

static void test_events_of_all_procedures(void **state)
{
	struct fake *fake = *state;
	static struct ipc_events_page page;
	static const struct {
		uint8_t kind;
		uint8_t procedure;
		const char *words[2];
		bool nonces;
		bool join_nonce;
		bool net_id;
	} cases[] = {
		{IPC_EVENT_ACCEPTED, IPC_EVENT_JOIN, {"accepted", "join"}, true, true, true},
		{IPC_EVENT_REPEATED, IPC_EVENT_REJOIN_0, {"repeated", "rejoin-0"}, true, true,
			true},
		{IPC_EVENT_ACCEPTED, IPC_EVENT_REJOIN_1, {"accepted", "rejoin-1"}, true, true,
			true},
		{IPC_EVENT_REFUSED, IPC_EVENT_REJOIN_2, {"refused", "rejoin-2"}, true, false, true},
		{IPC_EVENT_SERVED, IPC_EVENT_APP_S_KEY, {"served", "app-s-key"}, false, false,
			false},
		{IPC_EVENT_REFUSED, IPC_EVENT_APP_S_KEY, {"refused", "app-s-key"}, false, false,
			false},
		{IPC_EVENT_SERVED, IPC_EVENT_HOME_NS, {"served", "home-ns"}, false, false, true},
		{99, 99, {"unknown", "unknown"}, false, false, true},
	};

	page = (struct ipc_events_page){.count = 1};
	fake->answer = &page;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		page.events[0] = (struct ipc_event){.sequence = 1,
			.kind = cases[i].kind,
			.procedure = cases[i].procedure,
			.has_last = 1,
			.dev_nonce = 7,
			.join_nonce = 3};
		assert_int_equal(fake_call(fake, "GET", "/api/v1/events", NULL), 200);
		assert_string_equal(fake_text(fake, "events.0.kind"), cases[i].words[0]);
		assert_string_equal(fake_text(fake, "events.0.procedure"), cases[i].words[1]);
		assert_int_equal(
			json_is_integer(fake_member(fake, "events.0.dev_nonce")), cases[i].nonces);
		assert_int_equal(json_is_integer(fake_member(fake, "events.0.last_dev_nonce")),
			cases[i].nonces);
		assert_int_equal(json_is_integer(fake_member(fake, "events.0.join_nonce")),
			cases[i].join_nonce);
		assert_int_equal(
			json_is_string(fake_member(fake, "events.0.net_id")), cases[i].net_id);
	}
}

static void test_wrong_queries(void **state)
{
	struct fake *fake = *state;
	const char *const wrong[][3] = {
		{"events", "after", "x"},
		{"events", "after", "-1"},
		{"events", "after", ""},
		{"events", "after", "18446744073709551616"},
		{"events", "after", "9223372036854775808"},
		{"events", "limit", "0"},
		{"events", "limit", "1x"},
		{"events", "newest", "yes"},
		{"events", "dev_eui", "0004a30b001c053"},
		{"devices", "after", "0004a30b001c0530"},
		{"devices", "after", "70b3d57ed00000010004a30b001c053x"},
		{"devices", "limit", " 1"},
		{"network-servers", "after", "a/b"},
		{"application-servers", "limit", "0"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char path[64] = "/api/v1/";

		strcat(path, wrong[i][0]);
		fake_query(fake, wrong[i][1], wrong[i][2]);
		assert_int_equal(fake_call(fake, "GET", path, NULL), 400);
		assert_non_null(strstr(fake_text(fake, "error.message"), wrong[i][1]));
	}
	assert_int_equal(fake->asked, 0);
}

/* ---- devices ---- */

static const struct ipc_device example = {
	.join_eui = {0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0, 0, 1},
	.dev_eui = {0x00, 0x04, 0xa3, 0x0b, 0x00, 0x1c, 0x05, 0x30},
	.created_ms = UINT64_C(1767225600000),
	.lorawan_version = LW_VERSION_1_1,
	.counts_dev_nonce = 1,
	.origin = IPC_ORIGIN_GENERATED,
	.has_nwk_key = 1,
	.app_key_kcv = {1, 2, 3},
	.nwk_key_kcv = {4, 5, 6},
	.next_join_nonce = 4,
	.last_dev_nonce = 23,
	.dev_nonce_count = 3,
	.policy = {.net_id_count = 1, .net_ids = {{0, 0, 0x13}}, .name = "meter"},
};

static void test_device_get(void **state)
{
	struct fake *fake = *state;
	struct ipc_device_ans answer = {.device = example};

	fake->answer = &answer;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/devices/0004A30B001C0530", NULL), 200);
	assert_int_equal(fake->kind, IPC_DEVICE_GET);
	assert_memory_equal(fake->body.device.dev_eui, example.dev_eui, 8);
	assert_string_equal(fake_text(fake, "dev_eui"), "0004a30b001c0530");
	assert_string_equal(fake_text(fake, "join_eui"), "70b3d57ed0000001");
	assert_string_equal(fake_text(fake, "lorawan_version"), "1.1");
	assert_string_equal(fake_text(fake, "app_key_kcv"), "010203");
	assert_string_equal(fake_text(fake, "nwk_key_kcv"), "040506");
	assert_string_equal(fake_text(fake, "origin"), "generated");
	assert_string_equal(fake_text(fake, "net_ids.0"), "000013");
	assert_string_equal(fake_text(fake, "app_s_key"), "default");
	assert_string_equal(fake_text(fake, "dev_nonce_rule"), "counter");
	assert_int_equal(fake_number(fake, "last_dev_nonce"), 23);
	assert_int_equal(fake_number(fake, "next_join_nonce"), 4);
	assert_true(json_is_null(fake_member(fake, "as_id")));
	assert_true(json_is_null(fake_member(fake, "last_join")));
	assert_no_json_null(fake, "created");
	assert_int_equal(fake_call(fake, "GET", "/api/v1/devices/0004A30B001C053", NULL), 400);
	assert_int_equal(fake_call(fake, "DELETE", "/api/v1/devices/import", NULL), 405);
}

/* What another process wrote is not trusted to be well formed. */
static void test_device_of_rubbish(void **state)
{
	struct fake *fake = *state;
	struct ipc_device_ans answer;

	memset(&answer, 0xff, sizeof(answer));
	fake->answer = &answer;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/devices/0004a30b001c0530", NULL), 200);
	assert_non_null(fake->json);
	fake->err = KW_E_INVALID;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/devices/0004a30b001c0530", NULL), 400);
	assert_non_null(fake->json);
}

static void test_device_add(void **state)
{
	struct fake *fake = *state;
	struct ipc_device_ans answer = {.device = example};
	const struct ipc_device_req *req = &fake->body.device;

	fake->answer = &answer;
	assert_int_equal(
		fake_call(fake, "POST", "/api/v1/devices",
			"{\"join_eui\":\"70B3D57ED0000001\",\"dev_eui\":\"0004a30b001c0530\","
			"\"lorawan_version\":\"MAC_V1_1\",\"generate\":true,"
			"\"name\":\"Z\\u00e4hler\","
			"\"net_ids\":[\"000013\",\"60050A\"],\"ns_id\":\"0102030405060708\","
			"\"as_id\":\"as.example\",\"app_s_key\":\"wrapped\",\"roaming\":["
			"\"c00001\"]}"),
		201);
	assert_int_equal(fake->kind, IPC_DEVICE_GENERATE);
	assert_memory_equal(req->join_eui, example.join_eui, 8);
	assert_memory_equal(req->dev_eui, example.dev_eui, 8);
	assert_int_equal(req->lorawan_version, LW_VERSION_1_1);
	assert_string_equal(req->policy.name, "Z\xc3\xa4hler");
	assert_int_equal(req->policy.net_id_count, 2);
	assert_memory_equal(req->policy.net_ids[1], "\x60\x05\x0a", 3);
	assert_int_equal(req->policy.has_ns_id, 1);
	assert_memory_equal(req->policy.ns_id, "\1\2\3\4\5\6\7\10", 8);
	assert_string_equal(req->policy.as_id, "as.example");
	assert_int_equal(req->policy.delivery, IPC_DELIVERY_WRAPPED);
	assert_int_equal(req->policy.roaming_count, 1);
	assert_string_equal(fake_text(fake, "dev_eui"), "0004a30b001c0530");
}

static void test_device_set(void **state)
{
	struct fake *fake = *state;
	struct ipc_device_ans answer = {.device = example};
	const struct ipc_device_req *req = &fake->body.device;
	const struct {
		const char *body;
		uint32_t set;
	} cases[] = {
		{"{\"name\":\"x\"}", IPC_SET_NAME},
		{"{\"name\":null}", IPC_SET_NAME},
		{"{\"blocked\":true}", IPC_SET_BLOCKED},
		{"{\"net_ids\":[]}", IPC_SET_NET_IDS},
		{"{\"net_ids\":null}", IPC_SET_NET_IDS},
		{"{\"roaming\":[\"000001\"]}", IPC_SET_ROAMING},
		{"{\"ns_id\":null}", IPC_SET_NS_ID},
		{"{\"as_id\":null}", IPC_SET_AS_ID},
		{"{\"app_s_key\":null}", IPC_SET_DELIVERY},
		{"{\"app_s_key\":\"inline-id\",\"as_id\":\"a\"}", IPC_SET_DELIVERY | IPC_SET_AS_ID},
	};

	fake->answer = &answer;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			fake_call(fake, "PATCH", "/api/v1/devices/0004a30b001c0530", cases[i].body),
			200);
		assert_int_equal(fake->kind, IPC_DEVICE_SET);
		assert_int_equal(req->set, cases[i].set);
		assert_memory_equal(req->dev_eui, example.dev_eui, 8);
	}
	assert_int_equal(req->policy.delivery, IPC_DELIVERY_INLINE_ID);
	assert_int_equal(fake_call(fake, "PATCH", "/api/v1/devices/x", "{\"name\":\"x\"}"), 400);
}

static void test_device_remove_and_reset(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(fake_call(fake, "DELETE", "/api/v1/devices/0004A30B001C0530", NULL), 200);
	assert_int_equal(fake->kind, IPC_DEVICE_REMOVE);
	assert_string_equal(fake_text(fake, "removed"), "0004a30b001c0530");
	assert_int_equal(
		fake_call(fake, "POST", "/api/v1/devices/0004A30B001C0530/reset-nonces", NULL),
		200);
	assert_int_equal(fake->kind, IPC_DEVICE_RESET);
	assert_int_equal(fake_call(fake, "POST", "/api/v1/devices/zz/reset-nonces", NULL), 400);
}

static void test_device_pages(void **state)
{
	struct fake *fake = *state;
	static struct ipc_device_page page;

	page = (struct ipc_device_page){.count = 2, .more = 1};
	page.devices[0] = example;
	page.devices[1] = example;
	page.devices[1].dev_eui[7] = 0x31;
	fake->answer = &page;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/devices", NULL), 200);
	assert_int_equal(fake->body.list.limit, IPC_PAGE_MAX);
	assert_int_equal(fake->body.list.has_after, 0);
	assert_int_equal(json_array_size(fake_member(fake, "devices")), 2);
	assert_true(json_is_true(fake_member(fake, "more")));
	assert_string_equal(fake_text(fake, "resume"), "70b3d57ed00000010004a30b001c0531");
	fake_query(fake, "after", "70B3D57ED00000010004a30b001c0531");
	fake_query(fake, "limit", "1000");
	page.count = 0;
	page.more = 0;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/devices", NULL), 200);
	assert_int_equal(fake->body.list.limit, IPC_PAGE_MAX);
	assert_int_equal(fake->body.list.has_after, 1);
	assert_memory_equal(fake->body.list.after, "\x70\xb3\xd5\x7e\xd0\0\0\1", 8);
	assert_memory_equal(fake->body.list.after + 8, "\x00\x04\xa3\x0b\x00\x1c\x05\x31", 8);
	assert_true(json_is_null(fake_member(fake, "resume")));
	assert_true(json_is_false(fake_member(fake, "more")));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_methods),
		CASE(test_addresses_that_are_none),
		CASE(test_what_the_vault_says_becomes_a_status),
		CASE(test_no_answer_from_the_vault),
		CASE(test_what_may_have_been_done_is_to_be_looked_at),
		CASE(test_status),
		CASE(test_warnings),
		CASE(test_warnings_of_certificates),
		CASE(test_warning_of_missing_keks),
		CASE(test_certificate),
		CASE(test_events),
		CASE(test_events_of_all_procedures),
		CASE(test_wrong_queries),
		CASE(test_device_get),
		CASE(test_device_of_rubbish),
		CASE(test_device_add),
		CASE(test_device_set),
		CASE(test_device_remove_and_reset),
		CASE(test_device_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
