#include "keystore/peer.h"

#include "base/log.h"
#include "base/secret.h"
#include "keystore/encode.h"
#include "keystore/scan.h"

#include <stdlib.h>
#include <string.h>

#define NEXT_ID_NAME "next_peer"
#define ID_SIZE      4

/* What a peer is looked for by. */
struct name {
	enum ks_peer_kind kind;
	const char *text;
};

/* A credential and whose it is; close together, since all are looked at. */
struct claim {
	const struct ks_peer *peer;
	enum ks_credential_kind kind;
	uint8_t mac[KS_DIGEST_SIZE];
};

struct ks_peers {
	struct ks_peer *peers; /* in the order of kind and name */
	size_t count;
	const struct ks_peer **by_id;
	struct claim *claims;
	size_t claim_count;
	const struct ks_peer *known; /* whose credential was seen last, and that */
	enum ks_credential_kind known_kind;
	uint8_t known_digest[KS_DIGEST_SIZE];
};

static int compare_name(const void *wanted, const void *element)
{
	const struct name *name = wanted;
	const struct ks_peer *peer = element;

	if (name->kind != peer->kind) {
		return name->kind < peer->kind ? -1 : 1;
	}
	return strcmp(name->text, peer->name);
}

static int compare_peers(const void *a, const void *b)
{
	const struct ks_peer *peer = a;
	const struct name name = {peer->kind, peer->name};

	return compare_name(&name, b);
}

static int compare_id(const void *wanted, const void *element)
{
	const uint32_t *id = wanted;
	const struct ks_peer *const *peer = element;

	return (*id > (*peer)->id) - (*id < (*peer)->id);
}

static int compare_ids(const void *a, const void *b)
{
	const struct ks_peer *const *peer = a;

	return compare_id(&(*peer)->id, b);
}

static void write_id(uint32_t id, uint8_t out[ID_SIZE])
{
	struct kw_writer writer;

	kw_writer_init(&writer, out, ID_SIZE);
	kw_write_u32(&writer, id);
}

static enum kw_err read_record(const struct ks_scan *scan, struct ks_peer *out)
{
	struct kw_reader key;
	uint32_t id;
	enum kw_err err;

	kw_reader_init(&key, scan->key, scan->key_length);
	id = kw_read_u32(&key);
	err = ks_peer_decode(scan->value, scan->length, out);
	if (err != KW_OK || kw_reader_end(&key) != KW_OK || id == 0) {
		kw_log(KW_LOG_ERROR, "keystore", "the record of a peer is damaged",
			KW_NUM("peer", id));
		return KW_E_STORE_DAMAGED;
	}
	out->id = id;
	return KW_OK;
}

static enum kw_err read_all(struct ks_txn *txn, struct ks_peers *peers, size_t room)
{
	struct ks_scan scan;
	enum kw_err err = ks_scan_open(txn, txn->store->tables.peer, &scan);

	if (err != KW_OK) {
		return err;
	}
	err = ks_scan_first(&scan);
	while (err == KW_OK && peers->count < room) {
		err = read_record(&scan, &peers->peers[peers->count]);
		if (err == KW_OK) {
			peers->count++;
			err = ks_scan_next(&scan);
		}
	}
	ks_scan_close(&scan);
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

static void sort(struct ks_peers *peers)
{
	qsort(peers->peers, peers->count, sizeof(peers->peers[0]), compare_peers);
	for (size_t i = 0; i < peers->count; i++) {
		peers->by_id[i] = &peers->peers[i];
	}
	qsort(peers->by_id, peers->count, sizeof(peers->by_id[0]), compare_ids);
}

static enum kw_err collect_claims(struct ks_peers *peers)
{
	size_t total = 0;

	for (size_t i = 0; i < peers->count; i++) {
		total += peers->peers[i].credential_count;
	}
	peers->claims = calloc(total + 1, sizeof(peers->claims[0]));
	if (peers->claims == NULL) {
		return KW_E_NO_MEMORY;
	}
	for (size_t i = 0; i < peers->count; i++) {
		const struct ks_peer *peer = &peers->peers[i];

		for (size_t j = 0; j < peer->credential_count; j++) {
			struct claim *claim = &peers->claims[peers->claim_count++];

			claim->peer = peer;
			claim->kind = peer->credentials[j].kind;
			memcpy(claim->mac, peer->credentials[j].mac, KS_DIGEST_SIZE);
		}
	}
	return KW_OK;
}

enum kw_err ks_peers_load(struct ks_txn *txn, struct ks_peers **out)
{
	const size_t room = (size_t)ks_scan_count(txn, txn->store->tables.peer);
	struct ks_peers *peers = calloc(1, sizeof(*peers));
	enum kw_err err = KW_E_NO_MEMORY;

