/** Options of `ns add|set` and `as add|set`, and the body that they become. */
#ifndef KW_CLI_PEER_WISH_H
#define KW_CLI_PEER_WISH_H

#include "cli/credential.h"
#include "cli/print_config.h"

#define CLI_PEER_WISH_HELP                                                                       \
	CLI_CREDENTIAL_HELP                                                                      \
	"  --kek-label L     label of a KEK under which it gets keys from now on\n"              \
	"  --kek-file F      the KEK: hexadecimal digits of 16, 24 or 32 octets, in a file of\n" \
	"                    mode 0600, or - for standard input\n"                               \
	"  --answer-url U    where answers are posted to (https), instead of in the response\n"  \
	"  --rate N[/BURST]  requests a second that are answered, and how many at once "         \
	"(default:\n"                                                                            \
	"                    two seconds'); default: peer_rate of the configuration\n"           \
	"  --app-s-key MODE  how AppSKey is delivered: inline, inline-id, wrapped, fetch, "      \
	"default\n"

/** Option tables, ended. */
extern const struct option cli_peer_ns_options[];
extern const struct option cli_peer_as_options[];

/** Strings are borrowed from argv. */
struct cli_peer_wish {
	struct cli_policy policy; /* net_ids, ns_id, as_id, app_s_key */
	struct cli_credential credential;
	struct cli_list ranges;
	bool has_ranges;
	bool has_any_device;
	bool any_device;
	bool has_clear;
	bool clear;
	const char *answer_url;
	bool has_rate;
	json_int_t rate;  /* 0: the configuration's */
	json_int_t burst; /* 0: not given */
	const char *kek_label;
	const char *kek_file;
	const char *print_config;
	const char *url;
	struct cli_config_request config; /* what the two ask for; ns only */
};

/** Read all options and the NAME behind them; what does not go together ends the program. */
void cli_peer_wish_read(struct cli *cli, const struct cli_command *command, int argc, char **argv,
	const struct option *options, struct cli_peer_wish *wish);
/** Whether nothing was given. */
bool cli_peer_wish_is_empty(const struct cli_peer_wish *wish);
/** Where words for people go: standard output is for the API's answer alone with --json, and for the
 *  other side's file with --print-config. */
FILE *cli_peer_wish_words(const struct cli *cli, const struct cli_peer_wish *wish);
/**
 * Read the files and add members to a body.
 *
 * @param token  out: the token if one was made, else ""; to be wiped
 * @return CLI_DONE, or CLI_FAILED with everything said
 */
int cli_peer_wish_members(struct cli *cli, const struct cli_peer_wish *wish, json_t *body,
	char token[CLI_TOKEN_SIZE]);

#endif
