#include "tests/keystore/peer_fixture.h"

#include "keystore/internal.h"

static const enum ks_credential_kind kinds[] = {
	KS_CREDENTIAL_TOKEN,
	KS_CREDENTIAL_HEADER,
	KS_CREDENTIAL_CERTIFICATE,
	KS_CREDENTIAL_SUBJECT,
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static const char *shown_of(enum ks_credential_kind kind)
{
	return kind == KS_CREDENTIAL_CERTIFICATE || kind == KS_CREDENTIAL_SUBJECT ? "shown" : "";
}

static enum kw_err add(
	struct fixture *fixture, struct ks_peer *peer, enum ks_credential_kind kind, uint8_t number)
{
	const uint8_t digest[KS_DIGEST_SIZE] = {[31] = number};

	return ks_peer_add_credential(fixture->store, peer, kind, digest, shown_of(kind), 1000);
}

static const struct ks_peer *by(
	const struct fixture *fixture, enum ks_credential_kind kind, uint8_t number)
{
	const uint8_t digest[KS_DIGEST_SIZE] = {[31] = number};

	return ks_peer_by_credential(fixture->store, kind, digest);
}

static void each_kind_is_its_own(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KIND_COUNT; i++) {
		char name[] = {(char)('a' + i), '\0'};
		struct ks_peer peer = peer_ns(name);

		/* The same digest in each kind, and one that only this kind has. */
		assert_int_equal(add(fixture, &peer, kinds[i], 7), KW_OK);
		assert_int_equal(add(fixture, &peer, kinds[i], (uint8_t)(100 + i)), KW_OK);
		assert_int_equal(peer_put(fixture, &peer), KW_OK);
	}
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < KIND_COUNT; i++) {
			assert_int_equal(by(fixture, kinds[i], 7)->id, i + 1);
			assert_int_equal(by(fixture, kinds[i], 7)->id, i + 1);
			for (size_t j = 0; j < KIND_COUNT; j++) {
				const struct ks_peer *peer =
					by(fixture, kinds[j], (uint8_t)(100 + i));

				assert_true((peer != NULL) == (i == j));
				assert_true(peer == NULL || peer->id == i + 1);
			}
			assert_null(by(fixture, kinds[i], 8));
		}
		fixture_reopen(fixture);
	}
	assert_null(by(fixture, (enum ks_credential_kind)0, 7));
	assert_null(by(fixture, (enum ks_credential_kind)5, 7));
}

/* As docs/store-format.md says, so that a record can be checked without Keyward. */
static void the_mac_is_as_documented(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_ns("a");
	uint8_t told[1 + KS_DIGEST_SIZE] = {0}, mac[KS_DIGEST_SIZE];

	told[KS_DIGEST_SIZE] = 9;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const bool token = kinds[i] == KS_CREDENTIAL_TOKEN;

		told[0] = (uint8_t)(i + 1);
		assert_int_equal(add(fixture, &peer, kinds[i], 9), KW_OK);
		assert_int_equal(ks_sealer_hmac(fixture->store->sealer, told + (token ? 1 : 0),
					 sizeof(told) - (token ? 1 : 0), mac),
			KW_OK);
		assert_memory_equal(peer.credentials[i].mac, mac, sizeof(mac));
		assert_int_equal(peer.credentials[i].kind, i + 1);
		assert_int_equal(peer.credentials[i].expires_s, 1000);
		assert_string_equal(peer.credentials[i].shown, shown_of(kinds[i]));
	}
}

static void any_of_several_will_do(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_as("a", "as"), before;

	for (uint8_t i = 0; i < KS_CREDENTIALS_MAX; i++) {
		assert_int_equal(add(fixture, &peer, kinds[i % KIND_COUNT], i), KW_OK);
	}
	before = peer;
	assert_int_equal(add(fixture, &peer, KS_CREDENTIAL_TOKEN, 0), KW_E_EXISTS);
	assert_int_equal(add(fixture, &peer, KS_CREDENTIAL_TOKEN, 99), KW_E_TOO_LONG);
	assert_memory_equal(&peer, &before, sizeof(peer));
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	for (int round = 0; round < 2; round++) {
		for (uint8_t i = 0; i < KS_CREDENTIALS_MAX; i++) {
			assert_int_equal(by(fixture, kinds[i % KIND_COUNT], i)->id, peer.id);
		}
		fixture_reopen(fixture);
	}
}

