#include "cli/secret.h"

#include "backend-if/credential.h"
#include "base/env.h"
#include "base/hex.h"
#include "base/secret.h"
#include "cli/file.h"
#include "cli/intake.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TOKEN_OCTETS 32
#define TOKEN_LEAST  16
#define TOKEN_MOST   256
#define SECRET_FILE  ((size_t)4096)
#define KEK_MOST     32
#define BASIC_MOST   1024 /* USER:PASSWORD */

static_assert(CLI_DIGEST_SIZE == 2 * BI_DIGEST_SIZE + 1, "a digest fits");

/* base64url without padding (RFC 4648, 5). */
static void write_base64url(char *out, const uint8_t *octets, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | octets[i];
		for (held += 8; held >= 6; held -= 6) {
			*out++ = digits[bits >> (held - 6) & 63];
		}
	}
	if (held > 0) {
		*out++ = digits[bits << (6 - held) & 63];
	}
	*out = '\0';
}

int cli_token_make(char token[CLI_TOKEN_SIZE])
{
	uint8_t octets[TOKEN_OCTETS];

	if (kw_random(&kw_env_system, octets, sizeof(octets)) != KW_OK) {
		return cli_fail("no random numbers from the system");
	}
	write_base64url(token, octets, sizeof(octets));
	kw_wipe(octets, sizeof(octets));
	return CLI_DONE;
}

static int write_digest(
	enum kw_err err, const uint8_t octets[BI_DIGEST_SIZE], char digest[CLI_DIGEST_SIZE])
{
	if (err != KW_OK) {
		return cli_fail("SHA-256 failed");
	}
	kw_hex_write(digest, octets, BI_DIGEST_SIZE);
	return CLI_DONE;
}

int cli_token_digest(const char *token, size_t length, char digest[CLI_DIGEST_SIZE])
{
	uint8_t octets[BI_DIGEST_SIZE];

	return write_digest(bi_credential_of_token(token, length, octets), octets, digest);
}

static void trim(const struct cli_file *file, const char **start, size_t *length)
{
	*start = file->text;
	*length = file->length;
	while (*length > 0 && isspace((unsigned char)(*start)[*length - 1])) {
		(*length)--;
	}
	while (*length > 0 && isspace((unsigned char)**start)) {
		(*start)++;
		(*length)--;
	}
}

static int check_token(const char *path, const char *token, size_t length)
{
	if (length < TOKEN_LEAST || length > TOKEN_MOST) {
		return cli_fail("%s: a token has %d to %d characters; --token makes a good one",
			cli_file_name(path), TOKEN_LEAST, TOKEN_MOST);
	}
	for (size_t i = 0; i < length; i++) {
		if (!isgraph((unsigned char)token[i])) {
			return cli_fail("%s: the token must be one line of ASCII without blanks",
				cli_file_name(path));
		}
	}
	return CLI_DONE;
}

int cli_token_file_digest(const char *path, char digest[CLI_DIGEST_SIZE])
{
	struct cli_file file;
	const char *token;
	size_t length;
	int status = cli_file_read_secret(path, SECRET_FILE, &file);

	if (status != CLI_DONE) {
		return status;
	}
	trim(&file, &token, &length);
	status = check_token(path, token, length);
	if (status == CLI_DONE) {
		status = cli_token_digest(token, length, digest);
	}
	cli_file_finish(&file);
	return status;
}

/* The one line of a secret file, without blanks around it; NUL-terminated. cli_file_finish() when
 * done, unless this fails. */
static int read_line(const char *path, struct cli_file *file, char **line, size_t *length)
{
	const char *start;

	if (cli_file_read_secret(path, SECRET_FILE, file) != CLI_DONE) {
		return CLI_FAILED;
	}
	trim(file, &start, length);
	*line = file->text + (start - file->text);
	(*line)[*length] = '\0';
	if (strlen(*line) == *length && strpbrk(*line, "\r\n") == NULL) {
		return CLI_DONE;
	}
	cli_file_finish(file);
	return cli_fail("%s: must be one line of text", cli_file_name(path));
}

