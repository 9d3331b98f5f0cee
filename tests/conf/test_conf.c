#include "conf/conf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* cmocka wants the ones above first */
#include <cmocka.h>

static struct conf conf;
static char why[CONF_WHY_SIZE];

static enum kw_err read_text(const char *text)
{
	return conf_read_text("k.conf", "/etc/kw", text, strlen(text), &conf, why);
}

static void accept_text(const char *text)
{
	if (read_text(text) != KW_OK) {
		print_error("%s\n", why);
		fail();
	}
	assert_string_equal(why, "");
}

/* Refused, with a message that begins and goes on as said, and the defaults in conf. */
static void refuse_text(const char *text, enum kw_err err, const char *prefix, const char *part)
{
	struct conf defaults;

	conf_init(&defaults);
	assert_int_equal(read_text(text), err);
	if (strncmp(why, prefix, strlen(prefix)) != 0 || strstr(why, part) == NULL) {
		print_error("\"%s\" should begin with \"%s\" and say \"%s\"\n", why, prefix, part);
		fail();
	}
	assert_memory_equal(&conf, &defaults, sizeof(conf));
}

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

static void check_defaults(void)
{
	assert_int_equal(conf.server.listen_count, 1);
	assert_string_equal(conf.server.listen[0].text, "127.0.0.1:8003");
	assert_true(conf.server.listen[0].loopback);
	assert_int_equal(conf.server.path_count, 1);
	assert_string_equal(conf.server.paths[0], "/");
	assert_int_equal(conf.server.processes, 1);
	assert_string_equal(conf.server.tls_certificate, "");
	assert_string_equal(conf.server.tls_key, "");
	assert_string_equal(conf.server.tls_client_ca, "");
	assert_string_equal(conf.server.answer_certificate, "");
	assert_string_equal(conf.server.answer_key, "");
	assert_int_equal(conf.server.proxy_count, 0);
	assert_string_equal(conf.keystore.path, "/var/lib/keyward");
	assert_string_equal(conf.keystore.master_key, "file:/etc/keyward/master.key");
	assert_int_equal(conf.keystore.map_size, UINT64_C(64) << 30);
	assert_int_equal(conf.join.repeat_window_s, 10);
	assert_int_equal(conf.join.peer_rate, 0);
	assert_int_equal(conf.server.connections, 16384);
	assert_int_equal(conf.server.connections_per_address, 1024);
	assert_int_equal(conf.server.idle_timeout_s, 30);
	assert_int_equal(conf.server.request_timeout_s, 10);
	assert_string_equal(conf.admin.socket, "/run/keyward/admin.sock");
	assert_int_equal(conf.log.level, KW_LOG_INFO);
	assert_false(conf.log.json);
}

static void test_defaults(void **state)
{
	(void)state;
	conf_init(&conf);
	check_defaults();
	accept_text("");
	check_defaults();
	accept_text(
		"[server]\nlisten =\npaths=\nprocesses = ; one\ntls_certificate =\ntls_key =\n"
		"tls_client_ca =\ntrusted_proxies =\n[keystore]\npath =\nmaster_key =\nmap_size =\n"
		"[join]\nrepeat_window =\n[admin]\nsocket =\nlisten =\n[log]\nlevel =\nformat =\n");
	check_defaults();
}

