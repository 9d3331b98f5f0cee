/** A bar on standard error, when that is a terminal and the work takes long. */
#ifndef KW_CLI_PROGRESS_H
#define KW_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_progress {
	const char *what;
	size_t total;
	uint64_t started_us;
	uint64_t drawn_us; /* 0: nothing is on the line */
	bool off;
};

void cli_progress_start(struct cli_progress *progress, const char *what, size_t total);
/** Draw it anew if it is time. */
void cli_progress_at(struct cli_progress *progress, size_t done);
/** Clear the line; also before something else is printed. */
void cli_progress_clear(struct cli_progress *progress);

#endif
