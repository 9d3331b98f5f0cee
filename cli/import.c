#include "cli/import.h"

#include "cli/file.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 30)

static const struct cli_command self = {"device import", NULL,
	"Usage: keyward device import FILE [options]\n"
	"\n"
	"Loads devices from CSV (comma, semicolon or tab) or JSON, or from envelopes sealed to "
	"the\n"
	"intake certificate (DER, or one or several as PEM); - is standard input. Root keys are\n"
	"sealed here, before they leave this program.\n"
	"\n"
	"Columns: join_eui, dev_eui, lorawan_version, app_key, nwk_key, name; others are ignored.\n"
	"Every bad line is reported; nothing of a file with errors is loaded.\n"
	"\n"
	"  --dry-run         check everything, load nothing\n"
	"  --skip-errors     load the good rows of a file that has bad ones\n"
	"  --net-id N        network that may join these devices; repeatable\n"
	"  --ns-id E         NSID of the one network server that may join them\n"
	"  --as-id ID        application server that gets their AppSKeys\n"
	"  --app-s-key MODE  inline, inline-id, wrapped, fetch; default fetch where there is an\n"
	"                    --as-id, else inline-id\n"
	"\n"
	"Examples:\n"
	"  keyward device import devices.csv --net-id 000013 --dry-run\n"
	"  keyward device import end-devices.json --net-id 000013 --as-id as.example\n"
	"  keyward device import devices.cms --net-id 000013\n",
	cli_device_import};

enum {
	OPTION_DRY_RUN = 1,
	OPTION_SKIP_ERRORS,
};

static const struct option options[] = {
	{"dry-run", no_argument, NULL, OPTION_DRY_RUN},
	{"skip-errors", no_argument, NULL, OPTION_SKIP_ERRORS},
	CLI_POLICY_OPTIONS CLI_COMMON_OPTIONS,
};

void cli_import_refuse(
	struct cli_import *import, unsigned envelope, uint32_t line, const char *text)
{
	char *clean = cli_clean(text);
	const char *shown = clean == NULL ? "refused" : clean;

	import->refused++;
	if (import->cli->json) {
		json_array_append_new(import->errors,
			json_pack("{s:I, s:s}", "line", (json_int_t)line, "text", shown));
	} else if (envelope > 0) {
		fprintf(stderr, "%s: envelope %u:%u: %s\n", import->file, envelope, (unsigned)line,
			shown);
	} else {
		fprintf(stderr, "%s:%u: %s\n", import->file, (unsigned)line, shown);
	}
	free(clean);
}

static void refuse_row(void *context, uint32_t line, const char *text)
{
	cli_import_refuse(context, 0, line, text);
}

static void say_notice(void *context, const char *text)
{
	const struct cli_import *import = context;
	char *clean = cli_clean(text);

	fprintf(stderr, "%s: note: %s\n", import->file, clean == NULL ? "" : clean);
	free(clean);
}

static void warn_open_file(const struct cli_import *import, const struct cli_file *file)
{
	if (file->readable_by_other) {
		cli_warn("%s holds root keys in the clear and others may read it; chmod 600 it, "
			 "and delete it when it is loaded",
			import->file);
	}
}

static int no_device(const struct cli_import *import)
{
	return cli_fail("%s: there is no device in it", import->file);
}

static int import_sealed(struct cli_import *import, const struct cli_file *file)
{
	int status = cli_import_sealed(import, file->text, file->length);

	return status == CLI_DONE && import->rows == 0 ? no_device(import) : status;
}

static int import_clear(struct cli_import *import, struct cli_file *file)
{
	struct cli_rows rows = {.problem = refuse_row, .notice = say_notice, .context = import};
	char why[PR_TEXT_SIZE];
	enum kw_err err;
	int status = CLI_DONE;

	warn_open_file(import, file);
	err = cli_rows_read(&rows, file->text, file->length, why);
	/* From here on the keys are in the rows alone. */
	cli_file_finish(file);
	import->rows = rows.count + rows.refused;
	if (err == KW_E_SYNTAX) {
		status = cli_fail("%s: %s", import->file, why);
	} else if (err != KW_OK) {
		status = cli_fail("%s: %s", import->file, kw_err_text(err));
	} else if (import->rows == 0) {
		status = no_device(import);
	} else if (rows.count > 0) {
		status = cli_import_rows(import, &rows);
	}
	cli_rows_finish(&rows);
	return status;
}

static void print_summary(const struct cli_import *import)
{
	const char *could = import->dry_run ? "could be added" : "added";
	const unsigned long long added = import->added;
	const unsigned long long refused = import->refused;

	if (refused > 0 && !import->skip_errors) {
		fprintf(stderr, "%s: %llu of %llu rows refused; %s\n", import->file, refused,
			(unsigned long long)import->rows,
			added > 0 && !import->dry_run ? "a part was added" : "nothing was added");
		return;
	}
	printf("%llu device%s %s", added, added == 1 ? "" : "s", could);
	if (refused > 0) {
		printf(", %llu refused", refused);
	}
	putchar('\n');
}

static void print_json(struct cli_import *import)
{
	json_t *answer = json_pack("{s:I, s:I, s:I, s:O, s:b}", "rows", (json_int_t)import->rows,
		"added", (json_int_t)import->added, "refused", (json_int_t)import->refused,
		"errors", import->errors, "dry_run", import->dry_run ? 1 : 0);

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
		} else {
			cli_policy_take(&import->policy, &self, option, optarg);
		}
	}
	cli_want_words(&self, argc, argv, 1, "FILE");
}

int cli_device_import(struct cli *cli, int argc, char **argv)
{
	struct cli_import import = {.cli = cli};
	struct cli_file file;
	int status;

	read_options(cli, argc, argv, &import);
	import.file = cli_file_name(argv[optind]);
	status = cli_file_read(argv[optind], FILE_MAX, &file);
	if (status != CLI_DONE) {
		return status;
	}
	import.errors = json_array();
	status = cli_import_is_sealed(file.text, file.length) ? import_sealed(&import, &file)
							      : import_clear(&import, &file);
	cli_file_finish(&file);
	return finish(&import, status);
}
