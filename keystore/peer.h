/**
 * Peers: network servers and application servers, their credentials and KEKs.
 *
 * All of them are held in memory, without secrets; changes go through a transaction and are seen
 * from its commit on.
 */
#ifndef KW_KEYSTORE_PEER_H
#define KW_KEYSTORE_PEER_H

#include "keystore/device.h"
#include "lorawan/wrap.h"

#define KS_RANGES_MAX  8
#define KS_LABEL_SIZE  64
#define KS_DIGEST_SIZE 32
#define KS_KEK_MAX     32

enum ks_peer_kind { /* stored; never renumber */
	KS_PEER_NS = 1,
	KS_PEER_AS = 2,
};

struct ks_peer {
	uint32_t id; /* never used again after removal; 0 is none */
	enum ks_peer_kind kind;
	char name[KS_NAME_SIZE];                  /* unique per kind */
	struct lw_net_id net_ids[KS_NET_IDS_MAX]; /* NS */
	uint8_t net_id_count;
	bool has_ns_id;
	struct lw_eui ns_id;
	char as_id[KS_NAME_SIZE]; /* AS; unique */
	enum ks_delivery delivery;
	bool any_device;
	struct lw_eui_range ranges[KS_RANGES_MAX]; /* none: every JoinEUI */
	uint8_t range_count;
	uint64_t created_ms;
	uint64_t changed_ms;
	bool has_token;
	uint8_t token_mac
		[KS_DIGEST_SIZE]; /* HMAC-SHA-256 of the token's SHA-256 under a store secret */
	char kek_label[KS_LABEL_SIZE]; /* "" = no KEK */
	struct ks_sealed kek;
};

/** By name, AS-ID, id; NULL if there is none. Borrowed until the next commit that changes peers. */
const struct ks_peer *ks_peer_by_name(
	const struct ks_store *store, enum ks_peer_kind kind, const char *name);
const struct ks_peer *ks_peer_by_as_id(const struct ks_store *store, const char *as_id);
const struct ks_peer *ks_peer_by_id(const struct ks_store *store, uint32_t id);
/** The n-th peer of a kind in the order of names; NULL past the end. */
const struct ks_peer *ks_peer_at(const struct ks_store *store, enum ks_peer_kind kind, size_t n);
/**
 * The NS that owns this credential.
 *
 * @param digest  SHA-256 of the bearer token
 * @return NULL if there is none. Takes a time that does not depend on how much of it matches.
 */
const struct ks_peer *ks_peer_by_token(
	struct ks_store *store, const uint8_t digest[KS_DIGEST_SIZE]);

/**
 * Add (id 0; gets one) or replace (id given) a peer. Fields kek and token_mac are taken as they are:
 * fill them by ks_peer_set_token() and ks_peer_set_kek().
 *
 * @return KW_OK
 *         KW_E_EXISTS     name, AS-ID or token is another peer's
 *         KW_E_NOT_FOUND  no peer has this id
 *         KW_E_INVALID    no name; an AS without AS-ID or an NS with one; a text with control
 *                         characters; a count, delivery or range out of bounds; another kind than
 *                         before; a KEK without a label or a label without a KEK
 *         KW_E_STORE, KW_E_STORE_FULL, KW_E_STORE_DAMAGED;  *peer is unchanged on any error
 */
KW_MUST_CHECK enum kw_err ks_peer_put(struct ks_txn *txn, struct ks_peer *peer);
KW_MUST_CHECK enum kw_err ks_peer_remove(struct ks_txn *txn, uint32_t id);
KW_MUST_CHECK enum kw_err ks_peer_set_token(
	struct ks_store *store, struct ks_peer *peer, const uint8_t digest[KS_DIGEST_SIZE]);
/** Seal a KEK of 16, 24 or 32 octets into the peer under a label (1 to 63 printable ASCII
 *  characters). @return KW_OK, KW_E_LENGTH, KW_E_INVALID, KW_E_CRYPTO. The peer must have its id:
 *  put it first. */
KW_MUST_CHECK enum kw_err ks_peer_set_kek(struct ks_store *store, struct ks_peer *peer,
	const char *label, const uint8_t *kek, size_t length);

/**
 * Wrap keys under the peer's KEK (RFC 3394).
 *
 * @param keys  `count` keys of 16 octets
 * @param out   `count` times 24 octets; zero on failure
 * @return KW_OK, KW_E_NO_KEK, KW_E_SEAL, KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err ks_peer_wrap(struct ks_store *store, const struct ks_peer *peer,
	const struct lw_key *const *keys, size_t count, uint8_t (*out)[LW_WRAPPED_SIZE]);

#endif
