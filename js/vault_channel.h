/** One channel of the vault: its descriptor, and room for what goes over it. */
#ifndef KW_JS_VAULT_CHANNEL_H
#define KW_JS_VAULT_CHANNEL_H

#include "base/log.h"
#include "ipc/ipc.h"
#include "js/told.h"

struct js_vault_channel {
	int fd;       /* -1: hung up */
	size_t front; /* index among the fronts; meaningless for the portal */
	bool portal;
	uint8_t *message;                /* IPC_MESSAGE_MAX octets */
	size_t length;                   /* 0: nothing received in this turn */
	struct ipc_backend_ans *answers; /* IPC_BATCH_MAX of them; NULL for the portal */
	char *urls;                      /* where answers are to be posted, one behind the other */
	size_t urls_length;
	struct js_told told; /* complaints about who is at the other end */
};

/**
 * The channel that the vault was started with, and its memory. Who is at the other end is greeted with
 * the generation of this vault.
 *
 * @param index  0: the portal's, then one per front
 * @return KW_OK, KW_E_NO_MEMORY (finish it all the same)
 */
KW_MUST_CHECK enum kw_err js_vault_channel_open(
	struct js_vault_channel *channel, size_t index, uint64_t generation);

/** Give back the memory; the descriptor stays open. */
void js_vault_channel_finish(struct js_vault_channel *channel);

/**
 * Another descriptor (taken over) instead of the one of before, which is closed if it is still open.
 * Nobody is greeted: this vault did not start anew, and what was asked already is answered.
 */
void js_vault_channel_replace(struct js_vault_channel *channel, int fd);

/** It does not work any more: shut it down for everybody, so that keywardd sees it; and say so. */
void js_vault_channel_close(struct js_vault_channel *channel);

/** A line in the log about who is at the other end; once a second at most. */
void js_vault_channel_complain(struct js_vault_channel *channel, enum kw_log_level level,
	const char *words, const char *kind, enum kw_err why);

#endif
