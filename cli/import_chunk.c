#include "cli/import_chunk.h"

#include "base/temp.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In front of each envelope of a spool. */
struct head {
	uint64_t length;
	uint64_t count;
	uint32_t lines[CLI_CHUNK_ROWS];
};

void cli_chunk_finish(struct cli_chunk *chunk)
{
	free(chunk->sealed);
	memset(chunk, 0, sizeof(*chunk));
}

void cli_spool_init(struct cli_spool *spool)
{
	*spool = (struct cli_spool){.fd = -1};
}

void cli_spool_finish(struct cli_spool *spool)
{
	if (spool->fd >= 0) {
		close(spool->fd);
	}
	cli_spool_init(spool);
}

enum kw_err cli_spool_put(struct cli_spool *spool, const struct cli_chunk *chunk)
{
	struct head head = {.length = chunk->length, .count = chunk->count};
	enum kw_err err = spool->fd >= 0 ? KW_OK : kw_temp_open(&spool->fd);

	memcpy(head.lines, chunk->lines, sizeof(head.lines));
	if (err == KW_OK) {
		err = kw_temp_write(spool->fd, &head, sizeof(head));
	}
	if (err == KW_OK) {
		err = kw_temp_write(spool->fd, chunk->sealed, chunk->length);
	}
	if (err == KW_OK) {
		spool->length += sizeof(head) + chunk->length;
		spool->rows += chunk->count;
	}
	return err;
}

enum kw_err cli_spool_get(const struct cli_spool *spool, uint64_t *place, struct cli_chunk *out)
{
	struct head head;
	enum kw_err err = kw_temp_read(spool->fd, *place, &head, sizeof(head));

	memset(out, 0, sizeof(*out));
	if (err != KW_OK) {
		return err;
	}
	out->sealed = malloc(head.length);
	if (out->sealed == NULL) {
		return KW_E_NO_MEMORY;
	}
	err = kw_temp_read(spool->fd, *place + sizeof(head), out->sealed, head.length);
	if (err != KW_OK) {
		cli_chunk_finish(out);
		return err;
	}
	out->length = head.length;
	out->count = head.count;
	memcpy(out->lines, head.lines, sizeof(out->lines));
	*place += sizeof(head) + head.length;
	return KW_OK;
}
