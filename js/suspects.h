/**
 * Devices for which wrong MICs, or nonces that were used before, come again and again: somebody
 * guesses or replays. They are counted here, so that each attempt costs no entry in the join log.
 *
 * Nothing is refused because of it but for Rejoin-requests, whose check is dear: a device whose own
 * Join-request is right joins however many wrong ones others send for it.
 *
 * A table of fixed size. What was seen of a device lasts a minute from its first failure; when too many
 * devices fall together, the one that began first and raised no alarm is forgotten.
 */
#ifndef KW_JS_SUSPECTS_H
#define KW_JS_SUSPECTS_H

#include "base/env.h"
#include "keystore/event.h"

#define JS_SUSPECTS_SLOTS     4096
#define JS_SUSPECTS_WINDOW_US (UINT64_C(60) * 1000 * 1000)
#define JS_SUSPECTS_ALARM     20           /* failures of one kind in a window */
#define JS_SUSPECTS_REJOIN_US (100 * 1000) /* between two Rejoin-requests of such a device */

enum js_suspects_kind {
	JS_SUSPECTS_MIC,
	JS_SUSPECTS_REPLAY,
	JS_SUSPECTS_KINDS,
};

struct js_suspects_slot {
	struct lw_device_id id;
	uint64_t since_us;  /* 0: free */
	uint64_t rejoin_us; /* no Rejoin-request before, once there is an alarm */
	uint32_t count[JS_SUSPECTS_KINDS];
	uint32_t told[JS_SUSPECTS_KINDS]; /* of them, by an alarm; 0: none yet */
	struct lw_net_id net_id;          /* of the last sender, and which peer that was */
	uint32_t ns_peer;
};

struct js_suspects {
	struct js_suspects_slot *slots;
	uint64_t secret[3];
	size_t alarmed; /* slots with an alarm */
	size_t at;      /* where js_suspects_end() looks next */
};

/** @return KW_OK, KW_E_NO_MEMORY, KW_E_SYSTEM (no randomness) */
KW_MUST_CHECK enum kw_err js_suspects_init(struct js_suspects *suspects, const struct kw_env *env);
void js_suspects_finish(struct js_suspects *suspects);

enum js_suspects_verdict {
	JS_SUSPECTS_USUAL,   /* log it as any other refusal */
	JS_SUSPECTS_RAISED,  /* log the alarm instead, which *alarm is */
	JS_SUSPECTS_COUNTED, /* the alarm was raised: log nothing */
};

/**
 * Take note of a refusal of a known device.
 *
 * @param event  the refusal; err is KW_E_MIC or KW_E_REPLAY, else it is usual
 * @param alarm  out: an event of kind KS_EVENT_ALARM; meaningful with JS_SUSPECTS_RAISED
 */
enum js_suspects_verdict js_suspects_note(struct js_suspects *suspects,
	const struct ks_event *event, uint64_t now_us, struct ks_event *alarm);

/**
 * The next window that has ended and had more failures than its alarm told. Call until it is false,
 * about once a second while `alarmed` is not 0.
 *
 * @param alarm  out: all failures of the window; time_ms is 0
 */
bool js_suspects_end(struct js_suspects *suspects, uint64_t now_us, struct ks_event *alarm);

/** Whether a Rejoin-request may be checked now: always, but for ten a second of a device with an alarm. */
bool js_suspects_may_rejoin(
	struct js_suspects *suspects, const struct lw_device_id *id, uint64_t now_us);

#endif