	*out = NULL;
	if (peers == NULL) {
		return err;
	}
	peers->peers = calloc(room + 1, sizeof(peers->peers[0]));
	peers->by_id = calloc(room + 1, sizeof(peers->by_id[0]));
	if (peers->peers != NULL && peers->by_id != NULL) {
		err = read_all(txn, peers, room);
	}
	if (err == KW_OK) {
		sort(peers);
		err = collect_claims(peers);
	}
	if (err != KW_OK) {
		ks_peers_free(peers);
		return err;
	}
	*out = peers;
	return KW_OK;
}

void ks_peers_free(struct ks_peers *peers)
{
	if (peers == NULL) {
		return;
	}
	kw_wipe(peers->known_digest, sizeof(peers->known_digest));
	free(peers->claims);
	free(peers->by_id);
	free(peers->peers);
	free(peers);
}

const struct ks_peer *ks_peer_by_name(
	const struct ks_store *store, enum ks_peer_kind kind, const char *name)
{
	const struct ks_peers *peers = store->peers;
	const struct name wanted = {kind, name};

	return bsearch(&wanted, peers->peers, peers->count, sizeof(peers->peers[0]), compare_name);
}

const struct ks_peer *ks_peer_by_id(const struct ks_store *store, uint32_t id)
{
	const struct ks_peers *peers = store->peers;
	const struct ks_peer *const *found =
		bsearch(&id, peers->by_id, peers->count, sizeof(peers->by_id[0]), compare_id);

	return found != NULL ? *found : NULL;
}

/* Where the peers of a kind begin. */
static size_t first_of(const struct ks_peers *peers, enum ks_peer_kind kind)
{
	size_t i = 0;

	while (i < peers->count && peers->peers[i].kind < kind) {
		i++;
	}
	return i;
}

const struct ks_peer *ks_peer_by_as_id(const struct ks_store *store, const char *as_id)
{
	const struct ks_peers *peers = store->peers;

	for (size_t i = first_of(peers, KS_PEER_AS); i < peers->count; i++) {
		if (strcmp(peers->peers[i].as_id, as_id) == 0) {
			return &peers->peers[i];
		}
	}
	return NULL;
}

const struct ks_peer *ks_peer_at(const struct ks_store *store, enum ks_peer_kind kind, size_t n)
{
	const struct ks_peers *peers = store->peers;
	const size_t first = first_of(peers, kind);

	if (n >= peers->count - first || peers->peers[first + n].kind != kind) {
		return NULL;
	}
	return &peers->peers[first + n];
}

/* Looks at all of them, whichever it is. */
static const struct ks_peer *find_claim(const struct ks_peers *peers, enum ks_credential_kind kind,
	const uint8_t mac[KS_DIGEST_SIZE])
{
	const struct ks_peer *found = NULL;

	for (size_t i = 0; i < peers->claim_count; i++) {
		const struct claim *claim = &peers->claims[i];
		const bool same = kw_equal_ct(claim->mac, mac, KS_DIGEST_SIZE);

		found = same && claim->kind == kind ? claim->peer : found;
	}
	return found;
}

const struct ks_peer *ks_peer_by_credential(
	struct ks_store *store, enum ks_credential_kind kind, const uint8_t digest[KS_DIGEST_SIZE])
{
	struct ks_peers *peers = store->peers;
	uint8_t mac[KS_DIGEST_SIZE];
	const struct ks_peer *found;

