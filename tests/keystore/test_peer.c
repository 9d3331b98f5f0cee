#include "tests/keystore/peer_fixture.h"

#include "keystore/encode.h"
#include "keystore/internal.h"

static struct ks_peer full_peer(void)
{
	struct ks_peer peer = peer_ns("network");

	peer.net_id_count = KS_NET_IDS_MAX;
	memset(peer.net_ids, 0x60, sizeof(peer.net_ids));
	peer.has_ns_id = true;
	memset(&peer.ns_id, 5, sizeof(peer.ns_id));
	peer.delivery = KS_DELIVERY_WRAPPED;
	peer.any_device = true;
	peer.clear = true;
	strcpy(peer.answer_url, "https://ns.example/answers");
	peer.range_count = KS_RANGES_MAX;
	for (size_t i = 0; i < KS_RANGES_MAX; i++) {
		memset(&peer.ranges[i].first, (int)i, LW_EUI_SIZE);
		memset(&peer.ranges[i].last, (int)(2 * i), LW_EUI_SIZE);
	}
	return peer;
}

static enum kw_err add_token(
	struct ks_store *store, struct ks_peer *peer, const uint8_t digest[KS_DIGEST_SIZE])
{
	return ks_peer_add_credential(store, peer, KS_CREDENTIAL_TOKEN, digest, "", 0);
}

