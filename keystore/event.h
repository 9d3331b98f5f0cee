/**
 * The join log: every accepted Join-request (its journal record is its log entry) and refusals.
 * Bounded: the oldest folded records beyond KS_EVENTS_KEPT go.
 */
#ifndef KW_KEYSTORE_EVENT_H
#define KW_KEYSTORE_EVENT_H

#include "keystore/state.h"

#define KS_EVENTS_KEPT 1000000

enum ks_event_kind { /* stored; never renumber */
	KS_EVENT_ACCEPTED = 1,
	KS_EVENT_REFUSED = 2,
	KS_EVENT_REPEATED = 3,
	KS_EVENT_SERVED = 4,
	KS_EVENT_ALARM = 5,
};

enum ks_procedure { /* stored; never renumber */
	KS_PROCEDURE_JOIN = 0,
	KS_PROCEDURE_REJOIN_0 = 1,
	KS_PROCEDURE_REJOIN_1 = 2,
	KS_PROCEDURE_REJOIN_2 = 3,
	KS_PROCEDURE_APP_S_KEY = 4,
	KS_PROCEDURE_HOME_NS = 5,
};

struct ks_event {
	uint64_t sequence; /* from 1, in the order of commit */
	uint64_t time_ms;
	struct lw_device_id id;
	enum ks_event_kind kind;
	enum ks_procedure procedure;
	enum kw_err err; /* refused; alarm: what was */
	enum lw_version registered;
	enum lw_version mac_version;
	bool opt_neg;
	struct lw_net_id net_id;
	uint32_t join_nonce; /* accepted, repeated; AppSKeyReq: of the session */
	uint16_t dev_nonce;  /* or the RJcount of a Rejoin-request */
	/* A DevNonce had been accepted before this request; of a refused Rejoin: an RJcount. */
	bool has_last;
	uint16_t last_dev_nonce;
	uint32_t repeats; /* at least 1 */
	uint32_t seconds; /* alarm: in which they came, at most 2^24 - 1 */
	uint32_t ns_peer; /* id of the peer that asked */
};

/**
 * Log a refusal, a repeated answer, that AppSKeyReq or HomeNSReq was served, or an alarm, of a known
 * device (ks_join_record() logs the accepted joins). The sequence is given here, the time is the
 * caller's. Refusals count in joins_refused, each `repeats` times; the others change no state.
 *
 * @return KW_OK
 *         KW_E_INVALID  kind, err (a refusal and an alarm have one, the others none), repeats 0,
 *                       seconds (only an alarm has them)
 *         KW_E_NO_MEMORY, KW_E_STORE, KW_E_STORE_FULL, KW_E_STORE_DAMAGED
 */
KW_MUST_CHECK enum kw_err ks_event_add(struct ks_txn *txn, const struct ks_event *event);

/**
 * Read a page of the log, oldest first from behind `after`, or newest first from before it. A
 * record that does not read is passed over and logged.
 *
 * @param after      sequence; 0: from the start (backwards: from the end)
 * @param dev_eui    NULL: all devices
 * @param max_looked how many records to look at at most
 * @param resume     out: value of `after` for the next page; `after` itself if nothing was there
 * @param more       out: whether there is anything beyond
 * @return events written to out (at most max), or -1 if the store failed
 */
int ks_events_get(struct ks_txn *txn, uint64_t after, bool backwards, const struct lw_eui *dev_eui,
	struct ks_event *out, size_t max, size_t max_looked, uint64_t *resume, bool *more);

#endif
