#include "cli/api.h"
#include "cli/policy.h"
#include "cli/text.h"

#include "lorawan/eui.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_LIMIT 64

static int run_list(struct cli *cli, int argc, char **argv);
static int run_show(struct cli *cli, int argc, char **argv);
static int run_set(struct cli *cli, int argc, char **argv);
static int run_block(struct cli *cli, int argc, char **argv);
static int run_unblock(struct cli *cli, int argc, char **argv);
static int run_remove(struct cli *cli, int argc, char **argv);
static int run_reset(struct cli *cli, int argc, char **argv);

/* In the order of the help; the functions below index it. */
enum {
	COMMAND_IMPORT,
	COMMAND_ADD,
	COMMAND_LIST,
	COMMAND_SHOW,
	COMMAND_SET,
	COMMAND_BLOCK,
	COMMAND_UNBLOCK,
	COMMAND_REMOVE,
	COMMAND_RESET,
};

const struct cli_command cli_device_commands[] = {
	[COMMAND_IMPORT] = {"device import", "load devices from CSV, JSON or a sealed envelope",
		NULL, cli_device_import},
	[COMMAND_ADD] = {"device add", "add one device", NULL, cli_device_add},
	[COMMAND_LIST] = {"device list", "list devices",
		"Usage: keyward [--json] device list [--limit N]\n"
		"\n"
		"Lists devices in the order of JoinEUI and DevEUI; --limit N only the first N.\n"
		"With --json one answer of the API a line, each with up to 64 devices.\n"
		"\n"
		"Examples:\n"
		"  keyward device list\n"
		"  keyward --json device list | jq -r '.devices[].dev_eui'\n",
		run_list},
	[COMMAND_SHOW] = {"device show", "show one device, its key check values and its state",
		"Usage: keyward [--json] device show DEVEUI\n"
		"\n"
		"Shows a device: policy, key check values (CMAC method), nonces, joins. Never a "
		"key.\n"
		"\n"
		"Example:\n"
		"  keyward device show 0004A30B001C0530\n",
		run_show},
	[COMMAND_SET] = {"device set", "change what a device may do",
		"Usage: keyward device set DEVEUI [options]\n"
		"\n"
		"  --net-id N        network that may join it; repeatable; the list replaces the "
		"old\n"
		"  --roaming N       network that may ask for its home; repeatable, likewise\n"
		"  --ns-id E         NSID of the one network server that may join it\n"
		"  --as-id ID        application server that gets its AppSKey\n"
		"  --app-s-key MODE  inline, inline-id, wrapped, fetch, default\n"
		"  --name S          name\n"
		"\n"
		"An empty value takes a setting away.\n"
		"\n"
		"Examples:\n"
		"  keyward device set 0004A30B001C0530 --net-id 000013 --net-id 60002D\n"
		"  keyward device set 0004A30B001C0530 --as-id as.example --app-s-key fetch\n"
		"  keyward device set 0004A30B001C0530 --as-id ''\n",
		run_set},
	[COMMAND_BLOCK] = {"device block", "let a device join no more",
		"Usage: keyward device block DEVEUI\n"
		"\n"
		"Join-requests of a blocked device are refused until device unblock.\n"
		"\n"
		"Example:\n"
		"  keyward device block 0004A30B001C0530\n",
		run_block},
	[COMMAND_UNBLOCK] = {"device unblock", "let a blocked device join again",
		"Usage: keyward device unblock DEVEUI\n"
		"\n"
		"Example:\n"
		"  keyward device unblock 0004A30B001C0530\n",
		run_unblock},
	[COMMAND_REMOVE] = {"device remove", "forget a device and its root keys",
		"Usage: keyward device remove DEVEUI\n"
		"\n"
		"Removes the device with its root keys. They cannot be had back from the store.\n"
		"\n"
		"Example:\n"
		"  keyward device remove 0004A30B001C0530\n",
		run_remove},
	[COMMAND_RESET] = {"device reset-nonces", "forget which DevNonces were used",
		"Usage: keyward device reset-nonces DEVEUI\n"
		"\n"
		"For a device that starts counting DevNonce anew, e.g. after a change of "
		"firmware.\n"
		"Join-requests recorded before can then be played back once; JoinNonce goes on.\n"
		"\n"
		"Example:\n"
		"  keyward device reset-nonces 0004A30B001C0530\n",
		run_reset},
	{NULL, NULL, NULL, NULL},
};

