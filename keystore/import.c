#include "keystore/intake.h"

#include "base/log.h"
#include "keystore/intake_key.h"
#include "keystore/twins.h"

#include <stdio.h>
#include <string.h>

/* One ks_import(). Rows are stored until the first that is refused, unless errors are skipped; from
 * there on, and in a dry run from the start, they are only checked. A DevEUI that is twice in the
 * file is found by pr_read(). */
struct run {
	struct ks_txn *txn;
	struct ks_import *import;
	uint32_t number; /* import->run, or one of its own; not 0 */
	bool twins;      /* are looked for */
	bool storing;
};

static void tell(struct run *run, const struct pr_problem *problem)
{
	if (run->import->problem != NULL) {
		run->import->problem(run->import->context, problem);
	}
}

static enum kw_err report(struct run *run, const struct pr_problem *problem)
{
	run->import->refused++;
	tell(run, problem);
	run->storing = run->storing && run->import->skip_errors;
	return KW_OK;
}

static enum kw_err take_problem(void *context, const struct pr_problem *problem)
{
	struct run *run = context;

	run->import->rows++;
	return report(run, problem);
}

/* Of this row alone, and not of the store: the import goes on. */
static bool row_is_at_fault(enum kw_err err)
{
	return err == KW_E_EXISTS || err == KW_E_INVALID || err == KW_E_CONFLICT;
}

static void describe(struct pr_problem *problem, const struct pr_row *row, enum kw_err err)
{
	char dev_eui[LW_EUI_TEXT_SIZE];

	problem->line = row->line;
	problem->err = err;
	lw_eui_write(&row->id.dev_eui, dev_eui);
	if (err == KW_E_EXISTS) {
		snprintf(problem->text, sizeof(problem->text),
			"device %s is there already with another JoinEUI, version or key: remove "
			"it "
			"first",
			dev_eui);
	} else {
		snprintf(problem->text, sizeof(problem->text), "device %s: %s", dev_eui,
			kw_err_text(err));
	}
}

static void describe_twin(struct pr_problem *problem, const struct pr_row *row,
	const struct lw_eui *other, enum kw_err err)
{
	char dev_eui[LW_EUI_TEXT_SIZE], twin[LW_EUI_TEXT_SIZE];

	problem->line = row->line;
	problem->err = err;
	lw_eui_write(&row->id.dev_eui, dev_eui);
	lw_eui_write(other, twin);
	snprintf(problem->text, sizeof(problem->text),
		"device %s: device %s has the same root key; give each device keys of its own",
		dev_eui, twin);
}

static enum kw_err try_row(struct run *run, struct ks_device *device, const struct pr_row *row)
{
	const struct lw_key *nwk_key = row->has_nwk_key ? &row->nwk_key : NULL;
	enum kw_err err = run->storing ? ks_device_add(run->txn, device, &row->app_key, nwk_key)
				       : ks_device_check(run->txn, device, row->has_nwk_key);
	bool same = false;

	if (err == KW_OK) {
		run->import->added++;
	} else if (err == KW_E_EXISTS) {
		err = ks_device_compare(run->txn, device, &row->app_key, nwk_key, &same);
		run->import->already += same ? 1 : 0;
		err = err == KW_OK && !same ? KW_E_EXISTS : err;
	}
	return err;
}

/* A device that is there already is what it is: only of a new one the keys can still be changed. */
static enum kw_err refuse_twin(struct run *run, const struct ks_device *device,
	const struct pr_row *row, const struct ks_twins_search *search)
{
	enum kw_err err;

	if (!search->found || !run->import->strict) {
		return KW_OK;
	}
	err = ks_device_check(run->txn, device, row->has_nwk_key);
	return err == KW_OK ? KW_E_CONFLICT : err == KW_E_EXISTS ? KW_OK : err;
}

static void warn_twin(
	struct run *run, const struct pr_row *row, const struct ks_twins_search *search)
{
	struct pr_problem problem;

