#include "cli/import.h"

#include "base/env.h"
#include "cli/file.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_command self = {"device import", NULL,
	"Usage: keyward device import FILE [options]\n"
	"\n"
	"Loads devices from CSV (comma, semicolon or tab) or JSON, or from envelopes sealed to "
	"the\n"
	"intake certificate (DER, or one or several as PEM); - is standard input. Root keys are\n"
	"sealed here, before they leave this program.\n"
	"\n"
	"Columns: join_eui, dev_eui, lorawan_version, app_key, nwk_key, name; others are ignored.\n"
	"Every bad line is reported; nothing of a file with errors is loaded. A device that is\n"
	"there already with the same keys is left as it is: when an import was broken off, the\n"
	"same command goes on. A new device that has a root key of another one is loaded with a\n"
	"warning, or refused.\n"
	"\n"
	"  --dry-run         check everything, load nothing\n"
	"  --skip-errors     load the good rows of a file that has bad ones\n"
	"  --strict          refuse a new device that has a root key of another one\n"
	"  --net-id N        network that may join these devices; repeatable\n"
	"  --ns-id E         NSID of the one network server that may join them\n"
	"  --as-id ID        application server that gets their AppSKeys\n"
	"  --app-s-key MODE  inline, inline-id, wrapped, fetch; default fetch where there is an\n"
	"                    --as-id, else inline-id\n"
	"\n"
	"Examples:\n"
	"  keyward device import devices.csv --net-id 000013 --dry-run\n"
	"  keyward device import batch-17.csv --net-id 000013 --strict\n"
	"  keyward device import end-devices.json --net-id 000013 --as-id as.example\n"
	"  keyward device import devices.cms --net-id 000013\n",
	cli_device_import};

enum {
	OPTION_DRY_RUN = 1,
	OPTION_SKIP_ERRORS,
	OPTION_STRICT,
};

