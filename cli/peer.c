#include "cli/peer.h"
#include "cli/peer_wish.h"

#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COMMAND_ADD,
	COMMAND_LIST,
	COMMAND_SHOW,
	COMMAND_SET,
	COMMAND_REMOVE,
	COMMAND_TEST,
};

#define NS_HELP                                                                                   \
	"  --net-id N        its NetID; repeatable\n"                                             \
	"  --ns-id E         its NSID\n" CLI_PEER_WISH_HELP                                       \
	"  --join-eui RANGE  JoinEUIs that it may join: 70b3d57ed0000000/40, FIRST-LAST or one\n" \
	"                    EUI; repeatable; default all\n"                                      \
	"  --any-device      may join devices that name no network (an operator's own server)\n"
#define AS_HELP                                                                         \
	"  --as-id ID        its AS-ID\n" CLI_PEER_WISH_HELP "  --app-s-key-in-clear\n" \
	"                    is told AppSKey in the clear when it asks and has no KEK\n"
#define CONFIG_HELP                                                                             \
	"  --print-config K  print what belongs into its configuration: " CLI_CONFIG_KINDS "\n" \
	"  --url U           with that: where it reaches this join server; default from "       \
	"[server]\n"
#define ONE_AT_LEAST                                                                       \
	"One of --token, --token-file, --authorization-file, --basic-file, --certificate " \
	"and\n--ca is needed.\n"
#define TAKE_AWAY "\nLists replace the old ones; an empty value takes a setting away.\n"

static int ns_add(struct cli *cli, int argc, char **argv);
static int ns_list(struct cli *cli, int argc, char **argv);
static int ns_show(struct cli *cli, int argc, char **argv);
static int ns_set(struct cli *cli, int argc, char **argv);
static int ns_remove(struct cli *cli, int argc, char **argv);
static int as_add(struct cli *cli, int argc, char **argv);
static int as_list(struct cli *cli, int argc, char **argv);
static int as_show(struct cli *cli, int argc, char **argv);
static int as_set(struct cli *cli, int argc, char **argv);
static int as_remove(struct cli *cli, int argc, char **argv);

const struct cli_command cli_ns_commands[] = {
	[COMMAND_ADD] = {"ns add", "let a network server in",
		"Usage: keyward ns add NAME --net-id N (--token | --certificate F ...) [options]\n"
		"\n" NS_HELP CONFIG_HELP "\n" ONE_AT_LEAST "\n"
		"Examples:\n"
		"  keyward ns add home --net-id 000013 --token --any-device\n"
		"  keyward ns add chirp --net-id 000013 --token --app-s-key inline \\\n"
		"    --print-config chirpstack --url https://js.example.com:8003/ > chirp.toml\n"
		"  keyward ns add partner --net-id 60002D --certificate partner.pem \\\n"
		"    --answer-url https://ns.partner.example/answers\n"
		"  keyward ns add partner --net-id 60002D --ca ca.pem --subject "
		"ns.partner.example\n"
		"  keyward ns add partner --net-id 60002D --token-file partner.token \\\n"
		"    --join-eui 70b3d57ed0000000/40 --kek-label partner-2026 --kek-file kek.hex\n",
		ns_add},
	[COMMAND_LIST] = {"ns list", "list network servers",
		"Usage: keyward [--json] ns list\n\nExample:\n  keyward ns list\n", ns_list},
	[COMMAND_SHOW] = {"ns show", "show a network server",
		"Usage: keyward [--json] ns show NAME [options]\n"
		"\n" CONFIG_HELP "\n"
		"Examples:\n"
		"  keyward ns show home\n"
		"  keyward ns show home --print-config tts --url https://js.example.com:8003/\n",
		ns_show},
	[COMMAND_SET] = {"ns set", "change a network server",
		"Usage: keyward ns set NAME [options]\n"
		"\n" NS_HELP "  --no-any-device   takes --any-device away\n" CONFIG_HELP TAKE_AWAY
		"\n"
		"Examples:\n"
		"  keyward ns set home --token\n"
		"  keyward ns set partner --certificate old.pem --certificate new.pem\n"
		"  keyward ns set partner --token-file '' --answer-url ''\n",
		ns_set},
	[COMMAND_REMOVE] = {"ns remove", "forget a network server",
		"Usage: keyward ns remove NAME\n\nExample:\n  keyward ns remove partner\n",
		ns_remove},
	[COMMAND_TEST] = {"ns test", "try out what a network server would get", NULL, cli_ns_test},
	{NULL, NULL, NULL, NULL},
};

