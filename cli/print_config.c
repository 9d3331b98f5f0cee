#include "cli/print_config.h"

#include "base/secret.h"
#include "cli/text.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define COMMENT_WIDTH 98

bool cli_config_kind_read(const char *word, enum cli_config_kind *kind)
{
	if (strcmp(word, "chirpstack") == 0) {
		*kind = CLI_CONFIG_CHIRPSTACK;
		return true;
	}
	*kind = CLI_CONFIG_TTS;
	return strcmp(word, "tts") == 0;
}

/* TOML and YAML have \u and \U in common, and neither may hold all controls as they are. */
static void quote_character(uint32_t value, FILE *out)
{
	if (value == '"' || value == '\\') {
		fprintf(out, "\\%c", (char)value);
	} else if (value >= 0x20 && value < 0x7f) {
		fputc((int)value, out);
	} else if (value >= 0xd800 && value <= 0xdfff) {
		fputs("\\uFFFD", out);
	} else if (value <= 0xffff) {
		fprintf(out, "\\u%04" PRIX32, value);
	} else {
		fprintf(out, "\\U%08" PRIX32, value);
	}
}

void cli_config_quote(const char *text, FILE *out)
{
	fputc('"', out);
	while (*text != '\0') {
		uint32_t value = 0;
		const size_t length = cli_character_read(text, &value);

		quote_character(length == 0 ? 0xfffd : value, out);
		text += length == 0 ? 1 : length;
	}
	fputc('"', out);
}

void cli_config_line(const char *name, const char *value, FILE *out)
{
	fputs(name, out);
	cli_config_quote(value, out);
	fputc('\n', out);
}

void cli_config_path_line(
	const char *name, const char *value, const char *directory, const char *file, FILE *out)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s", directory, file);
	cli_config_line(name, value == NULL ? path : value, out);
}

void cli_config_comment(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text != '\0') {
		const size_t length = strcspn(text, " ");

		if (column > 0 && column + 1 + length > COMMENT_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		column +=
			(size_t)fprintf(out, "%s%.*s", column == 0 ? "# " : " ", (int)length, text);
		text += length;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void cli_config_warn(
	const struct cli_config *config, const char *text, const char *options, FILE *out)
{
	const bool helps = options != NULL;
	char whole[1024];

	snprintf(whole, sizeof(whole), "WARNING: %s%s%s%s%s", text,
		helps ? ": keyward ns set " : "", helps ? config->name : "", helps ? " " : "",
		helps ? options : "");
	for (char *at = whole; *at != '\0'; at++) {
		*at = *at < ' ' || *at >= 0x7f ? '?' : *at;
	}
	cli_config_comment(whole, out);
	cli_warn("%s", whole + strlen("WARNING: "));
}

bool cli_config_is_delivery(const struct cli_config *config, const char *mode)
{
	return strcmp(config->delivery == NULL ? "default" : config->delivery, mode) == 0;
}

static char *basic_value(const struct cli_config *config)
{
	const char *password = config->secret;
	const size_t size = strlen(config->user) + strlen(password) + 2;
	char *plain = malloc(size);
	char *value = malloc(sizeof("Basic ") + 4 * ((size + 2) / 3));

	if (plain != NULL && value != NULL) {
		snprintf(plain, size, "%s:%s", config->user, password);
		char *base64 = stpcpy(value, "Basic ");

		EVP_EncodeBlock(
			(unsigned char *)base64, (const unsigned char *)plain, (int)(size - 1));
	} else {
		free(value);
		value = NULL;
	}
	if (plain != NULL) {
		kw_wipe(plain, size);
	}
	free(plain);
	return value;
}

static char *bearer_value(const char *token)
{
	const size_t size = sizeof("Bearer ") + strlen(token);
	char *value = malloc(size);

	if (value != NULL) {
		snprintf(value, size, "Bearer %s", token);
	}
	return value;
}

char *cli_config_authorization_value(const struct cli_config *config)
{
	const char *secret = config->secret;

	switch (config->authorization) {
	case CLI_CONFIG_BEARER:
		return bearer_value(
			secret == NULL ? "REPLACE: the token that keyward printed once" : secret);
	case CLI_CONFIG_FIXED:
		return strdup(secret == NULL ? "REPLACE: the Authorization value that was "
					       "registered with keyward"
					     : secret);
	case CLI_CONFIG_BASIC:
		return secret == NULL || config->user == NULL
			       ? strdup("REPLACE: Basic and base64 of USER:PASSWORD")
			       : basic_value(config);
	case CLI_CONFIG_NONE:
		break;
	}
	return strdup("");
}

void cli_config_print(enum cli_config_kind kind, const struct cli_config *config, FILE *out)
{
	if (kind == CLI_CONFIG_CHIRPSTACK) {
		cli_config_print_chirpstack(config, out);
	} else {
		cli_config_print_tts(config, out);
	}
}
