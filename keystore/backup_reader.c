#include "keystore/backup_reader.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static enum kw_err damaged(const struct ks_backup_reader *reader)
{
	kw_log(KW_LOG_ERROR, "keystore", "the backup is damaged: take another one",
		KW_NUM("records_read", reader->taken));
	return KW_E_STORE_DAMAGED;
}

static enum kw_err truncated(const struct ks_backup_reader *reader, const char *words)
{
	kw_log(KW_LOG_ERROR, "keystore", words, KW_NUM("records_read", reader->taken));
	return KW_E_TRUNCATED;
}

/* @return octets read, less than asked for only at the end of the file; -1 */
static ssize_t read_all(int fd, uint8_t *out, size_t length)
{
	size_t used = 0;

	while (used < length) {
		const ssize_t got = read(fd, out + used, length - used);

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			kw_log(KW_LOG_ERROR, "keystore", "cannot read the backup", KW_ERRNO());
			return -1;
		}
		if (got == 0) {
			break;
		}
		used += (size_t)got;
	}
	return (ssize_t)used;
}

static enum kw_err read_exactly(struct ks_backup_reader *reader, uint8_t *out, size_t length)
{
	const ssize_t got = read_all(reader->fd, out, length);

	if (got < 0) {
		return KW_E_SYSTEM;
	}
	return (size_t)got == length
		       ? KW_OK
		       : truncated(reader, "the backup is cut short: take another one");
}

static enum kw_err head_wrong(enum kw_err err)
{
	if (err == KW_E_SYNTAX) {
		kw_log(KW_LOG_ERROR, "keystore", "this is no backup of Keyward");
	} else if (err == KW_E_STORE_NEWER) {
		kw_log(KW_LOG_ERROR, "keystore",
			"the backup was taken by a newer Keyward: install that version or a later "
			"one");
	} else {
		kw_log(KW_LOG_ERROR, "keystore", "the backup is damaged: take another one");
	}
	return err;
}

enum kw_err ks_backup_reader_open(struct ks_backup_reader *reader, int fd)
{
	uint8_t head[KS_BACKUP_HEAD_SIZE];
	enum kw_err err;
	ssize_t got;

	memset(reader, 0, sizeof(*reader));
	reader->fd = fd;
	got = read_all(fd, head, sizeof(head));
	if (got < 0) {
		return KW_E_SYSTEM;
	}
	if (got < (ssize_t)sizeof(head)) {
		return head_wrong(KW_E_SYNTAX);
	}
	err = ks_backup_head_read(head, &reader->head);
	if (err != KW_OK) {
		return head_wrong(err);
	}
	err = ks_backup_digest_init(&reader->digest);
	if (err == KW_OK) {
		ks_backup_digest_add(&reader->digest, head, sizeof(head));
	}
	return err;
}

void ks_backup_reader_close(struct ks_backup_reader *reader)
{
	ks_backup_digest_finish(&reader->digest);
}

static enum kw_err read_end(struct ks_backup_reader *reader)
{
	uint8_t checks[2 * KS_BACKUP_CHECK_SIZE];
	uint8_t more;
	enum kw_err err = read_exactly(reader, checks, sizeof(checks));

	if (err == KW_OK) {
		err = ks_backup_digest_end(&reader->digest, reader->sha);
	}
	if (err != KW_OK) {
		return err;
	}
	if (memcmp(checks, reader->sha, KS_BACKUP_CHECK_SIZE) != 0 ||
		reader->taken != reader->head.records) {
		return damaged(reader);
	}
	memcpy(reader->hmac, checks + KS_BACKUP_CHECK_SIZE, KS_BACKUP_CHECK_SIZE);
	switch (read_all(reader->fd, &more, 1)) {
	case 0:
		reader->ended = true;
		return KW_E_NOT_FOUND;
	case 1:
		return truncated(reader, "there is something behind the end of the backup");
	default:
		return KW_E_SYSTEM;
	}
}

static enum kw_err read_block(struct ks_backup_reader *reader)
{
	struct kw_reader head;
	uint32_t length;
	enum kw_err err = read_exactly(reader, reader->octets, KS_BLOCK_HEAD_SIZE);

	if (err != KW_OK) {
		return err;
	}
	ks_backup_digest_add(&reader->digest, reader->octets, KS_BLOCK_HEAD_SIZE);
	kw_reader_init(&head, reader->octets, KS_BLOCK_HEAD_SIZE);
	length = kw_read_u32(&head);
	reader->announced = kw_read_u64(&head);
	if (length == 0) {
		return reader->announced == reader->taken ? read_end(reader) : damaged(reader);
	}
	if (length > sizeof(reader->octets) - KS_BLOCK_HEAD_SIZE) {
		return damaged(reader);
	}
	err = read_exactly(reader, reader->octets, length);
	ks_backup_digest_add(&reader->digest, reader->octets, length);
	kw_reader_init(&reader->block, reader->octets, length);
	return err;
}

enum kw_err ks_backup_reader_next(struct ks_backup_reader *reader, struct ks_backup_record *out)
{
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	if (reader->block.left == 0) {
		if (reader->announced != reader->taken) {
			return damaged(reader);
		}
		err = read_block(reader);
		if (err != KW_OK) {
			return err;
		}
	}
	err = ks_backup_record_read(&reader->block, out);
	if (err != KW_OK || out->table < reader->table) {
		return damaged(reader);
	}
	reader->table = out->table;
	reader->taken++;
	return KW_OK;
}
