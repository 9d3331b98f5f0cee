/** What the files that answer the portal share. Private to the vault. */
#ifndef KW_JS_ADMIN_H
#define KW_JS_ADMIN_H

#include "js/vault.h"

/** One message of the portal. */
struct js_question {
	struct js_vault *vault;
	const void *body;
	const uint8_t *tail; /* an envelope */
	size_t tail_length;
};

/** Tell the operator why, and what to do. */
void js_admin_say(char text[IPC_TEXT_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** End a transaction: commit what went well, undo the rest. */
enum kw_err js_admin_end(struct js_vault *vault, struct ks_txn *txn, enum kw_err err);
/** 0: as many as there may be. */
uint32_t js_page_limit(uint32_t wanted, uint32_t most);

/* admin_peer.c: handlers; each fills the answer's body. */
enum kw_err js_admin_add_peer(const struct js_question *question, void *answer);
enum kw_err js_admin_set_peer(const struct js_question *question, void *answer);
enum kw_err js_admin_get_peer(const struct js_question *question, void *answer);
enum kw_err js_admin_remove_peer(const struct js_question *question, void *answer);
enum kw_err js_admin_list_peers(const struct js_question *question, void *answer);
enum kw_err js_admin_probe_peer(const struct js_question *question, void *answer);
enum kw_err js_admin_retire_kek(const struct js_question *question, void *answer);
/* admin_backup.c: a handler, too. */
enum kw_err js_admin_backup(const struct js_question *question, void *answer);
/** What is amiss with peers: missing KEKs, the certificate that ends first. */
void js_admin_peers_status(const struct js_vault *vault, struct ipc_status *status);

#endif
