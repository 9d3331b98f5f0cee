/*
 * A clear file goes through in two passes. The first reads, checks and seals it, has the vault try each
 * envelope while the next is made, and keeps the envelopes in a temporary file; the second loads them.
 * So a bad row leaves the store as it was, standard input need not be read twice, and memory does not
 * depend on the number of rows.
 */
#include "cli/import.h"

#include "base/secret.h"
#include "cli/intake.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct clear {
	struct cli_import *import;
	struct cli_source *source;
	bool trial;  /* the vault is asked before anything is loaded */
	char *plain; /* CLI_CHUNK_OCTETS; rows that are not sealed yet */
	size_t used;
	struct cli_chunk filling; /* which rows these are */
	struct cli_chunk sealed;  /* the last one; its trial may be under way */
	struct cli_envelope envelope;
	bool under_way;
	uint64_t chunks;
	struct cli_spool spool;
};

static bool nothing_will_be_loaded(const struct clear *clear)
{
	const struct cli_import *import = clear->import;

	return import->dry_run || (import->refused > 0 && !import->skip_errors);
}

static int start_trial(struct clear *clear)
{
	clear->envelope = (struct cli_envelope){
		.octets = clear->sealed.sealed,
		.length = clear->sealed.length,
		.chunk = &clear->sealed,
		.dry = true,
	};
	clear->under_way = cli_import_start(clear->import, &clear->envelope) == CLI_DONE;
	return clear->under_way ? CLI_DONE : CLI_FAILED;
}

/* *news is false if all its rows are in the store already. */
static int end_trial(struct clear *clear, bool *news)
{
	struct cli_import *import = clear->import;
	struct cli_outcome outcome;
	int status = clear->under_way ? CLI_DONE : start_trial(clear);

	if (status != CLI_DONE) {
		return status;
	}
	clear->under_way = false;
	status = cli_import_settle(import, &clear->envelope, &outcome);
	*news = outcome.added > 0;
	/* What is loaded later is counted then. */
	if (!*news || import->dry_run) {
		import->added += outcome.added;
		import->already += outcome.already;
	}
	return status;
}

/* Done with the sealed chunk for now: have it tried, and keep it if it is to be loaded. */
static int put_away(struct clear *clear)
{
	bool news = true;
	int status = CLI_DONE;

	if (clear->sealed.sealed == NULL) {
		return CLI_DONE;
	}
	if (clear->trial) {
		status = end_trial(clear, &news);
	}
	if (status == CLI_DONE && news && !nothing_will_be_loaded(clear) &&
		cli_spool_put(&clear->spool, &clear->sealed) != KW_OK) {
		status =
			cli_fail("%s: no room for its sealed rows; set TMPDIR to a folder that has",
				clear->import->file);
	}
	cli_chunk_finish(&clear->sealed);
	return status;
}

/* Seal what has gathered. The first chunk waits until it is known whether there is another one: the
 * vault takes one envelope as a whole or not at all, and then there is nothing to try first. */
static int seal(struct clear *clear)
{
	int status = cli_intake_seal(clear->import->cli, clear->plain, clear->used,
		&clear->filling.sealed, &clear->filling.length);

	kw_wipe(clear->plain, clear->used);
	clear->used = 0;
	if (status == CLI_DONE) {
		status = put_away(clear);
	}
	if (status != CLI_DONE) {
		return status;
	}
	clear->sealed = clear->filling;
	memset(&clear->filling, 0, sizeof(clear->filling));
	clear->chunks++;
	cli_progress_at(&clear->import->progress, clear->source->taken, clear->import->rows);
	return clear->trial && clear->chunks > 1 ? start_trial(clear) : CLI_DONE;
}

static enum kw_err take_row(void *context, const struct pr_row *row)
{
	struct clear *clear = context;
	struct cli_chunk *chunk = &clear->filling;

	clear->import->rows++;
	if (clear->used == 0) {
		clear->used = strlen(pr_csv_header);
		memcpy(clear->plain, pr_csv_header, clear->used);
	}
	clear->used += pr_csv_write_row(row, clear->plain + clear->used);
	chunk->lines[chunk->count++] = row->line;
	if (chunk->count < CLI_CHUNK_ROWS && clear->used + PR_CSV_ROW_MAX <= CLI_CHUNK_OCTETS) {
		return KW_OK;
	}
	return seal(clear) == CLI_DONE ? KW_OK : KW_E_CLOSED;
}

static enum kw_err take_problem(void *context, const struct pr_problem *problem)
{
	struct clear *clear = context;

	clear->import->rows++;
	cli_import_refuse(clear->import, 0, problem->line, problem->text);
	return KW_OK;
}

/* It was counted when it went to take_row(). */
static enum kw_err take_twice(void *context, const struct pr_problem *problem)
{
	struct clear *clear = context;

	cli_import_refuse(clear->import, 0, problem->line, problem->text);
	return KW_OK;
}

static void take_notice(void *context, const char *text)
{
	struct clear *clear = context;
	char *clean = cli_clean(text);

	cli_progress_clear(&clear->import->progress);
	fprintf(stderr, "%s: note: %s\n", clear->import->file, clean == NULL ? "" : clean);
	free(clean);
}

