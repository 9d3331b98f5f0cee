/** Rows of a clear file on their way into one envelope, and sealed ones kept in a temporary file. */
#ifndef KW_CLI_IMPORT_CHUNK_H
#define KW_CLI_IMPORT_CHUNK_H

#include "cli/rows.h"

#include <stdint.h>

/** So many refused rows of an envelope the vault lists. */
#define CLI_CHUNK_ROWS 1000

/** An envelope and which rows of the file are in it. */
struct cli_chunk {
	uint8_t *sealed; /* on the heap */
	size_t length;
	size_t count;
	uint32_t lines[CLI_CHUNK_ROWS];
};

/** Give the envelope back and make it empty. */
void cli_chunk_finish(struct cli_chunk *chunk);

/** Envelopes kept until the whole file is known to be good; ciphertext only. */
struct cli_spool {
	int fd;
	uint64_t length; /* octets written */
	uint64_t rows;
};

void cli_spool_init(struct cli_spool *spool);
void cli_spool_finish(struct cli_spool *spool);
/** Keep a copy. @return KW_OK, KW_E_SYSTEM (logged) */
KW_MUST_CHECK enum kw_err cli_spool_put(struct cli_spool *spool, const struct cli_chunk *chunk);
/**
 * The chunk at a place, and the place of the next; *place is spool->length behind the last.
 * @return KW_OK, KW_E_SYSTEM (logged), KW_E_NO_MEMORY; the chunk is empty on any error
 */
KW_MUST_CHECK enum kw_err cli_spool_get(
	const struct cli_spool *spool, uint64_t *place, struct cli_chunk *out);

#endif