const struct cli_command cli_as_commands[] = {
	[COMMAND_ADD] = {"as add", "let an application server in",
		"Usage: keyward as add NAME --as-id ID [options]\n"
		"\n" AS_HELP "\n"
		"Examples:\n"
		"  keyward as add app --as-id as.example --token\n"
		"  keyward as add app --as-id as.example --kek-label as-2026 --kek-file kek.hex "
		"\\\n"
		"    --app-s-key wrapped\n",
		as_add},
	[COMMAND_LIST] = {"as list", "list application servers",
		"Usage: keyward [--json] as list\n\nExample:\n  keyward as list\n", as_list},
	[COMMAND_SHOW] = {"as show", "show an application server",
		"Usage: keyward [--json] as show NAME\n\nExample:\n  keyward as show app\n",
		as_show},
	[COMMAND_SET] = {"as set", "change an application server",
		"Usage: keyward as set NAME [options]\n"
		"\n" AS_HELP "  --no-app-s-key-in-clear\n"
		"                    takes --app-s-key-in-clear away\n" TAKE_AWAY "\n"
		"Example:\n"
		"  keyward as set app --token\n",
		as_set},
	[COMMAND_REMOVE] = {"as remove", "forget an application server",
		"Usage: keyward as remove NAME\n\nExample:\n  keyward as remove app\n", as_remove},
	{NULL, NULL, NULL, NULL},
};

static void print_token(FILE *words, const char *token)
{
	fprintf(words,
		"\nThe token, shown only now; it is stored as a digest. Its server sends:\n"
		"  Authorization: Bearer %s\n",
		token);
}

static int print_done(const struct cli *cli, const struct cli_peer_kind *kind,
	const struct cli_peer_wish *wish, const struct cli_reply *reply, const char *token,
	bool create)
{
	FILE *words = cli_peer_wish_words(cli, wish);

	if (!cli_print_json(cli, reply)) {
		char *name = cli_member(reply->json, "name");

		fprintf(words, "%s %s %s\n", kind->words, name, create ? "added" : "changed");
		free(name);
	}
	if (wish->config.wanted) {
		return cli_config_print_peer(
			&wish->config, reply->json, token[0] == '\0' ? NULL : token);
	}
	if (token[0] != '\0') {
		print_token(words, token);
	}
	return CLI_DONE;
}

/* Create or change. */
static int send_wish(struct cli *cli, const struct cli_peer_kind *kind,
	const struct cli_peer_wish *wish, const char *name, bool create)
{
	char token[CLI_TOKEN_SIZE] = "";
	struct cli_path path;
	struct cli_request request = {.method = create ? "POST" : "PATCH", .path = &path};
	struct cli_reply reply = {.status = 0};
	json_t *body = json_object();
	int status;

	cli_path_init(&path, kind->collection);
	if (create) {
		json_object_set_new(body, "name", json_string(name));
	} else {
		cli_path_segment(&path, name);
	}
	request.json = body;
	status = cli_peer_wish_members(cli, wish, body, token);
	if (status == CLI_DONE) {
		status = cli_api_call(cli, &request, &reply);
	}
	if (status == CLI_DONE) {
		status = print_done(cli, kind, wish, &reply, token, create);
	}
	kw_wipe(token, sizeof(token));
	cli_reply_finish(&reply);
	json_decref(body);
	return status;
}

static int ns_add(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_ns_commands[COMMAND_ADD];
	struct cli_peer_wish wish;

	cli_peer_wish_read(cli, command, argc, argv, cli_peer_ns_options, &wish);
	if (wish.policy.net_ids.count == 0) {
		cli_usage(command, "--net-id is missing: the NetID of the network server");
	}
	if (!cli_credential_is_given(&wish.credential)) {
		cli_usage(command, "how it shows who it is, is missing: --token, --token-file, "
				   "--authorization-file, --basic-file, --certificate or --ca");
	}
	return send_wish(cli, &cli_peer_ns, &wish, argv[optind], true);
}

static int as_add(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_as_commands[COMMAND_ADD];
	struct cli_peer_wish wish;
	int status;

	cli_peer_wish_read(cli, command, argc, argv, cli_peer_as_options, &wish);
	if (wish.policy.as_id == NULL || wish.policy.as_id[0] == '\0') {
		cli_usage(command, "--as-id is missing: the AS-ID of the application server");
	}
	status = send_wish(cli, &cli_peer_as, &wish, argv[optind], true);
	if (status == CLI_DONE && !cli_credential_is_given(&wish.credential)) {
		cli_warn("%s has no credential and cannot ask for anything yet; "
			 "keyward as set %s --token makes a token",
			argv[optind], argv[optind]);
	}
	return status;
}

static int run_set(struct cli *cli, const struct cli_peer_kind *kind,
	const struct cli_command *command, const struct option *options, int argc, char **argv)
{
	struct cli_peer_wish wish;

	cli_peer_wish_read(cli, command, argc, argv, options, &wish);
	if (cli_peer_wish_is_empty(&wish)) {
		cli_usage(command, "nothing to change was given");
	}
	return send_wish(cli, kind, &wish, argv[optind], false);
}

static int list_page(struct cli *cli, const struct cli_peer_kind *kind, const char *after,
	struct cli_reply *reply)
{
	struct cli_path path;

	cli_path_init(&path, kind->collection);
	if (after[0] != '\0') {
		cli_path_query(&path, "after", after);
	}
	return cli_api_get(cli, &path, reply);
}

