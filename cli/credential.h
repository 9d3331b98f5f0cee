/** Options that say how a network server or application server shows who it is. */
#ifndef KW_CLI_CREDENTIAL_H
#define KW_CLI_CREDENTIAL_H

#include "cli/policy.h"
#include "cli/secret.h"

#include <stdio.h>

/* Values of the options, from 700 up. */
enum {
	CLI_OPTION_TOKEN = 700,
	CLI_OPTION_TOKEN_FILE,
	CLI_OPTION_AUTHORIZATION_FILE,
	CLI_OPTION_BASIC_FILE,
	CLI_OPTION_CERTIFICATE,
	CLI_OPTION_CA,
	CLI_OPTION_SUBJECT,
};
#define CLI_CREDENTIAL_OPTIONS                                                                  \
	{"token", no_argument, NULL, CLI_OPTION_TOKEN},                                         \
		{"token-file", required_argument, NULL, CLI_OPTION_TOKEN_FILE},                 \
		{"authorization-file", required_argument, NULL, CLI_OPTION_AUTHORIZATION_FILE}, \
		{"basic-file", required_argument, NULL, CLI_OPTION_BASIC_FILE},                 \
		{"certificate", required_argument, NULL, CLI_OPTION_CERTIFICATE},               \
		{"ca", required_argument, NULL, CLI_OPTION_CA},                                 \
		{"subject", required_argument, NULL, CLI_OPTION_SUBJECT},

#define CLI_CREDENTIAL_HELP                                                                      \
	"  --token           make a bearer token and print it once\n"                            \
	"  --token-file F    bearer token from a file of mode 0600, or - for standard input\n"   \
	"  --authorization-file F\n"                                                             \
	"                    any value of the header Authorization, one line, as --token-file\n" \
	"  --basic-file F    USER:PASSWORD of HTTP basic authentication, as --token-file\n"      \
	"  --certificate F   its TLS client certificate (PEM); repeatable, at most 4\n"          \
	"  --ca F --subject S\n"                                                                 \
	"                    any client certificate for S (DNS name, URI or whole subject) of\n" \
	"                    this CA (PEM), which tls_client_ca in keyward.conf also has;\n"     \
	"                    --ca is repeatable, at most 2\n"

/** Strings are borrowed from argv; NULL: not given; "": to be taken away. */
struct cli_credential {
	bool make_token;
	const char *token_file;
	const char *authorization_file;
	const char *basic_file;
	bool has_certificates;
	struct cli_list certificates;
	bool has_cas;
	struct cli_list cas;
	const char *subject;
};

/** Take an option if it is one of these. @return whether it was */
bool cli_credential_take(struct cli_credential *credential, const struct cli_command *command,
	int option, const char *value);
/** End the program with a usage error if options do not go together. */
void cli_credential_check(
	const struct cli_credential *credential, const struct cli_command *command);
/** Whether any of the options was given. */
bool cli_credential_is_wished(const struct cli_credential *credential);
/** Whether anything is given by which a server can be known, not only taken away. */
bool cli_credential_is_given(const struct cli_credential *credential);

/**
 * Read the files and add members to a body. What was found in certificates is printed to
 * `words`.
 *
 * @param token  out: the token if one was made, else ""; to be wiped
 * @return CLI_DONE, or CLI_FAILED with everything said
 */
int cli_credential_members(const struct cli_credential *credential, FILE *words, json_t *body,
	char token[CLI_TOKEN_SIZE]);

#endif