/* The DevEUI on the command line, checked, as the path wants it. */
static void want_device(const struct cli_command *command, int argc, char **argv,
	char dev_eui[LW_EUI_TEXT_SIZE], struct cli_path *path)
{
	struct lw_eui eui;

	cli_want_words(command, argc, argv, 1, "DEVEUI");
	if (lw_eui_read(argv[optind], &eui) != KW_OK) {
		cli_usage(command, "%s is not a DevEUI, which has 16 hexadecimal digits",
			argv[optind]);
	}
	lw_eui_write(&eui, dev_eui);
	cli_path_init(path, "/devices");
	cli_path_segment(path, dev_eui);
}

static void skip_options(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	static const struct option options[] = {CLI_COMMON_OPTIONS};

	while (cli_next_option(cli, command, argc, argv, options) != -1) {
	}
}

static uint64_t read_limit(const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value == 0) {
		cli_usage(&cli_device_commands[COMMAND_LIST], "--limit: a number from 1 up");
	}
	return value;
}

static int list_page(struct cli *cli, const char *after, uint64_t limit, struct cli_reply *reply)
{
	struct cli_path path;

	cli_path_init(&path, "/devices");
	cli_path_query_number(&path, "limit", limit < PAGE_LIMIT ? limit : PAGE_LIMIT);
	if (after[0] != '\0') {
		cli_path_query(&path, "after", after);
	}
	return cli_api_get(cli, &path, reply);
}

static int list_all(struct cli *cli, uint64_t limit)
{
	static const struct cli_column columns[] = {
		{"DEVEUI", "dev_eui"},
		{"JOINEUI", "join_eui"},
		{"VERSION", "lorawan_version"},
		{"NETWORKS", "net_ids"},
		{"JOINS", "joins_accepted"},
		{"LAST JOIN", "last_join"},
		{"BLOCKED", "blocked"},
		{"NAME", "name"},
		{NULL, NULL},
	};
	struct cli_table table = {.columns = columns};
	char after[80] = "";
	bool more = true;

	while (more && limit > 0) {
		struct cli_reply reply;
		const int status = list_page(cli, after, limit, &reply);
		const json_t *devices = json_object_get(reply.json, "devices");
		const char *resume = json_string_value(json_object_get(reply.json, "resume"));
		const size_t count = json_array_size(devices);

		if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
			cli_table_print(&table, devices);
		}
		more = json_is_true(json_object_get(reply.json, "more")) && resume != NULL;
		snprintf(after, sizeof(after), "%s", resume == NULL ? "" : resume);
		limit -= count < limit ? count : limit;
		cli_reply_finish(&reply);
		if (status != CLI_DONE) {
			return status;
		}
	}
	return CLI_DONE;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{"limit", required_argument, NULL, 'n'},
		CLI_COMMON_OPTIONS,
	};
	const struct cli_command *command = &cli_device_commands[COMMAND_LIST];
	uint64_t limit = UINT64_MAX;

	while (cli_next_option(cli, command, argc, argv, options) != -1) {
		limit = read_limit(optarg);
	}
	cli_want_words(command, argc, argv, 0, "");
	return list_all(cli, limit);
}

static void print_device(const json_t *device)
{
	static const struct cli_column lines[] = {
		{"DevEUI", "dev_eui"},
		{"JoinEUI", "join_eui"},
		{"LoRaWAN version", "lorawan_version"},
		{"name", "name"},
		{"networks", "net_ids"},
		{"NSID", "ns_id"},
		{"AS-ID", "as_id"},
		{"AppSKey delivery", "app_s_key"},
		{"roaming", "roaming"},
		{"blocked", "blocked"},
		{"origin of keys", "origin"},
		{"AppKey KCV", "app_key_kcv"},
		{"NwkKey KCV", "nwk_key_kcv"},
		{"DevNonce rule", "dev_nonce_rule"},
		{"DevNonces used", "dev_nonces_used"},
		{"last DevNonce", "last_dev_nonce"},
		{"next JoinNonce", "next_join_nonce"},
		{"joins accepted", "joins_accepted"},
		{"joins refused", "joins_refused"},
		{"sessions kept", "sessions"},
		{"last network", "last_net_id"},
		{"last join", "last_join"},
		{"created", "created"},
		{"changed", "changed"},
		{NULL, NULL},
	};

	for (const struct cli_column *line = lines; line->title != NULL; line++) {
		cli_print_member(line->title, device, line->member);
	}
}

