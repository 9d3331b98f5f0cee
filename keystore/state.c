#include "keystore/journal.h"
#include "keystore/scan.h"

#include <string.h>

static void state_of_history(
	const struct lw_device_id *id, const struct ks_history *history, struct ks_state *out)
{
	out->id = *id;
	out->next_join_nonce = history->next_join_nonce;
	out->dev_nonce_count = history->dev_nonce_count;
	out->has_dev_nonce = history->dev_nonce_count > 0;
	out->last_dev_nonce = history->last_dev_nonce;
	out->max_dev_nonce = history->max_dev_nonce;
	out->joins_accepted = history->joins_accepted;
	out->joins_refused = history->joins_refused;
	out->has_session = history->session_count > 0;
	if (out->has_session) {
		out->last_session = history->sessions[0];
	}
}

static void state_of_pending(const struct ks_pending *pending, struct ks_state *out)
{
	out->id = pending->id;
	out->next_join_nonce = pending->next_join_nonce;
	out->dev_nonce_count = pending->dev_nonce_count;
	out->has_dev_nonce = pending->dev_nonce_count > 0;
	out->last_dev_nonce = pending->last_dev_nonce;
	out->max_dev_nonce = pending->max_dev_nonce;
	out->joins_accepted = pending->joins_accepted;
	out->joins_refused = pending->joins_refused;
	out->journal_last = pending->last;
}

static void pending_of_state(const struct ks_state *state, struct ks_pending *out)
{
	memset(out, 0, sizeof(*out));
	out->id = state->id;
	out->last = state->journal_last;
	out->next_join_nonce = state->next_join_nonce;
	out->dev_nonce_count = state->dev_nonce_count & LW_JOIN_NONCE_MAX;
	out->last_dev_nonce = state->last_dev_nonce;
	out->max_dev_nonce = state->max_dev_nonce;
	out->joins_accepted = (uint32_t)state->joins_accepted;
	out->joins_refused = state->joins_refused;
}

static enum kw_err last_session(
	struct ks_txn *txn, const struct ks_pending *pending, struct ks_state *out)
{
	struct ks_record record;
	struct ks_history history;
	enum kw_err err;

	if (pending->last != 0) {
		err = ks_journal_read_own(txn, pending->last, &pending->id, &record);
		out->has_session = true;
		out->last_session = record.session;
		return err;
	}
	err = ks_history_load(txn, &pending->id, &history);
	if (err == KW_OK && history.session_count > 0) {
		out->has_session = true;
		out->last_session = history.sessions[0];
	}
	return err;
}

enum kw_err ks_state_get(struct ks_txn *txn, const struct lw_device_id *id, struct ks_state *out)
{
	struct ks_pending pending;
	struct ks_history history;
	enum kw_err err = ks_pending_get(txn, id, &pending);

	memset(out, 0, sizeof(*out));
	if (err == KW_OK) {
		state_of_pending(&pending, out);
		err = last_session(txn, &pending, out);
	} else if (err == KW_E_NOT_FOUND) {
		err = ks_history_load(txn, id, &history);
		state_of_history(id, &history, out);
	}
	if (err != KW_OK) {
		memset(out, 0, sizeof(*out));
		return err;
	}
	out->generation = txn->store->journal->generation;
	return KW_OK;
}

/* Whether an unfolded join of the device has used the value. */
static enum kw_err used_in_journal(
	struct ks_txn *txn, const struct ks_state *state, uint64_t applied, uint16_t dev_nonce)
{
	for (uint64_t at = state->journal_last; at > applied;) {
		struct ks_record record;
		enum kw_err err = ks_journal_read_own(txn, at, &state->id, &record);

		if (err != KW_OK) {
			return err;
		}
		if (record.session.type == LW_JOIN_REQ_JOIN &&
			(record.session.nonce == dev_nonce ||
				(lw_version_counts_dev_nonce(record.event.registered) &&
					dev_nonce < record.session.nonce))) {
			return KW_E_REPLAY;
		}
		at = record.prev;
	}
	return KW_OK;
}

enum kw_err ks_dev_nonce_check(struct ks_txn *txn, const struct ks_state *state,
	enum lw_version registered, uint16_t dev_nonce)
{
	struct ks_history history;
	enum kw_err err;

	/* Above all that was accepted is good by either rule and needs no look at the set. */
	if (!state->has_dev_nonce || dev_nonce > state->max_dev_nonce) {
		return KW_OK;
	}
	if (lw_version_counts_dev_nonce(registered)) {
		return KW_E_REPLAY;
	}
	err = ks_history_load(txn, &state->id, &history);
	if (err != KW_OK) {
		return err;
	}
	if (ks_history_used(&history, dev_nonce)) {
		return KW_E_REPLAY;
	}
	return used_in_journal(txn, state, history.applied, dev_nonce);
}

