#include "js/keywardd_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int reopen_to_read(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

enum kw_err js_memory_create(const char *name, size_t size, void **memory, int *reader)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *mapping = MAP_FAILED;

	*memory = NULL;
	*reader = -1;
	if (fd < 0) {
		return KW_E_SYSTEM;
	}
	if (fchmod(fd, S_IRUSR | S_IWUSR) == 0 && ftruncate(fd, (off_t)size) == 0) {
		mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	/* This mapping stays the only one that can be written to, whoever opens the file again. */
	if (mapping != MAP_FAILED &&
		fcntl(fd, F_ADD_SEALS,
			F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0) {
		*reader = reopen_to_read(fd);
	}
	close(fd);
	if (*reader < 0) {
		if (mapping != MAP_FAILED) {
			munmap(mapping, size);
		}
		return KW_E_SYSTEM;
	}
	*memory = mapping;
	return KW_OK;
}

void js_memory_destroy(void *memory, size_t size, int reader)
{
	if (memory != NULL) {
		munmap(memory, size);
	}
	if (reader >= 0) {
		close(reader);
	}
}
