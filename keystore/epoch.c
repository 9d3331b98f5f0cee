#include "keystore/epoch.h"

#include "base/hex.h"
#include "base/log.h"
#include "keystore/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_FILE_NAME KS_EPOCH_FILE_NAME ".new"
#define TEXT_SIZE     96
#define ID_DIGITS     (2 * KS_STORE_ID_SIZE)
#define DIGITS_SIZE   (10 + 1) /* of a number of 32 bits */

static const char epoch_key[] = "epoch";
static const char advanced_key[] = "advanced";

enum kw_err ks_epoch_read(struct ks_txn *txn)
{
	struct ks_store *store = txn->store;
	enum kw_err err = ks_meta_get_u32(txn, epoch_key, &store->epoch);

	if (err == KW_OK) {
		err = ks_meta_get_u32(txn, advanced_key, &store->advanced);
		if (err == KW_E_NOT_FOUND) { /* never restored */
			return KW_OK;
		}
	}
	return err == KW_OK && store->advanced > LW_JOIN_NONCE_MAX ? KW_E_STORE_DAMAGED : err;
}

enum kw_err ks_epoch_write(struct ks_txn *txn, uint32_t epoch, uint32_t advanced)
{
	enum kw_err err = ks_meta_put_u32(txn, epoch_key, epoch);

	if (err == KW_OK) {
		err = ks_meta_put_u32(txn, advanced_key, advanced);
	}
	if (err == KW_OK) {
		txn->store->epoch = epoch;
		txn->store->advanced = advanced;
	}
	return err;
}

static enum kw_err damaged(void)
{
	kw_log(KW_LOG_ERROR, "keystore",
		"the file epoch beside the store does not read: move it away, and restore with a "
		"nonce margin of twice the default for each restore before this one");
	return KW_E_STORE_DAMAGED;
}

/* "store 0123456789abcdef epoch 2 advanced 131072\n", in no other spelling. */
static size_t put_text(const struct ks_epoch *epoch, char text[TEXT_SIZE])
{
	char id[ID_DIGITS + 1];

	kw_hex_write(id, epoch->store_id, KS_STORE_ID_SIZE);
	return (size_t)snprintf(text, TEXT_SIZE,
		"store %s epoch %" PRIu32 " advanced %" PRIu32 "\n", id, epoch->epoch,
		epoch->advanced);
}

static enum kw_err take_text(const char *text, struct ks_epoch *out)
{
	char id[ID_DIGITS + 1];
	char epoch[DIGITS_SIZE];
	char advanced[DIGITS_SIZE];
	char again[TEXT_SIZE];

	if (sscanf(text, "store %16[0-9a-f] epoch %10[0-9] advanced %10[0-9]", id, epoch,
		    advanced) != 3 ||
		strlen(id) != ID_DIGITS ||
		kw_hex_read(id, ID_DIGITS, out->store_id, KS_STORE_ID_SIZE) != KW_OK) {
		return KW_E_SYNTAX;
	}
	/* What does not fit is spelled otherwise again. */
	out->epoch = (uint32_t)strtoul(epoch, NULL, 10);
	out->advanced = (uint32_t)strtoul(advanced, NULL, 10);
	put_text(out, again);
	return strcmp(again, text) == 0 && out->advanced <= LW_JOIN_NONCE_MAX ? KW_OK : KW_E_SYNTAX;
}

enum kw_err ks_epoch_file_read(int folder, struct ks_epoch *out)
{
	char text[TEXT_SIZE] = "";
	ssize_t length;
	int fd;

	memset(out, 0, sizeof(*out));
	fd = openat(folder, KS_EPOCH_FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return errno == ENOENT ? KW_OK : ks_folder_error("cannot open", KS_EPOCH_FILE_NAME);
	}
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length < 0) {
		return ks_folder_error("cannot read", KS_EPOCH_FILE_NAME);
	}
	if (take_text(text, out) != KW_OK) {
		memset(out, 0, sizeof(*out));
		return damaged();
	}
	return KW_OK;
}

enum kw_err ks_epoch_file_write(int folder, const struct ks_epoch *epoch)
{
	char text[TEXT_SIZE];
	const size_t length = put_text(epoch, text);
	const int fd = openat(folder, NEW_FILE_NAME,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	bool done;

	if (fd < 0) {
		return ks_folder_error("cannot create", NEW_FILE_NAME);
	}
	done = write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;
	close(fd);
	if (!done || renameat(folder, NEW_FILE_NAME, folder, KS_EPOCH_FILE_NAME) != 0 ||
		fsync(folder) != 0) {
		return ks_folder_error("cannot write", KS_EPOCH_FILE_NAME);
	}
	return KW_OK;
}
