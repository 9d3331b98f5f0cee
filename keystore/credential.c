#include "base/secret.h"
#include "keystore/encode.h"
#include "keystore/internal.h"

#include <string.h>

enum kw_err ks_credential_mac(struct ks_store *store, enum ks_credential_kind kind,
	const uint8_t digest[KS_DIGEST_SIZE], uint8_t mac[KS_DIGEST_SIZE])
{
	uint8_t told[1 + KS_DIGEST_SIZE];
	enum kw_err err;

	if (kind == KS_CREDENTIAL_TOKEN) {
		return ks_sealer_hmac(store->sealer, digest, KS_DIGEST_SIZE, mac);
	}
	told[0] = (uint8_t)kind;
	memcpy(told + 1, digest, KS_DIGEST_SIZE);
	err = ks_sealer_hmac(store->sealer, told, sizeof(told), mac);
	kw_wipe(told, sizeof(told));
	return err;
}

bool ks_credential_equal(const struct ks_credential *a, const struct ks_credential *b)
{
	return a->kind == b->kind && kw_equal_ct(a->mac, b->mac, KS_DIGEST_SIZE);
}

static bool has(const struct ks_peer *peer, const struct ks_credential *credential)
{
	for (size_t i = 0; i < peer->credential_count; i++) {
		if (ks_credential_equal(&peer->credentials[i], credential)) {
			return true;
		}
	}
	return false;
}

enum kw_err ks_peer_add_credential(struct ks_store *store, struct ks_peer *peer,
	enum ks_credential_kind kind, const uint8_t digest[KS_DIGEST_SIZE], const char *shown,
	uint64_t expires_s)
{
	struct ks_credential made = {.kind = kind, .expires_s = expires_s};
	const size_t length = strnlen(shown, KS_SHOWN_SIZE);
	enum kw_err err;

	if (length == KS_SHOWN_SIZE) {
		return KW_E_TOO_LONG;
	}
	memcpy(made.shown, shown, length);
	if (!ks_credential_valid(&made)) {
		return KW_E_INVALID;
	}
	err = ks_credential_mac(store, kind, digest, made.mac);
	if (err != KW_OK) {
		return err;
	}
	if (has(peer, &made)) {
		return KW_E_EXISTS;
	}
	if (peer->credential_count >= KS_CREDENTIALS_MAX) {
		return KW_E_TOO_LONG;
	}
	peer->credentials[peer->credential_count++] = made;
	return KW_OK;
}

void ks_peer_drop_credentials(struct ks_peer *peer, enum ks_credential_kind kind)
{
	uint8_t kept = 0;

	for (size_t i = 0; i < peer->credential_count; i++) {
		if (peer->credentials[i].kind != kind) {
			peer->credentials[kept++] = peer->credentials[i];
		}
	}
	memset(&peer->credentials[kept], 0,
		(peer->credential_count - kept) * sizeof(peer->credentials[0]));
	peer->credential_count = kept;
}
