#include "http/proxy_cert.h"

#include "tests/http/ca.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define TEXT_SIZE 40000

static struct ca_cert root, leaf;
static struct http_proxy_chain out;

static int set_up(void **state)
{
	(void)state;
	ca_make_root(&root, "root");
	ca_make_client(&leaf, &root, "ns.example");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ca_free(&root);
	ca_free(&leaf);
	return 0;
}

static char *base64(const struct ca_cert *cert)
{
	char *text = malloc(cert->length * 2);

	assert_non_null(text);
	EVP_EncodeBlock((unsigned char *)text, cert->der, (int)cert->length);
	return text;
}

/* As nginx and Go do it: all but letters, digits and "-._~". */
static char *escape(const char *text)
{
	char *escaped = calloc(3, strlen(text) + 1), *at = escaped;

	for (; *text != '\0'; text++) {
		bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			     (*text >= '0' && *text <= '9') || strchr("-._~", *text) != NULL;

		at += sprintf(at, plain ? "%c" : "%%%02X", *text);
	}
	return escaped;
}

/* "%l" and "%r" stand for the certificates in BASE64. @return a text to be freed */
static char *fill(const char *form)
{
	char *text = calloc(1, TEXT_SIZE), *l = base64(&leaf), *r = base64(&root);

	for (; *form != '\0'; form++) {
		if (form[0] == '%' && (form[1] == 'l' || form[1] == 'r')) {
			strcat(text, form[1] == 'l' ? l : r);
			form++;
		} else {
			strncat(text, form, 1);
		}
	}
	free(l);
	free(r);
	return text;
}

static void has(size_t i, const struct ca_cert *cert)
{
	assert_true(i < out.count);
	assert_int_equal(cert->length, out.certificates[i].length);
	assert_memory_equal(cert->der, out.certificates[i].octets, cert->length);
}

static enum kw_err rfc9440(const char *form, const char *chain_form)
{
	char *value = fill(form), *chain = chain_form != NULL ? fill(chain_form) : NULL;
	enum kw_err err = http_proxy_read_rfc9440(value, chain, &out);

	assert_int_equal(err == KW_OK, out.count > 0);
	free(value);
	free(chain);
	return err;
}

static void rfc9440_headers(void **state)
{
	static const char *const bad[] = {"", ":", "::", ":%l", "%l:", "%l", " :%l:", ":%l:;a=1",
		":%l:, :%r:", ":%l::", ":%l=:", ":%lAAAA:", ":%l%r:", ":AAAA:", ":\n%l:", ":%l\":"};

	(void)state;
	assert_int_equal(KW_OK, rfc9440(":%l:", NULL));
	assert_int_equal(1, out.count);
	has(0, &leaf);
	assert_int_equal(KW_OK, rfc9440(":%l: \t", ":%r: "));
	assert_int_equal(2, out.count);
	assert_int_equal(KW_OK, rfc9440(":%l:", ""));
	assert_int_equal(1, out.count);
	assert_int_equal(KW_OK, rfc9440(":%l:", ":%r:"));
	assert_int_equal(2, out.count);
	has(0, &leaf);
	has(1, &root);
	assert_int_equal(KW_OK, rfc9440(":%l:", ":%r:,:%l: \t,\t :%r:"));
	assert_int_equal(4, out.count);
	has(3, &root);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(KW_E_SYNTAX, rfc9440(bad[i], NULL));
	}
	assert_int_equal(KW_E_SYNTAX, rfc9440(":%l:", ":%r:,"));
	assert_int_equal(KW_E_SYNTAX, rfc9440(":%l:", ",:%r:"));
	assert_int_equal(KW_E_SYNTAX, rfc9440(":%l:", ":%r: :%r:"));
	assert_int_equal(KW_E_SYNTAX, rfc9440(":%l:", ":%r:;a"));
}

static enum kw_err pem(const char *form, bool escaped)
{
	char *text = fill(form), *value = escaped ? escape(text) : strdup(text);
	enum kw_err err = http_proxy_read_pem(value, &out);

	assert_int_equal(err == KW_OK, out.count > 0);
	free(text);
	free(value);
	return err;
}

#define B "-----BEGIN CERTIFICATE-----"
#define E "-----END CERTIFICATE-----"

