/**
 * What the parts of keyward-vault share: the one process that has the keystore and the root keys.
 */
#ifndef KW_JS_VAULT_H
#define KW_JS_VAULT_H

#include "ipc/ipc.h"
#include "js/backend.h"
#include "js/process.h"

struct js_vault {
	const struct kw_env *env;
	struct ks_store *store;
	struct js_backend backend;
	uint64_t generation;
	uint64_t started_ms;
	uint64_t commits;
	uint64_t commit_us_total;
	uint64_t commit_us_max;
	bool store_failed; /* the last commit failed for want of room */
	struct ipc_report reports[JS_FRONTS_MAX];
	bool reported[JS_FRONTS_MAX];
};

/**
 * Commit, with the time it took counted if there was anything to write. On KW_E_STORE the store must not be used further: the
 * vault ends, and keywardd starts it again on what is durable.
 */
KW_MUST_CHECK enum kw_err js_vault_commit(struct js_vault *vault, struct ks_txn *txn);

/**
 * Answer one message of the portal.
 *
 * @param message  checked by ipc_message_check()
 * @param answer   out: the answer's header and body, IPC_MESSAGE_MAX octets
 * @return octets of the body behind the header
 */
size_t js_admin_answer(
	struct js_vault *vault, const struct ipc_header *message, struct ipc_header *answer);

/** `keyward-vault --init`: create the master key file and an empty store. @return exit status */
int js_vault_init(const struct js_options *options, const struct kw_env *env);

#endif
