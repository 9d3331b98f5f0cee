#include "tests/keystore/scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAP_SIZE (UINT64_C(4) << 30)

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

int scratch_setup(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	assert_non_null(scratch);
	strcpy(scratch->path, "/tmp/keyward-test-XXXXXX");
	assert_non_null(mkdtemp(scratch->path));
	scratch->options = (struct ks_options){
		.path = scratch->path, .map_size = MAP_SIZE, .env = &kw_env_system};
	memset(scratch->master.octets, 0x5a, sizeof(scratch->master.octets));
	assert_int_equal(ks_store_create(&scratch->options, &scratch->master), KW_OK);
	scratch_open(scratch);
	*state = scratch;
	return 0;
}

int scratch_teardown(void **state)
{
	struct scratch *scratch = *state;

	scratch_close(scratch);
	nftw(scratch->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(scratch);
	return 0;
}

void scratch_open(struct scratch *scratch)
{
	assert_int_equal(
		ks_store_open(&scratch->options, &scratch->master, &scratch->store), KW_OK);
}

void scratch_close(struct scratch *scratch)
{
	ks_store_close(scratch->store);
	scratch->store = NULL;
}

void scratch_reopen(struct scratch *scratch)
{
	scratch_close(scratch);
	scratch_open(scratch);
}

struct ks_txn *scratch_begin(struct scratch *scratch)
{
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(scratch->store, &txn), KW_OK);
	return txn;
}

void scratch_commit(struct ks_txn *txn)
{
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

struct lw_device_id scratch_id(uint32_t n)
{
	struct lw_device_id id = {
		.join_eui = {{0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0, 0, 0}},
		.dev_eui = {{0x00, 0x04, 0xa3, 0x0b, 0, 0, 0, 0}},
	};
	uint32_t mixed = n * UINT32_C(2654435761);

	id.join_eui.octets[7] = (uint8_t)(n % 3);
	for (size_t i = 0; i < 4; i++) {
		id.dev_eui.octets[7 - i] = (uint8_t)(mixed >> 8 * i);
	}
	return id;
}

struct ks_session scratch_session(const struct ks_state *state, uint16_t dev_nonce)
{
	struct ks_session session = {
		.time_ms = UINT64_C(1700000000000) + state->next_join_nonce,
		.join_nonce = state->next_join_nonce,
		.nonce = dev_nonce,
		.type = LW_JOIN_REQ_JOIN,
		.net_id = {{0x60, 0x05, (uint8_t)dev_nonce}},
		.mac_version = LW_VERSION_1_0_3,
		.opt_neg = dev_nonce % 2 != 0,
		.ns_peer = dev_nonce + 1u,
		.as_peer = dev_nonce % 3u,
		.delivery = (enum ks_delivery)(dev_nonce % 5),
		.ns_kek = (uint16_t)(dev_nonce + 2),
		.as_kek = (uint16_t)(dev_nonce + 3),
		.base_join_nonce = dev_nonce % state->next_join_nonce,
	};

	memset(session.session_key_id, (int)(state->next_join_nonce & 0xff),
		sizeof(session.session_key_id));
	memset(session.request_digest, dev_nonce & 0xff, sizeof(session.request_digest));
	return session;
}

void scratch_same_session(const struct ks_session *a, const struct ks_session *b)
{
	assert_int_equal(a->join_nonce, b->join_nonce);
	assert_int_equal(a->nonce, b->nonce);
	assert_int_equal(a->time_ms, b->time_ms);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->mac_version, b->mac_version);
	assert_int_equal(a->opt_neg, b->opt_neg);
	assert_int_equal(a->ns_peer, b->ns_peer);
	assert_int_equal(a->as_peer, b->as_peer);
	assert_int_equal(a->delivery, b->delivery);
	assert_int_equal(a->ns_kek, b->ns_kek);
	assert_int_equal(a->as_kek, b->as_kek);
	assert_int_equal(a->base_join_nonce, b->base_join_nonce);
	assert_memory_equal(&a->net_id, &b->net_id, sizeof(a->net_id));
	assert_memory_equal(a->session_key_id, b->session_key_id, KS_SESSION_ID_SIZE);
	assert_memory_equal(a->request_digest, b->request_digest, KS_REQUEST_DIGEST_SIZE);
}

void scratch_same_state(const struct ks_state *a, const struct ks_state *b)
{
	assert_memory_equal(&a->id, &b->id, sizeof(a->id));
	assert_int_equal(a->next_join_nonce, b->next_join_nonce);
	assert_int_equal(a->dev_nonce_count, b->dev_nonce_count);
	assert_int_equal(a->has_dev_nonce, b->has_dev_nonce);
	assert_int_equal(a->last_dev_nonce, b->last_dev_nonce);
	assert_int_equal(a->max_dev_nonce, b->max_dev_nonce);
	assert_int_equal(a->joins_accepted, b->joins_accepted);
	assert_int_equal(a->joins_refused, b->joins_refused);
	assert_int_equal(a->has_session, b->has_session);
	assert_int_equal(a->journal_last, b->journal_last);
	scratch_same_session(&a->last_session, &b->last_session);
}

struct ks_event scratch_refusal(const struct lw_device_id *id, uint32_t repeats)
{
	return (struct ks_event){
		.time_ms = UINT64_C(1700000000000),
		.id = *id,
		.kind = KS_EVENT_REFUSED,
		.err = KW_E_MIC,
		.registered = LW_VERSION_1_0_3,
		.mac_version = LW_VERSION_1_0_3,
		.net_id = {{0x60, 0x05, 0x0a}},
		.dev_nonce = 7,
		.repeats = repeats,
		.ns_peer = 1,
	};
}

enum kw_err scratch_join_in(struct ks_txn *txn, const struct lw_device_id *id,
	enum lw_version version, uint16_t dev_nonce)
{
	struct ks_state state;
	struct ks_session session;
	enum kw_err err = ks_state_get(txn, id, &state);

	if (err == KW_OK) {
		err = ks_dev_nonce_check(txn, &state, version, dev_nonce);
	}
	if (err != KW_OK) {
		return err;
	}
	session = scratch_session(&state, dev_nonce);
	return ks_join_record(txn, &state, version, &session);
}

enum kw_err scratch_join(struct scratch *scratch, const struct lw_device_id *id,
	enum lw_version version, uint16_t dev_nonce)
{
	struct ks_txn *txn = scratch_begin(scratch);
	enum kw_err err = scratch_join_in(txn, id, version, dev_nonce);

	if (err != KW_OK) {
		ks_txn_abort(txn);
		return err;
	}
	return ks_txn_commit(txn);
}

struct ks_state scratch_state(struct scratch *scratch, const struct lw_device_id *id)
{
	struct ks_txn *txn = scratch_begin(scratch);
	struct ks_state state;

	assert_int_equal(ks_state_get(txn, id, &state), KW_OK);
	ks_txn_abort(txn);
	return state;
}

void scratch_fold_all(struct scratch *scratch)
{
	size_t left;

	do {
		assert_int_equal(ks_fold(scratch->store, 1000, &left), KW_OK);
	} while (left > 0);
	assert_int_equal(ks_fold_devices(scratch->store), 0);
	assert_int_equal(ks_fold_records(scratch->store), 0);
}

/* splitmix64 */
uint32_t scratch_random(uint64_t *seed, uint32_t below)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) % below);
}
