#include "http/trust.h"

#include "http/x509.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define BEGIN_ANY "-----BEGIN "
#define BEGIN     "-----BEGIN CERTIFICATE-----"
#define END       "-----END CERTIFICATE-----"

/*
 * Times are looked at here, for the caller's now. The profile wants 112 bits: no SHA-1, no RSA below
 * 2048.
 */
#define VERIFY_FLAGS                                                           \
	(GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DO_NOT_ALLOW_SAME | \
		GNUTLS_VERIFY_DO_NOT_ALLOW_X509_V1_CA_CRT |                    \
		GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM))

struct anchor {
	gnutls_x509_crt_t crt;
	uint8_t fingerprint[HTTP_FINGERPRINT_SIZE];
};

struct http_trust {
	size_t count;
	struct anchor anchors[HTTP_TRUST_MAX];
};

/* The certificates of a client from its own upwards. */
struct path {
	size_t count;  /* certificates */
	size_t length; /* how many of them follow upon each other */
	gnutls_x509_crt_t crts[HTTP_CHAIN_MAX];
};

static bool may_sign_certificates(gnutls_x509_crt_t crt)
{
	unsigned usage, critical;
	int result = gnutls_x509_crt_get_key_usage(crt, &usage, &critical);

	if (gnutls_x509_crt_get_ca_status(crt, &critical) <= 0) {
		return false;
	}
	return result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
	       (result >= 0 && (usage & GNUTLS_KEY_KEY_CERT_SIGN) != 0);
}

static enum kw_err read_fingerprint(struct anchor *anchor)
{
	gnutls_datum_t der = {0};
	enum kw_err err = KW_E_NO_MEMORY;

	if (gnutls_x509_crt_export2(anchor->crt, GNUTLS_X509_FMT_DER, &der) >= 0) {
		err = http_x509_fingerprint(der.data, der.size, anchor->fingerprint);
	}
	gnutls_free(der.data);
	return err;
}

static bool is_known(const struct http_trust *trust, const struct anchor *anchor)
{
	for (size_t i = 0; i < trust->count; i++) {
		if (memcmp(trust->anchors[i].fingerprint, anchor->fingerprint,
			    HTTP_FINGERPRINT_SIZE) == 0) {
			return true;
		}
	}
	return false;
}

static enum kw_err bad(size_t number, const char *words, const char *reason)
{
	kw_log(KW_LOG_ERROR, "http", words, KW_NUM("certificate", number),
		KW_STR("reason", reason));
	return KW_E_INVALID;
}

/* Add the certificate of one PEM block. */
static enum kw_err add(struct http_trust *trust, size_t number, const char *pem, size_t length)
{
	gnutls_datum_t datum = {.data = (unsigned char *)pem, .size = (unsigned)length};
	struct anchor anchor = {0};
	enum kw_err err = KW_OK;
	int result;

	if (gnutls_x509_crt_init(&anchor.crt) < 0) {
		return KW_E_NO_MEMORY;
	}
	result = gnutls_x509_crt_import(anchor.crt, &datum, GNUTLS_X509_FMT_PEM);
	if (result < 0) {
		err = bad(number, "a CA certificate cannot be read", gnutls_strerror(result));
	} else if (!may_sign_certificates(anchor.crt)) {
		err = bad(number, "a certificate that is to be trusted is not one of a CA",
			"basic constraints or key usage");
	} else {
		err = read_fingerprint(&anchor);
	}
	if (err == KW_OK && !is_known(trust, &anchor)) {
		if (trust->count < HTTP_TRUST_MAX) {
			trust->anchors[trust->count++] = anchor;
			return KW_OK;
		}
		err = bad(number, "too many CA certificates", "more than 64");
	}
	gnutls_x509_crt_deinit(anchor.crt);
	return err;
}

static enum kw_err add_all(struct http_trust *trust, const char *pem)
{
	enum kw_err err = KW_OK;
	const char *at = pem;

	for (size_t number = 1; err == KW_OK; number++) {
		const char *begin = strstr(at, BEGIN_ANY);
		const char *end = begin != NULL ? strstr(begin, END) : NULL;

		if (begin == NULL) {
			break;
		}
		if (strncmp(begin, BEGIN, strlen(BEGIN)) != 0) {
			return bad(number, "a CA bundle has something else in it",
				"not BEGIN CERTIFICATE");
		}
		if (end == NULL || end - begin > (ptrdiff_t)(2 * HTTP_CERTIFICATE_SIZE_MAX)) {
			return bad(number, "a CA certificate cannot be read",
				"no END CERTIFICATE, or too long");
		}
		at = end + strlen(END);
		err = add(trust, number, begin, (size_t)(at - begin));
	}
	if (err == KW_OK && trust->count == 0) {
		return bad(0, "a CA bundle has no certificate in it", "no BEGIN CERTIFICATE");
	}
	return err;
}

