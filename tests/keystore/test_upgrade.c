#include "tests/keystore/peer_fixture.h"

#include "keystore/encode.h"
#include "keystore/internal.h"
#include "keystore/upgrade.h"

#define CREATED_MS 1690000000000u
#define CHANGED_MS 1695000000000u

static const uint8_t digest[KS_DIGEST_SIZE] = {0x70, 0x6b};
static const uint8_t key_of_first[] = {0, 0, 0, 1};

/* What the last part of a record of format 1 tells. */
struct old {
	bool has_token;
	uint8_t token_mac[KS_DIGEST_SIZE];
	const char *label;
	struct ks_sealed kek;
};

/* The record of a peer in format 1, from docs/store-format.md. */
static size_t write_old(const struct old *old, uint8_t *out, size_t size)
{
	struct kw_writer writer;

	kw_writer_init(&writer, out, size);
	kw_write_u8(&writer, 1); /* version */
	kw_write_u8(&writer, 2); /* application server */
	kw_write_u64(&writer, CREATED_MS);
	kw_write_u64(&writer, CHANGED_MS);
	kw_write_u8(&writer, old->has_token ? 1 | 2 | 4 : 1 | 2);
	kw_write_u8(&writer, 3); /* wrapped */
	kw_write_string(&writer, "application");
	kw_write_string(&writer, "as-1");
	kw_write_u8(&writer, 1);
	kw_write_u24(&writer, 0x600013);
	kw_write_u64(&writer, 0x70b3d57ed0000001u);
	kw_write_u8(&writer, 1);
	kw_write_u64(&writer, 0x70b3d57ed0000000u);
	kw_write_u64(&writer, 0x70b3d57ed0ffffffu);
	if (old->has_token) {
		kw_write_octets(&writer, old->token_mac, sizeof(old->token_mac));
	}
	kw_write_string(&writer, old->label);
	kw_write_u8(&writer, old->kek.length);
	kw_write_octets(&writer, old->kek.octets, old->kek.length);
	ks_record_end(&writer);
	assert_int_equal(kw_writer_end(&writer), KW_OK);
	return writer.used;
}

static void assert_common(const struct ks_peer *peer)
{
	assert_int_equal(peer->kind, KS_PEER_AS);
	assert_true(peer->created_ms == CREATED_MS);
	assert_true(peer->any_device);
	assert_int_equal(peer->delivery, KS_DELIVERY_WRAPPED);
	assert_string_equal(peer->name, "application");
	assert_string_equal(peer->as_id, "as-1");
	assert_int_equal(peer->net_id_count, 1);
	assert_int_equal(peer->net_ids[0].octets[2], 0x13);
	assert_true(peer->has_ns_id);
	assert_int_equal(peer->ns_id.octets[7], 1);
	assert_int_equal(peer->range_count, 1);
	assert_int_equal(peer->ranges[0].last.octets[7], 0xff);
	assert_false(peer->clear);
	assert_string_equal(peer->answer_url, "");
}

static void an_old_record_says_what_it_said(void **state)
{
	struct old old = {.has_token = true, .token_mac = {1, 2, 3}, .label = "2023"};
	uint8_t record[512];
	struct ks_peer peer;

	(void)state;
	old.kek.length = 64;
	memset(old.kek.octets, 0x5a, 64);
	assert_int_equal(
		ks_peer_decode(record, write_old(&old, record, sizeof(record)), &peer), KW_OK);
	assert_common(&peer);
	assert_true(peer.changed_ms == CHANGED_MS);
	assert_int_equal(peer.credential_count, 1);
	assert_int_equal(peer.credentials[0].kind, KS_CREDENTIAL_TOKEN);
	assert_memory_equal(peer.credentials[0].mac, old.token_mac, KS_DIGEST_SIZE);
	assert_int_equal(peer.credentials[0].expires_s, 0);
	assert_string_equal(peer.credentials[0].shown, "");
	assert_true(peer.wraps);
	assert_int_equal(peer.kek_count, 1);
	assert_int_equal(peer.kek_current, 1);
	assert_int_equal(peer.kek_last, 1);
	assert_int_equal(peer.keks[0].generation, 1);
	assert_true(peer.keks[0].created_ms == CHANGED_MS);
	assert_string_equal(peer.keks[0].label, "2023");
	assert_memory_equal(&peer.keks[0].sealed, &old.kek, sizeof(old.kek));

	old = (struct old){.label = ""};
	assert_int_equal(
		ks_peer_decode(record, write_old(&old, record, sizeof(record)), &peer), KW_OK);
	assert_common(&peer);
	assert_int_equal(peer.credential_count, 0);
	assert_int_equal(peer.kek_count, 0);
	assert_int_equal(peer.kek_current, 0);
	assert_int_equal(peer.kek_last, 0);
	assert_false(peer.wraps);
}

