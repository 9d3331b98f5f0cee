#include "http/connection.h"

#include "base/env.h"
#include "base/log.h"
#include "base/secret.h"
#include "http/head.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A connection's memory: header of the request, a piece of its body, header of the answer. */
#define CONNECTION_MEMORY ((size_t)16 * 1024)

/*
 * libmicrohttpd 0.9.75 asks to be run at once, again and again, for a connection whose memory is
 * full in the middle of a chunk's header. After so many turns without anything done there is a
 * rest; what arrives ends it.
 */
#define FRUITLESS_MAX 200
#define FRUITLESS_MS  10

/*
 * It also asks to be run at once for as long as a request has no answer. Who has a request pending
 * knows when it is time; meanwhile others are looked after so often.
 */
#define PENDING_MS 5

struct http_server {
	struct MHD_Daemon *daemons[HTTP_FDS_MAX]; /* one per listener */
	int epoll_fds[HTTP_FDS_MAX];
	size_t daemon_count;
	struct http_server_options options;
	struct http_request_pool pool;
	struct http_connections connections;
	size_t unsent;      /* requests in state ANSWERED */
	size_t pending;     /* requests in state PENDING */
	unsigned fruitless; /* turns since a request went on */
	bool queued;        /* an answer was taken that this turn has not yet sent */
	bool quiesced;
	bool opened;
};