static void reads_back_what_was_put(void **state)
{
	struct fixture *fixture = *state;
	struct ks_store *store = fixture->store;
	uint8_t digest[KS_DIGEST_SIZE] = {1}, kek[16] = {2};
	struct ks_peer peer = full_peer();
	const struct ks_peer *found;
	struct ks_txn *txn = fixture_begin(fixture);

	assert_int_equal(ks_peer_add_kek(store, &peer, "label", kek, 16), KW_E_INVALID);
	assert_int_equal(add_token(store, &peer, digest), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_int_equal(peer.id, 1);
	assert_int_equal(ks_peer_add_kek(store, &peer, "label", kek, 16), KW_OK);
	assert_int_equal(ks_peer_put(txn, &peer), KW_OK);
	assert_null(ks_peer_by_name(store, KS_PEER_NS, "network"));
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	for (int i = 0; i < 2; i++) {
		store = fixture->store;
		found = ks_peer_by_name(store, KS_PEER_NS, "network");
		assert_non_null(found);
		assert_memory_equal(found, &peer, sizeof(peer));
		assert_ptr_equal(ks_peer_by_id(store, 1), found);
		assert_ptr_equal(ks_peer_by_credential(store, KS_CREDENTIAL_TOKEN, digest), found);
		assert_ptr_equal(ks_peer_by_credential(store, KS_CREDENTIAL_TOKEN, digest), found);
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
	struct ks_peer first = peer_ns("a"), same = peer_ns("a"), other = peer_as("a", "as-1"),
		       twin = peer_as("b", "as-1"), thief = peer_ns("c");
	struct ks_txn *txn;

	assert_int_equal(add_token(fixture->store, &first, digest), KW_OK);
	assert_int_equal(peer_put(fixture, &first), KW_OK);
	assert_int_equal(peer_put(fixture, &same), KW_E_EXISTS);
	assert_int_equal(same.id, 0);
	assert_int_equal(peer_put(fixture, &other), KW_OK);
	assert_int_equal(peer_put(fixture, &twin), KW_E_EXISTS);
	assert_int_equal(add_token(fixture->store, &thief, digest), KW_OK);
	assert_int_equal(peer_put(fixture, &thief), KW_E_EXISTS);
	/* Also inside one transaction, before the table in memory has followed. */
	txn = fixture_begin(fixture);
	thief = peer_ns("d");
	same = peer_ns("d");
	assert_int_equal(ks_peer_put(txn, &thief), KW_OK);
	assert_int_equal(ks_peer_put(txn, &same), KW_E_EXISTS);
	ks_txn_abort(txn);
	/* Replacing a peer by itself is no collision; taking another's name is. */
	first.any_device = true;
	assert_int_equal(peer_put(fixture, &first), KW_OK);
	same = peer_ns("e");
	assert_int_equal(peer_put(fixture, &same), KW_OK);
	strcpy(same.name, "a");
	assert_int_equal(peer_put(fixture, &same), KW_E_EXISTS);
	assert_non_null(ks_peer_by_name(fixture->store, KS_PEER_NS, "e"));
	assert_ptr_equal(ks_peer_by_as_id(fixture->store, "as-1"),
		ks_peer_by_name(fixture->store, KS_PEER_AS, "a"));
	assert_null(ks_peer_by_as_id(fixture->store, "as-2"));
	assert_null(ks_peer_by_as_id(fixture->store, ""));
}

static void an_id_is_never_used_again(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_ns("a");
	uint32_t last = 0;

	for (int i = 0; i < 5; i++) {
		struct ks_txn *txn;

		peer.id = 0;
		assert_int_equal(peer_put(fixture, &peer), KW_OK);
		assert_true(peer.id > last);
		last = peer.id;
		txn = fixture_begin(fixture);
		assert_int_equal(ks_peer_remove(txn, last), KW_OK);
		assert_int_equal(ks_txn_commit(txn), KW_OK);
		assert_null(ks_peer_by_id(fixture->store, last));
		assert_int_equal(peer_put(fixture, &peer), KW_E_NOT_FOUND);
		fixture_reopen(fixture);
		txn = fixture_begin(fixture);
		assert_int_equal(ks_peer_remove(txn, last), KW_E_NOT_FOUND);
		ks_txn_abort(txn);
	}
}

static void replacing_keeps_id_kind_and_age(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer = peer_ns("a");
	struct ks_peer changed;

	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	changed = peer_as("a", "x");
	changed.id = peer.id;
	assert_int_equal(peer_put(fixture, &changed), KW_E_INVALID);
	fixture->now_ms += 1000;
	changed = peer_ns("b");
	changed.id = peer.id;
	assert_int_equal(peer_put(fixture, &changed), KW_OK);
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
		struct ks_peer network = peer_ns(names[i]),
			       application = peer_as(names[i], names[i]);

		assert_int_equal(peer_put(fixture, &network), KW_OK);
		assert_int_equal(peer_put(fixture, &application), KW_OK);
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
		peer = peer_ns(name);
		digest[31] = i;
		if (i % 2 == 0) {
			assert_int_equal(add_token(fixture->store, &peer, digest), KW_OK);
		}
		assert_int_equal(peer_put(fixture, &peer), KW_OK);
	}
	for (uint8_t i = 0; i < 20; i++) {
		const struct ks_peer *peer;

		digest[31] = i;
		peer = ks_peer_by_credential(fixture->store, KS_CREDENTIAL_TOKEN, digest);
		assert_true((peer != NULL) == (i % 2 == 0));
		assert_true(peer == NULL || peer->name[8] == 'a' + i);
	}
	for (size_t bit = 0; bit < 256; bit++) {
		memset(digest, 0, sizeof(digest));
		assert_non_null(ks_peer_by_credential(fixture->store, KS_CREDENTIAL_TOKEN, digest));
		digest[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(ks_peer_by_credential(fixture->store, KS_CREDENTIAL_TOKEN, digest) ==
				    NULL ||
			    digest[31] != 0);
	}
	/* A removed peer is not remembered by its token. */
	memset(digest, 0, sizeof(digest));
	txn = fixture_begin(fixture);
	assert_int_equal(
		ks_peer_remove(txn,
			ks_peer_by_credential(fixture->store, KS_CREDENTIAL_TOKEN, digest)->id),
		KW_OK);
	assert_non_null(ks_peer_by_credential(fixture->store, KS_CREDENTIAL_TOKEN, digest));
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	assert_null(ks_peer_by_credential(fixture->store, KS_CREDENTIAL_TOKEN, digest));
}

static void refuses_what_is_out_of_range(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer peer;

	peer = peer_ns("");
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = peer_ns("a\nb");
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = peer_as("a", "");
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = peer_ns("a");
	peer.kind = (enum ks_peer_kind)3;
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = peer_ns("a");
	peer.net_id_count = KS_NET_IDS_MAX + 1;
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = peer_ns("a");
	peer.range_count = KS_RANGES_MAX + 1;
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = full_peer();
	memset(&peer.ranges[3].last, 0, LW_EUI_SIZE);
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = peer_ns("a");
	peer.delivery = (enum ks_delivery)5;
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = peer_ns("a");
	strcpy(peer.answer_url, "https://a\r\nb");
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	peer = peer_ns("a");
	memset(peer.answer_url, 'x', sizeof(peer.answer_url));
	assert_int_equal(peer_put(fixture, &peer), KW_E_INVALID);
	assert_null(ks_peer_at(fixture->store, KS_PEER_NS, 0));
}

/* As many credentials and KEKs as a peer can have, each as long as can be. */
static void fill_up(struct ks_peer *peer)
{
	peer->credential_count = KS_CREDENTIALS_MAX;
	for (size_t i = 0; i < KS_CREDENTIALS_MAX; i++) {
		peer->credentials[i].kind = KS_CREDENTIAL_SUBJECT;
		memset(peer->credentials[i].mac, (int)i, KS_DIGEST_SIZE);
		memset(peer->credentials[i].shown, 'x', KS_SHOWN_SIZE - 1);
	}
	peer->wraps = true;
	peer->kek_count = KS_KEKS_MAX;
	peer->kek_current = UINT16_MAX;
	peer->kek_last = UINT16_MAX;
	for (size_t i = 0; i < KS_KEKS_MAX; i++) {
		peer->keks[i].generation = (uint16_t)(UINT16_MAX - KS_KEKS_MAX + 1 + i);
		memset(peer->keks[i].label, 'a' + (int)i, KS_LABEL_SIZE - 1);
		peer->keks[i].sealed.length = 64;
	}
}

static void assert_not_encoded(const struct ks_peer *peer)
{
	uint8_t record[KS_PEER_RECORD_MAX];
	size_t length = 1;

	assert_int_equal(ks_peer_encode(peer, record, &length), KW_E_INVALID);
	assert_int_equal(length, 0);
}

static void refuses_credentials_that_cannot_be(void **state)
{
	struct ks_peer full = peer_ns("a"), peer;

	(void)state;
	fill_up(&full);
	peer = full;
	peer.credential_count = KS_CREDENTIALS_MAX + 1;
	assert_not_encoded(&peer);
	peer = full;
	peer.credentials[3].kind = (enum ks_credential_kind)0;
	assert_not_encoded(&peer);
	peer.credentials[3].kind = (enum ks_credential_kind)5;
	assert_not_encoded(&peer);
	peer.credentials[3].kind = KS_CREDENTIAL_TOKEN;
	assert_not_encoded(&peer);
	peer.credentials[3].kind = KS_CREDENTIAL_HEADER;
	assert_not_encoded(&peer);
	peer = full;
	peer.credentials[7].shown[0] = '\n';
	assert_not_encoded(&peer);
	peer = full;
	peer.credentials[7].shown[KS_SHOWN_SIZE - 1] = 'x';
	assert_not_encoded(&peer);
}

static void refuses_keks_that_contradict_each_other(void **state)
{
	struct ks_peer full = peer_ns("a"), peer;

	(void)state;
	fill_up(&full);
	peer = full;
	peer.kek_count = KS_KEKS_MAX + 1;
	assert_not_encoded(&peer);
	peer = full;
	peer.keks[0].generation = 0;
	assert_not_encoded(&peer);
	peer = full;
	peer.keks[4].generation = peer.keks[3].generation;
	assert_not_encoded(&peer);
	peer = full;
	peer.kek_current = peer.kek_last = UINT16_MAX - 1;
	assert_not_encoded(&peer);
	peer = full;
	peer.kek_current = 1;
	assert_not_encoded(&peer);
	peer = full;
	peer.wraps = false;
	assert_not_encoded(&peer);
	peer = peer_ns("a");
	peer.wraps = true;
	assert_not_encoded(&peer);
	peer = full;
	memcpy(peer.keks[6].label, peer.keks[2].label, KS_LABEL_SIZE);
	assert_not_encoded(&peer);
	peer = full;
	peer.keks[0].label[0] = '\0';
	assert_not_encoded(&peer);
	peer = full;
	peer.keks[0].label[5] = (char)0xc4;
	assert_not_encoded(&peer);
	peer = full;
	peer.keks[0].label[KS_LABEL_SIZE - 1] = 'x';
	assert_not_encoded(&peer);
	peer = full;
	peer.keks[5].sealed.length = 63;
	assert_not_encoded(&peer);
	peer.keks[5].sealed.length = 0;
	assert_not_encoded(&peer);
}

/* One of each kind, so that every field of the record is there and it is not long. */
static struct ks_peer varied_peer(void)
{
	struct ks_peer peer = full_peer();

	peer.credential_count = 2;
	peer.credentials[0].kind = KS_CREDENTIAL_TOKEN;
	peer.credentials[1].kind = KS_CREDENTIAL_SUBJECT;
	peer.credentials[1].expires_s = 1800000000;
	strcpy(peer.credentials[1].shown, "CN=ns");
	peer.wraps = true;
	peer.kek_count = 2;
	peer.kek_last = 9;
	peer.kek_current = 7;
	peer.keks[0].generation = 3;
	strcpy(peer.keks[0].label, "old");
	peer.keks[0].sealed.length = 48;
	peer.keks[1].generation = 7;
	strcpy(peer.keks[1].label, "new");
	peer.keks[1].sealed.length = 64;
	return peer;
}

static void damaged_records_are_refused(void **state)
{
	const struct ks_peer peer = varied_peer();
	static const struct ks_peer none;
	struct ks_peer read;
	uint8_t record[KS_PEER_RECORD_MAX + 1] = {0};
	size_t length;

	(void)state;
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_OK);
	for (size_t i = 0; i < length; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			record[i] ^= (uint8_t)flip;
			assert_int_equal(ks_peer_decode(record, length, &read), KW_E_STORE_DAMAGED);
			record[i] ^= (uint8_t)flip;
		}
		assert_memory_equal(&read, &none, sizeof(read));
	}
	for (size_t i = 0; i <= length + 1; i++) {
		assert_int_equal(
			ks_peer_decode(record, i, &read), i == length ? KW_OK : KW_E_STORE_DAMAGED);
	}
}