/* Version 2 ended with the KEKs. */
static void a_record_of_version_2_has_no_rate(void **state)
{
	struct old old = {.has_token = true, .label = ""};
	uint8_t record[KS_PEER_RECORD_MAX], cut[KS_PEER_RECORD_MAX];
	struct ks_peer peer, again;
	struct kw_writer writer;
	size_t length;

	(void)state;
	assert_int_equal(
		ks_peer_decode(record, write_old(&old, record, sizeof(record)), &peer), KW_OK);
	peer.rate = 500;
	peer.burst = 7;
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_OK);
	assert_int_equal(record[0], 3);
	assert_int_equal(ks_peer_decode(record, length, &again), KW_OK);
	assert_int_equal(again.rate, 500);
	assert_int_equal(again.burst, 7);
	kw_writer_init(&writer, cut, sizeof(cut));
	kw_write_u8(&writer, 2);
	kw_write_octets(&writer, record + 1, length - 1 - 8 - KS_CHECKSUM_SIZE);
	ks_record_end(&writer);
	assert_int_equal(ks_peer_decode(cut, writer.used, &again), KW_OK);
	assert_common(&again);
	assert_int_equal(again.credential_count, 1);
	assert_int_equal(again.rate, 0);
	assert_int_equal(again.burst, 0);
	/* A rate without a burst, and the other way round, or beyond what there is. */
	peer.burst = 0;
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_E_INVALID);
	peer.burst = KS_RATE_MAX + 1;
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_E_INVALID);
	peer.burst = 1;
	peer.rate = 0;
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_E_INVALID);
	peer.rate = KS_RATE_MAX + 1;
	assert_int_equal(ks_peer_encode(&peer, record, &length), KW_E_INVALID);
}

static void an_old_record_is_checked_too(void **state)
{
	static const size_t flags_at = 18;
	struct old old = {.has_token = true, .label = "2023", .kek = {.length = 48}};
	uint8_t record[512], body[512];
	struct kw_writer writer;
	struct ks_peer peer;
	size_t length = write_old(&old, record, sizeof(record));

	(void)state;
	memcpy(body, record, sizeof(body));
	for (size_t i = 0; i < length; i++) {
		record[i] ^= 0x10;
		assert_int_equal(ks_peer_decode(record, length, &peer), KW_E_STORE_DAMAGED);
		record[i] ^= 0x10;
		assert_int_equal(ks_peer_decode(record, i, &peer), KW_E_STORE_DAMAGED);
	}
	for (size_t i = 0; i <= length - KS_CHECKSUM_SIZE; i++) {
		kw_writer_init(&writer, record, sizeof(record));
		kw_write_octets(&writer, body, i);
		ks_record_end(&writer);
		assert_int_equal(ks_peer_decode(record, writer.used, &peer),
			i == length - KS_CHECKSUM_SIZE ? KW_OK : KW_E_STORE_DAMAGED);
	}
	for (unsigned flag = 8; flag < 256; flag *= 2) {
		kw_writer_init(&writer, record, sizeof(record));
		kw_write_octets(&writer, body, length - KS_CHECKSUM_SIZE);
		record[flags_at] |= (uint8_t)flag;
		ks_record_end(&writer);
		assert_int_equal(ks_peer_decode(record, writer.used, &peer), KW_E_STORE_DAMAGED);
	}
	old.label = "";
	length = write_old(&old, record, sizeof(record));
	assert_int_equal(ks_peer_decode(record, length, &peer), KW_E_STORE_DAMAGED);
	old.label = "2023";
	old.kek.length = 0;
	length = write_old(&old, record, sizeof(record));
	assert_int_equal(ks_peer_decode(record, length, &peer), KW_E_STORE_DAMAGED);
}

