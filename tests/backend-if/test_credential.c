/* Digests computed with hashlib of Python 3. */
#include "backend-if/credential.h"
#include "base/hex.h"
#include "ipc/ipc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka needs three of the above */
#include <cmocka.h>

/* What a front computes goes into messages to the vault as it is. */
static_assert((int)BI_CREDENTIAL_TOKEN == (int)IPC_CREDENTIAL_TOKEN, "one numbering");
static_assert((int)BI_CREDENTIAL_HEADER == (int)IPC_CREDENTIAL_HEADER, "one numbering");
static_assert((int)BI_CREDENTIAL_CERTIFICATE == (int)IPC_CREDENTIAL_CERTIFICATE, "one numbering");
static_assert((int)BI_CREDENTIAL_SUBJECT == (int)IPC_CREDENTIAL_SUBJECT, "one numbering");
static_assert(BI_DIGEST_SIZE == IPC_DIGEST_SIZE, "one size");

#define TOKEN_DIGEST "3282c594dbdb33e245d995adcdafee3e13621a72aac16fda816cfb23cdc868c0"
#define BASIC_DIGEST "70839cc420da04e3b3a15c93587f73de42f77635883fd605f9c2b528620fcec9"

static void assert_digest(const uint8_t digest[BI_DIGEST_SIZE], const char *hex)
{
	char text[2 * BI_DIGEST_SIZE + 1];

	kw_hex_write(text, digest, BI_DIGEST_SIZE);
	assert_string_equal(text, hex);
}

