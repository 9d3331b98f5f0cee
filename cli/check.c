#include "cli/cli.h"
#include "cli/helper.h"

static const struct cli_command self = {"check", NULL,
	"Usage: keyward [-c FILE] check\n"
	"\n"
	"Reads all of the store that the configuration says ([keystore] path): every record,\n"
	"every sealed key, every page. keywardd must not run. A store of an older format is\n"
	"upgraded, as keywardd would do it; nothing else is changed. As root where keywardd is\n"
	"started by root.\n"
	"\n"
	"Says what is damaged, a line for each record; exit status 1 if anything is. A backup is\n"
	"checked by keyward restore --check.\n"
	"\n"
	"Examples:\n"
	"  keyward check\n"
	"  keyward -c ./demo/keyward.conf check\n",
	cli_check};

int cli_check(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_COMMON_OPTIONS};
	struct cli_helper helper;
	int status;

	while (cli_next_option(cli, &self, argc, argv, options) != -1) {
	}
	cli_want_words(&self, argc, argv, 0, "");
	status = cli_helper_init(&helper, cli_conf(cli), "--check");
	return status == CLI_DONE ? cli_helper_run(&helper) : status;
}