/* A store of format 1 with one peer, which has a token and a KEK of sixteen times 0x4b. */
static void make_old_store(struct fixture *fixture)
{
	static const uint8_t bound[] = {0, 0, 0, 1, '2', '0', '2', '3'};
	const struct lw_key kek = fixture_key(0x4b);
	struct ks_sealer *sealer = fixture->store->sealer;
	struct old old = {.has_token = true, .label = "2023"};
	struct ks_txn *txn = fixture_begin(fixture);
	uint8_t record[512];
	size_t length;

	assert_int_equal(ks_sealer_hmac(sealer, digest, sizeof(digest), old.token_mac), KW_OK);
	assert_int_equal(ks_seal(sealer, KS_TAG_KEK, bound, sizeof(bound), kek.octets,
				 sizeof(kek.octets), &old.kek),
		KW_OK);
	length = write_old(&old, record, sizeof(record));
	assert_int_equal(ks_put(txn, fixture->store->tables.peer, key_of_first,
				 sizeof(key_of_first), record, length, 0),
		KW_OK);
	assert_int_equal(ks_meta_put_u32(txn, "next_peer", 2), KW_OK);
	assert_int_equal(ks_meta_put_u32(txn, KS_FORMAT_NAME, 1), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	fixture_close(fixture);
}

static uint32_t format_of(struct fixture *fixture)
{
	struct ks_txn *txn = fixture_begin(fixture);
	uint32_t format;

	assert_int_equal(ks_meta_get_u32(txn, KS_FORMAT_NAME, &format), KW_OK);
	ks_txn_abort(txn);
	return format;
}

static uint8_t version_of_record(struct fixture *fixture)
{
	struct ks_txn *txn = fixture_begin(fixture);
	const uint8_t *value;
	size_t length;
	uint8_t version;

	assert_int_equal(ks_get(txn, fixture->store->tables.peer, key_of_first,
				 sizeof(key_of_first), &value, &length),
		KW_OK);
	version = value[0];
	ks_txn_abort(txn);
	return version;
}

/* The peer works as before: found by its token, and its first KEK wraps. */
static const struct ks_peer *assert_works(struct fixture *fixture)
{
	const struct lw_key key = fixture_key(1), kek = fixture_key(0x4b);
	const struct lw_key *const keys[] = {&key};
	struct ks_store *store = fixture->store;
	const struct ks_peer *peer = ks_peer_by_credential(store, KS_CREDENTIAL_TOKEN, digest);
	uint8_t out[1][LW_WRAPPED_SIZE], want[LW_WRAPPED_SIZE];

	assert_non_null(peer);
	assert_int_equal(peer->id, 1);
	assert_common(peer);
	assert_null(ks_peer_by_credential(store, KS_CREDENTIAL_HEADER, digest));
	assert_non_null(ks_peer_kek(peer, 1));
	assert_int_equal(ks_peer_wrap(store, peer, ks_peer_kek(peer, 1), keys, 1, out), KW_OK);
	assert_int_equal(lw_wrap(store->aes, kek.octets, sizeof(kek.octets), key.octets,
				 sizeof(key.octets), want),
		KW_OK);
	assert_memory_equal(out[0], want, sizeof(want));
	return peer;
}

static void a_store_of_format_1_works_on(void **state)
{
	struct fixture *fixture = *state;
	const struct lw_key kek = fixture_key(0x4c);
	struct ks_store_figures figures;
	struct ks_peer peer;

	make_old_store(fixture);
	for (int round = 0; round < 2; round++) {
		fixture_open(fixture);
		ks_store_figures(fixture->store, &figures);
		assert_int_equal(figures.format, KS_FORMAT);
		assert_int_equal(format_of(fixture), KS_FORMAT);
		peer = *assert_works(fixture);
		assert_int_equal(peer.kek_current, 1);
		assert_int_equal(version_of_record(fixture), 1);
		fixture_close(fixture);
	}
	fixture_open(fixture);
	assert_int_equal(ks_peer_add_kek(fixture->store, &peer, "2024", kek.octets, 16), KW_OK);
	assert_int_equal(peer_put(fixture, &peer), KW_OK);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(version_of_record(fixture), 3);
		assert_memory_equal(assert_works(fixture), &peer, sizeof(peer));
		assert_int_equal(peer.kek_current, 2);
		assert_true(peer.keks[0].created_ms == CHANGED_MS);
		fixture_reopen(fixture);
	}
}