static void test_token(void **state)
{
	static const char token[] = "token-0123456789abcdef and more";
	uint8_t digest[BI_DIGEST_SIZE];

	(void)state;
	assert_int_equal(bi_credential_of_token(token, 22, digest), KW_OK);
	assert_digest(digest, TOKEN_DIGEST);
	assert_int_equal(bi_credential_of_token("", 0, digest), KW_OK);
	assert_digest(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_authorization(void **state)
{
	static const struct {
		const char *value;
		enum bi_credential_kind kind;
		const char *digest;
	} cases[] = {
		{"Bearer token-0123456789abcdef", BI_CREDENTIAL_TOKEN, TOKEN_DIGEST},
		{"bearer token-0123456789abcdef", BI_CREDENTIAL_TOKEN, TOKEN_DIGEST},
		{" \tBEARER \t token-0123456789abcdef\t ", BI_CREDENTIAL_TOKEN, TOKEN_DIGEST},
		{"Basic dXNlcjpwYXNzd29yZA==", BI_CREDENTIAL_HEADER, BASIC_DIGEST},
		{"  bAsIc\t  dXNlcjpwYXNzd29yZA== ", BI_CREDENTIAL_HEADER, BASIC_DIGEST},
		/* one word counts as it is */
		{" OneWord ", BI_CREDENTIAL_HEADER,
			"c6580b1b544ab2ef166a84e58802ccb6e67846541239ecdfc07f7bfa5827fe97"},
		{"Bearer", BI_CREDENTIAL_HEADER,
			"710e0dbdd42299851017a4d67265ecd046f1b4edb741525992a1a6a8fa801258"},
		{"Bearer ", BI_CREDENTIAL_HEADER,
			"710e0dbdd42299851017a4d67265ecd046f1b4edb741525992a1a6a8fa801258"},
		/* only the scheme loses its case, only blanks around the rest go */
		{"Digest  username=\"a\", realm=\"b\"", BI_CREDENTIAL_HEADER,
			"8490352df4e8d5145261e1d15f8ed0a459bf316fcf1f32acdc16f92147769ecf"},
		{"X-Key \xc3\xa4", BI_CREDENTIAL_HEADER,
			"b47dbc793fca18f6f7241a181ccd07ea243b785318cea885d44a8f3dbbb53c15"},
		/* only "Bearer" is the scheme of a token */
		{"two words", BI_CREDENTIAL_HEADER,
			"a03f1d611645eb53ad16c1af546ca0792dc884505bab57ede80f4dad6b911d3a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum bi_credential_kind kind;
		uint8_t digest[BI_DIGEST_SIZE];

		assert_int_equal(
			bi_credential_of_authorization(cases[i].value, &kind, digest), KW_OK);
		assert_int_equal(kind, cases[i].kind);
		assert_digest(digest, cases[i].digest);
	}
}

static void assert_no_authorization(const char *value, enum kw_err wanted)
{
	static const uint8_t none[BI_DIGEST_SIZE];
	enum bi_credential_kind kind = BI_CREDENTIAL_TOKEN;
	uint8_t digest[BI_DIGEST_SIZE] = {1};

	assert_int_equal(bi_credential_of_authorization(value, &kind, digest), wanted);
	assert_int_equal(kind, 0);
	assert_memory_equal(digest, none, sizeof(none));
}

static void test_no_authorization(void **state)
{
	(void)state;
	assert_no_authorization(NULL, KW_E_MISSING);
	assert_no_authorization("", KW_E_MISSING);
	assert_no_authorization(" \t ", KW_E_MISSING);
	assert_no_authorization("\n", KW_E_INVALID);
	assert_no_authorization("Bearer a\nb", KW_E_INVALID);
	assert_no_authorization("Bearer a\tb", KW_E_INVALID);
	assert_no_authorization("Bear\x01"
				"er a",
		KW_E_INVALID);
	assert_no_authorization("word\x7f", KW_E_INVALID);
}

static void test_longest_authorization(void **state)
{
	char value[BI_AUTHORIZATION_MAX + 2] = "Basic ";
	enum bi_credential_kind kind;
	uint8_t digest[BI_DIGEST_SIZE];

	(void)state;
	memset(value + 6, 'x', BI_AUTHORIZATION_MAX - 6);
	assert_int_equal(bi_credential_of_authorization(value, &kind, digest), KW_OK);
	assert_digest(digest, "bf081bd2d62f37d4139428bd895f8bd040baf32d06fc396d21a1fab63c2ed67c");
	value[BI_AUTHORIZATION_MAX] = ' ';
	assert_no_authorization(value, KW_E_TOO_LONG);
}

static void test_certificate(void **state)
{
	static const uint8_t der[] = {0x30, 0x03, 0x02, 0x01, 0x00};
	uint8_t digest[BI_DIGEST_SIZE];

	(void)state;
	assert_int_equal(bi_credential_of_certificate(der, sizeof(der), digest), KW_OK);
	assert_digest(digest, "b560833d6f787af46113b96aad4dd5b5d1ae00dccc69cf30cc92bed651c56617");
}

static void assert_subject(const char *name, const char *spelling, const char *hex)
{
	char normal[BI_SUBJECT_SIZE];
	uint8_t ca[BI_DIGEST_SIZE];
	uint8_t digest[BI_DIGEST_SIZE];

	for (size_t i = 0; i < sizeof(ca); i++) {
		ca[i] = (uint8_t)i;
	}
	assert_int_equal(bi_credential_subject_name(name, normal), KW_OK);
	assert_string_equal(normal, spelling);
	assert_int_equal(bi_credential_of_subject(ca, normal, digest), KW_OK);
	assert_digest(digest, hex);
}

static void test_subject(void **state)
{
	char longest[BI_SUBJECT_SIZE + 1];

	(void)state;
	assert_subject("NS.Example.ORG", "ns.example.org",
		"ed65c9b039298aa582f66671e970d7a9b8b700c64d75aab2ae886db6ac34f51d");
	assert_subject("https://NS.example.org/A", "https://NS.example.org/A",
		"5c0f97bab875f0af480d3e6ddd5dd8016d0e9550fb74d759f8587c5c8ed5dfc3");
	assert_subject("urn:uuid:AB", "urn:uuid:AB",
		"94d7558b75ec074765b6a3d789d845af3bb71e65d656052e59b764611e3f79e7");
	assert_subject("CN=NS,O=Example", "CN=NS,O=Example",
		"b31df5da6ebad3c44c601ddee9335c872d34aa18e98e9627ce0842e00e5ac58e");
	memset(longest, 'x', sizeof(longest));
	longest[BI_SUBJECT_SIZE - 1] = '\0';
	assert_subject(longest, longest,
		"02327fda24c94cc17018ea7e59fe41444988deb53e6fbbff8234e04e74278ca6");
}

static void test_no_subject(void **state)
{
	char normal[BI_SUBJECT_SIZE] = "x";
	char long_name[BI_SUBJECT_SIZE + 1];
	const uint8_t ca[BI_DIGEST_SIZE] = {0};
	uint8_t digest[BI_DIGEST_SIZE];

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[BI_SUBJECT_SIZE] = '\0';
	assert_int_equal(bi_credential_subject_name("", normal), KW_E_MISSING);
	assert_string_equal(normal, "");
	assert_int_equal(bi_credential_subject_name("a\nb", normal), KW_E_INVALID);
	assert_string_equal(normal, "");
	assert_int_equal(bi_credential_subject_name(long_name, normal), KW_E_TOO_LONG);
	assert_string_equal(normal, "");
	assert_int_equal(bi_credential_of_subject(ca, long_name, digest), KW_E_TOO_LONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_authorization),
		cmocka_unit_test(test_no_authorization),
		cmocka_unit_test(test_longest_authorization),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_no_subject),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
