#include "cli/ns_test.h"

#include "base/secret.h"
#include "cli/file.h"
#include "cli/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_MAX ((size_t)4096)

/* The one line of a secret file, without blanks around it; printable, so that it fits a header. */
static int read_line(const char *path, struct cli_file *file, char **line)
{
	size_t length;

	if (cli_file_read_secret(path, SECRET_MAX, file) != CLI_DONE) {
		return CLI_FAILED;
	}
	*line = file->text + strspn(file->text, " \t\r\n");
	length = strlen(*line);
	while (length > 0 && strchr(" \t\r\n", (*line)[length - 1]) != NULL) {
		(*line)[--length] = '\0';
	}
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)(*line)[i] < ' ' || (*line)[i] == 0x7f) {
			length = 0;
		}
	}
	return length > 0 ? CLI_DONE
			  : cli_fail("%s: must be one line of text", cli_file_name(path));
}

static int take_value(struct nst_run *run, const struct cli_config *credential)
{
	run->authorization = cli_config_authorization_value(credential);
	return run->authorization != NULL ? CLI_DONE : cli_fail("out of memory");
}

static int read_token(struct nst_run *run, char *line)
{
	const struct cli_config bearer = {.authorization = CLI_CONFIG_BEARER, .secret = line};

	return take_value(run, &bearer);
}

static int read_authorization(struct nst_run *run, char *line)
{
	const struct cli_config fixed = {.authorization = CLI_CONFIG_FIXED, .secret = line};

	return take_value(run, &fixed);
}

static int read_basic(struct nst_run *run, char *line)
{
	struct cli_config basic = {.authorization = CLI_CONFIG_BASIC, .user = line};
	char *colon = strchr(line, ':');

	if (colon == NULL) {
		return cli_fail(
			"%s: must be one line USER:PASSWORD", cli_file_name(run->wish.basic_file));
	}
	*colon = '\0';
	basic.secret = colon + 1;
	return take_value(run, &basic);
}

static int read_file(struct nst_run *run, const char *path, const char *what,
	int (*take)(struct nst_run *run, char *line))
{
	struct cli_file file = {.text = NULL};
	char *line;
	int status = read_line(path, &file, &line);

	if (status == CLI_DONE) {
		status = take(run, line);
	}
	cli_file_finish(&file);
	if (status != CLI_DONE) {
		nst_fail(&run->steps, NST_CREDENTIAL, "", "%s in %s cannot be read", what,
			cli_file_name(path));
		return status;
	}
	nst_ok(&run->steps, NST_CREDENTIAL, 0, "%s in %s", what, cli_file_name(path));
	return CLI_DONE;
}

static int probe(struct nst_run *run, const char *token)
{
	char digest[CLI_DIGEST_SIZE];
	struct cli_path path;
	struct cli_request request = {.method = "POST", .path = &path};
	struct cli_reply reply = {.status = 0};
	int status = cli_token_digest(token, strlen(token), digest);

	if (status != CLI_DONE) {
		return status;
	}
	cli_path_init(&path, "/network-servers");
	cli_path_segment(&path, run->wish.name);
	cli_path_segment(&path, "probe");
	request.json = json_pack("{s:s}", "token_sha256", digest);
	status = cli_api_call(run->cli, &request, &reply);
	cli_reply_finish(&reply);
	json_decref(request.json);
	return status;
}

static int make_token(struct nst_run *run)
{
	char token[CLI_TOKEN_SIZE] = "";
	int status = cli_token_make(token);

	if (status == CLI_DONE) {
		status = probe(run, token);
	}
	if (status == CLI_DONE) {
		status = read_token(run, token);
	}
	kw_wipe(token, sizeof(token));
	if (status != CLI_DONE) {
		nst_fail(&run->steps, NST_CREDENTIAL, "",
			"keywardd did not take a token for this test");
		return status;
	}
	nst_ok(&run->steps, NST_CREDENTIAL, 0,
		"a token made for this test stands for %s for a minute", run->wish.name);
	return CLI_DONE;
}

int nst_credential_read(struct nst_run *run)
{
	const struct nst_wish *wish = &run->wish;

	if (wish->token_file != NULL) {
		return read_file(run, wish->token_file, "the token", read_token);
	}
	if (wish->authorization_file != NULL) {
		return read_file(run, wish->authorization_file, "the value of Authorization",
			read_authorization);
	}
	if (wish->basic_file != NULL) {
		return read_file(run, wish->basic_file, "user and password", read_basic);
	}
	if (wish->certificate != NULL) {
		nst_ok(&run->steps, NST_CREDENTIAL, 0, "the certificate in %s", wish->certificate);
		return CLI_DONE;
	}
	return make_token(run);
}
