#include "backend-if/credential.h"

#include "base/secret.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

/* Looked up once: a front computes a digest for each request. It lives as long as the process. */
static EVP_MD_CTX *hasher(void)
{
	static EVP_MD_CTX *context;
	static EVP_MD *algorithm;

	if (algorithm == NULL) {
		algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	}
	if (context == NULL) {
		context = EVP_MD_CTX_new();
	}
	return algorithm != NULL && context != NULL &&
			       EVP_DigestInit_ex2(context, algorithm, NULL) == 1
		       ? context
		       : NULL;
}

static enum kw_err sha256(const void *octets, size_t length, uint8_t digest[BI_DIGEST_SIZE])
{
	EVP_MD_CTX *context = hasher();
	unsigned size = 0;

	if (context == NULL || EVP_DigestUpdate(context, octets, length) != 1 ||
		EVP_DigestFinal_ex(context, digest, &size) != 1 || size != BI_DIGEST_SIZE) {
		memset(digest, 0, BI_DIGEST_SIZE);
		return KW_E_CRYPTO;
	}
	return KW_OK;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool has_control(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

static void trim(const char **text, size_t *length)
{
	while (*length > 0 && is_blank(**text)) {
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && is_blank((*text)[*length - 1])) {
		(*length)--;
	}
}

enum kw_err bi_credential_of_token(const char *token, size_t length, uint8_t digest[BI_DIGEST_SIZE])
{
	return sha256(token, length, digest);
}

/* Octets of the first word, which is lower-cased in place. */
static size_t scheme_take(char *text, size_t length)
{
	size_t at = 0;

	for (; at < length && !is_blank(text[at]); at++) {
		text[at] = lower(text[at]);
	}
	return at;
}

/* `text` is trimmed and has blanks in it. */
static enum kw_err words_digest(
	char *text, size_t length, enum bi_credential_kind *kind, uint8_t digest[BI_DIGEST_SIZE])
{
	static const char bearer[] = "bearer";
	const size_t scheme = scheme_take(text, length);
	const char *rest = text + scheme;
	size_t rest_length = length - scheme;

	trim(&rest, &rest_length);
	if (has_control(text, scheme) || has_control(rest, rest_length)) {
		return KW_E_INVALID;
	}
	if (scheme == strlen(bearer) && memcmp(text, bearer, scheme) == 0) {
		*kind = BI_CREDENTIAL_TOKEN;
		return sha256(rest, rest_length, digest);
	}
	*kind = BI_CREDENTIAL_HEADER;
	text[scheme] = ' ';
	memmove(text + scheme + 1, rest, rest_length);
	return sha256(text, scheme + 1 + rest_length, digest);
}

static enum kw_err value_digest(const char *value, size_t length, enum bi_credential_kind *kind,
	uint8_t digest[BI_DIGEST_SIZE])
{
	char text[BI_AUTHORIZATION_MAX];
	enum kw_err err;

	if (memchr(value, ' ', length) == NULL && memchr(value, '\t', length) == NULL) {
		if (has_control(value, length)) {
			return KW_E_INVALID;
		}
		*kind = BI_CREDENTIAL_HEADER;
		return sha256(value, length, digest);
	}
	memcpy(text, value, length);
	err = words_digest(text, length, kind, digest);
	kw_wipe(text, length);
	return err;
}

enum kw_err bi_credential_of_authorization(
	const char *value, enum bi_credential_kind *kind, uint8_t digest[BI_DIGEST_SIZE])
{
	size_t length = value == NULL ? 0 : strnlen(value, BI_AUTHORIZATION_MAX + 1);
	enum kw_err err;

	*kind = (enum bi_credential_kind)0;
	memset(digest, 0, BI_DIGEST_SIZE);
	if (length > BI_AUTHORIZATION_MAX) {
		return KW_E_TOO_LONG;
	}
	trim(&value, &length);
	if (length == 0) {
		return KW_E_MISSING;
	}
	err = value_digest(value, length, kind, digest);
	if (err != KW_OK) {
		*kind = (enum bi_credential_kind)0;
	}
	return err;
}

enum kw_err bi_credential_of_certificate(
	const uint8_t *der, size_t length, uint8_t digest[BI_DIGEST_SIZE])
{
	return sha256(der, length, digest);
}

static bool counts_as_it_is(const char *name)
{
	return strchr(name, '=') != NULL || strstr(name, "://") != NULL ||
	       strncmp(name, "urn:", strlen("urn:")) == 0;
}

enum kw_err bi_credential_subject_name(const char *name, char out[BI_SUBJECT_SIZE])
{
	const size_t length = strnlen(name, BI_SUBJECT_SIZE);
	const bool as_it_is = length < BI_SUBJECT_SIZE && counts_as_it_is(name);

	memset(out, 0, BI_SUBJECT_SIZE);
	if (length == 0) {
		return KW_E_MISSING;
	}
	if (length == BI_SUBJECT_SIZE) {
		return KW_E_TOO_LONG;
	}
	if (has_control(name, length)) {
		return KW_E_INVALID;
	}
	for (size_t i = 0; i < length; i++) {
		out[i] = as_it_is ? name[i] : lower(name[i]);
	}
	return KW_OK;
}

enum kw_err bi_credential_of_subject(
	const uint8_t ca[BI_DIGEST_SIZE], const char *name, uint8_t digest[BI_DIGEST_SIZE])
{
	uint8_t octets[BI_DIGEST_SIZE + BI_SUBJECT_SIZE - 1];
	const size_t length = strnlen(name, BI_SUBJECT_SIZE);

	memset(digest, 0, BI_DIGEST_SIZE);
	if (length >= BI_SUBJECT_SIZE) {
		return KW_E_TOO_LONG;
	}
	memcpy(octets, ca, BI_DIGEST_SIZE);
	memcpy(octets + BI_DIGEST_SIZE, name, length);
	return sha256(octets, BI_DIGEST_SIZE + length, digest);
}
