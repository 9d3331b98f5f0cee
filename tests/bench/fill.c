/*
 * fill: put the devices of joinload straight into a store, sorted, as the records that an import
 * writes: for benchmarks with more devices than one wants to import each time.
 */
#include "base/env.h"
#include "base/secret.h"
#include "tests/bench/fleet.h"
#include "tests/bench/storage.h"

#include "keystore/device.h"

#include <inttypes.h>
#include <stdio.h>

#define BATCH 20000u /* devices in a transaction; some 3000 pages */

static enum kw_err add(struct ks_txn *txn, struct lw_aes *aes, uint32_t index)
{
	struct fleet_device made;
	struct ks_device device = {.origin = KS_ORIGIN_IMPORTED};
	enum kw_err err = fleet_make_whole(aes, index, &made);
	bool two_keys = lw_version_is_1_1(made.version);

	if (err == KW_OK) {
		device.id = made.id;
		device.version = made.version;
		err = ks_device_add(txn, &device, two_keys ? &made.app_key : &made.root,
			two_keys ? &made.root : NULL);
	}
	kw_wipe(&made, sizeof(made));
	return err;
}

static enum kw_err add_batch(struct ks_store *store, uint32_t first, uint32_t end)
{
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(store, &txn);

	if (err != KW_OK) {
		return err;
	}
	for (uint32_t index = first; index < end && err == KW_OK; index++) {
		err = add(txn, ks_store_aes(store), index);
	}
	if (err != KW_OK) {
		ks_txn_abort(txn);
		return err;
	}
	return ks_txn_commit(txn);
}

static enum kw_err fill(struct ks_store *store, uint32_t devices)
{
	enum kw_err err = KW_OK;

	for (uint32_t first = 0; first < devices && err == KW_OK; first += BATCH) {
		err = add_batch(store, first, devices - first < BATCH ? devices : first + BATCH);
	}
	return err;
}

int main(int argc, char **argv)
{
	struct ks_store *store;
	uint64_t begun_us;
	uint32_t devices;
	double seconds;
	enum kw_err err;

	if (argc != 4) {
		fputs("usage: fill STORE MASTER-KEY-FILE DEVICES\n"
		      "  of a store that has none of them, while no keywardd runs on it\n",
			stderr);
		return 2;
	}
	devices = (uint32_t)storage_number(argv[3], FLEET_MAX);
	if (storage_open(argv[1], argv[2], &store) != KW_OK) {
		return 1;
	}
	begun_us = kw_mono_us(&kw_env_system);
	err = fill(store, devices);
	seconds = (double)(kw_mono_us(&kw_env_system) - begun_us) / 1e6;
	ks_store_close(store);
	if (err != KW_OK) {
		fprintf(stderr, "fill: %s\n", kw_err_text(err));
		return 1;
	}
	printf("{\"devices\":%" PRIu32 ",\"seconds\":%.3f}\n", devices, seconds);
	return 0;
}