static void pem_headers(void **state)
{
	static const char *const bad[] = {"", "\n", "%l", B, B E,
		/* The end begins in the beginning. */
		"-----BEGIN CERTIFICATE-----END CERTIFICATE-----", B "%l", "%l" E, B "\n%l\n" E "x",
		"x" B "\n%l\n" E, B "\n%l\n" E B, B "\n%l%r\n" E, B "\n%l=\n" E, B "\n*%l\n" E,
		"-----BEGIN PRIVATE KEY-----\n%l\n-----END PRIVATE KEY-----",
		B "\nProc-Type: 4\n\n%l\n" E, B "%l\x01" E, B "%l" E "\x7f"};
	char *text = ca_pem(&leaf), *value = escape(text);

	(void)state;
	assert_int_equal(KW_OK, http_proxy_read_pem(value, &out));
	assert_int_equal(1, out.count);
	has(0, &leaf);
	free(text);
	free(value);
	assert_int_equal(KW_OK, pem(B " %l " E, false));
	has(0, &leaf);
	assert_int_equal(KW_OK, pem(B "\r\n%l\r\n" E "\r\n" B "\n%r\n" E "\n", true));
	assert_int_equal(2, out.count);
	has(0, &leaf);
	has(1, &root);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(KW_E_SYNTAX, pem(bad[i], true));
		assert_int_equal(KW_E_SYNTAX, pem(bad[i], false));
	}
}

static void bad_escapes(void **state)
{
	static const char *const bad[] = {"%", "%2", "%2g", "%00", "%0x", "%ff", "%01", "%2C%"};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *value = fill("%l");
		char *whole = calloc(1, TEXT_SIZE);

		strcat(strcat(whole, value), bad[i]);
		assert_int_equal(KW_E_SYNTAX, http_proxy_read_base64(whole, &out));
		assert_int_equal(0, out.count);
		free(value);
		free(whole);
	}
}

static enum kw_err plain(const char *form, bool escaped)
{
	char *text = fill(form), *value = escaped ? escape(text) : strdup(text);
	enum kw_err err = http_proxy_read_base64(value, &out);

	assert_int_equal(err == KW_OK, out.count > 0);
	free(text);
	free(value);
	return err;
}

static void base64_headers(void **state)
{
	static const char *const bad[] = {"", ",", "%l,", ",%l", "%l,,%r", "%l %r", "%l;", "%l\n",
		" %l", "%l=", "%l====", B "%l" E, "AAAA", "%l%l", "A", "=", "===="};

	(void)state;
	for (unsigned escaped = 0; escaped < 2; escaped++) {
		assert_int_equal(KW_OK, plain("%l", escaped));
		assert_int_equal(1, out.count);
		has(0, &leaf);
		assert_int_equal(KW_OK, plain("%l \t", escaped));
		assert_int_equal(1, out.count);
		assert_int_equal(KW_OK, plain("%l,%r", escaped));
		assert_int_equal(2, out.count);
		has(1, &root);
		for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			assert_int_equal(KW_E_SYNTAX, plain(bad[i], escaped));
		}
	}
}

/* Cut off, with a digit more, with another one: never another certificate. */
static void every_length(void **state)
{
	char *text = base64(&leaf);
	size_t length = strlen(text);

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		char *value = strndup(text, cut);

		assert_int_equal(KW_E_SYNTAX, http_proxy_read_base64(value, &out));
		assert_int_equal(0, out.count);
		free(value);
	}
	free(text);
}

static void how_much_is_read(void **state)
{
	char *one = base64(&leaf), *many = calloc(HTTP_CHAIN_MAX + 2, strlen(one) + 2);
	char *huge = malloc(HTTP_PROXY_HEADER_MAX + 2);

	(void)state;
	for (size_t i = 1; i <= HTTP_CHAIN_MAX + 1; i++) {
		strcat(strcat(many, i > 1 ? "," : ""), one);
		assert_int_equal(i <= HTTP_CHAIN_MAX ? KW_OK : KW_E_TOO_LONG,
			http_proxy_read_base64(many, &out));
		assert_int_equal(i <= HTTP_CHAIN_MAX ? i : 0, out.count);
	}
	memset(huge, 'A', HTTP_PROXY_HEADER_MAX + 1);
	huge[HTTP_PROXY_HEADER_MAX + 1] = '\0';
	assert_int_equal(KW_E_TOO_LONG, http_proxy_read_base64(huge, &out));
	assert_int_equal(KW_E_TOO_LONG, http_proxy_read_pem(huge, &out));
	assert_int_equal(KW_E_TOO_LONG, http_proxy_read_rfc9440(huge, NULL, &out));
	snprintf(many, strlen(one) + 3, ":%s:", one);
	assert_int_equal(KW_E_TOO_LONG, http_proxy_read_rfc9440(many, huge, &out));
	assert_int_equal(0, out.count);
	huge[HTTP_PROXY_HEADER_MAX] = '\0';
	assert_int_equal(KW_E_SYNTAX, http_proxy_read_base64(huge, &out));
	assert_int_equal(KW_E_SYNTAX, http_proxy_read_pem(huge, &out));
	free(one);
	free(many);
	free(huge);
}

