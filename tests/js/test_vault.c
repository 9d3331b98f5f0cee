/* keyward-vault as a process, with other processes on its channels that do what they should not. */
#include "ipc/channel.h"
#include "js/descriptors.h"
#include "js/process.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PORTAL     0
#define FRONT_1    1
#define FRONT_2    2
#define CHANNELS   3
#define TIMEOUT_MS 20000

static const char *program;

struct fixture {
	char folder[64];
	char store[80];
	char master[80];
	pid_t vault;
	int channels[CHANNELS]; /* our ends; -1: closed */
	uint64_t message[IPC_MESSAGE_MAX / sizeof(uint64_t)];
};

__attribute__((noreturn)) static void run(const char *const *arguments)
{
	execv(program, (char *const *)(uintptr_t)arguments);
	_exit(127);
}

/* @return its exit status */
static int init_store(const struct fixture *f, const char *store, const char *owner)
{
	char key[96];
	const char *const arguments[] = {program, "--init", "--store", store, "--master-key", key,
		"--map-size", "67108864", owner != NULL ? "--owner" : NULL, owner, NULL};
	int status;
	pid_t pid;

	snprintf(key, sizeof(key), "file:%s", f->master);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		run(arguments);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void start_vault(struct fixture *f)
{
	static const char *const arguments[] = {
		"keyward-vault", "--fronts", "2", "--map-size", "67108864", NULL};
	int fds[3 + CHANNELS] = {[1] = open(f->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		[2] = open(f->master, O_RDONLY | O_CLOEXEC)};
	int ready[2];
	char octet;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	fds[0] = ready[1];
	for (size_t i = 0; i < CHANNELS; i++) {
		int pair[2];

		assert_int_equal(ipc_channel_pair(pair), KW_OK);
		fds[3 + i] = pair[0];
		f->channels[i] = pair[1];
	}
	f->vault = fork();
	assert_true(f->vault >= 0);
	if (f->vault == 0) {
		if (js_descriptors_place(fds, 3 + CHANNELS, JS_FD_READY) == KW_OK) {
			run(arguments);
		}
		_exit(126);
	}
	for (size_t i = 0; i < 3 + CHANNELS; i++) {
		close(fds[i]);
	}
	assert_int_equal(read(ready[0], &octet, 1), 1);
	close(ready[0]);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->folder, "/tmp/keyward-vault-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->store, sizeof(f->store), "%s/store", f->folder);
	snprintf(f->master, sizeof(f->master), "%s/master.key", f->folder);
	assert_int_equal(init_store(f, f->store, NULL), 0);
	start_vault(f);
	*state = f;
	return 0;
}

static void end_channels(struct fixture *f)
{
	for (size_t i = 0; i < CHANNELS; i++) {
		if (f->channels[i] >= 0) {
			close(f->channels[i]);
		}
		f->channels[i] = -1;
	}
}

/* Without anybody at the other ends the vault ends by itself. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];
	int status;

	end_channels(f);
	assert_int_equal(waitpid(f->vault, &status, 0), f->vault);
	assert_int_equal(status, 0);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void portal_is_served(struct fixture *f)
{
	const struct ipc_header *header = (const void *)f->message;

	assert_int_equal(
		ipc_ask(f->channels[PORTAL], IPC_STATUS, NULL, 0, NULL, 0, TIMEOUT_MS, f->message),
		KW_OK);
	assert_int_equal(header->err, KW_OK);
}

static void front_is_served(struct fixture *f, size_t channel)
{
	const struct ipc_header *header = (const void *)f->message;
	struct ipc_header question = {.kind = IPC_BACKEND, .count = 1};
	const struct ipc_backend_req request = {.number = 77};
	struct pollfd wait = {.fd = f->channels[channel], .events = POLLIN};
	struct ipc_backend_ans answer;
	size_t length;

	assert_int_equal(ipc_send(wait.fd, &question, &request, sizeof(request), NULL, 0), KW_OK);
	do {
		assert_int_equal(poll(&wait, 1, TIMEOUT_MS), 1);
		assert_int_equal(ipc_receive(wait.fd, f->message, false, &length), KW_OK);
	} while (header->kind == IPC_HELLO);
	assert_int_equal(header->kind, IPC_BACKEND);
	memcpy(&answer, ipc_body(f->message), sizeof(answer));
	assert_int_equal(answer.number, 77);
	assert_int_equal(answer.err, KW_E_UNAUTHENTICATED);
}

static void test_serves(void **state)
{
	struct fixture *f = *state;

	portal_is_served(f);
	front_is_served(f, FRONT_1);
	front_is_served(f, FRONT_2);
}

static void test_rubbish_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct ipc_header wrong_way = {.kind = IPC_STATUS};

	for (size_t i = 0; i < CHANNELS; i++) {
		assert_int_equal(send(f->channels[i], "", 0, MSG_NOSIGNAL), 0);
		assert_int_equal(send(f->channels[i], "rubbish", 7, MSG_NOSIGNAL), 7);
	}
	assert_int_equal(ipc_send(f->channels[FRONT_1], &wrong_way, NULL, 0, NULL, 0), KW_OK);
	portal_is_served(f);
	front_is_served(f, FRONT_1);
	front_is_served(f, FRONT_2);
}

/* What one does to its channel must not end the service for the others. */
static void test_one_hangs_up(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shutdown(f->channels[FRONT_1], SHUT_RDWR), 0);
	portal_is_served(f);
	front_is_served(f, FRONT_2);
	assert_int_equal(shutdown(f->channels[PORTAL], SHUT_RDWR), 0);
	front_is_served(f, FRONT_2);
	front_is_served(f, FRONT_2);
}

/* A misspelt path must not make /etc the vault's. */
static void test_init_takes_no_directory_in_use(void **state)
{
	struct fixture *f = *state;
	char folder[96], file[112];
	struct stat info;

	if (geteuid() != 0) {
		skip();
	}
	snprintf(folder, sizeof(folder), "%s/other", f->folder);
	snprintf(file, sizeof(file), "%s/file", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(close(creat(file, 0600)), 0);
	assert_int_equal(init_store(f, folder, "nobody"), 1);
	assert_int_equal(stat(folder, &info), 0);
	assert_int_equal(info.st_uid, 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(chmod(f->folder, 0711), 0);
	assert_int_equal(init_store(f, folder, "nobody"), 0);
	assert_int_equal(stat(folder, &info), 0);
	assert_int_not_equal(info.st_uid, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_serves),
		TEST(test_rubbish_is_dropped),
		TEST(test_one_hangs_up),
		TEST(test_init_takes_no_directory_in_use),
	};

	if (argc != 2) {
		return 2;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