/* What libmicrohttpd says: at start it is why nothing works, later it is about clients. */
static void on_log(void *cls, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

static void on_log(void *cls, const char *format, va_list args)
{
	const struct http_server *server = cls;
	enum kw_log_level level = server->opened ? KW_LOG_DEBUG : KW_LOG_WARNING;
	char text[256];
	size_t length;

	if (!kw_log_enabled(level)) {
		return;
	}
	vsnprintf(text, sizeof(text), format, args);
	length = strlen(text);
	while (length > 0 && text[length - 1] == '\n') {
		text[--length] = '\0';
	}
	kw_log(level, "http", "libmicrohttpd", KW_STR("reason", text));
}

/* Wipe an answer when libmicrohttpd has done with it. */
struct answer_body {
	size_t length;
	char octets[];
};

static void answer_body_free(void *cls)
{
	struct answer_body *body = cls;

	kw_wipe(body->octets, body->length);
	free(body);
}

static struct MHD_Response *response_make(const char *content_type, const void *octets,
	size_t length, const struct http_header *headers)
{
	struct answer_body *body = malloc(sizeof(*body) + length);
	struct MHD_Response *response;
	bool complete = true;

	if (body == NULL) {
		return NULL;
	}
	body->length = length;
	if (length > 0) {
		memcpy(body->octets, octets, length);
	}
	response = MHD_create_response_from_buffer_with_free_callback_cls(
		length, body->octets, answer_body_free, body);
	if (response == NULL) {
		answer_body_free(body);
		return NULL;
	}
	if (content_type != NULL) {
		complete = MHD_add_response_header(
				   response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) == MHD_YES;
	}
	for (; complete && headers != NULL && headers->name != NULL; headers++) {
		complete =
			MHD_add_response_header(response, headers->name, headers->value) == MHD_YES;
	}
	if (!complete) {
		MHD_destroy_response(response);
		return NULL;
	}
	return response;
}

void http_answer(struct http_request *request, unsigned status, const char *content_type,
	const void *body, size_t length, const struct http_header *headers)
{
	assert(request->state == HTTP_REQUEST_PENDING);
	request->status = status;
	request->response = response_make(content_type, body, length, headers);
	request->state = HTTP_REQUEST_ANSWERED;
	request->server->pending--;
	request->server->unsent++;
}

/* Hand the answer to libmicrohttpd; MHD_NO closes the connection. */
static enum MHD_Result queue(struct http_request *request)
{
	struct http_server *server = request->server;
	enum MHD_Result result = MHD_NO;

	server->unsent--;
	server->queued = true;
	request->state = HTTP_REQUEST_QUEUED;
	http_connection_move(&server->connections, request->connection, HTTP_PHASE_ANSWER);
	if (request->response == NULL) {
		return MHD_NO;
	}
	if (!server->quiesced || MHD_add_response_header(request->response,
					 MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES) {
		result =
			MHD_queue_response(request->connection, request->status, request->response);
	}
	MHD_destroy_response(request->response);
	request->response = NULL;
	return result;
}

static enum MHD_Result refuse(struct http_request *request, unsigned status)
{
	request->state = HTTP_REQUEST_PENDING;
	request->server->pending++;
	http_answer(request, status, NULL, NULL, 0, NULL);
	return queue(request);
}

/* A body that is announced as too large is not asked for, and not read if it is huge. */
static bool refused_unread(const struct http_request *request, size_t body_max)
{
	const char *length = http_request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *expect = http_request_header(request, MHD_HTTP_HEADER_EXPECT);
	unsigned long long announced = length != NULL ? strtoull(length, NULL, 10) : 0;

	if (announced <= body_max) {
		return false;
	}
	return announced > HTTP_DROP_MAX ||
	       (expect != NULL && strcasecmp(expect, "100-continue") == 0);
}

/*
 * Two things that the library would refuse itself where it is told to be strict; but its answer to a
 * request without Host has its header twice (0.9.75), which no client can read. The address marks a
 * connection whose request line has a space too much.
 */
static char line_with_space;

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	(void)cls;
	(void)connection;
	return strchr(uri, ' ') != NULL ? &line_with_space : NULL;
}

static enum MHD_Result begin(struct http_server *server, struct MHD_Connection *connection,
	const char *path, const char *method, const char *version, void **con_cls)
{
	const bool line_good = *con_cls != &line_with_space;
	struct http_request *request = NULL;

	*con_cls = NULL;
	if (http_connection_usable(connection)) {
		request = http_request_take(&server->pool);
	}
	if (request == NULL) {
		return MHD_NO;
	}
	request->server = server;
	request->connection = connection;
	request->method = method;
	request->path = path;
	*con_cls = request;
	http_connection_move(&server->connections, connection, HTTP_PHASE_BODY);
	if (!line_good || !http_head_good(connection, method, version)) {
		return refuse(request, MHD_HTTP_BAD_REQUEST);
	}
	if (refused_unread(request, server->options.body_max)) {
		return refuse(request, MHD_HTTP_CONTENT_TOO_LARGE);
	}
	return MHD_YES;
}

static enum MHD_Result complete(struct http_request *request)
{
	struct http_server *server = request->server;

	if (request->dropped > 0) {
		return refuse(request, MHD_HTTP_CONTENT_TOO_LARGE);
	}
	if (request->body != NULL) {
		request->body[request->length] = '\0';
	}
	request->arrived_us = kw_mono_us(&kw_env_system);
	request->state = HTTP_REQUEST_PENDING;
	server->pending++;
	http_connection_move(&server->connections, request->connection, HTTP_PHASE_BUSY);
	server->options.handler(server->options.context, request);
	return request->state == HTTP_REQUEST_ANSWERED ? queue(request) : MHD_YES;
}

/*
 * Called when the header is there, for each piece of the body, when the body is complete, and
 * then in every turn until there is an answer.
 */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload_data, size_t *upload_data_size,
	void **con_cls)
{
	struct http_server *server = cls;
	struct http_request *request = *con_cls;

	server->fruitless = 0;
	if (*con_cls == NULL || *con_cls == &line_with_space) {
		return begin(server, connection, url, method, version, con_cls);
	}
	if (*upload_data_size > 0) {
		size_t length = *upload_data_size;

		*upload_data_size = 0;
		return http_request_collect(&server->pool, request, upload_data, length,
			       server->options.body_max) == KW_OK
			       ? MHD_YES
			       : MHD_NO;
	}
	switch (request->state) {
	case HTTP_REQUEST_RECEIVING:
		return complete(request);
	case HTTP_REQUEST_ANSWERED:
		return queue(request);
	case HTTP_REQUEST_PENDING:
	case HTTP_REQUEST_QUEUED:
		break;
	}
	return MHD_YES;
}

