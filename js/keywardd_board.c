#include "js/keywardd_board.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int reopen_to_read(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

enum kw_err js_board_create(struct js_board **board, int *reader)
{
	int fd = memfd_create("keyward-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *memory = MAP_FAILED;

	*board = NULL;
	*reader = -1;
	if (fd < 0) {
		return KW_E_SYSTEM;
	}
	if (ftruncate(fd, sizeof(**board)) == 0) {
		memory = mmap(NULL, sizeof(**board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	/* This mapping stays the only one that can be written to, whoever opens the file again. */
	if (memory != MAP_FAILED &&
		fcntl(fd, F_ADD_SEALS,
			F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0) {
		*reader = reopen_to_read(fd);
	}
	close(fd);
	if (*reader < 0) {
		if (memory != MAP_FAILED) {
			munmap(memory, sizeof(**board));
		}
		return KW_E_SYSTEM;
	}
	*board = memory;
	return KW_OK;
}