static void test_all_keys(void **state)
{
	const struct sockaddr_in6 *in6 =
		(const struct sockaddr_in6 *)&conf.server.listen[1].address;

	(void)state;
	accept_text("; all there is\n"
		    "[server]\n"
		    "listen = 127.1.2.3:80 ; comment\n"
		    "listen=[::1]:8004\n"
		    "paths = /js /api/v1/js\n"
		    "processes = 64\n"
		    "tls_certificate = tls/server.pem\n"
		    "tls_key = /abs/server.key\n"
		    "tls_client_ca = tls/peers.pem\n"
		    "answer_certificate = tls/us.pem\n"
		    "answer_key = tls/us.key\n"
		    "answer_ca = tls/servers.pem\n"
		    "trusted_proxies = 10.0.0.1 fd00::/8\n"
		    "[keystore]\n"
		    "path = store\n"
		    "master_key = file:master.key\n"
		    "map_size = 512M\n"
		    "[join]\n"
		    "repeat_window = 60\n"
		    "peer_rate = 500\n"
		    "[server]\nconnections = 16\nconnections_per_address = 65535\n"
		    "idle_timeout = 3600\nrequest_timeout = 1\n"
		    "[admin]\n"
		    "socket = run/admin.sock\n"
		    "[log]\n"
		    "level = debug\n"
		    "format = json\n");
	assert_int_equal(conf.server.listen_count, 2);
	assert_true(conf.server.listen[0].loopback && conf.server.listen[1].loopback);
	assert_int_equal(ntohs(in6->sin6_port), 8004);
	assert_int_equal(conf.server.listen[1].length, sizeof(*in6));
	assert_int_equal(conf.server.path_count, 3);
	assert_string_equal(conf.server.paths[0], "/");
	assert_string_equal(conf.server.paths[2], "/api/v1/js");
	assert_int_equal(conf.server.processes, 64);
	assert_string_equal(conf.server.tls_certificate, "/etc/kw/tls/server.pem");
	assert_string_equal(conf.server.tls_key, "/abs/server.key");
	assert_string_equal(conf.server.tls_client_ca, "/etc/kw/tls/peers.pem");
	assert_string_equal(conf.server.answer_certificate, "/etc/kw/tls/us.pem");
	assert_string_equal(conf.server.answer_key, "/etc/kw/tls/us.key");
	assert_string_equal(conf.server.answer_ca, "/etc/kw/tls/servers.pem");
	assert_int_equal(conf.server.proxy_count, 2);
	assert_string_equal(conf.server.trusted_proxies[1], "fd00::/8");
	assert_string_equal(conf.keystore.path, "/etc/kw/store");
	assert_string_equal(conf.keystore.master_key, "file:/etc/kw/master.key");
	assert_int_equal(conf.keystore.map_size, UINT64_C(512) << 20);
	assert_int_equal(conf.join.repeat_window_s, 60);
	assert_int_equal(conf.join.peer_rate, 500);
	assert_int_equal(conf.server.connections, 16);
	assert_int_equal(conf.server.connections_per_address, 65535);
	assert_int_equal(conf.server.idle_timeout_s, 3600);
	assert_int_equal(conf.server.request_timeout_s, 1);
	assert_string_equal(conf.admin.socket, "/etc/kw/run/admin.sock");
	assert_int_equal(conf.log.level, KW_LOG_DEBUG);
	assert_true(conf.log.json);
}

static void test_forms(void **state)
{
	(void)state;
	accept_text(
		"\xef\xbb\xbf[server]\r\nprocesses = 2\r\n\r\n  # indented comment\r\n\tpaths = "
		"/a\r\n");
	assert_int_equal(conf.server.processes, 2);
	assert_string_equal(conf.server.paths[1], "/a");
	accept_text("[log]\nlevel = error\n[server]\nprocesses = 3\n[log]\nformat = json");
	assert_int_equal(conf.log.level, KW_LOG_ERROR);
	assert_true(conf.log.json);
	accept_text("[server]\nprocesses =\nprocesses = 2\npaths = /a\npaths =\n");
	assert_int_equal(conf.server.processes, 2);
	assert_int_equal(conf.server.path_count, 2);
	accept_text("[server]\npaths = /a\t/b  /a /\npaths = /c\n");
	assert_int_equal(conf.server.path_count, 4);
	accept_text("[server]\nprocesses = auto\n");
	assert_in_range(conf.server.processes, 1, 64);
	accept_text("[keystore]\nmaster_key = file:/a b/ümlaut;x\n");
	assert_string_equal(conf.keystore.master_key, "file:/a b/ümlaut;x");
	accept_text("[server]\nlisten = 127.0.0.1:0\n");
	accept_text("[server]\nlisten = [::ffff:127.0.0.1]:1\n");
	assert_true(conf.server.listen[0].loopback);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {
		{"16M", UINT64_C(16) << 20},
		{"16m", UINT64_C(16) << 20},
		{"16384K", UINT64_C(16) << 20},
		{"16777216", UINT64_C(16) << 20},
		{"16777217", (UINT64_C(16) << 20) + 4096},
		{"16T", UINT64_C(16) << 40},
		{"17592186044416", UINT64_C(16) << 40},
	};
	static const char *const bad[] = {"15M", "17T", "16Mx", "64 G", "64GB", "64GiB", "G", "-1",
		"1.5G", "0x40000000", "17592186044417", "18446744073709551615",
		"18446744073709551616", "99999999999999999999999T", "16777216T", "64P", "64G0"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "[keystore]\nmap_size=%s", good[i].text);
		accept_text(text);
		assert_int_equal(conf.keystore.map_size, good[i].size);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[keystore]\nmap_size=%s", bad[i]);
		refuse_text(text, KW_E_INVALID, "k.conf:2: map_size: ", "write 64G, 512M");
	}
}

