#include "keystore/encode.h"

#include "keystore/seal.h"

#include <string.h>

#define ADLER_MODULUS 65521
#define ADLER_RUN     5552 /* so many octets cannot overflow 32 bits */
#define ADLER_BLOCK   16

void ks_id_write(const struct lw_device_id *id, uint8_t out[KS_ID_SIZE])
{
	memcpy(out, id->join_eui.octets, LW_EUI_SIZE);
	memcpy(out + LW_EUI_SIZE, id->dev_eui.octets, LW_EUI_SIZE);
}

void ks_id_read(const uint8_t in[KS_ID_SIZE], struct lw_device_id *id)
{
	memcpy(id->join_eui.octets, in, LW_EUI_SIZE);
	memcpy(id->dev_eui.octets, in + LW_EUI_SIZE, LW_EUI_SIZE);
}

/* Of one block at a time, so that the octets do not wait for each other. */
static void add_block(const uint8_t *at, uint32_t *a, uint32_t *b)
{
	uint32_t sum = 0;
	uint32_t weighted = 0;

	for (uint32_t i = 0; i < ADLER_BLOCK; i++) {
		sum += at[i];
		weighted += (ADLER_BLOCK - i) * at[i];
	}
	*b += ADLER_BLOCK * *a + weighted;
	*a += sum;
}

uint32_t ks_checksum(const void *octets, size_t length)
{
	const uint8_t *at = octets;
	uint32_t a = 1;
	uint32_t b = 0;

	while (length > 0) {
		size_t run = length < ADLER_RUN ? length : ADLER_RUN;

		length -= run;
		for (; run >= ADLER_BLOCK; run -= ADLER_BLOCK, at += ADLER_BLOCK) {
			add_block(at, &a, &b);
		}
		for (; run > 0; run--) {
			a += *at++;
			b += a;
		}
		a %= ADLER_MODULUS;
		b %= ADLER_MODULUS;
	}
	return b << 16 | a;
}

void ks_record_end(struct kw_writer *writer)
{
	kw_write_u32(writer, ks_checksum(writer->start, writer->used));
}

bool ks_record_begin(struct kw_reader *reader, const uint8_t *octets, size_t length, uint8_t newest,
	uint8_t *version)
{
	struct kw_reader end;
	uint8_t told;
	size_t body;

	*version = 0;
	if (length < KS_CHECKSUM_SIZE + 1) {
		return false;
	}
	body = length - KS_CHECKSUM_SIZE;
	kw_reader_init(&end, octets + body, KS_CHECKSUM_SIZE);
	if (kw_read_u32(&end) != ks_checksum(octets, body)) {
		return false;
	}
	kw_reader_init(reader, octets, body);
	told = kw_read_u8(reader);
	if (told < 1 || told > newest) {
		return false;
	}
	*version = told;
	return true;
}

bool ks_text_valid(const char *text, size_t size)
{
	const size_t length = strnlen(text, size);

	for (size_t i = 0; i < length; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f) {
			return false;
		}
	}
	return length < size;
}

bool ks_label_valid(const char *label)
{
	const size_t length = strnlen(label, KS_LABEL_SIZE);

	for (size_t i = 0; i < length; i++) {
		if (label[i] < ' ' || label[i] > '~') {
			return false;
		}
	}
	return length > 0 && length < KS_LABEL_SIZE;
}

bool ks_delivery_valid(unsigned value)
{
	return value <= KS_DELIVERY_FETCH;
}

bool ks_policy_valid(const struct ks_policy *policy)
{
	return policy->net_id_count <= KS_NET_IDS_MAX && policy->roaming_count <= KS_NET_IDS_MAX &&
	       ks_delivery_valid(policy->delivery) &&
	       ks_text_valid(policy->as_id, sizeof(policy->as_id)) &&
	       ks_text_valid(policy->name, sizeof(policy->name));
}

void ks_write_net_ids(struct kw_writer *writer, const struct lw_net_id *net_ids, uint8_t count)
{
	kw_write_u8(writer, count);
	kw_write_octets(writer, net_ids, count * sizeof(*net_ids));
}

void ks_read_net_ids(struct kw_reader *reader, struct lw_net_id *net_ids, uint8_t *count)
{
	*count = kw_read_u8(reader);
	if (*count > KS_NET_IDS_MAX) {
		reader->failed = true;
		return;
	}
	kw_read_octets(reader, net_ids, *count * sizeof(*net_ids));
}

void ks_write_sealed(struct kw_writer *writer, const struct ks_sealed *sealed)
{
	kw_write_u8(writer, sealed->length);
	kw_write_octets(writer, sealed->octets, sealed->length);
}

bool ks_sealed_holds(const struct ks_sealed *sealed, size_t length)
{
	return sealed->length == length + KS_SEAL_EXTRA;
}

void ks_read_sealed(struct kw_reader *reader, struct ks_sealed *sealed)
{
	sealed->length = kw_read_u8(reader);
	if (sealed->length > KS_SEALED_MAX) {
		reader->failed = true;
		return;
	}
	kw_read_octets(reader, sealed->octets, sealed->length);
}
