#include "tests/keystore/restored.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAP_SIZE (UINT64_C(1) << 30)

struct octets restored_read(
	struct ks_backup *backup, void (*between)(struct scratch *), struct scratch *scratch)
{
	static uint8_t piece[KS_BACKUP_PIECE_MAX];
	struct octets octets = {NULL, 0};
	size_t length;

	for (;;) {
		assert_int_equal(ks_backup_read(backup, piece, &length), KW_OK);
		assert_true(length <= sizeof(piece));
		if (length == 0) {
			return octets;
		}
		octets.at = realloc(octets.at, octets.length + length);
		assert_non_null(octets.at);
		memcpy(octets.at + octets.length, piece, length);
		octets.length += length;
		if (between != NULL) {
			between(scratch);
		}
	}
}

struct octets restored_backup(struct scratch *scratch)
{
	struct ks_backup *backup;
	struct octets octets;

	assert_int_equal(ks_backup_open(scratch->store, &backup), KW_OK);
	octets = restored_read(backup, NULL, NULL);
	ks_backup_close(backup);
	return octets;
}

void restored_folder(struct scratch *target)
{
	memset(target, 0, sizeof(*target));
	strcpy(target->path, "/tmp/keyward-test-XXXXXX");
	assert_non_null(mkdtemp(target->path));
	target->options = (struct ks_options){
		.path = target->path, .map_size = MAP_SIZE, .env = &kw_env_system};
	memset(target->master.octets, 0x5a, sizeof(target->master.octets));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

void restored_remove(struct scratch *target)
{
	scratch_close(target);
	nftw(target->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

enum kw_err restored_from(
	struct scratch *target, const struct octets *octets, struct ks_restore *restore)
{
	enum kw_err err;

	restore->fd = memfd_create("backup", MFD_CLOEXEC);
	assert_true(restore->fd >= 0);
	assert_int_equal(write(restore->fd, octets->at, octets->length), octets->length);
	assert_int_equal(lseek(restore->fd, 0, SEEK_SET), 0);
	err = ks_restore(&target->options, &target->master, restore);
	close(restore->fd);
	return err;
}

enum kw_err restored_make(struct scratch *target, const struct octets *octets)
{
	struct ks_restore restore = {.nonce_margin = KS_NONCE_MARGIN};

	return restored_from(target, octets, &restore);
}

struct lw_key restored_key(const char *what, uint32_t n)
{
	struct lw_key key;
	char text[sizeof(key.octets) + 1];

	snprintf(text, sizeof(text), "%s key %08x", what, n);
	memcpy(key.octets, text, sizeof(key.octets));
	return key;
}

void restored_add(struct scratch *scratch, uint32_t n, enum lw_version version)
{
	struct ks_device device = {
		.id = scratch_id(n), .version = version, .origin = KS_ORIGIN_IMPORTED};
	struct ks_txn *txn = scratch_begin(scratch);
	struct lw_key app, nwk;

	app = restored_key("app", n);
	nwk = restored_key("nwk", n);
	assert_int_equal(
		ks_device_add(txn, &device, &app, lw_version_is_1_1(version) ? &nwk : NULL), KW_OK);
	scratch_commit(txn);
}
