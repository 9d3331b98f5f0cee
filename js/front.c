/*
 * keyward-front: HTTP and JSON towards network servers, in a process that has no key and no
 * database. One loop: read what came in, ask the vault about all of it together, answer.
 */
#include "backend-if/message.h"
#include "base/env.h"
#include "base/log.h"
#include "http/server.h"
#include "ipc/channel.h"
#include "js/front_batch.h"
#include "js/front_expiry.h"
#include "js/front_files.h"
#include "js/front_http.h"
#include "js/front_identity.h"
#include "js/front_pem.h"
#include "js/front_posts.h"
#include "js/process.h"
#include "js/proxies.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BODY_MAX   (32 * 1024)
#define BODIES_MAX (32 * 1024 * 1024)
#define REPORT_US  (1000 * 1000)

struct front {
	struct http_server *server;
	struct js_front_batch batch;
	struct js_front_http http;
	struct js_identities identities;
	struct js_front_posts posts;
	struct ipc_report report;
	struct ipc_report reported; /* what the vault was told last, without latencies */
	uint64_t report_due_us;
	struct js_front_files files;
	struct js_front_expiry expiry;
	struct js_proxies proxies;
	bool leaving;
	int signals;
	int reloads; /* readable: the files have changed */
	bool fixed;
};

__attribute__((noreturn)) static void give_up(const char *words, enum kw_err err)
{
	kw_log(KW_LOG_ERROR, "front", words, KW_STR("reason", kw_err_text(err)));
	exit(1);
}

/* As many as were asked for, or fewer where this process may not open so many descriptors: keywardd
 * has said so then. */
static unsigned connections_max(unsigned wanted)
{
	const rlim_t needed = (rlim_t)wanted + JS_FRONT_OTHER_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		return JS_FRONT_OTHER_FDS;
	}
	if (limit.rlim_cur < needed) {
		const struct rlimit more = {
			.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed,
			.rlim_max = limit.rlim_max,
		};

		limit = setrlimit(RLIMIT_NOFILE, &more) == 0 ? more : limit;
	}
	if (limit.rlim_cur >= needed) {
		return wanted;
	}
	return limit.rlim_cur > 2 * JS_FRONT_OTHER_FDS
		       ? (unsigned)limit.rlim_cur - JS_FRONT_OTHER_FDS
		       : (unsigned)limit.rlim_cur / 2;
}

/* Behind a declared proxy all clients have its address. */
static bool is_proxy(void *context, const struct sockaddr *address)
{
	const struct js_front_http *http = context;

	return js_proxies_contain(http->identities->proxies, address);
}

static void server_open(struct front *front, const struct js_options *options)
{
	int listeners[HTTP_FDS_MAX];
	struct http_server_options server = {
		.listeners = listeners,
		.listener_count = options->listeners,
		.body_max = BODY_MAX,
		.bodies_max = BODIES_MAX,
		.connections_max = connections_max(options->connections),
		.per_address_max = options->connections_per_address,
		.idle_timeout_s = options->idle_timeout_s,
		.request_timeout_s = options->request_timeout_s,
		.exempt = is_proxy,
		.tls_certificate = front->files.tls_certificate,
		.tls_key = front->files.tls_key,
		.tls_ask_certificate = true,
		.handler = js_front_http_handle,
		.gone = js_front_http_gone,
		.context = &front->http,
	};
	enum kw_err err;

	if (options->listeners == 0 || options->listeners > HTTP_FDS_MAX) {
		give_up("--listeners is not from 1 to 16", KW_E_INVALID);
	}
	for (size_t i = 0; i < options->listeners; i++) {
		listeners[i] = JS_FRONT_FD_LISTENERS + (int)i;
	}
	err = http_server_open(&server, &front->server);
	if (err != KW_OK) {
		give_up("cannot serve HTTP", err);
	}
}

static void seed(void)
{
	uint32_t value;
	enum kw_err err = kw_random(&kw_env_system, &value, sizeof(value));

	if (err != KW_OK) {
		give_up("no randomness", err);
	}
	bi_decode_seed(value);
}

/* The files, looked at; logged if they are not as they should be. */
static enum kw_err files_read(struct js_front_files *files)
{
	enum kw_err err = js_front_files_read(files);

	if (err != KW_OK) {
		kw_log(KW_LOG_ERROR, "front", "cannot read what keywardd hands over",
			KW_STR("reason", kw_err_text(err)));
		return err;
	}
	err = js_front_pem_check(files);
	if (err != KW_OK) {
		js_front_files_finish(files);
	}
	return err;
}

/* --check-files: can a front use them? */
static int check_files(const struct js_options *options)
{
	struct js_front_files files;
	enum kw_err err;

	js_process_enter(JS_ROLE_FRONT, options);
	err = files_read(&files);
	js_front_files_finish(&files);
	return err == KW_OK ? 0 : 1;
}

