/*
 * keyward-portal: the admin API on a Unix socket. It has no keystore and sees no root key; every
 * answer comes from the vault. One request at a time: while the vault works on it, others wait.
 */
#include "base/log.h"
#include "base/secret.h"
#include "http/server.h"
#include "ipc/channel.h"
#include "js/board.h"
#include "js/process.h"
#include "portal/serve.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ASK_TIMEOUT_MS  5000
#define CONNECTIONS_MAX 64
#define IDLE_TIMEOUT_S  30
#define LEAVE_US        (1000 * 1000)

static_assert(JS_BOARD_SLOTS <= PO_PROCESSES_MAX, "every process can be listed");

struct portal {
	const volatile struct js_board *board; /* keywardd writes at any time */
	struct po_api *api;
	struct http_server *server;
	int signals;
	bool leaving;
	uint64_t message[IPC_MESSAGE_MAX / sizeof(uint64_t)];
};

/* May be asked twice without harm. */
static bool only_reads(enum ipc_kind kind)
{
	return kind == IPC_STATUS || kind == IPC_INTAKE || kind == IPC_DEVICE_GET ||
	       kind == IPC_DEVICE_LIST || kind == IPC_PEER_GET || kind == IPC_PEER_LIST ||
	       kind == IPC_EVENTS;
}

static enum kw_err ask_vault(void *context, enum ipc_kind kind, const void *body,
	size_t body_length, const void *tail, size_t tail_length, void *answer)
{
	enum kw_err err = ipc_ask(JS_PORTAL_FD_CHANNEL, kind, body, body_length, tail, tail_length,
		ASK_TIMEOUT_MS, answer);

	(void)context;
	if (err == KW_E_CLOSED && only_reads(kind)) {
		/* The vault has just started: at first, or again. */
		err = ipc_ask(JS_PORTAL_FD_CHANNEL, kind, body, body_length, tail, tail_length,
			ASK_TIMEOUT_MS, answer);
	}
	if (err != KW_OK) {
		kw_log(KW_LOG_WARNING, "portal", "no answer from the vault",
			KW_STR("kind", ipc_kind_text(kind)), KW_STR("reason", kw_err_text(err)));
	}
	return err;
}

static size_t processes(void *context, struct po_process *out, size_t max)
{
	const struct portal *portal = context;
	size_t count = 0;

	while (count < max && count < JS_BOARD_SLOTS &&
		portal->board->slots[count].name[0] != '\0') {
		const volatile struct js_board_slot *slot = &portal->board->slots[count];

		for (size_t i = 0; i < sizeof(out->name); i++) {
			out[count].name[i] = slot->name[i];
		}
		out[count].pid = slot->pid;
		out[count].restarts = slot->restarts;
		out[count].started_ms = slot->started_ms;
		count++;
	}
	return count;
}

__attribute__((noreturn)) static void give_up(const char *words, enum kw_err err)
{
	kw_log(KW_LOG_ERROR, "portal", words, KW_STR("reason", kw_err_text(err)));
	exit(1);
}

static void board_map(struct portal *portal)
{
	void *board =
		mmap(NULL, sizeof(struct js_board), PROT_READ, MAP_SHARED, JS_PORTAL_FD_BOARD, 0);

	if (board == MAP_FAILED) {
		kw_log(KW_LOG_ERROR, "portal", "cannot map the board of keywardd", KW_ERRNO());
		exit(1);
	}
	close(JS_PORTAL_FD_BOARD);
	portal->board = board;
}

static void api_open(struct portal *portal)
{
	const struct po_api_options options = {
		.ask = ask_vault,
		.processes = processes,
		.processes_context = portal,
		.env = &kw_env_system,
	};
	enum kw_err err = po_api_create(&options, &portal->api);

	if (err != KW_OK) {
		give_up("cannot start the admin API", err);
	}
}

