/*
 * `keyward-vault --init`, run once by `keyward init`: the master key file and an empty store.
 */
#include "js/vault.h"

#include "base/secret.h"
#include "js/vault_place.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TASK "init"

/* An existing key is used, never replaced: it may be the one of a backup. */
static bool take_master_key(const char *path, const struct kw_env *env, struct ks_master_key *out)
{
	enum kw_err err = ks_master_create(path, env);

	if (err != KW_OK && err != KW_E_EXISTS) {
		js_place_fail(TASK, path, kw_err_text(err));
		return false;
	}
	printf("master key: %s (%s)\n", path,
		err == KW_OK ? "created; keep a copy in a safe place" : "there already, used");
	return js_place_master_read(TASK, path, out);
}

static bool store_is_here(const char *path)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), "%s/data.mdb", path);
	return access(file, F_OK) == 0;
}

static int create(const struct js_options *options, const struct kw_env *env,
	const struct ks_master_key *master)
{
	const struct ks_options store = {
		.path = ".",
		.map_size = options->map_size,
		.env = env,
	};
	enum kw_err err;

	if (!js_place_enter(TASK, options)) {
		return 1;
	}
	err = ks_store_create(&store, master);
	if (err != KW_OK) {
		return js_place_fail(TASK, options->store, kw_err_text(err));
	}
	printf("store: %s (created)\n", options->store);
	return 0;
}

int js_vault_init(const struct js_options *options, const struct kw_env *env)
{
	const char *key = js_place_master_path(TASK, options);
	struct ks_master_key master;
	int status = 1;

	umask(077);
	kw_secret_process();
	if (key == NULL) {
		return 1;
	}
	if (store_is_here(options->store)) {
		return js_place_fail(
			TASK, options->store, "there is a store already; it was not touched");
	}
	if (js_place_make_parent(TASK, key) && js_place_make_parent(TASK, options->store) &&
		take_master_key(key, env, &master)) {
		status = create(options, env, &master);
	}
	kw_wipe(&master, sizeof(master));
	return status;
}
