#include "tests/keystore/store_fixture.h"

#include "keystore/encode.h"
#include "keystore/internal.h"

static struct ks_peer ns(const char *name)
{
	struct ks_peer peer = {.kind = KS_PEER_NS, .net_id_count = 1};

	strcpy(peer.name, name);
	return peer;
}

static struct ks_peer as(const char *name, const char *as_id)
{
	struct ks_peer peer = {.kind = KS_PEER_AS};

	strcpy(peer.name, name);
	strcpy(peer.as_id, as_id);
	return peer;
}

static struct ks_peer full_peer(void)
{
	struct ks_peer peer = ns("network");

	peer.net_id_count = KS_NET_IDS_MAX;
	memset(peer.net_ids, 0x60, sizeof(peer.net_ids));
	peer.has_ns_id = true;
	memset(&peer.ns_id, 5, sizeof(peer.ns_id));
	peer.delivery = KS_DELIVERY_WRAPPED;
	peer.any_device = true;
	peer.range_count = KS_RANGES_MAX;
	for (size_t i = 0; i < KS_RANGES_MAX; i++) {
		memset(&peer.ranges[i].first, (int)i, LW_EUI_SIZE);
		memset(&peer.ranges[i].last, (int)(2 * i), LW_EUI_SIZE);
	}
	return peer;
}

static enum kw_err put(struct fixture *fixture, struct ks_peer *peer)
{
	struct ks_txn *txn = fixture_begin(fixture);
	const enum kw_err err = ks_peer_put(txn, peer);

	if (err != KW_OK) {
		ks_txn_abort(txn);
		return err;
	}
	return ks_txn_commit(txn);
}

