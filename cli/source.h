/** The file that a command reads from its beginning to its end, of any length. */
#ifndef KW_CLI_SOURCE_H
#define KW_CLI_SOURCE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLI_SOURCE_HEAD 64

struct cli_source {
	const char *name; /* for messages */
	int fd;
	bool regular;
	bool readable_by_other; /* a regular file with a mode open to group or others */
	uint64_t size;          /* of a regular file; 0: not known */
	uint64_t taken;         /* octets read so far */
	uint64_t start;         /* where a regular file begins for us */
	char head[CLI_SOURCE_HEAD];
	size_t head_length; /* the first octets, read to tell what it is */
	size_t head_taken;
};

/** Open a file, or standard input for "-", and look at its first octets.
 *  @return CLI_DONE, or CLI_FAILED with everything said */
int cli_source_open(const char *path, struct cli_source *source);
void cli_source_close(struct cli_source *source);
/** Read on, as `read` of struct pr_source. @return KW_OK, KW_E_SYSTEM (said) */
KW_MUST_CHECK enum kw_err cli_source_read(void *source, char *out, size_t size, size_t *got);
/** Make it one that can be read twice: what is no regular file is copied to a temporary one. To be
 *  used for what is sealed only. @return CLI_DONE, or CLI_FAILED with everything said */
int cli_source_keep(struct cli_source *source);
/** Back to the beginning of one that can be read twice. @return as above */
int cli_source_again(struct cli_source *source);

#endif
