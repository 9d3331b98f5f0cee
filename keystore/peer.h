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

#define KS_RANGES_MAX      8
#define KS_LABEL_SIZE      64
#define KS_DIGEST_SIZE     32
#define KS_KEK_MAX         32
#define KS_KEKS_MAX        8
#define KS_CREDENTIALS_MAX 8
#define KS_SHOWN_SIZE      320
#define KS_URL_SIZE        256
#define KS_RATE_MAX        1000000

enum ks_peer_kind { /* stored; never renumber */
	KS_PEER_NS = 1,
	KS_PEER_AS = 2,
};

enum ks_credential_kind { /* stored; never renumber */
	KS_CREDENTIAL_TOKEN = 1,
	KS_CREDENTIAL_HEADER = 2,
	KS_CREDENTIAL_CERTIFICATE = 3,
	KS_CREDENTIAL_SUBJECT = 4,
};

/** One way in which a peer shows who it is; any of a peer's will do. */
struct ks_credential {
	enum ks_credential_kind kind;
	uint8_t mac[KS_DIGEST_SIZE]; /* HMAC-SHA-256 of the digest under a store secret; of kinds
	                                other than TOKEN, of the kind's octet and the digest */
	uint64_t expires_s;          /* Unix time; 0: not known */
	char shown[KS_SHOWN_SIZE];   /* what operators see; "" for TOKEN and HEADER */
};

/** One generation of a peer's KEK. */
struct ks_kek {
	uint16_t generation; /* from 1; never used again within a peer */
	char label[KS_LABEL_SIZE];
	uint64_t created_ms;
	struct ks_sealed sealed;
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
	bool clear; /* AS: may be told AppSKey in the clear if it has no KEK */
	struct lw_eui_range ranges[KS_RANGES_MAX]; /* none: every JoinEUI */
	uint8_t range_count;
	char answer_url[KS_URL_SIZE]; /* "": answered at once */
	uint32_t rate;                /* requests/s, at most KS_RATE_MAX; 0: the configuration's */
	uint32_t burst;               /* at least 1, at most KS_RATE_MAX; with rate 0: 0 */
	uint64_t created_ms;
	uint64_t changed_ms;
	struct ks_credential credentials[KS_CREDENTIALS_MAX];
	uint8_t credential_count;
	struct ks_kek keks[KS_KEKS_MAX]; /* oldest first */
	uint8_t kek_count;
	uint16_t kek_current; /* generation; 0: none */
	uint16_t kek_last;    /* the greatest generation so far */
	bool wraps;           /* a KEK was given: keys are wrapped for it, or not delivered */
};

/** By name, AS-ID, id; NULL if there is none. Borrowed until the next commit that changes peers. */
const struct ks_peer *ks_peer_by_name(
	const struct ks_store *store, enum ks_peer_kind kind, const char *name);
const struct ks_peer *ks_peer_by_as_id(const struct ks_store *store, const char *as_id);
const struct ks_peer *ks_peer_by_id(const struct ks_store *store, uint32_t id);
/** The n-th peer of a kind in the order of names; NULL past the end. */
const struct ks_peer *ks_peer_at(const struct ks_store *store, enum ks_peer_kind kind, size_t n);
/**
 * The peer that owns a credential.
 *
 * @param digest  of what was shown (for a bearer token its SHA-256)
 * @return NULL if there is none. Takes a time that does not depend on how much of it matches.
 */
const struct ks_peer *ks_peer_by_credential(
	struct ks_store *store, enum ks_credential_kind kind, const uint8_t digest[KS_DIGEST_SIZE]);

/**
 * Add (id 0; gets one) or replace (id given) a peer. Credentials and KEKs are taken as they are:
 * fill them by the functions below.
 *
 * @return KW_OK
 *         KW_E_EXISTS     name, AS-ID or a credential is another peer's
 *         KW_E_NOT_FOUND  no peer has this id
 *         KW_E_INVALID    no name; an AS without AS-ID or an NS with one; a text with control
 *                         characters; a count, kind, delivery, rate or range out of bounds; another kind
 *                         than before; KEKs that contradict each other; fewer generations
 *                         than were there already
 *         KW_E_STORE, KW_E_STORE_FULL, KW_E_STORE_DAMAGED;  *peer is unchanged on any error
 */
KW_MUST_CHECK enum kw_err ks_peer_put(struct ks_txn *txn, struct ks_peer *peer);
KW_MUST_CHECK enum kw_err ks_peer_remove(struct ks_txn *txn, uint32_t id);

/**
 * Give the peer one more credential.
 *
 * @param shown  for operators; "" if there is nothing that may be shown
 * @return KW_OK, KW_E_EXISTS (it has it already), KW_E_TOO_LONG (it has KS_CREDENTIALS_MAX, or
 *         `shown` does not fit), KW_E_INVALID (kind, control characters, TOKEN or HEADER with
 *         something shown), KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err ks_peer_add_credential(struct ks_store *store, struct ks_peer *peer,
	enum ks_credential_kind kind, const uint8_t digest[KS_DIGEST_SIZE], const char *shown,
	uint64_t expires_s);
/** Take away all credentials of a kind. */
void ks_peer_drop_credentials(struct ks_peer *peer, enum ks_credential_kind kind);

/**
 * Seal a KEK into the peer as a new generation, current from now on. The peer must have its id: put
 * it first. The peer is unchanged on any error.
 *
 * @param label   1 to 63 printable ASCII characters
 * @param length  16, 24 or 32
 * @return KW_OK, KW_E_LENGTH, KW_E_INVALID (label, id), KW_E_EXISTS (the label is in use),
 *         KW_E_TOO_LONG (KS_KEKS_MAX are there: retire one), KW_E_EXHAUSTED, KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err ks_peer_add_kek(struct ks_store *store, struct ks_peer *peer,
	const char *label, const uint8_t *kek, size_t length);
/**
 * Forget one generation. With the current one none is current: until another is added nothing can
 * be delivered to the peer.
 * @return KW_OK, KW_E_NOT_FOUND (no KEK has this label), KW_E_BUSY (it is current, and not `force`)
 */
KW_MUST_CHECK enum kw_err ks_peer_retire_kek(struct ks_peer *peer, const char *label, bool force);
/** Forget all: keys go in the clear from now on. Generations go on where they were, so that none of
 *  old ever means a later one. */
void ks_peer_clear_keks(struct ks_peer *peer);
/** By generation; NULL if it is not there (any more). Borrowed from the peer. */
const struct ks_kek *ks_peer_kek(const struct ks_peer *peer, uint16_t generation);

/** Octets of the KEK: 16, 24 or 32. */
size_t ks_kek_length(const struct ks_kek *kek);

/**
 * Wrap keys under a KEK of the peer (RFC 3394).
 *
 * @param kek   one of the peer's own
 * @param keys  `count` keys of 16 octets
 * @param out   `count` times 24 octets; zero on failure
 * @return KW_OK, KW_E_SEAL, KW_E_CRYPTO
 */
KW_MUST_CHECK enum kw_err ks_peer_wrap(struct ks_store *store, const struct ks_peer *peer,
	const struct ks_kek *kek, const struct lw_key *const *keys, size_t count,
	uint8_t (*out)[LW_WRAPPED_SIZE]);

#endif
