/** How a store of an older format is brought to the one of this build. */
#ifndef KW_KEYSTORE_UPGRADE_H
#define KW_KEYSTORE_UPGRADE_H

#include "keystore/internal.h"

#define KS_FORMAT_NAME "format" /* in the meta table */

/** One step, from format `from` to `from` + 1. */
struct ks_upgrade {
	uint32_t from;
	enum kw_err (*run)(struct ks_txn *txn);
};

/** Every step that this build knows, up to KS_FORMAT; ends with a step without a function. */
extern const struct ks_upgrade ks_upgrades[];

/**
 * Run the steps that lead from one format to another and write the new one, all in the given
 * transaction. Nothing is done when the two are the same.
 *
 * @return KW_OK
 *         KW_E_STORE_NEWER    `from` is above `to`
 *         KW_E_STORE_DAMAGED  no step leads on from a format on the way
 *         or what a step returned; all logged
 */
KW_MUST_CHECK enum kw_err ks_upgrade_run(
	struct ks_txn *txn, const struct ks_upgrade *steps, uint32_t from, uint32_t to);

#endif