static void those_of_a_kind_are_dropped_together(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_ns("a"), left = peer_ns("a");

	for (uint8_t i = 0; i < KS_CREDENTIALS_MAX; i++) {
		assert_int_equal(add(fixture, &peer, kinds[i % KIND_COUNT], i), KW_OK);
		if (kinds[i % KIND_COUNT] != KS_CREDENTIAL_HEADER) {
			assert_int_equal(add(fixture, &left, kinds[i % KIND_COUNT], i), KW_OK);
		}
	}
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_non_null(by(fixture, KS_CREDENTIAL_HEADER, 1));
	ks_peer_drop_credentials(&peer, KS_CREDENTIAL_HEADER);
	assert_int_equal(peer.credential_count, left.credential_count);
	assert_memory_equal(peer.credentials, left.credentials, sizeof(peer.credentials));
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_null(by(fixture, KS_CREDENTIAL_HEADER, 1));
	assert_null(by(fixture, KS_CREDENTIAL_HEADER, 5));
	assert_non_null(by(fixture, KS_CREDENTIAL_SUBJECT, 7));
	ks_peer_drop_credentials(&peer, KS_CREDENTIAL_HEADER);
	assert_int_equal(peer.credential_count, left.credential_count);
	for (size_t i = 0; i < KIND_COUNT; i++) {
		ks_peer_drop_credentials(&peer, kinds[i]);
	}
	assert_int_equal(peer.credential_count, 0);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_null(by(fixture, KS_CREDENTIAL_SUBJECT, 7));
}

static void two_peers_share_none(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KIND_COUNT; i++) {
		const uint8_t number = (uint8_t)(10 * i + 10);
		char name[] = {(char)('a' + i), '\0'};
		struct ks_peer owner = peer_ns(name);
		struct ks_peer thief = peer_as("thief", "as");
		struct ks_txn *txn;

		assert_int_equal(add(fixture, &owner, kinds[i], number), KW_OK);
		assert_int_equal(add(fixture, &owner, kinds[i], number + 1), KW_OK);
		assert_int_equal(peer_put(fixture, &owner), KW_OK);
		assert_int_equal(add(fixture, &thief, KS_CREDENTIAL_TOKEN, 200), KW_OK);
		assert_int_equal(add(fixture, &thief, kinds[i], number + 1), KW_OK);
		assert_int_equal(peer_put(fixture, &thief), KW_E_EXISTS);
		assert_int_equal(by(fixture, kinds[i], number + 1)->id, owner.id);
		/* Once it is the owner's no longer, it is free, also inside a transaction. */
		txn = fixture_begin(fixture);
		ks_peer_drop_credentials(&owner, kinds[i]);
		assert_int_equal(ks_peer_put(txn, &owner), KW_OK);
		assert_int_equal(ks_peer_put(txn, &thief), KW_OK);
		ks_txn_abort(txn);
		assert_int_equal(by(fixture, kinds[i], number + 1)->id, owner.id);
	}
}

static void what_may_be_shown(void **state)
{
	static const uint8_t digest[KS_DIGEST_SIZE] = {1};
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_ns("a");
	const struct ks_peer before = peer;
	char text[KS_SHOWN_SIZE + 1];

	memset(text, 'x', sizeof(text));
	text[KS_SHOWN_SIZE] = '\0';
	for (size_t i = 0; i < KIND_COUNT; i++) {
		assert_int_equal(
			ks_peer_add_credential(fixture->store, &peer, kinds[i], digest, "a\nb", 0),
			KW_E_INVALID);
		assert_int_equal(
			ks_peer_add_credential(fixture->store, &peer, kinds[i], digest, text, 0),
			KW_E_TOO_LONG);
	}
	assert_int_equal(ks_peer_add_credential(
				 fixture->store, &peer, KS_CREDENTIAL_TOKEN, digest, "secret", 0),
		KW_E_INVALID);
	assert_int_equal(ks_peer_add_credential(
				 fixture->store, &peer, KS_CREDENTIAL_HEADER, digest, "secret", 0),
		KW_E_INVALID);
	assert_int_equal(ks_peer_add_credential(
				 fixture->store, &peer, (enum ks_credential_kind)0, digest, "", 0),
		KW_E_INVALID);
	assert_int_equal(ks_peer_add_credential(
				 fixture->store, &peer, (enum ks_credential_kind)5, digest, "", 0),
		KW_E_INVALID);
	assert_memory_equal(&peer, &before, sizeof(peer));
	text[KS_SHOWN_SIZE - 1] = '\0';
	assert_int_equal(ks_peer_add_credential(fixture->store, &peer, KS_CREDENTIAL_SUBJECT,
				 digest, text, UINT64_MAX),
		KW_OK);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	fixture_reopen(fixture);
	assert_memory_equal(ks_peer_by_id(fixture->store, peer.id), &peer, sizeof(peer));
}

static void one_bit_makes_another(void **state)
{
	struct fixture *fixture = *state;
	uint8_t digest[KS_DIGEST_SIZE] = {0};
	struct ks_peer peer = peer_ns("a");

	assert_int_equal(add(fixture, &peer, KS_CREDENTIAL_CERTIFICATE, 0), KW_OK);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	for (size_t bit = 0; bit < 256; bit++) {
		assert_non_null(
			ks_peer_by_credential(fixture->store, KS_CREDENTIAL_CERTIFICATE, digest));
		digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_null(
			ks_peer_by_credential(fixture->store, KS_CREDENTIAL_CERTIFICATE, digest));
		digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_kind_is_its_own, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			the_mac_is_as_documented, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			any_of_several_will_do, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			those_of_a_kind_are_dropped_together, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			two_peers_share_none, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(what_may_be_shown, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			one_bit_makes_another, fixture_store, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
