#include "http/proxy_cert.h"

#include "http/x509.h"

#include "base/hex.h"

#include <string.h>
#include <strings.h>

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END   "-----END CERTIFICATE-----"
#define SPACE     " \t" /* also behind a value: libmicrohttpd leaves it there */
#define BLANKS    " \t\r\n"

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/* Which headers there are, and how each is read. */
enum header {
	RFC9440,
	CHAIN,
	PEM,
	PEM_SHORT,
	PLAIN,
	HEADER_COUNT
};

static const char *const header_names[HEADER_COUNT] = {
	[RFC9440] = HTTP_PROXY_RFC9440,
	[CHAIN] = HTTP_PROXY_RFC9440_CHAIN,
	[PEM] = HTTP_PROXY_PEM,
	[PEM_SHORT] = HTTP_PROXY_PEM_SHORT,
	[PLAIN] = HTTP_PROXY_BASE64,
};

struct found {
	const char *values[HEADER_COUNT];
	size_t counts[HEADER_COUNT];
};

static void clear(struct http_proxy_chain *out)
{
	out->count = 0;
	out->used = 0;
}

static enum kw_err end(enum kw_err err, struct http_proxy_chain *out)
{
	if (err == KW_OK && out->count == 0) {
		err = KW_E_SYNTAX;
	}
	if (err != KW_OK) {
		clear(out);
	}
	return err;
}

/* The library overlooks blanks and what is missing at the end. */
static bool is_base64(const char *text, size_t length)
{
	size_t digits = 0;

	while (digits < length && text[digits] != '\0' && strchr(BASE64, text[digits]) != NULL) {
		digits++;
	}
	if (length == 0 || length % 4 != 0 || length - digits > 2) {
		return false;
	}
	for (size_t i = digits; i < length; i++) {
		if (text[i] != '=') {
			return false;
		}
	}
	return true;
}

static enum kw_err keep(struct http_proxy_chain *out, const uint8_t *der, size_t length)
{
	gnutls_x509_crt_t crt;
	enum kw_err err = http_x509_read(der, length, &crt);

	if (err != KW_OK) {
		return err;
	}
	gnutls_x509_crt_deinit(crt);
	if (out->count == HTTP_CHAIN_MAX || length > sizeof(out->octets) - out->used) {
		return KW_E_TOO_LONG;
	}
	memcpy(out->octets + out->used, der, length);
	out->certificates[out->count++] = (struct http_octets){out->octets + out->used, length};
	out->used += length;
	return KW_OK;
}

static enum kw_err add(struct http_proxy_chain *out, const char *text, size_t length)
{
	gnutls_datum_t encoded = {.data = (unsigned char *)text, .size = (unsigned)length};
	gnutls_datum_t der = {0};
	enum kw_err err;

	if (length > HTTP_PROXY_HEADER_MAX) {
		return KW_E_TOO_LONG;
	}
	if (!is_base64(text, length) || gnutls_base64_decode2(&encoded, &der) < 0) {
		return KW_E_SYNTAX;
	}
	err = keep(out, der.data, der.size);
	gnutls_free(der.data);
	return err;
}

/* One ":BASE64:" of RFC 8941. @return where it ends */
static enum kw_err add_binary(struct http_proxy_chain *out, const char **at)
{
	const char *close = **at == ':' ? strchr(*at + 1, ':') : NULL;
	const char *text = *at + 1;

	if (close == NULL) {
		return KW_E_SYNTAX;
	}
	*at = close + 1;
	return add(out, text, (size_t)(close - text));
}

static enum kw_err add_list(struct http_proxy_chain *out, const char *at)
{
	enum kw_err err;

	if (strlen(at) > HTTP_PROXY_HEADER_MAX) {
		return KW_E_TOO_LONG;
	}
	for (;;) {
		err = add_binary(out, &at);
		at += err == KW_OK ? strspn(at, SPACE) : 0;
		if (err != KW_OK || *at == '\0') {
			return err;
		}
		if (*at++ != ',') {
			return KW_E_SYNTAX;
		}
		at += strspn(at, SPACE);
	}
}

enum kw_err http_proxy_read_rfc9440(
	const char *certificate, const char *chain, struct http_proxy_chain *out)
{
	enum kw_err err;

	clear(out);
	if (strlen(certificate) > HTTP_PROXY_HEADER_MAX) {
		return KW_E_TOO_LONG;
	}
	err = add_binary(out, &certificate);
	if (err == KW_OK && certificate[strspn(certificate, SPACE)] != '\0') {
		err = KW_E_SYNTAX;
	}
	if (err == KW_OK && chain != NULL && chain[0] != '\0') {
		err = add_list(out, chain);
	}
	return end(err, out);
}

/* Resolve %XX; what it stands for must be text. Space at the end goes. */
static enum kw_err unescape(const char *value, char out[HTTP_PROXY_HEADER_MAX + 1])
{
	size_t length = strlen(value), used = 0;