static int read_file(struct clear *clear)
{
	const struct pr_source source = {.read = cli_source_read, .context = clear->source};
	const struct pr_sink sink = {
		.row = take_row,
		.problem = take_problem,
		.notice = take_notice,
		/* Left to the vault where it may refuse single rows. */
		.twice = clear->import->skip_errors && !clear->import->dry_run ? NULL : take_twice,
		.context = clear,
	};
	char why[PR_TEXT_SIZE];
	const enum kw_err err = pr_read_from(&source, &sink, why);

	cli_progress_clear(&clear->import->progress);
	if (err == KW_OK) {
		return CLI_DONE;
	}
	if (err == KW_E_SYNTAX) {
		return cli_fail("%s: %s", clear->import->file, why);
	}
	/* Of others it has been said what is wrong. */
	return err == KW_E_NO_MEMORY ? cli_fail("%s: out of memory", clear->import->file)
				     : CLI_FAILED;
}

/* What came last: rows that fill no envelope, and the trial that is under way. */
static int end_of_file(struct clear *clear)
{
	int status = clear->used > 0 ? seal(clear) : CLI_DONE;

	if (status == CLI_DONE && (clear->chunks > 1 || nothing_will_be_loaded(clear))) {
		status = put_away(clear);
	}
	return status;
}

static int check(struct clear *clear)
{
	int status;

	cli_progress_start(&clear->import->progress, "checking", "rows", clear->source->size);
	status = read_file(clear);
	if (status == CLI_DONE) {
		status = end_of_file(clear);
	}
	cli_progress_clear(&clear->import->progress);
	if (status == CLI_DONE && clear->import->rows == 0) {
		status = cli_fail("%s: there is no device in it", clear->import->file);
	}
	return status;
}

static int load_chunk(struct cli_import *import, const struct cli_chunk *chunk)
{
	struct cli_envelope envelope = {
		.octets = chunk->sealed, .length = chunk->length, .chunk = chunk};
	struct cli_outcome outcome;
	int status = cli_import_start(import, &envelope);

	import->loading = true;
	if (status == CLI_DONE) {
		status = cli_import_settle(import, &envelope, &outcome);
		import->added += outcome.added;
		import->already += outcome.already;
	}
	return status;
}

int cli_import_row(struct cli_import *import, const struct pr_row *row)
{
	struct cli_chunk chunk = {.count = 1, .lines = {row->line}};
	char *plain = malloc(CLI_CHUNK_OCTETS);
	size_t length;
	int status;

	if (plain == NULL) {
		return cli_fail("out of memory");
	}
	cli_rows_write(row, 1, 1, plain, &length);
	status = cli_intake_seal(import->cli, plain, length, &chunk.sealed, &chunk.length);
	kw_wipe(plain, length);
	free(plain);
	if (status == CLI_DONE) {
		status = load_chunk(import, &chunk);
	}
	cli_chunk_finish(&chunk);
	return status;
}

static int load_spool(struct clear *clear)
{
	struct cli_import *import = clear->import;
	const uint64_t before = import->already;
	uint64_t place = 0;
	int status = CLI_DONE;

	cli_import_mind_signals();
	cli_progress_start(&import->progress, "loading", "rows", clear->spool.rows);
	while (status == CLI_DONE && place < clear->spool.length &&
		!nothing_will_be_loaded(clear) && !cli_import_interrupted()) {
		struct cli_chunk chunk;

		status = cli_spool_get(&clear->spool, &place, &chunk) == KW_OK
				 ? load_chunk(import, &chunk)
				 : cli_fail("%s: its sealed rows cannot be read again",
					   import->file);
		cli_chunk_finish(&chunk);
		cli_progress_at(&import->progress, import->added + import->already - before,
			import->added + import->already - before);
	}
	cli_progress_clear(&import->progress);
	if (status != CLI_DONE || place < clear->spool.length || nothing_will_be_loaded(clear)) {
		return cli_import_stopped(import, import->rows);
	}
	return CLI_DONE;
}

static int load(struct clear *clear)
{
	if (clear->sealed.sealed != NULL) {
		return load_chunk(clear->import, &clear->sealed);
	}
	return clear->spool.length > 0 ? load_spool(clear) : CLI_DONE;
}

static void finish(struct clear *clear)
{
	if (clear->plain != NULL) {
		kw_wipe(clear->plain, CLI_CHUNK_OCTETS);
		free(clear->plain);
	}
	cli_chunk_finish(&clear->filling);
	cli_chunk_finish(&clear->sealed);
	cli_spool_finish(&clear->spool);
}

int cli_import_clear(struct cli_import *import, struct cli_source *source)
{
	struct clear clear = {
		.import = import,
		.source = source,
		.trial = import->dry_run || !import->skip_errors,
	};
	int status;

	cli_spool_init(&clear.spool);
	clear.plain = malloc(CLI_CHUNK_OCTETS);
	if (clear.plain == NULL) {
		return cli_fail("out of memory");
	}
	status = check(&clear);
	if (status == CLI_DONE && !nothing_will_be_loaded(&clear)) {
		status = load(&clear);
	}
	finish(&clear);
	return status;
}
