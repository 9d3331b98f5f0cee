#include "cli/peer_wish.h"

#include "lorawan/eui.h"

#include <stdlib.h>
#include <string.h>

enum {
	OPTION_KEK_LABEL = 600,
	OPTION_KEK_FILE,
	OPTION_JOIN_EUI,
	OPTION_ANY_DEVICE,
	OPTION_NO_ANY_DEVICE,
	OPTION_ANSWER_URL,
	OPTION_RATE,
	OPTION_CLEAR,
	OPTION_NO_CLEAR,
	OPTION_PRINT_CONFIG,
	OPTION_URL,
};

#define RATE_MAX 1000000

#define SHARED_OPTIONS                                                                  \
	CLI_CREDENTIAL_OPTIONS{"kek-label", required_argument, NULL, OPTION_KEK_LABEL}, \
		{"kek-file", required_argument, NULL, OPTION_KEK_FILE},                 \
		{"answer-url", required_argument, NULL, OPTION_ANSWER_URL},             \
		{"rate", required_argument, NULL, OPTION_RATE},                         \
		{"app-s-key", required_argument, NULL, CLI_OPTION_APP_S_KEY},

const struct option cli_peer_ns_options[] = {
	{"net-id", required_argument, NULL, CLI_OPTION_NET_ID},
	{"ns-id", required_argument, NULL, CLI_OPTION_NS_ID},
	{"join-eui", required_argument, NULL, OPTION_JOIN_EUI},
	{"any-device", no_argument, NULL, OPTION_ANY_DEVICE},
	{"no-any-device", no_argument, NULL, OPTION_NO_ANY_DEVICE},
	{"print-config", required_argument, NULL, OPTION_PRINT_CONFIG},
	{"url", required_argument, NULL, OPTION_URL},
	SHARED_OPTIONS CLI_COMMON_OPTIONS,
};

const struct option cli_peer_as_options[] = {
	{"as-id", required_argument, NULL, CLI_OPTION_AS_ID},
	{"app-s-key-in-clear", no_argument, NULL, OPTION_CLEAR},
	{"no-app-s-key-in-clear", no_argument, NULL, OPTION_NO_CLEAR},
	SHARED_OPTIONS CLI_COMMON_OPTIONS,
};

static void take_range(
	struct cli_peer_wish *wish, const struct cli_command *command, const char *value)
{
	struct lw_eui_range range;

	if (value[0] != '\0' && lw_eui_range_read(value, &range) != KW_OK) {
		cli_usage(command, "--join-eui: write 70b3d57ed0000000/40, FIRST-LAST or one EUI "
				   "of 16 digits");
	}
	wish->has_ranges = true;
	cli_list_add(&wish->ranges, command, "--join-eui", value);
}

/* Digits up to `end`; 0 for what is no number from 1 to RATE_MAX. */
static json_int_t read_rate(const char *text, char end)
{
	json_int_t number = 0;

	for (; *text >= '0' && *text <= '9' && number <= RATE_MAX; text++) {
		number = 10 * number + (*text - '0');
	}
	return *text == end && number <= RATE_MAX ? number : 0;
}

static void take_rate(
	struct cli_peer_wish *wish, const struct cli_command *command, const char *value)
{
	const char *slash = strchr(value, '/');

	wish->has_rate = true;
	wish->rate = 0;
	wish->burst = 0;
	if (strcmp(value, "default") == 0) {
		return;
	}
	wish->rate = read_rate(value, slash != NULL ? '/' : '\0');
	wish->burst = slash != NULL ? read_rate(slash + 1, '\0') : 0;
	if (wish->rate == 0 || (slash != NULL && wish->burst == 0)) {
		cli_usage(command, "--rate: write requests a second, as 500, or with a burst, as "
				   "500/2000, each from 1 to 1000000, or default");
	}
}

static void add_rate(const struct cli_peer_wish *wish, json_t *body)
{
	if (!wish->has_rate) {
		return;
	}
	json_object_set_new(body, "rate", wish->rate != 0 ? json_integer(wish->rate) : json_null());
	if (wish->burst != 0) {
		json_object_set_new(body, "burst", json_integer(wish->burst));
	}
}

