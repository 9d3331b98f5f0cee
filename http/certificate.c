#include "http/certificate.h"

#include "http/x509.h"

#include "base/utf8.h"

#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>
#include <string.h>
#include <time.h>

enum kw_err http_x509_fingerprint(
	const uint8_t *der, size_t length, uint8_t out[HTTP_FINGERPRINT_SIZE])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, der, length, out) < 0 ? KW_E_CRYPTO : KW_OK;
}

enum kw_err http_x509_read(const uint8_t *der, size_t length, gnutls_x509_crt_t *out)
{
	gnutls_datum_t datum = {.data = (unsigned char *)der, .size = (unsigned)length};
	gnutls_x509_crt_t crt;
	int result;

	*out = NULL;
	if (length == 0 || length > HTTP_CERTIFICATE_SIZE_MAX) {
		return length == 0 ? KW_E_SYNTAX : KW_E_TOO_LONG;
	}
	if (gnutls_x509_crt_init(&crt) < 0) {
		return KW_E_NO_MEMORY;
	}
	result = gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER);
	if (result < 0) {
		gnutls_x509_crt_deinit(crt);
		return result == GNUTLS_E_MEMORY_ERROR ? KW_E_NO_MEMORY : KW_E_SYNTAX;
	}
	*out = crt;
	return KW_OK;
}

enum kw_err http_x509_validity(gnutls_x509_crt_t crt, uint64_t *not_before_s, uint64_t *not_after_s)
{
	time_t from = gnutls_x509_crt_get_activation_time(crt);
	time_t to = gnutls_x509_crt_get_expiration_time(crt);

	*not_before_s = from > 0 ? (uint64_t)from : 0;
	*not_after_s = to > 0 ? (uint64_t)to : 0;
	return from == (time_t)-1 || to == (time_t)-1 ? KW_E_SYNTAX : KW_OK;
}

/* Whether all of it may be shown. */
static bool is_text(const char *text, bool ascii)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at != '\0') {
		size_t step = *at >= ' ' && *at < 0x7f ? 1 : 0;

		if (step == 0 && !ascii) {
			step = kw_utf8_length(at);
		}
		if (step == 0) {
			return false;
		}
		at += step;
	}
	return true;
}

static void lower(char *text)
{
	for (; *text != '\0'; text++) {
		if (*text >= 'A' && *text <= 'Z') {
			*text = (char)(*text - 'A' + 'a');
		}
	}
}

/*
 * A peer's name is looked for by its text alone (backend-if/credential.h), and a CA may be careful
 * with one kind of name and not with another. A whole subject begins with a type and "=".
 */
static bool is_of_kind(enum http_name_kind kind, const char *text)
{
	bool uri = strstr(text, "://") != NULL || strncmp(text, "urn:", strlen("urn:")) == 0;

	switch (kind) {
	case HTTP_NAME_URI:
		return uri && *text != ':' && text[strcspn(text, ":=")] == ':';
	case HTTP_NAME_DNS:
	case HTTP_NAME_COMMON:
		return !uri && strchr(text, '=') == NULL;
	case HTTP_NAME_SUBJECT:
		break;
	}
	return true;
}

static void add_name(
	struct http_certificate *out, enum http_name_kind kind, const void *octets, size_t length)
{
	struct http_certificate_name *name = &out->names[out->name_count];
	bool alternative = kind == HTTP_NAME_DNS || kind == HTTP_NAME_URI;

	if (out->name_count == HTTP_CERTIFICATE_NAMES_MAX || length == 0 ||
		length > HTTP_CERTIFICATE_NAME_MAX || memchr(octets, '\0', length) != NULL) {
		return;
	}
	memcpy(name->text, octets, length);
	name->text[length] = '\0';
	if (kind == HTTP_NAME_DNS || kind == HTTP_NAME_COMMON) {
		lower(name->text);
	}
	if (!is_text(name->text, alternative) || !is_of_kind(kind, name->text)) {
		memset(name, 0, sizeof(*name));
		return;
	}
	name->kind = kind;
	out->name_count++;
}

static void read_subject(gnutls_x509_crt_t crt, struct http_certificate *out)
{
	gnutls_datum_t text = {0};

	if (gnutls_x509_crt_get_dn3(crt, &text, 0) >= 0 && text.data != NULL) {
		add_name(out, HTTP_NAME_SUBJECT, text.data, text.size);
	}
	gnutls_free(text.data);
}

/* @return how many there are of this kind, added or not */
static size_t add_alternatives(gnutls_subject_alt_names_t names, enum http_name_kind kind,
	unsigned wanted, struct http_certificate *out)
{
	size_t found = 0;
	gnutls_datum_t name;
	unsigned type;

	for (unsigned i = 0; gnutls_subject_alt_names_get(names, i, &type, &name, NULL) >= 0; i++) {
		if (type == wanted) {
			add_name(out, kind, name.data, name.size);
			found++;
		}
	}
	return found;
}

/* @return whether there is no DNS name, which is not known if they cannot be read */
static bool read_alternatives(gnutls_x509_crt_t crt, struct http_certificate *out)
{
	gnutls_subject_alt_names_t names = NULL;
	gnutls_datum_t der = {0};
	int result =
		gnutls_x509_crt_get_extension_by_oid2(crt, GNUTLS_X509EXT_OID_SAN, 0, &der, NULL);
	bool none = result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;

	if (result >= 0 && gnutls_subject_alt_names_init(&names) >= 0) {
		if (gnutls_x509_ext_import_subject_alt_names(&der, names, 0) >= 0) {
			none = add_alternatives(names, HTTP_NAME_DNS, GNUTLS_SAN_DNSNAME, out) == 0;
			add_alternatives(names, HTTP_NAME_URI, GNUTLS_SAN_URI, out);
		}
		gnutls_subject_alt_names_deinit(names);
	}
	gnutls_free(der.data);
	return none;
}

static void read_common_name(gnutls_x509_crt_t crt, struct http_certificate *out)
{
	char text[HTTP_CERTIFICATE_NAME_MAX + 1] = "";
	size_t length = sizeof(text), second = 0;

	if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 1, 0, NULL, &second) !=
			GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
		gnutls_x509_crt_get_dn_by_oid(
			crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &length) < 0) {
		return;
	}
	/* "#0c..." is how the library writes octets that are no text. */
	if (text[0] != '#') {
		add_name(out, HTTP_NAME_COMMON, text, length);
	}
}

enum kw_err http_certificate_read(const uint8_t *der, size_t length, struct http_certificate *out)
{
	gnutls_x509_crt_t crt;
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	err = http_x509_read(der, length, &crt);
	if (err != KW_OK) {
		return err;
	}
	err = http_x509_fingerprint(der, length, out->fingerprint);
	if (err == KW_OK) {
		err = http_x509_validity(crt, &out->not_before_s, &out->not_after_s);
	}
	if (err == KW_OK) {
		out->client =
			gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0) != 0;
		read_subject(crt, out);
		if (read_alternatives(crt, out)) {
			read_common_name(crt, out);
		}
	} else {
		memset(out, 0, sizeof(*out));
	}
	gnutls_x509_crt_deinit(crt);
	return err;
}