	if (peers->known != NULL && peers->known_kind == kind &&
		kw_equal_ct(peers->known_digest, digest, KS_DIGEST_SIZE)) {
		return peers->known;
	}
	if (ks_credential_mac(store, kind, digest, mac) != KW_OK) {
		return NULL;
	}
	found = find_claim(peers, kind, mac);
	if (found != NULL) {
		peers->known = found;
		peers->known_kind = kind;
		memcpy(peers->known_digest, digest, KS_DIGEST_SIZE);
	}
	return found;
}

static bool share_credential(const struct ks_peer *a, const struct ks_peer *b)
{
	for (size_t i = 0; i < a->credential_count; i++) {
		for (size_t j = 0; j < b->credential_count; j++) {
			if (ks_credential_equal(&a->credentials[i], &b->credentials[j])) {
				return true;
			}
		}
	}
	return false;
}

/* What belongs to one peer only. The table in memory lags behind an open transaction, so the
 * records themselves are compared. */
static bool collide(const struct ks_peer *a, const struct ks_peer *b)
{
	if (share_credential(a, b)) {
		return true;
	}
	return a->kind == b->kind &&
	       (strcmp(a->name, b->name) == 0 ||
		       (a->kind == KS_PEER_AS && strcmp(a->as_id, b->as_id) == 0));
}

static enum kw_err check_unique(struct ks_txn *txn, const struct ks_peer *peer)
{
	struct ks_scan scan;
	struct ks_peer other;
	enum kw_err err = ks_scan_open(txn, txn->store->tables.peer, &scan);

	if (err != KW_OK) {
		return err;
	}
	err = ks_scan_first(&scan);
	while (err == KW_OK) {
		err = read_record(&scan, &other);
		if (err == KW_OK && other.id != peer->id && collide(peer, &other)) {
			err = KW_E_EXISTS;
		}
		if (err == KW_OK) {
			err = ks_scan_next(&scan);
		}
	}
	ks_scan_close(&scan);
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

static enum kw_err get_stored(struct ks_txn *txn, uint32_t id, struct ks_peer *out)
{
	uint8_t key[ID_SIZE];
	struct ks_scan record = {.key = key, .key_length = sizeof(key)};
	enum kw_err err;

	write_id(id, key);
	err = ks_get(txn, txn->store->tables.peer, key, sizeof(key), &record.value, &record.length);
	return err == KW_OK ? read_record(&record, out) : err;
}

/* Counts on even if the peer is removed: an id in an old session never means somebody else. */
static enum kw_err next_id(struct ks_txn *txn, uint32_t *id)
{
	enum kw_err err = ks_meta_get_u32(txn, NEXT_ID_NAME, id);

	if (err == KW_E_NOT_FOUND) {
		*id = 1;
		err = KW_OK;
	}
	if (err != KW_OK) {
		return err;
	}
	if (*id == UINT32_MAX) {
		return KW_E_STORE_FULL;
	}
	return ks_meta_put_u32(txn, NEXT_ID_NAME, *id + 1);
}

static enum kw_err settle(struct ks_txn *txn, struct ks_peer *peer)
{
	struct ks_peer stored;
	enum kw_err err;

	peer->changed_ms = kw_now_ms(txn->store->clock);
	if (peer->id == 0) {
		peer->created_ms = peer->changed_ms;
		return next_id(txn, &peer->id);
	}
	err = get_stored(txn, peer->id, &stored);
	if (err != KW_OK) {
		return err;
	}
	peer->created_ms = stored.created_ms;
	return stored.kind == peer->kind && stored.kek_last <= peer->kek_last ? KW_OK
									      : KW_E_INVALID;
}

enum kw_err ks_peer_put(struct ks_txn *txn, struct ks_peer *peer)
{
	uint8_t record[KS_PEER_RECORD_MAX];
	uint8_t key[ID_SIZE];
	struct ks_peer made = *peer;
	size_t length;
	enum kw_err err = ks_peer_encode(peer, record, &length);

	if (err == KW_OK) {
		err = check_unique(txn, peer);
	}
	if (err == KW_OK) {
		err = settle(txn, &made);
	}
	if (err == KW_OK) {
		err = ks_peer_encode(&made, record, &length);
	}
	if (err != KW_OK) {
		return err;
	}
	write_id(made.id, key);
	err = ks_put(txn, txn->store->tables.peer, key, sizeof(key), record, length, 0);
	if (err == KW_OK) {
		txn->peers_changed = true;
		*peer = made;
	}
	return err;
}

enum kw_err ks_peer_remove(struct ks_txn *txn, uint32_t id)
{
	uint8_t key[ID_SIZE];
	enum kw_err err;

	write_id(id, key);
	err = ks_delete(txn, txn->store->tables.peer, key, sizeof(key));
	if (err == KW_OK) {
		txn->peers_changed = true;
	}
	return err;
}
