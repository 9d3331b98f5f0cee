/** The vault's executable, run once for a task (init, restore, check). */
#ifndef KW_CLI_HELPER_H
#define KW_CLI_HELPER_H

#include "cli/cli.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define CLI_HELPER_ARGUMENTS_MAX 20

struct cli_helper {
	char program[PATH_MAX];
	char map_size[24];
	char *arguments[CLI_HELPER_ARGUMENTS_MAX + 1];
	size_t count;
	int input;  /* becomes standard input; -1: ours */
	int output; /* becomes standard output; -1: ours */
	pid_t child;
};

/** Find the vault and give it the task and what the configuration says of the store. As root, it
 *  becomes the user of the vault. @return CLI_DONE, or CLI_FAILED with everything said */
int cli_helper_init(struct cli_helper *helper, const struct conf *conf, const char *task);
/** One more argument; borrowed until it is started. */
void cli_helper_add(struct cli_helper *helper, const char *argument);
/** @return CLI_DONE, CLI_FAILED */
int cli_helper_start(struct cli_helper *helper);
/** Wait up to so many ms (-1: for ever) for its end. @param status  out: CLI_DONE or CLI_FAILED
 *  @return whether it has ended */
bool cli_helper_wait(struct cli_helper *helper, int timeout_ms, int *status);
/** Start it and wait. @return CLI_DONE, CLI_FAILED */
int cli_helper_run(struct cli_helper *helper);

#endif
