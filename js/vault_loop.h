/**
 * What the vault does all day. One loop: take what the fronts have handed over, verify and derive, make
 * it durable in one commit, answer all; while it waits for the disk the next batch gathers.
 * Administration comes between batches, folding when nobody asks.
 */
#ifndef KW_JS_VAULT_LOOP_H
#define KW_JS_VAULT_LOOP_H

#include "js/vault.h"

/**
 * Say that the vault is ready, and serve until a signal tells it to end, or keywardd and all others are
 * gone. Ends the process where there is no memory for the channels, and where the store fails in an
 * unknown way: what is durable is what the next vault begins with.
 *
 * @param fronts   JS_FRONTS_MAX at most; their channels, the portal's and keywardd's are where js/process.h
 *                 has them
 * @param signals  of js_process_signals()
 */
void js_vault_loop(struct js_vault *vault, unsigned fronts, int signals);

#endif
