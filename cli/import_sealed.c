/* Envelopes that somebody else has sealed, one at a time, so that their number does not matter. */
#include "cli/import.h"

#include <stdlib.h>
#include <string.h>

#define PEM_CMS_BEGIN "-----BEGIN CMS-----"
#define PEM_CMS_END   "-----END CMS-----"
#define PEM_P7_BEGIN  "-----BEGIN PKCS7-----"
#define PEM_P7_END    "-----END PKCS7-----"
#define PEM_LINE_MAX  sizeof(PEM_P7_BEGIN)
/* So that an envelope that is too long is seen as one. */
#define WINDOW_SIZE (CLI_ENVELOPE_MAX + 2 * PEM_LINE_MAX)

struct blocks {
	struct cli_import *import;
	struct cli_source *source;
	char *text; /* WINDOW_SIZE octets */
	size_t at;  /* behind the last block */
	size_t used;
	bool last; /* the file ends with `used` */
	uint64_t total;
	unsigned number; /* of the block in hand, from 1 */
};

static bool starts_with(const char *text, size_t length, const char *start)
{
	return length >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

static const char *find(const char *text, size_t length, const char *what)
{
	return length == 0 ? NULL : memmem(text, length, what, strlen(what));
}

/* PEM begins with its line; DER of this size with 30 8x. */
bool cli_import_is_sealed(const char *text, size_t length)
{
	const unsigned char *octets = (const unsigned char *)text;

	if (length >= 2 && octets[0] == 0x30 && octets[1] >= 0x80 && octets[1] <= 0x84) {
		return true;
	}
	return starts_with(text, length, PEM_CMS_BEGIN) || starts_with(text, length, PEM_P7_BEGIN);
}

static int fill(struct blocks *blocks)
{
	memmove(blocks->text, blocks->text + blocks->at, blocks->used - blocks->at);
	blocks->used -= blocks->at;
	blocks->at = 0;
	while (!blocks->last && blocks->used < WINDOW_SIZE) {
		size_t got;

		if (cli_source_read(blocks->source, blocks->text + blocks->used,
			    WINDOW_SIZE - blocks->used, &got) != KW_OK) {
			return CLI_FAILED;
		}
		blocks->used += got;
		blocks->last = got == 0;
	}
	return CLI_DONE;
}

static const char *find_begin(const char *text, size_t length, const char **end_line)
{
	const char *cms = find(text, length, PEM_CMS_BEGIN);
	const char *p7 = find(text, cms == NULL ? length : (size_t)(cms - text), PEM_P7_BEGIN);

	*end_line = p7 != NULL ? PEM_P7_END : PEM_CMS_END;
	return p7 != NULL ? p7 : cms;
}

/* Go to the next line that begins a block; blocks->at is the end of the file if there is none. */
static int seek(struct blocks *blocks, const char **end_line)
{
	for (;;) {
		const char *rest = blocks->text + blocks->at;
		const size_t length = blocks->used - blocks->at;
		const char *begin = find_begin(rest, length, end_line);

		if (begin != NULL) {
			blocks->at = (size_t)(begin - blocks->text);
			return fill(blocks);
		}
		if (blocks->last) {
			blocks->at = blocks->used;
			return CLI_DONE;
		}
		/* A part of such a line may stand at the end of the window. */
		blocks->at += length > PEM_LINE_MAX ? length - PEM_LINE_MAX : 0;
		if (fill(blocks) != CLI_DONE) {
			return CLI_FAILED;
		}
	}
}

/* The next envelope; its length is 0 behind the last one. Borrowed until the next call. */
static int next_block(struct blocks *blocks, struct cli_envelope *envelope)
{
	const char *end_line;
	const char *end;

	envelope->length = 0;
	if (seek(blocks, &end_line) != CLI_DONE) {
		return CLI_FAILED;
	}
	if (blocks->at == blocks->used) {
		return CLI_DONE;
	}
	blocks->number++;
	envelope->octets = blocks->text + blocks->at;
	end = find(envelope->octets, blocks->used - blocks->at, end_line);
	/* An end that is missing is for the API to complain about. */
	envelope->length = end == NULL
				   ? blocks->used - blocks->at
				   : (size_t)(end - blocks->text) - blocks->at + strlen(end_line);
	if (envelope->length > CLI_ENVELOPE_MAX) {
		return cli_fail("%s: envelope %u has more than %zu octets; seal at most about 700 "
				"devices into one and put several as PEM into one file",
			blocks->import->file, blocks->number, CLI_ENVELOPE_MAX);
	}
	blocks->at += envelope->length;
	return CLI_DONE;
}

static int again(struct blocks *blocks)
{
	blocks->at = 0;
	blocks->used = 0;
	blocks->last = false;
	blocks->number = 0;
	return cli_source_again(blocks->source);
}

static int count_blocks(struct blocks *blocks)
{
	struct cli_envelope envelope;

	do {
		if (next_block(blocks, &envelope) != CLI_DONE) {
			return CLI_FAILED;
		}
	} while (envelope.length > 0);
	blocks->total = blocks->number;
	return again(blocks);
}

static int send_block(struct blocks *blocks, struct cli_envelope *envelope)
{
	struct cli_import *import = blocks->import;
	struct cli_outcome outcome;
	int status = cli_import_start(import, envelope);

	import->loading = import->loading || !envelope->dry;
	if (status == CLI_DONE) {
		status = cli_import_settle(import, envelope, &outcome);
		import->rows += outcome.rows;
		import->added += outcome.added;
		import->already += outcome.already;
	}
	if (status != CLI_DONE && blocks->total > 1) {
		cli_fail("%s: it was envelope %u of %llu", import->file, envelope->number,
			(unsigned long long)blocks->total);
	} else if (status != CLI_DONE) {
		cli_fail("%s: it was the envelope in this file", import->file);
	}
	return status;
}

static bool is_over(const struct cli_import *import, bool dry)
{
	return !dry && (cli_import_interrupted() || (import->refused > 0 && !import->skip_errors));
}

static int pass(struct blocks *blocks, bool dry)
{
	struct cli_import *import = blocks->import;
	struct cli_envelope envelope = {.dry = dry};
	int status = CLI_DONE;

	cli_progress_start(&import->progress, dry ? "checking" : "loading", "rows", blocks->total);
	while (status == CLI_DONE && !is_over(import, dry)) {
		status = next_block(blocks, &envelope);
		if (status != CLI_DONE || envelope.length == 0) {
			break;
		}
		envelope.number = blocks->total > 1 ? blocks->number : 0;
		status = send_block(blocks, &envelope);
		cli_progress_at(&import->progress, blocks->number, import->rows);
	}
	cli_progress_clear(&import->progress);
	return status;
}

static int load(struct blocks *blocks, uint64_t rows)
{
	struct cli_import *import = blocks->import;
	int status;

	cli_import_mind_signals();
	status = pass(blocks, false);
	if (blocks->total > 1 && (status != CLI_DONE || blocks->number < blocks->total)) {
		return cli_import_stopped(import, rows > import->rows ? rows : import->rows);
	}
	return status;
}

static int import_blocks(struct blocks *blocks)
{
	struct cli_import *import = blocks->import;
	uint64_t rows = 0;
	int status;

	if (import->dry_run) {
		return pass(blocks, true);
	}
	if (!import->skip_errors && blocks->total > 1) {
		status = pass(blocks, true);
		rows = import->rows;
		if (status != CLI_DONE || import->refused > 0) {
			import->added = 0;
			return status;
		}
		import->added = 0;
		import->already = 0;
		import->rows = 0;
		status = again(blocks);
		if (status != CLI_DONE) {
			return status;
		}
	}
	return load(blocks, rows);
}

/* DER, or what is left of it: one envelope. */
static int import_one(struct blocks *blocks)
{
	struct cli_envelope envelope = {.octets = blocks->text, .dry = blocks->import->dry_run};

	if (fill(blocks) != CLI_DONE) {
		return CLI_FAILED;
	}
	envelope.length = blocks->used;
	if (envelope.length > CLI_ENVELOPE_MAX) {
		return cli_fail("%s: an envelope of more than %zu octets is too long; seal at most "
				"about 700 devices into one and put several as PEM into one file",
			blocks->import->file, CLI_ENVELOPE_MAX);
	}
	return send_block(blocks, &envelope);
}

int cli_import_sealed(struct cli_import *import, struct cli_source *source)
{
	struct blocks blocks = {.import = import, .source = source};
	int status = cli_source_keep(source);

	blocks.text = malloc(WINDOW_SIZE);
	if (blocks.text == NULL) {
		return cli_fail("out of memory");
	}
	if (status == CLI_DONE) {
		status = again(&blocks);
	}
	if (status == CLI_DONE && source->head[0] == '-') {
		status = count_blocks(&blocks);
		status = status == CLI_DONE ? import_blocks(&blocks) : status;
	} else if (status == CLI_DONE) {
		status = import_one(&blocks);
	}
	free(blocks.text);
	if (status == CLI_DONE && import->rows == 0) {
		status = cli_fail("%s: there is no device in it", import->file);
	}
	return status;
}
