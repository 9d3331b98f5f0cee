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
#define FREE_DEPTH_AT  46 /* of the tree of free pages */
#define FREE_ROOT_AT   80
#define LAST_PAGE_AT   136
#define TRANSACTION_AT 144
#define META_SIZE      152
#define PAGE_SIZE_MIN  512
#define PAGE_SIZE_MAX  65536
#define NO_PAGE        UINT64_MAX
#define FIRST_COMMIT   1 /* which finds nothing to free; 0: no commit */

/* In any page of a tree: a head, offsets of nodes in the order of their keys, nodes. */
#define HEAD_SIZE     16
#define FLAGS_AT      10
#define LOWER_AT      12 /* the end of the offsets */
#define IS_BRANCH     0x01
#define IS_LEAF       0x02
#define KEY_LENGTH_AT 6 /* of a node, behind the number of a page or the length of a value */
#define KEY_AT        8
#define NODE_SIZE     16 /* with a key of 64 bits */

/* What a transaction of LMDB can take behind the file's end and give back without writing it. */
#define UNWRITTEN_MAX 131072

static_assert(sizeof(size_t) == 8, "the layout of a meta page");

static bool read_meta(int fd, off_t at, uint8_t out[META_SIZE])
{
	return pread(fd, out, META_SIZE, at) == META_SIZE;
}

static uint16_t u16_at(const uint8_t *octets)
{
	uint16_t number;

	memcpy(&number, octets, sizeof(number));
	return number;
}

static uint64_t u64_at(const uint8_t *octets)
{
	uint64_t number;

	memcpy(&number, octets, sizeof(number));
	return number;
}

static uint64_t transaction_of(const uint8_t meta[META_SIZE])
{
	return u64_at(meta + TRANSACTION_AT);
}

/* Whoever makes a table of all pages, or writes behind the last one, goes by this number. */
static bool has_pages(const uint8_t meta[META_SIZE], uint64_t pages)
{
	return u64_at(meta + LAST_PAGE_AT) < pages + UNWRITTEN_MAX;
}

/* Commits take turns: even ones are in the first page, odd ones in the second. */
static bool are_in_a_row(uint64_t first, uint64_t second)
{
	return first % 2 == 0 && second % 2 == 1 && (first + 1 == second || second + 1 == first);
}

/* The last node of a page of the tree of free pages. @return the page's flags; 0: it makes no sense */
static unsigned last_node(int fd, uint64_t page, uint32_t page_size, uint8_t node[NODE_SIZE])
{
	uint8_t head[HEAD_SIZE], offset[sizeof(uint16_t)];
	off_t start;

	if (page > (uint64_t)INT64_MAX / PAGE_SIZE_MAX - 1) {
		return 0;
	}
	start = (off_t)(page * page_size);
	if (pread(fd, head, sizeof(head), start) != sizeof(head) ||
		u16_at(head + LOWER_AT) < HEAD_SIZE + sizeof(offset) ||
		u16_at(head + LOWER_AT) > page_size ||
		pread(fd, offset, sizeof(offset),
			start + u16_at(head + LOWER_AT) - (off_t)sizeof(offset)) !=
			sizeof(offset) ||
		pread(fd, node, NODE_SIZE, start + u16_at(offset)) != NODE_SIZE) {
		return 0;
	}
	return u16_at(head + FLAGS_AT);
}

/* Whether this page's own commit was the last to free pages. Not for the older page: where writing a
 * newer one over it failed, LMDB has put back its number and not the rest. */
static bool is_under_its_number(int fd, const uint8_t meta[META_SIZE], uint32_t page_size)
{
	const unsigned depth = u16_at(meta + FREE_DEPTH_AT);
	uint64_t page = u64_at(meta + FREE_ROOT_AT);
	uint8_t node[NODE_SIZE] = {0};
	unsigned flags = IS_BRANCH;

	if (page == NO_PAGE) {
		return transaction_of(meta) <= FIRST_COMMIT;
	}
	for (unsigned i = 0; i < depth && flags == IS_BRANCH; i++) {
		flags = last_node(fd, page, page_size, node);
		/* The number of a page has 48 bits. */
		page = u64_at(node) & UINT64_C(0xffffffffffff);
	}
	return flags == IS_LEAF && u16_at(node + KEY_LENGTH_AT) == sizeof(uint64_t) &&
	       u64_at(node + KEY_AT) == transaction_of(meta);
}

/* @return what is wrong, NULL: nothing */
static const char *wrong(int fd, uint64_t size)
{
	uint8_t first[META_SIZE], second[META_SIZE];
	const uint8_t *newer;
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
	if (!are_in_a_row(transaction_of(first), transaction_of(second))) {
		return "the store is damaged: its meta pages are not of two commits in a row; "
		       "restore a backup";
	}
	if (!has_pages(first, size / page_size) || !has_pages(second, size / page_size)) {
		return "the store is damaged: the file is much shorter than its meta pages say; "
		       "restore a backup";
	}
	newer = transaction_of(first) > transaction_of(second) ? first : second;
	if (!is_under_its_number(fd, newer, page_size)) {
		return "the store is damaged: its newer meta page is not of the commit that it "
		       "names; restore a backup";
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
