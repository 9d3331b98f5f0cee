/**
 * Settings for the other side: the lines that let a network server join through this join server,
 * in the form of its configuration files, with comments on what to check.
 *
 * They go to standard output, to be redirected. KEKs are not known here and tokens only when they
 * were made a moment ago: what is not known is a text that begins with REPLACE. What would not work
 * is said in a comment that begins with WARNING, and on standard error.
 */
#ifndef KW_CLI_PRINT_CONFIG_H
#define KW_CLI_PRINT_CONFIG_H

#include "cli/policy.h"
#include "cli/url.h"
#include "lorawan/eui.h"

#include <jansson.h>
#include <stdio.h>

#define CLI_CONFIG_KINDS    "chirpstack, tts"
#define CLI_CONFIG_KEKS_MAX 8

enum cli_config_kind {
	CLI_CONFIG_CHIRPSTACK,
	CLI_CONFIG_TTS, /* The Things Stack */
};

/** What the network server shows in Authorization. */
enum cli_config_authorization {
	CLI_CONFIG_NONE,
	CLI_CONFIG_BEARER, /* secret: the token */
	CLI_CONFIG_FIXED,  /* secret: the whole value */
	CLI_CONFIG_BASIC,  /* user; secret: the password */
};

struct cli_config_kek {
	const char *label;
	unsigned octets; /* 16, 24 or 32; 0: not known */
	bool current;    /* others only open what was wrapped before */
};

/** A network server and how it reaches us. Strings are borrowed; NULL: not known, see above. */
struct cli_config {
	const char *name;
	size_t net_id_count;
	struct lw_net_id net_ids[CLI_LIST_MAX];
	bool has_ns_id;
	struct lw_eui ns_id;
	size_t range_count; /* 0: every JoinEUI */
	struct lw_eui_range ranges[CLI_LIST_MAX];
	const char *delivery; /* of AppSKey, as --app-s-key has it; NULL: default */
	size_t kek_count;
	struct cli_config_kek keks[CLI_CONFIG_KEKS_MAX];
	enum cli_config_authorization authorization;
	const char *user;
	const char *secret;
	bool client_certificate; /* it shows one */
	struct cli_url url;
	const char *url_remark; /* NULL: none */
	const char *answer_url; /* NULL, "": answers come at once */
	const char *ca_file;    /* paths on the side of the network server */
	const char *certificate_file;
	const char *key_file;
};

/** @return false if the word is none of CLI_CONFIG_KINDS */
bool cli_config_kind_read(const char *word, enum cli_config_kind *kind);

/**
 * Take what the admin API answers of a network server; strings are borrowed from `peer`. What it does
 * not tell (secret, files, url) is left as it is.
 *
 * @return CLI_DONE, or CLI_FAILED (said) if a member does not read as it should
 */
int cli_config_read_peer(const json_t *peer, struct cli_config *config);

/** What --print-config and --url ask for. */
struct cli_config_request {
	bool wanted;
	enum cli_config_kind kind;
	struct cli_url url;
	const char *url_remark;
};

/** Check the values of the two options, NULL for one that was not given; --url alone, a wrong value
 *  and --json besides end the program with a usage error. */
void cli_config_request_read(struct cli *cli, const struct cli_command *command, const char *kind,
	const char *url, struct cli_config_request *request);
/** Print what was asked for to standard output. `token`: just made; NULL: not known.
 *  @return CLI_DONE, CLI_FAILED (said) */
int cli_config_print_peer(
	const struct cli_config_request *request, const json_t *peer, const char *token);

/** The lines; what is wrong with them is also said on standard error. */
void cli_config_print(enum cli_config_kind kind, const struct cli_config *config, FILE *out);

/* For the printers, one file each. */
void cli_config_print_chirpstack(const struct cli_config *config, FILE *out);
void cli_config_print_tts(const struct cli_config *config, FILE *out);
/** In double quotes, with the escapes that TOML and YAML share; printable ASCII whatever comes. */
void cli_config_quote(const char *text, FILE *out);
/** A line: `name`, as it is printed in front ("server = "), and the value quoted. */
void cli_config_line(const char *name, const char *value, FILE *out);
/** The same for a path; if it is not known, the file in the directory (which ends with '/'). */
void cli_config_path_line(
	const char *name, const char *value, const char *directory, const char *file, FILE *out);
/** The Authorization value. @return to be wiped and freed; NULL if there is no memory */
char *cli_config_authorization_value(const struct cli_config *config);
/** Printable text as comment lines of up to 100 columns. */
void cli_config_comment(const char *text, FILE *out);
/** A comment that begins with WARNING, and the same on standard error; `options` of "keyward ns set"
 *  would help, NULL: none would. */
void cli_config_warn(
	const struct cli_config *config, const char *text, const char *options, FILE *out);
bool cli_config_is_delivery(const struct cli_config *config, const char *mode);

#endif
