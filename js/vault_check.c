/*
 * `keyward-vault --check`, run once by `keyward check`: all of the store is read. LMDB trusts its
 * pages, so one that is damaged may end this process; then that is the result.
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

static void unreadable(int signal_number)
{
	static const char words[] = "keyward: check: the store is damaged: a page of data.mdb "
				    "cannot be read; restore a "
				    "backup\n";

	(void)signal_number;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) < 0) {
		_exit(2);
	}
	_exit(1);
}

static void print_damage(void *context, const char *table, const char *record, const char *what)
{
	(void)context;
	printf("%s%s%s: %s\n", table, record[0] != '\0' ? " " : "", record, what);
	fflush(stdout); /* the next page may be the end */
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
		       " places: restore a backup, or do what the lines above say\n",
			check->damaged);
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
	struct ks_store *store;
	enum kw_err err = ks_store_open(&place, master, &store);

	if (err == KW_E_STORE_LOCKED) {
		return js_place_fail(TASK, options->store, "stop keywardd first");
	}
	if (err == KW_OK) {
		err = ks_check(store, &check);
		ks_store_close(store);
	}
	if (err != KW_OK) {
		return js_place_fail(TASK, options->store, kw_err_text(err));
	}
	print(&check);
	return check.damaged == 0 ? 0 : 1;
}

int js_vault_check(const struct js_options *options, const struct kw_env *env)
{
	const char *key = js_place_master_path(TASK, options);
	struct ks_master_key master;
	int status = 1;

	kw_secret_process();
	if (key == NULL || !js_place_master_read(TASK, key, &master)) {
		return 1;
	}
	if (chdir(options->store) != 0) {
		js_place_fail(TASK, options->store, strerror(errno));
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
