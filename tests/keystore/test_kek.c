#include "tests/keystore/peer_fixture.h"

#include "keystore/internal.h"

/* The KEK of an octet: sixteen times that. */
static enum kw_err add(
	struct fixture *fixture, struct ks_peer *peer, const char *label, uint8_t octet)
{
	const struct lw_key kek = fixture_key(octet);

	return ks_peer_add_kek(fixture->store, peer, label, kek.octets, sizeof(kek.octets));
}

/* Whether a generation of a peer is there and wraps under the KEK of an octet. */
static bool wraps(
	struct fixture *fixture, const struct ks_peer *peer, uint16_t generation, uint8_t octet)
{
	const struct lw_key key = fixture_key(1), kek = fixture_key(octet);
	const struct lw_key *const keys[] = {&key};
	const struct ks_kek *found = ks_peer_kek(peer, generation);
	uint8_t out[1][LW_WRAPPED_SIZE], back[16];

	return found != NULL && found->generation == generation &&
	       ks_peer_wrap(fixture->store, peer, found, keys, 1, out) == KW_OK &&
	       lw_unwrap(fixture->store->aes, kek.octets, sizeof(kek.octets), out[0],
		       LW_WRAPPED_SIZE, back) == KW_OK &&
	       memcmp(back, key.octets, sizeof(back)) == 0;
}

static void wraps_keys_under_keks_of_each_length(void **state)
{
	struct fixture *fixture = *state;
	struct ks_store *store = fixture->store;
	struct ks_peer peer = peer_as("a", "a");
	const struct lw_key one = fixture_key(1), two = fixture_key(2);
	const struct lw_key *const keys[] = {&one, &two};
	uint8_t out[2][LW_WRAPPED_SIZE], want[LW_WRAPPED_SIZE], kek[40];

	memset(kek, 0x4b, sizeof(kek));
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	for (size_t length = 0; length <= sizeof(kek); length++) {
		const bool good = length == 16 || length == 24 || length == 32;
		char label[8];

		snprintf(label, sizeof(label), "l%zu", length);
		assert_int_equal(ks_peer_add_kek(store, &peer, label, kek, length),
			good ? KW_OK : KW_E_LENGTH);
		if (!good) {
			continue;
		}
		assert_int_equal(peer_put(fixture, &peer), KW_OK);
		assert_int_equal(ks_peer_wrap(store, &peer,
					 &ks_peer_by_id(store, peer.id)->keks[peer.kek_count - 1],
					 keys, 2, out),
			KW_OK);
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(
				lw_wrap(store->aes, kek, length, keys[i]->octets, 16, want), KW_OK);
			assert_memory_equal(out[i], want, sizeof(want));
		}
	}
	assert_int_equal(peer.kek_count, 3);
	assert_int_equal(ks_kek_length(&peer.keks[0]), 16);
	assert_int_equal(ks_kek_length(&peer.keks[1]), 24);
	assert_int_equal(ks_kek_length(&peer.keks[2]), 32);
}

static void the_newest_is_current(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_as("a", "a");
	const struct ks_peer *found;

	assert_int_equal(add(fixture, &peer, "one", 1), KW_E_INVALID); /* it has no id yet */
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_false(peer.wraps);
	assert_int_equal(peer.kek_current, 0);
	assert_null(ks_peer_kek(&peer, 0));
	assert_int_equal(add(fixture, &peer, "one", 0x11), KW_OK);
	fixture->now_ms += 5000;
	assert_int_equal(add(fixture, &peer, "two", 0x22), KW_OK);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	for (int round = 0; round < 2; round++) {
		found = ks_peer_by_id(fixture->store, peer.id);
		assert_memory_equal(found, &peer, sizeof(peer));
		assert_true(found->wraps);
		assert_int_equal(found->kek_count, 2);
		assert_int_equal(found->kek_current, 2);
		assert_int_equal(found->kek_last, 2);
		assert_int_equal(found->keks[0].generation, 1);
		assert_string_equal(found->keks[0].label, "one");
		assert_int_equal(found->keks[1].created_ms, found->keks[0].created_ms + 5000);
		assert_true(wraps(fixture, found, 1, 0x11));
		assert_true(wraps(fixture, found, 2, 0x22));
		assert_false(wraps(fixture, found, 2, 0x11));
		assert_null(ks_peer_kek(found, 0));
		assert_null(ks_peer_kek(found, 3));
		fixture_reopen(fixture);
	}
}

