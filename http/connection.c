#include "http/connection.h"

#include "base/log.h"
#include "base/secret.h"
#include "http/x509.h"

#include <assert.h>
#include <stdlib.h>

/*
 * The largest handshake message taken from a client, so the largest chain. It returns in each
 * session ticket, which cannot be larger than 64 KiB.
 */
#define HANDSHAKE_MESSAGE_MAX ((size_t)16 * 1024)

/* Of the RSA keys of clients: more than anybody has, and a millisecond to compute with. */
#define RSA_MODULUS_MAX  (8192 / 8)
#define RSA_EXPONENT_MAX (64 / 8)

struct connection {
	struct http_slot slot;
	struct http_tls *tls; /* the certificate it was shown */
	void *user;
};

enum kw_err http_connections_open(
	struct http_connections *connections, const struct http_server_options *options)
{
	enum kw_err err;

	connections->gone = options->connection_gone;
	connections->context = options->context;
	connections->ask_certificate = options->tls_ask_certificate;
	err = http_limits_open(&connections->limits, options);
	if (err != KW_OK || options->tls_certificate == NULL) {
		return err;
	}
	err = http_tls_open(options->tls_certificate, options->tls_key, &connections->tls);
	if (err == KW_OK && gnutls_session_ticket_key_generate(&connections->ticket_key) < 0) {
		kw_log(KW_LOG_ERROR, "http", "no key for session tickets could be made");
		err = KW_E_NO_MEMORY;
	}
	return err;
}

void http_connections_close(struct http_connections *connections)
{
	kw_wipe(connections->ticket_key.data, connections->ticket_key.size);
	gnutls_free(connections->ticket_key.data);
	connections->ticket_key = (gnutls_datum_t){0};
	http_tls_close(connections->tls);
	connections->tls = NULL;
	http_limits_close(&connections->limits);
}

enum kw_err http_connections_tls_replace(
	struct http_connections *connections, const char *certificate, const char *key)
{
	struct http_tls *tls;
	enum kw_err err;

	if (connections->tls == NULL) {
		kw_log(KW_LOG_ERROR, "http", "a server without TLS has no certificate to replace");
		return KW_E_INVALID;
	}
	err = http_tls_open(certificate, key, &tls);
	if (err == KW_OK) {
		http_tls_close(connections->tls);
		connections->tls = tls;
	}
	return err;
}

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info != NULL ? info->tls_session : NULL;
}

static struct connection *context_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

/* No request of a connection without a context is let through: http_connection_usable(). */
static struct connection *context_of_request(const struct http_request *request)
{
	struct connection *kept = context_of(request->connection);

	assert(kept != NULL);
	return kept;
}

static size_t octets_of(const gnutls_datum_t *number)
{
	size_t zeros = 0;

	while (zeros < number->size && number->data[zeros] == 0) {
		zeros++;
	}
	return number->size - zeros;
}

static bool rsa_is_cheap(gnutls_x509_crt_t crt)
{
	gnutls_datum_t modulus = {0}, exponent = {0};
	bool cheap = gnutls_x509_crt_get_pk_rsa_raw(crt, &modulus, &exponent) >= 0 &&
		     octets_of(&modulus) <= RSA_MODULUS_MAX &&
		     octets_of(&exponent) <= RSA_EXPONENT_MAX;

	gnutls_free(modulus.data);
	gnutls_free(exponent.data);
	return cheap;
}

static bool key_is_cheap(const gnutls_datum_t *certificate)
{
	gnutls_x509_crt_t crt;
	bool cheap = false;

	if (http_x509_read(certificate->data, certificate->size, &crt) != KW_OK) {
		return false;
	}
	switch (gnutls_x509_crt_get_pk_algorithm(crt, NULL)) {
	case GNUTLS_PK_RSA:
	case GNUTLS_PK_RSA_PSS:
		cheap = rsa_is_cheap(crt);
		break;
	case GNUTLS_PK_ECDSA:
	case GNUTLS_PK_EDDSA_ED25519:
	case GNUTLS_PK_EDDSA_ED448:
		cheap = true; /* named curves only */
		break;
	default:
		break;
	}
	gnutls_x509_crt_deinit(crt);
	return cheap;
}

