#include "cli/progress.h"

#include "base/env.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUIET_US  ((uint64_t)500 * 1000)
#define STEP_US   ((uint64_t)100 * 1000)
#define SECOND_US ((uint64_t)1000 * 1000)
#define WIDTH     20

void cli_progress_start(
	struct cli_progress *progress, const char *what, const char *unit, uint64_t total)
{
	memset(progress, 0, sizeof(*progress));
	progress->what = what;
	progress->unit = unit;
	progress->total = total;
	progress->started_us = kw_mono_us(&kw_env_system);
	progress->off = isatty(STDERR_FILENO) != 1;
}

void cli_progress_write(const struct cli_progress *progress, uint64_t done, uint64_t units,
	uint64_t took_us, char out[CLI_PROGRESS_SIZE])
{
	const double seconds = (double)(took_us > 0 ? took_us : 1) / (double)SECOND_US;
	const uint64_t total = progress->total > done ? progress->total : done;
	const double part = total > 0 ? (double)done / (double)total : 0;
	const uint64_t left = part > 0 ? (uint64_t)(seconds / part - seconds + 0.5) : 0;
	char bar[WIDTH + 1];

	if (progress->total == 0) {
		snprintf(out, CLI_PROGRESS_SIZE, "%s: %" PRIu64 " %s, %.0f/s", progress->what,
			units, progress->unit, (double)units / seconds);
		return;
	}
	memset(bar, '.', WIDTH);
	memset(bar, '#', (size_t)(part * WIDTH));
	bar[WIDTH] = '\0';
	snprintf(out, CLI_PROGRESS_SIZE,
		"%s [%s] %3.0f %%  %" PRIu64 " %s, %.0f/s, %" PRIu64 ":%02" PRIu64 " left",
		progress->what, bar, part * 100, units, progress->unit, (double)units / seconds,
		left / 60, left % 60);
}

void cli_progress_at(struct cli_progress *progress, uint64_t done, uint64_t units)
{
	char line[CLI_PROGRESS_SIZE];
	uint64_t now;

	if (progress->off) {
		return;
	}
	now = kw_mono_us(&kw_env_system);
	if (now - progress->started_us < QUIET_US || now - progress->drawn_us < STEP_US) {
		return;
	}
	progress->drawn_us = now;
	cli_progress_write(progress, done, units, now - progress->started_us, line);
	fprintf(stderr, "\r\033[K%s", line);
	fflush(stderr);
}

void cli_progress_clear(struct cli_progress *progress)
{
	if (!progress->off && progress->drawn_us != 0) {
		fputs("\r\033[K", stderr);
		progress->drawn_us = 0;
	}
}
