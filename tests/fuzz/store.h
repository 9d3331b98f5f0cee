/**
 * A store for the targets that need one: the same for every input and every run, in the process's
 * own scratch directory, which has been removed again when fuzz_store() returns. Clock and
 * randomness stand still or repeat. The intake key is one that the corpora were sealed to.
 *
 *   devices  FUZZ_1_0_3, FUZZ_1_0_4, FUZZ_1_1, each with one session; JoinEUI 70b3d57ed0000000
 *   peers    network server "ours", NetID 000013, bearer FUZZ_OURS, KEK "kek", answers posted;
 *            application server "app", AS-ID app.example, bearer FUZZ_AS
 *
 * An input must leave it as it was: end transactions with ks_txn_abort().
 */
#ifndef KW_TESTS_FUZZ_STORE_H
#define KW_TESTS_FUZZ_STORE_H

#include "keystore/internal.h"

#define FUZZ_1_0_3 3 /* the last octet of a DevEUI */
#define FUZZ_1_0_4 4
#define FUZZ_1_1   11

#define FUZZ_OURS 1 /* the first octet of a token's digest; all others are zero */
#define FUZZ_AS   2

/** Made at the first call. */
struct ks_store *fuzz_store(void);
struct lw_device_id fuzz_device_id(uint8_t number);
/** AppKey of 1.0.x, NwkKey of 1.1. */
const struct lw_key *fuzz_join_key(void);

/** Whether a root key, the KEK or the master key stands in these octets. */
bool fuzz_secret_in(const void *octets, size_t length);
/** Fail unless the store is as it was made and no transaction is open. */
void fuzz_store_unchanged(void);

#endif
