/* The file of a backup: on file systems that lack something, on a full disk, and when it is broken off. */
#include "cli/target.h"

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#define TEXT   "all of it"
#define THEIRS "somebody else's"

static char folder[] = "/tmp/keyward-target-XXXXXX";

static void path_of(const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", folder, name);
}

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	path_of(name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* What the one file in the folder holds; NULL if there is none. Removes it. */
static const char *take_only_file(void)
{
	static char text[64];
	char command[128], path[128];
	FILE *file;

	snprintf(command, sizeof(command), "test \"$(ls -A %s | wc -l)\" -le 1", folder);
	assert_int_equal(system(command), 0);
	path_of("a", path);
	file = fopen(path, "r");
	if (file == NULL) {
		assert_int_equal(rmdir(folder), 0); /* nothing else is in it */
		assert_int_equal(mkdir(folder, 0700), 0);
		return NULL;
	}
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	assert_int_equal(unlink(path), 0);
	return text;
}

struct lack {
	bool links;     /* as FAT */
	bool no_rename; /* renameat2() with flags, as NFS */
	bool sync_file;
	bool sync_folder; /* as CIFS */
	bool bad_folder;  /* EIO */
};

/* In a child: what is forbidden stays so. */
static void forbid(const struct lack *lack, int file)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	const scmp_datum_t fd = (scmp_datum_t)file;
	int bad = filter == NULL;

	if (lack->links) {
		bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(link), 0);
		bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(linkat), 0);
	}
	if (lack->no_rename) {
		bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(renameat2), 1,
			SCMP_A4(SCMP_CMP_NE, 0, 0));
	}
	if (lack->sync_file) {
		bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSPC), SCMP_SYS(fsync), 1,
			SCMP_A0(SCMP_CMP_EQ, fd, 0));
	}
	if (lack->sync_folder || lack->bad_folder) {
		bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(lack->bad_folder ? EIO : EINVAL),
			SCMP_SYS(fsync), 1, SCMP_A0(SCMP_CMP_NE, fd, 0));
	}
	if (bad != 0 || seccomp_load(filter) != 0) {
		_exit(99);
	}
	seccomp_release(filter);
}

static int write_all(const struct lack *lack, bool replace, const char *meanwhile)
{
	struct cli_target target;
	char path[128];
	int status;

	path_of("a", path);
	status = cli_target_open(&target, path, "", replace);
	if (status == CLI_DONE) {
		forbid(lack, target.fd);
		status = cli_target_write(&target, TEXT, strlen(TEXT));
	}
	if (meanwhile != NULL) {
		put("a", meanwhile);
	}
	if (status == CLI_DONE) {
		status = cli_target_finish(&target);
	}
	cli_target_close(&target);
	return status;
}

/* @return status as of waitpid() */
static int in_child(const struct lack *lack, bool replace, const char *meanwhile)
{
	const pid_t child = fork();
	int ended;

	assert_true(child >= 0);
	if (child == 0) {
		_exit(write_all(lack, replace, meanwhile));
	}
	assert_int_equal(waitpid(child, &ended, 0), child);
	assert_true(WIFEXITED(ended));
	return WEXITSTATUS(ended);
}

static void it_is_written_on_poor_file_systems(void **state)
{
	static const struct lack lacks[] = {{.links = false}, {.links = true}, {.no_rename = true},
		{.sync_folder = true}, {.links = true, .sync_folder = true}};

	(void)state;
	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		assert_int_equal(in_child(&lacks[i], false, NULL), CLI_DONE);
		assert_string_equal(take_only_file(), TEXT);
		put("a", THEIRS);
		assert_int_equal(in_child(&lacks[i], true, NULL), CLI_DONE);
		assert_string_equal(take_only_file(), TEXT);
	}
}

static void a_file_that_came_meanwhile_stays(void **state)
{
	static const struct lack lacks[] = {{.links = false}, {.links = true}, {.no_rename = true}};

	(void)state;
	for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
		assert_int_equal(in_child(&lacks[i], false, THEIRS), CLI_FAILED);
		assert_string_equal(take_only_file(), THEIRS);
	}
	assert_int_equal(in_child(&lacks[0], true, THEIRS), CLI_DONE);
	assert_string_equal(take_only_file(), TEXT);
}

static void what_is_not_durable_is_no_backup(void **state)
{
	const struct lack full = {.sync_file = true};
	const struct lack folder_lost = {.bad_folder = true};

	(void)state;
	assert_int_equal(in_child(&full, false, NULL), CLI_FAILED);
	assert_null(take_only_file());
	put("a", THEIRS);
	assert_int_equal(in_child(&full, true, NULL), CLI_FAILED);
	assert_string_equal(take_only_file(), THEIRS);
	assert_int_equal(in_child(&folder_lost, false, NULL), CLI_FAILED);
	assert_string_equal(take_only_file(), TEXT);
}

/* @return status as of waitpid() */
static int hang_up(bool ignored)
{
	const pid_t child = fork();
	int ended;

	assert_true(child >= 0);
	if (child == 0) {
		struct cli_target target;
		char path[128];

		path_of("a", path);
		signal(SIGHUP, ignored ? SIG_IGN : SIG_DFL);
		if (cli_target_open(&target, path, "", false) != CLI_DONE ||
			cli_target_write(&target, TEXT, strlen(TEXT)) != CLI_DONE) {
			_exit(99);
		}
		raise(SIGHUP);
		_exit(cli_target_finish(&target));
	}
	assert_int_equal(waitpid(child, &ended, 0), child);
	return ended;
}

static void a_hangup_leaves_nothing_unless_it_is_ignored(void **state)
{
	int ended = hang_up(false);

	(void)state;
	assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGHUP);
	assert_null(take_only_file());
	ended = hang_up(true);
	assert_true(WIFEXITED(ended) && WEXITSTATUS(ended) == CLI_DONE);
	assert_string_equal(take_only_file(), TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_written_on_poor_file_systems),
		cmocka_unit_test(a_file_that_came_meanwhile_stays),
		cmocka_unit_test(what_is_not_durable_is_no_backup),
		cmocka_unit_test(a_hangup_leaves_nothing_unless_it_is_ignored),
	};
	int failed;

	if (mkdtemp(folder) == NULL) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
