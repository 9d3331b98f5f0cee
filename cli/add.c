#include "cli/api.h"
#include "cli/intake.h"
#include "cli/policy.h"
#include "cli/prompt.h"
#include "cli/rows.h"
#include "cli/text.h"

#include "base/secret.h"
#include "lorawan/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_SIZE 1024
#define KEY_SIZE   128
#define CSV_SIZE   2048

static const struct cli_command self = {"device add", NULL,
	"Usage: keyward device add --join-eui E --dev-eui E --lorawan-version V [--generate] "
	"[options]\n"
	"\n"
	"Adds one device. Its root keys are made inside the vault (--generate) or read from\n"
	"standard input, where they are asked for if that is a terminal: lines app_key=HEX and, "
	"for\n"
	"LoRaWAN 1.1, nwk_key=HEX; for 1.0.x one line with the digits alone will do. Keys are\n"
	"sealed here, before they leave this program, and never taken from the command line.\n"
	"\n"
	"  --join-eui E         JoinEUI (AppEUI)\n"
	"  --dev-eui E          DevEUI\n"
	"  --lorawan-version V  1.0.0 to 1.0.4 or 1.1\n"
	"  --generate           let the vault make the root keys; nobody else will know them\n"
	"  --name S             name\n"
	"  --net-id N           network that may join it; repeatable\n"
	"  --ns-id E            NSID of the one network server that may join it\n"
	"  --as-id ID           application server that gets its AppSKey\n"
	"  --app-s-key MODE     inline, inline-id, wrapped, fetch\n"
	"\n"
	"Examples:\n"
	"  keyward device add --join-eui 70B3D57ED0000001 --dev-eui 0004A30B001C0530 \\\n"
	"    --lorawan-version 1.0.4 --net-id 000013 < key.hex\n"
	"  keyward device add --join-eui 70B3D57ED0000001 --dev-eui 0004A30B001C0531 \\\n"
	"    --lorawan-version 1.1 --generate --net-id 000013\n",
	cli_device_add};

enum {
	OPTION_JOIN_EUI = 1,
	OPTION_DEV_EUI,
	OPTION_VERSION,
	OPTION_GENERATE,
};

static const struct option options[] = {
	{"join-eui", required_argument, NULL, OPTION_JOIN_EUI},
	{"dev-eui", required_argument, NULL, OPTION_DEV_EUI},
	{"lorawan-version", required_argument, NULL, OPTION_VERSION},
	{"generate", no_argument, NULL, OPTION_GENERATE},
	{"name", required_argument, NULL, CLI_OPTION_NAME},
	CLI_POLICY_OPTIONS CLI_COMMON_OPTIONS,
};

struct wish {
	const char *join_eui;
	const char *dev_eui;
	const char *version_text;
	enum lw_version version;
	bool generate;
	struct cli_policy policy;
};

/* Keys as they were typed, until the row is made. */
struct keys {
	char app_key[KEY_SIZE];
	char nwk_key[KEY_SIZE];
};

static void take_option(struct wish *wish, int option, const char *value)
{
	switch (option) {
	case OPTION_JOIN_EUI:
		cli_check_eui(&self, "--join-eui", value);
		wish->join_eui = value;
		break;
	case OPTION_DEV_EUI:
		cli_check_eui(&self, "--dev-eui", value);
		wish->dev_eui = value;
		break;
	case OPTION_VERSION:
		if (lw_version_read(value, &wish->version) != KW_OK) {
			cli_usage(&self, "--lorawan-version: 1.0.0 to 1.0.4 or 1.1");
		}
		wish->version_text = value;
		break;
	case OPTION_GENERATE:
		wish->generate = true;
		break;
	case CLI_OPTION_NAME:
		if (strlen(value) >= PR_NAME_SIZE) {
			cli_usage(&self, "--name: at most %d octets", PR_NAME_SIZE - 1);
		}
		wish->policy.name = value;
		break;
	default:
		cli_policy_take(&wish->policy, &self, option, value);
		break;
	}
}

static void read_wish(struct cli *cli, int argc, char **argv, struct wish *wish)
{
	int option;

	memset(wish, 0, sizeof(*wish));
	while ((option = cli_next_option(cli, &self, argc, argv, options)) != -1) {
		take_option(wish, option, optarg);
	}
	cli_want_words(&self, argc, argv, 0, "");
	if (wish->join_eui == NULL) {
		cli_usage(&self, "--join-eui is missing");
	}
	if (wish->dev_eui == NULL) {
		cli_usage(&self, "--dev-eui is missing");
	}
	if (wish->version_text == NULL) {
		cli_usage(&self, "--lorawan-version is missing, e.g. 1.0.3");
	}
}

