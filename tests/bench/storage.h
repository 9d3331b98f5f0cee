/** A store for the benchmarks that go without a vault: one that `keyward init` made, while no keywardd
 *  runs on it. */
#ifndef KW_TESTS_BENCH_STORAGE_H
#define KW_TESTS_BENCH_STORAGE_H

#include "keystore/store.h"

#define STORAGE_MAP_SIZE ((uint64_t)64 << 30) /* as the configuration's default */

/**
 * Open it; as root, become the owner of its directory before.
 *
 * @param path    the store's directory
 * @param master  the master key file
 * @return KW_OK; else as ks_store_open(), or KW_E_SYSTEM, KW_E_MASTER_FILE: said on standard error
 */
KW_MUST_CHECK enum kw_err storage_open(const char *path, const char *master, struct ks_store **out);

/** A whole number from 1 to `max` of a command line, or exit 2. */
uint64_t storage_number(const char *text, uint64_t max);

#endif
