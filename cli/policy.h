/** Options that say who may do what with a device; `device import`, `add` and `set` share them. */
#ifndef KW_CLI_POLICY_H
#define KW_CLI_POLICY_H

#include "cli/api.h"

#define CLI_LIST_MAX 8

/* Values of the options, from 500 up. */
enum {
	CLI_OPTION_NET_ID = 500,
	CLI_OPTION_NS_ID,
	CLI_OPTION_AS_ID,
	CLI_OPTION_APP_S_KEY,
	CLI_OPTION_ROAMING,
	CLI_OPTION_NAME,
};
#define CLI_POLICY_OPTIONS                                            \
	{"net-id", required_argument, NULL, CLI_OPTION_NET_ID},       \
		{"ns-id", required_argument, NULL, CLI_OPTION_NS_ID}, \
		{"as-id", required_argument, NULL, CLI_OPTION_AS_ID}, \
		{"app-s-key", required_argument, NULL, CLI_OPTION_APP_S_KEY},

struct cli_list {
	size_t count;
	const char *items[CLI_LIST_MAX];
};

/** Strings are borrowed from argv; NULL: not given; "": to be taken away. */
struct cli_policy {
	bool has_net_ids;
	bool has_roaming;
	struct cli_list net_ids;
	struct cli_list roaming;
	const char *ns_id;
	const char *as_id;
	const char *app_s_key;
	const char *name;
};

/** Take an option if it is one of these; its value is checked.
 *  @return whether it was */
bool cli_policy_take(struct cli_policy *policy, const struct cli_command *command, int option,
	const char *value);
/** As query parameters of an import; name and roaming have none. */
void cli_policy_query(const struct cli_policy *policy, struct cli_path *path);
/** As members of a body; what was not given is left out. */
void cli_policy_members(const struct cli_policy *policy, json_t *object);
bool cli_policy_is_empty(const struct cli_policy *policy);

/** Note on standard error if no application server has the AS-ID that was given: of what is joined
 *  before there is one, it never gets the AppSKeys. */
void cli_policy_note(struct cli *cli, const struct cli_policy *policy);

/** Add to a list; too many end the program. An empty value is not added. */
void cli_list_add(struct cli_list *list, const struct cli_command *command, const char *option,
	const char *value);
json_t *cli_list_json(const struct cli_list *list);
/** A member that is a text, or null for ""; NULL: none. What is no UTF-8 ends the program. */
void cli_set_text(json_t *object, const char *name, const char *value);

/** Check values of options; a wrong one ends the program with a usage error. */
void cli_check_net_id(const struct cli_command *command, const char *option, const char *value);
void cli_check_eui(const struct cli_command *command, const char *option, const char *value);
void cli_check_delivery(const struct cli_command *command, const char *value);

#endif