static int generate(struct cli *cli, const struct wish *wish)
{
	struct cli_path path;
	struct cli_request request = {.method = "POST", .path = &path};
	struct cli_reply reply;
	int status;

	cli_path_init(&path, "/devices");
	request.json = json_pack("{s:s, s:s, s:s, s:b}", "join_eui", wish->join_eui, "dev_eui",
		wish->dev_eui, "lorawan_version", lw_version_text(wish->version), "generate", 1);
	cli_policy_members(&wish->policy, request.json);
	status = cli_api_call(cli, &request, &reply);
	if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		char *dev_eui = cli_member(reply.json, "dev_eui");

		printf("device %s added; its root keys were made in the vault\n", dev_eui);
		free(dev_eui);
	}
	cli_reply_finish(&reply);
	json_decref(request.json);
	return status;
}

static int take_line(const struct wish *wish, char *line, struct keys *keys)
{
	char *value = strchr(line, '=');
	char *out;

	if (line[0] == '\0') {
		return CLI_DONE;
	}
	if (value == NULL && lw_version_is_1_1(wish->version)) {
		return cli_fail("standard input: LoRaWAN 1.1 has two root keys; "
				"write app_key=HEX and nwk_key=HEX");
	}
	out = keys->app_key;
	if (value != NULL) {
		*value++ = '\0';
		if (strcasecmp(line, "nwk_key") == 0) {
			out = keys->nwk_key;
		} else if (strcasecmp(line, "app_key") != 0) {
			return cli_fail("standard input: write app_key=HEX or nwk_key=HEX");
		}
	} else {
		value = line;
	}
	if (out[0] != '\0') {
		return cli_fail("standard input: a key is there twice");
	}
	if (strlen(value) >= KEY_SIZE) {
		return cli_fail("standard input: far too long for a key; it has 32 digits");
	}
	memcpy(out, value, strlen(value) + 1);
	return CLI_DONE;
}

static int read_input(char input[INPUT_SIZE])
{
	size_t used = 0;

	for (;;) {
		const ssize_t got = read(STDIN_FILENO, input + used, INPUT_SIZE - 1 - used);

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return cli_fail("standard input: %s", strerror(errno));
		}
		used += (size_t)got;
		if (got == 0) {
			input[used] = '\0';
			return strlen(input) == used ? CLI_DONE
						     : cli_fail("standard input: not text");
		}
		if (used == INPUT_SIZE - 1) {
			return cli_fail("standard input: too long; one or two lines are expected");
		}
	}
}

static int read_lines(const struct wish *wish, struct keys *keys)
{
	char input[INPUT_SIZE];
	char *rest = input;
	char *line;
	int status = read_input(input);

	while (status == CLI_DONE && (line = strsep(&rest, "\r\n")) != NULL) {
		status = take_line(wish, line, keys);
	}
	kw_wipe(input, sizeof(input));
	return status;
}

static int read_keys(const struct wish *wish, struct keys *keys)
{
	int status;

	if (isatty(STDIN_FILENO) != 1) {
		return read_lines(wish, keys);
	}
	status = cli_prompt("AppKey, 32 hexadecimal digits, not shown", keys->app_key, KEY_SIZE);
	if (status == CLI_DONE && lw_version_is_1_1(wish->version)) {
		status = cli_prompt(
			"NwkKey, 32 hexadecimal digits, not shown", keys->nwk_key, KEY_SIZE);
	}
	return status;
}

static void say_problem(void *context, uint32_t line, const char *text)
{
	(void)context;
	(void)line;
	/* The text speaks of columns; here they are the lines of standard input. */
	cli_fail("%s", strncmp(text, "column ", 7) == 0 ? text + 7 : text);
}

/* A field in quotes; what does not fit is cut, and found to be too long by the reader. */
static char *put_field(char *out, const char *end, const char *text)
{
	*out++ = '"';
	for (; *text != '\0' && end - out > 4; text++) {
		if (*text == '"') {
			*out++ = '"';
		}
		*out++ = *text;
	}
	*out++ = '"';
	*out++ = ',';
	return out;
}