/*
 * The client is about to prove that it has the key of its certificate, and GnuTLS computes with
 * whatever key that is: an RSA exponent as long as its modulus, in 16 KiB, takes minutes.
 */
static int before_proof(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
	const gnutls_datum_t *message)
{
	const gnutls_datum_t *shown;
	unsigned count = 0;

	(void)type;
	(void)when;
	(void)message;
	if (incoming == 0) {
		return 0; /* our own, in TLS 1.3 */
	}
	shown = gnutls_certificate_get_peers(session, &count);
	if (shown == NULL || count == 0 || !key_is_cheap(&shown[0])) {
		return GNUTLS_E_INSUFFICIENT_SECURITY;
	}
	return 0;
}

/* Without this the handshake fails: libmicrohttpd itself has no certificate to show. */
static void session_prepare(
	struct http_connections *connections, struct connection *kept, gnutls_session_t session)
{
	if (!http_tls_use(connections->tls, session)) {
		return;
	}
	kept->tls = http_tls_share(connections->tls);
	gnutls_handshake_set_max_packet_length(session, HANDSHAKE_MESSAGE_MAX);
	if (gnutls_session_ticket_enable_server(session, &connections->ticket_key) < 0) {
		kw_log(KW_LOG_DEBUG, "http", "a TLS session cannot be resumed");
	}
	if (connections->ask_certificate) {
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
		gnutls_certificate_send_x509_rdn_sequence(session, 1);
		gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY,
			GNUTLS_HOOK_PRE, before_proof);
	}
}

static const struct sockaddr *address_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info != NULL ? info->client_addr : NULL;
}

static int fd_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info != NULL ? info->connect_fd : -1;
}

static void started(struct http_connections *connections, struct MHD_Connection *connection,
	void **socket_context)
{
	struct connection *kept = calloc(1, sizeof(*kept));

	*socket_context = kept;
	if (kept != NULL) {
		http_limits_enter(&connections->limits, &kept->slot, fd_of(connection),
			address_of(connection));
	}
	if (kept != NULL && connections->tls != NULL) {
		session_prepare(connections, kept, session_of(connection));
	}
}

static void closed(struct http_connections *connections, void **socket_context)
{
	struct connection *kept = *socket_context;

	*socket_context = NULL;
	if (kept == NULL) {
		return;
	}
	if (kept->user != NULL && connections->gone != NULL) {
		connections->gone(connections->context, kept->user);
	}
	http_limits_leave(&connections->limits, &kept->slot);
	http_tls_close(kept->tls);
	free(kept);
}

void http_connections_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct http_connections *connections = cls;

	switch (code) {
	case MHD_CONNECTION_NOTIFY_STARTED:
		started(connections, connection, socket_context);
		break;
	case MHD_CONNECTION_NOTIFY_CLOSED:
		closed(connections, socket_context);
		break;
	}
}

void http_connection_move(struct http_connections *connections, struct MHD_Connection *connection,
	enum http_phase phase)
{
	struct connection *kept = context_of(connection);

	if (kept != NULL) {
		http_limits_move(&connections->limits, &kept->slot, phase);
	}
}

bool http_connection_usable(struct MHD_Connection *connection)
{
	return context_of(connection) != NULL;
}

void http_request_set_connection_user(struct http_request *request, void *user)
{
	context_of_request(request)->user = user;
}

void *http_request_connection_user(const struct http_request *request)
{
	return context_of_request(request)->user;
}

const struct sockaddr *http_request_address(const struct http_request *request)
{
	return address_of(request->connection);
}

size_t http_request_certificates(
	const struct http_request *request, struct http_octets *chain, size_t max)
{
	gnutls_session_t session = session_of(request->connection);
	const gnutls_datum_t *shown = NULL;
	unsigned count = 0;

	if (session != NULL &&
		gnutls_certificate_type_get2(session, GNUTLS_CTYPE_CLIENT) == GNUTLS_CRT_X509) {
		shown = gnutls_certificate_get_peers(session, &count);
	}
	if (shown == NULL) {
		return 0;
	}
	for (size_t i = 0; i < count && i < max; i++) {
		chain[i] = (struct http_octets){shown[i].data, shown[i].size};
	}
	return count < max ? count : max;
}
