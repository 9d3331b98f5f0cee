/* Network servers and application servers: what they are known by, and their KEKs. */
#include "base/hex.h"
#include "tests/portal/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs three of the above */
#include <cmocka.h>

#define DIGEST  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define DIGEST2 "200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static const char *const paths[] = {"/api/v1/network-servers", "/api/v1/application-servers"};

static void assert_digest(const uint8_t digest[IPC_DIGEST_SIZE], const char *hex)
{
	char text[2 * IPC_DIGEST_SIZE + 1];

	kw_hex_write(text, digest, IPC_DIGEST_SIZE);
	assert_string_equal(text, hex);
}

static void test_routes(void **state)
{
	struct fake *fake = *state;
	const struct {
		const char *list;
		enum ipc_peer_kind kind;
	} kinds[] = {{"network_servers", IPC_PEER_NS}, {"application_servers", IPC_PEER_AS}};
	static struct ipc_peer_page page;

	for (size_t i = 0; i < 2; i++) {
		char path[64];

		page = (struct ipc_peer_page){.count = 1, .more = 1};
		strcpy(page.peers[0].name, "last");
		fake->answer = &page;
		fake_query(fake, "after", "first");
		fake_query(fake, "limit", "1");
		assert_int_equal(fake_call(fake, "GET", paths[i], NULL), 200);
		assert_int_equal(fake->kind, IPC_PEER_LIST);
		assert_int_equal(fake->body.list.peer_kind, kinds[i].kind);
		assert_string_equal(fake->body.list.after_name, "first");
		assert_int_equal(fake->body.list.limit, 1);
		assert_int_equal(json_array_size(fake_member(fake, kinds[i].list)), 1);
		assert_string_equal(fake_text(fake, "resume"), "last");
		fake->answer = NULL;
		snprintf(path, sizeof(path), "%s/p1", paths[i]);
		assert_int_equal(fake_call(fake, "GET", path, NULL), 200);
		assert_int_equal(fake->kind, IPC_PEER_GET);
		assert_int_equal(fake->body.peer.peer.kind, kinds[i].kind);
		assert_string_equal(fake->body.peer.peer.name, "p1");
		assert_int_equal(fake_call(fake, "DELETE", path, NULL), 200);
		assert_int_equal(fake->kind, IPC_PEER_REMOVE);
		assert_string_equal(fake_text(fake, "removed"), "p1");
		assert_int_equal(fake_call(fake, "PATCH", path, "{\"any_device\":true}"), 200);
		assert_int_equal(fake->kind, IPC_PEER_SET);
		assert_int_equal(fake->body.peer.peer.kind, kinds[i].kind);
		assert_int_equal(fake->body.peer.set, IPC_PEER_SET_ANY_DEVICE);
		assert_string_equal(fake->body.peer.peer.name, "p1");
		snprintf(path, sizeof(path), "%s/a b", paths[i]);
		assert_int_equal(fake_call(fake, "GET", path, NULL), 404);
	}
}

/* As many as the vault gives in one answer, whatever is asked for or answered. */
static void test_pages(void **state)
{
	struct fake *fake = *state;
	static struct ipc_peer_page page;

	page = (struct ipc_peer_page){.count = 9999};
	fake->answer = &page;
	fake_query(fake, "limit", "1000");
	assert_int_equal(fake_call(fake, "GET", paths[0], NULL), 200);
	assert_int_equal(fake->body.list.limit, IPC_PEER_PAGE_MAX);
	assert_int_equal(json_array_size(fake_member(fake, "network_servers")), IPC_PEER_PAGE_MAX);
	assert_int_equal(fake_call(fake, "GET", paths[0], NULL), 200);
	assert_int_equal(fake->body.list.limit, IPC_PEER_PAGE_MAX);
}

