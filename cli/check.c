#include "cli/cli.h"
#include "cli/helper.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBLEMS_MAX 1000 /* in the JSON; a store may be damaged in any number of places */

static const struct cli_command self = {"check", NULL,
	"Usage: keyward [-c FILE] [--json] check\n"
	"\n"
	"Reads all of the store that the configuration says ([keystore] path): every record,\n"
	"every sealed key, every page. keywardd must not run. A store of an older format is\n"
	"upgraded, as keywardd would do it; nothing else is changed. As root where keywardd is\n"
	"started by root.\n"
	"\n"
	"Says what is damaged, a line for each record; exit status 1 if anything is. With --json\n"
	"one object: what was read, and a list of problems with code, table, record and text.\n"
	"A backup is checked by keyward restore --check.\n"
	"\n"
	"Examples:\n"
	"  keyward check\n"
	"  keyward -c ./demo/keyward.conf check\n"
	"  keyward --json check | jq -r '.problems[].code'\n",
	cli_check};

/* The lines that the vault prints (js/vault_check.c), as members. */

static json_t *read_problem(char *text)
{
	static const char *const names[] = {"code", "table", "record", "text"};
	json_t *problem = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = text == NULL ? NULL : strsep(&text, "\t");

		json_object_set_new(problem, names[i],
			value == NULL || value[0] == '\0' ? json_null() : json_string(value));
	}
	return problem;
}

static void take_line(json_t *object, json_t *problems, char *line)
{
	char *value = line;
	const char *name = strsep(&value, " ");

	if (value == NULL) {
		return;
	}
	if (strcmp(name, "problem") != 0) {
		json_object_set_new(
			object, name, json_integer((json_int_t)strtoull(value, NULL, 10)));
	} else if (json_array_size(problems) < PROBLEMS_MAX) {
		json_array_append_new(problems, read_problem(value));
	}
}

/* To the end, also when there is no room for more problems: the vault must not wait. */
static void take_lines(FILE *lines, json_t *object, json_t *problems)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, lines) > 0) {
		line[strcspn(line, "\n")] = '\0';
		take_line(object, problems, line);
	}
	free(line);
}

static int print_json(const char *path, int output, struct cli_helper *helper)
{
	static const char *const numbers[] = {
		"format", "epoch", "devices", "states", "events", "servers", "pages", "damaged"};
	char *store = cli_clean(path);
	json_t *object = json_pack(
		"{s:s, s:b, s:b}", "store", store == NULL ? "?" : store, "read", 0, "whole", 0);
	json_t *problems = json_array();
	FILE *lines = fdopen(output, "r");
	int status = CLI_FAILED;
	bool read;

	free(store);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		json_object_set_new(object, numbers[i], json_null());
	}
	if (lines != NULL) {
		take_lines(lines, object, problems);
		fclose(lines);
	} else {
		close(output);
	}
	(void)cli_helper_wait(helper, -1, &status);
	read = json_is_integer(json_object_get(object, "damaged"));
	json_object_set_new(object, "read", json_boolean(read));
	json_object_set_new(object, "whole", json_boolean(read && status == CLI_DONE));
	if (json_object_set_new(object, "problems", problems) != 0 || lines == NULL) {
		status = cli_fail("out of memory");
	} else if (json_dumpf(object, stdout, JSON_INDENT(2)) == 0) {
		putchar('\n');
	} else {
		status = CLI_FAILED; /* main() says that the output failed */
	}
	json_decref(object);
	return status;
}

static int run_json(const struct conf *conf, struct cli_helper *helper)
{
	int ends[2];
	int status;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		return cli_fail("cannot make a pipe: %s", strerror(errno));
	}
	cli_helper_add(helper, "--lines");
	helper->output = ends[1];
	status = cli_helper_start(helper);
	close(ends[1]);
	if (status != CLI_DONE) {
		close(ends[0]);
		return status;
	}
	return print_json(conf->keystore.path, ends[0], helper);
}

int cli_check(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_COMMON_OPTIONS};
	struct cli_helper helper;
	int status;

	while (cli_next_option(cli, &self, argc, argv, options) != -1) {
	}
	cli_want_words(&self, argc, argv, 0, "");
	status = cli_helper_init(&helper, cli_conf(cli), "--check");
	if (status != CLI_DONE) {
		return status;
	}
	return cli->json ? run_json(cli_conf(cli), &helper) : cli_helper_run(&helper);
}
