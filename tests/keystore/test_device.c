#include "tests/keystore/store_fixture.h"

#include "keystore/encode.h"
#include "keystore/internal.h"
#include "keystore/state.h"

static struct ks_policy full_policy(void)
{
	struct ks_policy policy = {
		.net_id_count = KS_NET_IDS_MAX,
		.roaming_count = 2,
		.has_ns_id = true,
		.ns_id = {{1, 2, 3, 4, 5, 6, 7, 8}},
		.delivery = KS_DELIVERY_FETCH,
		.blocked = true,
		.as_id = "as.example",
		.name = "Füllstand 7",
	};

	memset(policy.net_ids, 0x60, sizeof(policy.net_ids));
	policy.roaming[1] = (struct lw_net_id){{0, 0, 0x13}};
	return policy;
}

static struct ks_device get(struct ks_txn *txn, uint32_t n)
{
	const struct lw_device_id id = fixture_id(n);
	struct ks_device device;

	assert_int_equal(ks_device_get(txn, &id, &device), KW_OK);
	return device;
}

static void assert_no_device(struct ks_txn *txn, const struct lw_device_id *id)
{
	static const struct ks_device zero;
	struct ks_device device;

	memset(&device, 0xee, sizeof(device));
	assert_int_equal(ks_device_get(txn, id, &device), KW_E_NOT_FOUND);
	assert_memory_equal(&device, &zero, sizeof(zero));
	memset(&device, 0xee, sizeof(device));
	assert_int_equal(ks_device_find(txn, &id->dev_eui, &device), KW_E_NOT_FOUND);
	assert_memory_equal(&device, &zero, sizeof(zero));
}

static void reads_back_what_was_added(void **state)
{
	struct fixture *fixture = *state;
	struct ks_device added = fixture_device(1, LW_VERSION_1_1);
	struct ks_device device;
	struct ks_txn *txn = fixture_begin(fixture);
	struct lw_key app, nwk;

	memcpy(app.octets, "\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c", 16);
	memset(&nwk, 0, sizeof(nwk));
	added.policy = full_policy();
	assert_no_device(txn, &added.id);
	assert_int_equal(ks_device_add(txn, &added, &app, &nwk), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	fixture_reopen(fixture);
	txn = fixture_begin(fixture);
	device = get(txn, 1);
	assert_memory_equal(&device, &added, sizeof(device));
	assert_int_equal(device.created_ms, fixture->now_ms);
	assert_int_equal(device.changed_ms, fixture->now_ms);
	assert_memory_equal(device.app_key_kcv, "\x7a\xd3\x86", KS_KCV_SIZE);
	assert_memory_equal(device.nwk_key_kcv, "\x76\x3c\xbc", KS_KCV_SIZE);
	memset(&device, 0xee, sizeof(device));
	assert_int_equal(ks_device_find(txn, &added.id.dev_eui, &device), KW_OK);
	assert_memory_equal(&device, &added, sizeof(device));
	ks_txn_abort(txn);
}

static void one_device_per_dev_eui(void **state)
{
	struct ks_txn *txn = fixture_begin(*state);
	struct ks_device elsewhere = fixture_device(1, LW_VERSION_1_0_3);
	const struct lw_device_id first = fixture_id(1);
	const struct lw_key key = fixture_key(9);

	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_0_3, 1), KW_OK);
	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_0_3, 2), KW_E_EXISTS);
	elsewhere.id.join_eui.octets[7] = 1;
	assert_int_equal(ks_device_add(txn, &elsewhere, &key, NULL), KW_E_EXISTS);
	assert_no_device(txn, &(struct lw_device_id){.join_eui = elsewhere.id.join_eui});
	assert_int_equal(ks_device_remove(txn, &(struct lw_device_id){0}), KW_E_NOT_FOUND);
	assert_int_equal(ks_device_remove(txn, &first), KW_OK);
	assert_no_device(txn, &first);
	assert_int_equal(ks_device_remove(txn, &first), KW_E_NOT_FOUND);
	assert_int_equal(ks_device_add(txn, &elsewhere, &key, NULL), KW_OK);
	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_0_3, 2), KW_E_EXISTS);
	ks_txn_abort(txn);
}

