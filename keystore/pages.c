#include "keystore/pages.h"

#include "base/log.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* Where it is in a meta page of LMDB 0.9 on machines of 64 bits. */
#define PAGE_SIZE_AT   40
#define TRANSACTION_AT 144
#define META_SIZE      152
#define PAGE_SIZE_MIN  512
#define PAGE_SIZE_MAX  65536

static_assert(sizeof(size_t) == 8, "the layout of a meta page");

static bool read_meta(int fd, off_t at, uint8_t out[META_SIZE])
{
	return pread(fd, out, META_SIZE, at) == META_SIZE;
}

static uint64_t transaction_of(const uint8_t meta[META_SIZE])
{
	uint64_t number;

	memcpy(&number, meta + TRANSACTION_AT, sizeof(number));
	return number;
}

/* Commits take turns: even ones are in the first page, odd ones in the second. */
static bool are_in_a_row(uint64_t first, uint64_t second)
{
	return first % 2 == 0 && second % 2 == 1 && (first + 1 == second || second + 1 == first);
}

static bool agree(int fd)
{
	uint8_t first[META_SIZE], second[META_SIZE];
	uint32_t page_size;

	if (!read_meta(fd, 0, first)) {
		return true;
	}
	memcpy(&page_size, first + PAGE_SIZE_AT, sizeof(page_size));
	if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX) {
		return false;
	}
	return !read_meta(fd, (off_t)page_size, second) ||
	       are_in_a_row(transaction_of(first), transaction_of(second));
}

enum kw_err ks_meta_pages_check(int folder, const char *name)
{
	const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	bool good;

	if (fd < 0) {
		kw_log(KW_LOG_ERROR, "keystore", "cannot open the store", KW_STR("file", name),
			KW_ERRNO());
		return KW_E_SYSTEM;
	}
	good = agree(fd);
	close(fd);
	if (!good) {
		kw_log(KW_LOG_ERROR, "keystore",
			"the store is damaged: its meta pages are not of two commits in a row; "
			"restore a backup");
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}