static void take_option(struct cli_peer_wish *wish, const struct cli_command *command, int option,
	const char *value)
{
	switch (option) {
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
	case OPTION_ANSWER_URL:
		wish->answer_url = value;
		break;
	case OPTION_RATE:
		take_rate(wish, command, value);
		break;
	case OPTION_PRINT_CONFIG:
		wish->print_config = value;
		break;
	case OPTION_URL:
		wish->url = value;
		break;
	case OPTION_CLEAR:
	case OPTION_NO_CLEAR:
		wish->has_clear = true;
		wish->clear = option == OPTION_CLEAR;
		break;
	default:
		if (!cli_credential_take(&wish->credential, command, option, value)) {
			cli_policy_take(&wish->policy, command, option, value);
		}
		break;
	}
}

static void check_kek(const struct cli_peer_wish *wish, const struct cli_command *command)
{
	const bool takes_away = wish->kek_label != NULL && wish->kek_label[0] == '\0';

	if (wish->kek_file != NULL && (wish->kek_label == NULL || takes_away)) {
		cli_usage(command, "--kek-file needs --kek-label");
	}
	if (wish->kek_label != NULL && !takes_away && wish->kek_file == NULL) {
		cli_usage(command, "--kek-label needs --kek-file");
	}
}

/* The first that reads it would leave nothing to the second. */
static void check_standard_input(
	const struct cli_peer_wish *wish, const struct cli_command *command)
{
	const struct cli_credential *credential = &wish->credential;
	const struct {
		const char *option;
		const char *path;
	} files[] = {
		{"--token-file", credential->token_file},
		{"--authorization-file", credential->authorization_file},
		{"--basic-file", credential->basic_file},
		{"--kek-file", wish->kek_file},
		{"--certificate", credential->certificates.items[0]},
		{"--certificate", credential->certificates.items[1]},
		{"--certificate", credential->certificates.items[2]},
		{"--certificate", credential->certificates.items[3]},
		{"--ca", credential->cas.items[0]},
		{"--ca", credential->cas.items[1]},
	};
	const char *reader = NULL;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i].path == NULL || strcmp(files[i].path, "-") != 0) {
			continue;
		}
		if (reader != NULL) {
			cli_usage(command, "%s and %s cannot both come from standard input", reader,
				files[i].option);
		}
		reader = files[i].option;
	}
}

void cli_peer_wish_read(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	const struct option *options, struct cli_peer_wish *wish)
{
	int option;

	memset(wish, 0, sizeof(*wish));
	while ((option = cli_next_option(cli, command, argc, argv, options)) != -1) {
		take_option(wish, command, option, optarg);
	}
	cli_want_words(command, argc, argv, 1, "NAME");
	cli_credential_check(&wish->credential, command);
	check_kek(wish, command);
	check_standard_input(wish, command);
	cli_config_request_read(cli, command, wish->print_config, wish->url, &wish->config);
}

bool cli_peer_wish_is_empty(const struct cli_peer_wish *wish)
{
	return cli_policy_is_empty(&wish->policy) && !cli_credential_is_wished(&wish->credential) &&
	       !wish->has_ranges && !wish->has_any_device && !wish->has_clear &&
	       wish->answer_url == NULL && wish->kek_label == NULL && !wish->has_rate;
}

FILE *cli_peer_wish_words(const struct cli *cli, const struct cli_peer_wish *wish)
{
	return cli->json || wish->config.wanted ? stderr : stdout;
}

static int add_kek(struct cli *cli, const struct cli_peer_wish *wish, json_t *body)
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
		cli_set_text(body, "kek_envelope", envelope);
	}
	free(envelope);
	return status;
}

int cli_peer_wish_members(
	struct cli *cli, const struct cli_peer_wish *wish, json_t *body, char token[CLI_TOKEN_SIZE])
{
	int status;

	cli_policy_members(&wish->policy, body);
	if (wish->has_ranges) {
		json_object_set_new(body, "join_eui_ranges", cli_list_json(&wish->ranges));
	}
	if (wish->has_any_device) {
		json_object_set_new(body, "any_device", json_boolean(wish->any_device));
	}
	if (wish->has_clear) {
		json_object_set_new(body, "app_s_key_in_clear", json_boolean(wish->clear));
	}
	cli_set_text(body, "answer_url", wish->answer_url);
	add_rate(wish, body);
	status = cli_credential_members(
		&wish->credential, cli_peer_wish_words(cli, wish), body, token);
	return status == CLI_DONE ? add_kek(cli, wish, body) : status;
}