	describe_twin(&problem, row, &search->other, KW_OK);
	run->import->warned++;
	tell(run, &problem);
}

static enum kw_err check_and_try_row(struct run *run, struct ks_device *device,
	const struct pr_row *row, struct ks_twins_search *search)
{
	const uint32_t added = run->import->added;
	enum kw_err err;

	if (!run->twins) {
		return try_row(run, device, row);
	}
	err = ks_twins_find(run->txn, run->number, row, search);
	if (err == KW_OK) {
		err = refuse_twin(run, device, row, search);
	}
	if (err == KW_OK) {
		err = try_row(run, device, row);
	}
	if (err != KW_OK) {
		return err;
	}
	if (search->found && run->import->added > added) {
		warn_twin(run, row, search);
	}
	ks_twins_note(run->txn->store->twins, run->number, &row->id.dev_eui, search);
	return KW_OK;
}

static enum kw_err take_row(void *context, const struct pr_row *row)
{
	struct run *run = context;
	struct ks_import *import = run->import;
	struct ks_device device = {
		.id = row->id,
		.version = row->version,
		.origin = KS_ORIGIN_IMPORTED,
		.policy = import->policy,
	};
	struct ks_twins_search search;
	struct pr_problem problem;
	enum kw_err err;

	import->rows++;
	snprintf(device.policy.name, sizeof(device.policy.name), "%s", row->name);
	err = check_and_try_row(run, &device, row, &search);
	if (err == KW_OK || !row_is_at_fault(err)) {
		return err;
	}
	if (err == KW_E_CONFLICT) {
		describe_twin(&problem, row, &search.other, err);
	} else {
		describe(&problem, row, err);
	}
	return report(run, &problem);
}

static enum kw_err read_rows(struct run *run, const struct ks_plain *plain)
{
	const struct pr_sink sink = {
		.row = take_row,
		.problem = take_problem,
		.context = run,
	};

	return pr_read((const char *)plain->octets, plain->length, &sink, run->import->why);
}

/* The table is not made before it is needed. */
static enum kw_err start(struct run *run)
{
	struct ks_store *store = run->txn->store;
	enum kw_err err = store->twins != NULL ? KW_OK : ks_twins_create(&store->twins);

	run->twins = run->import->strict || !run->import->quiet;
	run->number = run->import->run;
	if (err == KW_OK && run->number == 0) {
		err = kw_random(store->clock, &run->number, sizeof(run->number));
		run->number |= 1;
	}
	return err;
}

enum kw_err ks_import(
	struct ks_txn *txn, const uint8_t *der, size_t length, struct ks_import *import)
{
	struct run run = {.txn = txn, .import = import, .storing = !import->dry_run};
	struct ks_plain plain;
	enum kw_err err;

	import->rows = 0;
	import->added = 0;
	import->already = 0;
	import->refused = 0;
	import->warned = 0;
	memset(import->why, 0, sizeof(import->why));
	err = start(&run);
	if (err == KW_OK) {
		err = ks_envelope_open(txn->store, der, length, &plain, import->why);
	}
	if (err != KW_OK) {
		return err;
	}
	err = read_rows(&run, &plain);
	if (err != KW_OK || (import->refused != 0 && !import->dry_run && !import->skip_errors)) {
		import->added = 0;
	}
	ks_plain_free(&plain);
	return err;
}

enum kw_err ks_intake_kek(struct ks_store *store, struct ks_peer *peer, const char *label,
	const uint8_t *der, size_t length)
{
	char why[PR_TEXT_SIZE] = "";
	struct ks_plain plain;
	enum kw_err err = ks_envelope_open(store, der, length, &plain, why);

	if (err != KW_OK) {
		if (err == KW_E_ENVELOPE) {
			kw_log(KW_LOG_WARNING, "keystore", "the envelope of a KEK was refused",
				KW_STR("peer", peer->name), KW_STR("reason", why));
		}
		return err;
	}
	err = ks_peer_add_kek(store, peer, label, plain.octets, plain.length);
	ks_plain_free(&plain);
	return err;
}
