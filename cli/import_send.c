#include "cli/import.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
	(void)number;
	interrupted = 1;
}

void cli_import_mind_signals(void)
{
	cli_signal(SIGINT, note_signal, (int)SA_RESETHAND);
	cli_signal(SIGTERM, note_signal, (int)SA_RESETHAND);
	cli_signal(SIGHUP, note_signal, (int)SA_RESETHAND);
}

bool cli_import_interrupted(void)
{
	return interrupted != 0;
}

int cli_import_stopped(const struct cli_import *import, uint64_t total)
{
	const unsigned long long in = import->added + import->already;

	return cli_fail("%s: stopped when %llu of %llu devices were in; the same command again "
			"goes on from there",
		import->file, in, (unsigned long long)total);
}

/* Line 1 of an envelope is its header line; each of our rows is one line. */
static uint32_t line_in_file(const struct cli_envelope *envelope, uint64_t line)
{
	if (envelope->chunk == NULL) {
		return (uint32_t)line;
	}
	return line >= 2 && line - 2 < envelope->chunk->count ? envelope->chunk->lines[line - 2]
							      : 0;
}

static void take_warnings(
	struct cli_import *import, const struct cli_envelope *envelope, const json_t *answer)
{
	const json_t *warning;
	size_t index;

	json_array_foreach(json_object_get(answer, "warnings"), index, warning)
	{
		const json_int_t line = json_integer_value(json_object_get(warning, "line"));
		const char *text = json_string_value(json_object_get(warning, "text"));

		cli_import_warn(import, envelope->number,
			line_in_file(envelope, line > 0 ? (uint64_t)line : 0),
			text == NULL ? "look at this row" : text);
	}
}

static void take_errors(
	struct cli_import *import, const struct cli_envelope *envelope, const json_t *answer)
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
	take_warnings(import, envelope, answer);
	if (refused > json_array_size(errors)) {
		const uint64_t more = refused - json_array_size(errors);

		import->refused += more;
		cli_warn("%s: %llu more rows of this envelope were refused and are not listed",
			import->file, (unsigned long long)more);
	}
}

int cli_import_start(struct cli_import *import, struct cli_envelope *envelope)
{
	char run[16];

	envelope->request = (struct cli_request){
		.method = "POST",
		.path = &envelope->path,
		.body = envelope->octets,
		.length = envelope->length,
		.content_type = "application/cms",
		.also = 422,
	};
	cli_path_init(&envelope->path, "/devices/import");
	cli_policy_query(&import->policy, &envelope->path);
	if (envelope->dry) {
		cli_path_query(&envelope->path, "dry_run", "1");
	}
	/* Of what is tried and then loaded people are told once. */
	if (envelope->dry && !import->dry_run && !import->strict) {
		cli_path_query(&envelope->path, "quiet", "1");
	}
	if (import->skip_errors) {
		cli_path_query(&envelope->path, "skip_errors", "1");
	}
	if (import->strict) {
		cli_path_query(&envelope->path, "strict", "1");
	}
	if (import->run != 0) {
		snprintf(run, sizeof(run), "%" PRIu32, import->run);
		cli_path_query(&envelope->path, "run", run);
	}
	return cli_api_start(import->cli, &envelope->request);
}

static uint64_t number(const struct cli_reply *reply, const char *name)
{
	const json_int_t value = json_integer_value(json_object_get(reply->json, name));

	return value > 0 ? (uint64_t)value : 0;
}

int cli_import_settle(
	struct cli_import *import, const struct cli_envelope *envelope, struct cli_outcome *out)
{
	struct cli_reply reply;
	int status = cli_api_finish(import->cli, &envelope->request, &reply);

	*out = (struct cli_outcome){.rows = 0};
	if (status == CLI_DONE && !json_is_object(reply.json)) {
		status = cli_fail("the answer of keywardd to an import cannot be read");
	}
	if (status == CLI_DONE) {
		out->rows = number(&reply, "rows");
		/* A refused envelope is refused as a whole; the API counts what would have done. */
		out->added = reply.status != 422 ? number(&reply, "added") : 0;
		out->already = number(&reply, "already");
		take_errors(import, envelope, reply.json);
	}
	cli_reply_finish(&reply);
	return status;
}
