#include "cli/print_config.h"

#include <string.h>

static int bad(const char *member)
{
	return cli_fail(
		"keywardd sent a network server whose %s does not read as it should", member);
}

static int read_net_ids(const json_t *array, struct cli_config *config)
{
	size_t index;
	const json_t *item;

	json_array_foreach(array, index, item)
	{
		const char *text = json_string_value(item);

		if (index == CLI_LIST_MAX || text == NULL ||
			lw_net_id_read(text, &config->net_ids[index]) != KW_OK) {
			return bad("net_ids");
		}
		config->net_id_count = index + 1;
	}
	return CLI_DONE;
}

static int read_ranges(const json_t *array, struct cli_config *config)
{
	size_t index;
	const json_t *item;

	json_array_foreach(array, index, item)
	{
		const char *text = json_string_value(item);

		if (index == CLI_LIST_MAX || text == NULL ||
			lw_eui_range_read(text, &config->ranges[index]) != KW_OK) {
			return bad("join_eui_ranges");
		}
		config->range_count = index + 1;
	}
	return CLI_DONE;
}

static int read_keks(const json_t *keks, struct cli_config *config)
{
	const json_t *kek;
	size_t index;

	json_array_foreach(keks, index, kek)
	{
		const char *label = json_string_value(json_object_get(kek, "label"));
		const json_int_t octets = json_integer_value(json_object_get(kek, "octets"));

		if (label == NULL || index == CLI_CONFIG_KEKS_MAX) {
			return bad("keks");
		}
		config->keks[index] = (struct cli_config_kek){.label = label,
			.octets =
				octets == 16 || octets == 24 || octets == 32 ? (unsigned)octets : 0,
			.current = json_is_true(json_object_get(kek, "current"))};
		config->kek_count = index + 1;
	}
	return CLI_DONE;
}

/* Any of them will do; a token is the simplest to write down. */
static void read_credentials(const json_t *credentials, struct cli_config *config)
{
	const json_t *credential;
	size_t index;

	json_array_foreach(credentials, index, credential)
	{
		const char *kind = json_string_value(json_object_get(credential, "kind"));

		if (kind == NULL) {
			continue;
		}
		if (strcmp(kind, "token") == 0) {
			config->authorization = CLI_CONFIG_BEARER;
		} else if (strcmp(kind, "authorization") == 0) {
			if (config->authorization == CLI_CONFIG_NONE) {
				config->authorization = CLI_CONFIG_FIXED;
			}
		} else {
			config->client_certificate = true;
		}
	}
}

int cli_config_read_peer(const json_t *peer, struct cli_config *config)
{
	const char *ns_id = json_string_value(json_object_get(peer, "ns_id"));
	int status;

	config->name = json_string_value(json_object_get(peer, "name"));
	config->delivery = json_string_value(json_object_get(peer, "app_s_key"));
	if (config->name == NULL) {
		return bad("name");
	}
	if (ns_id != NULL && lw_eui_read(ns_id, &config->ns_id) != KW_OK) {
		return bad("ns_id");
	}
	config->has_ns_id = ns_id != NULL;
	config->answer_url = json_string_value(json_object_get(peer, "answer_url"));
	read_credentials(json_object_get(peer, "credentials"), config);
	status = read_net_ids(json_object_get(peer, "net_ids"), config);
	if (status == CLI_DONE) {
		status = read_ranges(json_object_get(peer, "join_eui_ranges"), config);
	}
	return status == CLI_DONE ? read_keks(json_object_get(peer, "keks"), config) : status;
}

static void read_url(struct cli *cli, const struct cli_command *command, const char *text,
	struct cli_config_request *request)
{
	char made[CLI_URL_SIZE];

	if (text == NULL) {
		request->url_remark = cli_url_of_conf(cli_conf(cli), made);
		text = made;
	}
	if (!cli_url_read(text, &request->url)) {
		cli_usage(command, "--url: write https://HOST:PORT/ or http://HOST:PORT/");
	}
}

void cli_config_request_read(struct cli *cli, const struct cli_command *command, const char *kind,
	const char *url, struct cli_config_request *request)
{
	*request = (struct cli_config_request){.wanted = kind != NULL};
	if (kind == NULL) {
		if (url != NULL) {
			cli_usage(command, "--url needs --print-config");
		}
		return;
	}
	if (!cli_config_kind_read(kind, &request->kind)) {
		cli_usage(command, "--print-config: one of " CLI_CONFIG_KINDS);
	}
	if (cli->json) {
		cli_usage(command, "--print-config and --json exclude each other");
	}
	read_url(cli, command, url, request);
}

int cli_config_print_peer(
	const struct cli_config_request *request, const json_t *peer, const char *token)
{
	struct cli_config config = {.secret = token};
	const int status = cli_config_read_peer(peer, &config);

	if (status == CLI_DONE) {
		config.url = request->url;
		config.url_remark = request->url_remark;
		cli_config_print(request->kind, &config, stdout);
	}
	return status;
}