static void refuses_keys_and_policies_that_do_not_fit(void **state)
{
	struct fixture *fixture = *state;
	struct ks_txn *txn = fixture_begin(fixture);
	const struct lw_key key = fixture_key(1);
	struct ks_device device = fixture_device(1, LW_VERSION_1_1);
	struct ks_store_figures figures;

	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	device.version = LW_VERSION_1_0_4;
	assert_int_equal(ks_device_add(txn, &device, &key, &key), KW_E_INVALID);
	device.version = LW_VERSION_NONE;
	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	device.version = (enum lw_version)7;
	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	device = fixture_device(1, LW_VERSION_1_0_4);
	device.origin = 0;
	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	device = fixture_device(1, LW_VERSION_1_0_4);
	device.policy.net_id_count = KS_NET_IDS_MAX + 1;
	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	device = fixture_device(1, LW_VERSION_1_0_4);
	device.policy.roaming_count = KS_NET_IDS_MAX + 1;
	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	device = fixture_device(1, LW_VERSION_1_0_4);
	device.policy.delivery = (enum ks_delivery)5;
	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	device = fixture_device(1, LW_VERSION_1_0_4);
	memset(device.policy.name, 'n', sizeof(device.policy.name));
	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	strcpy(device.policy.name, "two\nlines");
	assert_int_equal(ks_device_add(txn, &device, &key, NULL), KW_E_INVALID);
	ks_store_figures(fixture->store, &figures);
	assert_int_equal(figures.devices, 0);
	ks_txn_abort(txn);
}

static void goes_through_all_in_order(void **state)
{
	static const uint32_t order[] = {5, 2, 9, 1, 7, 8, 3};
	struct fixture *fixture = *state;
	struct ks_txn *txn = fixture_begin(fixture);
	struct ks_device device;
	uint32_t last = 0;
	size_t count = 0;
	const struct lw_device_id absent = fixture_id(4);
	struct lw_eui join_eui = absent.join_eui;

	assert_int_equal(ks_device_next(txn, NULL, &device), KW_E_NOT_FOUND);
	assert_int_equal(ks_join_eui_served(txn, &join_eui), KW_E_NOT_FOUND);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		assert_int_equal(fixture_add(txn, order[i], LW_VERSION_1_0_2, 1), KW_OK);
	}
	assert_int_equal(ks_join_eui_served(txn, &join_eui), KW_OK);
	join_eui.octets[7] = 1;
	assert_int_equal(ks_join_eui_served(txn, &join_eui), KW_E_NOT_FOUND);
	join_eui.octets[0] = 0;
	assert_int_equal(ks_join_eui_served(txn, &join_eui), KW_E_NOT_FOUND);
	for (enum kw_err err = ks_device_next(txn, NULL, &device); err == KW_OK;
		err = ks_device_next(txn, &device.id, &device)) {
		assert_true(device.id.dev_eui.octets[7] > last);
		last = device.id.dev_eui.octets[7];
		count++;
	}
	assert_int_equal(count, 7);
	assert_int_equal(ks_device_next(txn, &absent, &device), KW_OK);
	assert_int_equal(device.id.dev_eui.octets[7], 5);
	ks_txn_abort(txn);
}

