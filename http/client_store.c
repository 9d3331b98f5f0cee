#include "http/client_store.h"

#include "base/log.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <string.h>

/* Nobody is at the terminal. */
static int no_password(char *out, int size, int writing, void *context)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

/* The next certificate into the store. *last: there was no further one. */
static bool add_next(X509_STORE *store, BIO *text, bool *last)
{
	X509 *certificate = PEM_read_bio_X509(text, NULL, no_password, NULL);
	bool added;

	*last = certificate == NULL && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	if (certificate == NULL) {
		return false;
	}
	added = X509_STORE_add_cert(store, certificate) == 1;
	X509_free(certificate);
	return added;
}

static bool add_all(X509_STORE *store, BIO *text)
{
	bool last = false;
	size_t count = 0;

	while (add_next(store, text, &last)) {
		count++;
	}
	return last && count > 0;
}

enum kw_err http_client_store_read(const char *pem, X509_STORE **out)
{
	BIO *text = BIO_new_mem_buf(pem, -1);
	/* As libcurl has it: any certificate that is given is trusted, an intermediate one too. */
	X509_STORE *store = X509_STORE_new();
	enum kw_err err = KW_E_NO_MEMORY;

	*out = NULL;
	ERR_clear_error();
	if (text != NULL && store != NULL &&
		X509_STORE_set_flags(
			store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN) == 1) {
		err = add_all(store, text) ? KW_OK : KW_E_INVALID;
	}
	BIO_free(text);
	if (err == KW_OK) {
		*out = store;
		store = NULL;
	} else if (err == KW_E_INVALID) {
		kw_log(KW_LOG_ERROR, "http",
			"the CA certificates for peers are not PEM certificates");
	}
	X509_STORE_free(store);
	ERR_clear_error();
	return err;
}
