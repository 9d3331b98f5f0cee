/** The good rows of a device file, kept in memory until they are sealed. */
#ifndef KW_CLI_ROWS_H
#define KW_CLI_ROWS_H

#include "provision/row.h"

#include <stddef.h>
#include <stdint.h>

/** Holds root keys: cli_rows_finish() wipes. */
struct cli_rows {
	struct pr_row *rows;
	size_t count;
	size_t size;
	uint64_t refused; /* bad rows */
	/* Called for every bad row; set by the user of this. */
	void (*problem)(void *context, uint32_t line, const char *text);
	void (*notice)(void *context, const char *text);
	void *context;
};

/**
 * Read a file into `rows`. Bad rows go to rows->problem.
 *
 * @return as pr_read(); KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err cli_rows_read(
	struct cli_rows *rows, const char *text, size_t length, char why[PR_TEXT_SIZE]);
void cli_rows_finish(struct cli_rows *rows);

/** Octets of CSV in one envelope; sealed it stays below what the API takes. */
#define CLI_CHUNK_OCTETS ((size_t)96 * 1024)
/** Write rows as CSV until `max` of them or the buffer is full, the header line first.
 *  @param length  out: octets written; the buffer then holds keys
 *  @return rows written */
size_t cli_rows_write(const struct pr_row *rows, size_t count, size_t max,
	char out[CLI_CHUNK_OCTETS], size_t *length);

#endif
