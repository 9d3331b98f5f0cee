#include "cli/api.h"
#include "cli/policy.h"
#include "cli/print_config.h"
#include "cli/secret.h"
#include "cli/text.h"

#include "base/secret.h"
#include "lorawan/eui.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Network servers and application servers: the same commands on two collections. */
struct peer_kind {
	const char *collection; /* of the API, path and member */
	const char *member;
	const char *words; /* for people */
	const struct cli_command *commands;
};

enum {
	COMMAND_ADD,
	COMMAND_LIST,
	COMMAND_SHOW,
	COMMAND_SET,
	COMMAND_REMOVE,
	COMMAND_TEST,
};

#define SECRET_HELP                                                                              \
	"  --token           make a bearer token and print it once\n"                            \
	"  --token-file F    bearer token from a file of mode 0600, or - for standard input\n"   \
	"  --kek-label L     label of the KEK under which it gets keys\n"                        \
	"  --kek-file F      the KEK: hexadecimal digits of 16, 24 or 32 octets, in a file of\n" \
	"                    mode 0600, or - for standard input\n"                               \
	"  --app-s-key MODE  how AppSKey is delivered: inline, inline-id, wrapped, fetch, "      \
	"default\n"
#define NS_HELP                                                                                   \
	"  --net-id N        its NetID; repeatable\n"                                             \
	"  --ns-id E         its NSID\n" SECRET_HELP                                              \
	"  --join-eui RANGE  JoinEUIs that it may join: 70b3d57ed0000000/40, FIRST-LAST or one\n" \
	"                    EUI; repeatable; default all\n"                                      \
	"  --any-device      may join devices that name no network (an operator's own server)\n"
#define CONFIG_HELP                                                                             \
	"  --print-config K  print what belongs into its configuration: " CLI_CONFIG_KINDS "\n" \
	"  --url U           with that: where it reaches this join server; default from "       \
	"[server]\n"
#define AS_HELP   "  --as-id ID        its AS-ID\n" SECRET_HELP
#define TAKE_AWAY "\nLists replace the old ones; an empty value takes a setting away.\n"

static int ns_add(struct cli *cli, int argc, char **argv);
static int ns_list(struct cli *cli, int argc, char **argv);
static int ns_show(struct cli *cli, int argc, char **argv);
static int ns_set(struct cli *cli, int argc, char **argv);
static int ns_remove(struct cli *cli, int argc, char **argv);
static int ns_test(struct cli *cli, int argc, char **argv);
static int as_add(struct cli *cli, int argc, char **argv);
static int as_list(struct cli *cli, int argc, char **argv);
static int as_show(struct cli *cli, int argc, char **argv);
static int as_set(struct cli *cli, int argc, char **argv);
static int as_remove(struct cli *cli, int argc, char **argv);

const struct cli_command cli_ns_commands[] = {
	[COMMAND_ADD] = {"ns add", "let a network server in",
		"Usage: keyward ns add NAME --net-id N (--token | --token-file F) [options]\n"
		"\n" NS_HELP CONFIG_HELP "\n"
		"Examples:\n"
		"  keyward ns add home --net-id 000013 --token --any-device\n"
		"  keyward ns add chirp --net-id 000013 --token --app-s-key inline \\\n"
		"    --print-config chirpstack --url https://js.example.com:8003/ > chirp.toml\n"
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
		"  keyward ns set partner --kek-label ''\n",
		ns_set},
	[COMMAND_REMOVE] = {"ns remove", "forget a network server",
		"Usage: keyward ns remove NAME\n\nExample:\n  keyward ns remove partner\n",
		ns_remove},
	[COMMAND_TEST] = {"ns test", NULL, "ns test is not supported by this version.\n", ns_test},
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
		"\n" AS_HELP TAKE_AWAY "\n"
		"Example:\n"
		"  keyward as set app --token\n",
		as_set},
	[COMMAND_REMOVE] = {"as remove", "forget an application server",
		"Usage: keyward as remove NAME\n\nExample:\n  keyward as remove app\n", as_remove},
	{NULL, NULL, NULL, NULL},
};

