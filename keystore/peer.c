#include "keystore/peer.h"

#include "base/log.h"
#include "base/secret.h"
#include "keystore/encode.h"
#include "keystore/scan.h"
#include "keystore/seal.h"

#include <stdlib.h>
#include <string.h>

#define NEXT_ID_NAME  "next_peer"
#define ID_SIZE       4
#define KEK_BOUND_MAX (ID_SIZE + KS_LABEL_SIZE)

struct ks_peers {
	struct ks_peer *peers; /* in the order of kind and name */
	size_t count;
	const struct ks_peer **by_id;
	const struct ks_peer *known; /* whose token was seen last, and its digest */
	uint8_t known_digest[KS_DIGEST_SIZE];
};

static int compare_names(const void *a, const void *b)
{
	const struct ks_peer *left = a;
	const struct ks_peer *right = b;

	if (left->kind != right->kind) {
		return left->kind < right->kind ? -1 : 1;
	}
	return strcmp(left->name, right->name);
}

static int compare_ids(const void *a, const void *b)
{
	const struct ks_peer *const *left = a;
	const struct ks_peer *const *right = b;

	return ((*left)->id > (*right)->id) - ((*left)->id < (*right)->id);
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
	qsort(peers->peers, peers->count, sizeof(peers->peers[0]), compare_names);
	for (size_t i = 0; i < peers->count; i++) {
		peers->by_id[i] = &peers->peers[i];
	}
	qsort(peers->by_id, peers->count, sizeof(peers->by_id[0]), compare_ids);
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
	if (err != KW_OK) {
		ks_peers_free(peers);
		return err;
	}
	sort(peers);
	*out = peers;
	return KW_OK;
}

void ks_peers_free(struct ks_peers *peers)
{
	if (peers == NULL) {
		return;
	}
	kw_wipe(peers->known_digest, sizeof(peers->known_digest));
	free(peers->by_id);
	free(peers->peers);
	free(peers);
}

const struct ks_peer *ks_peer_by_name(
	const struct ks_store *store, enum ks_peer_kind kind, const char *name)
{
	const struct ks_peers *peers = store->peers;
	struct ks_peer wanted = {.kind = kind};

	if (strlen(name) >= sizeof(wanted.name)) {
		return NULL;
	}
	strcpy(wanted.name, name);
	return bsearch(&wanted, peers->peers, peers->count, sizeof(wanted), compare_names);
}