static void an_old_peer_keeps_its_token_to_itself(void **state)
{
	struct fixture *fixture = *state;
	struct ks_peer thief = peer_ns("thief");

	make_old_store(fixture);
	fixture_open(fixture);
	assert_int_equal(
		ks_peer_add_credential(fixture->store, &thief, KS_CREDENTIAL_TOKEN, digest, "", 0),
		KW_OK);
	assert_int_equal(peer_put(fixture, &thief), KW_E_EXISTS);
	assert_non_null(assert_works(fixture));
}

static enum kw_err add_two(struct ks_txn *txn)
{
	return ks_meta_put_u32(txn, "two", 2);
}

static enum kw_err add_three(struct ks_txn *txn)
{
	uint32_t two;

	return ks_meta_get_u32(txn, "two", &two) == KW_OK ? ks_meta_put_u32(txn, "three", 3)
							  : KW_E_STORE;
}

static enum kw_err run_out(struct ks_txn *txn)
{
	(void)txn;
	return KW_E_STORE_FULL;
}

static void upgrades_go_step_by_step(void **state)
{
	static const struct ks_upgrade steps[] = {
		{2, add_three}, {1, add_two}, {4, run_out}, {0, NULL}};
	struct fixture *fixture = *state;
	struct ks_txn *txn = fixture_begin(fixture);
	uint32_t value;

	assert_int_equal(ks_upgrade_run(txn, steps, 3, 3), KW_OK);
	assert_int_equal(ks_upgrade_run(txn, steps, 4, 3), KW_E_STORE_NEWER);
	assert_int_equal(ks_upgrade_run(txn, steps, 0, 3), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_upgrade_run(txn, steps, 1, 3), KW_OK);
	assert_int_equal(ks_meta_get_u32(txn, "three", &value), KW_OK);
	assert_int_equal(value, 3);
	assert_int_equal(ks_meta_get_u32(txn, KS_FORMAT_NAME, &value), KW_OK);
	assert_int_equal(value, 3);
	assert_int_equal(ks_upgrade_run(txn, steps, 3, 4), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_upgrade_run(txn, steps, 4, 5), KW_E_STORE_FULL);
	ks_txn_abort(txn);
	txn = fixture_begin(fixture);
	assert_int_equal(ks_meta_get_u32(txn, "three", &value), KW_E_NOT_FOUND);
	ks_txn_abort(txn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_old_record_says_what_it_said),
		cmocka_unit_test(a_record_of_version_2_has_no_rate),
		cmocka_unit_test(an_old_record_is_checked_too),
		cmocka_unit_test_setup_teardown(
			a_store_of_format_1_works_on, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			an_old_peer_keeps_its_token_to_itself, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			upgrades_go_step_by_step, fixture_store, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
