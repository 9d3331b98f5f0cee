/*
 * `keyward-vault --check`, run once by `keyward check`: all of the store is read. LMDB trusts its
 * pages, so one that is damaged may end this process; then that is the result.
 *
 * With --lines standard output gets lines of a name and a value, for the command line to make JSON
 * of. The value of `problem` is four texts with a tab between: code, table, record and words. A line
 * `damaged` comes last, and only if all was read.
 */
#include "js/vault.h"

#include "base/log.h"
#include "base/secret.h"
#include "js/vault_place.h"
#include "keystore/check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define TASK "check"

static bool lines;

static void unreadable(int signal_number)
{
	static const char words[] = "keyward: check: the store is damaged: a page of data.mdb "
				    "cannot be read; restore a "
				    "backup\n";
	static const char line[] = "problem PAGE\t\t\ta page of data.mdb cannot be read; restore a "
				   "backup\n";

	(void)signal_number;
	if ((lines && write(STDOUT_FILENO, line, sizeof(line) - 1) < 0) ||
		write(STDERR_FILENO, words, sizeof(words) - 1) < 0) {
		_exit(2);
	}
	_exit(1);
}

static void print_damage(void *context, const struct ks_damage *damage)
{
	(void)context;
	if (lines) {
		printf("problem %s\t%s\t%s\t%s\n", damage->code, damage->table, damage->record,
			damage->what);
	} else {
		printf("%s%s%s: %s\n", damage->table, damage->record[0] != '\0' ? " " : "",
			damage->record, damage->what);
	}
	fflush(stdout); /* the next page may be the end */
}

/* Not of a record, but of why the store was not read, or not to its end. */
static void print_problem(const char *code, const char *why)
{
	if (lines) {
		printf("problem %s\t\t\t%s\n", code, why);
		fflush(stdout);
	}
}

static int fail(const char *code, const char *path, const char *why)
{
	print_problem(code, why);
	return js_place_fail(TASK, path, why);
}

static const char *code_of(enum kw_err err)
{
	switch (err) {
	case KW_E_STORE_LOCKED:
		return "LOCKED";
	case KW_E_STORE_ABSENT:
		return "ABSENT";
	case KW_E_STORE_DAMAGED:
		return "DAMAGED";
	case KW_E_STORE_NEWER:
		return "NEWER_FORMAT";
	case KW_E_MASTER_KEY:
		return "MASTER_KEY";
	default:
		return "FAILED";
	}
}

static const char *reason(enum kw_err err)
{
	switch (err) {
	case KW_E_STORE_LOCKED:
		return "stop keywardd first";
	case KW_E_STORE_DAMAGED:
		return "the store is damaged and cannot be read to its end: restore a backup";
	default:
		return kw_err_text(err);
	}
}

static void print_lines(const struct ks_check *check, const struct ks_store_figures *store)
{
	printf("format %" PRIu32 "\n", store->format);
	printf("epoch %" PRIu32 "\n", store->epoch);
	printf("devices %" PRIu64 "\n", check->devices);
	printf("states %" PRIu64 "\n", check->states);
	printf("events %" PRIu64 "\n", check->events);
	printf("servers %" PRIu64 "\n", check->peers);
	printf("pages %" PRIu64 "\n", check->pages);
	printf("damaged %" PRIu64 "\n", check->damaged);
}

static void print(const struct ks_check *check)
{
	printf("read: %" PRIu64 " devices, %" PRIu64 " states, %" PRIu64
	       " join log entries, %" PRIu64 " servers, %" PRIu64 " pages\n",
		check->devices, check->states, check->events, check->peers, check->pages);
	if (check->damaged == 0) {
		printf("the store is whole\n");
	} else {
		printf("the store is damaged in %" PRIu64
		       " place%s: do what the lines above say, or restore a backup\n",
			check->damaged, check->damaged == 1 ? "" : "s");
	}
}

static int run(const struct js_options *options, const struct kw_env *env,
	const struct ks_master_key *master)
{
	const struct ks_options place = {
		.path = ".",
		.map_size = options->map_size,
		.env = env,
	};
	struct ks_check check = {.damage = print_damage};
	struct ks_store_figures figures;
	struct ks_store *store;
	enum kw_err err = ks_store_open(&place, master, &store);

	if (err == KW_OK) {
		ks_store_figures(store, &figures);
		err = ks_check(store, &check);
		ks_store_close(store);
	}
	if (err != KW_OK) {
		return fail(code_of(err), options->store, reason(err));
	}
	if (lines) {
		print_lines(&check, &figures);
	} else {
		print(&check);
	}
	if (fflush(stdout) != 0) {
		return js_place_fail(TASK, "standard output", strerror(errno));
	}
	return check.damaged == 0 ? 0 : 1;
}

int js_vault_check(const struct js_options *options, const struct kw_env *env)
{
	const char *key = js_place_master_path(TASK, options);
	struct ks_master_key master;
	int status = 1;

	lines = options->lines;
	kw_secret_process();
	if (key == NULL) {
		return 1;
	}
	if (!js_place_master_read(TASK, key, &master)) {
		print_problem("MASTER_FILE", kw_err_text(KW_E_MASTER_FILE));
		return 1;
	}
	if (chdir(options->store) != 0) {
		fail(errno == ENOENT ? "ABSENT" : "FAILED", options->store, strerror(errno));
	} else {
		if (options->owner != NULL) {
			js_process_become(options->owner);
		}
		signal(SIGBUS, unreadable);
		signal(SIGSEGV, unreadable);
		signal(SIGABRT, unreadable);
		status = run(options, env, &master);
	}
	kw_wipe(&master, sizeof(master));
	return status;
}