const struct ks_peer *ks_peer_by_id(const struct ks_store *store, uint32_t id)
{
	const struct ks_peers *peers = store->peers;
	const struct ks_peer wanted = {.id = id};
	const struct ks_peer *name = &wanted;
	const struct ks_peer *const *found =
		bsearch(&name, peers->by_id, peers->count, sizeof(peers->by_id[0]), compare_ids);

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
static const struct ks_peer *find_mac(
	const struct ks_peers *peers, const uint8_t mac[KS_DIGEST_SIZE])
{
	const struct ks_peer *found = NULL;

	for (size_t i = 0; i < peers->count; i++) {
		const struct ks_peer *peer = &peers->peers[i];
		const bool same = kw_equal_ct(peer->token_mac, mac, KS_DIGEST_SIZE);

		found = peer->has_token && same ? peer : found;
	}
	return found;
}

const struct ks_peer *ks_peer_by_token(struct ks_store *store, const uint8_t digest[KS_DIGEST_SIZE])
{
	struct ks_peers *peers = store->peers;
	uint8_t mac[KS_DIGEST_SIZE];
	const struct ks_peer *found;

	if (peers->known != NULL && kw_equal_ct(peers->known_digest, digest, KS_DIGEST_SIZE)) {
		return peers->known;
	}
	if (ks_sealer_hmac(store->sealer, digest, KS_DIGEST_SIZE, mac) != KW_OK) {
		return NULL;
	}
	found = find_mac(peers, mac);
	if (found != NULL) {
		peers->known = found;
		memcpy(peers->known_digest, digest, KS_DIGEST_SIZE);
	}
	return found;
}

/* What belongs to one peer only. The table in memory lags behind an open transaction, so the
 * records themselves are compared. */
static bool collide(const struct ks_peer *a, const struct ks_peer *b)
{
	if (a->has_token && b->has_token &&
		kw_equal_ct(a->token_mac, b->token_mac, KS_DIGEST_SIZE)) {
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
	return stored.kind == peer->kind ? KW_OK : KW_E_INVALID;
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

enum kw_err ks_peer_set_token(
	struct ks_store *store, struct ks_peer *peer, const uint8_t digest[KS_DIGEST_SIZE])
{
	const enum kw_err err =
		ks_sealer_hmac(store->sealer, digest, KS_DIGEST_SIZE, peer->token_mac);

	peer->has_token = err == KW_OK;
	return err;
}

static bool label_valid(const char *label)
{
	const size_t length = strnlen(label, KS_LABEL_SIZE);

	for (size_t i = 0; i < length; i++) {
		if (label[i] < ' ' || label[i] > '~') {
			return false;
		}
	}
	return length > 0 && length < KS_LABEL_SIZE;
}

/* A KEK opens only in its own peer and under its own label. */
static size_t kek_bound(uint32_t id, const char *label, uint8_t out[KEK_BOUND_MAX])
{
	const size_t length = strnlen(label, KS_LABEL_SIZE);

	write_id(id, out);
	memcpy(out + ID_SIZE, label, length);
	return ID_SIZE + length;
}

enum kw_err ks_peer_set_kek(struct ks_store *store, struct ks_peer *peer, const char *label,
	const uint8_t *kek, size_t length)
{
	uint8_t bound[KEK_BOUND_MAX];
	struct ks_sealed sealed;
	enum kw_err err;

	if (length != 16 && length != 24 && length != 32) {
		return KW_E_LENGTH;
	}
	if (peer->id == 0 || !label_valid(label)) {
		return KW_E_INVALID;
	}
	err = ks_seal(store->sealer, KS_TAG_KEK, bound, kek_bound(peer->id, label, bound), kek,
		length, &sealed);
	if (err != KW_OK) {
		return err;
	}
	peer->kek = sealed;
	memset(peer->kek_label, 0, sizeof(peer->kek_label));
	memcpy(peer->kek_label, label, strlen(label));
	return KW_OK;
}

static enum kw_err unseal_kek(
	struct ks_store *store, const struct ks_peer *peer, uint8_t kek[KS_KEK_MAX], size_t *length)
{
	uint8_t bound[KEK_BOUND_MAX];
	enum kw_err err;

	if (peer->kek.length == 0) {
		return KW_E_NO_KEK;
	}
	*length = (size_t)peer->kek.length - KS_SEAL_EXTRA;
	if (peer->kek.length < KS_SEAL_EXTRA || *length > KS_KEK_MAX) {
		return KW_E_SEAL;
	}
	err = ks_unseal(store->sealer, KS_TAG_KEK, bound,
		kek_bound(peer->id, peer->kek_label, bound), &peer->kek, kek, *length);
	if (err == KW_E_SEAL) {
		kw_log(KW_LOG_ERROR, "keystore", "the KEK of a peer cannot be opened: set it again",
			KW_STR("peer", peer->name), KW_STR("err", kw_err_text(err)));
	}
	return err;
}

enum kw_err ks_peer_wrap(struct ks_store *store, const struct ks_peer *peer,
	const struct lw_key *const *keys, size_t count, uint8_t (*out)[LW_WRAPPED_SIZE])
{
	uint8_t kek[KS_KEK_MAX] = {0};
	size_t length = 0;
	enum kw_err err = unseal_kek(store, peer, kek, &length);

	for (size_t i = 0; err == KW_OK && i < count; i++) {
		err = lw_wrap(
			store->aes, kek, length, keys[i]->octets, sizeof(keys[i]->octets), out[i]);
	}
	if (err != KW_OK) {
		memset(out, 0, count * sizeof(*out));
	}
	kw_wipe(kek, sizeof(kek));
	return err;
}