/* The keys go through the reader of files, so that the same rules hold. */
static int make_row(const struct wish *wish, const struct keys *keys, struct cli_rows *rows)
{
	char csv[CSV_SIZE];
	char why[PR_TEXT_SIZE];
	const size_t share = 2UL * (PR_NAME_SIZE + KEY_SIZE);
	char *at = stpcpy(csv, pr_csv_header);
	const char *fields[] = {wish->join_eui, wish->dev_eui, wish->version_text, keys->app_key,
		keys->nwk_key, wish->policy.name == NULL ? "" : wish->policy.name};
	enum kw_err err;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		at = put_field(at, at + share < csv + sizeof(csv) ? at + share : csv + sizeof(csv),
			fields[i]);
	}
	err = cli_rows_read(rows, csv, (size_t)(at - 1 - csv), why);
	kw_wipe(csv, sizeof(csv));
	if (err != KW_OK) {
		return cli_fail("%s", err == KW_E_SYNTAX ? why : kw_err_text(err));
	}
	return rows->refused == 0 && rows->count == 1 ? CLI_DONE : CLI_FAILED;
}

static int seal_rows(
	struct cli *cli, const struct cli_rows *rows, uint8_t **sealed, size_t *sealed_length)
{
	char *plain = malloc(CLI_CHUNK_OCTETS);
	size_t length;
	int status;

	if (plain == NULL) {
		return cli_fail("out of memory");
	}
	cli_rows_write(rows->rows, rows->count, rows->count, plain, &length);
	status = cli_intake_seal(cli, plain, length, sealed, sealed_length);
	kw_wipe(plain, length);
	free(plain);
	return status;
}

static void print_refusal(const json_t *answer)
{
	const json_t *error = json_array_get(json_object_get(answer, "errors"), 0);
	char *text = cli_member(error, "text");

	cli_fail("%s", text);
	free(text);
}

static void print_warnings(const json_t *answer)
{
	const json_t *warning;
	size_t index;

	fflush(stdout);
	json_array_foreach(json_object_get(answer, "warnings"), index, warning)
	{
		char *text = cli_member(warning, "text");

		cli_warn("%s", text);
		free(text);
	}
}

static int send_sealed(
	struct cli *cli, const struct wish *wish, const uint8_t *sealed, size_t length)
{
	struct cli_path path;
	const struct cli_request request = {
		.method = "POST",
		.path = &path,
		.body = sealed,
		.length = length,
		.content_type = "application/cms",
		.also = 422,
	};
	struct cli_reply reply;
	int status;

	cli_path_init(&path, "/devices/import");
	cli_policy_query(&wish->policy, &path);
	status = cli_api_call(cli, &request, &reply);
	if (status == CLI_DONE && cli_member_number(reply.json, "already") == 1) {
		status = cli_fail("device %s is there already, with these keys", wish->dev_eui);
	} else if (status == CLI_DONE && cli_member_number(reply.json, "added") != 1) {
		print_refusal(reply.json);
		status = CLI_FAILED;
	}
	if (status == CLI_DONE && !cli_print_json(cli, &reply)) {
		printf("device %s added\n", wish->dev_eui);
		print_warnings(reply.json);
	}
	cli_reply_finish(&reply);
	return status;
}

static int add_with_keys(struct cli *cli, const struct wish *wish)
{
	struct cli_rows rows = {.problem = say_problem};
	struct keys keys = {.app_key = ""};
	uint8_t *sealed = NULL;
	size_t length = 0;
	int status = read_keys(wish, &keys);

	if (status == CLI_DONE) {
		status = make_row(wish, &keys, &rows);
	}
	kw_wipe(&keys, sizeof(keys));
	if (status == CLI_DONE) {
		status = seal_rows(cli, &rows, &sealed, &length);
	}
	cli_rows_finish(&rows);
	if (status == CLI_DONE) {
		status = send_sealed(cli, wish, sealed, length);
	}
	free(sealed);
	return status;
}

int cli_device_add(struct cli *cli, int argc, char **argv)
{
	struct wish wish;
	int status;

	read_wish(cli, argc, argv, &wish);
	status = wish.generate ? generate(cli, &wish) : add_with_keys(cli, &wish);
	if (status == CLI_DONE) {
		cli_policy_note(cli, &wish.policy);
	}
	return status;
}
