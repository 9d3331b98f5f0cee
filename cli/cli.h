/**
 * What the commands of `keyward` have in common.
 *
 * Every command is a function that reads its own options with cli_next_option() and returns the
 * exit status: CLI_DONE, CLI_FAILED (said on standard error, in words) or CLI_USAGE.
 */
#ifndef KW_CLI_CLI_H
#define KW_CLI_CLI_H

#include "conf/conf.h"

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

enum cli_exit {
	CLI_DONE = 0,   /* done */
	CLI_FAILED = 1, /* refused or failed */
	CLI_USAGE = 2,  /* not understood; nothing was tried */
};

struct cli_api;

struct cli {
	const char *config_path; /* -c; NULL: the default, which may be absent */
	const char *program;     /* argv[0]: helpers are looked for next to it */
	bool json;               /* --json: print what the admin API answers */
	bool conf_is_read;
	struct conf conf;
	struct cli_api *api; /* connection to the admin API; NULL until the first call */
};

struct cli_command {
	const char *name;    /* as typed, e.g. "device import"; starts messages */
	const char *summary; /* one line for the list of commands; NULL: not listed */
	const char *help;    /* --help: usage, options, examples; ends with a newline */
	int (*run)(struct cli *cli, int argc, char **argv);
};

/* Rows that every option table ends with; values of a command's own options are below 1000. */
enum {
	CLI_OPTION_HELP = 1000,
	CLI_OPTION_JSON,
	CLI_OPTION_CONFIG,
};
#define CLI_COMMON_OPTIONS                                              \
	{"help", no_argument, NULL, CLI_OPTION_HELP},                   \
		{"json", no_argument, NULL, CLI_OPTION_JSON},           \
		{"config", required_argument, NULL, CLI_OPTION_CONFIG}, \
	{                                                               \
		NULL, 0, NULL, 0                                        \
	}

/**
 * The next option of a command, or -1 after the last; optarg and optind as getopt_long() sets
 * them, words that are no options are moved behind. --help, --json and -c are dealt with here; an
 * unknown option ends the program with a usage error that names it.
 */
int cli_next_option(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	const struct option *options);

/** Look `argv[0]` up in `commands` (ended by a NULL name), which all start with `prefix`, and run
 *  it with its name in argv[0]. */
int cli_dispatch(struct cli *cli, const struct cli_command *commands, const char *prefix, int argc,
	char **argv);

/** The words behind the options: exactly `count` of them, else a usage error that says `what` is
 *  wanted. */
void cli_want_words(
	const struct cli_command *command, int argc, char **argv, int count, const char *what);

/** Say what is wrong with the command line and end with CLI_USAGE. */
_Noreturn void cli_usage(const struct cli_command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** "keyward: ..." on standard error. @return CLI_FAILED */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** "keyward: warning: ..." on standard error. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Have a signal handled, unless whoever started us had it ignored (nohup). @param flags  of sigaction() */
void cli_signal(int number, void (*handler)(int), int flags);

/** The configuration, read at the first call. Ends the program with CLI_FAILED if it cannot be. */
const struct conf *cli_conf(struct cli *cli);

/* Commands; each in the file of its name. */
extern const struct cli_command cli_device_commands[];
extern const struct cli_command cli_ns_commands[];
extern const struct cli_command cli_as_commands[];
extern const struct cli_command cli_dns_commands[];
extern const struct cli_command cli_kek_commands[];
int cli_init(struct cli *cli, int argc, char **argv);
int cli_status(struct cli *cli, int argc, char **argv);
int cli_backup(struct cli *cli, int argc, char **argv);
int cli_restore(struct cli *cli, int argc, char **argv);
int cli_check(struct cli *cli, int argc, char **argv);
int cli_device_import(struct cli *cli, int argc, char **argv);
int cli_device_add(struct cli *cli, int argc, char **argv);
int cli_ns_test(struct cli *cli, int argc, char **argv);
int cli_events(struct cli *cli, int argc, char **argv);
int cli_intake(struct cli *cli, int argc, char **argv);
/* Reads its own options, --help included. */
int cli_simulate(struct cli *cli, int argc, char **argv);

#endif
