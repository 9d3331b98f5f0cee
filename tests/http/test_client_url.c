#include "http/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void good_urls(void **state)
{
	static const char *const urls[] = {
		"https://ns.example",
		"https://ns.example/",
		"https://ns.example:8443/a/b?c=d&e=%20",
		"HTTPS://NS.example/",
		"https://192.0.2.1/",
		"https://[2001:db8::1]:443/x",
		"https://ns.example/at@path",
		"http://127.0.0.1:8080/",
		"http://127.255.255.254/",
		"http://[::1]:80/",
		"http://[0:0:0:0:0:0:0:1]/",
		"http://localhost/",
		"http://LocalHost:1/",
	};
	char why[HTTP_URL_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		if (http_client_url_check(urls[i], why) != KW_OK) {
			fail_msg("%s: %s", urls[i], why);
		}
		assert_string_equal("", why);
	}
}

static void bad_urls(void **state)
{
	static const struct {
		const char *url;
		const char *why; /* begins so */
	} cases[] = {
		{"", "the URL does not begin with https://"},
		{"https://", "not a URL"},
		{"https:///path", "not a URL"},
		{"ns.example", "the URL does not begin with https://"},
		{"/path", "the URL does not begin with https://"},
		{"https://[::1/", "not a URL"},
		{"https://[fe80::1%25eth0]/", "the URL has an IPv6 zone"},
		{"ftp://ns.example/", "the URL does not begin with https://"},
		{"file:///etc/passwd", "not a URL"},
		{"gopher://localhost/", "the URL does not begin with https://"},
		{"javascript:alert(1)", "the URL does not begin with https://"},
		{"http://ns.example/", "the URL would send keys in the clear"},
		{"http://192.0.2.1/", "the URL would send keys in the clear"},
		{"http://128.0.0.1/", "the URL would send keys in the clear"},
		{"http://[::2]/", "the URL would send keys in the clear"},
		{"http://[::ffff:192.0.2.1]/", "the URL would send keys in the clear"},
		{"http://127.0.0.1.example/", "the URL would send keys in the clear"},
		{"http://localhost.example/", "the URL would send keys in the clear"},
		{"http://0.0.0.0/", "the URL would send keys in the clear"},
		{"https://user@ns.example/", "the URL has a user name"},
		{"https://user:secret@ns.example/", "the URL has a user name"},
		{"https://:@ns.example/", "the URL has a user name"},
		{"http://127.0.0.1@ns.example/", "the URL has a user name"},
		{"https://ns.example/#part", "the URL has a fragment"},
		{"https://ns.example/#", "the URL has a fragment"},
		{"https://ns.example/a b", "the URL has a space"},
		{"https://ns.example/\r\nX: y", "the URL has a space"},
		{"https://ns.example/\x7f", "the URL has a space"},
		{"https://n\xc3\xa4.example/", "the URL has a space"},
		{"https://ns.example:0/", "the URL"},
		{"https://ns.example:65536/", "the URL's port"},
		{"https://ns.example:x/", "the URL's port"},
		{"https://ns.example:-1/", "the URL's port"},
	};
	char why[HTTP_URL_WHY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (http_client_url_check(cases[i].url, why) != KW_E_INVALID ||
			strncmp(cases[i].why, why, strlen(cases[i].why)) != 0 || why[0] == '\0') {
			fail_msg("%s: \"%s\"", cases[i].url, why);
		}
		assert_true(strlen(why) < HTTP_URL_WHY_SIZE - 1);
	}
}

static void the_longest_url(void **state)
{
	char url[HTTP_URL_MAX + 2], why[HTTP_URL_WHY_SIZE];

	(void)state;
	memset(url, 'x', sizeof(url));
	memcpy(url, "https://ns.example/", 19);
	url[HTTP_URL_MAX] = '\0';
	assert_int_equal(KW_OK, http_client_url_check(url, why));
	url[HTTP_URL_MAX] = 'x';
	url[HTTP_URL_MAX + 1] = '\0';
	assert_int_equal(KW_E_INVALID, http_client_url_check(url, why));
	assert_memory_equal("the URL is longer", why, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_urls),
		cmocka_unit_test(bad_urls),
		cmocka_unit_test(the_longest_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