static const struct peer_kind kind_ns = {
	"/network-servers", "network_servers", "network server", cli_ns_commands};
static const struct peer_kind kind_as = {
	"/application-servers", "application_servers", "application server", cli_as_commands};

enum {
	OPTION_TOKEN = 600,
	OPTION_TOKEN_FILE,
	OPTION_KEK_LABEL,
	OPTION_KEK_FILE,
	OPTION_JOIN_EUI,
	OPTION_ANY_DEVICE,
	OPTION_NO_ANY_DEVICE,
	OPTION_PRINT_CONFIG,
	OPTION_URL,
};

#define CONFIG_OPTIONS                                                  \
	{"print-config", required_argument, NULL, OPTION_PRINT_CONFIG}, \
		{"url", required_argument, NULL, OPTION_URL},

#define SECRET_OPTIONS                                                            \
	{"token", no_argument, NULL, OPTION_TOKEN},                               \
		{"token-file", required_argument, NULL, OPTION_TOKEN_FILE},       \
		{"kek-label", required_argument, NULL, OPTION_KEK_LABEL},         \
		{"kek-file", required_argument, NULL, OPTION_KEK_FILE},           \
		{"app-s-key", required_argument, NULL, CLI_OPTION_APP_S_KEY},     \
		{"certificate", required_argument, NULL, CLI_OPTION_UNSUPPORTED}, \
		{"ca", required_argument, NULL, CLI_OPTION_UNSUPPORTED},          \
		{"subject", required_argument, NULL, CLI_OPTION_UNSUPPORTED},     \
		{"answer-url", required_argument, NULL, CLI_OPTION_UNSUPPORTED},

static const struct option ns_options[] = {
	{"net-id", required_argument, NULL, CLI_OPTION_NET_ID},
	{"ns-id", required_argument, NULL, CLI_OPTION_NS_ID},
	{"join-eui", required_argument, NULL, OPTION_JOIN_EUI},
	{"any-device", no_argument, NULL, OPTION_ANY_DEVICE},
	{"no-any-device", no_argument, NULL, OPTION_NO_ANY_DEVICE},
	CONFIG_OPTIONS SECRET_OPTIONS CLI_COMMON_OPTIONS,
};

static const struct option as_options[] = {
	{"as-id", required_argument, NULL, CLI_OPTION_AS_ID},
	SECRET_OPTIONS CLI_COMMON_OPTIONS,
};

struct wish {
	struct cli_policy policy; /* net_ids, ns_id, as_id, app_s_key */
	struct cli_list ranges;
	bool has_ranges;
	bool has_any_device;
	bool any_device;
	bool make_token;
	const char *token_file;
	const char *kek_label;
	const char *kek_file;
	const char *print_config;
	const char *url;
	struct cli_config_request config;
};

static void take_range(struct wish *wish, const struct cli_command *command, const char *value)
{
	struct lw_eui_range range;

	if (value[0] != '\0' && lw_eui_range_read(value, &range) != KW_OK) {
		cli_usage(command, "--join-eui: write 70b3d57ed0000000/40, FIRST-LAST or one EUI "
				   "of 16 digits");
	}
	wish->has_ranges = true;
	cli_list_add(&wish->ranges, command, "--join-eui", value);
}

static void take_option(
	struct wish *wish, const struct cli_command *command, int option, const char *value)
{
	switch (option) {
	case OPTION_TOKEN:
		wish->make_token = true;
		break;
	case OPTION_TOKEN_FILE:
		wish->token_file = value;
		break;
	case OPTION_KEK_LABEL:
		wish->kek_label = value;
		break;
	case OPTION_KEK_FILE:
		wish->kek_file = value;
		break;
	case OPTION_JOIN_EUI:
		take_range(wish, command, value);
		break;
	case OPTION_ANY_DEVICE:
	case OPTION_NO_ANY_DEVICE:
		wish->has_any_device = true;
		wish->any_device = option == OPTION_ANY_DEVICE;
		break;
	case OPTION_PRINT_CONFIG:
		wish->print_config = value;
		break;
	case OPTION_URL:
		wish->url = value;
		break;
	default:
		cli_policy_take(&wish->policy, command, option, value);
		break;
	}
}

