#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTION_SIZE 64

__attribute__((format(printf, 2, 0))) static void say(
	const char *prefix, const char *format, va_list arguments)
{
	fputs(prefix, stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

int cli_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("keyward: ", format, arguments);
	va_end(arguments);
	return CLI_FAILED;
}

void cli_warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("keyward: warning: ", format, arguments);
	va_end(arguments);
}

void cli_usage(const struct cli_command *command, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "keyward %s: ", command->name);
	va_start(arguments, format);
	say("", format, arguments);
	va_end(arguments);
	fprintf(stderr, "keyward %s --help says how it is used\n", command->name);
	exit(CLI_USAGE);
}

/* The option as it was typed, without its value, from what getopt_long() leaves behind. */
static void typed_option(int argc, char **argv, char out[OPTION_SIZE])
{
	const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "?";

	if (optopt > 0 && optopt < CLI_OPTION_HELP && strncmp(word, "--", 2) != 0) {
		snprintf(out, OPTION_SIZE, "-%c", optopt);
		return;
	}
	snprintf(out, OPTION_SIZE, "%.*s", (int)strcspn(word, "="), word);
}

static _Noreturn void print_help(const struct cli_command *command)
{
	fputs(command->help, stdout);
	exit(fflush(stdout) == 0 ? CLI_DONE
				 : cli_fail("cannot write the output: %s", strerror(errno)));
}

int cli_next_option(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	const struct option *options)
{
	char typed[OPTION_SIZE];

	for (;;) {
		const int option = getopt_long(argc, argv, ":hc:", options, NULL);

		typed_option(argc, argv, typed);
		switch (option) {
		case 'h':
		case CLI_OPTION_HELP:
			print_help(command);
		case CLI_OPTION_JSON:
			cli->json = true;
			break;
		case 'c':
		case CLI_OPTION_CONFIG:
			cli->config_path = optarg;
			break;
		case ':':
			cli_usage(command, "%s needs a value", typed);
		case '?':
			/* A long option that is known leaves its value here. */
			cli_usage(command, "%s %s",
				optopt != 0 && strncmp(typed, "--", 2) == 0 ? "no value belongs to"
									    : "unknown option",
				typed);
		default:
			return option;
		}
	}
}

static void list_commands(FILE *stream, const struct cli_command *commands)
{
	for (; commands->name != NULL; commands++) {
		if (commands->summary != NULL) {
			fprintf(stream, "  %-22s %s\n", commands->name, commands->summary);
		}
	}
}

int cli_dispatch(struct cli *cli, const struct cli_command *commands, const char *prefix, int argc,
	char **argv)
{
	const size_t skip = strlen(prefix);

	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		printf("Usage: keyward [-c FILE] [--json] %s COMMAND ...\n\n", prefix);
		list_commands(stdout, commands);
		printf("\nkeyward %s COMMAND --help says how each is used, with examples.\n",
			prefix);
		return fflush(stdout) == 0 ? CLI_DONE : CLI_FAILED;
	}
	if (argc < 2) {
		fprintf(stderr, "keyward %s: which command?\n", prefix);
		list_commands(stderr, commands);
		return CLI_USAGE;
	}
	for (const struct cli_command *command = commands; command->name != NULL; command++) {
		if (strcmp(command->name + skip + (skip > 0 ? 1 : 0), argv[1]) == 0) {
			optind = 0;
			return command->run(cli, argc - 1, argv + 1);
		}
	}
	fprintf(stderr, "keyward: unknown command %s%s%s\n", prefix, skip > 0 ? " " : "", argv[1]);
	list_commands(stderr, commands);
	return CLI_USAGE;
}

void cli_want_words(
	const struct cli_command *command, int argc, char **argv, int count, const char *what)
{
	if (argc - optind < count) {
		cli_usage(command, "%s is missing", what);
	}
	if (argc - optind > count) {
		cli_usage(command, "%s: not expected", argv[optind + count]);
	}
}

void cli_signal(int number, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
		sigaction(number, &action, NULL);
	}
}

const struct conf *cli_conf(struct cli *cli)
{
	const char *path = cli->config_path == NULL ? CONF_DEFAULT_PATH : cli->config_path;
	char why[CONF_WHY_SIZE] = "";
	enum kw_err err;

	if (cli->conf_is_read) {
		return &cli->conf;
	}
	conf_init(&cli->conf);
	cli->conf_is_read = true;
	if (cli->config_path == NULL && access(path, F_OK) != 0 && errno == ENOENT) {
		return &cli->conf;
	}
	err = conf_read(path, &cli->conf, why);
	if (err != KW_OK) {
		cli_fail("%s%s%s", why[0] == '\0' ? path : why, why[0] == '\0' ? ": " : "",
			why[0] == '\0' ? kw_err_text(err) : "");
		exit(CLI_FAILED);
	}
	return &cli->conf;
}
