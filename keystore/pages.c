#include "keystore/pages.h"

#include "base/log.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where it is in a meta page of LMDB 0.9 on machines of 64 bits. */
#define PAGE_SIZE_AT   40
#define LAST_PAGE_AT   136
#define TRANSACTION_AT 144
#define META_SIZE      152
#define PAGE_SIZE_MIN  512
#define PAGE_SIZE_MAX  65536
/* What a transaction of LMDB can take behind the file's end and give back without writing it. */
#define UNWRITTEN_MAX 131072

static_assert(sizeof(size_t) == 8, "the layout of a meta page");

static bool read_meta(int fd, off_t at, uint8_t out[META_SIZE])
{
	return pread(fd, out, META_SIZE, at) == META_SIZE;
}

static uint64_t number_at(const uint8_t meta[META_SIZE], size_t at)
{
	uint64_t number;

	memcpy(&number, meta + at, sizeof(number));
	return number;
}

/* Whoever makes a table of all pages, or writes behind the last one, goes by this number. */
static bool has_pages(const uint8_t meta[META_SIZE], uint64_t pages)
{
	return number_at(meta, LAST_PAGE_AT) < pages + UNWRITTEN_MAX;
}

/* Commits take turns: even ones are in the first page, odd ones in the second. */
static bool are_in_a_row(uint64_t first, uint64_t second)
{
	return first % 2 == 0 && second % 2 == 1 && (first + 1 == second || second + 1 == first);
}

/* @return what is wrong, NULL: nothing */
static const char *wrong(int fd, uint64_t size)
{
	uint8_t first[META_SIZE], second[META_SIZE];
	uint32_t page_size;

	if (!read_meta(fd, 0, first)) {
		return NULL;
	}
	memcpy(&page_size, first + PAGE_SIZE_AT, sizeof(page_size));
	if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX) {
		return "the store is damaged: its first page gives no page size; restore a backup";
	}
	if (!read_meta(fd, (off_t)page_size, second)) {
		return NULL;
	}
	if (!are_in_a_row(number_at(first, TRANSACTION_AT), number_at(second, TRANSACTION_AT))) {
		return "the store is damaged: its meta pages are not of two commits in a row; "
		       "restore a backup";
	}
	if (!has_pages(first, size / page_size) || !has_pages(second, size / page_size)) {
		return "the store is damaged: the file is much shorter than its meta pages say; "
		       "restore a backup";
	}
	return NULL;
}

enum kw_err ks_meta_pages_check(int folder, const char *name)
{
	const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	const char *words = NULL;
	struct stat file;

	if (fd < 0 || fstat(fd, &file) != 0) {
		kw_log(KW_LOG_ERROR, "keystore", "cannot open the store", KW_STR("file", name),
			KW_ERRNO());
		if (fd >= 0) {
			close(fd);
		}
		return KW_E_SYSTEM;
	}
	words = wrong(fd, (uint64_t)file.st_size);
	close(fd);
	if (words != NULL) {
		kw_log(KW_LOG_ERROR, "keystore", words);
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}