static void check_secrets(const struct wish *wish, const struct cli_command *command)
{
	const bool takes_kek_away = wish->kek_label != NULL && wish->kek_label[0] == '\0';

	if (wish->token_file != NULL && wish->token_file[0] == '\0') {
		cli_usage(command, "--token-file needs a file; --token replaces a token, remove "
				   "shuts its owner out");
	}
	if (wish->make_token && wish->token_file != NULL) {
		cli_usage(command, "--token and --token-file exclude each other");
	}
	if (wish->kek_file != NULL && (wish->kek_label == NULL || takes_kek_away)) {
		cli_usage(command, "--kek-file needs --kek-label");
	}
	if (wish->kek_label != NULL && !takes_kek_away && wish->kek_file == NULL) {
		cli_usage(command, "--kek-label needs --kek-file");
	}
	if (wish->token_file != NULL && wish->kek_file != NULL &&
		strcmp(wish->token_file, "-") == 0 && strcmp(wish->kek_file, "-") == 0) {
		cli_usage(command, "token and KEK cannot both come from standard input");
	}
}

static void read_wish(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	const struct option *options, struct wish *wish)
{
	int option;

	memset(wish, 0, sizeof(*wish));
	while ((option = cli_next_option(cli, command, argc, argv, options)) != -1) {
		take_option(wish, command, option, optarg);
	}
	cli_want_words(command, argc, argv, 1, "NAME");
	check_secrets(wish, command);
	cli_config_request_read(cli, command, wish->print_config, wish->url, &wish->config);
}

static int add_token(const struct wish *wish, json_t *body, char token[CLI_TOKEN_SIZE])
{
	char digest[CLI_DIGEST_SIZE];
	int status;

	if (!wish->make_token && wish->token_file == NULL) {
		return CLI_DONE;
	}
	if (wish->make_token) {
		status = cli_token_make(token);
		if (status == CLI_DONE) {
			status = cli_token_digest(token, strlen(token), digest);
		}
	} else {
		status = cli_token_file_digest(wish->token_file, digest);
	}
	if (status == CLI_DONE) {
		json_object_set_new(body, "token_sha256", json_string(digest));
	}
	return status;
}

static int add_kek(struct cli *cli, const struct wish *wish, json_t *body)
{
	char *envelope;
	int status;

	if (wish->kek_label == NULL) {
		return CLI_DONE;
	}
	cli_set_text(body, "kek_label", wish->kek_label);
	if (wish->kek_file == NULL) {
		return CLI_DONE;
	}
	status = cli_kek_file_seal(cli, wish->kek_file, &envelope);
	if (status == CLI_DONE) {
		json_object_set_new(body, "kek_envelope", json_string(envelope));
	}
	free(envelope);
	return status;
}

static int make_body(
	struct cli *cli, const struct wish *wish, json_t *body, char token[CLI_TOKEN_SIZE])
{
	int status;

	cli_policy_members(&wish->policy, body);
	if (wish->has_ranges) {
		json_object_set_new(body, "join_eui_ranges", cli_list_json(&wish->ranges));
	}
	if (wish->has_any_device) {
		json_object_set_new(body, "any_device", json_boolean(wish->any_device));
	}
	status = add_token(wish, body, token);
	return status == CLI_DONE ? add_kek(cli, wish, body) : status;
}

static void print_token(const struct cli *cli, const char *token)
{
	/* With --json standard output is the API's answer alone. */
	FILE *stream = cli->json ? stderr : stdout;

	fprintf(stream,
		"\nThe token, shown only now; it is stored as a digest. Its server sends:\n"
		"  Authorization: Bearer %s\n",
		token);
}

/* With --print-config standard output is what goes into the other side's file. */
static int print_done(const struct cli *cli, const struct peer_kind *kind, const struct wish *wish,
	const struct cli_reply *reply, const char *token, bool create)
{
	FILE *stream = wish->config.wanted ? stderr : stdout;

	if (!cli_print_json(cli, reply)) {
		char *name = cli_member(reply->json, "name");

		fprintf(stream, "%s %s %s\n", kind->words, name, create ? "added" : "changed");
		free(name);
	}
	if (wish->config.wanted) {
		return cli_config_print_peer(
			&wish->config, reply->json, token[0] == '\0' ? NULL : token);
	}
	if (token[0] != '\0') {
		print_token(cli, token);
	}
	return CLI_DONE;
}