struct header {
	const char *name;
	char *value;
};

static const char *lookup(const void *context, const char *name, size_t *count)
{
	const char *value = NULL;

	*count = 0;
	for (const struct header *header = context; header->name != NULL; header++) {
		if (strcasecmp(header->name, name) == 0) {
			value = *count == 0 ? header->value : value;
			(*count)++;
		}
	}
	return value;
}

static enum kw_err find(const char *only, const char *first, const char *first_form,
	const char *second, const char *second_form)
{
	struct header headers[] = {
		{first, fill(first_form)},
		{second, fill(second_form)},
		{NULL, NULL},
	};
	enum kw_err err = http_proxy_find(lookup, headers, only, &out);

	assert_int_equal(err == KW_OK, out.count > 0);
	free(headers[0].value);
	free(headers[1].value);
	return err;
}

static void the_header_that_is_there(void **state)
{
	static const struct {
		const char *name;
		const char *form;
	} headers[] = {
		{"client-cert", ":%l:"},
		{"X-SSL-Client-Cert", B " %l " E},
		{"x-ssl-cert", B " %l " E},
		{"X-Forwarded-TLS-Client-Cert", "%l"},
	};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const char *name = headers[i].name, *form = headers[i].form;

		assert_int_equal(KW_OK, find(NULL, name, form, NULL, ""));
		assert_int_equal(1, out.count);
		has(0, &leaf);
		assert_int_equal(KW_OK, find(name, name, form, NULL, ""));
		assert_int_equal(KW_E_NOT_FOUND, find(NULL, name, "", NULL, ""));
		assert_int_equal(KW_E_NOT_FOUND, find(name, name, "", NULL, ""));
		assert_int_equal(KW_E_SYNTAX, find(NULL, name, "rubbish", NULL, ""));
		assert_int_equal(KW_E_CONFLICT, find(NULL, name, form, name, form));
		assert_int_equal(KW_E_CONFLICT, find(name, name, form, name, form));
		assert_int_equal(KW_E_CONFLICT, find(name, name, form, name, ""));
		for (unsigned j = 0; j < 4; j++) {
			if (j == i) {
				continue;
			}
			/* With a name, what a client has sent in another header says nothing. */
			assert_int_equal(KW_E_CONFLICT,
				find(NULL, name, form, headers[j].name, headers[j].form));
			assert_int_equal(KW_E_CONFLICT,
				find(NULL, name, "", headers[j].name, headers[j].form));
			assert_int_equal(KW_E_NOT_FOUND,
				find(name, headers[j].name, headers[j].form, NULL, ""));
			assert_int_equal(
				KW_OK, find(name, headers[j].name, headers[j].form, name, form));
		}
	}
	assert_int_equal(KW_E_NOT_FOUND, find(NULL, "X-Other", "%l", NULL, ""));
	assert_int_equal(KW_E_NOT_FOUND, find(NULL, NULL, "", NULL, ""));
	assert_int_equal(KW_E_INVALID, find("X-Other", "X-Other", "%l", NULL, ""));
}

static void the_chain_of_rfc_9440(void **state)
{
	const char *name = HTTP_PROXY_RFC9440, *chain = HTTP_PROXY_RFC9440_CHAIN;

	(void)state;
	assert_int_equal(KW_OK, find(NULL, name, ":%l:", chain, ":%r:"));
	assert_int_equal(2, out.count);
	has(1, &root);
	assert_int_equal(KW_OK, find(name, chain, ":%r:", name, ":%l:"));
	assert_int_equal(2, out.count);
	assert_int_equal(KW_E_SYNTAX, find(NULL, chain, ":%r:", NULL, ""));
	assert_int_equal(KW_E_SYNTAX, find(name, chain, ":%r:", NULL, ""));
	assert_int_equal(KW_E_CONFLICT, find(NULL, chain, ":%r:", chain, ":%r:"));
	assert_int_equal(KW_E_CONFLICT, find(NULL, chain, ":%r:", HTTP_PROXY_BASE64, "%l"));
	assert_int_equal(KW_OK, find(HTTP_PROXY_BASE64, chain, ":%r:", HTTP_PROXY_BASE64, "%l"));
	assert_int_equal(KW_E_INVALID, find(chain, chain, ":%r:", NULL, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc9440_headers),
		cmocka_unit_test(pem_headers),
		cmocka_unit_test(bad_escapes),
		cmocka_unit_test(base64_headers),
		cmocka_unit_test(every_length),
		cmocka_unit_test(how_much_is_read),
		cmocka_unit_test(the_header_that_is_there),
		cmocka_unit_test(the_chain_of_rfc_9440),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