static void policy_alone_changes(void **state)
{
	struct fixture *fixture = *state;
	struct ks_txn *txn = fixture_begin(fixture);
	struct ks_device before, device, after;

	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_1, 1), KW_OK);
	before = get(txn, 1);
	fixture->now_ms += 5000;
	device = before;
	device.policy = full_policy();
	device.version = LW_VERSION_1_0_0;
	device.created_ms = 0;
	device.app_key.octets[5] ^= 1;
	device.nwk_key.length = 0;
	assert_int_equal(ks_device_put_policy(txn, &device), KW_OK);
	assert_int_equal(device.version, LW_VERSION_1_1);
	after = get(txn, 1);
	assert_memory_equal(&after, &device, sizeof(after));
	assert_int_equal(after.changed_ms, before.changed_ms + 5000);
	after.changed_ms = before.changed_ms;
	after.policy = before.policy;
	assert_memory_equal(&after, &before, sizeof(after));
	device.policy.delivery = (enum ks_delivery)9;
	assert_int_equal(ks_device_put_policy(txn, &device), KW_E_INVALID);
	device = fixture_device(2, LW_VERSION_1_1);
	assert_int_equal(ks_device_put_policy(txn, &device), KW_E_NOT_FOUND);
	ks_txn_abort(txn);
}

static void root_keys_compute(void **state)
{
	struct fixture *fixture = *state;
	struct ks_store *store = fixture->store;
	struct ks_txn *txn = fixture_begin(fixture);
	const struct lw_key app = fixture_key(0x11), nwk = fixture_key(0x12);
	uint8_t block[LW_BLOCK_SIZE] = "fifteen octets.", out[LW_BLOCK_SIZE], want[LW_BLOCK_SIZE];
	struct ks_device device;
	struct ks_root root;

	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_1, 0x11), KW_OK);
	assert_int_equal(fixture_add(txn, 2, LW_VERSION_1_0_3, 0x11), KW_OK);
	device = get(txn, 1);
	assert_int_equal(ks_root_open(store, &device, &root), KW_OK);
	assert_int_equal(lw_aes_cmac(store->aes, &nwk, block, 16, want), KW_OK);
	assert_int_equal(lw_key_cmac(&root.nwk, block, 16, out), KW_OK);
	assert_memory_equal(out, want, 16);
	assert_int_equal(lw_aes_encrypt(store->aes, app.octets, 16, block, want, 16), KW_OK);
	assert_int_equal(lw_key_encrypt(&root.app, block, out, 16), KW_OK);
	assert_memory_equal(out, want, 16);
	assert_int_equal(lw_key_decrypt(&root.app, out, out, 16), KW_OK);
	assert_memory_equal(out, block, 16);
	ks_root_close(store);
	/* A handle that is kept too long does not compute with a key of zeros. */
	assert_int_equal(lw_key_encrypt(&root.app, block, out, 16), KW_E_CRYPTO);
	assert_int_equal(lw_key_decrypt(&root.app, block, out, 16), KW_E_CRYPTO);
	assert_int_equal(lw_key_cmac(&root.nwk, block, 16, out), KW_E_CRYPTO);

	device = get(txn, 2);
	assert_int_equal(ks_root_open(store, &device, &root), KW_OK);
	assert_ptr_equal(root.app.key, root.nwk.key);
	assert_int_equal(lw_key_encrypt(&root.nwk, block, out, 16), KW_OK);
	assert_memory_equal(out, want, 16);
	ks_root_close(store);
	ks_txn_abort(txn);
}

static void sealed_keys_cannot_be_moved(void **state)
{
	struct fixture *fixture = *state;
	struct ks_txn *txn = fixture_begin(fixture);
	struct ks_device one, two, mixed;
	struct ks_root root;

	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_1, 1), KW_OK);
	assert_int_equal(fixture_add(txn, 2, LW_VERSION_1_1, 1), KW_OK);
	one = get(txn, 1);
	two = get(txn, 2);
	mixed = one;
	mixed.app_key = two.app_key;
	assert_int_equal(ks_root_open(fixture->store, &mixed, &root), KW_E_SEAL);
	assert_null(root.app.key);
	mixed = one;
	mixed.nwk_key = two.nwk_key;
	assert_int_equal(ks_root_open(fixture->store, &mixed, &root), KW_E_SEAL);
	mixed = one;
	mixed.nwk_key = one.app_key;
	assert_int_equal(ks_root_open(fixture->store, &mixed, &root), KW_E_SEAL);
	mixed = one;
	mixed.id = two.id;
	assert_int_equal(ks_root_open(fixture->store, &mixed, &root), KW_E_SEAL);
	mixed = one;
	mixed.nwk_key.length = 0;
	assert_int_equal(ks_root_open(fixture->store, &mixed, &root), KW_E_SEAL);
	assert_int_equal(ks_root_open(fixture->store, &one, &root), KW_OK);
	ks_root_close(fixture->store);
	ks_txn_abort(txn);
}