/* Create or change. */
static int send_wish(struct cli *cli, const struct peer_kind *kind, const struct wish *wish,
	const char *name, bool create)
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
	status = make_body(cli, wish, body, token);
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

static void warn_no_token(const struct wish *wish, const char *name, const char *prefix)
{
	if (!wish->make_token && wish->token_file == NULL) {
		cli_warn("%s has no token and cannot ask for anything yet; "
			 "keyward %s set %s --token makes one",
			name, prefix, name);
	}
}

static int ns_add(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_ns_commands[COMMAND_ADD];
	struct wish wish;

	read_wish(cli, command, argc, argv, ns_options, &wish);
	if (wish.policy.net_ids.count == 0) {
		cli_usage(command, "--net-id is missing: the NetID of the network server");
	}
	if (!wish.make_token && wish.token_file == NULL) {
		cli_usage(command, "--token or --token-file is missing: how it shows who it is");
	}
	return send_wish(cli, &kind_ns, &wish, argv[optind], true);
}

static int as_add(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_as_commands[COMMAND_ADD];
	struct wish wish;
	int status;

	read_wish(cli, command, argc, argv, as_options, &wish);
	if (wish.policy.as_id == NULL || wish.policy.as_id[0] == '\0') {
		cli_usage(command, "--as-id is missing: the AS-ID of the application server");
	}
	status = send_wish(cli, &kind_as, &wish, argv[optind], true);
	if (status == CLI_DONE) {
		warn_no_token(&wish, argv[optind], "as");
	}
	return status;
}

static int run_set(struct cli *cli, const struct peer_kind *kind, const struct option *options,
	int argc, char **argv)
{
	const struct cli_command *command = &kind->commands[COMMAND_SET];
	struct wish wish;

	read_wish(cli, command, argc, argv, options, &wish);
	if (cli_policy_is_empty(&wish.policy) && !wish.has_ranges && !wish.has_any_device &&
		!wish.make_token && wish.token_file == NULL && wish.kek_label == NULL) {
		cli_usage(command, "nothing to change was given");
	}
	return send_wish(cli, kind, &wish, argv[optind], false);
}

static int list_page(
	struct cli *cli, const struct peer_kind *kind, const char *after, struct cli_reply *reply)
{
	struct cli_path path;

	cli_path_init(&path, kind->collection);
	if (after[0] != '\0') {
		cli_path_query(&path, "after", after);
	}
	return cli_api_get(cli, &path, reply);
}