/* %00 stays as it is: decoded it would end the text, and what stands behind it be overlooked. */
static size_t on_unescape(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strstr(text, "%00") != NULL ? strlen(text) : MHD_http_unescape(text);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
	enum MHD_RequestTerminationCode code)
{
	struct http_server *server = cls;
	struct http_request *request = *con_cls;

	(void)code;
	if (*con_cls == NULL || *con_cls == &line_with_space) {
		return;
	}
	*con_cls = NULL;
	http_connection_move(&server->connections, connection, HTTP_PHASE_IDLE);
	if (request->state == HTTP_REQUEST_PENDING) {
		server->pending--;
		if (server->options.gone != NULL) {
			server->options.gone(server->options.context, request);
		}
	}
	if (request->state == HTTP_REQUEST_ANSWERED) {
		server->unsent--;
	}
	http_request_give(&server->pool, request);
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t length)
{
	struct http_server *server = cls;

	(void)length;
	return http_limits_admit(&server->connections.limits, address) ? MHD_YES : MHD_NO;
}

/* Each connection has a certificate of its own (http/connection.c); here is none. */
static int on_certificate(gnutls_session_t session, const gnutls_datum_t *issuers, int issuer_count,
	const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
	unsigned *chain_length, gnutls_privkey_t *key)
{
	(void)session;
	(void)issuers;
	(void)issuer_count;
	(void)algorithms;
	(void)algorithm_count;
	*chain = NULL;
	*chain_length = 0;
	*key = NULL;
	return -1;
}

static enum kw_err daemon_open(struct http_server *server, int listener)
{
	const struct http_server_options *options = &server->options;
	bool tls = server->connections.tls != NULL;
	/* The limit is kept in http/connection_limits.c: at its own the library leaves clients in the queue of
	   the kernel, where nobody answers them. */
	unsigned limit = options->connections_max + HTTP_CONNECTIONS_SPARE;
	struct MHD_OptionItem tls_items[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)on_certificate},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)HTTP_TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem no_items[] = {{MHD_OPTION_END, 0, NULL}};
	unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | (tls ? (unsigned)MHD_USE_TLS : 0);
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *daemon = MHD_start_daemon(flags, 0, on_accept, server, on_access, server,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, server, MHD_OPTION_LISTEN_SOCKET, listener,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
		http_connections_notify, &server->connections, MHD_OPTION_CONNECTION_LIMIT, limit,
		MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_URI_LOG_CALLBACK,
		on_uri, NULL, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL, MHD_OPTION_ARRAY,
		tls ? tls_items : no_items, MHD_OPTION_END);

	if (daemon == NULL) {
		return KW_E_SYSTEM;
	}
	server->daemons[server->daemon_count] = daemon;
	info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	server->epoll_fds[server->daemon_count++] = info != NULL ? info->epoll_fd : -1;
	return info != NULL ? KW_OK : KW_E_SYSTEM;
}

static void close_listeners(const int *listeners, size_t from, size_t count)
{
	for (size_t i = from; i < count; i++) {
		close(listeners[i]);
	}
}

static enum kw_err daemons_open(struct http_server *server)
{
	const struct http_server_options *options = &server->options;
	enum kw_err err = http_connections_open(&server->connections, options);

	for (size_t i = 0; i < options->listener_count && err == KW_OK; i++) {
		err = daemon_open(server, options->listeners[i]);
	}
	if (err != KW_OK) {
		close_listeners(options->listeners, server->daemon_count, options->listener_count);
	}
	return err;
}

enum kw_err http_server_open(const struct http_server_options *options, struct http_server **out)
{
	struct http_server *server = calloc(1, sizeof(*server));
	enum kw_err err;

	*out = NULL;
	assert(options->listener_count > 0 && options->listener_count <= HTTP_FDS_MAX);
	if (server == NULL) {
		close_listeners(options->listeners, 0, options->listener_count);
		return KW_E_NO_MEMORY;
	}
	server->options = *options;
	server->pool.grown_max = options->bodies_max;
	err = daemons_open(server);
	if (err != KW_OK) {
		http_server_close(server);
		return err;
	}
	/* Borrowed for opening only. */
	server->options.listeners = NULL;
	server->options.tls_certificate = NULL;
	server->options.tls_key = NULL;
	server->opened = true;
	*out = server;
	return KW_OK;
}

