#include "base/cursor.h"
#include "cli/api.h"
#include "cli/progress.h"
#include "cli/target.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAD_SIZE  48 /* docs/store-format.md, "Backup file" */
#define BLOCK_HEAD 12
#define END_SIZE   (BLOCK_HEAD + 64)
#define NAME_SIZE  48

static const struct cli_command self = {"backup", NULL,
	"Usage: keyward [-c FILE] [--json] backup [--force] FILE|DIRECTORY|-\n"
	"\n"
	"Writes the whole store, as it is now, into a file; joins go on meanwhile. In a\n"
	"directory the file is called keyward-TIME.backup; - is standard output. The file has\n"
	"a check over all of it, which \"keyward restore --check\" looks at.\n"
	"\n"
	"Root keys are in it sealed, under the master key; the master key is not. Keep a copy\n"
	"of the master key file, and keep it in another place: who has both has all keys.\n"
	"\n"
	"      --force       replace a file that is there\n"
	"\n"
	"Examples:\n"
	"  keyward backup /var/backups\n"
	"  keyward backup store.backup\n"
	"  keyward backup - | age -r RECIPIENT >store.backup.age\n",
	cli_backup};

struct backup {
	struct cli *cli;
	struct cli_target target;
	uint64_t id;
	uint64_t records;
	uint64_t octets;
	bool ended; /* the block that ends a backup has come */
};

static int begin(struct backup *backup, struct cli_reply *reply)
{
	struct cli_path path;
	const struct cli_request request = {.method = "POST", .path = &path};
	int status;

	cli_path_init(&path, "/backup");
	status = cli_api_call(backup->cli, &request, reply);
	if (status == CLI_DONE) {
		backup->id = cli_member_number(reply->json, "id");
		backup->records = cli_member_number(reply->json, "records");
	}
	return status;
}

/* What a piece must look like; its records are not looked at here. @return records so far, or -1 */
static int64_t look(struct backup *backup, const struct cli_reply *reply)
{
	struct kw_reader reader;
	uint32_t length;
	uint64_t records;

	kw_reader_init(&reader, reply->text, reply->length);
	if (backup->octets == 0) {
		return reply->length == HEAD_SIZE ? 0 : -1;
	}
	length = kw_read_u32(&reader);
	records = kw_read_u64(&reader);
	if (backup->ended || reader.failed || records > backup->records ||
		reply->length != (length == 0 ? END_SIZE : BLOCK_HEAD + length)) {
		return -1;
	}
	backup->ended = length == 0;
	return (int64_t)records;
}

static int take_piece(
	struct backup *backup, const struct cli_reply *reply, struct cli_progress *progress)
{
	int64_t records = look(backup, reply);

	if (records < 0) {
		return cli_fail("keywardd gave a piece of a backup that is none");
	}
	backup->octets += reply->length;
	cli_progress_at(progress, (uint64_t)records, (uint64_t)records);
	return cli_target_write(&backup->target, reply->text, reply->length);
}

static int fetch(struct backup *backup)
{
	struct cli_progress progress;
	int status = CLI_DONE;
	bool more = true;

	cli_progress_start(&progress, "backup", "records", backup->records);
	while (status == CLI_DONE && more) {
		struct cli_reply reply;
		struct cli_path path;

		cli_path_init(&path, "/backup");
		cli_path_query_number(&path, "id", backup->id);
		cli_path_query_number(&path, "offset", backup->octets);
		status = cli_api_get(backup->cli, &path, &reply);
		more = reply.length > 0;
		if (status == CLI_DONE && more) {
			status = take_piece(backup, &reply, &progress);
		}
		cli_reply_finish(&reply);
	}
	cli_progress_clear(&progress);
	if (status == CLI_DONE && !backup->ended) {
		status = cli_fail("keywardd ended the backup too early");
	}
	return status;
}

static void print_json(const struct backup *backup, const struct cli_reply *begun, FILE *out)
{
	/* A name may be any octets, a text in JSON may not. */
	char *file = cli_clean(backup->target.path);
	json_t *object = json_pack("{s:s, s:I, s:I, s:O?, s:O?}", "file", file == NULL ? "?" : file,
		"octets", (json_int_t)backup->octets, "records", (json_int_t)backup->records,
		"time", json_object_get(begun->json, "time"), "epoch",
		json_object_get(begun->json, "epoch"));

	if (object != NULL && json_dumpf(object, out, JSON_INDENT(2)) == 0) {
		fputc('\n', out);
	}
	free(file);
	json_decref(object);
}

static void print(const struct backup *backup, const struct cli_reply *begun)
{
	/* Standard output is the backup itself. */
	FILE *out = strcmp(backup->target.path, "-") == 0 ? stderr : stdout;
	const char *key = cli_conf(backup->cli)->keystore.master_key;

	if (backup->cli->json) {
		print_json(backup, begun, out);
		return;
	}
	fprintf(out, "backup: %s, %" PRIu64 " records, %.1f MiB\n", backup->target.path,
		backup->records, (double)backup->octets / 1048576.0);
	fprintf(out,
		"The master key is not in it. Without %s the backup is of no use;\n"
		"keep a copy of that file in another place than the backup.\n",
		strncmp(key, "file:", 5) == 0 ? key + 5 : key);
}

static void put_name(char name[NAME_SIZE])
{
	const time_t now = time(NULL);
	struct tm utc;

	if (gmtime_r(&now, &utc) == NULL ||
		strftime(name, NAME_SIZE, "keyward-%Y%m%dT%H%M%SZ.backup", &utc) == 0) {
		snprintf(name, NAME_SIZE, "keyward.backup");
	}
}

static int run(struct backup *backup, const char *path, bool force)
{
	struct cli_reply begun = {0};
	char name[NAME_SIZE];
	int status;

	put_name(name);
	status = cli_target_open(&backup->target, path, name, force);
	if (status == CLI_DONE) {
		status = begin(backup, &begun);
	}
	if (status == CLI_DONE) {
		status = fetch(backup);
	}
	if (status == CLI_DONE) {
		status = cli_target_finish(&backup->target);
	}
	if (status == CLI_DONE) {
		print(backup, &begun);
	}
	cli_target_close(&backup->target);
	cli_reply_finish(&begun);
	return status;
}

int cli_backup(struct cli *cli, int argc, char **argv)
{
	enum {
		OPTION_FORCE = 1
	};
	static const struct option options[] = {
		{"force", no_argument, NULL, OPTION_FORCE},
		CLI_COMMON_OPTIONS,
	};
	struct backup backup = {.cli = cli};
	bool force = false;

	while (cli_next_option(cli, &self, argc, argv, options) != -1) {
		force = true;
	}
	cli_want_words(&self, argc, argv, 1, "a FILE, a DIRECTORY or -");
	return run(&backup, argv[optind], force);
}
