#include "http/tls.h"

#include "base/env.h"
#include "base/log.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <string.h>
#include <time.h>

/* The library only reads what it is given here, though its type does not say so. */
static gnutls_datum_t datum(const char *text)
{
	size_t length = strlen(text);

	return (gnutls_datum_t){
		.data = (unsigned char *)text,
		.size = length <= UINT_MAX ? (unsigned)length : 0,
	};
}

static void warn_if_expired(gnutls_certificate_credentials_t credentials)
{
	gnutls_x509_crt_t *chain = NULL;
	unsigned count = 0;

	if (gnutls_certificate_get_x509_crt(credentials, 0, &chain, &count) < 0) {
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		time_t expires = gnutls_x509_crt_get_expiration_time(chain[i]);

		if (i == 0 && expires != (time_t)-1 &&
			(uint64_t)expires < kw_now_ms(&kw_env_system) / 1000) {
			kw_log(KW_LOG_WARNING, "http",
				"the TLS certificate has expired; clients will refuse it, renew "
				"it");
		}
		gnutls_x509_crt_deinit(chain[i]);
	}
	gnutls_free(chain);
}

enum kw_err http_tls_check(const char *certificate, const char *key)
{
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t certificate_pem = datum(certificate), key_pem = datum(key);
	int result = gnutls_certificate_allocate_credentials(&credentials);

	if (result < 0) {
		kw_log(KW_LOG_ERROR, "http", "TLS cannot be set up",
			KW_STR("reason", gnutls_strerror(result)));
		return KW_E_NO_MEMORY;
	}
	result = gnutls_certificate_set_x509_key_mem(
		credentials, &certificate_pem, &key_pem, GNUTLS_X509_FMT_PEM);
	if (result < 0) {
		kw_log(KW_LOG_ERROR, "http",
			"tls_certificate and tls_key are not a PEM certificate chain and its key",
			KW_STR("reason", gnutls_strerror(result)));
	} else {
		warn_if_expired(credentials);
	}
	gnutls_certificate_free_credentials(credentials);
	return result < 0 ? KW_E_INVALID : KW_OK;
}
