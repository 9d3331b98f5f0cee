#include "tests/fuzz/http_feed.h"

#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_MAX 1000
#define GONE_MS   10000

static int listener_open(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET};
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fuzz_require(fd >= 0 && bind(fd, (const struct sockaddr *)address, length) == 0);
	fuzz_require(listen(fd, 16) == 0);
	fuzz_require(getsockname(fd, (struct sockaddr *)address, &length) == 0);
	return fd;
}

void feed_open(struct feed *feed, struct http_server_options *options)
{
	const int listener = listener_open(&feed->address);

	options->listeners = &listener;
	options->listener_count = 1;
	options->connections_max = 4;
	fuzz_require(http_server_open(options, &feed->server) == KW_OK);
	options->listeners = NULL;
}

static int feed_connect(const struct feed *feed)
{
	const struct linger at_once = {.l_onoff = 1};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fuzz_require(fd >= 0);
	fuzz_require(
		connect(fd, (const struct sockaddr *)&feed->address, sizeof(feed->address)) == 0);
	/* No port stays behind in TIME_WAIT: there are many inputs. */
	fuzz_require(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	return fd;
}

static bool readable(const struct feed *feed, int timeout_ms)
{
	int fds[HTTP_FDS_MAX];
	struct pollfd polled = {.events = POLLIN};

	fuzz_require(http_server_fds(feed->server, fds) == 1);
	polled.fd = fds[0];
	return poll(&polled, 1, timeout_ms) > 0;
}

static void turn(struct feed *feed)
{
	http_server_run(feed->server);
	if (feed->turn != NULL) {
		feed->turn(feed->context);
	}
	for (unsigned i = 0; http_server_unsent(feed->server) > 0; i++) {
		fuzz_require(i < TURNS_MAX);
		http_server_run(feed->server);
	}
}

/* @return whether anything came, or an end */
static bool receive(struct feed *feed, int fd)
{
	const size_t room = FEED_ANSWER_MAX - feed->length;
	const ssize_t got = recv(fd, feed->answer + feed->length, room, MSG_DONTWAIT);

	fuzz_require(room > 0);
	if (got > 0) {
		feed->length += (size_t)got;
	}
	return got > 0;
}

/* Until there is nothing left to do for anybody. */
static void settle(struct feed *feed, int fd)
{
	bool busy = true;

	for (unsigned i = 0; busy && i < TURNS_MAX; i++) {
		turn(feed);
		busy = receive(feed, fd) || readable(feed, 0);
	}
	while (receive(feed, fd)) {
	}
}

static void await_gone(struct feed *feed)
{
	for (int waited_ms = 0; http_server_connections(feed->server) > 0; waited_ms++) {
		fuzz_require(waited_ms < GONE_MS);
		(void)readable(feed, 1);
		turn(feed);
	}
	fuzz_require(http_server_active(feed->server) == 0);
	fuzz_require(http_server_unsent(feed->server) == 0);
}

static void check_answers(const struct feed *feed)
{
	struct feed_answer answer;
	size_t at = 0;

	while (feed_next(feed, &at, &answer)) {
		fuzz_require(answer.status >= 100 && answer.status < 600);
	}
}

void feed_send(struct feed *feed, const uint8_t *octets, size_t length, size_t piece)
{
	const int fd = feed_connect(feed);

	feed->length = 0;
	settle(feed, fd);
	for (size_t at = 0; at < length;) {
		size_t wanted = piece > 0 && piece < length - at ? piece : length - at;
		ssize_t sent = send(fd, octets + at, wanted, MSG_NOSIGNAL | MSG_DONTWAIT);
		const bool closed = sent < 0 && errno != EAGAIN; /* by the server */

		settle(feed, fd);
		if (closed) {
			break;
		}
		at += sent > 0 ? (size_t)sent : 0;
	}
	(void)shutdown(fd, SHUT_WR);
	settle(feed, fd);
	close(fd);
	await_gone(feed);
	feed->answer[feed->length] = '\0';
	/* A HEAD is answered as if it had a body, so what follows cannot be told apart. */
	if (length > 0 && memmem(octets, length, "HEAD", 4) != NULL) {
		feed->length = 0;
	}
	check_answers(feed);
}

const char *feed_header(const struct feed_answer *answer, const char *name, size_t *length)
{
	const char *at = answer->header, *end = answer->header + answer->header_length;

	*length = 0;
	while ((at = memmem(at, (size_t)(end - at), "\r\n", 2)) != NULL) {
		const size_t named = strlen(name);

		at += 2;
		if ((size_t)(end - at) > named && strncasecmp(at, name, named) == 0 &&
			at[named] == ':') {
			at += named + 1 + strspn(at + named + 1, " ");
			*length = strcspn(at, "\r");
			return at;
		}
	}
	return NULL;
}

/* Where the library refuses a header itself, before anything of ours is called, it sends its own
 * answer's header twice and closes (libmicrohttpd 0.9.75). */
static size_t repeated(const char *text, size_t left, size_t header_length)
{
	return left >= 2 * header_length && memcmp(text, text + header_length, header_length) == 0
		       ? header_length
		       : 0;
}

bool feed_next(const struct feed *feed, size_t *at, struct feed_answer *out)
{
	const char *text = feed->answer + *at;
	const size_t left = feed->length - *at;
	const char *end = memmem(text, left, "\r\n\r\n", 4);
	const char *said;
	size_t length;

	memset(out, 0, sizeof(*out));
	if (left == 0) {
		return false;
	}
	fuzz_require(left > 12 && end != NULL && strncmp(text, "HTTP/1.", 7) == 0);
	end += repeated(text, left, (size_t)(end - text) + 4);
	out->status = (unsigned)strtoul(text + 9, NULL, 10);
	out->header = text;
	out->header_length = (size_t)(end - text) + 2;
	out->body = end + 4;
	said = feed_header(out, "Content-Length", &length);
	out->body_length = said != NULL ? strtoul(said, NULL, 10) : 0;
	*at += out->header_length + 2 + out->body_length;
	if (*at > feed->length) { /* cut off */
		*at = feed->length;
		out->body_length = (size_t)(feed->answer + feed->length - out->body);
	}
	return true;
}
