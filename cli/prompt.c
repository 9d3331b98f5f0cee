#include "cli/prompt.h"

#include "base/secret.h"
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};
#define ENDING_COUNT (sizeof(ending) / sizeof(ending[0]))

static void interrupt(int number)
{
	(void)number; /* read() returns, which is all */
}

static ssize_t read_silently(const struct termios *silent, char *out, size_t size)
{
	const struct sigaction action = {.sa_handler = interrupt};
	struct sigaction before[ENDING_COUNT];
	ssize_t got = -1;

	for (size_t i = 0; i < ENDING_COUNT; i++) {
		sigaction(ending[i], &action, &before[i]);
	}
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, silent) == 0) {
		got = read(STDIN_FILENO, out, size);
	}
	for (size_t i = 0; i < ENDING_COUNT; i++) {
		const int reason = errno;

		sigaction(ending[i], &before[i], NULL);
		errno = reason;
	}
	return got;
}

int cli_prompt(const char *question, char *out, size_t size)
{
	struct termios before;
	struct termios silent;
	ssize_t got;
	int reason;

	memset(out, 0, size);
	if (tcgetattr(STDIN_FILENO, &before) != 0) {
		return cli_fail("standard input: %s", strerror(errno));
	}
	silent = before;
	silent.c_lflag &= (tcflag_t) ~(tcflag_t)ECHO;
	fprintf(stderr, "%s: ", question);
	got = read_silently(&silent, out, size - 1);
	reason = errno;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	if (got < 0) {
		kw_wipe(out, size);
		return cli_fail(
			"standard input: %s", reason == EINTR ? "interrupted" : strerror(reason));
	}
	out[got] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return CLI_DONE;
}