static void test_add(void **state)
{
	struct fake *fake = *state;
	const struct ipc_peer_req *req = &fake->body.peer;

	assert_int_equal(
		fake_call(fake, "POST", paths[0],
			"{\"name\":\"ns-1\",\"net_ids\":[\"000013\"],\"ns_id\":null,"
			"\"token_sha256\":\"" DIGEST "\","
			"\"kek_label\":\"l\",\"kek_envelope\":\"MAMCAQA=\",\"app_s_key\":"
			"\"inline\",\"any_device\":false,"
			"\"join_eui_ranges\":[\"70b3d57ed0000000/40\",\"0000000000000001\"]}"),
		201);
	assert_int_equal(fake->kind, IPC_PEER_ADD);
	assert_int_equal(req->set, IPC_PEER_SET_NET_IDS | IPC_PEER_SET_NS_ID | IPC_PEER_SET_TOKEN |
					   IPC_PEER_SET_KEK | IPC_PEER_SET_DELIVERY |
					   IPC_PEER_SET_ANY_DEVICE | IPC_PEER_SET_RANGES);
	assert_string_equal(req->peer.name, "ns-1");
	assert_string_equal(req->kek_label, "l");
	assert_int_equal(req->kek_envelope_length, 5);
	assert_int_equal(fake->tail_length, 5);
	assert_memory_equal(fake->tail, "\x30\x03\x02\x01\x00", 5);
	assert_int_equal(req->peer.range_count, 2);
	assert_memory_equal(req->peer.ranges[0].last, "\x70\xb3\xd5\x7e\xd0\xff\xff\xff", 8);
	assert_int_equal(req->credential_count, 1);
	assert_int_equal(
		fake_call(fake, "PATCH", "/api/v1/network-servers/ns-1", "{\"kek_label\":null}"),
		200);
	assert_int_equal(req->set, IPC_PEER_SET_KEK);
	assert_int_equal(req->kek_envelope_length, 0);
	assert_string_equal(req->kek_label, "");
	assert_int_equal(fake_call(fake, "POST", paths[1],
				 "{\"name\":\"as1\",\"as_id\":\"as.example\","
				 "\"app_s_key_in_clear\":true}"),
		201);
	assert_int_equal(req->peer.kind, IPC_PEER_AS);
	assert_int_equal(req->set, IPC_PEER_SET_AS_ID | IPC_PEER_SET_CLEAR);
	assert_int_equal(req->peer.clear, 1);
	assert_int_equal(req->credential_count, 0);
}

/* All kinds at once, as many of each as there may be. */
static void test_credentials(void **state)
{
	struct fake *fake = *state;
	const struct ipc_given_credential *given = fake->body.peer.credentials;
	static const char body[] =
		"{\"token_sha256\":\"" DIGEST "\",\"authorization_sha256\":\"" DIGEST "\","
		"\"certificates\":[{\"sha256\":\"AA0102030405060708090A0B0C0D0E0F1011121314151617"
		"18191A1B1C1D1E1F\",\"not_after\":\"2027-01-01T00:00:00Z\"},"
		"{\"sha256\":\"" DIGEST "\",\"not_after\":null},{\"sha256\":\"" DIGEST2 "\"},"
		"{\"sha256\":\"ff" DIGEST "\"}],"
		"\"subjects\":[{\"ca_sha256\":\"" DIGEST "\",\"name\":\"NS.Example.ORG\"},"
		"{\"ca_sha256\":\"" DIGEST "\",\"name\":\"CN=NS,O=Example\"}]}";
	char good[sizeof(body)];
	char *extra;

	strcpy(good, body);
	assert_int_equal(fake_call(fake, "PATCH", "/api/v1/network-servers/a", good), 400);
	extra = strstr(good, "ff00"); /* two digits too many */
	memmove(extra + 2, extra + 4, strlen(extra + 4) + 1);
	assert_int_equal(fake_call(fake, "PATCH", "/api/v1/network-servers/a", good), 200);
	assert_int_equal(fake->body.peer.set, IPC_PEER_SET_TOKEN | IPC_PEER_SET_HEADER |
						      IPC_PEER_SET_CERTIFICATE |
						      IPC_PEER_SET_SUBJECT);
	assert_int_equal(fake->body.peer.credential_count, IPC_CREDENTIALS_MAX);
	assert_int_equal(given[0].credential.kind, IPC_CREDENTIAL_TOKEN);
	assert_digest(given[0].credential.digest, DIGEST);
	assert_string_equal(given[0].shown.text, "");
	assert_int_equal(given[1].credential.kind, IPC_CREDENTIAL_HEADER);
	assert_digest(given[1].credential.digest, DIGEST);
	assert_string_equal(given[1].shown.text, "");
	assert_int_equal(given[2].credential.kind, IPC_CREDENTIAL_CERTIFICATE);
	assert_int_equal(given[2].shown.expires_s, 1798761600);
	assert_string_equal(given[2].shown.text,
		"aa0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
	assert_digest(given[2].credential.digest, given[2].shown.text);
	assert_int_equal(given[3].shown.expires_s, 0);
	assert_int_equal(given[4].shown.expires_s, 0);
	assert_int_equal(given[5].credential.kind, IPC_CREDENTIAL_CERTIFICATE);
	/* SHA-256 of the CA's digest and the name, by hashlib of Python */
	assert_int_equal(given[6].credential.kind, IPC_CREDENTIAL_SUBJECT);
	assert_digest(given[6].credential.digest,
		"ed65c9b039298aa582f66671e970d7a9b8b700c64d75aab2ae886db6ac34f51d");
	assert_string_equal(given[6].shown.text, DIGEST " ns.example.org");
	assert_digest(given[7].credential.digest,
		"b31df5da6ebad3c44c601ddee9335c872d34aa18e98e9627ce0842e00e5ac58e");
	assert_string_equal(given[7].shown.text, DIGEST " CN=NS,O=Example");
}

static void test_taking_away(void **state)
{
	struct fake *fake = *state;
	static const struct {
		const char *body;
		uint32_t set;
	} cases[] = {
		{"{\"token_sha256\":null}", IPC_PEER_SET_TOKEN},
		{"{\"authorization_sha256\":null}", IPC_PEER_SET_HEADER},
		{"{\"certificates\":null}", IPC_PEER_SET_CERTIFICATE},
		{"{\"certificates\":[]}", IPC_PEER_SET_CERTIFICATE},
		{"{\"subjects\":null}", IPC_PEER_SET_SUBJECT},
		{"{\"subjects\":[]}", IPC_PEER_SET_SUBJECT},
		{"{\"answer_url\":null}", IPC_PEER_SET_ANSWER_URL},
		{"{\"app_s_key_in_clear\":false}", IPC_PEER_SET_CLEAR},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			fake_call(fake, "PATCH", "/api/v1/network-servers/a", cases[i].body), 200);
		assert_int_equal(fake->body.peer.set, cases[i].set);
		assert_int_equal(fake->body.peer.credential_count, 0);
		assert_string_equal(fake->body.peer.peer.answer_url, "");
		assert_int_equal(fake->body.peer.peer.clear, 0);
	}
}