void http_server_quiesce(struct http_server *server)
{
	if (server->quiesced) {
		return;
	}
	server->quiesced = true;
	for (size_t i = 0; i < server->daemon_count; i++) {
		/*
		 * Closed here, never shut down: other processes serve the same listening socket, and
		 * MHD_stop_daemon() on a daemon that still has it would end it for them too.
		 */
		int listener = MHD_quiesce_daemon(server->daemons[i]);

		if (listener != MHD_INVALID_SOCKET) {
			close(listener);
		}
	}
}

void http_server_close(struct http_server *server)
{
	if (server == NULL) {
		return;
	}
	http_server_quiesce(server);
	for (size_t i = 0; i < server->daemon_count; i++) {
		MHD_stop_daemon(server->daemons[i]);
	}
	http_request_pool_finish(&server->pool);
	http_connections_close(&server->connections);
	free(server);
}

size_t http_server_fds(const struct http_server *server, int fds[HTTP_FDS_MAX])
{
	memcpy(fds, server->epoll_fds, server->daemon_count * sizeof(fds[0]));
	return server->daemon_count;
}

/* -1 is never. */
static int sooner(int a, int b)
{
	if (a < 0 || b < 0) {
		return a < 0 ? b : a;
	}
	return a < b ? a : b;
}

int http_server_timeout_ms(const struct http_server *server)
{
	int least = -1;

	if (server->unsent > 0) {
		return 0;
	}
	for (size_t i = 0; i < server->daemon_count; i++) {
		MHD_UNSIGNED_LONG_LONG timeout;

		if (MHD_get_timeout(server->daemons[i], &timeout) != MHD_YES) {
			continue;
		}
		if (timeout > 3600000) {
			timeout = 3600000;
		}
		least = sooner(least, (int)timeout);
	}
	least = sooner(least, http_limits_timeout_ms(&server->connections.limits));
	if (least == 0 && server->pending > 0) {
		return PENDING_MS;
	}
	return least == 0 && server->fruitless == FRUITLESS_MAX ? FRUITLESS_MS : least;
}

void http_server_run(struct http_server *server)
{
	server->fruitless += server->fruitless < FRUITLESS_MAX;
	http_limits_turn(&server->connections.limits);
	for (size_t i = 0; i < server->daemon_count; i++) {
		server->queued = false;
		MHD_run(server->daemons[i]);
		/* An answer taken in one run is written in the next: do not let it wait for the
		   caller's next batch. */
		if (server->queued) {
			MHD_run(server->daemons[i]);
		}
	}
}

size_t http_server_unsent(const struct http_server *server)
{
	return server->unsent;
}

size_t http_server_active(const struct http_server *server)
{
	return server->pool.used;
}

size_t http_server_connections(const struct http_server *server)
{
	size_t count = 0;

	for (size_t i = 0; i < server->daemon_count; i++) {
		const union MHD_DaemonInfo *info = MHD_get_daemon_info(
			server->daemons[i], MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

		count += info != NULL ? info->num_connections : 0;
	}
	return count;
}

struct http_limits_count http_server_limits_count(const struct http_server *server)
{
	return server->connections.limits.count;
}

enum kw_err http_server_tls_replace(
	struct http_server *server, const char *certificate, const char *key)
{
	return http_connections_tls_replace(&server->connections, certificate, key);
}

enum kw_err http_server_tls_check(const char *certificate, const char *key)
{
	struct http_tls *tls;
	enum kw_err err = http_tls_open(certificate, key, &tls);

	if (err == KW_OK) {
		http_tls_close(tls);
	}
	return err;
}

uint64_t http_server_tls_expires_s(const struct http_server *server)
{
	const struct http_tls *tls = server->connections.tls;

	return tls != NULL ? http_tls_expires_s(tls) : 0;
}