static const struct option options[] = {
	{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
	{"skip-errors", no_argument, NULL, OPTION_SKIP_ERRORS},
	{"strict", no_argument, NULL, OPTION_STRICT},
	CLI_POLICY_OPTIONS CLI_COMMON_OPTIONS,
};

static void say_row(const struct cli_import *import, unsigned envelope, uint32_t line,
	const char *kind, const char *text)
{
	if (envelope > 0) {
		fprintf(stderr, "%s: envelope %u:%u: %s%s\n", import->file, envelope,
			(unsigned)line, kind, text);
	} else {
		fprintf(stderr, "%s:%u: %s%s\n", import->file, (unsigned)line, kind, text);
	}
}

static void note_row(json_t *list, uint32_t line, const char *text)
{
	json_array_append_new(
		list, json_pack("{s:I, s:s}", "line", (json_int_t)line, "text", text));
}

void cli_import_refuse(
	struct cli_import *import, unsigned envelope, uint32_t line, const char *text)
{
	char *clean = cli_clean(text);
	const char *shown = clean == NULL ? "refused" : clean;

	import->refused++;
	cli_progress_clear(&import->progress);
	if (import->cli->json) {
		note_row(import->errors, line, shown);
	} else {
		say_row(import, envelope, line, "", shown);
	}
	free(clean);
}

/* One key in a million devices is no reason for a million lines. */
void cli_import_warn(struct cli_import *import, unsigned envelope, uint32_t line, const char *text)
{
	char *clean = cli_clean(text);
	const char *shown = clean == NULL ? "look at this row" : clean;

	import->warned++;
	if (import->cli->json && import->warned <= CLI_IMPORT_WARNINGS_JSON) {
		note_row(import->warnings, line, shown);
	} else if (!import->cli->json && import->warned <= CLI_IMPORT_WARNINGS) {
		cli_progress_clear(&import->progress);
		say_row(import, envelope, line, "warning: ", shown);
	}
	free(clean);
}

static void warn_open_file(const struct cli_import *import, const struct cli_source *source)
{
	if (source->readable_by_other) {
		cli_warn("%s holds root keys in the clear and others may read it; chmod 600 it, "
			 "and delete it when it is loaded",
			import->file);
	}
}

static void print_warned(const struct cli_import *import)
{
	const unsigned long long warned = import->warned;

	if (warned > 0) {
		fprintf(stderr,
			"%s: warning: %llu device%s a root key of another device%s; with --strict "
			"such rows are refused\n",
			import->file, warned, warned == 1 ? " has" : "s have",
			warned > CLI_IMPORT_WARNINGS ? ", the first 20 are listed" : "");
	}
}

static void print_summary(const struct cli_import *import)
{
	const char *could = import->dry_run ? "could be added" : "added";
	const unsigned long long added = import->added;
	const unsigned long long refused = import->refused;

	if (refused > 0 && !import->skip_errors) {
		fprintf(stderr, "%s: %llu of %llu rows refused; %s\n", import->file, refused,
			(unsigned long long)import->rows,
			added > 0 && import->loading ? "a part was added" : "nothing was added");
		print_warned(import);
		return;
	}
	printf("%llu device%s %s", added, added == 1 ? "" : "s", could);
	if (import->already > 0) {
		printf(", %llu already there", (unsigned long long)import->already);
	}
	if (refused > 0) {
		printf(", %llu refused", refused);
	}
	putchar('\n');
	fflush(stdout);
	print_warned(import);
}

static void print_json(struct cli_import *import)
{
	json_t *answer = json_pack("{s:I, s:I, s:I, s:I, s:O, s:I, s:O, s:b}", "rows",
		(json_int_t)import->rows, "added", (json_int_t)import->added, "already",
		(json_int_t)import->already, "refused", (json_int_t)import->refused, "errors",
		import->errors, "warned", (json_int_t)import->warned, "warnings", import->warnings,
		"dry_run", import->dry_run ? 1 : 0);

	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
}

static int finish(struct cli_import *import, int status)
{
	const struct cli_policy *policy = &import->policy;

	if (status == CLI_DONE || import->refused > 0) {
		if (import->cli->json) {
			print_json(import);
		} else {
			print_summary(import);
		}
	}
	if (status == CLI_DONE && import->added > 0 && policy->net_ids.count == 0) {
		fprintf(stderr, "note: without --net-id only network servers with --any-device can "
				"join these devices\n");
	}
	if (status == CLI_DONE && import->added > 0 && !import->dry_run) {
		cli_policy_note(import->cli, policy);
	}
	json_decref(import->errors);
	json_decref(import->warnings);
	return import->refused > 0 ? CLI_FAILED : status;
}

static void read_options(struct cli *cli, int argc, char **argv, struct cli_import *import)
{
	int option;

	while ((option = cli_next_option(cli, &self, argc, argv, options)) != -1) {
		if (option == OPTION_DRY_RUN) {
			import->dry_run = true;
		} else if (option == OPTION_SKIP_ERRORS) {
			import->skip_errors = true;
		} else if (option == OPTION_STRICT) {
			import->strict = true;
		} else {
			cli_policy_take(&import->policy, &self, option, optarg);
		}
	}
	cli_want_words(&self, argc, argv, 1, "FILE");
}

int cli_device_import(struct cli *cli, int argc, char **argv)
{
	struct cli_import import = {.cli = cli};
	struct cli_source source;
	int status;

	read_options(cli, argc, argv, &import);
	import.file = cli_file_name(argv[optind]);
	status = cli_source_open(argv[optind], &source);
	if (status != CLI_DONE) {
		return status;
	}
	if (kw_random(&kw_env_system, &import.run, sizeof(import.run)) != KW_OK) {
		cli_source_close(&source);
		return cli_fail("the system gives no random numbers");
	}
	import.run |= 1;
	import.errors = json_array();
	import.warnings = json_array();
	if (cli_import_is_sealed(source.head, source.head_length)) {
		status = cli_import_sealed(&import, &source);
	} else {
		warn_open_file(&import, &source);
		status = cli_import_clear(&import, &source);
	}
	cli_source_close(&source);
	return finish(&import, status);
}
