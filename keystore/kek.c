#include "base/cursor.h"
#include "base/log.h"
#include "base/secret.h"
#include "keystore/encode.h"
#include "keystore/peer.h"
#include "keystore/seal.h"

#include <string.h>

#define BOUND_MAX (4 + KS_LABEL_SIZE + 2)

/* A KEK opens only in its own peer, under its own label and as its own generation. The first
 * generation is bound as the one KEK of a peer was in format 1, so that those still open; no label
 * holds the zero octet that sets the later ones apart. */
static size_t kek_bound(
	const struct ks_peer *peer, const struct ks_kek *kek, uint8_t out[BOUND_MAX])
{
	struct kw_writer writer;

	kw_writer_init(&writer, out, BOUND_MAX);
	kw_write_u32(&writer, peer->id);
	kw_write_octets(&writer, kek->label, strnlen(kek->label, KS_LABEL_SIZE - 1));
	if (kek->generation > 1) {
		kw_write_u8(&writer, 0);
		kw_write_u16(&writer, kek->generation);
	}
	return writer.used;
}

static size_t find_label(const struct ks_peer *peer, const char *label)
{
	size_t n = 0;

	while (n < peer->kek_count && strcmp(peer->keks[n].label, label) != 0) {
		n++;
	}
	return n;
}

static enum kw_err check_new(const struct ks_peer *peer, const char *label, size_t length)
{
	if (length != 16 && length != 24 && length != 32) {
		return KW_E_LENGTH;
	}
	if (peer->id == 0 || !ks_label_valid(label)) {
		return KW_E_INVALID;
	}
	if (find_label(peer, label) < peer->kek_count) {
		return KW_E_EXISTS;
	}
	if (peer->kek_count >= KS_KEKS_MAX) {
		return KW_E_TOO_LONG;
	}
	return peer->kek_last == UINT16_MAX ? KW_E_EXHAUSTED : KW_OK;
}

enum kw_err ks_peer_add_kek(struct ks_store *store, struct ks_peer *peer, const char *label,
	const uint8_t *kek, size_t length)
{
	struct ks_kek made = {0};
	uint8_t bound[BOUND_MAX];
	enum kw_err err = check_new(peer, label, length);

	if (err != KW_OK) {
		return err;
	}
	made.generation = (uint16_t)(peer->kek_last + 1);
	made.created_ms = kw_now_ms(store->clock);
	memcpy(made.label, label, strlen(label));
	err = ks_seal(store->sealer, KS_TAG_KEK, bound, kek_bound(peer, &made, bound), kek, length,
		&made.sealed);
	if (err != KW_OK) {
		return err;
	}
	peer->keks[peer->kek_count++] = made;
	peer->kek_last = made.generation;
	peer->kek_current = made.generation;
	peer->wraps = true;
	return KW_OK;
}

enum kw_err ks_peer_retire_kek(struct ks_peer *peer, const char *label, bool force)
{
	const size_t n = find_label(peer, label);

	if (n == peer->kek_count) {
		return KW_E_NOT_FOUND;
	}
	if (peer->keks[n].generation == peer->kek_current) {
		if (!force) {
			return KW_E_BUSY;
		}
		peer->kek_current = 0;
	}
	peer->kek_count--;
	memmove(&peer->keks[n], &peer->keks[n + 1], (peer->kek_count - n) * sizeof(peer->keks[0]));
	memset(&peer->keks[peer->kek_count], 0, sizeof(peer->keks[0]));
	return KW_OK;
}

void ks_peer_clear_keks(struct ks_peer *peer)
{
	memset(peer->keks, 0, sizeof(peer->keks));
	peer->kek_count = 0;
	peer->kek_current = 0;
	peer->wraps = false;
}

const struct ks_kek *ks_peer_kek(const struct ks_peer *peer, uint16_t generation)
{
	for (size_t i = 0; i < peer->kek_count; i++) {
		if (peer->keks[i].generation == generation) {
			return &peer->keks[i];
		}
	}
	return NULL;
}

size_t ks_kek_length(const struct ks_kek *kek)
{
	return kek->sealed.length > KS_SEAL_EXTRA ? (size_t)kek->sealed.length - KS_SEAL_EXTRA : 0;
}

static enum kw_err unseal(struct ks_store *store, const struct ks_peer *peer,
	const struct ks_kek *kek, uint8_t out[KS_KEK_MAX])
{
	const size_t length = ks_kek_length(kek);
	uint8_t bound[BOUND_MAX];
	enum kw_err err = KW_E_SEAL;

	if (length > 0 && length <= KS_KEK_MAX) {
		err = ks_unseal(store->sealer, KS_TAG_KEK, bound, kek_bound(peer, kek, bound),
			&kek->sealed, out, length);
	}
	if (err == KW_E_SEAL) {
		kw_log(KW_LOG_ERROR, "keystore", "a KEK of a peer cannot be opened: set a new one",
			KW_STR("peer", peer->name), KW_STR("label", kek->label),
			KW_STR("err", kw_err_text(err)));
	}
	return err;
}

enum kw_err ks_kek_check(
	struct ks_store *store, const struct ks_peer *peer, const struct ks_kek *kek)
{
	uint8_t octets[KS_KEK_MAX] = {0};
	const enum kw_err err = unseal(store, peer, kek, octets);

	kw_wipe(octets, sizeof(octets));
	return err;
}

enum kw_err ks_peer_wrap(struct ks_store *store, const struct ks_peer *peer,
	const struct ks_kek *kek, const struct lw_key *const *keys, size_t count,
	uint8_t (*out)[LW_WRAPPED_SIZE])
{
	uint8_t octets[KS_KEK_MAX] = {0};
	enum kw_err err = unseal(store, peer, kek, octets);

	for (size_t i = 0; err == KW_OK && i < count; i++) {
		err = lw_wrap(store->aes, octets, ks_kek_length(kek), keys[i]->octets,
			sizeof(keys[i]->octets), out[i]);
	}
	if (err != KW_OK) {
		memset(out, 0, count * sizeof(*out));
	}
	kw_wipe(octets, sizeof(octets));
	return err;
}
