#include "tests/bench/storage.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As root one would leave files that the vault, as the owner of the directory, cannot open. */
static bool become_owner(const char *path)
{
	struct stat info;

	if (stat(path, &info) != 0) {
		return false;
	}
	return geteuid() != 0 || info.st_uid == 0 ||
	       (setgroups(0, NULL) == 0 && setgid(info.st_gid) == 0 && setuid(info.st_uid) == 0);
}

enum kw_err storage_open(const char *path, const char *master, struct ks_store **out)
{
	const struct ks_options options = {
		.path = path,
		.map_size = STORAGE_MAP_SIZE,
		.env = &kw_env_system,
	};
	int fd = open(master, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct ks_master_key key;
	enum kw_err err;

	*out = NULL;
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", master, strerror(errno));
		return KW_E_SYSTEM;
	}
	err = ks_master_read(fd, &key);
	close(fd);
	if (err == KW_OK && !become_owner(path)) {
		err = KW_E_SYSTEM;
	}
	if (err == KW_OK) {
		err = ks_store_open(&options, &key, out);
	}
	kw_wipe(&key, sizeof(key));
	if (err != KW_OK) {
		fprintf(stderr, "%s: %s\n", path, kw_err_text(err));
	}
	return err;
}

uint64_t storage_number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < 1 || value > max) {
		fprintf(stderr, "%s: a number from 1 to %" PRIu64 " is wanted\n", text, max);
		exit(2);
	}
	return value;
}
