#include "lorawan/frame.h"
#include "tests/lorawan/octets.h"

#include <stdlib.h>

#define LENGTH_MAX 300

static const char join_request[] = "00341200d07ed5b37030051c000ba304001200735ad526";
static const char rejoin_0[] = "c0000a056030051c000ba30400030201020304";
static const char rejoin_1[] = "c001341200d07ed5b37030051c000ba3040003027777c297";
static const char accept_short[] = "200500000a05602c0b14ea8001274f409a";
static const char accept_long[] =
	"200600000a05602c0b14ea9305184f84e85684b85e84886684586e8400226e08a6";

static const uint8_t join_eui[] = {0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0x00, 0x12, 0x34};
static const uint8_t dev_eui[] = {0x00, 0x04, 0xa3, 0x0b, 0x00, 0x1c, 0x05, 0x30};
static const uint8_t net_id[] = {0x60, 0x05, 0x0a};
static const uint8_t dev_addr[] = {0xea, 0x14, 0x0b, 0x2c};
static const uint8_t cf_list[] = {0x18, 0x4f, 0x84, 0xe8, 0x56, 0x84, 0xb8, 0x5e, 0x84, 0x88, 0x66,
	0x84, 0x58, 0x6e, 0x84, 0x00};

static void reads_a_join_request(void **state)
{
	uint8_t frame[LW_JOIN_REQUEST_SIZE];
	uint8_t again[LW_JOIN_REQUEST_SIZE];
	struct lw_join_request request;

	(void)state;
	octets_of(join_request, frame, sizeof(frame));
	assert_int_equal(lw_join_request_read(frame, sizeof(frame), &request), KW_OK);
	assert_memory_equal(request.join_eui.octets, join_eui, sizeof(join_eui));
	assert_memory_equal(request.dev_eui.octets, dev_eui, sizeof(dev_eui));
	assert_int_equal(request.dev_nonce, 0x0012);
	assert_memory_equal(request.mic, frame + 19, LW_MIC_SIZE);
	lw_join_request_write(&request, again);
	assert_memory_equal(again, frame, sizeof(frame));
}

static void reads_a_rejoin_request_with_net_id(void **state)
{
	static const enum lw_join_req_type types[] = {LW_JOIN_REQ_REJOIN_0, LW_JOIN_REQ_REJOIN_2};
	uint8_t frame[LW_REJOIN_02_SIZE];
	uint8_t again[LW_REJOIN_1_SIZE];
	struct lw_rejoin_request request;

	(void)state;
	octets_of(rejoin_0, frame, sizeof(frame));
	for (size_t i = 0; i < 2; i++) {
		frame[1] = (uint8_t)types[i];
		assert_int_equal(lw_rejoin_request_read(frame, sizeof(frame), &request), KW_OK);
		assert_int_equal(request.type, types[i]);
		assert_memory_equal(request.net_id.octets, net_id, sizeof(net_id));
		assert_true(all_zero(&request.join_eui, sizeof(request.join_eui)));
		assert_memory_equal(request.dev_eui.octets, dev_eui, sizeof(dev_eui));
		assert_int_equal(request.rj_count, 0x0203);
		assert_memory_equal(request.mic, frame + 15, LW_MIC_SIZE);
		assert_int_equal(lw_rejoin_request_write(&request, again), sizeof(frame));
		assert_memory_equal(again, frame, sizeof(frame));
		assert_true(all_zero(again + sizeof(frame), sizeof(again) - sizeof(frame)));
	}
}

static void reads_a_rejoin_request_with_join_eui(void **state)
{
	uint8_t frame[LW_REJOIN_1_SIZE];
	uint8_t again[LW_REJOIN_1_SIZE];
	struct lw_rejoin_request request;

	(void)state;
	octets_of(rejoin_1, frame, sizeof(frame));
	assert_int_equal(lw_rejoin_request_read(frame, sizeof(frame), &request), KW_OK);
	assert_int_equal(request.type, LW_JOIN_REQ_REJOIN_1);
	assert_memory_equal(request.join_eui.octets, join_eui, sizeof(join_eui));
	assert_memory_equal(request.dev_eui.octets, dev_eui, sizeof(dev_eui));
	assert_true(all_zero(&request.net_id, sizeof(request.net_id)));
	assert_int_equal(request.rj_count, 515);
	assert_int_equal(lw_rejoin_request_write(&request, again), sizeof(frame));
	assert_memory_equal(again, frame, sizeof(frame));
}

static void writes_no_rejoin_of_another_type(void **state)
{
	uint8_t out[LW_REJOIN_1_SIZE];
	struct lw_rejoin_request request;

	(void)state;
	memset(&request, 0x11, sizeof(request));
	for (unsigned type = 3; type < 256; type++) {
		request.type = (enum lw_join_req_type)type;
		memset(out, 0xee, sizeof(out));
		assert_int_equal(lw_rejoin_request_write(&request, out), 0);
		assert_true(all_zero(out, sizeof(out)));
	}
}