static void server_open(struct portal *portal, unsigned listeners)
{
	int fds[HTTP_FDS_MAX];
	const struct http_server_options options = {
		.listeners = fds,
		.listener_count = listeners,
		.body_max = PO_BODY_MAX,
		.connections_max = CONNECTIONS_MAX,
		.idle_timeout_s = IDLE_TIMEOUT_S,
		.handler = po_serve,
		.context = portal->api,
	};
	enum kw_err err;

	if (listeners == 0 || listeners > HTTP_FDS_MAX) {
		give_up("wrong number of listeners", KW_E_INVALID);
	}
	for (unsigned i = 0; i < listeners; i++) {
		fds[i] = JS_PORTAL_FD_LISTENERS + (int)i;
	}
	err = http_server_open(&options, &portal->server);
	if (err != KW_OK) {
		give_up("cannot serve the admin socket", err);
	}
}

/* Between questions only greetings and late answers come; nobody waits for them. */
static void channel_drop(struct portal *portal)
{
	size_t length;
	enum kw_err err;

	do {
		err = ipc_receive(JS_PORTAL_FD_CHANNEL, portal->message, false, &length);
	} while (err == KW_OK || err == KW_E_INVALID || err == KW_E_TRUNCATED);
	if (err != KW_E_BUSY) {
		give_up("the channel to the vault is gone", err);
	}
}

static void signal_take(struct portal *portal)
{
	struct signalfd_siginfo info;

	if (read(portal->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		http_server_quiesce(portal->server);
		portal->leaving = true;
	}
}

/* The first two are ours, the others the server's. */
static size_t poll_fill(const struct portal *portal, struct pollfd fds[HTTP_FDS_MAX + 2])
{
	int served[HTTP_FDS_MAX];
	size_t count = http_server_fds(portal->server, served);

	fds[0] = (struct pollfd){.fd = portal->signals, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = JS_PORTAL_FD_CHANNEL, .events = POLLIN};
	for (size_t i = 0; i < count; i++) {
		fds[2 + i] = (struct pollfd){.fd = served[i], .events = POLLIN};
	}
	return 2 + count;
}

static void turn(struct portal *portal, int timeout_max_ms)
{
	struct pollfd fds[HTTP_FDS_MAX + 2];
	size_t count = poll_fill(portal, fds);
	int timeout_ms = http_server_timeout_ms(portal->server);

	if (timeout_ms < 0 || (timeout_max_ms >= 0 && timeout_ms > timeout_max_ms)) {
		timeout_ms = timeout_max_ms;
	}
	if (http_server_unsent(portal->server) > 0) {
		timeout_ms = 0;
	}
	if (poll(fds, count, timeout_ms) < 0 && errno != EINTR) {
		give_up("cannot wait for requests", KW_E_SYSTEM);
	}
	if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		channel_drop(portal);
	}
	http_server_run(portal->server);
	if ((fds[0].revents & POLLIN) != 0) {
		signal_take(portal);
	}
}

static void serve(struct portal *portal)
{
	uint64_t end_us;

	while (!portal->leaving) {
		turn(portal, -1);
	}
	end_us = kw_mono_us(&kw_env_system) + LEAVE_US;
	while (http_server_unsent(portal->server) > 0 && kw_mono_us(&kw_env_system) < end_us) {
		turn(portal, 10);
	}
}

int main(int argc, char **argv)
{
	static struct portal portal;
	struct js_options options;

	js_options_read(argc, argv, &options);
	portal.signals = js_process_signals();
	board_map(&portal);
	api_open(&portal);
	server_open(&portal, options.listeners);
	js_process_enter(JS_ROLE_PORTAL, &options);
	js_process_ready(JS_ROLE_PORTAL);
	kw_log(KW_LOG_NOTICE, "portal", "started", KW_NUM("listeners", options.listeners));
	serve(&portal);
	http_server_close(portal.server);
	po_api_destroy(portal.api);
	kw_log(KW_LOG_NOTICE, "portal", "stopped");
	return 0;
}
