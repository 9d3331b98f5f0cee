#include "http/client_tls.h"

#include "base/log.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stddef.h>

/* The library only reads what it is given here, though its type does not say so. */
static gnutls_datum_t datum(const char *text)
{
	size_t length = strlen(text);

	return (gnutls_datum_t){
		.data = (unsigned char *)text,
		.size = length <= UINT_MAX ? (unsigned)length : 0,
	};
}

static enum kw_err refuse(const char *words, int result)
{
	kw_log(KW_LOG_ERROR, "http", words, KW_STR("reason", gnutls_strerror(result)));
	return result == GNUTLS_E_MEMORY_ERROR ? KW_E_NO_MEMORY : KW_E_INVALID;
}

static enum kw_err check_pair(const char *certificate, const char *key)
{
	static const char words[] = "the certificate and key to show to peers are not a PEM "
				    "certificate chain and its unencrypted key";
	gnutls_datum_t certificate_pem = datum(certificate), key_pem = datum(key);
	gnutls_certificate_credentials_t credentials;
	int result = gnutls_certificate_allocate_credentials(&credentials);

	if (result < 0) {
		return refuse(words, result);
	}
	result = gnutls_certificate_set_x509_key_mem(
		credentials, &certificate_pem, &key_pem, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	return result < 0 ? refuse(words, result) : KW_OK;
}

enum kw_err http_client_tls_check(const char *certificate, const char *key)
{
	if (certificate == NULL && key == NULL) {
		return KW_OK;
	}
	if (certificate == NULL || key == NULL) {
		kw_log(KW_LOG_ERROR, "http",
			"a certificate to show to peers needs its key, and the key its "
			"certificate");
		return KW_E_INVALID;
	}
	return check_pair(certificate, key);
}