static void check_accept(const char *text, size_t length)
{
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	uint8_t again[LW_JOIN_ACCEPT_MAX];
	uint8_t mic[LW_MIC_SIZE];
	struct lw_join_accept accept;
	bool with_list = length == LW_JOIN_ACCEPT_MAX;

	octets_of(text, frame, length);
	assert_int_equal(lw_join_accept_read(frame, length, &accept, mic), KW_OK);
	assert_int_equal(accept.join_nonce, with_list ? 6 : 5);
	assert_memory_equal(accept.net_id.octets, net_id, sizeof(net_id));
	assert_memory_equal(accept.dev_addr.octets, dev_addr, sizeof(dev_addr));
	assert_int_equal(accept.dl_settings, with_list ? 0x93 : 0x80);
	assert_int_equal(accept.rx_delay, with_list ? 5 : 1);
	assert_int_equal(accept.has_cf_list, with_list);
	if (with_list) {
		assert_memory_equal(accept.cf_list, cf_list, sizeof(cf_list));
	} else {
		assert_true(all_zero(accept.cf_list, sizeof(accept.cf_list)));
	}
	assert_memory_equal(mic, frame + length - LW_MIC_SIZE, LW_MIC_SIZE);
	memset(again, 0xee, sizeof(again));
	assert_int_equal(lw_join_accept_write(&accept, again), length - LW_MIC_SIZE);
	assert_memory_equal(again, frame, length - LW_MIC_SIZE);
	assert_true(all_zero(again + length - LW_MIC_SIZE, sizeof(again) - length + LW_MIC_SIZE));
}

static void reads_a_join_accept(void **state)
{
	(void)state;
	check_accept(accept_short, LW_JOIN_ACCEPT_SIZE);
	check_accept(accept_long, LW_JOIN_ACCEPT_MAX);
}

static enum kw_err want_request(const uint8_t *frame, size_t length)
{
	if (length != LW_JOIN_REQUEST_SIZE) {
		return KW_E_FRAME_SIZE;
	}
	return frame[0] == 0x00 ? KW_OK : KW_E_FRAME_TYPE;
}

static enum kw_err want_rejoin(const uint8_t *frame, size_t length)
{
	if (length != 19 && length != 24) {
		return KW_E_FRAME_SIZE;
	}
	if (frame[0] != 0xc0 || frame[1] > 2) {
		return KW_E_FRAME_TYPE;
	}
	return (frame[1] == 1) == (length == 24) ? KW_OK : KW_E_FRAME_SIZE;
}

static enum kw_err want_accept(const uint8_t *frame, size_t length)
{
	if (length != 17 && length != 33) {
		return KW_E_FRAME_SIZE;
	}
	return frame[0] == 0x20 ? KW_OK : KW_E_FRAME_TYPE;
}

static void check_readers(const uint8_t *frame, size_t length)
{
	struct lw_join_request request;
	struct lw_rejoin_request rejoin;
	struct lw_join_accept accept;
	uint8_t mic[LW_MIC_SIZE];
	enum kw_err err;

	memset(&request, 0xee, sizeof(request));
	memset(&rejoin, 0xee, sizeof(rejoin));
	memset(&accept, 0xee, sizeof(accept));
	memset(mic, 0xee, sizeof(mic));
	err = lw_join_request_read(frame, length, &request);
	assert_int_equal(err, want_request(frame, length));
	assert_true(err == KW_OK || all_zero(&request, sizeof(request)));
	err = lw_rejoin_request_read(frame, length, &rejoin);
	assert_int_equal(err, want_rejoin(frame, length));
	assert_true(err == KW_OK || all_zero(&rejoin, sizeof(rejoin)));
	err = lw_join_accept_read(frame, length, &accept, mic);
	assert_int_equal(err, want_accept(frame, length));
	assert_true(err == KW_OK || all_zero(&accept, sizeof(accept)));
	assert_true(err == KW_OK || all_zero(mic, sizeof(mic)));
}

/* The buffer is exactly as long as the frame, so that a sanitizer sees every octet too far. */
static void every_length_with_every_type(void **state)
{
	static const uint8_t headers[] = {0x00, 0x20, 0xc0, 0xff, 0x01, 0x21, 0xc1, 0x04, 0x24};

	(void)state;
	for (size_t length = 0; length <= LENGTH_MAX; length++) {
		uint8_t *frame = malloc(length);

		assert_true(frame != NULL || length == 0);
		for (size_t h = 0; h < sizeof(headers); h++) {
			for (unsigned type = 0; type < 4; type++) {
				if (length > 0) {
					memset(frame, 0x5a, length);
					frame[0] = headers[h];
				}
				if (length > 1) {
					frame[1] = (uint8_t)type;
				}
				check_readers(frame, length);
			}
		}
		free(frame);
	}
}

static void every_first_and_second_octet(void **state)
{
	static const size_t lengths[] = {17, 19, 23, 24, 33};
	uint8_t frame[LW_JOIN_ACCEPT_MAX] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (unsigned value = 0; value < 0x10000; value++) {
			frame[0] = (uint8_t)(value >> 8);
			frame[1] = (uint8_t)value;
			check_readers(frame, lengths[i]);
		}
	}
}

static void join_nonce_has_three_octets(void **state)
{
	struct lw_join_accept accept = {.join_nonce = LW_JOIN_NONCE_MAX};
	struct lw_join_accept back;
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	uint8_t mic[LW_MIC_SIZE];

	(void)state;
	assert_int_equal(lw_join_accept_write(&accept, frame), 13);
	assert_int_equal(lw_join_accept_read(frame, LW_JOIN_ACCEPT_SIZE, &back, mic), KW_OK);
	assert_int_equal(back.join_nonce, LW_JOIN_NONCE_MAX);
	accept.join_nonce = 0x010203;
	lw_join_accept_write(&accept, frame);
	assert_memory_equal(frame, "\x20\x03\x02\x01\x00", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_join_request),
		cmocka_unit_test(reads_a_rejoin_request_with_net_id),
		cmocka_unit_test(reads_a_rejoin_request_with_join_eui),
		cmocka_unit_test(writes_no_rejoin_of_another_type),
		cmocka_unit_test(reads_a_join_accept),
		cmocka_unit_test(every_length_with_every_type),
		cmocka_unit_test(every_first_and_second_octet),
		cmocka_unit_test(join_nonce_has_three_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
