/**
 * What the parts of keyward-vault share: the one process that has the keystore and the root keys.
 */
#ifndef KW_JS_VAULT_H
#define KW_JS_VAULT_H

#include "ipc/ipc.h"
#include "js/backend.h"
#include "js/process.h"
#include "keystore/backup.h"

struct js_vault {
	const struct kw_env *env;
	struct ks_store *store;
	struct js_backend backend;
	uint64_t generation;
	uint64_t started_ms;
	uint64_t commits;
	uint64_t commit_us_total;
	uint64_t commit_us_max;
	bool store_failed;        /* the last commit failed for want of room */
	struct ks_backup *backup; /* under way; NULL: none */
	uint64_t backup_id;
	uint64_t backup_offset;   /* octets handed out */
	uint64_t backup_asked_us; /* when a piece was last asked for */
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

/** End the backup that is under way: when it is complete, when nobody asks for its next piece any
 *  more, and when the store is full, for its snapshot keeps pages from being used again. */
void js_backup_end(struct js_vault *vault);
/** End it if it has been forgotten. @return ms until it will be; -1: there is none */
int js_backup_rest_ms(struct js_vault *vault);

/** `keyward-vault --check`: read all of the store and print what is damaged. @return exit status: 0 if
 *  it is whole, 1 if not */
int js_vault_check(const struct js_options *options, const struct kw_env *env);

/** `keyward-vault --restore`: make a store of the backup on standard input. @return exit status */
int js_vault_restore(const struct js_options *options, const struct kw_env *env);

/** `keyward-vault --init`: create the master key file and an empty store. @return exit status */
int js_vault_init(const struct js_options *options, const struct kw_env *env);

#endif
