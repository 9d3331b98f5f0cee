#include "cli/progress.h"

#include "base/env.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUIET_US ((uint64_t)500 * 1000)
#define STEP_US  ((uint64_t)100 * 1000)
#define WIDTH    30

void cli_progress_start(struct cli_progress *progress, const char *what, size_t total)
{
	memset(progress, 0, sizeof(*progress));
	progress->what = what;
	progress->total = total;
	progress->started_us = kw_mono_us(&kw_env_system);
	progress->off = total == 0 || isatty(STDERR_FILENO) != 1;
}

static void draw(const struct cli_progress *progress, size_t done)
{
	char bar[WIDTH + 1];
	const size_t full = (size_t)((double)done / (double)progress->total * WIDTH);

	memset(bar, '.', WIDTH);
	memset(bar, '#', full < WIDTH ? full : WIDTH);
	bar[WIDTH] = '\0';
	fprintf(stderr, "\r%s [%s] %zu of %zu ", progress->what, bar, done, progress->total);
	fflush(stderr);
}

void cli_progress_at(struct cli_progress *progress, size_t done)
{
	uint64_t now;

	if (progress->off) {
		return;
	}
	now = kw_mono_us(&kw_env_system);
	if (now - progress->started_us < QUIET_US || now - progress->drawn_us < STEP_US) {
		return;
	}
	progress->drawn_us = now;
	draw(progress, done);
}

void cli_progress_clear(struct cli_progress *progress)
{
	if (!progress->off && progress->drawn_us != 0) {
		fputs("\r\033[K", stderr);
		progress->drawn_us = 0;
	}
}