static int list_all(struct cli *cli, const struct cli_peer_kind *kind)
{
	struct cli_table table = {.columns = kind->columns};
	char after[80] = "";
	bool more = true;

	while (more) {
		struct cli_reply reply;
		const int status = list_page(cli, kind, after, &reply);
		const char *resume = json_string_value(json_object_get(reply.json, "resume"));

		if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
			cli_peer_columns_fill(json_object_get(reply.json, kind->member));
			cli_table_print(&table, json_object_get(reply.json, kind->member));
		}
		more = json_is_true(json_object_get(reply.json, "more")) && resume != NULL;
		snprintf(after, sizeof(after), "%s", resume == NULL ? "" : resume);
		cli_reply_finish(&reply);
		if (status != CLI_DONE) {
			return status;
		}
	}
	return CLI_DONE;
}

static void skip_options(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	static const struct option options[] = {CLI_COMMON_OPTIONS};

	while (cli_next_option(cli, command, argc, argv, options) != -1) {
	}
}

static int run_list(struct cli *cli, const struct cli_peer_kind *kind,
	const struct cli_command *command, int argc, char **argv)
{
	skip_options(cli, command, argc, argv);
	cli_want_words(command, argc, argv, 0, "");
	return list_all(cli, kind);
}

/* Options of ns show; as show knows none. */
static void read_show(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	struct cli_config_request *config)
{
	enum {
		OPTION_PRINT_CONFIG = 1,
		OPTION_URL,
	};
	static const struct option options[] = {
		{"print-config", required_argument, NULL, OPTION_PRINT_CONFIG},
		{"url", required_argument, NULL, OPTION_URL},
		CLI_COMMON_OPTIONS,
	};
	const char *print_config = NULL;
	const char *url = NULL;
	int option;

	while ((option = cli_next_option(cli, command, argc, argv, options)) != -1) {
		if (option == OPTION_URL) {
			url = optarg;
		} else {
			print_config = optarg;
		}
	}
	cli_config_request_read(cli, command, print_config, url, config);
}

static int run_show(struct cli *cli, const struct cli_peer_kind *kind,
	const struct cli_command *command, int argc, char **argv)
{
	struct cli_config_request config = {.wanted = false};
	struct cli_path path;
	struct cli_reply reply;
	int status;

	if (kind == &cli_peer_ns) {
		read_show(cli, command, argc, argv, &config);
	} else {
		skip_options(cli, command, argc, argv);
	}
	cli_want_words(command, argc, argv, 1, "NAME");
	cli_path_init(&path, kind->collection);
	cli_path_segment(&path, argv[optind]);
	status = cli_api_get(cli, &path, &reply);
	if (status == CLI_DONE && config.wanted) {
		status = cli_config_print_peer(&config, reply.json, NULL);
	} else if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		cli_peer_print(kind, reply.json);
	}
	cli_reply_finish(&reply);
	return status;
}

static int run_remove(struct cli *cli, const struct cli_peer_kind *kind,
	const struct cli_command *command, int argc, char **argv)
{
	struct cli_path path;
	const struct cli_request request = {.method = "DELETE", .path = &path};
	struct cli_reply reply;
	int status;

	skip_options(cli, command, argc, argv);
	cli_want_words(command, argc, argv, 1, "NAME");
	cli_path_init(&path, kind->collection);
	cli_path_segment(&path, argv[optind]);
	status = cli_api_call(cli, &request, &reply);
	if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		printf("%s %s removed\n", kind->words, argv[optind]);
	}
	cli_reply_finish(&reply);
	return status;
}

static int ns_list(struct cli *cli, int argc, char **argv)
{
	return run_list(cli, &cli_peer_ns, &cli_ns_commands[COMMAND_LIST], argc, argv);
}

static int ns_show(struct cli *cli, int argc, char **argv)
{
	return run_show(cli, &cli_peer_ns, &cli_ns_commands[COMMAND_SHOW], argc, argv);
}

static int ns_set(struct cli *cli, int argc, char **argv)
{
	return run_set(
		cli, &cli_peer_ns, &cli_ns_commands[COMMAND_SET], cli_peer_ns_options, argc, argv);
}

static int ns_remove(struct cli *cli, int argc, char **argv)
{
	return run_remove(cli, &cli_peer_ns, &cli_ns_commands[COMMAND_REMOVE], argc, argv);
}

static int as_list(struct cli *cli, int argc, char **argv)
{
	return run_list(cli, &cli_peer_as, &cli_as_commands[COMMAND_LIST], argc, argv);
}

static int as_show(struct cli *cli, int argc, char **argv)
{
	return run_show(cli, &cli_peer_as, &cli_as_commands[COMMAND_SHOW], argc, argv);
}

static int as_set(struct cli *cli, int argc, char **argv)
{
	return run_set(
		cli, &cli_peer_as, &cli_as_commands[COMMAND_SET], cli_peer_as_options, argc, argv);
}

static int as_remove(struct cli *cli, int argc, char **argv)
{
	return run_remove(cli, &cli_peer_as, &cli_as_commands[COMMAND_REMOVE], argc, argv);
}
