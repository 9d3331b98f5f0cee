/*
 * keyward-vault: the keystore's process. How it starts, and what else it is called for.
 */
#include "js/vault_loop.h"

#include "base/log.h"
#include "base/secret.h"

#include <signal.h>
#include <unistd.h>

/*
 * The store is read through a map of its file. A page that is not there, in a file that was cut short
 * or on a disk that fails, would end this process without a word, and that again after each restart.
 */
static void page_unreadable(int signal_number)
{
	(void)signal_number;
	kw_log(KW_LOG_ERROR, "vault",
		"the store is damaged: data.mdb was cut short or its disk fails; see keyward "
		"check");
	_exit(1);
}

static enum kw_err open_store(struct js_vault *vault, const struct js_options *options)
{
	const struct ks_options store = {
		.path = ".",
		.map_size = options->map_size,
		.env = vault->env,
	};
	struct ks_master_key master;
	enum kw_err err = ks_master_read(JS_VAULT_FD_MASTER, &master);

	if (err == KW_OK) {
		err = ks_store_open(&store, &master, &vault->store);
	}
	kw_wipe(&master, sizeof(master));
	close(JS_VAULT_FD_MASTER);
	if (err == KW_OK) {
		err = js_backend_init(
			&vault->backend, vault->store, (uint64_t)options->repeat_window_s * 1000);
		vault->backend.peer_rate = options->peer_rate;
	}
	return err;
}

static int serve(const struct js_options *options)
{
	struct js_vault vault = {.env = &kw_env_system};
	const int signals = js_process_signals();
	enum kw_err err;

	if (options->fronts > JS_FRONTS_MAX || fchdir(JS_VAULT_FD_STORE) != 0) {
		kw_log(KW_LOG_ERROR, "vault", "cannot enter the store directory", KW_ERRNO());
		return 1;
	}
	signal(SIGBUS, page_unreadable);
	js_process_enter(JS_ROLE_VAULT, options);
	vault.started_ms = kw_now_ms(vault.env);
	err = kw_random(vault.env, &vault.generation, sizeof(vault.generation));
	if (err == KW_OK) {
		err = open_store(&vault, options);
	}
	if (err != KW_OK) {
		kw_log(KW_LOG_ERROR, "vault", "cannot open the store",
			KW_STR("reason", kw_err_text(err)));
		return 1;
	}
	js_vault_loop(&vault, options->fronts, signals);
	js_backup_end(&vault);
	js_backend_finish(&vault.backend);
	ks_store_close(vault.store);
	return 0;
}

int main(int argc, char **argv)
{
	struct js_options options;

	js_options_read(argc, argv, &options);
	if (options.init) {
		return js_vault_init(&options, &kw_env_system);
	}
	if (options.restore) {
		return js_vault_restore(&options, &kw_env_system);
	}
	if (options.check) {
		return js_vault_check(&options, &kw_env_system);
	}
	return serve(&options);
}