static int authorization_digest(
	const char *path, const char *value, bool *is_token, char digest[CLI_DIGEST_SIZE])
{
	enum bi_credential_kind kind;
	uint8_t octets[BI_DIGEST_SIZE];
	const enum kw_err err = bi_credential_of_authorization(value, &kind, octets);

	*is_token = kind == BI_CREDENTIAL_TOKEN;
	switch (err) {
	case KW_E_MISSING:
		return cli_fail("%s: empty", cli_file_name(path));
	case KW_E_INVALID:
		return cli_fail("%s: a control character is in it", cli_file_name(path));
	case KW_E_TOO_LONG:
		return cli_fail(
			"%s: longer than %d octets", cli_file_name(path), BI_AUTHORIZATION_MAX);
	default:
		return write_digest(err, octets, digest);
	}
}

static int check_authorization(const char *path, const char *value)
{
	static const char name[] = "authorization:";

	if (strncasecmp(value, name, strlen(name)) == 0) {
		return cli_fail("%s: leave \"Authorization:\" out; the file holds what stands "
				"behind it",
			cli_file_name(path));
	}
	if (strpbrk(value, " \t") == NULL && value[0] != '\0') {
		cli_warn("%s: one word; a value begins with its scheme, e.g. Basic or Bearer",
			cli_file_name(path));
	}
	return CLI_DONE;
}

int cli_authorization_file_digest(const char *path, bool *is_token, char digest[CLI_DIGEST_SIZE])
{
	struct cli_file file;
	char *value;
	size_t length;
	int status = read_line(path, &file, &value, &length);

	*is_token = false;
	if (status != CLI_DONE) {
		return status;
	}
	status = check_authorization(path, value);
	if (status == CLI_DONE) {
		status = authorization_digest(path, value, is_token, digest);
	}
	cli_file_finish(&file);
	return status;
}

static int basic_digest(
	const char *path, const char *line, size_t length, char digest[CLI_DIGEST_SIZE])
{
	char value[sizeof("Basic ") + 4 * (BASIC_MOST / 3 + 1)] = "Basic ";
	const char *colon = strchr(line, ':');
	bool is_token;
	int status;

	if (colon == NULL || colon == line || colon[1] == '\0') {
		return cli_fail("%s: must be one line USER:PASSWORD", cli_file_name(path));
	}
	if (length > BASIC_MOST) {
		return cli_fail("%s: longer than %d octets", cli_file_name(path), BASIC_MOST);
	}
	EVP_EncodeBlock(
		(unsigned char *)value + strlen(value), (const unsigned char *)line, (int)length);
	status = authorization_digest(path, value, &is_token, digest);
	kw_wipe(value, sizeof(value));
	return status;
}

int cli_basic_file_digest(const char *path, char digest[CLI_DIGEST_SIZE])
{
	struct cli_file file;
	char *line;
	size_t length;
	int status = read_line(path, &file, &line, &length);

	if (status == CLI_DONE) {
		status = basic_digest(path, line, length, digest);
		cli_file_finish(&file);
	}
	return status;
}

static int read_kek(const char *path, uint8_t kek[KEK_MOST], size_t *length)
{
	struct cli_file file;
	const char *text;
	size_t digits;
	enum kw_err err;

	*length = 0;
	if (cli_file_read_secret(path, SECRET_FILE, &file) != CLI_DONE) {
		return CLI_FAILED;
	}
	trim(&file, &text, &digits);
	err = kw_hex_read_any(text, digits, kek, KEK_MOST, length);
	cli_file_finish(&file);
	if (err != KW_OK || (*length != 16 && *length != 24 && *length != 32)) {
		kw_wipe(kek, KEK_MOST);
		return cli_fail(
			"%s: a KEK file holds 32, 48 or 64 hexadecimal digits and nothing else",
			cli_file_name(path));
	}
	return CLI_DONE;
}

static int encode_base64(const uint8_t *octets, size_t length, char **out)
{
	*out = malloc(4 * (length / 3 + 1) + 1);
	if (*out == NULL) {
		return cli_fail("out of memory");
	}
	EVP_EncodeBlock((unsigned char *)*out, octets, (int)length);
	return CLI_DONE;
}

int cli_kek_file_seal(struct cli *cli, const char *path, char **base64)
{
	uint8_t kek[KEK_MOST];
	uint8_t *envelope = NULL;
	size_t envelope_length = 0;
	size_t length;
	int status;

	*base64 = NULL;
	status = read_kek(path, kek, &length);
	if (status != CLI_DONE) {
		return status;
	}
	status = cli_intake_seal(cli, kek, length, &envelope, &envelope_length);
	kw_wipe(kek, sizeof(kek));
	if (status == CLI_DONE) {
		status = encode_base64(envelope, envelope_length, base64);
	}
	free(envelope);
	return status;
}