static void generated_keys_differ(void **state)
{
	struct fixture *fixture = *state;
	struct ks_txn *txn = fixture_begin(fixture);
	struct ks_device one = fixture_device(1, LW_VERSION_1_1);
	struct ks_device two = fixture_device(2, LW_VERSION_1_0_4);
	struct ks_device three = fixture_device(3, LW_VERSION_1_0_4);
	struct ks_root root;

	assert_int_equal(ks_device_generate(txn, &one), KW_OK);
	assert_int_equal(one.origin, KS_ORIGIN_GENERATED);
	assert_int_equal(ks_device_generate(txn, &two), KW_OK);
	assert_int_equal(ks_device_generate(txn, &two), KW_E_EXISTS);
	assert_memory_not_equal(one.app_key_kcv, one.nwk_key_kcv, KS_KCV_SIZE);
	assert_memory_not_equal(one.app_key_kcv, two.app_key_kcv, KS_KCV_SIZE);
	assert_int_equal(ks_root_open(fixture->store, &one, &root), KW_OK);
	ks_root_close(fixture->store);
	assert_int_equal(ks_root_open(fixture->store, &two, &root), KW_OK);
	ks_root_close(fixture->store);
	fixture->random_last = fixture->random_calls + 1;
	assert_int_equal(ks_device_generate(txn, &three), KW_E_SYSTEM);
	assert_no_device(txn, &three.id);
	ks_txn_abort(txn);
}

static void damaged_records_are_refused(void **state)
{
	struct ks_device device = fixture_device(1, LW_VERSION_1_1);
	struct ks_device read;
	uint8_t record[KS_DEVICE_RECORD_MAX + 1] = {0};
	size_t length;

	(void)state;
	device.policy = full_policy();
	device.app_key.length = 48;
	device.nwk_key.length = 48;
	assert_int_equal(ks_device_encode(&device, record, &length), KW_OK);
	for (size_t i = 0; i < length; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			record[i] ^= (uint8_t)flip;
			assert_int_equal(
				ks_device_decode(record, length, &read), KW_E_STORE_DAMAGED);
			record[i] ^= (uint8_t)flip;
		}
	}
	for (size_t i = 0; i <= length + 1; i++) {
		assert_int_equal(ks_device_decode(record, i, &read),
			i == length ? KW_OK : KW_E_STORE_DAMAGED);
	}
	assert_int_equal(ks_device_decode(record, length, &read), KW_OK);
	read.id = device.id;
	assert_memory_equal(&read, &device, sizeof(read));
}

/* With a checksum that fits, what is read is what would be written. */
static void changed_records_are_refused_or_equal(void **state)
{
	struct ks_device device = fixture_device(1, LW_VERSION_1_1);
	uint8_t record[KS_DEVICE_RECORD_MAX], again[KS_DEVICE_RECORD_MAX];
	size_t length, again_length;
	unsigned read = 0, refused = 0;

	(void)state;
	device.policy = full_policy();
	device.app_key.length = 48;
	device.nwk_key.length = 48;
	assert_int_equal(ks_device_encode(&device, record, &length), KW_OK);
	for (size_t i = 0; i < length - KS_CHECKSUM_SIZE; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			struct kw_writer writer = {
				.start = record, .used = length - KS_CHECKSUM_SIZE, .size = length};

			record[i] ^= (uint8_t)flip;
			ks_record_end(&writer);
			if (ks_device_decode(record, length, &device) == KW_OK) {
				assert_int_equal(
					ks_device_encode(&device, again, &again_length), KW_OK);
				assert_int_equal(again_length, length);
				assert_memory_equal(again, record, length);
				read++;
			} else {
				refused++;
			}
			record[i] ^= (uint8_t)flip;
		}
	}
	assert_true(read > 0 && refused > 0);
}