enum kw_err http_trust_open(const char *pem, struct http_trust **out)
{
	struct http_trust *trust = calloc(1, sizeof(*trust));
	enum kw_err err;

	*out = NULL;
	if (trust == NULL) {
		return KW_E_NO_MEMORY;
	}
	err = add_all(trust, pem);
	if (err != KW_OK) {
		http_trust_close(trust);
		return err;
	}
	*out = trust;
	return KW_OK;
}

void http_trust_close(struct http_trust *trust)
{
	if (trust == NULL) {
		return;
	}
	for (size_t i = 0; i < trust->count; i++) {
		gnutls_x509_crt_deinit(trust->anchors[i].crt);
	}
	free(trust);
}

size_t http_trust_count(const struct http_trust *trust)
{
	return trust->count;
}

/* What every certificate of a path must be, the CA included. */
static bool is_usable(gnutls_x509_crt_t crt, uint64_t now_s)
{
	uint64_t from_s, to_s;

	return http_x509_validity(crt, &from_s, &to_s) == KW_OK && from_s <= now_s &&
	       now_s <= to_s &&
	       gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0) != 0;
}

static bool may_sign_handshakes(gnutls_x509_crt_t leaf)
{
	unsigned usage, critical;
	int result = gnutls_x509_crt_get_key_usage(leaf, &usage, &critical);

	return result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
	       (result >= 0 && (usage & GNUTLS_KEY_DIGITAL_SIGNATURE) != 0);
}

/* Whether the first `count` of the path are good and the last of them is signed by this CA. */
static bool leads_to(
	const struct path *path, size_t count, const struct anchor *anchor, uint64_t now_s)
{
	unsigned status = 0;

	if (!is_usable(anchor->crt, now_s)) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_usable(path->crts[i], now_s)) {
			return false;
		}
	}
	return gnutls_x509_crt_list_verify(path->crts, (unsigned)count, &anchor->crt, 1, NULL, 0,
		       VERIFY_FLAGS, &status) >= 0 &&
	       status == 0;
}

static bool vouches(const struct anchor *anchor, const struct path *path, uint64_t now_s)
{
	for (size_t i = 0; i < path->length; i++) {
		if (gnutls_x509_crt_check_issuer(path->crts[i], anchor->crt) != 0 &&
			leads_to(path, i + 1, anchor, now_s)) {
			return true;
		}
	}
	return false;
}

/* Bring the certificates into the order of a path; what does not belong to it goes to the end. */
static void sort(struct path *path)
{
	for (path->length = 1; path->length < path->count; path->length++) {
		gnutls_x509_crt_t *place = &path->crts[path->length], issuer;
		size_t at = path->length;

		while (at < path->count &&
			gnutls_x509_crt_check_issuer(place[-1], path->crts[at]) == 0) {
			at++;
		}
		if (at == path->count) {
			return;
		}
		issuer = path->crts[at];
		path->crts[at] = *place;
		*place = issuer;
	}
}

static void path_finish(struct path *path)
{
	for (size_t i = 0; i < path->count; i++) {
		gnutls_x509_crt_deinit(path->crts[i]);
	}
	path->count = 0;
}

static enum kw_err path_read(struct path *path, const struct http_octets *chain, size_t count)
{
	path->count = 0;
	if (count > HTTP_CHAIN_MAX) {
		return KW_E_TOO_LONG;
	}
	for (size_t i = 0; i < count; i++) {
		enum kw_err err = http_x509_read(chain[i].octets, chain[i].length, &path->crts[i]);

		if (err != KW_OK) {
			path_finish(path);
			return err;
		}
		path->count++;
	}
	return KW_OK;
}

enum kw_err http_trust_verify(const struct http_trust *trust, const struct http_octets *chain,
	size_t count, uint64_t now_s, uint8_t (*anchors)[HTTP_FINGERPRINT_SIZE], size_t max,
	size_t *found)
{
	struct path path;
	enum kw_err err = path_read(&path, chain, count);

	*found = 0;
	if (err != KW_OK || path.count == 0 || !may_sign_handshakes(path.crts[0])) {
		path_finish(&path);
		return err;
	}
	sort(&path);
	for (size_t i = 0; i < trust->count && *found < max; i++) {
		if (vouches(&trust->anchors[i], &path, now_s)) {
			memcpy(anchors[(*found)++], trust->anchors[i].fingerprint,
				HTTP_FINGERPRINT_SIZE);
		}
	}
	path_finish(&path);
	return KW_OK;
}
