/**
 * A real store in a temporary directory, and what the tests of joins do with it all the time.
 */
#ifndef KW_TESTS_KEYSTORE_SCRATCH_H
#define KW_TESTS_KEYSTORE_SCRATCH_H

#include "keystore/event.h"
#include "keystore/internal.h"
#include "keystore/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct scratch {
	char path[64];
	struct ks_options options;
	struct ks_master_key master;
	struct ks_store *store;
};

/* For cmocka_unit_test_setup_teardown(): *state becomes a struct scratch with an open store. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

void scratch_open(struct scratch *scratch);
void scratch_close(struct scratch *scratch);
void scratch_reopen(struct scratch *scratch);

struct ks_txn *scratch_begin(struct scratch *scratch);
void scratch_commit(struct ks_txn *txn);

/** Device `n`: the order of their keys is not that of the numbers. */
struct lw_device_id scratch_id(uint32_t n);
/** The session that a join with this DevNonce would make now; every field depends on both. */
struct ks_session scratch_session(const struct ks_state *state, uint16_t dev_nonce);
/* Field by field: what is between them may differ. */
void scratch_same_session(const struct ks_session *a, const struct ks_session *b);
void scratch_same_state(const struct ks_state *a, const struct ks_state *b);
struct ks_event scratch_refusal(const struct lw_device_id *id, uint32_t repeats);

/** Check the DevNonce and record the join if it is good. */
enum kw_err scratch_join_in(struct ks_txn *txn, const struct lw_device_id *id,
	enum lw_version version, uint16_t dev_nonce);
/** The same in a transaction of its own. */
enum kw_err scratch_join(struct scratch *scratch, const struct lw_device_id *id,
	enum lw_version version, uint16_t dev_nonce);
/** The state as it is now; the transaction is only read. */
struct ks_state scratch_state(struct scratch *scratch, const struct lw_device_id *id);
/** Fold until nothing is left. */
void scratch_fold_all(struct scratch *scratch);

/** Deterministic numbers; the same on every machine. */
uint32_t scratch_random(uint64_t *seed, uint32_t below);

#endif
