#include "keystore/upgrade.h"

#include "base/log.h"

/* Formats 2 to 4 have records of newer versions and kinds, but older ones are read as they are and
 * rewritten when they change. The number alone tells an older Keyward to keep its hands off. */
static enum kw_err leave_records(struct ks_txn *txn)
{
	(void)txn;
	return KW_OK;
}

const struct ks_upgrade ks_upgrades[] = {
	{1, leave_records},
	{2, leave_records},
	{3, leave_records},
	{0, NULL},
};

static const struct ks_upgrade *find_step(const struct ks_upgrade *steps, uint32_t from)
{
	for (; steps->run != NULL; steps++) {
		if (steps->from == from) {
			return steps;
		}
	}
	return NULL;
}

enum kw_err ks_upgrade_run(
	struct ks_txn *txn, const struct ks_upgrade *steps, uint32_t from, uint32_t to)
{
	if (from == to) {
		return KW_OK;
	}
	if (from > to) {
		kw_log(KW_LOG_ERROR, "keystore",
			"the store was written by a newer Keyward: install that version or a later "
			"one",
			KW_NUM("format", from), KW_NUM("known", to));
		return KW_E_STORE_NEWER;
	}
	for (uint32_t format = from; format < to; format++) {
		const struct ks_upgrade *step = find_step(steps, format);
		enum kw_err err;

		if (step == NULL) {
			kw_log(KW_LOG_ERROR, "keystore",
				"the store has a format that this Keyward cannot upgrade",
				KW_NUM("format", format), KW_NUM("known", to));
			return KW_E_STORE_DAMAGED;
		}
		err = step->run(txn);
		if (err != KW_OK) {
			kw_log(KW_LOG_ERROR, "keystore", "upgrading the store failed",
				KW_NUM("format", format), KW_STR("err", kw_err_text(err)));
			return err;
		}
	}
	kw_log(KW_LOG_NOTICE, "keystore", "store upgraded", KW_NUM("from", from), KW_NUM("to", to));
	return ks_meta_put_u32(txn, KS_FORMAT_NAME, to);
}
