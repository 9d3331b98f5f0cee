#include "lorawan/frame.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static bool all_zero(const void *memory, size_t length)
{
	const uint8_t *octets = memory;

	for (size_t i = 0; i < length; i++) {
		if (octets[i] != 0) {
			return false;
		}
	}
	return true;
}

static void fuzz_join_request(const uint8_t *data, size_t size)
{
	struct lw_join_request request;
	uint8_t again[LW_JOIN_REQUEST_SIZE];

	if (lw_join_request_read(data, size, &request) != KW_OK) {
		fuzz_require(all_zero(&request, sizeof(request)));
		return;
	}
	lw_join_request_write(&request, again);
	fuzz_require(size == sizeof(again) && memcmp(again, data, size) == 0);
}

static void fuzz_rejoin_request(const uint8_t *data, size_t size)
{
	struct lw_rejoin_request request;
	uint8_t again[LW_REJOIN_1_SIZE];

	if (lw_rejoin_request_read(data, size, &request) != KW_OK) {
		fuzz_require(all_zero(&request, sizeof(request)));
		return;
	}
	fuzz_require(lw_rejoin_request_write(&request, again) == size);
	fuzz_require(memcmp(again, data, size) == 0);
}

static void fuzz_join_accept(const uint8_t *data, size_t size)
{
	struct lw_join_accept accept;
	uint8_t again[LW_JOIN_ACCEPT_MAX];
	uint8_t mic[LW_MIC_SIZE];
	size_t clear;

	if (lw_join_accept_read(data, size, &accept, mic) != KW_OK) {
		fuzz_require(all_zero(&accept, sizeof(accept)) && all_zero(mic, sizeof(mic)));
		return;
	}
	clear = lw_join_accept_write(&accept, again);
	fuzz_require(clear + LW_MIC_SIZE == size);
	memcpy(again + clear, mic, LW_MIC_SIZE);
	fuzz_require(memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_join_request(data, size);
	fuzz_rejoin_request(data, size);
	fuzz_join_accept(data, size);
	return 0;
}
