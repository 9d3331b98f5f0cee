#include "keystore/encode.h"
#include "keystore/history.h"
#include "keystore/record.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define SEQUENCE     UINT64_MAX
#define NEWEST       2 /* version of journal records that are written */
#define NEWEST_STATE 3

static void fuzz_record(const uint8_t *data, size_t size)
{
	struct ks_record record;
	uint8_t again[KS_RECORD_SIZE_MAX], newer[KS_RECORD_SIZE_MAX];
	size_t length;

	if (ks_record_read(SEQUENCE, data, size, &record) != KW_OK) {
		fuzz_require(record.event.sequence == 0);
		return;
	}
	fuzz_require(record.event.sequence == SEQUENCE && ks_event_valid(&record.event));
	fuzz_require(record.event.kind != KS_EVENT_ACCEPTED || ks_session_valid(&record.session));
	length = ks_record_write(&record, again);
	if (data[0] == NEWEST) {
		fuzz_require(length == size && memcmp(again, data, size) == 0);
	} else {
		/* An older one says the same once it is written anew. */
		fuzz_require(
			length > size && ks_record_read(SEQUENCE, again, length, &record) == KW_OK);
		fuzz_require(ks_record_write(&record, newer) == length);
		fuzz_require(memcmp(again, newer, length) == 0);
	}
}

/* Whatever state was read: one more join uses exactly its own nonces. */
static void fuzz_apply(struct ks_history *history)
{
	struct ks_record record = {.event = {.registered = LW_VERSION_1_0_3}};
	const uint32_t join_nonce = history->next_join_nonce;
	const uint16_t nonce = (uint16_t)(history->max_dev_nonce + 1);
	bool used = ks_history_used(history, nonce);
	uint8_t octets[KS_HISTORY_SIZE_MAX];
	struct ks_history again;

	if (join_nonce > LW_JOIN_NONCE_MAX || used) {
		return;
	}
	record.session.type = LW_JOIN_REQ_JOIN;
	record.session.join_nonce = join_nonce;
	record.session.nonce = nonce;
	fuzz_require(ks_history_apply(history, &record) == KW_OK);
	fuzz_require(history->next_join_nonce == join_nonce + 1);
	fuzz_require(ks_history_used(history, nonce));
	fuzz_require(ks_history_apply(history, &record) == KW_E_STORE_DAMAGED);
	fuzz_require(ks_history_read(octets, ks_history_write(history, octets), &again) == KW_OK);
}

static void fuzz_history(const uint8_t *data, size_t size)
{
	struct ks_history history;
	uint8_t again[KS_HISTORY_SIZE_MAX];
	size_t length;

	if (ks_history_read(data, size, &history) != KW_OK) {
		fuzz_require(history.next_join_nonce == 1 && history.session_count == 0);
		return;
	}
	length = ks_history_write(&history, again);
	if (data[0] == NEWEST_STATE) {
		fuzz_require(length == size && memcmp(again, data, size) == 0);
	} else {
		fuzz_require(length >= size && ks_history_read(again, length, &history) == KW_OK);
	}
	fuzz_apply(&history);
}

/* The same with a checksum that is right: else hardly any input would get further. */
static void fuzz_with_checksum(const uint8_t *data, size_t size)
{
	static uint8_t octets[KS_HISTORY_SIZE_MAX];
	struct kw_writer writer;

	kw_writer_init(&writer, octets, sizeof(octets));
	kw_write_octets(&writer, data, size);
	ks_record_end(&writer);
	if (kw_writer_end(&writer) == KW_OK) {
		fuzz_record(octets, writer.used);
		fuzz_history(octets, writer.used);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_record(data, size);
	fuzz_history(data, size);
	fuzz_with_checksum(data, size);
	return 0;
}