	if (length > HTTP_PROXY_HEADER_MAX) {
		return KW_E_TOO_LONG;
	}
	for (size_t i = 0; i < length; i++) {
		uint8_t octet = (uint8_t)value[i];

		if (octet == '%') {
			if (length - i < 3 || kw_hex_read(value + i + 1, 2, &octet, 1) != KW_OK) {
				return KW_E_SYNTAX;
			}
			i += 2;
		}
		if ((octet < ' ' && strchr(BLANKS, octet) == NULL) || octet == '\0' ||
			octet >= 0x7f) {
			return KW_E_SYNTAX;
		}
		out[used++] = (char)octet;
	}
	while (used > 0 && strchr(SPACE, out[used - 1]) != NULL) {
		used--;
	}
	out[used] = '\0';
	return KW_OK;
}

/* Take the blanks out of a text. @return how much is left */
static size_t squeeze(char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		if (strchr(BLANKS, text[i]) == NULL) {
			text[used++] = text[i];
		}
	}
	return used;
}

enum kw_err http_proxy_read_pem(const char *value, struct http_proxy_chain *out)
{
	char text[HTTP_PROXY_HEADER_MAX + 1];
	enum kw_err err = unescape(value, text);
	char *at = text;

	clear(out);
	while (err == KW_OK) {
		char *close;

		at += strspn(at, BLANKS);
		if (*at == '\0') {
			break;
		}
		if (strncmp(at, PEM_BEGIN, strlen(PEM_BEGIN)) != 0) {
			err = KW_E_SYNTAX;
			break;
		}
		at += strlen(PEM_BEGIN);
		close = strstr(at, PEM_END);
		if (close == NULL) {
			err = KW_E_SYNTAX;
			break;
		}
		err = add(out, at, squeeze(at, (size_t)(close - at)));
		at = close + strlen(PEM_END);
	}
	return end(err, out);
}

enum kw_err http_proxy_read_base64(const char *value, struct http_proxy_chain *out)
{
	char text[HTTP_PROXY_HEADER_MAX + 1];
	enum kw_err err = unescape(value, text);
	const char *at = text;

	clear(out);
	while (err == KW_OK) {
		size_t length = strcspn(at, ",");

		err = add(out, at, length);
		if (at[length] == '\0') {
			break;
		}
		at += length + 1;
	}
	return end(err, out);
}

static enum kw_err read_found(
	enum header header, const struct found *found, struct http_proxy_chain *out)
{
	const char *value = found->values[header];

	switch (header) {
	case RFC9440:
		return http_proxy_read_rfc9440(value, found->values[CHAIN], out);
	case PEM:
	case PEM_SHORT:
		return http_proxy_read_pem(value, out);
	case PLAIN:
		return http_proxy_read_base64(value, out);
	case CHAIN: /* of no certificate */
	case HEADER_COUNT:
		break;
	}
	return KW_E_SYNTAX;
}

/* The header to read. @return KW_E_NOT_FOUND, KW_E_CONFLICT */
static enum kw_err choose(struct found *found, enum header *out)
{
	size_t present = 0;

	*out = HEADER_COUNT;
	for (unsigned i = 0; i < HEADER_COUNT; i++) {
		bool belongs = i == CHAIN && found->counts[RFC9440] > 0;

		if (found->counts[i] > 1) {
			return KW_E_CONFLICT;
		}
		if (found->counts[i] == 1 && !belongs) {
			present++;
			*out = (enum header)i;
		}
	}
	if (present > 1) {
		return KW_E_CONFLICT;
	}
	if (present == 0 || found->values[*out][0] == '\0') {
		return KW_E_NOT_FOUND;
	}
	return KW_OK;
}

static void look_up(
	struct found *found, http_proxy_lookup lookup, const void *context, enum header header)
{
	const char *value = lookup(context, header_names[header], &found->counts[header]);

	found->values[header] = value != NULL ? value : "";
}

enum kw_err http_proxy_find(http_proxy_lookup lookup, const void *context, const char *only,
	struct http_proxy_chain *out)
{
	struct found found = {0};
	bool known = only == NULL;
	enum header header;
	enum kw_err err;

	clear(out);
	for (unsigned i = 0; i < HEADER_COUNT; i++) {
		bool named = only != NULL && i != CHAIN && strcasecmp(only, header_names[i]) == 0;

		if (only == NULL || named) {
			look_up(&found, lookup, context, (enum header)i);
		}
		if (named && i == RFC9440) {
			look_up(&found, lookup, context, CHAIN);
		}
		known = known || named;
	}
	if (!known) {
		return KW_E_INVALID;
	}
	err = choose(&found, &header);
	return err == KW_OK ? read_found(header, &found, out) : err;
}

static const char *request_lookup(const void *context, const char *name, size_t *count)
{
	const struct http_request *request = context;

	*count = http_request_header_count(request, name);
	return http_request_header(request, name);
}

enum kw_err http_proxy_certificates(
	const struct http_request *request, const char *only, struct http_proxy_chain *out)
{
	return http_proxy_find(request_lookup, request, only, out);
}
