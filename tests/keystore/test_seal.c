#include "tests/keystore/store_fixture.h"

#include "keystore/seal.h"

#define PLAIN_MAX (KS_SEALED_MAX - KS_SEAL_EXTRA)

static const char bound[] = "where it belongs";

static struct ks_sealer *sealer_of(void **state)
{
	const struct fixture *fixture = *state;

	return fixture->store->sealer;
}

static void opens_what_was_sealed_of_every_length(void **state)
{
	struct ks_sealer *sealer = sealer_of(state);
	uint8_t plain[PLAIN_MAX + 1];
	uint8_t back[PLAIN_MAX + 1];
	struct ks_sealed sealed;

	for (size_t length = 0; length <= PLAIN_MAX; length++) {
		memset(plain, (int)(length + 1), sizeof(plain));
		assert_int_equal(
			ks_seal(sealer, KS_TAG_KEK, bound, sizeof(bound), plain, length, &sealed),
			KW_OK);
		assert_int_equal(sealed.length, length + KS_SEAL_EXTRA);
		assert_int_equal(
			ks_unseal(sealer, KS_TAG_KEK, bound, sizeof(bound), &sealed, back, length),
			KW_OK);
		assert_memory_equal(back, plain, length);
		assert_int_equal(ks_unseal(sealer, KS_TAG_KEK, bound, sizeof(bound), &sealed, back,
					 length + 1),
			KW_E_LENGTH);
	}
	assert_int_equal(
		ks_seal(sealer, KS_TAG_KEK, bound, sizeof(bound), plain, PLAIN_MAX + 1, &sealed),
		KW_E_TOO_LONG);
	assert_int_equal(sealed.length, 0);
}

static void refuses_every_flipped_bit(void **state)
{
	struct ks_sealer *sealer = sealer_of(state);
	const struct lw_key key = fixture_key(0x77);
	static const struct lw_key zero;
	struct ks_sealed sealed;
	struct lw_key back;

	assert_int_equal(
		ks_seal(sealer, KS_TAG_APP_KEY, bound, sizeof(bound), &key, sizeof(key), &sealed),
		KW_OK);
	for (size_t bit = 0; bit < 8u * sealed.length; bit++) {
		struct ks_sealed changed = sealed;

		changed.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(&back, 0xee, sizeof(back));
		assert_int_equal(ks_unseal(sealer, KS_TAG_APP_KEY, bound, sizeof(bound), &changed,
					 &back, sizeof(back)),
			KW_E_SEAL);
		assert_memory_equal(&back, &zero, sizeof(back));
	}
	for (unsigned length = 0; length < 256; length++) {
		struct ks_sealed changed = sealed;

		changed.length = (uint8_t)length;
		assert_int_equal(ks_unseal(sealer, KS_TAG_APP_KEY, bound, sizeof(bound), &changed,
					 &back, sizeof(back)),
			length == sealed.length ? KW_OK : KW_E_LENGTH);
	}
}

static void opens_only_where_it_was_put(void **state)
{
	struct ks_sealer *sealer = sealer_of(state);
	const struct lw_key key = fixture_key(0x77);
	struct ks_sealed sealed;
	struct lw_key back;

	assert_int_equal(
		ks_seal(sealer, KS_TAG_APP_KEY, bound, sizeof(bound), &key, sizeof(key), &sealed),
		KW_OK);
	assert_int_equal(ks_unseal(sealer, KS_TAG_NWK_KEY, bound, sizeof(bound), &sealed, &back,
				 sizeof(back)),
		KW_E_SEAL);
	assert_int_equal(ks_unseal(sealer, KS_TAG_APP_KEY, bound, sizeof(bound) - 1, &sealed, &back,
				 sizeof(back)),
		KW_E_SEAL);
	assert_int_equal(ks_unseal(sealer, KS_TAG_APP_KEY, "Where it belongs", sizeof(bound),
				 &sealed, &back, sizeof(back)),
		KW_E_SEAL);
	assert_int_equal(ks_unseal(sealer, KS_TAG_APP_KEY, bound, sizeof(bound), &sealed, &back,
				 sizeof(back)),
		KW_OK);
}

static void no_nonce_comes_twice(void **state)
{
	struct ks_sealer *sealer = sealer_of(state);
	enum {
		COUNT = 300
	};
	static struct ks_sealed sealed[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(ks_seal(sealer, KS_TAG_KEK, "", 0, "same", 4, &sealed[i]), KW_OK);
		for (size_t j = 0; j < i; j++) {
			assert_memory_not_equal(sealed[i].octets + 4, sealed[j].octets + 4, 12);
		}
	}
}

static void fails_without_randomness(void **state)
{
	struct fixture *fixture = *state;
	struct ks_sealed sealed;
	enum kw_err err = KW_OK;

	fixture->random_last = fixture->random_calls + 1;
	for (size_t i = 0; i < 100 && err == KW_OK; i++) {
		err = ks_seal(sealer_of(state), KS_TAG_KEK, "", 0, "same", 4, &sealed);
	}
	assert_int_equal(err, KW_E_SYSTEM);
	assert_int_equal(sealed.length, 0);
}

static void opens_again_in_a_later_life(void **state)
{
	struct fixture *fixture = *state;
	uint8_t before[KS_DIGEST_SIZE], after[KS_DIGEST_SIZE];
	struct ks_sealed sealed;
	char back[4];

	assert_int_equal(
		ks_seal(sealer_of(state), KS_TAG_KEK, bound, sizeof(bound), "abcd", 4, &sealed),
		KW_OK);
	assert_int_equal(ks_sealer_hmac(sealer_of(state), "abcd", 4, before), KW_OK);
	fixture_reopen(fixture);
	assert_int_equal(
		ks_unseal(sealer_of(state), KS_TAG_KEK, bound, sizeof(bound), &sealed, back, 4),
		KW_OK);
	assert_memory_equal(back, "abcd", 4);
	assert_int_equal(ks_sealer_hmac(sealer_of(state), "abcd", 4, after), KW_OK);
	assert_memory_equal(before, after, sizeof(before));
}

static void the_same_hmac_each_time(void **state)
{
	uint8_t first[KS_DIGEST_SIZE], again[KS_DIGEST_SIZE], other[KS_DIGEST_SIZE];

	assert_int_equal(ks_sealer_hmac(sealer_of(state), "abc", 3, first), KW_OK);
	assert_int_equal(ks_sealer_hmac(sealer_of(state), "abd", 3, other), KW_OK);
	assert_int_equal(ks_sealer_hmac(sealer_of(state), "abc", 3, again), KW_OK);
	assert_memory_equal(first, again, sizeof(first));
	assert_memory_not_equal(first, other, sizeof(first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			opens_what_was_sealed_of_every_length, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			refuses_every_flipped_bit, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			opens_only_where_it_was_put, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			no_nonce_comes_twice, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			fails_without_randomness, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			opens_again_in_a_later_life, fixture_store, fixture_remove),
		cmocka_unit_test_setup_teardown(
			the_same_hmac_each_time, fixture_store, fixture_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