static struct js_front_posts_files posts_files(const struct js_front_files *files)
{
	return (struct js_front_posts_files){
		.ca = files->answer_ca,
		.certificate = files->answer_certificate,
		.key = files->answer_key,
	};
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* A client of its own keeps connections and what they were opened with: only where it must be new. */
static enum kw_err renew_posts(struct front *front, const struct js_front_files *fresh)
{
	const struct js_front_posts_files files = posts_files(fresh);

	if (same_text(fresh->answer_ca, front->files.answer_ca) &&
		same_text(fresh->answer_certificate, front->files.answer_certificate) &&
		same_text(fresh->answer_key, front->files.answer_key)) {
		return KW_OK;
	}
	return js_front_posts_renew(&front->posts, &files);
}

/* All or nothing but for the answers' files, which come first: nobody is shown the old ones wrongly
 * by new certificates of ours. */
static enum kw_err use_files(struct front *front, const struct js_front_files *fresh)
{
	struct http_trust *trust = NULL;
	enum kw_err err = KW_OK;

	if (fresh->client_ca != NULL) {
		err = http_trust_open(fresh->client_ca, &trust);
	}
	if (err == KW_OK) {
		err = renew_posts(front, fresh);
	}
	if (err == KW_OK && fresh->tls_certificate != NULL) {
		err = http_server_tls_replace(
			front->server, fresh->tls_certificate, fresh->tls_key);
	}
	if (err != KW_OK) {
		http_trust_close(trust);
		return err;
	}
	js_identities_trust(&front->identities, trust);
	return KW_OK;
}

/* Requests under way and open connections stay as they are; what is new is for new ones. */
static void reload(struct front *front)
{
	struct js_front_files fresh;
	enum kw_err err = files_read(&fresh);

	if (err == KW_OK) {
		err = use_files(front, &fresh);
	}
	if (err != KW_OK) {
		js_front_files_finish(&fresh);
		kw_log(KW_LOG_ERROR, "front", "the PEM files of before stay in use",
			KW_STR("reason", kw_err_text(err)));
		return;
	}
	js_front_files_finish(&front->files);
	front->files = fresh;
	front->expiry.due_us = 0;
	kw_log(KW_LOG_INFO, "front", "the PEM files were read again");
}

static void clients_open(struct front *front, const struct js_options *options)
{
	const struct js_front_posts_files files = posts_files(&front->files);
	struct http_trust *trust = NULL;
	enum kw_err err = js_identities_init(&front->identities, &front->proxies,
		options->proxy_header, front->files.tls_certificate != NULL);

	if (err == KW_OK && front->files.client_ca != NULL) {
		err = http_trust_open(front->files.client_ca, &trust);
	}
	if (err == KW_OK) {
		js_identities_trust(&front->identities, trust);
		err = js_front_posts_init(&front->posts, &files, &front->report);
	}
	if (err != KW_OK) {
		give_up("cannot use the files of tls_client_ca or answer_ca, answer_certificate, "
			"answer_key",
			err);
	}
}

static void front_open(struct front *front, const struct js_options *options)
{
	const struct js_front_teller teller = {&front->report, &front->posts};
	enum kw_err err;

	if (js_proxies_read(options->trusted_proxies, &front->proxies) != KW_OK) {
		give_up("--trusted-proxies is not a list of networks", KW_E_INVALID);
	}
	if (files_read(&front->files) != KW_OK) {
		exit(1);
	}
	front->fixed = options->fixed_answer;
	front->signals = js_process_signals();
	front->reloads = js_process_reloads();
	clients_open(front, options);
	err = js_front_batch_init(&front->batch, JS_FRONT_FD_CHANNEL, &teller);
	if (err == KW_OK) {
		err = js_front_http_init(&front->http, options->paths,
			front->fixed ? NULL : &front->batch, &front->identities, &front->report);
	}
	if (err != KW_OK) {
		give_up("cannot start", err);
	}
	server_open(front, options);
	seed();
}

static void front_close(struct front *front)
{
	http_server_close(front->server);
	js_front_http_finish(&front->http);
	js_front_batch_finish(&front->batch);
	js_front_posts_finish(&front->posts);
	js_identities_finish(&front->identities);
	js_front_files_finish(&front->files);
	close(front->signals);
	close(front->reloads);
}

static bool report_changed(const struct front *front)
{
	return front->report.requests != front->reported.requests ||
	       front->report.http_refused != front->reported.http_refused ||
	       front->report.connections != front->reported.connections ||
	       front->report.connections_refused != front->reported.connections_refused ||
	       front->report.connections_timed_out != front->reported.connections_timed_out ||
	       front->report.answers_posted != front->reported.answers_posted ||
	       front->report.answers_failed != front->reported.answers_failed ||
	       front->report.tls_expires_s != front->reported.tls_expires_s;
}

/* @return how long until the next one, ms; -1: nothing to report */
static int report(struct front *front)
{
	uint64_t now = kw_mono_us(&kw_env_system);
	const struct http_limits_count limits = http_server_limits_count(front->server);
	struct ipc_header header = {.kind = IPC_REPORT, .count = 1};

	if (front->fixed) {
		return -1;
	}
	front->report.connections = http_server_connections(front->server);
	front->report.connections_refused = limits.refused + limits.displaced;
	front->report.connections_timed_out = limits.timed_out;
	front->report.tls_expires_s = http_server_tls_expires_s(front->server);
	if (!front->batch.greeted && !report_changed(front)) {
		return -1;
	}
	if (now < front->report_due_us) {
		return (int)((front->report_due_us - now + 999) / 1000);
	}
	front->report_due_us = now + REPORT_US;
	/* If the vault is too busy to take it, the next one says all this too. */
	if (ipc_send(front->batch.channel, &header, &front->report, sizeof(front->report), NULL,
		    0) == KW_OK) {
		front->batch.greeted = false;
		front->reported = front->report;
		return -1;
	}
	return REPORT_US / 1000;
}

static int sooner_ms(int a, int b)
{
	if (a < 0 || b < 0) {
		return a < 0 ? b : a;
	}
	return a < b ? a : b;
}

static int leave_ms(const struct front *front)
{
	uint64_t now = kw_mono_us(&kw_env_system);
	uint64_t by = front->batch.leave_by_us;

	if (by == 0) {
		return -1;
	}
	return now < by ? (int)((by - now + 999) / 1000) : 0;
}

/* @return how long until the certificate is looked at again, ms; -1: there is none */
static int watch_expiry(struct front *front)
{
	uint64_t expires_s = http_server_tls_expires_s(front->server);

	if (expires_s == 0) {
		return -1;
	}
	return js_front_expiry_watch(&front->expiry, expires_s, kw_now_ms(&kw_env_system) / 1000,
		kw_mono_us(&kw_env_system));
}

static void take_signals(struct front *front, short end, short renew)
{
	if (renew != 0) {
		while (js_process_take(front->reloads)) {
		}
		reload(front);
	}
	if (end != 0) {
		kw_log(KW_LOG_NOTICE, "front", "asked to end");
		front->leaving = true;
		js_front_batch_leave(&front->batch);
		http_server_quiesce(front->server);
	}
}

/* Sleep until there is something to do. */
static void rest(struct front *front)
{
	struct pollfd fds[HTTP_FDS_MAX + 3 + JS_FRONT_POSTS_FDS];
	int http_fds[HTTP_FDS_MAX], post_fds[JS_FRONT_POSTS_FDS];
	size_t count = http_server_fds(front->server, http_fds);
	int timeout = sooner_ms(http_server_timeout_ms(front->server), report(front));

	timeout = sooner_ms(timeout, watch_expiry(front));
	timeout = sooner_ms(timeout, js_front_posts_timeout_ms(&front->posts));
	timeout = sooner_ms(timeout, js_front_batch_timeout_ms(&front->batch));
	for (size_t i = 0; i < count; i++) {
		fds[i] = (struct pollfd){.fd = http_fds[i], .events = POLLIN};
	}
	fds[count] =
		(struct pollfd){.fd = front->fixed ? -1 : front->batch.channel, .events = POLLIN};
	fds[count + 1] =
		(struct pollfd){.fd = front->leaving ? -1 : front->signals, .events = POLLIN};
	fds[count + 2] = (struct pollfd){.fd = front->reloads, .events = POLLIN};
	js_front_posts_fds(&front->posts, post_fds);
	for (size_t i = 0; i < JS_FRONT_POSTS_FDS; i++) {
		fds[count + 3 + i] = (struct pollfd){.fd = post_fds[i], .events = POLLIN};
	}
	if (poll(fds, count + 3 + JS_FRONT_POSTS_FDS, sooner_ms(timeout, leave_ms(front))) <= 0) {
		return;
	}
	if (fds[count].revents != 0 && !js_front_batch_listen(&front->batch)) {
		give_up("the channel to the vault is closed", KW_E_CLOSED);
	}
	take_signals(front, fds[count + 1].revents, fds[count + 2].revents);
}

static bool may_leave(const struct front *front)
{
	bool idle = http_server_active(front->server) == 0 &&
		    js_front_posts_pending(&front->posts) == 0;

	return front->leaving && (idle || leave_ms(front) == 0);
}

static void serve(struct front *front)
{
	while (!may_leave(front)) {
		rest(front);
		http_server_run(front->server);
		js_front_batch_run(&front->batch);
		js_front_posts_run(&front->posts);
		if (front->batch.closed) {
			give_up("the channel to the vault is closed", KW_E_CLOSED);
		}
	}
}

int main(int argc, char **argv)
{
	static struct front front;
	struct js_options options;

	js_options_read(argc, argv, &options);
	if (options.check_files) {
		return check_files(&options);
	}
	front_open(&front, &options);
	js_process_enter(JS_ROLE_FRONT, &options);
	front.batch.greeted = true; /* so that the vault knows of this front */
	js_process_ready(JS_ROLE_FRONT);
	serve(&front);
	front_close(&front);
	return 0;
}
