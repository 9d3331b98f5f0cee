#include "keystore/backup_file.h"

#include "base/cursor.h"
#include "keystore/seal.h"

#include <assert.h>
#include <string.h>

#define VERSION_AT    8
#define RECORD_EXTRA  5 /* table, lengths of key and value */
#define HMAC_LABEL    "keyward backup 1"
#define HMAC_LABEL_AT (sizeof(HMAC_LABEL) - 1)

static const uint8_t magic[8] = {'K', 'W', 'B', 'A', 'C', 'K', 'U', 'P'};

void ks_backup_head_write(const struct ks_backup_head *head, uint8_t out[KS_BACKUP_HEAD_SIZE])
{
	struct kw_writer writer;

	kw_writer_init(&writer, out, KS_BACKUP_HEAD_SIZE);
	kw_write_octets(&writer, magic, sizeof(magic));
	kw_write_u32(&writer, KS_BACKUP_VERSION);
	kw_write_u32(&writer, head->format);
	kw_write_octets(&writer, head->store_id, sizeof(head->store_id));
	kw_write_u64(&writer, head->time_ms);
	kw_write_u32(&writer, head->epoch);
	kw_write_u32(&writer, head->advanced);
	kw_write_u64(&writer, head->records);
	assert(writer.used == KS_BACKUP_HEAD_SIZE);
}

enum kw_err ks_backup_head_read(
	const uint8_t octets[KS_BACKUP_HEAD_SIZE], struct ks_backup_head *out)
{
	struct kw_reader reader;
	uint8_t name[sizeof(magic)];
	uint32_t version;

	memset(out, 0, sizeof(*out));
	kw_reader_init(&reader, octets, KS_BACKUP_HEAD_SIZE);
	kw_read_octets(&reader, name, sizeof(name));
	version = kw_read_u32(&reader);
	out->format = kw_read_u32(&reader);
	kw_read_octets(&reader, out->store_id, sizeof(out->store_id));
	out->time_ms = kw_read_u64(&reader);
	out->epoch = kw_read_u32(&reader);
	out->advanced = kw_read_u32(&reader);
	out->records = kw_read_u64(&reader);
	if (memcmp(name, magic, sizeof(magic)) != 0) {
		return KW_E_SYNTAX;
	}
	if (version > KS_BACKUP_VERSION || out->format > KS_FORMAT) {
		return KW_E_STORE_NEWER;
	}
	return kw_reader_end(&reader) == KW_OK && version > 0 && out->format > 0
		       ? KW_OK
		       : KW_E_STORE_DAMAGED;
}

MDB_dbi ks_backup_table(const struct ks_tables *tables, unsigned number)
{
	const MDB_dbi list[KS_BACKUP_TABLES] = {tables->meta, tables->key, tables->device,
		tables->dev_eui, tables->state, tables->journal, tables->peer};

	assert(number < KS_BACKUP_TABLES);
	return list[number];
}

bool ks_backup_record_write(const struct ks_backup_record *record, struct kw_writer *writer)
{
	if (record->key_length > KS_BACKUP_KEY_MAX || record->value_length > UINT16_MAX ||
		writer->size - writer->used <
			RECORD_EXTRA + record->key_length + record->value_length) {
		return false;
	}
	kw_write_u8(writer, (uint8_t)record->table);
	kw_write_u16(writer, (uint16_t)record->key_length);
	kw_write_u16(writer, (uint16_t)record->value_length);
	kw_write_octets(writer, record->key, record->key_length);
	kw_write_octets(writer, record->value, record->value_length);
	return true;
}

enum kw_err ks_backup_record_read(struct kw_reader *reader, struct ks_backup_record *out)
{
	out->table = kw_read_u8(reader);
	out->key_length = kw_read_u16(reader);
	out->value_length = kw_read_u16(reader);
	out->key = kw_read_span(reader, out->key_length);
	out->value = kw_read_span(reader, out->value_length);
	if (reader->failed || out->table >= KS_BACKUP_TABLES || out->key_length == 0 ||
		out->key_length > KS_BACKUP_KEY_MAX) {
		memset(out, 0, sizeof(*out));
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}

enum kw_err ks_backup_digest_init(struct ks_backup_digest *digest)
{
	digest->failed = false;
	digest->context = EVP_MD_CTX_new();
	if (digest->context == NULL ||
		EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1) {
		ks_backup_digest_finish(digest);
		return ks_openssl_error("SHA-256");
	}
	return KW_OK;
}

void ks_backup_digest_add(struct ks_backup_digest *digest, const void *octets, size_t length)
{
	digest->failed |= EVP_DigestUpdate(digest->context, octets, length) != 1;
}

enum kw_err ks_backup_digest_end(struct ks_backup_digest *digest, uint8_t out[KS_BACKUP_CHECK_SIZE])
{
	unsigned length = 0;

	if (digest->failed || EVP_DigestFinal_ex(digest->context, out, &length) != 1 ||
		length != KS_BACKUP_CHECK_SIZE) {
		memset(out, 0, KS_BACKUP_CHECK_SIZE);
		return ks_openssl_error("SHA-256");
	}
	return KW_OK;
}

void ks_backup_digest_finish(struct ks_backup_digest *digest)
{
	EVP_MD_CTX_free(digest->context);
	digest->context = NULL;
}

enum kw_err ks_backup_seal(struct ks_sealer *sealer, const uint8_t digest[KS_BACKUP_CHECK_SIZE],
	uint8_t out[KS_BACKUP_CHECK_SIZE])
{
	uint8_t text[HMAC_LABEL_AT + KS_BACKUP_CHECK_SIZE];

	static_assert(KS_BACKUP_CHECK_SIZE == KS_DIGEST_SIZE, "both are SHA-256");
	memcpy(text, HMAC_LABEL, HMAC_LABEL_AT);
	memcpy(text + HMAC_LABEL_AT, digest, KS_BACKUP_CHECK_SIZE);
	return ks_sealer_hmac(sealer, text, sizeof(text), out);
}