static void the_checksum_is_adler_32(void **state)
{
	static uint8_t ones[6000];

	(void)state;
	assert_int_equal(ks_checksum("", 0), 1);
	assert_int_equal(ks_checksum("Wikipedia", 9), 0x11e60398);
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(ks_checksum(ones, sizeof(ones)), 0xa49759ea);
}

static void a_damaged_record_in_the_store_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct ks_txn *txn = fixture_begin(fixture);
	const struct lw_device_id id = fixture_id(1);
	struct ks_device device;
	uint8_t key[KS_ID_SIZE];

	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_0_3, 1), KW_OK);
	ks_id_write(&id, key);
	assert_int_equal(
		ks_put(txn, fixture->store->tables.device, key, sizeof(key), "no", 2, 0), KW_OK);
	assert_int_equal(ks_device_get(txn, &id, &device), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_device_find(txn, &id.dev_eui, &device), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_device_next(txn, NULL, &device), KW_E_STORE_DAMAGED);
	assert_int_equal(ks_device_remove(txn, &id), KW_OK);
	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_0_3, 1), KW_OK);
	ks_txn_abort(txn);
}

static void the_join_nonce_goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct ks_txn *txn = fixture_begin(fixture);
	struct ks_device moved = fixture_device(1, LW_VERSION_1_0_3);
	const struct lw_key key = fixture_key(3);
	struct ks_session session = {.join_nonce = 1,
		.nonce = 77,
		.type = LW_JOIN_REQ_JOIN,
		.mac_version = LW_VERSION_1_0_3};
	struct ks_state device_state;

	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_0_3, 1), KW_OK);
	assert_int_equal(ks_state_get(txn, &moved.id, &device_state), KW_OK);
	assert_int_equal(device_state.next_join_nonce, 1);
	assert_int_equal(ks_join_record(txn, &device_state, LW_VERSION_1_0_3, &session), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	txn = fixture_begin(fixture);
	assert_int_equal(ks_device_remove(txn, &moved.id), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	txn = fixture_begin(fixture);
	assert_int_equal(fixture_add(txn, 1, LW_VERSION_1_0_3, 2), KW_OK);
	assert_int_equal(ks_state_get(txn, &moved.id, &device_state), KW_OK);
	assert_int_equal(device_state.next_join_nonce, 2);
	assert_int_equal(ks_dev_nonce_check(txn, &device_state, LW_VERSION_1_0_3, 77), KW_E_REPLAY);
	assert_int_equal(ks_device_remove(txn, &moved.id), KW_OK);
	moved.id.join_eui.octets[7] = 0x42;
	assert_int_equal(ks_device_add(txn, &moved, &key, NULL), KW_OK);
	assert_int_equal(ks_state_get(txn, &moved.id, &device_state), KW_OK);
	assert_int_equal(device_state.next_join_nonce, 2);
	assert_int_equal(ks_dev_nonce_check(txn, &device_state, LW_VERSION_1_0_3, 77), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			reads_back_what_was_added, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			one_device_per_dev_eui, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			refuses_keys_and_policies_that_do_not_fit, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			goes_through_all_in_order, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			policy_alone_changes, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(root_keys_compute, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			sealed_keys_cannot_be_moved, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			generated_keys_differ, fixture_store, fixture_remove),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(changed_records_are_refused_or_equal),
		cmocka_unit_test(the_checksum_is_adler_32),
		cmocka_unit_test_setup_teardown(
			a_damaged_record_in_the_store_is_told, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			the_join_nonce_goes_on, fixture_store, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
