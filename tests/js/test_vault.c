/* keyward-vault as a process, with other processes on its channels that do what they should not. */
#include "ipc/channel.h"
#include "js/handover.h"
#include "tests/js/real_vault.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PORTAL   REAL_VAULT_PORTAL
#define FRONT_1  REAL_VAULT_FRONT_1
#define FRONT_2  REAL_VAULT_FRONT_2
#define CHANNELS REAL_VAULT_CHANNELS

static const char *program;

struct fixture {
	char folder[64];
	char store[80];
	char master[80];
	struct real_vault vault;
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

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strcpy(f->folder, "/tmp/keyward-vault-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->store, sizeof(f->store), "%s/store", f->folder);
	snprintf(f->master, sizeof(f->master), "%s/master.key", f->folder);
	assert_int_equal(init_store(f, f->store, NULL), 0);
	real_vault_start(&f->vault, program, f->store, f->master, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	assert_int_equal(real_vault_end(&f->vault), 0);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void portal_is_served(struct fixture *f)
{
	const struct ipc_header *header = (const void *)f->message;

	assert_int_equal(ipc_ask(f->vault.channels[PORTAL], IPC_STATUS, NULL, 0, NULL, 0,
				 REAL_VAULT_TIMEOUT_MS, f->message),
		KW_OK);
	assert_int_equal(header->err, KW_OK);
}

static void front_is_served(struct fixture *f, size_t channel)
{
	const struct ipc_backend_req request = {.number = 77};

	assert_int_equal(
		real_vault_ask(&f->vault, channel, &request, f->message).err, KW_E_UNAUTHENTICATED);
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
		assert_int_equal(send(f->vault.channels[i], "", 0, MSG_NOSIGNAL), 0);
		assert_int_equal(send(f->vault.channels[i], "rubbish", 7, MSG_NOSIGNAL), 7);
	}
	assert_int_equal(ipc_send(f->vault.channels[FRONT_1], &wrong_way, NULL, 0, NULL, 0), KW_OK);
	portal_is_served(f);
	front_is_served(f, FRONT_1);
	front_is_served(f, FRONT_2);
}

/* What one does to its channel must not end the service for the others. */
static void test_one_hangs_up(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(shutdown(f->vault.channels[FRONT_1], SHUT_RDWR), 0);
	portal_is_served(f);
	front_is_served(f, FRONT_2);
	assert_int_equal(shutdown(f->vault.channels[PORTAL], SHUT_RDWR), 0);
	front_is_served(f, FRONT_2);
	front_is_served(f, FRONT_2);
}

/* A new channel, as keywardd hands it over. */
static void replace(struct fixture *f, size_t channel)
{
	int pair[2];

	assert_int_equal(ipc_channel_pair(pair), KW_OK);
	assert_int_equal(js_handover_send(f->vault.ready, channel, pair[0]), KW_OK);
	close(pair[0]);
	close(f->vault.channels[channel]);
	f->vault.channels[channel] = pair[1];
}

static void test_channel_is_replaced(void **state)
{
	static const int ways[] = {SHUT_RDWR, SHUT_WR, SHUT_RD};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		for (size_t channel = 0; channel < CHANNELS; channel++) {
			assert_int_equal(shutdown(f->vault.channels[channel], ways[i]), 0);
			replace(f, channel);
			portal_is_served(f);
			front_is_served(f, FRONT_1);
			front_is_served(f, FRONT_2);
		}
	}
}

/* All at once, and one that had nothing. */
static void test_all_channels_are_replaced(void **state)
{
	struct fixture *f = *state;

	for (size_t channel = 0; channel < CHANNELS; channel++) {
		assert_int_equal(shutdown(f->vault.channels[channel], SHUT_RDWR), 0);
	}
	for (size_t channel = 0; channel < CHANNELS; channel++) {
		replace(f, channel);
	}
	replace(f, FRONT_1);
	portal_is_served(f);
	front_is_served(f, FRONT_1);
	front_is_served(f, FRONT_2);
}

static void test_what_is_no_channel_is_not_taken(void **state)
{
	struct fixture *f = *state;
	int files[2];

	assert_int_equal(pipe2(files, O_CLOEXEC), 0);
	assert_int_equal(js_handover_send(f->vault.ready, FRONT_1, files[0]), KW_OK);
	assert_int_equal(js_handover_send(f->vault.ready, CHANNELS, f->vault.channels[0]), KW_OK);
	assert_int_equal(send(f->vault.ready, "", 0, MSG_NOSIGNAL), 0);
	assert_int_equal(send(f->vault.ready, "rubbish", 7, MSG_NOSIGNAL), 7);
	replace(f, FRONT_2); /* behind them */
	front_is_served(f, FRONT_2);
	front_is_served(f, FRONT_1);
	portal_is_served(f);
	close(files[0]);
	close(files[1]);
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
		TEST(test_channel_is_replaced),
		TEST(test_all_channels_are_replaced),
		TEST(test_what_is_no_channel_is_not_taken),
		TEST(test_init_takes_no_directory_in_use),
	};

	if (argc != 2) {
		return 2;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