static void retiring_leaves_the_others(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_as("a", "a"), before;

	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_int_equal(add(fixture, &peer, "one", 0x11), KW_OK);
	assert_int_equal(add(fixture, &peer, "two", 0x22), KW_OK);
	assert_int_equal(add(fixture, &peer, "three", 0x33), KW_OK);
	before = peer;
	assert_int_equal(ks_peer_retire_kek(&peer, "four", true), KW_E_NOT_FOUND);
	assert_int_equal(ks_peer_retire_kek(&peer, "", true), KW_E_NOT_FOUND);
	assert_int_equal(ks_peer_retire_kek(&peer, "three", false), KW_E_BUSY);
	assert_memory_equal(&peer, &before, sizeof(peer));
	assert_int_equal(ks_peer_retire_kek(&peer, "two", false), KW_OK);
	assert_null(ks_peer_kek(&peer, 2));
	assert_int_equal(peer.kek_current, 3);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_true(wraps(fixture, ks_peer_by_id(fixture->store, peer.id), 1, 0x11));
	assert_true(wraps(fixture, ks_peer_by_id(fixture->store, peer.id), 3, 0x33));
	/* By force also the current one: then none is, and nothing goes in the clear. */
	assert_int_equal(ks_peer_retire_kek(&peer, "three", true), KW_OK);
	assert_int_equal(peer.kek_current, 0);
	assert_true(peer.wraps);
	assert_true(wraps(fixture, &peer, 1, 0x11));
	assert_int_equal(ks_peer_retire_kek(&peer, "one", false), KW_OK);
	assert_int_equal(peer.kek_count, 0);
	assert_true(peer.wraps);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	fixture_reopen(fixture);
	assert_memory_equal(ks_peer_by_id(fixture->store, peer.id), &peer, sizeof(peer));
	assert_int_equal(add(fixture, &peer, "four", 0x44), KW_OK);
	assert_int_equal(peer.kek_current, 4);
	assert_true(wraps(fixture, &peer, 4, 0x44));
}

static void a_label_may_come_again_but_no_generation(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_as("a", "a"), old;

	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_int_equal(add(fixture, &peer, "one", 0x11), KW_OK);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	old = peer;
	assert_int_equal(add(fixture, &peer, "one", 0x22), KW_E_EXISTS);
	assert_memory_equal(&peer, &old, sizeof(peer));
	assert_int_equal(ks_peer_retire_kek(&peer, "one", true), KW_OK);
	assert_int_equal(add(fixture, &peer, "one", 0x22), KW_OK);
	assert_int_equal(peer.kek_current, 2);
	assert_null(ks_peer_kek(&peer, 1));
	assert_true(wraps(fixture, &peer, 2, 0x22));
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	/* A peer as it was earlier would give generation 2 another time. */
	assert_int_equal(peer_put(fixture, &old), KW_E_INVALID);
	ks_peer_clear_keks(&peer);
	assert_int_equal(peer.kek_count, 0);
	assert_int_equal(peer.kek_current, 0);
	assert_false(peer.wraps);
	assert_null(ks_peer_kek(&peer, 2));
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	fixture_reopen(fixture);
	peer = *ks_peer_by_id(fixture->store, peer.id);
	assert_false(peer.wraps);
	assert_int_equal(add(fixture, &peer, "one", 0x33), KW_OK);
	assert_int_equal(peer.kek_current, 3);
	assert_true(peer.wraps);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
}

static void there_is_an_end_to_both_numbers(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_as("a", "a"), before;

	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	peer.kek_last = UINT16_MAX - KS_KEKS_MAX;
	for (uint8_t i = 0; i < KS_KEKS_MAX; i++) {
		const char label[] = {(char)('a' + i), '\0'};

		assert_int_equal(add(fixture, &peer, label, i), KW_OK);
	}
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	before = peer;
	assert_int_equal(add(fixture, &peer, "z", 9), KW_E_TOO_LONG);
	assert_memory_equal(&peer, &before, sizeof(peer));
	for (uint8_t i = 0; i < KS_KEKS_MAX; i++) {
		assert_true(wraps(fixture, ks_peer_by_id(fixture->store, peer.id),
			(uint16_t)(UINT16_MAX - KS_KEKS_MAX + 1 + i), i));
	}
	assert_int_equal(peer.kek_current, UINT16_MAX);
	assert_int_equal(ks_peer_retire_kek(&peer, "a", false), KW_OK);
	assert_int_equal(add(fixture, &peer, "z", 9), KW_E_EXHAUSTED);
	ks_peer_clear_keks(&peer);
	before = peer;
	assert_int_equal(add(fixture, &peer, "z", 9), KW_E_EXHAUSTED);
	assert_memory_equal(&peer, &before, sizeof(peer));
}