static int run_show(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_device_commands[COMMAND_SHOW];
	char dev_eui[LW_EUI_TEXT_SIZE];
	struct cli_path path;
	struct cli_reply reply;
	int status;

	skip_options(cli, command, argc, argv);
	want_device(command, argc, argv, dev_eui, &path);
	status = cli_api_get(cli, &path, &reply);
	if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		print_device(reply.json);
	}
	cli_reply_finish(&reply);
	return status;
}

/* Send a change and say in one line that it was made. */
static int change(
	struct cli *cli, const struct cli_request *request, const char *dev_eui, const char *done)
{
	struct cli_reply reply;
	const int status = cli_api_call(cli, request, &reply);

	if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		printf("device %s %s\n", dev_eui, done);
	}
	cli_reply_finish(&reply);
	return status;
}

static int run_set(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		CLI_POLICY_OPTIONS{"roaming", required_argument, NULL, CLI_OPTION_ROAMING},
		{"name", required_argument, NULL, CLI_OPTION_NAME},
		CLI_COMMON_OPTIONS,
	};
	const struct cli_command *command = &cli_device_commands[COMMAND_SET];
	struct cli_policy policy = {.has_net_ids = false};
	char dev_eui[LW_EUI_TEXT_SIZE];
	struct cli_path path;
	struct cli_request request = {.method = "PATCH", .path = &path};
	int option;
	int status;

	while ((option = cli_next_option(cli, command, argc, argv, options)) != -1) {
		cli_policy_take(&policy, command, option, optarg);
	}
	want_device(command, argc, argv, dev_eui, &path);
	if (cli_policy_is_empty(&policy)) {
		cli_usage(command, "nothing to change was given");
	}
	request.json = json_object();
	cli_policy_members(&policy, request.json);
	status = change(cli, &request, dev_eui, "changed");
	json_decref(request.json);
	if (status == CLI_DONE) {
		cli_policy_note(cli, &policy);
	}
	return status;
}

static int set_blocked(
	struct cli *cli, const struct cli_command *command, int argc, char **argv, bool blocked)
{
	char dev_eui[LW_EUI_TEXT_SIZE];
	struct cli_path path;
	struct cli_request request = {.method = "PATCH", .path = &path};
	int status;

	skip_options(cli, command, argc, argv);
	want_device(command, argc, argv, dev_eui, &path);
	request.json = json_pack("{s:b}", "blocked", blocked ? 1 : 0);
	status = change(cli, &request, dev_eui, blocked ? "blocked" : "unblocked");
	json_decref(request.json);
	return status;
}

static int run_block(struct cli *cli, int argc, char **argv)
{
	return set_blocked(cli, &cli_device_commands[COMMAND_BLOCK], argc, argv, true);
}

static int run_unblock(struct cli *cli, int argc, char **argv)
{
	return set_blocked(cli, &cli_device_commands[COMMAND_UNBLOCK], argc, argv, false);
}

static int run_remove(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_device_commands[COMMAND_REMOVE];
	char dev_eui[LW_EUI_TEXT_SIZE];
	struct cli_path path;
	const struct cli_request request = {.method = "DELETE", .path = &path};

	skip_options(cli, command, argc, argv);
	want_device(command, argc, argv, dev_eui, &path);
	return change(cli, &request, dev_eui, "removed");
}

static int run_reset(struct cli *cli, int argc, char **argv)
{
	const struct cli_command *command = &cli_device_commands[COMMAND_RESET];
	char dev_eui[LW_EUI_TEXT_SIZE];
	struct cli_path path;
	const struct cli_request request = {.method = "POST", .path = &path};

	skip_options(cli, command, argc, argv);
	want_device(command, argc, argv, dev_eui, &path);
	cli_path_segment(&path, "reset-nonces");
	return change(cli, &request, dev_eui, "has its DevNonces forgotten");
}
