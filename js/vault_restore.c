/*
 * `keyward-vault --restore`, run once by `keyward restore`: a store out of the backup on standard
 * input. What came out goes to standard output as lines of a name and a value, for the command line
 * to say in words.
 */
#include "js/vault.h"

#include "base/hex.h"
#include "base/log.h"
#include "base/secret.h"
#include "js/vault_place.h"
#include "keystore/restore.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TASK "restore"

static void print(const struct ks_restore *restore)
{
	char id[2 * sizeof(restore->store_id) + 1];

	kw_hex_write(id, restore->store_id, sizeof(restore->store_id));
	printf("store_id %s\n", id);
	printf("time_ms %" PRIu64 "\n", restore->time_ms);
	printf("records %" PRIu64 "\n", restore->records);
	printf("devices %" PRIu64 "\n", restore->devices);
	printf("epoch %" PRIu32 "\n", restore->epoch);
	printf("advanced %" PRIu32 "\n", restore->advanced);
	printf("exhausted %" PRIu64 "\n", restore->exhausted);
	printf("damaged %" PRIu64 "\n", restore->damaged);
	if (restore->aside[0] != '\0') {
		printf("aside %s\n", restore->aside);
	}
}

/* The keystore has logged what is wrong with the backup; its errors in general words would speak of a
 * store. */
static const char *reason(enum kw_err err)
{
	switch (err) {
	case KW_E_STORE_LOCKED:
		return "the store is in use by another process: stop keywardd first";
	case KW_E_EXISTS:
		return "nothing was restored: there is a store already";
	case KW_E_SYNTAX:
	case KW_E_TRUNCATED:
	case KW_E_STORE_DAMAGED:
	case KW_E_STORE_NEWER:
	case KW_E_SYSTEM:
		return "failed, for the reason above";
	default:
		return kw_err_text(err);
	}
}

static int run(const struct js_options *options, const struct kw_env *env,
	const struct ks_master_key *master)
{
	const struct ks_options store = {
		.path = ".",
		.map_size = options->map_size,
		.env = env,
	};
	struct ks_restore restore = {
		.fd = STDIN_FILENO,
		.nonce_margin =
			options->nonce_margin != 0 ? options->nonce_margin : KS_NONCE_MARGIN,
		.replace = options->force,
		.check = options->check,
	};
	enum kw_err err = ks_restore(&store, master, &restore);

	if (err != KW_OK) {
		return js_place_fail(
			TASK, options->check ? "the backup" : options->store, reason(err));
	}
	print(&restore);
	return fflush(stdout) == 0 ? 0 : js_place_fail(TASK, "standard output", strerror(errno));
}

/* A check needs a place for the few records that hold the keys; the store may be in use. */
static int check(const struct js_options *options, const struct kw_env *env,
	const struct ks_master_key *master)
{
	char folder[] = "/tmp/keyward-check-XXXXXX";
	int status;

	if (options->owner != NULL) {
		js_process_become(options->owner);
	}
	if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
		return js_place_fail(TASK, folder, strerror(errno));
	}
	status = run(options, env, master);
	rmdir(folder);
	return status;
}

int js_vault_restore(const struct js_options *options, const struct kw_env *env)
{
	const char *key = js_place_master_path(TASK, options);
	struct ks_master_key master;
	int status = 1;

	umask(077);
	kw_secret_process();
	if (key == NULL) {
		return 1;
	}
	if (!js_place_master_read(TASK, key, &master)) {
		return access(key, F_OK) == 0 || errno != ENOENT
			       ? 1
			       : js_place_fail(TASK, key,
					 "put the master key that belongs to the backup here");
	}
	if (options->check) {
		status = check(options, env, &master);
	} else if (js_place_make_parent(TASK, options->store) && js_place_enter(TASK, options)) {
		status = run(options, env, &master);
	}
	kw_wipe(&master, sizeof(master));
	return status;
}
