#include "base/cursor.h"

#include <string.h>

void kw_reader_init(struct kw_reader *reader, const void *octets, size_t length)
{
	reader->at = octets;
	reader->left = length;
	reader->failed = false;
}

const uint8_t *kw_read_span(struct kw_reader *reader, size_t length)
{
	const uint8_t *at = reader->at;

	if (reader->failed || reader->left < length) {
		reader->failed = true;
		return NULL;
	}
	reader->at += length;
	reader->left -= length;
	return at;
}

static uint64_t read_big_endian(struct kw_reader *reader, size_t length)
{
	const uint8_t *at = kw_read_span(reader, length);
	uint64_t value = 0;

	for (size_t i = 0; at != NULL && i < length; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

static uint64_t read_little_endian(struct kw_reader *reader, size_t length)
{
	const uint8_t *at = kw_read_span(reader, length);
	uint64_t value = 0;

	for (size_t i = length; at != NULL && i > 0; i--) {
		value = value << 8 | at[i - 1];
	}
	return value;
}

uint8_t kw_read_u8(struct kw_reader *reader)
{
	return (uint8_t)read_big_endian(reader, 1);
}

uint16_t kw_read_u16(struct kw_reader *reader)
{
	return (uint16_t)read_big_endian(reader, 2);
}

uint32_t kw_read_u24(struct kw_reader *reader)
{
	return (uint32_t)read_big_endian(reader, 3);
}

uint32_t kw_read_u32(struct kw_reader *reader)
{
	return (uint32_t)read_big_endian(reader, 4);
}

uint64_t kw_read_u64(struct kw_reader *reader)
{
	return read_big_endian(reader, 8);
}

uint16_t kw_read_u16_le(struct kw_reader *reader)
{
	return (uint16_t)read_little_endian(reader, 2);
}

uint32_t kw_read_u24_le(struct kw_reader *reader)
{
	return (uint32_t)read_little_endian(reader, 3);
}

void kw_read_octets(struct kw_reader *reader, void *out, size_t length)
{
	const uint8_t *at = kw_read_span(reader, length);

	if (at == NULL) {
		memset(out, 0, length);
		return;
	}
	memcpy(out, at, length);
}

void kw_read_reversed(struct kw_reader *reader, void *out, size_t length)
{
	const uint8_t *at = kw_read_span(reader, length);
	uint8_t *to = out;

	if (at == NULL) {
		memset(out, 0, length);
		return;
	}
	for (size_t i = 0; i < length; i++) {
		to[i] = at[length - 1 - i];
	}
}

void kw_read_string(struct kw_reader *reader, char *out, size_t size)
{
	size_t length = kw_read_u8(reader);
	const uint8_t *at = kw_read_span(reader, length);

	memset(out, 0, size);
	if (at == NULL || length >= size || memchr(at, '\0', length) != NULL) {
		reader->failed = true;
		return;
	}
	memcpy(out, at, length);
}

enum kw_err kw_reader_end(const struct kw_reader *reader)
{
	return reader->failed || reader->left != 0 ? KW_E_TRUNCATED : KW_OK;
}

void kw_writer_init(struct kw_writer *writer, void *buffer, size_t size)
{
	writer->start = buffer;
	writer->used = 0;
	writer->size = size;
	writer->failed = false;
}

static uint8_t *write_span(struct kw_writer *writer, size_t length)
{
	uint8_t *at = writer->start + writer->used;

	if (writer->failed || writer->size - writer->used < length) {
		writer->failed = true;
		return NULL;
	}
	writer->used += length;
	return at;
}

static void write_big_endian(struct kw_writer *writer, uint64_t value, size_t length)
{
	uint8_t *at = write_span(writer, length);

	for (size_t i = length; at != NULL && i > 0; i--) {
		at[i - 1] = (uint8_t)value;
		value >>= 8;
	}
}

static void write_little_endian(struct kw_writer *writer, uint64_t value, size_t length)
{
	uint8_t *at = write_span(writer, length);

	for (size_t i = 0; at != NULL && i < length; i++) {
		at[i] = (uint8_t)value;
		value >>= 8;
	}
}

void kw_write_u8(struct kw_writer *writer, uint8_t value)
{
	write_big_endian(writer, value, 1);
}

void kw_write_u16(struct kw_writer *writer, uint16_t value)
{
	write_big_endian(writer, value, 2);
}

void kw_write_u24(struct kw_writer *writer, uint32_t value)
{
	write_big_endian(writer, value, 3);
}

void kw_write_u32(struct kw_writer *writer, uint32_t value)
{
	write_big_endian(writer, value, 4);
}

void kw_write_u64(struct kw_writer *writer, uint64_t value)
{
	write_big_endian(writer, value, 8);
}

void kw_write_u16_le(struct kw_writer *writer, uint16_t value)
{
	write_little_endian(writer, value, 2);
}

void kw_write_u24_le(struct kw_writer *writer, uint32_t value)
{
	write_little_endian(writer, value, 3);
}

void kw_write_octets(struct kw_writer *writer, const void *octets, size_t length)
{
	uint8_t *at = write_span(writer, length);

	if (at != NULL && length > 0) {
		memcpy(at, octets, length);
	}
}

void kw_write_reversed(struct kw_writer *writer, const void *octets, size_t length)
{
	const uint8_t *from = octets;
	uint8_t *at = write_span(writer, length);

	for (size_t i = 0; at != NULL && i < length; i++) {
		at[i] = from[length - 1 - i];
	}
}

void kw_write_string(struct kw_writer *writer, const char *text)
{
	size_t length = strlen(text);

	if (length > UINT8_MAX) {
		writer->failed = true;
		return;
	}
	kw_write_u8(writer, (uint8_t)length);
	kw_write_octets(writer, text, length);
}

enum kw_err kw_writer_end(const struct kw_writer *writer)
{
	return writer->failed ? KW_E_TOO_LONG : KW_OK;
}