static void assert_sealed(
	struct fixture *fixture, const struct ks_peer *peer, const struct ks_kek *kek)
{
	static const uint8_t zero[1][LW_WRAPPED_SIZE];
	const struct lw_key key = fixture_key(1);
	const struct lw_key *const keys[] = {&key};
	uint8_t out[1][LW_WRAPPED_SIZE];

	memset(out, 0xee, sizeof(out));
	assert_int_equal(ks_peer_wrap(fixture->store, peer, kek, keys, 1, out), KW_E_SEAL);
	assert_memory_equal(out, zero, sizeof(out));
}

static void a_moved_kek_does_not_open(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_as("a", "a"), other = peer_as("b", "b");

	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_int_equal(peer_put(fixture, &other), KW_OK);
	for (uint8_t i = 0; i < 3; i++) {
		const char label[] = {(char)('a' + i), '\0'};

		assert_int_equal(add(fixture, &peer, label, i), KW_OK);
	}
	for (size_t i = 0; i < 3; i++) {
		struct ks_kek moved;

		assert_true(wraps(fixture, &peer, (uint16_t)(i + 1), (uint8_t)i));
		assert_sealed(fixture, &other, &peer.keks[i]);
		for (size_t j = 0; j < 3; j++) {
			moved = peer.keks[i];
			moved.generation = peer.keks[j].generation;
			if (i != j) {
				assert_sealed(fixture, &peer, &moved);
				moved = peer.keks[i];
				memcpy(moved.label, peer.keks[j].label, sizeof(moved.label));
				assert_sealed(fixture, &peer, &moved);
			}
		}
		moved = peer.keks[i];
		strcpy(moved.label, "aa");
		assert_sealed(fixture, &peer, &moved);
		moved = peer.keks[i];
		moved.sealed.octets[20] ^= 1;
		assert_sealed(fixture, &peer, &moved);
		moved = peer.keks[i];
		moved.sealed.length--;
		assert_sealed(fixture, &peer, &moved);
		moved.sealed.length = 0;
		assert_sealed(fixture, &peer, &moved);
		moved.sealed.length = KS_SEALED_MAX;
		assert_sealed(fixture, &peer, &moved);
	}
}

static void labels_are_checked(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_as("a", "a");
	char label[KS_LABEL_SIZE + 1] = {0};

	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_int_equal(add(fixture, &peer, "", 1), KW_E_INVALID);
	assert_int_equal(add(fixture, &peer, "a\tb", 1), KW_E_INVALID);
	assert_int_equal(add(fixture, &peer, "ä", 1), KW_E_INVALID);
	assert_int_equal(add(fixture, &peer, "\x7f", 1), KW_E_INVALID);
	memset(label, 'x', KS_LABEL_SIZE);
	assert_int_equal(add(fixture, &peer, label, 1), KW_E_INVALID);
	label[KS_LABEL_SIZE - 1] = '\0';
	assert_int_equal(add(fixture, &peer, label, 1), KW_OK);
	label[KS_LABEL_SIZE - 2] = '\0';
	assert_int_equal(add(fixture, &peer, label, 2), KW_OK);
	assert_int_equal(add(fixture, &peer, " ~", 3), KW_OK);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	assert_true(wraps(fixture, ks_peer_by_id(fixture->store, peer.id), 1, 1));
	assert_true(wraps(fixture, ks_peer_by_id(fixture->store, peer.id), 2, 2));
}

static void without_randomness_nothing_changes(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_as("a", "a"), before;

	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	before = peer;
	fixture->at_last = RANDOM_FAILS;
	fixture->random_last = fixture->random_calls + 1;
	assert_int_not_equal(add(fixture, &peer, "one", 1), KW_OK);
	assert_memory_equal(&peer, &before, sizeof(peer));
	assert_int_equal(add(fixture, &peer, "one", 1), KW_OK);
	assert_int_equal(peer.kek_current, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			wraps_keys_under_keks_of_each_length, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			the_newest_is_current, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			retiring_leaves_the_others, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_label_may_come_again_but_no_generation, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			there_is_an_end_to_both_numbers, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			a_moved_kek_does_not_open, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(labels_are_checked, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			without_randomness_nothing_changes, fixture_store, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
