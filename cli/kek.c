#include "cli/peer.h"
#include "cli/policy.h"
#include "cli/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COMMAND_ADD,
	COMMAND_LIST,
	COMMAND_RETIRE,
};

#define WHOSE_HELP                               \
	"  --ns NAME         a network server\n" \
	"  --as NAME         an application server\n"

static int kek_add(struct cli *cli, int argc, char **argv);
static int kek_list(struct cli *cli, int argc, char **argv);
static int kek_retire(struct cli *cli, int argc, char **argv);

const struct cli_command cli_kek_commands[] = {
	[COMMAND_ADD] = {"kek add", "give a server one more KEK, current from now on",
		"Usage: keyward kek add (--ns NAME | --as NAME) --kek-label L --kek-file F\n"
		"\n" WHOSE_HELP "  --kek-label L     its label, as the server knows it\n"
		"  --kek-file F      the KEK: hexadecimal digits of 16, 24 or 32 octets, in a file "
		"of\n"
		"                    mode 0600, or - for standard input\n"
		"\n"
		"The server must know the key first: keys are wrapped under it at once.\n"
		"\n"
		"Examples:\n"
		"  keyward kek add --ns partner --kek-label partner-2027 --kek-file kek.hex\n"
		"  keyward kek retire --ns partner --kek-label partner-2026\n",
		kek_add},
	[COMMAND_LIST] = {"kek list", "list the KEKs of a server",
		"Usage: keyward [--json] kek list (--ns NAME | --as NAME)\n"
		"\n" WHOSE_HELP "\nExample:\n  keyward kek list --ns partner\n",
		kek_list},
	[COMMAND_RETIRE] = {"kek retire", "forget a KEK of a server",
		"Usage: keyward kek retire (--ns NAME | --as NAME) --kek-label L [--force]\n"
		"\n" WHOSE_HELP "  --kek-label L     which one\n"
		"  --force           also the current one, e.g. because it leaked: joins are\n"
		"                    refused until kek add gives a new one\n"
		"\nExample:\n  keyward kek retire --ns partner --kek-label partner-2026\n",
		kek_retire},
	{NULL, NULL, NULL, NULL},
};

enum {
	OPTION_NS = 1,
	OPTION_AS,
	OPTION_KEK_LABEL,
	OPTION_KEK_FILE,
	OPTION_FORCE,
};

#define WHOSE_OPTIONS \
	{"ns", required_argument, NULL, OPTION_NS}, {"as", required_argument, NULL, OPTION_AS},

static const struct option add_options[] = {
	WHOSE_OPTIONS{"kek-label", required_argument, NULL, OPTION_KEK_LABEL},
	{"kek-file", required_argument, NULL, OPTION_KEK_FILE},
	CLI_COMMON_OPTIONS,
};
static const struct option list_options[] = {WHOSE_OPTIONS CLI_COMMON_OPTIONS};
static const struct option retire_options[] = {
	WHOSE_OPTIONS{"kek-label", required_argument, NULL, OPTION_KEK_LABEL},
	{"force", no_argument, NULL, OPTION_FORCE},
	CLI_COMMON_OPTIONS,
};

/* Strings are borrowed from argv. */
struct wish {
	const struct cli_peer_kind *kind;
	const char *name;
	const char *label;
	const char *file;
	bool force;
};

static void take_whose(struct wish *wish, const struct cli_command *command,
	const struct cli_peer_kind *kind, const char *name)
{
	if (wish->kind != NULL) {
		cli_usage(command, "--ns or --as, once: whose KEK");
	}
	wish->kind = kind;
	wish->name = name;
}

static void take_option(
	struct wish *wish, const struct cli_command *command, int option, const char *value)
{
	switch (option) {
	case OPTION_NS:
		take_whose(wish, command, &cli_peer_ns, value);
		break;
	case OPTION_AS:
		take_whose(wish, command, &cli_peer_as, value);
		break;
	case OPTION_KEK_LABEL:
		wish->label = value;
		break;
	case OPTION_KEK_FILE:
		wish->file = value;
		break;
	default:
		wish->force = true;
		break;
	}
}

static struct wish read_wish(struct cli *cli, const struct cli_command *command,
	const struct option *options, int argc, char **argv)
{
	struct wish wish = {.kind = NULL};
	int option;

	while ((option = cli_next_option(cli, command, argc, argv, options)) != -1) {
		take_option(&wish, command, option, optarg);
	}
	cli_want_words(command, argc, argv, 0, "");
	if (wish.kind == NULL || wish.name[0] == '\0') {
		cli_usage(command, "--ns NAME or --as NAME is missing: whose KEK");
	}
	return wish;
}

static void want_label(const struct wish *wish, const struct cli_command *command)
{
	if (wish->label == NULL || wish->label[0] == '\0') {
		cli_usage(command, "--kek-label is missing: which KEK");
	}
}

static void keks_path(const struct wish *wish, struct cli_path *path)
{
	cli_path_init(path, wish->kind->collection);
	cli_path_segment(path, wish->name);
	cli_path_segment(path, "keks");
}

/* Send a request that changes something; `done` says so. */
static int send_change(struct cli *cli, const struct wish *wish, const struct cli_request *request,
	const char *done)
{
	struct cli_reply reply;
	const int status = cli_api_call(cli, request, &reply);

	if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		printf("KEK %s of %s %s %s\n", wish->label, wish->kind->words, wish->name, done);
		if (json_is_true(json_object_get(reply.json, "kek_missing"))) {
			cli_warn("%s has no KEK now and its joins are refused; keyward kek add "
				 "--%s %s gives it one",
				wish->name, wish->kind->command, wish->name);
		}
	}
	cli_reply_finish(&reply);
	return status;
}

static int kek_add(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_kek_commands[COMMAND_ADD];
	const struct wish wish = read_wish(cli, command, add_options, argc, argv);
	struct cli_path path;
	struct cli_request request = {.method = "POST", .path = &path};
	char *envelope;
	json_t *body;
	int status;

	want_label(&wish, command);
	if (wish.file == NULL || wish.file[0] == '\0') {
		cli_usage(command, "--kek-file is missing: the KEK");
	}
	status = cli_kek_file_seal(cli, wish.file, &envelope);
	if (status != CLI_DONE) {
		return status;
	}
	body = json_object();
	cli_set_text(body, "label", wish.label);
	cli_set_text(body, "envelope", envelope);
	free(envelope);
	keks_path(&wish, &path);
	request.json = body;
	status = send_change(cli, &wish, &request, "added, current from now on");
	json_decref(body);
	return status;
}

static int kek_list(struct cli *cli, int argc, char **argv)
{
	const struct wish wish =
		read_wish(cli, &cli_kek_commands[COMMAND_LIST], list_options, argc, argv);
	struct cli_path path;
	struct cli_reply reply;
	int status;

	keks_path(&wish, &path);
	status = cli_api_get(cli, &path, &reply);
	if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		cli_keks_print(reply.json);
	}
	cli_reply_finish(&reply);
	return status;
}

static int kek_retire(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_kek_commands[COMMAND_RETIRE];
	const struct wish wish = read_wish(cli, command, retire_options, argc, argv);
	struct cli_path path;
	const struct cli_request request = {.method = "DELETE", .path = &path};

	want_label(&wish, command);
	keks_path(&wish, &path);
	cli_path_segment(&path, wish.label);
	if (wish.force) {
		cli_path_query_number(&path, "force", 1);
	}
	return send_change(cli, &wish, &request, "retired");
}
