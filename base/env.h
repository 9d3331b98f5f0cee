/**
 * Time and randomness, handed in, so that tests decide both.
 */
#ifndef KW_BASE_ENV_H
#define KW_BASE_ENV_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct kw_env {
	/** Wall clock, milliseconds since 1970 UTC: for people to read. No rule rests on it but the
	 *  repeat window. */
	uint64_t (*now_ms)(void *arg);
	/** Time since an arbitrary start that never goes back, microseconds. */
	uint64_t (*mono_us)(void *arg);
	/** Fill with random octets fit for keys. Returns KW_OK or KW_E_SYSTEM. */
	enum kw_err (*random)(void *arg, void *out, size_t length);
	void *arg;
};

/** The system's clock and getrandom(2). */
extern const struct kw_env kw_env_system;

static inline uint64_t kw_now_ms(const struct kw_env *env)
{
	return env->now_ms(env->arg);
}

static inline uint64_t kw_mono_us(const struct kw_env *env)
{
	return env->mono_us(env->arg);
}

KW_MUST_CHECK static inline enum kw_err kw_random(
	const struct kw_env *env, void *out, size_t length)
{
	return env->random(env->arg, out, length);
}

#define KW_TIME_TEXT_SIZE sizeof("2026-01-01T00:00:00.000Z")

/** Write a wall-clock time as RFC 3339 in UTC; after the year 9999, nothing. Opens no file and takes no lock. */
void kw_time_text(uint64_t time_ms, char out[KW_TIME_TEXT_SIZE]);

/**
 * Read what kw_time_text() writes, of 1970 to 9999, with any fraction of a second or none.
 *
 * @param time_ms  out: what is below a millisecond is cut off
 * @return KW_OK, KW_E_SYNTAX
 */
KW_MUST_CHECK enum kw_err kw_time_read(const char *text, uint64_t *time_ms);

#endif
