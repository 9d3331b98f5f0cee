#include "cli/cli.h"
#include "js/helper.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define VAULT      "keyward-vault"
#define VAULT_USER "keyward-vault"

extern char **environ;

static const struct cli_command self = {"init", NULL,
	"Usage: keyward [-c FILE] init\n"
	"\n"
	"Creates the master key and an empty store where the configuration says\n"
	"([keystore] master_key and path). A store that exists is never touched; a master key\n"
	"that exists is used. Works without keywardd; run it once, as root where keywardd is\n"
	"started by root.\n"
	"\n"
	"Examples:\n"
	"  keyward init\n"
	"  keyward -c ./demo/keyward.conf init\n",
	cli_init};

static int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR) {
			return cli_fail("waiting for " VAULT ": %s", strerror(errno));
		}
	}
	if (WIFSIGNALED(status)) {
		return cli_fail(VAULT " was ended by signal %d", WTERMSIG(status));
	}
	return WEXITSTATUS(status) == 0 ? CLI_DONE : CLI_FAILED;
}

static int run_vault(const struct conf *conf)
{
	char program[PATH_MAX];
	char map_size[24];
	char *arguments[] = {program, (char *)"--init", (char *)"--store",
		(char *)conf->keystore.path, (char *)"--master-key",
		(char *)conf->keystore.master_key, (char *)"--map-size", map_size, NULL, NULL,
		NULL};
	pid_t child;
	int reason;

	if (js_helper_path(VAULT, program) != KW_OK) {
		return cli_fail("cannot find " VAULT "; is Keyward installed as a whole?");
	}
	snprintf(map_size, sizeof(map_size), "%llu", (unsigned long long)conf->keystore.map_size);
	if (geteuid() == 0) {
		arguments[8] = (char *)"--owner";
		arguments[9] = (char *)VAULT_USER;
	}
	fflush(stdout);
	reason = posix_spawn(&child, program, NULL, NULL, arguments, environ);
	if (reason != 0) {
		return cli_fail("cannot start %s: %s", program, strerror(reason));
	}
	return wait_for(child);
}

static void print_next(const struct cli *cli)
{
	const char *option = cli->config_path == NULL ? "" : " -c ";
	const char *path = cli->config_path == NULL ? "" : cli->config_path;

	printf("\nNext: start the server, let a network server in, load devices\n"
	       "  keywardd%s%s\n"
	       "  keyward%s%s ns add NAME --net-id N --token\n"
	       "  keyward%s%s device import FILE --net-id N\n",
		option, path, option, path, option, path);
}

int cli_init(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_COMMON_OPTIONS};
	int status;

	while (cli_next_option(cli, &self, argc, argv, options) != -1) {
	}
	cli_want_words(&self, argc, argv, 0, "");
	status = run_vault(cli_conf(cli));
	if (status == CLI_DONE) {
		print_next(cli);
	}
	return status;
}
