/** Tokens, passwords and KEKs of peers, as they are given on the command line's side: read from
 *  files of mode 0600 and wiped. Each returns CLI_DONE, or CLI_FAILED with everything said. */
#ifndef KW_CLI_SECRET_H
#define KW_CLI_SECRET_H

#include "cli/cli.h"

#include <stddef.h>
#include <stdint.h>

#define CLI_TOKEN_SIZE  44 /* 32 random octets in base64url and a NUL */
#define CLI_DIGEST_SIZE 65 /* SHA-256 in hexadecimal digits and a NUL */

/** Make a token. */
int cli_token_make(char token[CLI_TOKEN_SIZE]);
/** SHA-256 of a token as hexadecimal digits. */
int cli_token_digest(const char *token, size_t length, char digest[CLI_DIGEST_SIZE]);
/** SHA-256 of the token in a file ("-": standard input), the end of its line not included. */
int cli_token_file_digest(const char *path, char digest[CLI_DIGEST_SIZE]);
/** Digest of the value of Authorization in a file, one line; *is_token: it is a bearer token. */
int cli_authorization_file_digest(const char *path, bool *is_token, char digest[CLI_DIGEST_SIZE]);
/** The same of a line USER:PASSWORD, as HTTP basic authentication sends it. */
int cli_basic_file_digest(const char *path, char digest[CLI_DIGEST_SIZE]);

/**
 * Seal the KEK in a file (hexadecimal digits of 16, 24 or 32 octets; "-": standard input) to the
 * intake certificate.
 *
 * @param base64  out: to be freed; NULL on failure
 */
int cli_kek_file_seal(struct cli *cli, const char *path, char **base64);

#endif
