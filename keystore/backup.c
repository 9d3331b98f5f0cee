#include "keystore/backup.h"

#include "base/cursor.h"
#include "base/log.h"
#include "keystore/backup_file.h"
#include "keystore/scan.h"

#include <stdlib.h>
#include <string.h>

enum stage {
	STAGE_HEAD,
	STAGE_RECORDS,
	STAGE_END,
	STAGE_DONE
};

struct ks_backup {
	struct ks_txn txn; /* only read; not the store's one */
	struct ks_scan scan;
	enum stage stage;
	unsigned table;
	bool open; /* the scan is of `table` and stands on a record */
	uint64_t written;
	struct ks_backup_head head;
	struct ks_backup_digest digest;
};

static enum kw_err describe(struct ks_backup *backup)
{
	struct ks_store *store = backup->txn.store;

	backup->head = (struct ks_backup_head){
		.format = store->format,
		.time_ms = kw_now_ms(store->clock),
		.epoch = store->epoch,
		.advanced = store->advanced,
	};
	memcpy(backup->head.store_id, store->id, sizeof(store->id));
	for (unsigned i = 0; i < KS_BACKUP_TABLES; i++) {
		backup->head.records +=
			ks_scan_count(&backup->txn, ks_backup_table(&store->tables, i));
	}
	return ks_backup_digest_init(&backup->digest);
}

enum kw_err ks_backup_open(struct ks_store *store, struct ks_backup **out)
{
	struct ks_backup *backup = calloc(1, sizeof(*backup));
	enum kw_err err;
	int rc;

	*out = NULL;
	if (backup == NULL) {
		return KW_E_NO_MEMORY;
	}
	backup->txn.store = store;
	rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &backup->txn.mdb);
	if (rc != 0) {
		backup->txn.mdb = NULL;
		err = ks_lmdb_error(rc, "taking a snapshot for a backup");
	} else {
		err = describe(backup);
	}
	if (err != KW_OK) {
		ks_backup_close(backup);
		return err;
	}
	*out = backup;
	return KW_OK;
}

void ks_backup_close(struct ks_backup *backup)
{
	if (backup == NULL) {
		return;
	}
	if (backup->scan.cursor != NULL) {
		ks_scan_close(&backup->scan);
	}
	if (backup->txn.mdb != NULL) {
		mdb_txn_abort(backup->txn.mdb);
	}
	ks_backup_digest_finish(&backup->digest);
	free(backup);
}

void ks_backup_about(const struct ks_backup *backup, struct ks_backup_about *out)
{
	*out = (struct ks_backup_about){
		.records = backup->head.records,
		.time_ms = backup->head.time_ms,
		.epoch = backup->head.epoch,
	};
}

/* Stand on the first record of the next table that has one. */
static enum kw_err next_table(struct ks_backup *backup)
{
	const struct ks_tables *tables = &backup->txn.store->tables;
	enum kw_err err = KW_E_NOT_FOUND;

	while (err == KW_E_NOT_FOUND && backup->table < KS_BACKUP_TABLES) {
		err = ks_scan_open(
			&backup->txn, ks_backup_table(tables, backup->table), &backup->scan);
		if (err == KW_OK) {
			err = ks_scan_first(&backup->scan);
		}
		if (err == KW_E_NOT_FOUND) {
			ks_scan_close(&backup->scan);
			backup->table++;
		}
	}
	backup->open = err == KW_OK;
	return err;
}

static enum kw_err step(struct ks_backup *backup)
{
	enum kw_err err = ks_scan_next(&backup->scan);

	if (err == KW_E_NOT_FOUND) {
		ks_scan_close(&backup->scan);
		backup->open = false;
		backup->table++;
		return KW_OK;
	}
	return err;
}

/* As many records as there is room for. @return KW_E_NOT_FOUND: there are none left */
static enum kw_err put_records(struct ks_backup *backup, struct kw_writer *writer)
{
	const size_t start = writer->used;
	enum kw_err err = KW_OK;

	for (;;) {
		struct ks_backup_record record = {.table = backup->table};

		if (!backup->open) {
			err = next_table(backup);
			record.table = backup->table;
		}
		if (err != KW_OK) {
			return err == KW_E_NOT_FOUND && writer->used > start ? KW_OK : err;
		}
		record.key = backup->scan.key;
		record.key_length = backup->scan.key_length;
		record.value = backup->scan.value;
		record.value_length = backup->scan.length;
		if (!ks_backup_record_write(&record, writer)) {
			return writer->used > start ? KW_OK : KW_E_STORE_DAMAGED;
		}
		backup->written++;
		err = step(backup);
	}
}

static void put_block_head(uint8_t *out, size_t length, uint64_t written)
{
	struct kw_writer writer;

	kw_writer_init(&writer, out, KS_BLOCK_HEAD_SIZE);
	kw_write_u32(&writer, (uint32_t)length);
	kw_write_u64(&writer, written);
}

static enum kw_err read_records(struct ks_backup *backup, uint8_t *out, size_t *length)
{
	struct kw_writer writer;
	enum kw_err err;

	kw_writer_init(&writer, out + KS_BLOCK_HEAD_SIZE, KS_BACKUP_PIECE_MAX - KS_BLOCK_HEAD_SIZE);
	err = put_records(backup, &writer);
	if (err != KW_OK) {
		return err;
	}
	put_block_head(out, writer.used, backup->written);
	*length = KS_BLOCK_HEAD_SIZE + writer.used;
	ks_backup_digest_add(&backup->digest, out, *length);
	return KW_OK;
}

static enum kw_err read_end(struct ks_backup *backup, uint8_t *out, size_t *length)
{
	uint8_t *sha = out + KS_BLOCK_HEAD_SIZE;
	enum kw_err err;

	put_block_head(out, 0, backup->written);
	ks_backup_digest_add(&backup->digest, out, KS_BLOCK_HEAD_SIZE);
	err = ks_backup_digest_end(&backup->digest, sha);
	if (err == KW_OK) {
		err = ks_backup_seal(backup->txn.store->sealer, sha, sha + KS_BACKUP_CHECK_SIZE);
	}
	if (err == KW_OK) {
		*length = KS_BACKUP_END_SIZE;
	}
	return err;
}

enum kw_err ks_backup_read(struct ks_backup *backup, uint8_t *out, size_t *length)
{
	enum kw_err err = KW_OK;

	*length = 0;
	if (backup->stage == STAGE_HEAD) {
		ks_backup_head_write(&backup->head, out);
		ks_backup_digest_add(&backup->digest, out, KS_BACKUP_HEAD_SIZE);
		*length = KS_BACKUP_HEAD_SIZE;
		backup->stage = STAGE_RECORDS;
		return KW_OK;
	}
	if (backup->stage == STAGE_RECORDS) {
		err = read_records(backup, out, length);
		if (err != KW_E_NOT_FOUND) {
			return err;
		}
		backup->stage = STAGE_END;
		err = KW_OK;
	}
	if (backup->stage == STAGE_END) {
		err = read_end(backup, out, length);
		backup->stage = STAGE_DONE;
	}
	return err;
}
