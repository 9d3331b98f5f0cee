/** What the server keeps of each connection beside libmicrohttpd. Private to http/. */
#ifndef KW_HTTP_CONNECTION_H
#define KW_HTTP_CONNECTION_H

#include "http/connection_limits.h"
#include "http/request.h"
#include "http/tls.h"

/** What all connections of a server are given. */
struct http_connections {
	struct http_tls *tls; /* NULL: plain */
	bool ask_certificate;
	struct http_limits limits;
	gnutls_datum_t ticket_key; /* seals the sessions that clients may resume */
	void (*gone)(void *context, void *user);
	void *context;
};

/** @return KW_OK; KW_E_INVALID (certificate or key), KW_E_NO_MEMORY: logged */
KW_MUST_CHECK enum kw_err http_connections_open(
	struct http_connections *connections, const struct http_server_options *options);
/** After the last connection was closed. All zero is fine. */
void http_connections_close(struct http_connections *connections);
/** Connections from now on show this certificate. @return as http_server_tls_replace() */
KW_MUST_CHECK enum kw_err http_connections_tls_replace(
	struct http_connections *connections, const char *certificate, const char *key);

/** For MHD_OPTION_NOTIFY_CONNECTION, with the connections as `cls`. */
void http_connections_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code);
/** Its request goes on. */
void http_connection_move(struct http_connections *connections, struct MHD_Connection *connection,
	enum http_phase phase);
/** Whether there was memory for it; if not, no request must be let through. */
bool http_connection_usable(struct MHD_Connection *connection);

#endif
