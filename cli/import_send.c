#include "cli/import.h"

#include "base/secret.h"
#include "cli/intake.h"
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ROWS 250
/* The vault lists at most so many refused rows of an envelope. */
#define LISTED_MAX 100
/* Octets that the API takes for an envelope as PEM. */
#define ENVELOPE_MAX  ((size_t)180 * 1024)
#define PEM_CMS_BEGIN "-----BEGIN CMS-----"
#define PEM_CMS_END   "-----END CMS-----"
#define PEM_P7_BEGIN  "-----BEGIN PKCS7-----"
#define PEM_P7_END    "-----END PKCS7-----"

/* One envelope on its way. */
struct envelope {
	const void *octets;
	size_t length;
	unsigned number;           /* for messages; 0: the file is not made of envelopes */
	const struct pr_row *rows; /* what is in it; NULL: sealed by somebody else */
	size_t count;
};

/* Line 1 of an envelope is its header line; each of our rows is one line. */
static uint32_t line_in_file(const struct envelope *envelope, uint64_t line)
{
	if (envelope->rows == NULL) {
		return (uint32_t)line;
	}
	return line >= 2 && line - 2 < envelope->count ? envelope->rows[line - 2].line : 0;
}

static void take_errors(
	struct cli_import *import, const struct envelope *envelope, const json_t *answer)
{
	const json_t *errors = json_object_get(answer, "errors");
	const uint64_t refused = (uint64_t)json_integer_value(json_object_get(answer, "refused"));
	const json_t *error;
	size_t index;

	json_array_foreach(errors, index, error)
	{
		const json_int_t line = json_integer_value(json_object_get(error, "line"));
		const char *text = json_string_value(json_object_get(error, "text"));

		cli_import_refuse(import, envelope->number,
			line_in_file(envelope, line > 0 ? (uint64_t)line : 0),
			text == NULL ? "refused" : text);
	}
	if (refused > json_array_size(errors)) {
		const uint64_t more = refused - json_array_size(errors);

		import->refused += more;
		cli_warn("%s: %llu more rows of this envelope were refused and are not listed",
			import->file, (unsigned long long)more);
	}
}

static int send_envelope(struct cli_import *import, const struct envelope *envelope, bool dry)
{
	struct cli_path path;
	struct cli_request request = {
		.method = "POST",
		.path = &path,
		.body = envelope->octets,
		.length = envelope->length,
		.content_type = "application/cms",
		.also = 422,
	};
	struct cli_reply reply;
	int status;

	cli_path_init(&path, "/devices/import");
	cli_policy_query(&import->policy, &path);
	if (dry) {
		cli_path_query(&path, "dry_run", "1");
	}
	if (import->skip_errors) {
		cli_path_query(&path, "skip_errors", "1");
	}
	status = cli_api_call(import->cli, &request, &reply);
	if (status == CLI_DONE && !json_is_object(reply.json)) {
		status = cli_fail("the answer of keywardd to an import cannot be read");
	}
	if (status == CLI_DONE) {
		const json_int_t added = json_integer_value(json_object_get(reply.json, "added"));
		const json_int_t rows = json_integer_value(json_object_get(reply.json, "rows"));

		import->rows += envelope->rows == NULL && rows > 0 ? (uint64_t)rows : 0;
		/* A refused envelope is refused as a whole; the API counts what would have done. */
		import->added += reply.status != 422 && added > 0 ? (uint64_t)added : 0;
		take_errors(import, envelope, reply.json);
	}
	cli_reply_finish(&reply);
	return status;
}

/* Seal as many rows as fit into one envelope and send it. */
static int send_chunk(struct cli_import *import, const struct pr_row *rows, size_t count,
	size_t max, bool dry, size_t *taken)
{
	struct envelope envelope = {.rows = rows};
	char *plain = malloc(CLI_CHUNK_OCTETS);
	uint8_t *sealed = NULL;
	size_t length;
	int status;

	*taken = 0;
	if (plain == NULL) {
		return cli_fail("out of memory");
	}
	envelope.count = cli_rows_write(rows, count, max, plain, &length);
	status = cli_intake_seal(import->cli, plain, length, &sealed, &envelope.length);
	kw_wipe(plain, length);
	free(plain);
	if (status == CLI_DONE) {
		envelope.octets = sealed;
		status = send_envelope(import, &envelope, dry);
	}
	free(sealed);
	*taken = envelope.count;
	return status;
}

/*
 * Send all rows. A real pass stops at the first refusal, unless bad rows are to be left out; else
 * chunks are small enough that the vault lists every row it refuses.
 */
static int pass(struct cli_import *import, const struct cli_rows *rows, bool dry, const char *what)
{
	const size_t max = dry || import->skip_errors ? LISTED_MAX : CHUNK_ROWS;
	struct cli_progress progress;
	size_t done = 0;
	int status = CLI_DONE;

	cli_progress_start(&progress, what, rows->count);
	while (status == CLI_DONE && done < rows->count) {
		size_t taken;

		status =
			send_chunk(import, rows->rows + done, rows->count - done, max, dry, &taken);
		done += taken;
		cli_progress_at(&progress, done);
		if (!dry && !import->skip_errors && import->refused > 0) {
			break;
		}
	}
	cli_progress_clear(&progress);
	return status;
}