static void test_bad_values(void **state)
{
	static const struct {
		const char *line;
		const char *part;
	} cases[] = {
		{"[server]\nlisten = 8003", "127.0.0.1:8003"},
		{"[server]\nlisten = :8003", "not an address with a port"},
		{"[server]\nlisten = localhost:8003", "names are not looked up"},
		{"[server]\nlisten = *:8003", "not an IPv4"},
		{"[server]\nlisten = 127.1:8003", "not an IPv4"},
		{"[server]\nlisten = 127.0.0.010:8003", "not an IPv4"},
		{"[server]\nlisten = 1:8003", "not an IPv4"},
		{"[server]\nlisten = 127.0.0.0x1:8003", "not an IPv4"},
		{"[server]\nlisten = [::g]:8003", "not an IPv4"},
		{"[server]\nlisten = ::1:8003", "not an address with a port"},
		{"[server]\nlisten = [127.0.0.1]:8003", "not an address with a port"},
		{"[server]\nlisten = [::1:8003", "not an address with a port"},
		{"[server]\nlisten = [::1]8003", "not an address with a port"},
		{"[server]\nlisten = 127.0.0.1:", "not a port"},
		{"[server]\nlisten = 127.0.0.1:65536", "not a port"},
		{"[server]\nlisten = 127.0.0.1:http", "not a port"},
		{"[server]\nlisten = 127.0.0.1:+80", "not a port"},
		{"[server]\nlisten = 127.0.0.1:080000", "not a port"},
		{"[server]\npaths = js", "begin with /"},
		{"[server]\npaths = /ok /a?b", "\"/a?b\""},
		{"[server]\npaths = /a\xc3\xa4", "path of a URL"},
		{"[server]\nprocesses = 0", "1 to 64, nor auto"},
		{"[server]\nprocesses = 65", "1 to 64, nor auto"},
		{"[server]\nprocesses = two", "1 to 64, nor auto"},
		{"[server]\nprocesses = 1x", "1 to 64, nor auto"},
		{"[server]\ntrusted_proxies = proxy.example", "IPv4 or IPv6 address"},
		{"[server]\ntrusted_proxies = 10.0.0.1/8", "without further bits, as 10.0.0.0/8"},
		{"[server]\ntrusted_proxies = 10.0.0.0/33", "\"10.0.0.0/33\" is not"},
		{"[server]\ntrusted_proxies = 0.0.0.0/0", "\"0.0.0.0/0\" is not"},
		{"[server]\ntrusted_proxies = 10.0.0.1:80", "IPv4 or IPv6 address"},
		{"[server]\ntrusted_proxies = 1", "IPv4 or IPv6 address"},
		{"[keystore]\nmaster_key = /etc/master.key", "write file:"},
		{"[keystore]\nmaster_key = file:", "write file:"},
		{"[keystore]\nmaster_key = pkcs11:token=x", "other sources are not offered"},
		{"[join]\nrepeat_window = 0", "1 to 3600"},
		{"[join]\npeer_rate = 1000001", "a number from 0 to 1000000"},
		{"[join]\npeer_rate = 5/s", "a number from 0 to 1000000"},
		{"[server]\nconnections = 15", "from 16 to 1000000"},
		{"[server]\nconnections_per_address = 0", "from 1 to 65535"},
		{"[server]\nidle_timeout = 0", "1 to 3600"},
		{"[server]\nrequest_timeout = 3601", "1 to 3600"},
		{"[join]\nrepeat_window = 3601", "1 to 3600"},
		{"[join]\nrepeat_window = 10s", "1 to 3600"},
		{"[join]\nrepeat_window = -1", "1 to 3600"},
		{"[admin]\nlisten = 127.0.0.1:8443", "not supported by this version"},
		{"[admin]\nsocket = "
		 "/run/0123456789012345678901234567890123456789012345678901234567890"
		 "1234567890123456789012345678901234567890123",
			"107 characters"},
		{"[log]\nlevel = verbose", "error, warning, notice, info or debug"},
		{"[log]\nformat = xml", "text or json"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *key = strchr(cases[i].line, '\n') + 1;
		char prefix[64];

		snprintf(prefix, sizeof(prefix), "k.conf:2: %.*s: ", (int)strcspn(key, " "), key);
		refuse_text(cases[i].line, KW_E_INVALID, prefix, cases[i].part);
	}
}

static void test_bad_lines(void **state)
{
	static const struct {
		const char *text;
		const char *prefix;
		const char *part;
	} cases[] = {
		{"listen = 127.0.0.1:1", "k.conf:1: ", "before any section"},
		{"\n\n[servr]\n", "k.conf:3: ", "did you mean [server]?"},
		{"[nothing like it]", "k.conf:1: ", "keyward.conf(5)"},
		{"[Server]", "k.conf:1: ", "did you mean [server]?"},
		{"[]", "k.conf:1: ", "no section []"},
		{"[server", "k.conf:1: ", "ends with \"]\""},
		{"[server] listen = 1", "k.conf:1: ", "line of its own"},
		{"[server]\nlisen = 127.0.0.1:1", "k.conf:2: ", "did you mean listen?"},
		{"[server]\ntls_cert = x", "k.conf:2: ", "no key tls_cert"},
		{"[server]\nmap_size = 1G", "k.conf:2: ", "stands in section [keystore]"},
		{"[keystore]\nwhatever = 1G", "k.conf:2: ", "no key whatever in [keystore]"},
		{"[server]\nprocesses", "k.conf:2: ", "key = value"},
		{"[server]\nprocesses\nbad = 1", "k.conf:2: ", "key = value"},
		{"[server]\nprocesses = 1\n; x\nprocesses = 1", "k.conf:4: ", "in line 2 already"},
		{"[join]\nrepeat_window = 1\n[join]\nrepeat_window = 2", "k.conf:4: ", "in line 2"},
		{"[server]\nprocesses = 1\n  2", "k.conf:3: ", "key = value"},
		{"[server]\ntls_key = a\ntls_key =", "k.conf:3: ",
			"tls_key is empty, but was given in "
			"line 2"},
		{"[server]\nanswer_ca = a\n\nanswer_ca =", "k.conf:4: ", "in line 2"},
		{"[keystore]\npath = \"/var/lib\"", "k.conf:2: path: ", "without quotation marks"},
		{"[server]\nprocesses = \x01", "k.conf:2: ", "0x01"},
		{"[server]\nprocesses = 1\x7f", "k.conf:2: ", "0x7f"},
		{"[server]\nprocesses = 1\rlisten = 1", "k.conf:2: ", "0x0d"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		refuse_text(cases[i].text, KW_E_SYNTAX, cases[i].prefix, cases[i].part);
	}
}

static void test_whole(void **state)
{
	(void)state;
	refuse_text("[server]\nlisten = 127.0.0.1:1\nlisten = 0.0.0.0:8003\n", KW_E_INVALID,
		"k.conf:3: listen: 0.0.0.0:8003 ", "trusted_proxies");
	refuse_text("[server]\nlisten = [::]:8003\n", KW_E_INVALID, "k.conf:2: ", "loopback");
	accept_text("[server]\nlisten = 0.0.0.0:8003\ntls_certificate = a\ntls_key = b\n");
	assert_false(conf.server.listen[0].loopback);
	accept_text("[server]\nlisten = 0.0.0.0:8003\ntrusted_proxies = 10.0.0.1\n");
	refuse_text("[server]\n\ntls_certificate = a\n", KW_E_INVALID, "k.conf:3: ", "tls_key");
	refuse_text("[server]\ntls_key = a\n", KW_E_INVALID, "k.conf:2: ", "tls_certificate");
	refuse_text("[server]\n\nanswer_certificate = a\n", KW_E_INVALID,
		"k.conf:3: answer_certificate ", "needs answer_key");
	refuse_text("[server]\nanswer_key = a\n", KW_E_INVALID, "k.conf:2: answer_key ",
		"needs answer_certificate");
	accept_text("[server]\nanswer_key = a\nanswer_certificate = b\n");
	refuse_text("[server]\ntls_client_ca = a\n", KW_E_INVALID, "k.conf:2: tls_client_ca ",
		"trusted_proxies");
	accept_text("[server]\ntls_client_ca = a\ntls_certificate = a\ntls_key = b\n");
	accept_text("[server]\ntls_client_ca = a\ntrusted_proxies = 10.0.0.0/8\n");
	refuse_text("[server]\nlisten = 127.0.0.1:1\nlisten=127.0.0.1:1", KW_E_INVALID,
		"k.conf:3: listen: ", "given before");
}

/* The system's bundle where there is one; none where nothing stands behind the key. */
static void test_answer_ca(void **state)
{
	(void)state;
	accept_text("[server]\nanswer_certificate =\n");
	assert_string_equal(conf.server.answer_ca, access(SYSTEM_CA, R_OK) == 0 ? SYSTEM_CA : "");
	accept_text("[server]\nanswer_ca =\n");
	assert_string_equal(conf.server.answer_ca, "");
	accept_text("[server]\nanswer_ca = ; none\n");
	assert_string_equal(conf.server.answer_ca, "");
	accept_text("[server]\nanswer_ca = /no/such/file\n");
	assert_string_equal(conf.server.answer_ca, "/no/such/file");
}

static void test_counts(void **state)
{
	char text[4096] = "[server]\n";

	(void)state;
	for (int i = 1; i <= CONF_LISTEN_MAX; i++) {
		snprintf(text + strlen(text), 64, "listen = 127.0.0.1:%d\n", i);
	}
	accept_text(text);
	assert_int_equal(conf.server.listen_count, CONF_LISTEN_MAX);
	strcat(text, "listen = 127.0.0.1:99\n");
	refuse_text(text, KW_E_INVALID, "k.conf:10: listen: ", "at most 8");

	strcpy(text, "[server]\n");
	for (int i = 1; i < CONF_PATHS_MAX; i++) {
		snprintf(text + strlen(text), 64, "paths = /%d\n", i);
	}
	accept_text(text);
	assert_int_equal(conf.server.path_count, CONF_PATHS_MAX);
	strcat(text, "paths = /more\n");
	refuse_text(text, KW_E_INVALID, "k.conf:17: paths: ", "at most 16");
}

/* Every length of a value: taken whole or refused with its line, never cut. */
static void test_long_lines(void **state)
{
	char text[4096];
	size_t longest = 0;

	(void)state;
	for (size_t length = 1; length < 1200; length++) {
		size_t used = (size_t)snprintf(text, sizeof(text), "; one\n[keystore]\npath = /");

		memset(text + used, 'a', length);
		strcpy(text + used + length, "\n[log]\nformat = json\n");
		if (read_text(text) == KW_OK) {
			assert_int_equal(strlen(conf.keystore.path), length + 1);
			assert_true(conf.log.json);
			assert_true(longest == length - 1);
			longest = length;
		} else {
			assert_memory_equal(why, "k.conf:3: ", 10);
			assert_non_null(strstr(why, "longer than"));
		}
	}
	assert_true(longest >= 180);
	/* A comment may have any length. */
	memset(text, ';', 3000);
	strcpy(text + 3000, "\n[log]\nformat = json\n");
	accept_text(text);
	assert_true(conf.log.json);
	memset(text, '[', 3000);
	text[3000] = '\0';
	refuse_text(text, KW_E_SYNTAX, "k.conf:1: ", "longer than");
}

static void test_nul(void **state)
{
	static const char whole[] = "[server]\nlisten = 127.0.0.1:1\nprocesses = 2\n";
	char text[sizeof(whole)];

	(void)state;
	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		memcpy(text, whole, sizeof(whole));
		text[i] = '\0';
		assert_int_equal(conf_read_text("k.conf", "/", text, sizeof(whole) - 1, &conf, why),
			KW_E_SYNTAX);
		assert_non_null(strstr(why, "k.conf:"));
	}
}

/* Texts made of what the reader looks for: whatever it says, it says it with a line. */
static void test_random(void **state)
{
	static const char *const pieces[] = {"[server]", "[keystore]", "\n", "\n", " ", "=", ";",
		"#", "listen", "paths", "127.0.0.1:80", "[::1]:1", "auto", "processes", "path",
		"/a", "file:", "master_key", "map_size", "64G", "\r", "\t", "[", "]", "\xff", "\"",
		":"};
	uint32_t seed = 1;
	char text[1024];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t used = 0;

		for (int i = 0; i < 40; i++) {
			const char *piece;

			seed = seed * 1664525 + 1013904223;
			piece = pieces[(seed >> 8) % (sizeof(pieces) / sizeof(pieces[0]))];
			memcpy(text + used, piece, strlen(piece));
			used += strlen(piece);
		}
		if (conf_read_text("k.conf", "/", text, used, &conf, why) == KW_OK) {
			assert_string_equal(why, "");
			assert_true(conf.server.listen_count > 0);
		} else {
			assert_memory_equal(why, "k.conf:", 7);
		}
	}
}

