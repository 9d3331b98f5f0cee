#include "lorawan/wrap.h"

#include "base/secret.h"

#include <string.h>

#define HALF  8 /* octets of one register of RFC 3394 */
#define STEPS 6

static const uint8_t initial_value[HALF] = {0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6};

static bool length_valid(size_t length)
{
	return length == 16 || length == 24 || length == LW_WRAP_DATA_MAX;
}

/* `registers` is A | R[1] | ... | R[n]; t = n * j + i is at most 24, one octet. */
static enum kw_err wrap_registers(struct lw_aes_run *run, uint8_t *registers, size_t n)
{
	uint8_t block[LW_BLOCK_SIZE];
	enum kw_err err = KW_OK;

	memcpy(block, registers, HALF);
	for (size_t t = 1; err == KW_OK && t <= STEPS * n; t++) {
		uint8_t *r = registers + HALF * ((t - 1) % n + 1);

		memcpy(block + HALF, r, HALF);
		err = lw_aes_run(run, block, block, sizeof(block));
		block[HALF - 1] ^= (uint8_t)t;
		memcpy(r, block + HALF, HALF);
	}
	memcpy(registers, block, HALF);
	kw_wipe(block, sizeof(block));
	return err;
}

static enum kw_err unwrap_registers(struct lw_aes_run *run, uint8_t *registers, size_t n)
{
	uint8_t block[LW_BLOCK_SIZE];
	enum kw_err err = KW_OK;

	memcpy(block, registers, HALF);
	for (size_t t = STEPS * n; err == KW_OK && t >= 1; t--) {
		uint8_t *r = registers + HALF * ((t - 1) % n + 1);

		memcpy(block + HALF, r, HALF);
		block[HALF - 1] ^= (uint8_t)t;
		err = lw_aes_run(run, block, block, sizeof(block));
		memcpy(r, block + HALF, HALF);
	}
	memcpy(registers, block, HALF);
	kw_wipe(block, sizeof(block));
	return err;
}

enum kw_err lw_wrap(struct lw_aes *aes, const uint8_t *kek, size_t kek_length, const uint8_t *data,
	size_t data_length, uint8_t *out)
{
	struct lw_aes_run *run;
	enum kw_err err;

	if (!length_valid(data_length)) {
		memset(out, 0, data_length + LW_WRAP_EXTRA);
		return KW_E_INVALID;
	}
	err = lw_aes_start(aes, LW_AES_ENCRYPT, kek, kek_length, &run);
	if (err == KW_OK) {
		memmove(out + HALF, data, data_length);
		memcpy(out, initial_value, HALF);
		err = wrap_registers(run, out, data_length / HALF);
	}
	if (err != KW_OK) {
		kw_wipe(out, data_length + LW_WRAP_EXTRA);
	}
	return err;
}

enum kw_err lw_unwrap(struct lw_aes *aes, const uint8_t *kek, size_t kek_length,
	const uint8_t *wrapped, size_t wrapped_length, uint8_t *out)
{
	uint8_t registers[LW_WRAP_DATA_MAX + LW_WRAP_EXTRA];
	struct lw_aes_run *run;
	size_t length;
	enum kw_err err;

	if (wrapped_length < LW_WRAP_EXTRA) {
		return KW_E_INVALID;
	}
	length = wrapped_length - LW_WRAP_EXTRA;
	memset(out, 0, length);
	if (!length_valid(length)) {
		return KW_E_INVALID;
	}
	memcpy(registers, wrapped, wrapped_length);
	err = lw_aes_start(aes, LW_AES_DECRYPT, kek, kek_length, &run);
	if (err == KW_OK) {
		err = unwrap_registers(run, registers, length / HALF);
	}
	if (err == KW_OK && !kw_equal_ct(registers, initial_value, HALF)) {
		err = KW_E_SEAL;
	}
	if (err == KW_OK) {
		memcpy(out, registers + HALF, length);
	}
	kw_wipe(registers, sizeof(registers));
	return err;
}