static void test_answer_url(void **state)
{
	struct fake *fake = *state;

	assert_int_equal(fake_call(fake, "PATCH", "/api/v1/network-servers/a",
				 "{\"answer_url\":\"https://ns.example/answers?a=b\"}"),
		200);
	assert_int_equal(fake->body.peer.set, IPC_PEER_SET_ANSWER_URL);
	assert_string_equal(fake->body.peer.peer.answer_url, "https://ns.example/answers?a=b");
	assert_int_equal(fake_call(fake, "PATCH", "/api/v1/network-servers/a",
				 "{\"answer_url\":\"http://127.0.0.1:8080/\"}"),
		200);
	assert_int_equal(fake_call(fake, "PATCH", "/api/v1/network-servers/a",
				 "{\"answer_url\":\"http://ns.example/\"}"),
		400);
	assert_non_null(strstr(fake_text(fake, "error.message"), "answer_url is not taken: "));
	assert_non_null(strstr(fake_text(fake, "error.message"), "in the clear"));
}

static const struct ipc_peer example = {
	.kind = IPC_PEER_NS,
	.name = "ns-1",
	.clear = 1,
	.answer_url = "https://ns.example/",
	.range_count = 1,
	.ranges = {{.last = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}},
	.credential_count = 5,
	.credentials = {{.kind = IPC_CREDENTIAL_TOKEN}, {.kind = IPC_CREDENTIAL_HEADER},
		{.kind = IPC_CREDENTIAL_CERTIFICATE, .expires_s = 1798761600, .text = DIGEST},
		{.kind = IPC_CREDENTIAL_CERTIFICATE, .text = DIGEST2},
		{.kind = IPC_CREDENTIAL_SUBJECT, .text = DIGEST " ns.example.org"}},
	.kek_count = 2,
	.keks = {{.label = "2025", .octets = 16, .created_ms = 1},
		{.label = "2026", .octets = 32, .current = 1}},
};

