#include "tests/bench/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

struct tls {
	const struct tls_options *options;
	SSL_CTX *context;
	bool told; /* why a handshake failed */
};

static void tell(const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = ERR_reason_error_string(code);

	fprintf(stderr, "joinload: TLS: %s: %s\n", what, reason == NULL ? "closed" : reason);
	ERR_clear_error();
}

static enum kw_err use_files(SSL_CTX *context, const struct tls_options *options)
{
	if (options->ca != NULL) {
		if (SSL_CTX_load_verify_file(context, options->ca) != 1) {
			tell(options->ca);
			return KW_E_INVALID;
		}
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	}
	if (options->certificate == NULL) {
		return KW_OK;
	}
	if (SSL_CTX_use_certificate_chain_file(context, options->certificate) != 1) {
		tell(options->certificate);
		return KW_E_INVALID;
	}
	if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1) {
		tell(options->key);
		return KW_E_INVALID;
	}
	return KW_OK;
}

enum kw_err tls_open(const struct tls_options *options, struct tls **out)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	enum kw_err err;

	*out = NULL;
	if (tls == NULL) {
		return KW_E_NO_MEMORY;
	}
	tls->options = options;
	tls->context = SSL_CTX_new(TLS_client_method());
	if (tls->context == NULL ||
		SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_max_proto_version(
			tls->context, options->only_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION) != 1) {
		tell("cannot be set up");
		tls_close(tls);
		return KW_E_CRYPTO;
	}
	SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
	if (!options->resume) {
		SSL_CTX_set_options(tls->context, SSL_OP_NO_TICKET);
	}
	err = use_files(tls->context, options);
	if (err != KW_OK) {
		tls_close(tls);
		return err;
	}
	*out = tls;
	return KW_OK;
}

void tls_close(struct tls *tls)
{
	if (tls != NULL) {
		SSL_CTX_free(tls->context);
		free(tls);
	}
}

/* Who must answer: an address has no SNI (RFC 6066, 3). */
static bool name_peer(SSL *ssl, const char *host)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) == 1) {
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	}
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

enum kw_err tls_link_open(struct tls_link *link, struct tls *tls, int fd)
{
	link->ssl = SSL_new(tls->context);
	if (link->ssl == NULL || SSL_set_fd(link->ssl, fd) != 1 ||
		!name_peer(link->ssl, tls->options->host) ||
		(link->session != NULL && SSL_set_session(link->ssl, link->session) != 1)) {
		tell("cannot begin");
		SSL_free(link->ssl);
		link->ssl = NULL;
		return KW_E_CRYPTO;
	}
	SSL_set_connect_state(link->ssl);
	return KW_OK;
}

void tls_link_forget(struct tls_link *link)
{
	SSL_SESSION_free(link->session);
	link->session = NULL;
}

void tls_link_close(struct tls_link *link, const struct tls *tls)
{
	if (link->ssl == NULL) {
		return;
	}
	if (tls->options->resume && SSL_is_init_finished(link->ssl)) {
		SSL_SESSION *session = SSL_get1_session(link->ssl);

		tls_link_forget(link);
		link->session = session;
	}
	if (SSL_is_init_finished(link->ssl)) {
		/* Without it OpenSSL takes the session for one that must not be resumed. */
		SSL_shutdown(link->ssl);
	}
	SSL_free(link->ssl);
	ERR_clear_error();
	link->ssl = NULL;
}

/* A request and what a client says in a handshake fit into an empty socket buffer: never a wait for
 * room to write. */
static enum kw_err outcome(struct tls_link *link, int result)
{
	return SSL_get_error(link->ssl, result) == SSL_ERROR_WANT_READ ? KW_E_BUSY : KW_E_CLOSED;
}

enum kw_err tls_link_shake(struct tls_link *link, struct tls *tls, bool *resumed)
{
	int result;
	enum kw_err err;

	ERR_clear_error();
	result = SSL_do_handshake(link->ssl);
	*resumed = result == 1 && SSL_session_reused(link->ssl) == 1;
	if (result == 1) {
		return KW_OK;
	}
	err = outcome(link, result);
	if (err == KW_E_CLOSED && !tls->told) {
		tls->told = true;
		tell("handshake");
	}
	return err;
}

enum kw_err tls_link_send(struct tls_link *link, const void *octets, size_t length)
{
	size_t written = 0;

	ERR_clear_error();
	return SSL_write_ex(link->ssl, octets, length, &written) == 1 && written == length
		       ? KW_OK
		       : KW_E_CLOSED;
}

enum kw_err tls_link_receive(struct tls_link *link, void *octets, size_t max, size_t *got)
{
	int result;

	ERR_clear_error();
	result = SSL_read_ex(link->ssl, octets, max, got);
	return result == 1 ? KW_OK : outcome(link, result);
}