/* The vault takes one envelope as a whole or not at all; then there is nothing to try first. */
static bool needs_trial(const struct cli_import *import, const struct cli_rows *rows)
{
	return !import->skip_errors && rows->count > LISTED_MAX;
}

static int fail_half_way(const struct cli_import *import)
{
	if (import->added == 0) {
		return CLI_FAILED;
	}
	return cli_fail("%s: %llu devices had been added when it failed; import again with "
			"--skip-errors to add the rest",
		import->file, (unsigned long long)import->added);
}

int cli_import_rows(struct cli_import *import, const struct cli_rows *rows)
{
	int status;

	if (import->dry_run) {
		return pass(import, rows, true, "checking");
	}
	/* A row that does not read keeps the file out: the others are tried, to say all at once. */
	if (import->refused > 0 && !import->skip_errors) {
		status = pass(import, rows, true, "checking");
		import->added = 0;
		return status;
	}
	if (needs_trial(import, rows)) {
		status = pass(import, rows, true, "checking");
		import->added = 0;
		if (status != CLI_DONE || import->refused > 0) {
			return status;
		}
	}
	status = pass(import, rows, false, "loading");
	if (status != CLI_DONE || (import->refused > 0 && !import->skip_errors)) {
		return fail_half_way(import);
	}
	return CLI_DONE;
}

static bool starts_with(const char *text, size_t length, const char *start)
{
	return length >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

static const char *find(const char *text, size_t length, const char *what)
{
	return length == 0 ? NULL : memmem(text, length, what, strlen(what));
}

/* PEM begins with its line, with words in front perhaps; DER of this size with 30 8x. */
bool cli_import_is_sealed(const char *text, size_t length)
{
	const unsigned char *octets = (const unsigned char *)text;

	if (length >= 2 && octets[0] == 0x30 && octets[1] >= 0x80 && octets[1] <= 0x84) {
		return true;
	}
	return starts_with(text, length, PEM_CMS_BEGIN) || starts_with(text, length, PEM_P7_BEGIN);
}

/* The next PEM block in the text; false if there is none. */
static bool next_block(const char **at, size_t *left, struct envelope *envelope)
{
	const char *begin = find(*at, *left, PEM_CMS_BEGIN);
	const char *end_line = PEM_CMS_END;
	const char *end;

	if (begin == NULL) {
		begin = find(*at, *left, PEM_P7_BEGIN);
		end_line = PEM_P7_END;
	}
	if (begin == NULL) {
		return false;
	}
	*left -= (size_t)(begin - *at);
	end = find(begin, *left, end_line);
	/* An end that is missing is for the API to complain about. */
	envelope->octets = begin;
	envelope->length = end == NULL ? *left : (size_t)(end - begin) + strlen(end_line);
	*at = begin + envelope->length;
	*left -= envelope->length;
	return true;
}

static size_t count_blocks(const char *text, size_t length)
{
	struct envelope envelope;
	size_t count = 0;

	while (next_block(&text, &length, &envelope)) {
		count++;
	}
	return count;
}

static int send_whole(struct cli_import *import, const struct envelope *envelope, bool dry)
{
	if (envelope->length > ENVELOPE_MAX) {
		return cli_fail("%s: an envelope of %zu octets is too long; seal at most about 700 "
				"devices into one and put several as PEM into one file",
			import->file, envelope->length);
	}
	return send_envelope(import, envelope, dry);
}

static int pass_blocks(
	struct cli_import *import, const char *text, size_t length, bool dry, const char *what)
{
	const size_t total = count_blocks(text, length);
	struct cli_progress progress;
	unsigned number = 0;
	int status = CLI_DONE;

	cli_progress_start(&progress, what, total);
	while (status == CLI_DONE && number < total) {
		struct envelope envelope = {.rows = NULL};

		if (!next_block(&text, &length, &envelope)) {
			break;
		}
		number++;
		envelope.number = total > 1 ? number : 0;
		status = send_whole(import, &envelope, dry);
		if (status != CLI_DONE && total > 1) {
			cli_fail("%s: it was envelope %u of %zu", import->file, number, total);
		}
		cli_progress_at(&progress, number);
		if (!dry && !import->skip_errors && import->refused > 0) {
			break;
		}
	}
	cli_progress_clear(&progress);
	return status;
}

static int import_blocks(struct cli_import *import, const char *text, size_t length)
{
	int status;

	if (!import->dry_run && !import->skip_errors && count_blocks(text, length) > 1) {
		status = pass_blocks(import, text, length, true, "checking");
		import->added = 0;
		if (status != CLI_DONE || import->refused > 0) {
			return status;
		}
		import->rows = 0;
	}
	status = pass_blocks(
		import, text, length, import->dry_run, import->dry_run ? "checking" : "loading");
	if (status != CLI_DONE && !import->dry_run) {
		return fail_half_way(import);
	}
	return status;
}

int cli_import_sealed(struct cli_import *import, const char *text, size_t length)
{
	const struct envelope whole = {.octets = text, .length = length};

	if (count_blocks(text, length) > 0) {
		return import_blocks(import, text, length);
	}
	return send_whole(import, &whole, import->dry_run);
}
