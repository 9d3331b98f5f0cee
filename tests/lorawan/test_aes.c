#include "lorawan/aes.h"
#include "tests/lorawan/octets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define LENGTH_MAX 300

static struct lw_aes *aes;

static void fill(uint8_t *out, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * 1103515245u + 12345u;
		out[i] = (uint8_t)(seed >> 16);
	}
}

static void encrypts_whole_blocks_of_every_length(void **state)
{
	static const size_t key_lengths[] = {16, 24, 32};
	uint8_t key[32];
	uint8_t in[LENGTH_MAX];
	uint8_t out[LENGTH_MAX];
	uint8_t back[LENGTH_MAX];

	(void)state;
	fill(key, sizeof(key), 1);
	fill(in, sizeof(in), 2);
	for (size_t k = 0; k < 3; k++) {
		for (size_t length = 0; length <= LENGTH_MAX; length++) {
			enum kw_err want = length % LW_BLOCK_SIZE == 0 ? KW_OK : KW_E_INVALID;

			memset(out, 0xee, sizeof(out));
			memset(back, 0xee, sizeof(back));
			assert_int_equal(
				lw_aes_encrypt(aes, key, key_lengths[k], in, out, length), want);
			assert_int_equal(
				lw_aes_decrypt(aes, key, key_lengths[k], out, back, length), want);
			if (want == KW_OK) {
				assert_memory_equal(back, in, length);
				assert_true(length == 0 || memcmp(out, in, length) != 0);
			} else {
				assert_true(all_zero(out, length));
				assert_true(all_zero(back, length));
			}
			assert_true(length == LENGTH_MAX || out[length] == 0xee);
		}
	}
}

static void refuses_other_key_lengths(void **state)
{
	uint8_t key[64] = {0};
	uint8_t block[LW_BLOCK_SIZE];
	struct lw_aes_run *run;

	(void)state;
	for (size_t length = 0; length <= sizeof(key); length++) {
		enum kw_err want =
			length == 16 || length == 24 || length == 32 ? KW_OK : KW_E_INVALID;

		memset(block, 0xee, sizeof(block));
		assert_int_equal(
			lw_aes_encrypt(aes, key, length, block, block, sizeof(block)), want);
		assert_int_equal(all_zero(block, sizeof(block)), want != KW_OK);
		memset(block, 0xee, sizeof(block));
		assert_int_equal(
			lw_aes_decrypt(aes, key, length, block, block, sizeof(block)), want);
		assert_int_equal(all_zero(block, sizeof(block)), want != KW_OK);
		assert_int_equal(lw_aes_start(aes, LW_AES_ENCRYPT, key, length, &run), want);
		assert_int_equal(run == NULL, want != KW_OK);
	}
}

static void works_in_place_block_by_block(void **state)
{
	uint8_t key[16];
	uint8_t twice[2 * LW_BLOCK_SIZE];
	uint8_t in[2 * LW_BLOCK_SIZE];

	(void)state;
	fill(key, sizeof(key), 3);
	fill(in, LW_BLOCK_SIZE, 4);
	memcpy(in + LW_BLOCK_SIZE, in, LW_BLOCK_SIZE);
	memcpy(twice, in, sizeof(in));
	assert_int_equal(lw_aes_encrypt(aes, key, sizeof(key), twice, twice, sizeof(twice)), KW_OK);
	assert_memory_equal(twice, twice + LW_BLOCK_SIZE, LW_BLOCK_SIZE);
	assert_memory_not_equal(twice, in, LW_BLOCK_SIZE);
	assert_int_equal(lw_aes_decrypt(aes, key, sizeof(key), twice, twice, sizeof(twice)), KW_OK);
	assert_memory_equal(twice, in, sizeof(in));
}

static void a_new_key_replaces_the_old_one(void **state)
{
	uint8_t keys[2][16];
	uint8_t zero[LW_BLOCK_SIZE] = {0};
	uint8_t first[2][LW_BLOCK_SIZE];
	uint8_t again[LW_BLOCK_SIZE];

	(void)state;
	fill(keys[0], 16, 5);
	fill(keys[1], 16, 6);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(lw_aes_encrypt(aes, keys[i], 16, zero, first[i], 16), KW_OK);
	}
	assert_memory_not_equal(first[0], first[1], LW_BLOCK_SIZE);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(lw_aes_encrypt(aes, keys[i % 2], 16, zero, again, 16), KW_OK);
		assert_memory_equal(again, first[i % 2], LW_BLOCK_SIZE);
		assert_int_equal(lw_aes_encrypt(aes, keys[0], 16, zero, again, 5), KW_E_INVALID);
	}
}

static void a_run_equals_single_calls(void **state)
{
	uint8_t key[24];
	uint8_t in[6 * LW_BLOCK_SIZE];
	uint8_t whole[sizeof(in)];
	uint8_t parts[sizeof(in)];
	struct lw_aes_run *run;

	(void)state;
	fill(key, sizeof(key), 7);
	fill(in, sizeof(in), 8);
	for (int way = LW_AES_ENCRYPT; way <= LW_AES_DECRYPT; way++) {
		enum kw_err err = way == LW_AES_ENCRYPT
					  ? lw_aes_encrypt(aes, key, 24, in, whole, sizeof(in))
					  : lw_aes_decrypt(aes, key, 24, in, whole, sizeof(in));

		assert_int_equal(err, KW_OK);
		assert_int_equal(
			lw_aes_start(aes, (enum lw_aes_way)way, key, sizeof(key), &run), KW_OK);
		for (size_t at = 0; at < sizeof(in); at += LW_BLOCK_SIZE) {
			assert_int_equal(
				lw_aes_run(run, in + at, parts + at, LW_BLOCK_SIZE), KW_OK);
		}
		assert_memory_equal(parts, whole, sizeof(in));
	}
}

