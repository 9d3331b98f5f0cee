/**
 * Lines that somebody outside can cause as often as he likes: ten a second of a kind, then only their
 * number. A flood of requests does not become a flood of log lines.
 */
#ifndef KW_BASE_LOG_GATE_H
#define KW_BASE_LOG_GATE_H

#include "base/env.h"
#include "base/log.h"

#define KW_LOG_GATE_LINES 10

/** One per kind of line; all zero at first. */
struct kw_log_gate {
	uint64_t second; /* of the monotonic clock, plus 1; 0: nothing yet */
	unsigned passed; /* in this second */
	uint64_t held;   /* since the last line */
};

/**
 * Whether a line of this kind may be written now. The first that may after others were held back is
 * preceded by a line that says how many those were.
 *
 * @return false also where the level is not logged; such a line is not counted
 */
bool kw_log_gate(struct kw_log_gate *gate, const struct kw_env *env, enum kw_log_level level,
	const char *subsystem);

#endif
