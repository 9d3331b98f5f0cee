/**
 * The backup file (docs/store-format.md, "Backup file"): a head, blocks of records, an end with
 * checks. Private to keystore/. Pure but for the digest; knows no store.
 *
 * The records are those of the store's tables, in the order of their keys, so a backup does not
 * depend on LMDB's pages, and a damaged or forged one meets only readers that check every length.
 */
#ifndef KW_KEYSTORE_BACKUP_FILE_H
#define KW_KEYSTORE_BACKUP_FILE_H

#include "base/cursor.h"
#include "keystore/backup.h"
#include "keystore/internal.h"

#include <openssl/evp.h>

#define KS_BACKUP_VERSION    1
#define KS_BACKUP_HEAD_SIZE  48
#define KS_BLOCK_HEAD_SIZE   12 /* length of what follows, u32; records so far, u64 */
#define KS_BACKUP_CHECK_SIZE 32 /* SHA-256, and HMAC-SHA-256 */
#define KS_BACKUP_END_SIZE   (KS_BLOCK_HEAD_SIZE + 2 * KS_BACKUP_CHECK_SIZE)
#define KS_BACKUP_KEY_MAX    64
#define KS_BACKUP_TABLES     7

struct ks_backup_head {
	uint32_t format; /* of the store */
	uint8_t store_id[KS_STORE_ID_SIZE];
	uint64_t time_ms;
	uint32_t epoch;
	uint32_t advanced;
	uint64_t records;
};

void ks_backup_head_write(const struct ks_backup_head *head, uint8_t out[KS_BACKUP_HEAD_SIZE]);
/** @return KW_OK, KW_E_SYNTAX (no backup of Keyward), KW_E_STORE_NEWER (a newer file version or
 *          store format), KW_E_STORE_DAMAGED */
KW_MUST_CHECK enum kw_err ks_backup_head_read(
	const uint8_t octets[KS_BACKUP_HEAD_SIZE], struct ks_backup_head *out);

/** The table of a number from 0 to KS_BACKUP_TABLES - 1, in the order of the file. */
MDB_dbi ks_backup_table(const struct ks_tables *tables, unsigned number);

struct ks_backup_record {
	unsigned table; /* number */
	const uint8_t *key, *value;
	size_t key_length, value_length;
};

/** Append a record. @return false: no room, nothing was written */
bool ks_backup_record_write(const struct ks_backup_record *record, struct kw_writer *writer);
/** Take a record from a block; borrowed from it. @return KW_OK, KW_E_STORE_DAMAGED */
KW_MUST_CHECK enum kw_err ks_backup_record_read(
	struct kw_reader *reader, struct ks_backup_record *out);

/** SHA-256 of what is in front of the check. */
struct ks_backup_digest {
	EVP_MD_CTX *context;
	bool failed;
};

/** @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err ks_backup_digest_init(struct ks_backup_digest *digest);
void ks_backup_digest_add(struct ks_backup_digest *digest, const void *octets, size_t length);
/** @return KW_OK, KW_E_CRYPTO also if adding failed */
KW_MUST_CHECK enum kw_err ks_backup_digest_end(
	struct ks_backup_digest *digest, uint8_t out[KS_BACKUP_CHECK_SIZE]);
void ks_backup_digest_finish(struct ks_backup_digest *digest);

/** HMAC, under the secret of the store, of such a digest. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err ks_backup_seal(struct ks_sealer *sealer,
	const uint8_t digest[KS_BACKUP_CHECK_SIZE], uint8_t out[KS_BACKUP_CHECK_SIZE]);

#endif
