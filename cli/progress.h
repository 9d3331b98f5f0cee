/** A bar on standard error, when that is a terminal and the work takes long. */
#ifndef KW_CLI_PROGRESS_H
#define KW_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cli_progress {
	const char *what; /* is done */
	const char *unit; /* what is counted beside the bar: "rows" */
	uint64_t total;   /* 0: not known */
	uint64_t started_us;
	uint64_t drawn_us; /* 0: nothing is on the line */
	bool off;
};

void cli_progress_start(
	struct cli_progress *progress, const char *what, const char *unit, uint64_t total);
/** Draw it anew if it is time: `done` of the total, and how many units so far. */
void cli_progress_at(struct cli_progress *progress, uint64_t done, uint64_t units);
/** Clear the line; also before something else is printed. One that was never started is fine if it is
 *  zero. */
void cli_progress_clear(struct cli_progress *progress);

#define CLI_PROGRESS_SIZE 128
/** The line itself: bar, part, how many, how many a second, time left. */
void cli_progress_write(const struct cli_progress *progress, uint64_t done, uint64_t units,
	uint64_t took_us, char out[CLI_PROGRESS_SIZE]);

#endif
