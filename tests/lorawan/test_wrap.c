#include "lorawan/wrap.h"
#include "tests/lorawan/octets.h"

#include <openssl/evp.h>

#define LENGTH_MAX 300

static struct lw_aes *aes;

static bool key_size(size_t length)
{
	return length == 16 || length == 24 || length == 32;
}

static void fill(uint8_t *out, size_t length, uint8_t first)
{
	for (size_t i = 0; i < length; i++) {
		out[i] = (uint8_t)(first + 7 * i);
	}
}

static void wraps_and_unwraps_only_key_sizes(void **state)
{
	uint8_t kek[LENGTH_MAX];
	uint8_t data[LENGTH_MAX];
	uint8_t wrapped[LENGTH_MAX + LW_WRAP_EXTRA];
	uint8_t back[LENGTH_MAX];

	(void)state;
	fill(kek, sizeof(kek), 1);
	fill(data, sizeof(data), 2);
	for (size_t length = 0; length <= LENGTH_MAX; length++) {
		memset(wrapped, 0xee, sizeof(wrapped));
		memset(back, 0xee, sizeof(back));
		if (!key_size(length)) {
			assert_int_equal(
				lw_wrap(aes, kek, 16, data, length, wrapped), KW_E_INVALID);
			assert_true(all_zero(wrapped, length + LW_WRAP_EXTRA));
			continue;
		}
		for (size_t kek_length = 16; kek_length <= 32; kek_length += 8) {
			assert_int_equal(
				lw_wrap(aes, kek, kek_length, data, length, wrapped), KW_OK);
			assert_int_equal(lw_unwrap(aes, kek, kek_length, wrapped,
						 length + LW_WRAP_EXTRA, back),
				KW_OK);
			assert_memory_equal(back, data, length);
		}
	}
}

static void unwrap_refuses_every_other_length(void **state)
{
	uint8_t kek[16] = {0};
	uint8_t wrapped[LENGTH_MAX] = {0};
	uint8_t out[LENGTH_MAX];

	(void)state;
	for (size_t length = 0; length <= LENGTH_MAX; length++) {
		bool possible = length >= LW_WRAP_EXTRA && key_size(length - LW_WRAP_EXTRA);

		memset(out, 0xee, sizeof(out));
		assert_int_equal(lw_unwrap(aes, kek, sizeof(kek), wrapped, length, out),
			possible ? KW_E_SEAL : KW_E_INVALID);
		if (length > LW_WRAP_EXTRA) {
			assert_true(all_zero(out, length - LW_WRAP_EXTRA));
		}
	}
}

static void refuses_other_kek_lengths(void **state)
{
	uint8_t kek[64] = {0};
	uint8_t data[16] = {1};
	uint8_t wrapped[LW_WRAPPED_SIZE];
	uint8_t out[16];

	(void)state;
	for (size_t length = 0; length <= sizeof(kek); length++) {
		if (key_size(length)) {
			continue;
		}
		memset(wrapped, 0xee, sizeof(wrapped));
		memset(out, 0xee, sizeof(out));
		assert_int_equal(
			lw_wrap(aes, kek, length, data, sizeof(data), wrapped), KW_E_INVALID);
		assert_true(all_zero(wrapped, sizeof(wrapped)));
		assert_int_equal(
			lw_unwrap(aes, kek, length, wrapped, sizeof(wrapped), out), KW_E_INVALID);
		assert_true(all_zero(out, sizeof(out)));
	}
}

static void every_changed_bit_is_noticed(void **state)
{
	uint8_t kek[16];
	uint8_t data[16];
	uint8_t wrapped[LW_WRAPPED_SIZE];
	uint8_t out[16];

	(void)state;
	fill(kek, sizeof(kek), 3);
	fill(data, sizeof(data), 4);
	assert_int_equal(lw_wrap(aes, kek, sizeof(kek), data, sizeof(data), wrapped), KW_OK);
	for (size_t bit = 0; bit < 8 * sizeof(wrapped); bit++) {
		wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
		memset(out, 0xee, sizeof(out));
		assert_int_equal(
			lw_unwrap(aes, kek, sizeof(kek), wrapped, sizeof(wrapped), out), KW_E_SEAL);
		assert_true(all_zero(out, sizeof(out)));
		wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof(kek); bit++) {
		kek[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(
			lw_unwrap(aes, kek, sizeof(kek), wrapped, sizeof(wrapped), out), KW_E_SEAL);
		kek[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(lw_unwrap(aes, kek, sizeof(kek), wrapped, sizeof(wrapped), out), KW_OK);
	assert_memory_equal(out, data, sizeof(data));
}

/* OpenSSL's own key wrap is not used by lorawan/, so it can judge. */
static void agrees_with_another_implementation(void **state)
{
	static const char *const names[] = {"AES-128-WRAP", "AES-192-WRAP", "AES-256-WRAP"};
	uint8_t kek[32];
	uint8_t data[LW_WRAP_DATA_MAX];
	uint8_t got[LW_WRAP_DATA_MAX + LW_WRAP_EXTRA];
	uint8_t want[LW_WRAP_DATA_MAX + LW_WRAP_EXTRA];

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, names[k], NULL);
		EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

		assert_non_null(context);
		EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		for (uint8_t round = 0; round < 50; round++) {
			size_t length = 16 + 8 * (size_t)(round % 3);
			int written = 0;

			fill(kek, sizeof(kek), round);
			fill(data, sizeof(data), (uint8_t)(3 * round));
			assert_int_equal(EVP_EncryptInit_ex2(context, cipher, kek, NULL, NULL), 1);
			assert_int_equal(
				EVP_EncryptUpdate(context, want, &written, data, (int)length), 1);
			assert_int_equal(written, length + LW_WRAP_EXTRA);
			assert_int_equal(lw_wrap(aes, kek, 16 + 8 * k, data, length, got), KW_OK);
			assert_memory_equal(got, want, length + LW_WRAP_EXTRA);
		}
		EVP_CIPHER_CTX_free(context);
		EVP_CIPHER_free(cipher);
	}
}

/* What unwraps to another initial value in a single octet. */
static void the_whole_integrity_value_counts(void **state)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-128-WRAP", NULL);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	const uint8_t kek[16] = {1};
	const uint8_t data[16] = {2};
	uint8_t wrapped[LW_WRAPPED_SIZE];
	uint8_t out[16];
	uint8_t value[8];
	int written;

	(void)state;
	assert_non_null(context);
	EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	for (size_t i = 0; i <= sizeof(value); i++) {
		memset(value, 0xa6, sizeof(value));
		if (i < sizeof(value)) {
			value[i] ^= 1;
		}
		assert_int_equal(EVP_EncryptInit_ex2(context, cipher, kek, value, NULL), 1);
		assert_int_equal(
			EVP_EncryptUpdate(context, wrapped, &written, data, sizeof(data)), 1);
		assert_int_equal(lw_unwrap(aes, kek, sizeof(kek), wrapped, sizeof(wrapped), out),
			i < sizeof(value) ? KW_E_SEAL : KW_OK);
	}
	EVP_CIPHER_CTX_free(context);
	EVP_CIPHER_free(cipher);
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
		cmocka_unit_test(wraps_and_unwraps_only_key_sizes),
		cmocka_unit_test(unwrap_refuses_every_other_length),
		cmocka_unit_test(refuses_other_kek_lengths),
		cmocka_unit_test(every_changed_bit_is_noticed),
		cmocka_unit_test(agrees_with_another_implementation),
		cmocka_unit_test(the_whole_integrity_value_counts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