static void test_get(void **state)
{
	struct fake *fake = *state;
	struct ipc_peer_ans answer = {.peer = example};

	fake->answer = &answer;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/network-servers/ns-1", NULL), 200);
	assert_int_equal(json_array_size(fake_member(fake, "join_eui_ranges")), 1);
	assert_true(json_is_true(fake_member(fake, "has_token")));
	assert_true(json_is_true(fake_member(fake, "app_s_key_in_clear")));
	assert_string_equal(fake_text(fake, "answer_url"), "https://ns.example/");
	assert_int_equal(json_array_size(fake_member(fake, "credentials")), 5);
	assert_string_equal(fake_text(fake, "credentials.0.kind"), "token");
	assert_int_equal(json_object_size(fake_member(fake, "credentials.0")), 1);
	assert_string_equal(fake_text(fake, "credentials.1.kind"), "authorization");
	assert_int_equal(json_object_size(fake_member(fake, "credentials.1")), 1);
	assert_string_equal(fake_text(fake, "credentials.2.kind"), "certificate");
	assert_string_equal(fake_text(fake, "credentials.2.sha256"), DIGEST);
	assert_string_equal(fake_text(fake, "credentials.2.not_after"), "2027-01-01T00:00:00.000Z");
	assert_true(json_is_null(fake_member(fake, "credentials.3.not_after")));
	assert_string_equal(fake_text(fake, "credentials.4.kind"), "subject");
	assert_string_equal(fake_text(fake, "credentials.4.ca_sha256"), DIGEST);
	assert_string_equal(fake_text(fake, "credentials.4.name"), "ns.example.org");
	assert_true(json_is_true(fake_member(fake, "has_kek")));
	assert_string_equal(fake_text(fake, "kek_label"), "2026");
	assert_true(json_is_false(fake_member(fake, "kek_missing")));
	assert_int_equal(json_array_size(fake_member(fake, "keks")), 2);
	assert_true(json_is_false(fake_member(fake, "keks.0.current")));
	assert_string_equal(fake_text(fake, "keks.0.created"), "1970-01-01T00:00:00.001Z");
	assert_int_equal(fake_number(fake, "keks.1.octets"), 32);
	answer.peer.credentials[0].kind = IPC_CREDENTIAL_HEADER;
	answer.peer.keks[1].current = 0;
	answer.peer.kek_missing = 1;
	answer.peer.answer_url[0] = '\0';
	assert_int_equal(fake_call(fake, "GET", "/api/v1/network-servers/ns-1", NULL), 200);
	assert_true(json_is_false(fake_member(fake, "has_token")));
	assert_true(json_is_false(fake_member(fake, "has_kek")));
	assert_true(json_is_null(fake_member(fake, "kek_label")));
	assert_true(json_is_true(fake_member(fake, "kek_missing")));
	assert_true(json_is_null(fake_member(fake, "answer_url")));
}

/* What another process wrote is not trusted to be well formed. */
static void test_rubbish(void **state)
{
	struct fake *fake = *state;
	struct ipc_peer_ans answer;

	memset(&answer, 0xff, sizeof(answer));
	fake->answer = &answer;
	assert_int_equal(fake_call(fake, "GET", "/api/v1/network-servers/a", NULL), 200);
	assert_int_equal(json_array_size(fake_member(fake, "credentials")), IPC_CREDENTIALS_MAX);
	assert_int_equal(json_array_size(fake_member(fake, "keks")), IPC_KEKS_MAX);
	answer = (struct ipc_peer_ans){.peer = {.credential_count = 1}};
	answer.peer.credentials[0].kind = IPC_CREDENTIAL_SUBJECT;
	strcpy(answer.peer.credentials[0].text, "short");
	assert_int_equal(fake_call(fake, "GET", "/api/v1/network-servers/a", NULL), 200);
	assert_string_equal(fake_text(fake, "credentials.0.name"), "");
	memset(answer.peer.credentials[0].text, 'x', sizeof(answer.peer.credentials[0].text));
	assert_int_equal(fake_call(fake, "GET", "/api/v1/network-servers/a", NULL), 200);
	assert_int_equal(strlen(fake_text(fake, "credentials.0.name")),
		IPC_SHOWN_SIZE - 2 * IPC_DIGEST_SIZE - 1);
}

