/**
 * A file that is written under another name and gets its own when it is whole and durable. Whoever
 * ends the program before that (SIGINT, SIGTERM, SIGHUP) leaves nothing behind.
 */
#ifndef KW_CLI_TARGET_H
#define KW_CLI_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct cli_target {
	char path[PATH_MAX]; /* "-": standard output */
	char made[PATH_MAX]; /* what it is called while it is being written */
	int fd;
	bool replace;
};

/**
 * Begin. A file that is there is refused, but with `replace`; what is no regular file always is.
 *
 * @param path  "-" is standard output, which must be no terminal; a directory gets a file `name`
 * @return CLI_DONE, CLI_FAILED (said)
 */
int cli_target_open(struct cli_target *target, const char *path, const char *name, bool replace);
/** @return CLI_DONE, CLI_FAILED (said) */
int cli_target_write(struct cli_target *target, const void *octets, size_t length);
/** Make it durable and give it its name. @return CLI_DONE, CLI_FAILED (said); nothing is left then, but
 *  where only the folder could not be made durable */
int cli_target_finish(struct cli_target *target);
/** Give it up; after cli_target_finish() too, then without effect. */
void cli_target_close(struct cli_target *target);

#endif
