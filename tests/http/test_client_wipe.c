/*
 * What a post leaves in memory. The server is another process, and the body is never written down
 * here but for the post: what is found was left by the client or libcurl.
 */
#include "tests/http/peer.h"
#include "tests/http/poster.h"

#include "base/secret.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BODY_SIZE    600
#define MAPPING_MAX  ((size_t)256 << 20) /* ASan's shadow is larger, and mostly holes */
#define DEADLINE_MS  600000
#define CHUNK        65536
#define MASK         0x5a
#define PATTERN_SIZE 24

/* Masked, or the search would find this. */
static unsigned char masked[PATTERN_SIZE];
static unsigned char chunk[CHUNK];

static void write_body(unsigned char body[BODY_SIZE])
{
	for (size_t i = 0; i < BODY_SIZE; i++) {
		body[i] = (unsigned char)(masked[i % PATTERN_SIZE] ^ MASK);
	}
}

static bool starts_here(const unsigned char *at)
{
	for (size_t i = 0; i < PATTERN_SIZE; i++) {
		if ((at[i] ^ MASK) != masked[i]) {
			return false;
		}
	}
	return true;
}

static size_t count_in_chunk(size_t length)
{
	const unsigned char *at = chunk, *end = chunk + length;
	size_t found = 0;

	while ((at = memchr(at, masked[0] ^ MASK, (size_t)(end - at))) != NULL) {
		found += end - at >= PATTERN_SIZE && starts_here(at);
		at++;
	}
	return found;
}

static size_t count_in_mapping(int memory, size_t from, size_t to)
{
	size_t found = 0;

	for (size_t at = from; at < to; at += CHUNK - PATTERN_SIZE) {
		size_t size = to - at < CHUNK ? to - at : CHUNK;
		ssize_t got = pread(memory, chunk, size, (off_t)at);

		found += got > 0 ? count_in_chunk((size_t)got) : 0;
		kw_wipe(chunk, sizeof(chunk));
	}
	return found;
}

/* How often the body is in the memory of this process. */
static size_t count_in_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	size_t own_from = (size_t)(uintptr_t)chunk, found = 0, from, to;
	char line[512], rights[8];

	assert_non_null(maps);
	assert_true(memory >= 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%zx-%zx %7s", &from, &to, rights) == 3 && rights[1] == 'w' &&
			to - from <= MAPPING_MAX) {
			/* not what is being read into */
			if (own_from >= from && own_from < to) {
				found += count_in_mapping(memory, from, own_from);
				from = own_from + CHUNK;
			}
			found += count_in_mapping(memory, from, to);
		}
	}
	fclose(maps);
	close(memory);
	return found;
}

/* A server in a process of its own; its port comes back through a pipe. */
static pid_t start_server(int answer, uint16_t *port)
{
	static struct peer peer;
	int pipes[2];
	pid_t pid;

	assert_int_equal(0, pipe2(pipes, O_CLOEXEC));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		peer.answers[0] = answer;
		peer_open(&peer);
		if (write(pipes[1], &peer.port, sizeof(peer.port)) != sizeof(peer.port)) {
			_exit(1);
		}
		pause();
		_exit(0);
	}
	assert_int_equal(sizeof(*port), read(pipes[0], port, sizeof(*port)));
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static void post_body(struct poster *poster, uint16_t port, uint64_t tag)
{
	unsigned char body[BODY_SIZE];
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	write_body(body);
	assert_int_equal(KW_OK, http_client_post(poster->client, url, body, sizeof(body), tag));
	kw_wipe(body, sizeof(body));
}

static void nothing_is_left(int answer, uint64_t pass_us)
{
	struct http_client_options options = poster_options();
	static struct poster poster;
	uint16_t port;
	pid_t server = start_server(answer, &port);

	options.deadline_ms = DEADLINE_MS; /* searching takes its time */
	poster_open(&poster, &options);
	assert_int_equal(0, count_in_memory());
	for (uint64_t tag = 0; tag < 10; tag++) {
		post_body(&poster, port, tag);
	}
	assert_true(count_in_memory() > 0); /* the search does find it */
	poster_settle(&poster);
	poster.ahead_us = pass_us;
	poster_await(&poster, 10);
	assert_int_equal(answer == 200 ? 10 : 0, poster.good);
	assert_int_equal(0, count_in_memory());
	for (uint64_t tag = 10; tag < 20; tag++) {
		post_body(&poster, port, tag);
	}
	poster_turn(&poster);
	poster_close(&poster);
	assert_int_equal(0, count_in_memory());
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static void nothing_is_left_of_answered_posts(void **state)
{
	(void)state;
	nothing_is_left(200, 0);
}

static void nothing_is_left_of_failed_posts(void **state)
{
	(void)state;
	nothing_is_left(PEER_HANG, DEADLINE_MS * 1000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_of_answered_posts),
		cmocka_unit_test(nothing_is_left_of_failed_posts),
	};

	(void)argc;
	/* A function bound at its first call leaves vector registers, with some of a body that was
	 * being copied, on the stack. That is the linker's doing, and not looked for here. */
	if (getenv("LD_BIND_NOW") == NULL) {
		setenv("LD_BIND_NOW", "1", 1);
		execv("/proc/self/exe", argv);
		return 1;
	}
	if (kw_random(&kw_env_system, masked, sizeof(masked)) != KW_OK) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