/* OpenSSL's own CMAC is not used by lorawan/, so it can judge. */
static void cmac_agrees_with_another_implementation(void **state)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
	char name[] = "AES-128-CBC";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, name, 0),
		OSSL_PARAM_construct_end(),
	};
	uint8_t message[LENGTH_MAX];
	struct lw_key key;
	uint8_t got[LW_BLOCK_SIZE];
	uint8_t want[LW_BLOCK_SIZE];
	size_t length_out;

	(void)state;
	assert_non_null(context);
	fill(message, sizeof(message), 9);
	for (unsigned length = 0; length <= LENGTH_MAX; length++) {
		fill(key.octets, sizeof(key.octets), length);
		assert_int_equal(EVP_MAC_init(context, key.octets, sizeof(key.octets), params), 1);
		assert_int_equal(EVP_MAC_update(context, message, length), 1);
		assert_int_equal(EVP_MAC_final(context, want, &length_out, sizeof(want)), 1);
		assert_int_equal(lw_aes_cmac(aes, &key, message, length, got), KW_OK);
		assert_memory_equal(got, want, sizeof(want));
	}
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
}

static void cmac_of_nothing_needs_no_message(void **state)
{
	struct lw_key key = {{0}};
	uint8_t from_null[LW_BLOCK_SIZE];
	uint8_t from_empty[LW_BLOCK_SIZE];
	const uint8_t empty[1] = {0};

	(void)state;
	assert_int_equal(lw_aes_cmac(aes, &key, NULL, 0, from_null), KW_OK);
	assert_int_equal(lw_aes_cmac(aes, &key, empty, 0, from_empty), KW_OK);
	assert_memory_equal(from_null, from_empty, sizeof(from_null));
}

static void subkeys_shift_with_and_without_carry(void **state)
{
	struct lw_key key;
	uint8_t zero[LW_BLOCK_SIZE] = {0};
	uint8_t l[LW_BLOCK_SIZE];
	uint8_t k1[LW_BLOCK_SIZE];
	uint8_t k2[LW_BLOCK_SIZE];
	unsigned carries = 0;

	(void)state;
	for (unsigned seed = 0; seed < 64; seed++) {
		fill(key.octets, sizeof(key.octets), seed);
		assert_int_equal(lw_aes_encrypt(aes, key.octets, 16, zero, l, 16), KW_OK);
		assert_int_equal(lw_aes_cmac_subkeys(aes, &key, k1, k2), KW_OK);
		assert_int_equal(k1[15] & 1, l[0] >> 7);
		assert_int_equal(k2[15] & 1, k1[0] >> 7);
		carries += l[0] >> 7;
	}
	assert_in_range(carries, 1, 63);
}

static void what_is_forgotten_is_a_key_of_zeros(void **state)
{
	static const size_t lengths[] = {16, 24, 32};
	static const enum lw_aes_way ways[] = {LW_AES_ENCRYPT, LW_AES_DECRYPT};
	const uint8_t zeros[32] = {0}, block[LW_BLOCK_SIZE] = {1, 2, 3};
	uint8_t key[32], wanted[LW_BLOCK_SIZE], got[LW_BLOCK_SIZE];

	(void)state;
	memset(key, 0x5a, sizeof(key));
	for (size_t i = 0; i < 6; i++) {
		size_t length = lengths[i / 2];
		struct lw_aes_run *run;

		assert_int_equal(lw_aes_start(aes, ways[i % 2], key, length, &run), KW_OK);
		assert_int_equal(lw_aes_forget(aes), KW_OK);
		assert_int_equal(lw_aes_run(run, block, got, sizeof(got)), KW_OK);
		assert_int_equal((i % 2 == 0 ? lw_aes_encrypt : lw_aes_decrypt)(
					 aes, zeros, length, block, wanted, sizeof(wanted)),
			KW_OK);
		assert_memory_equal(got, wanted, sizeof(wanted));
	}
}

static void destroy_takes_null(void **state)
{
	(void)state;
	lw_aes_destroy(NULL);
}

static int setup(void **state)
{
	(void)state;
	aes = lw_aes_create();
	return aes == NULL;
}

static int teardown(void **state)
{
	(void)state;
	lw_aes_destroy(aes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encrypts_whole_blocks_of_every_length),
		cmocka_unit_test(refuses_other_key_lengths),
		cmocka_unit_test(what_is_forgotten_is_a_key_of_zeros),
		cmocka_unit_test(works_in_place_block_by_block),
		cmocka_unit_test(a_new_key_replaces_the_old_one),
		cmocka_unit_test(a_run_equals_single_calls),
		cmocka_unit_test(cmac_agrees_with_another_implementation),
		cmocka_unit_test(cmac_of_nothing_needs_no_message),
		cmocka_unit_test(subkeys_shift_with_and_without_carry),
		cmocka_unit_test(destroy_takes_null),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