/* A record of so many octets of a body, with a checksum that fits. */
static enum kw_err decode_body(const uint8_t *body, size_t length, struct ks_peer *read)
{
	uint8_t record[KS_PEER_RECORD_MAX + 1];
	struct kw_writer writer;

	kw_writer_init(&writer, record, sizeof(record));
	kw_write_octets(&writer, body, length);
	ks_record_end(&writer);
	return ks_peer_decode(record, writer.used, read);
}

static void a_right_checksum_is_not_enough(void **state)
{
	static const size_t flags_at = 18;
	const struct ks_peer peer = varied_peer();
	struct ks_peer read;
	uint8_t record[KS_PEER_RECORD_MAX] = {0};
	size_t body;

	(void)state;
	assert_int_equal(ks_peer_encode(&peer, record, &body), KW_OK);
	body -= KS_CHECKSUM_SIZE;
	for (size_t i = 0; i < body; i++) {
		assert_int_equal(decode_body(record, i, &read), KW_E_STORE_DAMAGED);
	}
	assert_int_equal(decode_body(record, body, &read), KW_OK);
	assert_memory_equal(&read, &peer, sizeof(peer));
	record[body] = 0;
	assert_int_equal(decode_body(record, body + 1, &read), KW_E_STORE_DAMAGED);
	for (unsigned version = 0; version < 256; version++) {
		record[0] = (uint8_t)version;
		assert_int_equal(decode_body(record, body, &read),
			version == 3 ? KW_OK : KW_E_STORE_DAMAGED);
	}
	record[0] = 3;
	for (unsigned flag = 4; flag < 256; flag *= 2) {
		if (flag != 8 && flag != 16) {
			record[flags_at] |= (uint8_t)flag;
			assert_int_equal(decode_body(record, body, &read), KW_E_STORE_DAMAGED);
			record[flags_at] &= (uint8_t)~flag;
		}
	}
	assert_int_equal(decode_body(record, body, &read), KW_OK);
}

static void the_longest_record_fits(void **state)
{
	struct ks_peer peer = full_peer(), read;
	struct ks_device device = fixture_device(1, LW_VERSION_1_1);
	uint8_t record[KS_PEER_RECORD_MAX];
	uint8_t other[KS_DEVICE_RECORD_MAX];
	size_t length;

	(void)state;
	memset(peer.name, 'x', sizeof(peer.name) - 1);
	peer.kind = KS_PEER_AS;
	memset(peer.as_id, 'x', sizeof(peer.as_id) - 1);
	memset(peer.answer_url, 'x', sizeof(peer.answer_url) - 1);
	fill_up(&peer);
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_OK);
	assert_int_equal(ks_peer_decode(record, length, &read), KW_OK);
	assert_memory_equal(&read, &peer, sizeof(peer));
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
		cmocka_unit_test_setup_teardown(
			refuses_what_is_out_of_range, fixture_store, fixture_remove),
		cmocka_unit_test(refuses_credentials_that_cannot_be),
		cmocka_unit_test(refuses_keks_that_contradict_each_other),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(a_right_checksum_is_not_enough),
		cmocka_unit_test(the_longest_record_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
