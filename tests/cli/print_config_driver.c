/* Prints the settings for the peer that standard input describes: what the admin API answers of it,
 * and under "more" the rest of struct cli_config. argv: the kind. */
#include "cli/print_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text(const json_t *more, const char *name)
{
	return json_string_value(json_object_get(more, name));
}

static void read_more(const json_t *more, struct cli_config *config)
{
	const json_t *authorization = json_object_get(more, "authorization");

	if (authorization != NULL) {
		config->authorization =
			(enum cli_config_authorization)json_integer_value(authorization);
	}
	config->user = text(more, "user");
	config->secret = text(more, "secret");
	config->url_remark = text(more, "url_remark");
	config->ca_file = text(more, "ca_file");
	config->certificate_file = text(more, "certificate_file");
	config->key_file = text(more, "key_file");
}

int main(int argc, char **argv)
{
	json_t *peer = json_loadf(stdin, 0, NULL);
	const json_t *more = json_object_get(peer, "more");
	struct cli_config config = {.name = NULL};
	enum cli_config_kind kind;
	int status = EXIT_FAILURE;

	if (peer != NULL && argc == 2 && cli_config_kind_read(argv[1], &kind) &&
		cli_config_read_peer(peer, &config) == CLI_DONE) {
		read_more(more, &config);
		if (cli_url_read(text(more, "url"), &config.url)) {
			cli_config_print(kind, &config, stdout);
			status = EXIT_SUCCESS;
		}
	}
	json_decref(peer);
	return status;
}
