/** Says in the log, once a day, that the front's certificate ends soon or has ended. */
#ifndef KW_JS_FRONT_EXPIRY_H
#define KW_JS_FRONT_EXPIRY_H

#include <stdint.h>

#define JS_FRONT_EXPIRY_SOON_S (UINT64_C(30) * 86400)

enum js_front_expiry_state {
	JS_FRONT_EXPIRY_FINE,
	JS_FRONT_EXPIRY_SOON, /* within JS_FRONT_EXPIRY_SOON_S */
	JS_FRONT_EXPIRY_OVER,
};

/** @param expires_s  seconds since 1970; 0: there is no certificate, which is fine */
enum js_front_expiry_state js_front_expiry_judge(uint64_t expires_s, uint64_t now_s);

struct js_front_expiry {
	uint64_t due_us; /* of the next look, monotonic; 0: at once */
};

/**
 * Look, if a day has passed since the last look, and log what is to be said.
 *
 * @return how long until the next look, ms
 */
int js_front_expiry_watch(
	struct js_front_expiry *expiry, uint64_t expires_s, uint64_t now_s, uint64_t mono_us);

#endif
