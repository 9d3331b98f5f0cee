#include "cli/cli.h"
#include "cli/helper.h"
#include "cli/progress.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SIZE 2048
#define LOOK_MS     100

static const struct cli_command self = {"restore", NULL,
	"Usage: keyward [-c FILE] [--json] restore [--force] [--nonce-margin N] FILE|-\n"
	"       keyward [-c FILE] [--json] restore --check FILE|-\n"
	"\n"
	"Makes the store of a backup where the configuration says ([keystore] path). keywardd\n"
	"must not run; the master key file must be that of the backup. The JoinNonce of every\n"
	"device is advanced, so that none comes twice that was given out after the backup.\n"
	"As root where keywardd is started by root.\n"
	"\n"
	"      --check           make nothing; read the backup to its end and check it and the\n"
	"                        master key; keywardd may run\n"
	"      --force           keep a store that is there under another name\n"
	"      --nonce-margin N  by how much JoinNonces are advanced; 1024 to 4194304,\n"
	"                        default 131072, which is more than a device can use\n"
	"\n"
	"Examples:\n"
	"  keyward restore --check /var/backups/keyward-20260102T030405Z.backup\n"
	"  keyward restore /var/backups/keyward-20260102T030405Z.backup\n",
	cli_restore};

struct wish {
	bool check;
	bool force;
	const char *margin; /* NULL: the default */
};

static void add_options(struct cli_helper *helper, const struct wish *wish)
{
	if (wish->check) {
		cli_helper_add(helper, "--check");
	}
	if (wish->force) {
		cli_helper_add(helper, "--force");
	}
	if (wish->margin != NULL) {
		cli_helper_add(helper, "--nonce-margin");
		cli_helper_add(helper, wish->margin);
	}
}

/* Child and parent share the place in the file. */
static int wait_with_bar(struct cli_helper *helper, int backup)
{
	struct cli_progress progress;
	struct stat info;
	int status;

	if (fstat(backup, &info) != 0 || !S_ISREG(info.st_mode)) {
		info.st_size = 0;
	}
	cli_progress_start(&progress, "restore", "MiB", (uint64_t)info.st_size);
	while (!cli_helper_wait(helper, LOOK_MS, &status)) {
		const off_t at = lseek(backup, 0, SEEK_CUR);

		if (at >= 0) {
			cli_progress_at(&progress, (uint64_t)at, (uint64_t)at >> 20);
		}
	}
	cli_progress_clear(&progress);
	return status;
}

/* The few lines that it prints at its end fit into the pipe. */
static int run_vault(struct cli_helper *helper, int backup, char answer[ANSWER_SIZE])
{
	int ends[2];
	ssize_t length;
	int status;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		return cli_fail("cannot make a pipe: %s", strerror(errno));
	}
	helper->input = backup;
	helper->output = ends[1];
	status = cli_helper_start(helper);
	close(ends[1]);
	if (status == CLI_DONE) {
		status = wait_with_bar(helper, backup);
		length = read(ends[0], answer, ANSWER_SIZE - 1);
		answer[length > 0 ? length : 0] = '\0';
	}
	close(ends[0]);
	return status;
}

