#include "keystore/intake.h"
#include "provision/seal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/store.h"

#include <string.h>

/*
 * What the vault takes in sealed: device files and KEKs. The first octet says how the rest is to be
 * understood: as an envelope, or as what is in one and is sealed here, since no input would get past
 * the tag else.
 */
enum how {
	AS_KEK = 1 << 0,
	SEAL_IT = 1 << 1,
	DRY_RUN = 1 << 2,
	SKIP_ERRORS = 1 << 3,
};

#define PLAIN_MAX 65536

static bool ended(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static void note_problem(void *context, const struct pr_problem *problem)
{
	unsigned *problems = context;

	(*problems)++;
	fuzz_require(problem->err != KW_OK && problem->line > 0);
	fuzz_require(problem->text[0] != '\0' && ended(problem->text, sizeof(problem->text)));
}

static void check_import(enum kw_err err, const struct ks_import *import, unsigned problems)
{
	fuzz_require(err == KW_OK || err == KW_E_ENVELOPE || err == KW_E_SYNTAX);
	fuzz_require((err == KW_OK) == (import->why[0] == '\0'));
	fuzz_require(ended(import->why, sizeof(import->why)));
	fuzz_require(import->refused == problems);
	if (err != KW_OK) {
		fuzz_require(import->added == 0);
	} else if (import->dry_run || import->skip_errors || problems == 0) {
		fuzz_require(import->rows == import->added + import->refused);
	} else {
		fuzz_require(import->added == 0);
	}
}

/* @return whether the envelope opened */
static bool import_it(const uint8_t *der, size_t length, uint8_t how)
{
	unsigned problems = 0;
	struct ks_import import = {
		.dry_run = (how & DRY_RUN) != 0,
		.skip_errors = (how & SKIP_ERRORS) != 0,
		.problem = note_problem,
		.context = &problems,
	};
	struct ks_txn *txn;
	enum kw_err err;

	fuzz_require(ks_txn_begin(fuzz_store(), &txn) == KW_OK);
	err = ks_import(txn, der, length, &import);
	fuzz_require(!ks_txn_wrote(txn) || !import.dry_run);
	ks_txn_abort(txn);
	check_import(err, &import, problems);
	return err != KW_E_ENVELOPE;
}

/* @return whether the envelope opened */
static bool kek_it(const uint8_t *der, size_t length)
{
	struct ks_peer peer = *ks_peer_by_name(fuzz_store(), KS_PEER_NS, "ours");
	const struct ks_peer before = peer;
	const enum kw_err err = ks_intake_kek(fuzz_store(), &peer, "new", der, length);

	fuzz_require(err == KW_OK || err == KW_E_ENVELOPE || err == KW_E_LENGTH);
	if (err != KW_OK) {
		fuzz_require(memcmp(&peer, &before, sizeof(peer)) == 0);
		return err != KW_E_ENVELOPE;
	}
	fuzz_require(peer.kek_count == before.kek_count + 1);
	fuzz_require(peer.kek_current == peer.kek_last && peer.wraps);
	return true;
}

static bool take_in(const uint8_t *der, size_t length, uint8_t how)
{
	return (how & AS_KEK) != 0 ? kek_it(der, length) : import_it(der, length, how);
}

static void seal_it(const uint8_t *plain, size_t size, uint8_t how)
{
	size_t certificate_length, length;
	const uint8_t *certificate = ks_intake_certificate(fuzz_store(), &certificate_length);
	uint8_t *der;

	if (size == 0 || size > PLAIN_MAX) {
		return;
	}
	fuzz_require(pr_seal(certificate, certificate_length, plain, size, &der, &length) == KW_OK);
	fuzz_require(take_in(der, length, how));
	/* Whatever octet of the sealed contents or the tag is another one, nothing of it opens. */
	der[length - 1 - size % 16] ^= 1;
	fuzz_require(!take_in(der, length, how));
	free(der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) {
		return 0;
	}
	if ((data[0] & SEAL_IT) != 0) {
		seal_it(data + 1, size - 1, data[0]);
	} else {
		(void)take_in(data + 1, size - 1, data[0]);
	}
	fuzz_store_unchanged();
	return 0;
}
