#include "tests/js/real_vault.h"

#include "ipc/channel.h"
#include "js/descriptors.h"
#include "js/process.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FDS_OTHER 3 /* ready, store, master */

__attribute__((noreturn)) static void become_vault(
	const char *program, const char *log, int fds[FDS_OTHER + REAL_VAULT_CHANNELS])
{
	static const char *const arguments[] = {
		"keyward-vault", "--fronts", "2", "--map-size", "67108864", NULL};

	if (log != NULL) {
		dup2(open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), STDERR_FILENO);
	}
	if (js_descriptors_place(fds, FDS_OTHER + REAL_VAULT_CHANNELS, JS_FD_READY) == KW_OK) {
		execv(program, (char *const *)(uintptr_t)arguments);
	}
	_exit(126);
}

void real_vault_start(struct real_vault *vault, const char *program, const char *store,
	const char *master, const char *log)
{
	int fds[FDS_OTHER + REAL_VAULT_CHANNELS] = {
		[1] = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		[2] = open(master, O_RDONLY | O_CLOEXEC)};
	int ready[2];
	char octet;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ready), 0);
	assert_int_equal(fcntl(ready[1], F_SETFL, O_NONBLOCK), 0);
	fds[0] = ready[1];
	for (size_t i = 0; i < REAL_VAULT_CHANNELS; i++) {
		int pair[2];

		assert_int_equal(ipc_channel_pair(pair), KW_OK);
		fds[FDS_OTHER + i] = pair[0];
		vault->channels[i] = pair[1];
	}
	vault->pid = fork();
	assert_true(vault->pid >= 0);
	if (vault->pid == 0) {
		become_vault(program, log, fds);
	}
	for (size_t i = 0; i < FDS_OTHER + REAL_VAULT_CHANNELS; i++) {
		close(fds[i]);
	}
	assert_int_equal(read(ready[0], &octet, 1), 1);
	vault->ready = ready[0];
}

int real_vault_end(struct real_vault *vault)
{
	int status;

	for (size_t i = 0; i < REAL_VAULT_CHANNELS; i++) {
		if (vault->channels[i] >= 0) {
			close(vault->channels[i]);
		}
		vault->channels[i] = -1;
	}
	close(vault->ready);
	assert_int_equal(waitpid(vault->pid, &status, 0), vault->pid);
	return status;
}

struct ipc_backend_ans real_vault_ask(const struct real_vault *vault, size_t channel,
	const struct ipc_backend_req *request, uint64_t buffer[IPC_MESSAGE_MAX / sizeof(uint64_t)])
{
	const struct ipc_header *header = (const void *)buffer;
	struct ipc_header question = {.kind = IPC_BACKEND, .count = 1, .number = request->number};
	struct pollfd wait = {.fd = vault->channels[channel], .events = POLLIN};
	struct ipc_backend_ans answer;
	size_t length;

	assert_int_equal(ipc_send(wait.fd, &question, request, sizeof(*request), NULL, 0), KW_OK);
	do {
		assert_int_equal(poll(&wait, 1, REAL_VAULT_TIMEOUT_MS), 1);
		assert_int_equal(ipc_receive(wait.fd, buffer, false, &length), KW_OK);
		memcpy(&answer, ipc_body(buffer), sizeof(answer));
	} while (header->kind != IPC_BACKEND || answer.number != request->number);
	return answer;
}
