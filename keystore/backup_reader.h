/**
 * A backup file read from a descriptor, block by block. Private to keystore/.
 */
#ifndef KW_KEYSTORE_BACKUP_READER_H
#define KW_KEYSTORE_BACKUP_READER_H

#include "base/cursor.h"
#include "keystore/backup_file.h"

struct ks_backup_reader {
	int fd; /* borrowed */
	struct ks_backup_head head;
	struct kw_reader block;
	uint64_t taken;     /* records so far */
	uint64_t announced; /* the same, as the block says when it is over */
	unsigned table;     /* of the last record: they only go up */
	bool ended;
	uint8_t hmac[KS_BACKUP_CHECK_SIZE]; /* once it has ended; the caller checks it */
	uint8_t sha[KS_BACKUP_CHECK_SIZE];  /* once it has ended: right */
	struct ks_backup_digest digest;
	uint8_t octets[KS_BACKUP_PIECE_MAX];
};

/** Read the head. @return as ks_restore(); logged */
KW_MUST_CHECK enum kw_err ks_backup_reader_open(struct ks_backup_reader *reader, int fd);
void ks_backup_reader_close(struct ks_backup_reader *reader);
/**
 * The next record, borrowed until the next call.
 *
 * @return KW_OK, KW_E_NOT_FOUND (the end was reached and SHA-256 and the number of records are
 *         right), KW_E_TRUNCATED, KW_E_STORE_DAMAGED, KW_E_SYSTEM, KW_E_CRYPTO; logged
 */
KW_MUST_CHECK enum kw_err ks_backup_reader_next(
	struct ks_backup_reader *reader, struct ks_backup_record *out);

#endif
