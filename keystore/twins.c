#include "keystore/twins.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define LABEL "root key" /* of another length, with a key, than what else is under the secret */

struct twin {
	uint8_t mark[KS_TWINS_MARK];
	struct lw_eui dev_eui;
	uint32_t run;  /* 0: empty place */
	uint32_t next; /* with the same head; its index + 1; 0: none */
};

/* The list is a ring, the oldest goes first; heads are the beginnings of chains, as next. */
struct ks_twins {
	uint32_t at;
	uint32_t *heads;
	struct twin *list;
};

enum kw_err ks_twins_create(struct ks_twins **out)
{
	struct ks_twins *twins = calloc(1, sizeof(*twins));

	*out = NULL;
	if (twins == NULL) {
		return KW_E_NO_MEMORY;
	}
	twins->heads = calloc(KS_TWINS_MAX, sizeof(*twins->heads));
	twins->list = calloc(KS_TWINS_MAX, sizeof(*twins->list));
	if (twins->heads == NULL || twins->list == NULL) {
		ks_twins_destroy(twins);
		return KW_E_NO_MEMORY;
	}
	*out = twins;
	return KW_OK;
}

void ks_twins_destroy(struct ks_twins *twins)
{
	if (twins == NULL) {
		return;
	}
	free(twins->heads);
	free(twins->list);
	free(twins);
}

/* Marks are as good as random. */
static uint32_t *head_of(struct ks_twins *twins, const uint8_t mark[KS_TWINS_MARK])
{
	uint32_t number;

	memcpy(&number, mark, sizeof(number));
	return &twins->heads[number % KS_TWINS_MAX];
}

static struct twin *find(struct ks_twins *twins, const uint8_t mark[KS_TWINS_MARK])
{
	uint32_t at = *head_of(twins, mark);

	while (at != 0 && memcmp(twins->list[at - 1].mark, mark, KS_TWINS_MARK) != 0) {
		at = twins->list[at - 1].next;
	}
	return at == 0 ? NULL : &twins->list[at - 1];
}

static void unlink_oldest(struct ks_twins *twins)
{
	const struct twin *oldest = &twins->list[twins->at];
	uint32_t *link = head_of(twins, oldest->mark);

	while (*link != twins->at + 1) {
		link = &twins->list[*link - 1].next;
	}
	*link = oldest->next;
}

static struct twin *add(struct ks_twins *twins, const uint8_t mark[KS_TWINS_MARK])
{
	uint32_t *head = head_of(twins, mark);
	struct twin *twin = &twins->list[twins->at];

	if (twin->run != 0) {
		unlink_oldest(twins);
	}
	memcpy(twin->mark, mark, KS_TWINS_MARK);
	twin->next = *head;
	*head = twins->at + 1;
	twins->at = (twins->at + 1) % KS_TWINS_MAX;
	return twin;
}

static enum kw_err make_mark(
	struct ks_store *store, const struct lw_key *key, uint8_t out[KS_TWINS_MARK])
{
	uint8_t told[sizeof(LABEL) - 1 + sizeof(key->octets)];
	uint8_t mac[KS_DIGEST_SIZE] = {0};
	enum kw_err err;

	memcpy(told, LABEL, sizeof(LABEL) - 1);
	memcpy(told + sizeof(LABEL) - 1, key->octets, sizeof(key->octets));
	err = ks_sealer_hmac(store->sealer, told, sizeof(told), mac);
	memcpy(out, mac, KS_TWINS_MARK);
	kw_wipe(told, sizeof(told));
	kw_wipe(mac, sizeof(mac));
	return err;
}

static enum kw_err has_key(
	struct ks_txn *txn, const struct lw_eui *dev_eui, const struct lw_key *key, bool *has)
{
	struct ks_device device;
	enum kw_err err = ks_device_find(txn, dev_eui, &device);

	*has = false;
	if (err == KW_OK) {
		err = ks_root_has(txn->store, &device, key, has);
	}
	/* What is damaged is the owner of nothing, and was logged. */
	return err == KW_E_NOT_FOUND || err == KW_E_SEAL || err == KW_E_STORE_DAMAGED ? KW_OK : err;
}

static enum kw_err look(struct ks_txn *txn, uint32_t run, const struct lw_eui *dev_eui,
	const struct lw_key *key, struct ks_twins_search *search)
{
	const size_t i = search->count++;
	const struct twin *twin;
	enum kw_err err = make_mark(txn->store, key, search->marks[i]);

	if (err != KW_OK) {
		return err;
	}
	twin = find(txn->store->twins, search->marks[i]);
	if (twin == NULL || lw_eui_equal(&twin->dev_eui, dev_eui)) {
		return KW_OK;
	}
	search->known[i] = twin->run == run;
	if (!search->known[i]) {
		err = has_key(txn, &twin->dev_eui, key, &search->known[i]);
	}
	if (search->known[i] && !search->found) {
		search->found = true;
		search->other = twin->dev_eui;
	}
	return err;
}

enum kw_err ks_twins_find(
	struct ks_txn *txn, uint32_t run, const struct pr_row *row, struct ks_twins_search *out)
{
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	err = look(txn, run, &row->id.dev_eui, &row->app_key, out);
	if (err == KW_OK && row->has_nwk_key) {
		err = look(txn, run, &row->id.dev_eui, &row->nwk_key, out);
	}
	return err;
}

void ks_twins_note(struct ks_twins *twins, uint32_t run, const struct lw_eui *dev_eui,
	const struct ks_twins_search *search)
{
	for (size_t i = 0; i < search->count; i++) {
		struct twin *twin = find(twins, search->marks[i]);

		if (search->known[i]) {
			continue;
		}
		if (twin == NULL) {
			twin = add(twins, search->marks[i]);
		}
		twin->dev_eui = *dev_eui;
		twin->run = run;
	}
}
