#include "http/tls.h"

#include "base/env.h"
#include "base/log.h"

#include <gnutls/x509.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct http_tls {
	gnutls_certificate_credentials_t credentials;
	uint64_t expires_s;
	size_t users;
};

/* The library only reads what it is given here, though its type does not say so. */
static gnutls_datum_t datum(const char *text)
{
	size_t length = strlen(text);

	return (gnutls_datum_t){
		.data = (unsigned char *)text,
		.size = length <= UINT_MAX ? (unsigned)length : 0,
	};
}

static uint64_t expires_s(gnutls_certificate_credentials_t credentials)
{
	gnutls_x509_crt_t *chain = NULL;
	unsigned count = 0;
	time_t expires = (time_t)-1;

	if (gnutls_certificate_get_x509_crt(credentials, 0, &chain, &count) < 0) {
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		if (i == 0) {
			expires = gnutls_x509_crt_get_expiration_time(chain[i]);
		}
		gnutls_x509_crt_deinit(chain[i]);
	}
	gnutls_free(chain);
	return expires > 0 ? (uint64_t)expires : 0;
}

static enum kw_err read_pem(struct http_tls *tls, const char *certificate, const char *key)
{
	gnutls_datum_t certificate_pem = datum(certificate), key_pem = datum(key);
	int result = gnutls_certificate_allocate_credentials(&tls->credentials);

	if (result < 0) {
		kw_log(KW_LOG_ERROR, "http", "TLS cannot be set up",
			KW_STR("reason", gnutls_strerror(result)));
		return KW_E_NO_MEMORY;
	}
	result = gnutls_certificate_set_x509_key_mem(
		tls->credentials, &certificate_pem, &key_pem, GNUTLS_X509_FMT_PEM);
	if (result < 0) {
		kw_log(KW_LOG_ERROR, "http",
			"tls_certificate and tls_key are not a PEM certificate chain and its key",
			KW_STR("reason", gnutls_strerror(result)));
		return KW_E_INVALID;
	}
	tls->expires_s = expires_s(tls->credentials);
	if (tls->expires_s < kw_now_ms(&kw_env_system) / 1000) {
		kw_log(KW_LOG_WARNING, "http",
			"the TLS certificate has expired; clients will refuse it, renew it");
	}
	return KW_OK;
}

enum kw_err http_tls_open(const char *certificate, const char *key, struct http_tls **out)
{
	struct http_tls *tls = calloc(1, sizeof(*tls));
	enum kw_err err;

	*out = NULL;
	if (tls == NULL) {
		return KW_E_NO_MEMORY;
	}
	tls->users = 1;
	err = read_pem(tls, certificate, key);
	if (err != KW_OK) {
		http_tls_close(tls);
		return err;
	}
	*out = tls;
	return KW_OK;
}

struct http_tls *http_tls_share(struct http_tls *tls)
{
	tls->users++;
	return tls;
}

void http_tls_close(struct http_tls *tls)
{
	if (tls == NULL || --tls->users > 0) {
		return;
	}
	if (tls->credentials != NULL) {
		gnutls_certificate_free_credentials(tls->credentials);
	}
	free(tls);
}

bool http_tls_use(const struct http_tls *tls, gnutls_session_t session)
{
	return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) >= 0;
}

uint64_t http_tls_expires_s(const struct http_tls *tls)
{
	return tls->expires_s;
}