/*
 * What is unfolded of the device now. A state that was read before a commit, an abort or a fold is
 * believed only if it is still the last word: its JoinNonce is the next one, so no join was
 * recorded since.
 */
static enum kw_err current_pending(
	struct ks_txn *txn, const struct ks_state *state, struct ks_pending *out)
{
	struct ks_state fresh;
	enum kw_err err = ks_pending_get(txn, &state->id, out);

	if (err == KW_E_NOT_FOUND) {
		if (state->generation == txn->store->journal->generation &&
			state->journal_last == 0) {
			pending_of_state(state, out);
			return KW_OK;
		}
		err = ks_state_get(txn, &state->id, &fresh);
		pending_of_state(&fresh, out);
	}
	if (err == KW_OK && out->next_join_nonce != state->next_join_nonce) {
		return KW_E_INVALID;
	}
	return err;
}

static void record_of_join(const struct ks_pending *pending, enum lw_version registered,
	const struct ks_session *session, struct ks_record *out)
{
	struct ks_event *event = &out->event;

	memset(out, 0, sizeof(*out));
	event->time_ms = session->time_ms;
	event->id = pending->id;
	event->kind = KS_EVENT_ACCEPTED;
	event->procedure = ks_session_procedure(session);
	event->registered = registered;
	event->mac_version = session->mac_version;
	event->opt_neg = session->opt_neg;
	event->net_id = session->net_id;
	event->join_nonce = session->join_nonce;
	event->dev_nonce = session->nonce;
	event->has_last = pending->dev_nonce_count > 0;
	event->last_dev_nonce = pending->last_dev_nonce;
	event->repeats = 1;
	event->ns_peer = session->ns_peer;
	out->session = *session;
	out->prev = pending->last;
	out->joins_accepted = pending->joins_accepted + 1;
	out->dev_nonce_count = pending->dev_nonce_count;
	out->max_dev_nonce = pending->max_dev_nonce;
	if (session->type == LW_JOIN_REQ_JOIN) {
		out->dev_nonce_count++;
		if (!event->has_last || session->nonce > out->max_dev_nonce) {
			out->max_dev_nonce = session->nonce;
		}
	}
}

static void pending_after_join(struct ks_pending *pending, const struct ks_record *record)
{
	pending->last = record->event.sequence;
	pending->chain = (pending->chain + 1u) & 0x7f;
	pending->next_join_nonce = record->session.join_nonce + 1;
	pending->joins_accepted = record->joins_accepted;
	pending->dev_nonce_count = record->dev_nonce_count & LW_JOIN_NONCE_MAX;
	pending->max_dev_nonce = record->max_dev_nonce;
	if (record->session.type == LW_JOIN_REQ_JOIN) {
		pending->last_dev_nonce = record->session.nonce;
	}
}

/* A chain that is as long as it may be is folded first. */
static enum kw_err shorten_chain(struct ks_txn *txn, struct ks_pending *pending)
{
	struct ks_history history;
	enum kw_err err = ks_history_whole(txn, &pending->id, &history, NULL);

	if (err == KW_OK) {
		err = ks_history_replace(txn, &pending->id, &history);
	}
	pending->last = 0;
	pending->chain = 0;
	return err;
}

enum kw_err ks_join_record(struct ks_txn *txn, struct ks_state *state, enum lw_version registered,
	const struct ks_session *session)
{
	struct ks_pending pending;
	struct ks_record record;
	enum kw_err err;

	if (state->next_join_nonce > LW_JOIN_NONCE_MAX) {
		return KW_E_EXHAUSTED;
	}
	if (!ks_session_valid(session) || !lw_version_valid((unsigned)registered) ||
		session->join_nonce != state->next_join_nonce) {
		return KW_E_INVALID;
	}
	err = current_pending(txn, state, &pending);
	if (err == KW_OK && pending.chain >= KS_CHAIN_MAX) {
		err = shorten_chain(txn, &pending);
	}
	if (err == KW_OK) {
		err = ks_pendings_reserve(txn->store->journal->pendings);
	}
	if (err != KW_OK) {
		return err;
	}
	record_of_join(&pending, registered, session, &record);
	err = ks_journal_append(txn, &record);
	if (err != KW_OK) {
		return err;
	}
	pending_after_join(&pending, &record);
	ks_pendings_put(txn->store->journal->pendings, &pending);
	state_of_pending(&pending, state);
	state->has_session = true;
	state->last_session = *session;
	state->generation = txn->store->journal->generation;
	return KW_OK;
}

/* RJcount0: the sessions that were made by rejoining from the base are all newer than it, so they are
 * remembered as long as it is. */
static enum kw_err last_rj_count_0(
	struct ks_txn *txn, const struct lw_device_id *id, uint32_t base_join_nonce, int32_t *last)
{
	struct ks_session sessions[KS_SESSIONS_MAX];
	int count = ks_sessions_get(txn, id, sessions);

