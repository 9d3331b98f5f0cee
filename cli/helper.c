#include "cli/helper.h"

#include "js/helper.h"

#include <assert.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VAULT      "keyward-vault"
#define VAULT_USER "keyward-vault"
#define STEP_MS    20

extern char **environ;

void cli_helper_add(struct cli_helper *helper, const char *argument)
{
	assert(helper->count < CLI_HELPER_ARGUMENTS_MAX);
	helper->arguments[helper->count++] = (char *)argument;
}

int cli_helper_init(struct cli_helper *helper, const struct conf *conf, const char *task)
{
	memset(helper, 0, sizeof(*helper));
	helper->input = -1;
	helper->output = -1;
	if (js_helper_path(VAULT, helper->program) != KW_OK) {
		return cli_fail("cannot find " VAULT "; is Keyward installed as a whole?");
	}
	snprintf(helper->map_size, sizeof(helper->map_size), "%llu",
		(unsigned long long)conf->keystore.map_size);
	cli_helper_add(helper, helper->program);
	cli_helper_add(helper, task);
	cli_helper_add(helper, "--store");
	cli_helper_add(helper, conf->keystore.path);
	cli_helper_add(helper, "--master-key");
	cli_helper_add(helper, conf->keystore.master_key);
	cli_helper_add(helper, "--map-size");
	cli_helper_add(helper, helper->map_size);
	if (geteuid() == 0) {
		cli_helper_add(helper, "--owner");
		cli_helper_add(helper, VAULT_USER);
	}
	return CLI_DONE;
}

static int spawn(struct cli_helper *helper, posix_spawn_file_actions_t *actions)
{
	int reason = 0;

	if (helper->input >= 0) {
		reason = posix_spawn_file_actions_adddup2(actions, helper->input, STDIN_FILENO);
	}
	if (reason == 0 && helper->output >= 0) {
		reason = posix_spawn_file_actions_adddup2(actions, helper->output, STDOUT_FILENO);
	}
	return reason != 0 ? reason
			   : posix_spawn(&helper->child, helper->program, actions, NULL,
				     helper->arguments, environ);
}

int cli_helper_start(struct cli_helper *helper)
{
	posix_spawn_file_actions_t actions;
	int reason = posix_spawn_file_actions_init(&actions);

	fflush(stdout);
	if (reason == 0) {
		reason = spawn(helper, &actions);
		posix_spawn_file_actions_destroy(&actions);
	}
	if (reason != 0) {
		return cli_fail("cannot start %s: %s", helper->program, strerror(reason));
	}
	return CLI_DONE;
}

static int status_of(int ended)
{
	if (WIFSIGNALED(ended)) {
		return cli_fail(VAULT " was ended by signal %d", WTERMSIG(ended));
	}
	return WEXITSTATUS(ended) == 0 ? CLI_DONE : CLI_FAILED;
}

bool cli_helper_wait(struct cli_helper *helper, int timeout_ms, int *status)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000 * 1000};
	pid_t found;
	int ended;

	while ((found = waitpid(helper->child, &ended, timeout_ms < 0 ? 0 : WNOHANG)) !=
		helper->child) {
		if (found < 0 && errno != EINTR) {
			*status = cli_fail("waiting for " VAULT ": %s", strerror(errno));
			return true;
		}
		if (found == 0 && timeout_ms <= 0) {
			return false;
		}
		if (found == 0) {
			nanosleep(&step, NULL);
			timeout_ms = timeout_ms > STEP_MS ? timeout_ms - STEP_MS : 0;
		}
	}
	*status = status_of(ended);
	return true;
}

int cli_helper_run(struct cli_helper *helper)
{
	int status = cli_helper_start(helper);

	if (status == CLI_DONE) {
		(void)cli_helper_wait(helper, -1, &status);
	}
	return status;
}
