#include "http/client_store.h"
#include "http/tls.h"
#include "http/trust.h"
#include "js/front_pem.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/x509.h>
#include <string.h>

/* A sanitizer's, where there is one. */
__attribute__((weak)) void __lsan_disable(void);
__attribute__((weak)) void __lsan_enable(void);

/*
 * The PEM files of a front: the text up to a NUL is a certificate chain or a list of CAs, what is
 * behind it a key.
 */

static enum kw_err check_trust(const char *text)
{
	struct http_trust *trust;
	const enum kw_err err = http_trust_open(text, &trust);

	fuzz_require(err == KW_OK || err == KW_E_INVALID);
	fuzz_require((err == KW_OK) == (trust != NULL));
	if (err == KW_OK) {
		fuzz_require(http_trust_count(trust) >= 1 && http_trust_count(trust) <= 64);
	}
	http_trust_close(trust);
	return err;
}

static void check_store(const char *text)
{
	X509_STORE *store;
	const enum kw_err err = http_client_store_read(text, &store);

	fuzz_require(err == KW_OK || err == KW_E_INVALID);
	fuzz_require((err == KW_OK) == (store != NULL));
	X509_STORE_free(store);
}

/* GnuTLS 3.7 forgets the first certificates of a chain of which a later one does not read. */
static void forgetful(void (*begin_or_end)(void))
{
	if (begin_or_end != NULL) {
		begin_or_end();
	}
}

static enum kw_err check_pair(const char *chain, const char *key)
{
	struct http_tls *tls;
	enum kw_err err;

	forgetful(__lsan_disable);
	err = http_tls_open(chain, key, &tls);
	forgetful(__lsan_enable);

	fuzz_require(err == KW_OK || err == KW_E_INVALID);
	fuzz_require((err == KW_OK) == (tls != NULL));
	http_tls_close(tls);
	return err;
}

/* What is found good can be served with: a front that is started with it comes up. */
static void check_front(char *text, char *key, enum kw_err trust, enum kw_err pair)
{
	const struct js_front_files lists = {.client_ca = text, .answer_ca = text};
	const struct js_front_files both = {.tls_certificate = text, .tls_key = key};
	const struct js_front_files half = {.answer_certificate = text};

	fuzz_require(js_front_pem_check(&lists) != KW_OK || trust == KW_OK);
	forgetful(__lsan_disable);
	fuzz_require(js_front_pem_check(&both) != KW_OK || pair == KW_OK);
	forgetful(__lsan_enable);
	fuzz_require(js_front_pem_check(&half) == KW_E_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2);
	char *key;
	enum kw_err trust, pair;

	fuzz_require(text != NULL);
	if (size > 0) {
		memcpy(text, data, size);
	}
	text[size] = '\0';
	text[size + 1] = '\0';
	key = text + strlen(text) + 1;
	key = key > text + size ? text + size : key;
	trust = check_trust(text);
	check_store(text);
	pair = check_pair(text, key);
	check_front(text, key, trust, pair);
	free(text);
	return 0;
}