	for (int i = 0; i < count; i++) {
		const struct ks_session *session = &sessions[i];
		bool counts = session->type == LW_JOIN_REQ_REJOIN_0 ||
			      session->type == LW_JOIN_REQ_REJOIN_2;

		if (counts && session->base_join_nonce == base_join_nonce &&
			session->nonce > *last) {
			*last = session->nonce;
		}
	}
	return count < 0 ? KW_E_STORE_DAMAGED : KW_OK;
}

static enum kw_err last_rj_count_1(struct ks_txn *txn, const struct lw_device_id *id, int32_t *last)
{
	struct ks_history history;
	enum kw_err err = ks_history_whole(txn, id, &history, NULL);

	if (err == KW_OK && history.has_rj_count_1) {
		*last = history.rj_count_1;
	}
	return err;
}

enum kw_err ks_rj_count_check(struct ks_txn *txn, const struct lw_device_id *id,
	enum lw_join_req_type type, uint32_t base_join_nonce, uint16_t rj_count, int32_t *last)
{
	enum kw_err err;

	*last = -1;
	if (type == LW_JOIN_REQ_JOIN) {
		return KW_E_INVALID;
	}
	err = type == LW_JOIN_REQ_REJOIN_1 ? last_rj_count_1(txn, id, last)
					   : last_rj_count_0(txn, id, base_join_nonce, last);
	if (err != KW_OK) {
		return err;
	}
	return rj_count > *last ? KW_OK : KW_E_REPLAY;
}

int ks_sessions_get(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_session out[KS_SESSIONS_MAX])
{
	struct ks_pending pending;
	struct ks_history history;
	enum kw_err err = ks_pending_get(txn, id, &pending);
	int count = 0;

	memset(out, 0, KS_SESSIONS_MAX * sizeof(*out));
	if (err == KW_OK || err == KW_E_NOT_FOUND) {
		err = ks_history_load(txn, id, &history);
	}
	for (uint64_t at = pending.last;
		err == KW_OK && at > history.applied && count < KS_SESSIONS_MAX;) {
		struct ks_record record;

		err = ks_journal_read_own(txn, at, id, &record);
		out[count++] = record.session;
		at = record.prev;
	}
	if (err != KW_OK) {
		memset(out, 0, KS_SESSIONS_MAX * sizeof(*out));
		return -1;
	}
	for (size_t i = 0; i < history.session_count && count < KS_SESSIONS_MAX; i++) {
		out[count++] = history.sessions[i];
	}
	return count;
}

enum kw_err ks_dev_nonce_reset(struct ks_txn *txn, const struct lw_device_id *id)
{
	struct ks_history history;
	enum kw_err err = ks_history_whole(txn, id, &history, NULL);

	if (err != KW_OK || history.dev_nonce_count == 0) {
		return err;
	}
	ks_history_reset(&history);
	return ks_history_replace(txn, id, &history);
}

/* The greatest next JoinNonce that the DevEUI has reached under any JoinEUI. */
static enum kw_err greatest_join_nonce(
	struct ks_txn *txn, struct ks_scan *scan, const struct lw_eui *dev_eui, uint32_t *out)
{
	enum kw_err err = ks_scan_seek(scan, dev_eui->octets, sizeof(dev_eui->octets));

	*out = 1;
	for (; err == KW_OK; err = ks_scan_next(scan)) {
		struct lw_device_id other = {.dev_eui = *dev_eui};
		struct ks_state state;

		if (scan->key_length != KS_ID_SIZE) {
			return KW_E_STORE_DAMAGED;
		}
		if (memcmp(scan->key, dev_eui->octets, LW_EUI_SIZE) != 0) {
			return KW_OK;
		}
		memcpy(other.join_eui.octets, scan->key + LW_EUI_SIZE, LW_EUI_SIZE);
		err = ks_state_get(txn, &other, &state);
		if (err != KW_OK) {
			return err;
		}
		*out = state.next_join_nonce > *out ? state.next_join_nonce : *out;
	}
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

enum kw_err ks_state_carry_over(struct ks_txn *txn, const struct lw_device_id *id)
{
	struct ks_history history;
	struct ks_scan scan;
	uint32_t next;
	enum kw_err err = ks_scan_open(txn, txn->store->tables.dev_eui, &scan);

	if (err != KW_OK) {
		return err;
	}
	err = greatest_join_nonce(txn, &scan, &id->dev_eui, &next);
	ks_scan_close(&scan);
	if (err == KW_OK) {
		err = ks_history_whole(txn, id, &history, NULL);
	}
	if (err != KW_OK || history.next_join_nonce >= next) {
		return err;
	}
	history.next_join_nonce = next;
	return ks_history_replace(txn, id, &history);
}
