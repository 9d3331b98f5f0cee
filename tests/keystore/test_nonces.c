#include "keystore/nonces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL 65536

static void same(const struct ks_nonces *nonces, const bool *model, uint32_t count)
{
	assert_int_equal(nonces->count, count);
	for (uint32_t n = 0; n < ALL; n++) {
		assert_int_equal(ks_nonces_has(nonces, (uint16_t)n), model[n]);
	}
}

static void write_and_read(const struct ks_nonces *nonces, struct ks_nonces *again)
{
	static uint8_t octets[KS_NONCES_SIZE_MAX];
	struct kw_writer writer;
	struct kw_reader reader;

	kw_writer_init(&writer, octets, sizeof(octets));
	ks_nonces_write(nonces, &writer);
	assert_int_equal(kw_writer_end(&writer), KW_OK);
	kw_reader_init(&reader, octets, writer.used);
	ks_nonces_read(again, &reader);
	assert_int_equal(kw_reader_end(&reader), KW_OK);
	for (size_t cut = 0; cut<writer.used; cut += writer.used> 64 ? 61 : 1) {
		struct ks_nonces none;

		kw_reader_init(&reader, octets, cut);
		ks_nonces_read(&none, &reader);
		assert_int_equal(kw_reader_end(&reader), KW_E_TRUNCATED);
		assert_int_equal(none.count, 0);
	}
}

/* Every value once, in a shuffled order: the list, the border, the bitmap, until it is full. */
static void every_value_once(void **state)
{
	static struct ks_nonces nonces;
	static struct ks_nonces again;
	static bool model[ALL];
	uint16_t nonce = 12345;

	(void)state;
	memset(model, 0, sizeof(model));
	ks_nonces_clear(&nonces);
	for (uint32_t count = 0; count < ALL; count++) {
		assert_false(ks_nonces_has(&nonces, nonce));
		assert_true(ks_nonces_add(&nonces, nonce));
		assert_false(ks_nonces_add(&nonces, nonce));
		model[nonce] = true;
		if (count < 3 ||
			(count >= KS_NONCES_LIST_MAX - 3 && count <= KS_NONCES_LIST_MAX + 3) ||
			count >= ALL - 2) {
			same(&nonces, model, count + 1);
			write_and_read(&nonces, &again);
			same(&again, model, count + 1);
		}
		nonce = (uint16_t)(nonce * 40009u + 1); /* a full period */
	}
	assert_int_equal(nonces.count, ALL);
}

static void empty_and_ends(void **state)
{
	struct ks_nonces nonces;
	struct ks_nonces again;

	(void)state;
	ks_nonces_clear(&nonces);
	assert_false(ks_nonces_has(&nonces, 0));
	write_and_read(&nonces, &again);
	assert_int_equal(again.count, 0);
	assert_true(ks_nonces_add(&nonces, 65535));
	assert_true(ks_nonces_add(&nonces, 0));
	assert_false(ks_nonces_has(&nonces, 1));
	write_and_read(&nonces, &again);
	assert_true(ks_nonces_has(&again, 0) && ks_nonces_has(&again, 65535));
	ks_nonces_clear(&nonces);
	assert_false(ks_nonces_has(&nonces, 65535));
}

static bool reads(const uint8_t *octets, size_t length)
{
	struct ks_nonces nonces;
	struct kw_reader reader;
	bool good;

	kw_reader_init(&reader, octets, length);
	ks_nonces_read(&nonces, &reader);
	good = kw_reader_end(&reader) == KW_OK;
	assert_true(good || nonces.count == 0);
	return good;
}

static void only_what_would_be_written_is_read(void **state)
{
	static uint8_t octets[KS_NONCES_SIZE_MAX];

	(void)state;
	assert_true(reads((const uint8_t *)"\x01\x00\x02\x00\x01\x00\x02", 7));
	assert_false(reads((const uint8_t *)"\x01\x00\x02\x00\x02\x00\x01", 7)); /* order */
	assert_false(reads((const uint8_t *)"\x01\x00\x02\x00\x02\x00\x02", 7)); /* twice */
	assert_false(reads((const uint8_t *)"\x01\x00\x00", 3));                 /* no list */
	assert_false(reads((const uint8_t *)"\x03", 1));
	memset(octets, 0, sizeof(octets));
	octets[0] = 1;
	octets[1] = 0x03;
	octets[2] = 0xe9; /* a list of 1001 */
	for (uint16_t i = 0; i < 1001; i++) {
		octets[3 + 2 * i] = (uint8_t)(i >> 8);
		octets[4 + 2 * i] = (uint8_t)i;
	}
	assert_false(reads(octets, 3 + 2 * 1001));
	memset(octets, 0, sizeof(octets));
	octets[0] = 2;
	memset(octets + 1, 0xff, KS_NONCES_LIST_MAX / 8); /* 1000 bits: should be a list */
	assert_false(reads(octets, sizeof(octets)));
	octets[sizeof(octets) - 1] = 1;
	assert_true(reads(octets, sizeof(octets)));
	assert_false(reads(octets, sizeof(octets) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_once),
		cmocka_unit_test(empty_and_ends),
		cmocka_unit_test(only_what_would_be_written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
