#include "keystore/encode.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* The records of devices and peers. The first octet of the input chooses which; the rest is the
 * record without its checksum, which is made to fit, or no input would get past it. */

#define BODY_MAX 6144 /* more than the longest record */

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

static void fuzz_device(const uint8_t *record, size_t size)
{
	uint8_t again[KS_DEVICE_RECORD_MAX];
	struct ks_device device;
	size_t length;

	if (ks_device_decode(record, size, &device) != KW_OK) {
		fuzz_require(all_zero(&device, sizeof(device)));
		return;
	}
	fuzz_require(ks_device_encode(&device, again, &length) == KW_OK);
	fuzz_require(length == size && memcmp(again, record, size) == 0);
}

static void fuzz_peer(const uint8_t *record, size_t size)
{
	uint8_t again[KS_PEER_RECORD_MAX];
	struct ks_peer peer, read;
	size_t length;

	if (ks_peer_decode(record, size, &peer) != KW_OK) {
		fuzz_require(all_zero(&peer, sizeof(peer)));
		return;
	}
	fuzz_require(ks_peer_encode(&peer, again, &length) == KW_OK);
	if (record[0] < 3) { /* written back as version 3, and means the same */
		fuzz_require(again[0] == 3 && ks_peer_decode(again, length, &read) == KW_OK);
		fuzz_require(memcmp(&read, &peer, sizeof(peer)) == 0);
		return;
	}
	fuzz_require(length == size && memcmp(again, record, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t record[BODY_MAX + KS_CHECKSUM_SIZE];
	struct kw_writer writer;

	if (size < 1 || size - 1 > BODY_MAX) {
		return 0;
	}
	kw_writer_init(&writer, record, sizeof(record));
	kw_write_octets(&writer, data + 1, size - 1);
	ks_record_end(&writer);
	fuzz_device(data + 1, size - 1); /* as it came: the checksum is seldom right */
	fuzz_peer(data + 1, size - 1);
	if (data[0] % 2 == 0) {
		fuzz_device(record, writer.used);
	} else {
		fuzz_peer(record, writer.used);
	}
	return 0;
}
