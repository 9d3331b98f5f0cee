#include "keystore/backup_reader.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A backup file: whatever comes, each record lies in the octets that were read, and the end is
 * believed only if the SHA-256 is right. */

static void read_records(struct ks_backup_reader *reader, size_t size)
{
	struct ks_backup_record record;
	unsigned table = 0;
	size_t octets = 0;
	enum kw_err err;

	while ((err = ks_backup_reader_next(reader, &record)) == KW_OK) {
		fuzz_require(record.table >= table && record.table < KS_BACKUP_TABLES);
		fuzz_require(record.key >= reader->octets &&
			     record.value == record.key + record.key_length);
		fuzz_require(record.value + record.value_length <=
			     reader->octets + sizeof(reader->octets));
		table = record.table;
		octets += record.key_length + record.value_length;
		fuzz_require(octets <= size);
	}
	fuzz_require(record.key == NULL || err == KW_E_STORE_DAMAGED);
	fuzz_require((err == KW_E_NOT_FOUND) == reader->ended);
	fuzz_require(err != KW_E_NOT_FOUND || reader->taken == reader->head.records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ks_backup_reader reader;
	int fd = memfd_create("backup", MFD_CLOEXEC);
	enum kw_err err;

	fuzz_require(
		fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
	err = ks_backup_reader_open(&reader, fd);
	if (err == KW_OK) {
		read_records(&reader, size);
	} else {
		fuzz_require(size < KS_BACKUP_HEAD_SIZE || err != KW_E_TRUNCATED);
	}
	ks_backup_reader_close(&reader);
	close(fd);
	return 0;
}
