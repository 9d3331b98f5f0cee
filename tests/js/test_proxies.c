#include "js/proxies.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static struct js_proxies proxies;

static bool contains(const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4711)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};

	if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
		return js_proxies_contain(&proxies, (const struct sockaddr *)&in);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return js_proxies_contain(&proxies, (const struct sockaddr *)&in6);
}

static void reads_lists(void **state)
{
	(void)state;
	assert_int_equal(js_proxies_read("10.0.0.0/8 ::1\t 192.0.2.7 fd00::/8 ", &proxies), KW_OK);
	assert_int_equal(proxies.count, 4);
	assert_true(contains("10.0.0.0") && contains("10.255.255.255"));
	assert_false(contains("9.255.255.255") || contains("11.0.0.0"));
	assert_true(contains("::1") && contains("192.0.2.7"));
	assert_false(contains("::2") || contains("::") || contains("192.0.2.6"));
	assert_true(contains("fd00::1") && contains("fdff:ffff::"));
	assert_false(contains("fc00::1") || contains("fe80::1"));
}

static void trusts_nobody_by_default(void **state)
{
	const struct sockaddr_un local = {.sun_family = AF_UNIX};

	(void)state;
	assert_int_equal(js_proxies_read("", &proxies), KW_OK);
	assert_int_equal(proxies.count, 0);
	assert_false(contains("127.0.0.1") || contains("::1") || contains("0.0.0.0"));
	assert_int_equal(js_proxies_read("0.0.0.0/1 128.0.0.0/1 ::/1 8000::/1", &proxies), KW_OK);
	assert_true(contains("127.0.0.1") && contains("::1"));
	assert_false(js_proxies_contain(&proxies, (const struct sockaddr *)&local));
	assert_false(js_proxies_contain(&proxies, NULL));
}

static void takes_mapped_addresses_as_ipv4(void **state)
{
	(void)state;
	assert_int_equal(js_proxies_read("10.1.0.0/16", &proxies), KW_OK);
	assert_true(contains("::ffff:10.1.2.3"));
	assert_false(contains("::ffff:10.2.2.3") || contains("::10.1.2.3"));
	assert_int_equal(js_proxies_read("::ffff:10.1.0.0/112 ::/64", &proxies), KW_OK);
	assert_int_equal(proxies.list[0].family, AF_INET);
	assert_int_equal(proxies.list[0].prefix_bits, 16);
	assert_true(contains("10.1.9.9") && contains("::ffff:10.1.9.9"));
	assert_false(contains("10.2.0.0") || contains("::ffff:10.2.0.0"));
	/* An IPv6 network is not one of IPv4 addresses because zeros stand before both. */
	assert_true(contains("::9"));
	assert_false(contains("::ffff:9.9.9.9"));
}

static void takes_every_prefix_length(void **state)
{
	(void)state;
	assert_int_equal(js_proxies_read("10.128.0.0/9", &proxies), KW_OK);
	assert_true(contains("10.128.0.0") && contains("10.255.0.1"));
	assert_false(contains("10.127.255.255"));
	assert_int_equal(js_proxies_read("192.0.2.4/31 2001:db8:8000::/33", &proxies), KW_OK);
	assert_true(contains("192.0.2.4") && contains("192.0.2.5"));
	assert_false(contains("192.0.2.3") || contains("192.0.2.6"));
	assert_true(contains("2001:db8:ffff::1"));
	assert_false(contains("2001:db8:7fff::1"));
	assert_int_equal(js_proxies_read("192.0.2.4/32 2001:db8::1/128", &proxies), KW_OK);
	assert_true(contains("192.0.2.4") && contains("2001:db8::1"));
	assert_false(contains("192.0.2.5") || contains("2001:db8::"));
}

static void refuses(void **state)
{
	static const struct {
		const char *text;
		enum kw_err err;
	} cases[] = {
		{"proxy.example", KW_E_SYNTAX},
		{"1", KW_E_SYNTAX},
		{"10.0.0", KW_E_SYNTAX},
		{"10.0.0.1:80", KW_E_SYNTAX},
		{"[::1]", KW_E_SYNTAX},
		{"fe80::1%eth0", KW_E_SYNTAX},
		{"10.0.0.0/", KW_E_SYNTAX},
		{"10.0.0.0/33", KW_E_SYNTAX},
		{"10.0.0.0/08", KW_E_SYNTAX},
		{"10.0.0.0/-8", KW_E_SYNTAX},
		{"10.0.0.0/8/8", KW_E_SYNTAX},
		{"10.0.0.0/255.0.0.0", KW_E_SYNTAX},
		{"10.0.0.0/4294967304", KW_E_SYNTAX},
		{"fd00::/129", KW_E_SYNTAX},
		{"/8", KW_E_SYNTAX},
		{"10.0.0.1,10.0.0.2", KW_E_SYNTAX},
		{"0000000000000000000000000000000000000000000000000000000000000000000:1",
			KW_E_SYNTAX},
		{"10.0.0.1/8", KW_E_INVALID},
		{"10.64.0.0/9", KW_E_INVALID},
		{"fd00::1/8", KW_E_INVALID},
		{"0.0.0.0/0", KW_E_INVALID},
		{"::/0", KW_E_INVALID},
		{"::ffff:0.0.0.0/96", KW_E_INVALID},
		{"10.0.0.1 10.0.0.2 nonsense", KW_E_SYNTAX},
		{"1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9 1.1.1.10 "
		 "1.1.1.11 1.1.1.12 1.1.1.13 1.1.1.14 1.1.1.15 1.1.1.16 1.1.1.17",
			KW_E_TOO_LONG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum kw_err err = js_proxies_read(cases[i].text, &proxies);

		if (err != cases[i].err) {
			print_error("\"%s\": %s\n", cases[i].text, kw_err_text(err));
			fail();
		}
		assert_int_equal(proxies.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_lists),
		cmocka_unit_test(trusts_nobody_by_default),
		cmocka_unit_test(takes_mapped_addresses_as_ipv4),
		cmocka_unit_test(takes_every_prefix_length),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