static int list_all(struct cli *cli, const struct peer_kind *kind, const struct cli_column *columns)
{
	struct cli_table table = {.columns = columns};
	char after[80] = "";
	bool more = true;

	while (more) {
		struct cli_reply reply;
		const int status = list_page(cli, kind, after, &reply);
		const char *resume = json_string_value(json_object_get(reply.json, "resume"));

		if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
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

static int run_list(struct cli *cli, const struct peer_kind *kind, const struct cli_column *columns,
	int argc, char **argv)
{
	skip_options(cli, &kind->commands[COMMAND_LIST], argc, argv);
	cli_want_words(&kind->commands[COMMAND_LIST], argc, argv, 0, "");
	return list_all(cli, kind, columns);
}

static void print_peer(const struct peer_kind *kind, const json_t *peer)
{
	cli_print_member("name", peer, "name");
	if (kind == &kind_ns) {
		cli_print_member("NetIDs", peer, "net_ids");
		cli_print_member("NSID", peer, "ns_id");
		if (json_array_size(json_object_get(peer, "join_eui_ranges")) == 0) {
			printf("%-18s every\n", "JoinEUIs");
		} else {
			cli_print_member("JoinEUIs", peer, "join_eui_ranges");
		}
		cli_print_member("any device", peer, "any_device");
	} else {
		cli_print_member("AS-ID", peer, "as_id");
	}
	cli_print_member("token", peer, "has_token");
	cli_print_member("KEK", peer, "has_kek");
	cli_print_member("KEK label", peer, "kek_label");
	cli_print_member("AppSKey delivery", peer, "app_s_key");
	cli_print_member("created", peer, "created");
	cli_print_member("changed", peer, "changed");
}

/* Options of ns show; as show knows none. */
static void read_show(struct cli *cli, const struct peer_kind *kind, int argc, char **argv,
	struct cli_config_request *config)
{
	static const struct option options[] = {CONFIG_OPTIONS CLI_COMMON_OPTIONS};
	const struct cli_command *command = &kind->commands[COMMAND_SHOW];
	const char *values[2] = {NULL, NULL};
	int option;

	*config = (struct cli_config_request){.wanted = false};
	if (kind != &kind_ns) {
		skip_options(cli, command, argc, argv);
		return;
	}
	while ((option = cli_next_option(cli, command, argc, argv, options)) != -1) {
		values[option == OPTION_URL ? 1 : 0] = optarg;
	}
	cli_config_request_read(cli, command, values[0], values[1], config);
}

static int run_show(struct cli *cli, const struct peer_kind *kind, int argc, char **argv)
{
	struct cli_config_request config;
	struct cli_path path;
	struct cli_reply reply;
	int status;

	read_show(cli, kind, argc, argv, &config);
	cli_want_words(&kind->commands[COMMAND_SHOW], argc, argv, 1, "NAME");
	cli_path_init(&path, kind->collection);
	cli_path_segment(&path, argv[optind]);
	status = cli_api_get(cli, &path, &reply);
	if (status == CLI_DONE && config.wanted) {
		status = cli_config_print_peer(&config, reply.json, NULL);
	} else if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		print_peer(kind, reply.json);
	}
	cli_reply_finish(&reply);
	return status;
}

static int run_remove(struct cli *cli, const struct peer_kind *kind, int argc, char **argv)
{
	const struct cli_command *command = &kind->commands[COMMAND_REMOVE];
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

static const struct cli_column ns_columns[] = {
	{"NAME", "name"},
	{"NETIDS", "net_ids"},
	{"NSID", "ns_id"},
	{"ANY DEVICE", "any_device"},
	{"TOKEN", "has_token"},
	{"KEK", "kek_label"},
	{"APPSKEY", "app_s_key"},
	{"JOINEUIS", "join_eui_ranges"},
	{NULL, NULL},
};

static const struct cli_column as_columns[] = {
	{"NAME", "name"},
	{"AS-ID", "as_id"},
	{"TOKEN", "has_token"},
	{"KEK", "kek_label"},
	{"APPSKEY", "app_s_key"},
	{NULL, NULL},
};

static int ns_list(struct cli *cli, int argc, char **argv)
{
	return run_list(cli, &kind_ns, ns_columns, argc, argv);
}

static int ns_show(struct cli *cli, int argc, char **argv)
{
	return run_show(cli, &kind_ns, argc, argv);
}

static int ns_set(struct cli *cli, int argc, char **argv)
{
	return run_set(cli, &kind_ns, ns_options, argc, argv);
}

static int ns_remove(struct cli *cli, int argc, char **argv)
{
	return run_remove(cli, &kind_ns, argc, argv);
}

static int ns_test(struct cli *cli, int argc, char **argv)
{
	skip_options(cli, &cli_ns_commands[COMMAND_TEST], argc, argv);
	cli_usage(&cli_ns_commands[COMMAND_TEST], "not supported by this version");
}

static int as_list(struct cli *cli, int argc, char **argv)
{
	return run_list(cli, &kind_as, as_columns, argc, argv);
}

static int as_show(struct cli *cli, int argc, char **argv)
{
	return run_show(cli, &kind_as, argc, argv);
}

static int as_set(struct cli *cli, int argc, char **argv)
{
	return run_set(cli, &kind_as, as_options, argc, argv);
}

static int as_remove(struct cli *cli, int argc, char **argv)
{
	return run_remove(cli, &kind_as, argc, argv);
}
