#include "cli/policy.h"

#include "lorawan/eui.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cli_check_net_id(const struct cli_command *command, const char *option, const char *value)
{
	struct lw_net_id net_id;

	if (lw_net_id_read(value, &net_id) != KW_OK) {
		cli_usage(command, "%s: a NetID has 6 hexadecimal digits, e.g. 000013", option);
	}
}

void cli_check_eui(const struct cli_command *command, const char *option, const char *value)
{
	struct lw_eui eui;

	if (lw_eui_read(value, &eui) != KW_OK) {
		cli_usage(command, "%s: an EUI has 16 hexadecimal digits", option);
	}
}

void cli_check_delivery(const struct cli_command *command, const char *value)
{
	static const char *const modes[] = {"default", "inline", "inline-id", "wrapped", "fetch"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i], value) == 0) {
			return;
		}
	}
	cli_usage(command, "--app-s-key: inline, inline-id, wrapped, fetch or default");
}

void cli_list_add(struct cli_list *list, const struct cli_command *command, const char *option,
	const char *value)
{
	if (value[0] == '\0') {
		return;
	}
	if (list->count == CLI_LIST_MAX) {
		cli_usage(command, "%s: at most %d of them", option, CLI_LIST_MAX);
	}
	list->items[list->count++] = value;
}

static void take_net_id(struct cli_list *list, bool *given, const struct cli_command *command,
	const char *option, const char *value)
{
	*given = true;
	if (value[0] != '\0') {
		cli_check_net_id(command, option, value);
	}
	cli_list_add(list, command, option, value);
}

bool cli_policy_take(
	struct cli_policy *policy, const struct cli_command *command, int option, const char *value)
{
	switch (option) {
	case CLI_OPTION_NET_ID:
		take_net_id(&policy->net_ids, &policy->has_net_ids, command, "--net-id", value);
		return true;
	case CLI_OPTION_ROAMING:
		take_net_id(&policy->roaming, &policy->has_roaming, command, "--roaming", value);
		return true;
	case CLI_OPTION_NS_ID:
		if (value[0] != '\0') {
			cli_check_eui(command, "--ns-id", value);
		}
		policy->ns_id = value;
		return true;
	case CLI_OPTION_AS_ID:
		policy->as_id = value;
		return true;
	case CLI_OPTION_APP_S_KEY:
		cli_check_delivery(command, value);
		policy->app_s_key = value;
		return true;
	case CLI_OPTION_NAME:
		policy->name = value;
		return true;
	default:
		return false;
	}
}

static void query_text(struct cli_path *path, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0') {
		cli_path_query(path, name, value);
	}
}

void cli_policy_query(const struct cli_policy *policy, struct cli_path *path)
{
	for (size_t i = 0; i < policy->net_ids.count; i++) {
		cli_path_query(path, "net_id", policy->net_ids.items[i]);
	}
	query_text(path, "ns_id", policy->ns_id);
	query_text(path, "as_id", policy->as_id);
	query_text(path, "app_s_key", policy->app_s_key);
}

json_t *cli_list_json(const struct cli_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++) {
		json_array_append_new(array, json_string(list->items[i]));
	}
	return array;
}

void cli_set_text(json_t *object, const char *name, const char *value)
{
	json_t *text;

	if (value == NULL) {
		return;
	}
	text = value[0] == '\0' ? json_null() : json_string(value);
	if (text == NULL) {
		cli_fail("the value of %s is not UTF-8", name);
		exit(CLI_FAILED);
	}
	json_object_set_new(object, name, text);
}

void cli_policy_members(const struct cli_policy *policy, json_t *object)
{
	if (policy->has_net_ids) {
		json_object_set_new(object, "net_ids", cli_list_json(&policy->net_ids));
	}
	if (policy->has_roaming) {
		json_object_set_new(object, "roaming", cli_list_json(&policy->roaming));
	}
	cli_set_text(object, "ns_id", policy->ns_id);
	cli_set_text(object, "as_id", policy->as_id);
	cli_set_text(object, "app_s_key", policy->app_s_key);
	cli_set_text(object, "name", policy->name);
}

bool cli_policy_is_empty(const struct cli_policy *policy)
{
	return !policy->has_net_ids && !policy->has_roaming && policy->ns_id == NULL &&
	       policy->as_id == NULL && policy->app_s_key == NULL && policy->name == NULL;
}

static bool has_as_id(const json_t *servers, const char *as_id)
{
	const json_t *server;
	size_t index;

	json_array_foreach(servers, index, server)
	{
		const char *text = json_string_value(json_object_get(server, "as_id"));

		if (text != NULL && strcmp(text, as_id) == 0) {
			return true;
		}
	}
	return false;
}

/* @return true also where the list could not be had: what is not known is not said */
static bool is_registered(struct cli *cli, const char *as_id)
{
	char after[80] = "";
	bool found = false;
	bool more = true;

	while (more && !found) {
		struct cli_path path;
		struct cli_reply reply;
		const char *resume;

		cli_path_init(&path, "/application-servers");
		if (after[0] != '\0') {
			cli_path_query(&path, "after", after);
		}
		found = cli_api_get(cli, &path, &reply) != CLI_DONE ||
			has_as_id(json_object_get(reply.json, "application_servers"), as_id);
		resume = json_string_value(json_object_get(reply.json, "resume"));
		more = json_is_true(json_object_get(reply.json, "more")) && resume != NULL;
		snprintf(after, sizeof(after), "%s", resume == NULL ? "" : resume);
		cli_reply_finish(&reply);
	}
	return found;
}

void cli_policy_note(struct cli *cli, const struct cli_policy *policy)
{
	if (policy->as_id == NULL || policy->as_id[0] == '\0' ||
		is_registered(cli, policy->as_id)) {
		return;
	}
	fprintf(stderr,
		"note: no application server has the AS-ID %s; \"keyward as add\" before the next "
		"join, or it never gets the AppSKey of that\n",
		policy->as_id);
}
