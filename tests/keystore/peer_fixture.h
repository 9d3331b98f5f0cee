/** Peers to put into the store of a test. */
#ifndef KW_TESTS_KEYSTORE_PEER_FIXTURE_H
#define KW_TESTS_KEYSTORE_PEER_FIXTURE_H

#include "tests/keystore/store_fixture.h"

static inline struct ks_peer peer_ns(const char *name)
{
	struct ks_peer peer = {.kind = KS_PEER_NS, .net_id_count = 1};

	strcpy(peer.name, name);
	return peer;
}

static inline struct ks_peer peer_as(const char *name, const char *as_id)
{
	struct ks_peer peer = {.kind = KS_PEER_AS};

	strcpy(peer.name, name);
	strcpy(peer.as_id, as_id);
	return peer;
}

/** Put a peer in a transaction of its own. */
static inline enum kw_err peer_put(struct fixture *fixture, struct ks_peer *peer)
{
	struct ks_txn *txn = fixture_begin(fixture);
	const enum kw_err err = ks_peer_put(txn, peer);

	if (err != KW_OK) {
		ks_txn_abort(txn);
		return err;
	}
	return ks_txn_commit(txn);
}

#endif