static void test_keks(void **state)
{
	struct fake *fake = *state;
	const struct ipc_peer_req *req = &fake->body.peer;
	struct ipc_peer_ans answer = {.peer = example};

	for (size_t i = 0; i < 2; i++) {
		uint8_t kind = i == 0 ? IPC_PEER_NS : IPC_PEER_AS;
		char path[96];

		fake->answer = &answer;
		snprintf(path, sizeof(path), "%s/p1/keks", paths[i]);
		assert_int_equal(fake_call(fake, "GET", path, NULL), 200);
		assert_int_equal(fake->kind, IPC_PEER_GET);
		assert_int_equal(req->peer.kind, kind);
		assert_string_equal(req->peer.name, "p1");
		assert_int_equal(json_object_size(fake->json), 2);
		assert_string_equal(fake_text(fake, "keks.0.label"), "2025");
		assert_true(json_is_true(fake_member(fake, "keks.1.current")));
		assert_true(json_is_false(fake_member(fake, "kek_missing")));
		assert_int_equal(fake_call(fake, "POST", path,
					 "{\"label\":\"a/b c\",\"envelope\":\"MAMCAQA=\"}"),
			201);
		assert_int_equal(fake->kind, IPC_PEER_SET);
		assert_int_equal(req->set, IPC_PEER_SET_KEK);
		assert_int_equal(req->peer.kind, kind);
		assert_string_equal(req->peer.name, "p1");
		assert_string_equal(req->kek_label, "a/b c");
		assert_int_equal(req->kek_envelope_length, 5);
		assert_int_equal(fake->tail_length, 5);
		assert_string_equal(fake_text(fake, "name"), "ns-1");
		snprintf(path, sizeof(path), "%s/p1/keks/a/b c", paths[i]);
		assert_int_equal(fake_call(fake, "DELETE", path, NULL), 200);
		assert_int_equal(fake->kind, IPC_PEER_KEK_RETIRE);
		assert_int_equal(req->peer.kind, kind);
		assert_string_equal(req->peer.name, "p1");
		assert_string_equal(req->kek_label, "a/b c");
		assert_int_equal(req->force, 0);
		fake_query(fake, "force", "1");
		assert_int_equal(fake_call(fake, "DELETE", path, NULL), 200);
		assert_int_equal(req->force, 1);
		fake->asked = 0;
		fake_query(fake, "force", "yes");
		assert_int_equal(fake_call(fake, "DELETE", path, NULL), 400);
		snprintf(path, sizeof(path), "%s/p1/keks/\xc3\xa4", paths[i]);
		assert_int_equal(fake_call(fake, "DELETE", path, NULL), 404);
		snprintf(path, sizeof(path), "%s/a b/keks", paths[i]);
		assert_int_equal(fake_call(fake, "GET", path, NULL), 404);
		assert_int_equal(fake->asked, 0);
	}
}

/* The vault's words say why the current KEK is not retired. */
static void test_kek_refused(void **state)
{
	struct fake *fake = *state;
	static const struct ipc_peer_ans answer = {.text = "the vault's own words"};

	fake->answer = &answer;
	fake->err = KW_E_CONFLICT;
	assert_int_equal(
		fake_call(fake, "DELETE", "/api/v1/network-servers/a/keks/2026", NULL), 400);
	assert_string_equal(fake_text(fake, "error.message"), answer.text);
}

/* A token of a test is asked of the vault and not recorded. */
static void test_probe(void **state)
{
	struct fake *fake = *state;
	const struct ipc_peer_req *req = &fake->body.peer;
	static const struct ipc_peer_ans answer = {.peer = {.kind = IPC_PEER_NS, .name = "ns-1"}};
	const char *path = "/api/v1/network-servers/ns-1/probe";

	fake->answer = &answer;
	assert_int_equal(fake_call(fake, "POST", path, "{\"token_sha256\":\"" DIGEST "\"}"), 200);
	assert_int_equal(fake->kind, IPC_PEER_PROBE);
	assert_int_equal(req->peer.kind, IPC_PEER_NS);
	assert_string_equal(req->peer.name, "ns-1");
	assert_int_equal(req->credential_count, 1);
	assert_int_equal(req->credentials[0].credential.kind, IPC_CREDENTIAL_TOKEN);
	assert_digest(req->credentials[0].credential.digest, DIGEST);
	assert_string_equal(fake_text(fake, "name"), "ns-1");
}

static void test_probe_refused(void **state)
{
	struct fake *fake = *state;
	const char *path = "/api/v1/network-servers/ns-1/probe";
	static const char *const bodies[] = {"", "[]", "{}", "{\"token_sha256\":null}",
		"{\"token_sha256\":\"00\"}", "{\"token_sha256\":7}",
		"{\"token_sha256\":\"" DIGEST "\",\"any_device\":true}"};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(fake_call(fake, "POST", path, bodies[i]), 400);
	}
	assert_int_equal(fake_call(fake, "POST", "/api/v1/network-servers/a b/probe",
				 "{\"token_sha256\":\"" DIGEST "\"}"),
		404);
	assert_int_equal(fake_call(fake, "GET", path, NULL), 405);
	assert_int_equal(fake_call(fake, "POST", "/api/v1/application-servers/as1/probe",
				 "{\"token_sha256\":\"" DIGEST "\"}"),
		404);
	assert_int_equal(fake->asked, 0);
	fake->err = KW_E_NOT_FOUND;
	assert_int_equal(fake_call(fake, "POST", path, "{\"token_sha256\":\"" DIGEST "\"}"), 404);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fake_setup, fake_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_routes),
		CASE(test_pages),
		CASE(test_add),
		CASE(test_credentials),
		CASE(test_taking_away),
		CASE(test_answer_url),
		CASE(test_get),
		CASE(test_rubbish),
		CASE(test_keks),
		CASE(test_kek_refused),
		CASE(test_probe),
		CASE(test_probe_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