static void write_file(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void test_file(void **state)
{
	char directory[] = "/tmp/keyward-conf-XXXXXX";
	char path[64];
	char expected[128];
	char *large = calloc(1, 70000);

	(void)state;
	assert_non_null(large);
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/k.conf", directory);
	assert_int_equal(conf_read(path, &conf, why), KW_E_NOT_FOUND);
	assert_non_null(strstr(why, path));
	check_defaults();
	assert_int_equal(conf_read(directory, &conf, why), KW_E_NOT_FOUND);

	write_file(path, "[keystore]\npath = s\n", 20);
	assert_int_equal(conf_read(path, &conf, why), KW_OK);
	snprintf(expected, sizeof(expected), "%s/s", directory);
	assert_string_equal(conf.keystore.path, expected);
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(conf_read("k.conf", &conf, why), KW_OK);
	assert_string_equal(conf.keystore.path, expected);

	write_file(path, "[log]\nlevel=loud\n", 17);
	assert_int_equal(conf_read("./k.conf", &conf, why), KW_E_INVALID);
	assert_memory_equal(why, "./k.conf:2: level: ", 19);

	memset(large, '\n', 70000);
	write_file(path, large, 65536);
	assert_int_equal(conf_read(path, &conf, why), KW_OK);
	write_file(path, large, 65537);
	assert_int_equal(conf_read(path, &conf, why), KW_E_INVALID);
	assert_non_null(strstr(why, "65536"));

	unlink(path);
	assert_int_equal(chdir("/"), 0);
	rmdir(directory);
	free(large);
}

/* The example shows every key with its default. */
static void test_example(void **state)
{
	const char *path = getenv("KEYWARD_CONF_EXAMPLE");

	(void)state;
	if (path == NULL) {
		skip();
	}
	assert_int_equal(conf_read(path, &conf, why), KW_OK);
	check_defaults();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_answer_ca),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
