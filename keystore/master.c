#include "keystore/store.h"

#include "base/hex.h"
#include "base/log.h"
#include "base/secret.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS    (2 * KS_MASTER_KEY_SIZE)
#define TEXT_SIZE (DIGITS + 1) /* and a newline */

static enum kw_err system_error(const char *words, const char *path)
{
	kw_log(KW_LOG_ERROR, "keystore", words, KW_STR("file", path), KW_ERRNO());
	return KW_E_SYSTEM;
}

static bool write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		const ssize_t written = write(fd, text, length);

		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written <= 0) {
			return false;
		}
		text += written;
		length -= (size_t)written;
	}
	return true;
}

static enum kw_err sync_folder(const char *path)
{
	char copy[PATH_MAX];
	enum kw_err err = KW_OK;
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		err = system_error("cannot make the master key file durable", path);
	}
	if (fd >= 0) {
		close(fd);
	}
	return err;
}

/* The name appears only once the file is whole, and link() never replaces one. */
static enum kw_err put_in_place(const char *made, const char *path)
{
	if (link(made, path) == 0) {
		return KW_OK;
	}
	if (errno == EEXIST) {
		return KW_E_EXISTS;
	}
	return system_error("cannot create the master key file", path);
}

static enum kw_err make_text(const struct kw_env *env, char text[TEXT_SIZE + 1])
{
	struct ks_master_key key;
	const enum kw_err err = kw_random(env, key.octets, sizeof(key.octets));

	if (err == KW_OK) {
		memcpy(kw_hex_write(text, key.octets, sizeof(key.octets)), "\n", 2);
	}
	kw_wipe(&key, sizeof(key));
	return err;
}

static enum kw_err write_file(const char *made, int fd, const struct kw_env *env)
{
	char text[TEXT_SIZE + 1];
	enum kw_err err = make_text(env, text);

	if (err == KW_OK && (fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
				    !write_all(fd, text, TEXT_SIZE) || fsync(fd) != 0)) {
		err = system_error("cannot write the master key file", made);
	}
	kw_wipe(text, sizeof(text));
	return err;
}

enum kw_err ks_master_create(const char *path, const struct kw_env *env)
{
	char made[PATH_MAX];
	struct stat there;
	enum kw_err err;
	int fd;

	if (lstat(path, &there) == 0) {
		return KW_E_EXISTS;
	}
	if ((size_t)snprintf(made, sizeof(made), "%s.XXXXXX", path) >= sizeof(made)) {
		errno = ENAMETOOLONG;
		return system_error("cannot create the master key file", path);
	}
	fd = mkostemp(made, O_CLOEXEC);
	if (fd < 0) {
		return system_error("cannot create the master key file", path);
	}
	err = write_file(made, fd, env);
	close(fd);
	if (err == KW_OK) {
		err = put_in_place(made, path);
	}
	unlink(made);
	return err == KW_OK ? sync_folder(path) : err;
}

static enum kw_err refuse(const char *words)
{
	kw_log(KW_LOG_ERROR, "keystore", words);
	return KW_E_MASTER_FILE;
}

static enum kw_err check_file(int fd)
{
	struct stat file;

	if (fstat(fd, &file) != 0) {
		kw_log(KW_LOG_ERROR, "keystore", "cannot look at the master key file", KW_ERRNO());
		return KW_E_SYSTEM;
	}
	if (!S_ISREG(file.st_mode)) {
		return refuse("the master key file is no regular file: name the file itself");
	}
	if ((file.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		return refuse("the master key file is open to group or others: run chmod 600 on it "
			      "and consider the key known");
	}
	if (file.st_uid != 0 && file.st_uid != geteuid()) {
		return refuse("the master key file belongs to somebody else: its owner must be "
			      "root or the user of this process");
	}
	return KW_OK;
}

static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t used = 0;

	while (used < size) {
		const ssize_t got = pread(fd, text + used, size - used, (off_t)used);

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return -1;
		}
		if (got == 0) {
			break;
		}
		used += (size_t)got;
	}
	return (ssize_t)used;
}

enum kw_err ks_master_read(int fd, struct ks_master_key *out)
{
	char text[TEXT_SIZE + 1];
	enum kw_err err = check_file(fd);
	ssize_t length;

	memset(out, 0, sizeof(*out));
	if (err != KW_OK) {
		return err;
	}
	length = read_all(fd, text, sizeof(text));
	if (length < 0) {
		kw_log(KW_LOG_ERROR, "keystore", "cannot read the master key file", KW_ERRNO());
		err = KW_E_SYSTEM;
	} else if ((length != DIGITS && (length != TEXT_SIZE || text[DIGITS] != '\n')) ||
		   kw_hex_read(text, DIGITS, out->octets, sizeof(out->octets)) != KW_OK) {
		err = refuse("the master key file does not hold 64 hexadecimal digits: put back "
			     "the file that belongs to this store");
	}
	if (err != KW_OK) {
		kw_wipe(out, sizeof(*out));
	}
	kw_wipe(text, sizeof(text));
	return err;
}