/* Lines of a name and a value; a value that is a number becomes one. NULL: no memory. */
static json_t *read_answer(char *answer)
{
	json_t *object = json_object();
	char *rest;

	for (char *line = strtok_r(answer, "\n", &rest); line != NULL && object != NULL;
		line = strtok_r(NULL, "\n", &rest)) {
		char *value = strchr(line, ' ');
		bool text;

		if (value == NULL) {
			continue;
		}
		*value++ = '\0';
		text = strcmp(line, "store_id") == 0 || strcmp(line, "aside") == 0;
		if (json_object_set_new(object, line,
			    text ? json_string(value)
				 : json_integer((json_int_t)strtoull(value, NULL, 10))) != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

static void print_backup(const json_t *answer)
{
	const time_t taken = (time_t)(cli_member_number(answer, "time_ms") / 1000);
	char text[32] = "?";
	struct tm utc;

	if (gmtime_r(&taken, &utc) != NULL) {
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	}
	printf("backup: of %s, %" PRIu64 " devices, %" PRIu64 " records; whole\n", text,
		cli_member_number(answer, "devices"), cli_member_number(answer, "records"));
}

static void warn_devices(const json_t *answer)
{
	const uint64_t exhausted = cli_member_number(answer, "exhausted");
	const uint64_t damaged = cli_member_number(answer, "damaged");

	if (exhausted > 0) {
		cli_warn("%" PRIu64 " devices have no JoinNonce left and cannot join", exhausted);
	}
	if (damaged > 0) {
		cli_warn("%" PRIu64 " devices have damaged records and cannot join", damaged);
	}
}

static void print_store(struct cli *cli, const json_t *answer)
{
	const char *aside = json_string_value(json_object_get(answer, "aside"));

	printf("store: %s, epoch %" PRIu64 "; JoinNonces are advanced by %" PRIu64 " in all\n",
		cli_conf(cli)->keystore.path, cli_member_number(answer, "epoch"),
		cli_member_number(answer, "advanced"));
	if (aside != NULL) {
		printf("the store that was there: %s/%s\n", cli_conf(cli)->keystore.path, aside);
	}
	printf("\nNext: start keywardd and take a new backup. Older ones must not be restored on\n"
	       "another machine without a greater --nonce-margin (keyward(1)).\n");
}

static int print(struct cli *cli, const struct wish *wish, char *text)
{
	json_t *answer = read_answer(text);

	if (answer == NULL) {
		return cli_fail("out of memory");
	}
	if (cli->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_backup(answer);
		if (!wish->check) {
			print_store(cli, answer);
		}
	}
	fflush(stdout);
	warn_devices(answer);
	json_decref(answer);
	return CLI_DONE;
}

static int run(struct cli *cli, const struct wish *wish, int backup)
{
	char answer[ANSWER_SIZE] = "";
	struct cli_helper helper;
	int status = cli_helper_init(&helper, cli_conf(cli), "--restore");

	if (status == CLI_DONE) {
		add_options(&helper, wish);
		status = run_vault(&helper, backup, answer);
	}
	return status == CLI_DONE ? print(cli, wish, answer) : status;
}

static void check_margin(const char *text)
{
	char *end;
	const unsigned long margin = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || margin < 1024 || margin > 4194304) {
		cli_usage(&self, "--nonce-margin must be a number from 1024 to 4194304");
	}
}

int cli_restore(struct cli *cli, int argc, char **argv)
{
	enum {
		OPTION_CHECK = 1,
		OPTION_FORCE,
		OPTION_MARGIN,
	};
	static const struct option options[] = {
		{"check", no_argument, NULL, OPTION_CHECK},
		{"force", no_argument, NULL, OPTION_FORCE},
		{"nonce-margin", required_argument, NULL, OPTION_MARGIN},
		CLI_COMMON_OPTIONS,
	};
	struct wish wish = {.margin = NULL};
	const char *path;
	int option, backup, status;

	while ((option = cli_next_option(cli, &self, argc, argv, options)) != -1) {
		wish.check = wish.check || option == OPTION_CHECK;
		wish.force = wish.force || option == OPTION_FORCE;
		if (option == OPTION_MARGIN) {
			check_margin(optarg);
			wish.margin = optarg;
		}
	}
	cli_want_words(&self, argc, argv, 1, "the FILE of a backup, or -");
	path = argv[optind];
	if (strcmp(path, "-") == 0) {
		return run(cli, &wish, STDIN_FILENO);
	}
	backup = open(path, O_RDONLY | O_CLOEXEC);
	if (backup < 0) {
		return cli_fail("cannot open %s: %s", path, strerror(errno));
	}
	status = run(cli, &wish, backup);
	close(backup);
	return status;
}
