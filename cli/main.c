#include "cli/api.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int run_device(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, cli_device_commands, "device", argc, argv);
}

static int run_ns(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, cli_ns_commands, "ns", argc, argv);
}

static int run_as(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, cli_as_commands, "as", argc, argv);
}

static int run_dns(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, cli_dns_commands, "dns", argc, argv);
}

static int run_kek(struct cli *cli, int argc, char **argv)
{
	return cli_dispatch(cli, cli_kek_commands, "kek", argc, argv);
}

static const struct cli_command commands[] = {
	{"init", "create store and master key", NULL, cli_init},
	{"status", "processes, store, rates, latencies, warnings", NULL, cli_status},
	{"device", "devices: import, add, list, show, set, block, remove ...", NULL, run_device},
	{"ns", "network servers: add, list, show, set, remove, test", NULL, run_ns},
	{"as", "application servers: add, list, show, set, remove", NULL, run_as},
	{"dns", "zone entries for JoinEUIs", NULL, run_dns},
	{"kek", "KEKs of servers: add, list, retire", NULL, run_kek},
	{"events", "the join log, in words", NULL, cli_events},
	{"backup", "copy the store into a file while joins go on", NULL, cli_backup},
	{"restore", "make the store of a backup, or check a backup", NULL, cli_restore},
	{"check", "read all of the store to see whether it is whole", NULL, cli_check},
	{"intake", "the certificate to which root keys are sealed", NULL, cli_intake},
	{"simulate", "plays devices and a network server", NULL, cli_simulate},
	{NULL, NULL, NULL, NULL},
};

static const char head[] = "Usage: keyward [-c FILE] [--json] COMMAND ...\n"
			   "\n"
			   "Administers a Keyward join server through its admin socket.\n"
			   "\n"
			   "  -c, --config FILE      configuration; default " CONF_DEFAULT_PATH "\n"
			   "      --json             print what the admin API answers\n"
			   "  -h, --help             this text; after a command: how that is used\n"
			   "      --version          version of this program\n"
			   "\n"
			   "Commands:\n";

static const char tail[] = "\n"
			   "Examples:\n"
			   "  keyward init\n"
			   "  keyward ns add home --net-id 000013 --token\n"
			   "  keyward ns test home\n"
			   "  keyward device import devices.csv --net-id 000013\n"
			   "  keyward events --follow\n"
			   "\n"
			   "Exit status: 0 done, 1 refused or failed, 2 usage.\n";

static void print_help(void)
{
	fputs(head, stdout);
	for (const struct cli_command *command = commands; command->name != NULL; command++) {
		printf("  %-22s %s\n", command->name, command->summary);
	}
	fputs(tail, stdout);
}

static int usage(const char *what, const char *which)
{
	fprintf(stderr, "keyward: %s%s%s\nkeyward --help lists the commands\n", what,
		which == NULL ? "" : " ", which == NULL ? "" : which);
	return CLI_USAGE;
}

/* Options in front of the command. @return -1 to go on, else the exit status */
static int read_options(struct cli *cli, int argc, char **argv)
{
	enum {
		OPTION_VERSION = 1
	};
	static const struct option options[] = {
		{"version", no_argument, NULL, OPTION_VERSION},
		CLI_COMMON_OPTIONS,
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:hc:", options, NULL)) != -1) {
		switch (option) {
		case 'c':
		case CLI_OPTION_CONFIG:
			cli->config_path = optarg;
			break;
		case CLI_OPTION_JSON:
			cli->json = true;
			break;
		case 'h':
		case CLI_OPTION_HELP:
			print_help();
			return CLI_DONE;
		case OPTION_VERSION:
			puts("keyward " KW_VERSION);
			return CLI_DONE;
		case ':':
			return usage("a value is missing behind", argv[optind - 1]);
		default:
			return usage("unknown option", argv[optind - 1]);
		}
	}
	return -1;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const int done = read_options(cli, argc, argv);
	const int start = optind;

	if (done >= 0) {
		return done;
	}
	if (start == argc) {
		return usage("which command?", NULL);
	}
	for (const struct cli_command *command = commands; command->name != NULL; command++) {
		if (strcmp(command->name, argv[start]) == 0) {
			optind = 0;
			return command->run(cli, argc - start, argv + start);
		}
	}
	return usage("unknown command", argv[start]);
}

/* A standard stream that was closed must not become the next file that is opened, or what is said would go
 * into a backup. Reading and writing fail on it as before: it is open the other way round. */
static bool keep_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		const int way = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
		const int opened = fcntl(fd, F_GETFD) < 0 ? open("/dev/null", way) : fd;

		if (opened != fd) {
			return false;
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct rlimit none = {0, 0};
	struct cli cli = {.program = argc > 0 ? argv[0] : ""};
	int status;

	if (!keep_standard_streams()) {
		return CLI_FAILED; /* there is nowhere to say it */
	}
	/* Keys pass through some commands; a core file would hold them. */
	if (setrlimit(RLIMIT_CORE, &none) != 0) {
		return cli_fail("cannot forbid core files: %s", strerror(errno));
	}
	/* Somebody who reads only the first lines of a list ends it quietly. */
	signal(SIGPIPE, SIG_DFL);
	/* What is read is UTF-8 everywhere, and a Turkish locale would have "DEV_EUI" without an i. */
	setlocale(LC_CTYPE, "C.UTF-8");
	status = run(&cli, argc, argv);
	cli_api_close(&cli);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		status = cli_fail("cannot write the output: %s", strerror(errno));
	}
	return status;
}
