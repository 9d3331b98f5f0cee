#include "base/env.h"

#include <errno.h>
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

void kw_time_text(uint64_t time_ms, char out[KW_TIME_TEXT_SIZE])
{
	const time_t seconds = (time_t)(time_ms / 1000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year + 1900 > 9999) {
		memset(out, 0, KW_TIME_TEXT_SIZE);
		return;
	}
	snprintf(out, KW_TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		(unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		(unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		(unsigned)tm.tm_sec % 100, (unsigned)(time_ms % 1000));
}
