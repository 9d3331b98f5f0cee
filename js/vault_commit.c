#include "js/vault.h"

enum kw_err js_vault_commit(struct js_vault *vault, struct ks_txn *txn)
{
	bool wrote = ks_txn_wrote(txn);
	uint64_t start = kw_mono_us(vault->env);
	enum kw_err err = ks_txn_commit(txn);
	uint64_t took = kw_mono_us(vault->env) - start;

	if (err != KW_OK) {
		vault->store_failed = true;
		if (err == KW_E_STORE_FULL) {
			js_backup_end(vault);
		}
	} else if (wrote) {
		vault->store_failed = false;
		vault->commits++;
		vault->commit_us_total += took;
		if (took > vault->commit_us_max) {
			vault->commit_us_max = took;
		}
	}
	return err;
}