static void reads_back_what_was_put(void **state)
{
	struct fixture *fixture = *state;
	struct ks_store *store = fixture->store;
	uint8_t digest[KS_DIGEST_SIZE] = {1}, kek[16] = {2};
	struct ks_peer peer = full_peer();
	const struct ks_peer *found;
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(ks_peer_set_kek(store, &peer, "label", kek, 16), KW_E_INVALID);
	assert_int_equal(ks_peer_set_token(store, &peer, digest), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_int_equal(peer.id, 1);
	assert_int_equal(ks_peer_set_kek(store, &peer, "label", kek, 16), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_null(ks_peer_by_name(store, KS_PEER_NS, "network"));
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	for (int i = 0; i < 2; i++) {
		store = fixture->store;
		found = ks_peer_by_name(store, KS_PEER_NS, "network");
		assert_non_null(found);
		assert_memory_equal(found, &peer, sizeof(peer));
		assert_ptr_equal(ks_peer_by_id(store, 1), found);
		assert_ptr_equal(ks_peer_by_token(store, digest), found);
		assert_ptr_equal(ks_peer_by_token(store, digest), found);
		assert_ptr_equal(ks_peer_at(store, KS_PEER_NS, 0), found);
		assert_null(ks_peer_at(store, KS_PEER_NS, 1));
		assert_null(ks_peer_at(store, KS_PEER_AS, 0));
		assert_null(ks_peer_by_name(store, KS_PEER_AS, "network"));
		assert_null(ks_peer_by_id(store, 0));
		assert_null(ks_peer_by_id(store, 2));
		fixture_reopen(fixture);
	}
}

static void names_as_ids_and_tokens_are_unique(void **state)
{
	struct fixture *fixture = *state;
	const uint8_t digest[KS_DIGEST_SIZE] = {7};
	struct ks_peer first = ns("a"), same = ns("a"), other = as("a", "as-1"),
		       twin = as("b", "as-1"), thief = ns("c");
	struct ks_txn *txn;

	assert_int_equal(ks_peer_set_token(fixture->store, &first, digest), KW_OK);
	assert_int_equal(put(fixture, &first), KW_OK);
	assert_int_equal(put(fixture, &same), KW_E_EXISTS);
	assert_int_equal(same.id, 0);
	assert_int_equal(put(fixture, &other), KW_OK);
	assert_int_equal(put(fixture, &twin), KW_E_EXISTS);
	assert_int_equal(ks_peer_set_token(fixture->store, &thief, digest), KW_OK);
	assert_int_equal(put(fixture, &thief), KW_E_EXISTS);
	/* Also inside one transaction, before the table in memory has followed. */
	txn = fixture_begin(fixture);
	thief = ns("d");
	same = ns("d");
	assert_int_equal(ks_peer_put(txn, &thief), KW_OK);
	assert_int_equal(ks_peer_put(txn, &same), KW_E_EXISTS);
	ks_txn_abort(txn);
	/* Replacing a peer by itself is no collision; taking another's name is. */
	first.any_device = true;
	assert_int_equal(put(fixture, &first), KW_OK);
	same = ns("e");
	assert_int_equal(put(fixture, &same), KW_OK);
	strcpy(same.name, "a");
	assert_int_equal(put(fixture, &same), KW_E_EXISTS);
	assert_non_null(ks_peer_by_name(fixture->store, KS_PEER_NS, "e"));
	assert_ptr_equal(ks_peer_by_as_id(fixture->store, "as-1"),
		ks_peer_by_name(fixture->store, KS_PEER_AS, "a"));
	assert_null(ks_peer_by_as_id(fixture->store, "as-2"));
	assert_null(ks_peer_by_as_id(fixture->store, ""));
}

static void an_id_is_never_used_again(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = ns("a");
	uint32_t last = 0;

	for (int i = 0; i < 5; i++) {
		struct ks_txn *txn;

		peer.id = 0;
		assert_int_equal(put(fixture, &peer), KW_OK);
		assert_true(peer.id > last);
		last = peer.id;
		txn = fixture_begin(fixture);
		assert_int_equal(ks_peer_remove(txn, last), KW_OK);
		assert_int_equal(ks_txn_commit(txn), KW_OK);
		assert_null(ks_peer_by_id(fixture->store, last));
		assert_int_equal(put(fixture, &peer), KW_E_NOT_FOUND);
		fixture_reopen(fixture);
		txn = fixture_begin(fixture);
		assert_int_equal(ks_peer_remove(txn, last), KW_E_NOT_FOUND);
		ks_txn_abort(txn);
	}
}

static void replacing_keeps_id_kind_and_age(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = ns("a");
	struct ks_peer changed;

	assert_int_equal(put(fixture, &peer), KW_OK);
	changed = as("a", "x");
	changed.id = peer.id;
	assert_int_equal(put(fixture, &changed), KW_E_INVALID);
	fixture->now_ms += 1000;
	changed = ns("b");
	changed.id = peer.id;
	assert_int_equal(put(fixture, &changed), KW_OK);
	assert_int_equal(changed.created_ms, peer.created_ms);
	assert_int_equal(changed.changed_ms, peer.created_ms + 1000);
	assert_null(ks_peer_by_name(fixture->store, KS_PEER_NS, "a"));
	assert_int_equal(ks_peer_by_name(fixture->store, KS_PEER_NS, "b")->id, peer.id);
}

static void names_come_in_order(void **state)
{
	static const char *const names[] = {"m", "c", "x", "a", "k"};
	struct fixture *fixture = *state;
	const struct ks_peer *peer;
	char last[KS_NAME_SIZE] = "";
	size_t n;

	for (size_t i = 0; i < 5; i++) {
		struct ks_peer network = ns(names[i]), application = as(names[i], names[i]);

		assert_int_equal(put(fixture, &network), KW_OK);
		assert_int_equal(put(fixture, &application), KW_OK);
	}
	for (n = 0; (peer = ks_peer_at(fixture->store, KS_PEER_AS, n)) != NULL; n++) {
		assert_true(strcmp(peer->name, last) > 0);
		assert_int_equal(peer->kind, KS_PEER_AS);
		strcpy(last, peer->name);
	}
	assert_int_equal(n, 5);
	assert_string_equal(ks_peer_at(fixture->store, KS_PEER_NS, 4)->name, "x");
	assert_null(ks_peer_at(fixture->store, KS_PEER_NS, 5));
	assert_null(ks_peer_at(fixture->store, KS_PEER_NS, SIZE_MAX));
}

static void tokens_are_told_apart(void **state)
{
	struct fixture *fixture = *state;
	uint8_t digest[KS_DIGEST_SIZE] = {0};
	struct ks_txn *txn;

	for (uint8_t i = 0; i < 20; i++) {
		char name[] = "network a";
		struct ks_peer peer;

		name[8] = (char)(name[8] + i);
		peer = ns(name);
		digest[31] = i;
		if (i % 2 == 0) {
			assert_int_equal(ks_peer_set_token(fixture->store, &peer, digest), KW_OK);
		}
		assert_int_equal(put(fixture, &peer), KW_OK);
	}
	for (uint8_t i = 0; i < 20; i++) {
		const struct ks_peer *peer;

		digest[31] = i;
		peer = ks_peer_by_token(fixture->store, digest);
		assert_true((peer != NULL) == (i % 2 == 0));
		assert_true(peer == NULL || peer->name[8] == 'a' + i);
	}
	for (size_t bit = 0; bit < 256; bit++) {
		memset(digest, 0, sizeof(digest));
		assert_non_null(ks_peer_by_token(fixture->store, digest));
		digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(ks_peer_by_token(fixture->store, digest) == NULL || digest[31] != 0);
	}
	/* A removed peer is not remembered by its token. */
	memset(digest, 0, sizeof(digest));
	txn = fixture_begin(fixture);
	assert_int_equal(ks_peer_remove(txn, ks_peer_by_token(fixture->store, digest)->id), KW_OK);
	assert_non_null(ks_peer_by_token(fixture->store, digest));
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_null(ks_peer_by_token(fixture->store, digest));
}

static void wraps_under_the_kek(void **state)
{
	struct fixture *fixture = *state;
	struct ks_store *store = fixture->store;
	struct ks_peer peer = as("a", "a"), other = as("b", "b"), mixed;
	const struct lw_key one = fixture_key(1), two = fixture_key(2);
	const struct lw_key *const keys[] = {&one, &two};
	static const uint8_t zero[2][LW_WRAPPED_SIZE];
	uint8_t out[2][LW_WRAPPED_SIZE], back[16], kek[40];

	memset(kek, 0x4b, sizeof(kek));
	memset(out, 0xee, sizeof(out));
	assert_int_equal(put(fixture, &peer), KW_OK);
	assert_int_equal(put(fixture, &other), KW_OK);
	assert_int_equal(ks_peer_wrap(store, &peer, keys, 2, out), KW_E_NO_KEK);
	assert_memory_equal(out, zero, sizeof(out));
	for (size_t length = 0; length <= sizeof(kek); length++) {
		const bool good = length == 16 || length == 24 || length == 32;

		assert_int_equal(ks_peer_set_kek(store, &peer, "l", kek, length),
			good ? KW_OK : KW_E_LENGTH);
		if (!good) {
			continue;
		}
		assert_int_equal(put(fixture, &peer), KW_OK);
		assert_int_equal(
			ks_peer_wrap(store, ks_peer_by_id(store, peer.id), keys, 2, out), KW_OK);
		assert_int_equal(
			lw_unwrap(store->aes, kek, length, out[1], LW_WRAPPED_SIZE, back), KW_OK);
		assert_memory_equal(back, &two, sizeof(back));
	}
	mixed = other;
	mixed.kek = peer.kek;
	strcpy(mixed.kek_label, "l");
	assert_int_equal(ks_peer_wrap(store, &mixed, keys, 2, out), KW_E_SEAL);
	assert_memory_equal(out, zero, sizeof(out));
	mixed = peer;
	strcpy(mixed.kek_label, "m");
	assert_int_equal(ks_peer_wrap(store, &mixed, keys, 2, out), KW_E_SEAL);
}

static void labels_are_checked(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = as("a", "a");
	const uint8_t kek[16] = {1};
	char label[KS_LABEL_SIZE + 1] = {0};

	assert_int_equal(put(fixture, &peer), KW_OK);
	assert_int_equal(ks_peer_set_kek(fixture->store, &peer, "", kek, 16), KW_E_INVALID);
	assert_int_equal(ks_peer_set_kek(fixture->store, &peer, "a\tb", kek, 16), KW_E_INVALID);
	assert_int_equal(ks_peer_set_kek(fixture->store, &peer, "ä", kek, 16), KW_E_INVALID);
	memset(label, 'x', KS_LABEL_SIZE);
	assert_int_equal(ks_peer_set_kek(fixture->store, &peer, label, kek, 16), KW_E_INVALID);
	label[KS_LABEL_SIZE - 1] = '\0';
	assert_int_equal(ks_peer_set_kek(fixture->store, &peer, label, kek, 16), KW_OK);
	assert_int_equal(put(fixture, &peer), KW_OK);
}

static void refuses_what_is_out_of_range(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer;

	peer = ns("");
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = ns("a\nb");
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = as("a", "");
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = ns("a");
	peer.kind = (enum ks_peer_kind)3;
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = ns("a");
	peer.net_id_count = KS_NET_IDS_MAX + 1;
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = ns("a");
	peer.range_count = KS_RANGES_MAX + 1;
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = full_peer();
	memset(&peer.ranges[3].last, 0, LW_EUI_SIZE);
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = ns("a");
	peer.delivery = (enum ks_delivery)5;
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = ns("a");
	strcpy(peer.kek_label, "label without a key");
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
	peer = ns("a");
	peer.kek.length = 48;
	assert_int_equal(put(fixture, &peer), KW_E_INVALID);
}

static void damaged_records_are_refused(void **state)
{
	struct ks_peer peer = full_peer();
	struct ks_peer read;
	uint8_t record[KS_PEER_RECORD_MAX + 1] = {0};
	size_t length;

	(void)state;
	strcpy(peer.kek_label, "label");
	peer.kek.length = 64;
	peer.has_token = true;
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_OK);
	for (size_t i = 0; i < length; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			record[i] ^= (uint8_t)flip;
			assert_int_equal(ks_peer_decode(record, length, &read), KW_E_STORE_DAMAGED);
			record[i] ^= (uint8_t)flip;
		}
	}
	for (size_t i = 0; i <= length + 1; i++) {
		assert_int_equal(
			ks_peer_decode(record, i, &read), i == length ? KW_OK : KW_E_STORE_DAMAGED);
	}
}

