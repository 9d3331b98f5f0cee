#include "tests/http/world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

int world_listener(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(0, bind(fd, (const struct sockaddr *)&address, length));
	assert_int_equal(0, listen(fd, 1024));
	assert_int_equal(0, getsockname(fd, (struct sockaddr *)&address, &length));
	*port = ntohs(address.sin_port);
	return fd;
}

void world_answer(struct http_request *request)
{
	size_t length;
	const char *body = http_request_body(request, &length);

	http_answer(request, 200, "application/json", body, length, NULL);
}

static void handler(void *context, struct http_request *request)
{
	struct world *world = context;

	world->handled++;
	if (world->look != NULL) {
		world->look(request);
	}
	if (!world->keep) {
		world_answer(request);
		return;
	}
	assert_true(world->kept_count < WORLD_KEPT_MAX);
	assert_null(http_request_user(request));
	http_request_set_user(request, world);
	world->kept[world->kept_count++] = request;
}

static void gone(void *context, struct http_request *request)
{
	struct world *world = context;

	assert_ptr_equal(world, http_request_user(request));
	for (size_t i = 0; i < world->kept_count; i++) {
		if (world->kept[i] == request) {
			world->kept[i] = world->kept[--world->kept_count];
			world->gone++;
			return;
		}
	}
	fail_msg("a request went away that was not kept");
}

static void connection_gone(void *context, void *user)
{
	struct world *world = context;

	assert_ptr_equal(world, user);
	world->connections_gone++;
}

static void open_world(struct world *world, const char *certificate, const char *key, bool ask,
	const struct world_limits *limits)
{
	int listener;
	struct http_server_options options = {
		.listeners = &listener,
		.listener_count = 1,
		.tls_certificate = certificate,
		.tls_key = key,
		.body_max = WORLD_BODY_MAX,
		.bodies_max = limits->bodies,
		.connections_max = limits->connections,
		.per_address_max = limits->per_address,
		.idle_timeout_s = limits->idle_s,
		.request_timeout_s = limits->request_s,
		.exempt = limits->exempt,
		.handler = handler,
		.gone = gone,
		.connection_gone = connection_gone,
		.tls_ask_certificate = ask,
		.context = world,
	};

	memset(world, 0, sizeof(*world));
	listener = world_listener(&world->port);
	assert_int_equal(KW_OK, http_server_open(&options, &world->server));
}

static const struct world_limits wide = {.connections = 1000, .idle_s = 10};

void world_open(struct world *world, const char *certificate, const char *key)
{
	open_world(world, certificate, key, false, &wide);
}

void world_open_limited(struct world *world, const struct world_limits *limits)
{
	open_world(world, NULL, NULL, false, limits);
}

void world_open_asking(struct world *world, const char *certificate, const char *key)
{
	open_world(world, certificate, key, true, &wide);
}

void world_close(struct world *world)
{
	http_server_close(world->server);
	world->server = NULL;
}

void world_answer_kept(struct world *world)
{
	for (size_t i = 0; i < world->kept_count; i++) {
		world_answer(world->kept[i]);
	}
	world->kept_count = 0;
}

void world_turn(struct world *world)
{
	struct pollfd polled = {.events = POLLIN};
	int fds[HTTP_FDS_MAX];
	int timeout = http_server_timeout_ms(world->server);

	assert_int_equal(1, http_server_fds(world->server, fds));
	polled.fd = fds[0];
	poll(&polled, 1, timeout < 0 || timeout > 20 ? 20 : timeout);
	http_server_run(world->server);
	for (unsigned i = 0; http_server_unsent(world->server) > 0; i++) {
		assert_true(i < 100);
		http_server_run(world->server);
	}
}
