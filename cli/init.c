#include "cli/helper.h"

#include <stdio.h>

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

static int run_vault(const struct conf *conf)
{
	struct cli_helper helper;
	int status = cli_helper_init(&helper, conf, "--init");

	return status == CLI_DONE ? cli_helper_run(&helper) : status;
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
