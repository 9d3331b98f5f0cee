#include "base/env.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static uint64_t system_now_ms(void *arg)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t system_mono_us(void *arg)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum kw_err system_random(void *arg, void *out, size_t length)
{
	uint8_t *at = out;

	(void)arg;
	while (length > 0) {
		ssize_t got = getrandom(at, length, 0);

		if (got < 0) {
			if (errno == EINTR) {
				continue;
			}
			return KW_E_SYSTEM;
		}
		at += got;
		length -= (size_t)got;
	}
	return KW_OK;
}

const struct kw_env kw_env_system = {
	.now_ms = system_now_ms,
	.mono_us = system_mono_us,
	.random = system_random,
};

#define DAY_S        86400
#define ERA_DAYS     146097                 /* 400 years */
#define DAYS_TO_1970 719468                 /* from 1 March of the year 0 */
#define SECONDS_MAX  UINT64_C(253402300800) /* 10000-01-01 */

/* Years that begin in March, so that a leap day is the last of its year. */
static void date_of(unsigned days, unsigned *year, unsigned *month, unsigned *day)
{
	unsigned since = days + DAYS_TO_1970;
	unsigned era = since / ERA_DAYS, in_era = since % ERA_DAYS;
	unsigned y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	unsigned in_year = in_era - (365 * y + y / 4 - y / 100);
	unsigned m = (5 * in_year + 2) / 153;

	*day = in_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = era * 400 + y + (*month <= 2 ? 1 : 0);
}

/* Not by gmtime_r(), which takes a lock, and at its first call reads the file of the time zone. */
void kw_time_text(uint64_t time_ms, char out[KW_TIME_TEXT_SIZE])
{
	uint64_t seconds = time_ms / 1000;
	unsigned in_day = (unsigned)(seconds % DAY_S);
	unsigned year, month, day;

	if (seconds >= SECONDS_MAX) {
		memset(out, 0, KW_TIME_TEXT_SIZE);
		return;
	}
	date_of((unsigned)(seconds / DAY_S), &year, &month, &day);
	snprintf(out, KW_TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000,
		month % 100, day % 100, in_day / 3600, in_day / 60 % 60, in_day % 60,
		(unsigned)(time_ms % 1000));
}

/* A number of so many digits, and what must stand behind it; '\0': whatever does. */
static bool part_read(const char **at, int digits, char end, int *out)
{
	*out = 0;
	for (; digits > 0; digits--, (*at)++) {
		if (**at < '0' || **at > '9') {
			return false;
		}
		*out = *out * 10 + (**at - '0');
	}
	if (end == '\0') {
		return true;
	}
	return *(*at)++ == end;
}

/* ".123456Z" or "Z", and nothing behind it. */
static bool fraction_read(const char *at, uint64_t *ms)
{
	unsigned weight = 100;

	*ms = 0;
	if (*at == '.') {
		at++;
		if (*at < '0' || *at > '9') {
			return false;
		}
		for (; *at >= '0' && *at <= '9'; at++, weight /= 10) {
			*ms += (uint64_t)(*at - '0') * weight;
		}
	}
	return strcmp(at, "Z") == 0;
}

enum kw_err kw_time_read(const char *text, uint64_t *time_ms)
{
	struct tm tm = {.tm_sec = 0};
	struct tm given;
	uint64_t ms = 0;
	time_t seconds;

	*time_ms = 0;
	if (!part_read(&text, 4, '-', &tm.tm_year) || !part_read(&text, 2, '-', &tm.tm_mon) ||
		!part_read(&text, 2, 'T', &tm.tm_mday) || !part_read(&text, 2, ':', &tm.tm_hour) ||
		!part_read(&text, 2, ':', &tm.tm_min) || !part_read(&text, 2, '\0', &tm.tm_sec) ||
		!fraction_read(text, &ms) || tm.tm_year < 1970) {
		return KW_E_SYNTAX;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	given = tm;
	/* Moves what is out of range, such as a 30th of February, to where it counts. */
	seconds = timegm(&tm);
	if (seconds < 0 || tm.tm_mon != given.tm_mon || tm.tm_mday != given.tm_mday ||
		tm.tm_hour != given.tm_hour || tm.tm_min != given.tm_min ||
		tm.tm_sec != given.tm_sec) {
		return KW_E_SYNTAX;
	}
	*time_ms = (uint64_t)seconds * 1000 + ms;
	return KW_OK;
}