static void the_longest_record_fits(void **state)
{
	struct ks_peer peer = full_peer();
	struct ks_device device = fixture_device(1, LW_VERSION_1_1);
	uint8_t record[KS_PEER_RECORD_MAX];
	uint8_t other[KS_DEVICE_RECORD_MAX];
	size_t length;

	(void)state;
	memset(peer.name, 'x', sizeof(peer.name) - 1);
	memset(peer.kek_label, 'x', sizeof(peer.kek_label) - 1);
	peer.kind = KS_PEER_AS;
	memset(peer.as_id, 'x', sizeof(peer.as_id) - 1);
	peer.kek.length = 64;
	peer.has_token = true;
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_OK);
	device.policy.net_id_count = KS_NET_IDS_MAX;
	device.policy.roaming_count = KS_NET_IDS_MAX;
	device.policy.has_ns_id = true;
	memset(device.policy.name, 'x', sizeof(device.policy.name) - 1);
	memset(device.policy.as_id, 'x', sizeof(device.policy.as_id) - 1);
	device.app_key.length = 48;
	device.nwk_key.length = 48;
	assert_int_equal(ks_device_encode(&device, other, &length), KW_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			reads_back_what_was_put, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			names_as_ids_and_tokens_are_unique, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			an_id_is_never_used_again, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			replacing_keeps_id_kind_and_age, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(names_come_in_order, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			tokens_are_told_apart, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(wraps_under_the_kek, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(labels_are_checked, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			refuses_what_is_out_of_range, fixture_store, fixture_remove),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(the_longest_record_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
