/** Files that hold secrets: read whole, checked on the open descriptor, wiped when done. */
#ifndef KW_CLI_FILE_H
#define KW_CLI_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct cli_file {
	char *text; /* NUL-terminated behind `length` octets */
	size_t length;
	size_t size;            /* allocated */
	bool readable_by_other; /* group or others may read it */
};

/**
 * Read a file, or standard input for "-", up to `max` octets. What is wrong is said.
 *
 * @return CLI_DONE, CLI_FAILED; cli_file_finish() when done
 */
int cli_file_read(const char *path, size_t max, struct cli_file *file);
/** The same for a file that must be a regular one, ours or root's, and closed to everybody else. */
int cli_file_read_secret(const char *path, size_t max, struct cli_file *file);
/** Wipe and free. */
void cli_file_finish(struct cli_file *file);

/** How a path is called in messages. */
const char *cli_file_name(const char *path);

#endif
