#include "keystore/history.h"

#include "base/log.h"
#include "keystore/encode.h"

#include <assert.h>
#include <string.h>

/* 1: sessions without how keys were delivered and their base; 2: nothing advanced */
#define STATE_VERSION 3

enum { /* stored */
	FLAG_COUNTED = 0x01,
	FLAG_RJ_COUNT_1 = 0x02,
	FLAG_OPT_NEG = 0x01, /* of a session */
};

void ks_history_init(struct ks_history *history)
{
	/* The set is large and says nothing while its count is 0. */
	memset(history, 0, offsetof(struct ks_history, nonces));
	ks_nonces_clear(&history->nonces);
	history->next_join_nonce = 1;
	history->has_rj_count_1 = false;
	history->rj_count_1 = 0;
	history->session_count = 0;
}

bool ks_history_used(const struct ks_history *history, uint16_t dev_nonce)
{
	return (history->counted && dev_nonce <= history->used_up_to) ||
	       ks_nonces_has(&history->nonces, dev_nonce);
}

void ks_history_reset(struct ks_history *history)
{
	history->dev_nonce_count = 0;
	history->last_dev_nonce = 0;
	history->max_dev_nonce = 0;
	history->counted = false;
	history->used_up_to = 0;
	ks_nonces_clear(&history->nonces);
}

static void apply_dev_nonce(struct ks_history *history, enum lw_version registered, uint16_t nonce)
{
	bool greatest = history->dev_nonce_count == 0 || nonce > history->max_dev_nonce;

	if (greatest && lw_version_counts_dev_nonce(registered)) {
		history->counted = true;
		history->used_up_to = nonce;
		ks_nonces_clear(&history->nonces);
	} else if (!ks_history_used(history, nonce)) {
		ks_nonces_add(&history->nonces, nonce);
	}
	history->dev_nonce_count++;
	history->last_dev_nonce = nonce;
	history->max_dev_nonce = greatest ? nonce : history->max_dev_nonce;
}

enum kw_err ks_history_apply(struct ks_history *history, const struct ks_record *record)
{
	const struct ks_session *session = &record->session;
	size_t kept = history->session_count;

	if (session->join_nonce < history->next_join_nonce) {
		return KW_E_STORE_DAMAGED;
	}
	if (session->type == LW_JOIN_REQ_JOIN) {
		apply_dev_nonce(history, record->event.registered, session->nonce);
	} else if (session->type == LW_JOIN_REQ_REJOIN_1) {
		history->has_rj_count_1 = true;
		history->rj_count_1 = session->nonce;
	}
	history->next_join_nonce = session->join_nonce + 1;
	history->joins_accepted++;
	if (kept == KS_SESSIONS_MAX) {
		kept--;
	}
	memmove(history->sessions + 1, history->sessions, kept * sizeof(history->sessions[0]));
	history->sessions[0] = *session;
	history->session_count = (uint8_t)(kept + 1);
	return KW_OK;
}

static void write_session(const struct ks_session *session, struct kw_writer *writer)
{
	kw_write_octets(writer, session->session_key_id, sizeof(session->session_key_id));
	kw_write_octets(writer, session->request_digest, sizeof(session->request_digest));
	kw_write_u64(writer, session->time_ms);
	kw_write_u24(writer, session->join_nonce);
	kw_write_u16(writer, session->nonce);
	kw_write_u8(writer, (uint8_t)session->type);
	kw_write_octets(writer, session->net_id.octets, LW_NET_ID_SIZE);
	kw_write_u8(writer, (uint8_t)session->mac_version);
	kw_write_u8(writer, session->opt_neg ? FLAG_OPT_NEG : 0);
	kw_write_u32(writer, session->ns_peer);
	kw_write_u32(writer, session->as_peer);
	ks_delivery_write(session, writer);
}

size_t ks_history_write(const struct ks_history *history, uint8_t out[KS_HISTORY_SIZE_MAX])
{
	struct kw_writer writer;

	kw_writer_init(&writer, out, KS_HISTORY_SIZE_MAX);
	kw_write_u8(&writer, STATE_VERSION);
	kw_write_u8(&writer, (uint8_t)((history->counted ? FLAG_COUNTED : 0) |
				       (history->has_rj_count_1 ? FLAG_RJ_COUNT_1 : 0)));
	kw_write_u64(&writer, history->applied);
	kw_write_u32(&writer, history->next_join_nonce);
	kw_write_u32(&writer, history->joins_accepted);
	kw_write_u64(&writer, history->joins_refused);
	kw_write_u32(&writer, history->dev_nonce_count);
	kw_write_u16(&writer, history->last_dev_nonce);
	kw_write_u16(&writer, history->max_dev_nonce);
	kw_write_u16(&writer, history->used_up_to);
	kw_write_u16(&writer, history->rj_count_1);
	kw_write_u24(&writer, history->advanced);
	kw_write_u8(&writer, history->session_count);
	for (size_t i = 0; i < history->session_count; i++) {
		write_session(&history->sessions[i], &writer);
	}
	ks_nonces_write(&history->nonces, &writer);
	ks_record_end(&writer);
	assert(kw_writer_end(&writer) == KW_OK);
	return writer.used;
}

static bool read_session(struct kw_reader *reader, uint8_t version, struct ks_session *session)
{
	uint8_t flags;

	memset(session, 0, sizeof(*session));
	kw_read_octets(reader, session->session_key_id, sizeof(session->session_key_id));
	kw_read_octets(reader, session->request_digest, sizeof(session->request_digest));
	session->time_ms = kw_read_u64(reader);
	session->join_nonce = kw_read_u24(reader);
	session->nonce = kw_read_u16(reader);
	session->type = (enum lw_join_req_type)kw_read_u8(reader);
	kw_read_octets(reader, session->net_id.octets, LW_NET_ID_SIZE);
	session->mac_version = (enum lw_version)kw_read_u8(reader);
	flags = kw_read_u8(reader);
	session->opt_neg = (flags & FLAG_OPT_NEG) != 0;
	session->ns_peer = kw_read_u32(reader);
	session->as_peer = kw_read_u32(reader);
	if (version >= 2) {
		ks_delivery_read(reader, session);
	}
	return ks_session_valid(session) && (flags & ~FLAG_OPT_NEG) == 0;
}

/* JoinNonces go down from the newest session to the oldest. */
static bool read_sessions(struct kw_reader *reader, uint8_t version, struct ks_history *history)
{
	uint32_t above = history->next_join_nonce;

	history->session_count = kw_read_u8(reader);
	if (history->session_count > KS_SESSIONS_MAX) {
		return false;
	}
	for (size_t i = 0; i < history->session_count; i++) {
		if (!read_session(reader, version, &history->sessions[i]) ||
			history->sessions[i].join_nonce >= above) {
			return false;
		}
		above = history->sessions[i].join_nonce;
	}
	return true;
}

static bool dev_nonces_agree(const struct ks_history *history)
{
	const struct ks_nonces *set = &history->nonces;

	if (history->dev_nonce_count == 0) {
		return history->last_dev_nonce == 0 && history->max_dev_nonce == 0 &&
		       !history->counted && history->used_up_to == 0 && set->count == 0;
	}
	return history->last_dev_nonce <= history->max_dev_nonce &&
	       (history->counted ? history->used_up_to <= history->max_dev_nonce
				 : history->used_up_to == 0) &&
	       set->count <= history->dev_nonce_count &&
	       ks_history_used(history, history->last_dev_nonce) &&
	       ks_history_used(history, history->max_dev_nonce);
}

static bool read_history(struct kw_reader *reader, uint8_t version, struct ks_history *history)
{
	uint8_t flags = kw_read_u8(reader);

	history->counted = (flags & FLAG_COUNTED) != 0;
	history->has_rj_count_1 = (flags & FLAG_RJ_COUNT_1) != 0;
	history->applied = kw_read_u64(reader);
	history->next_join_nonce = kw_read_u32(reader);
	history->joins_accepted = kw_read_u32(reader);
	history->joins_refused = kw_read_u64(reader);
	history->dev_nonce_count = kw_read_u32(reader);
	history->last_dev_nonce = kw_read_u16(reader);
	history->max_dev_nonce = kw_read_u16(reader);
	history->used_up_to = kw_read_u16(reader);
	history->rj_count_1 = kw_read_u16(reader);
	if (version >= 3) {
		history->advanced = kw_read_u24(reader);
	}
	if ((flags & ~(FLAG_COUNTED | FLAG_RJ_COUNT_1)) != 0 ||
		history->next_join_nonce <= history->advanced ||
		history->next_join_nonce > LW_JOIN_NONCE_MAX + 1 ||
		history->joins_accepted >= history->next_join_nonce ||
		history->dev_nonce_count > history->joins_accepted ||
		(!history->has_rj_count_1 && history->rj_count_1 != 0) ||
		!read_sessions(reader, version, history)) {
		return false;
	}
	ks_nonces_read(&history->nonces, reader);
	return kw_reader_end(reader) == KW_OK && dev_nonces_agree(history);
}

enum kw_err ks_history_read(const void *octets, size_t length, struct ks_history *out)
{
	struct kw_reader reader;
	uint8_t version;

	ks_history_init(out);
	if (!ks_record_begin(&reader, octets, length, STATE_VERSION, &version) ||
		!read_history(&reader, version, out)) {
		ks_history_init(out);
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}

enum kw_err ks_history_advance(struct ks_history *history, uint32_t advanced)
{
	if (history->advanced > advanced) {
		return KW_E_STORE_DAMAGED;
	}
	history->next_join_nonce += advanced - history->advanced;
	if (history->next_join_nonce > LW_JOIN_NONCE_MAX) {
		history->next_join_nonce = LW_JOIN_NONCE_MAX + 1;
	}
	history->advanced = advanced;
	return KW_OK;
}

enum kw_err ks_history_load(
	struct ks_txn *txn, const struct lw_device_id *id, struct ks_history *out)
{
	uint8_t key[KS_ID_SIZE];
	const uint8_t *value;
	size_t length;
	enum kw_err err;

	ks_history_init(out);
	ks_id_write(id, key);
	err = ks_get(txn, txn->store->tables.state, key, sizeof(key), &value, &length);
	if (err == KW_E_NOT_FOUND) {
		return ks_history_advance(out, txn->store->advanced);
	}
	if (err != KW_OK) {
		return err;
	}
	err = ks_history_read(value, length, out);
	if (err == KW_OK) {
		err = ks_history_advance(out, txn->store->advanced);
	}
	if (err != KW_OK) {
		ks_history_init(out);
		kw_log(KW_LOG_ERROR, "keystore", "the state record of a device is damaged",
			KW_EUI("dev_eui", id->dev_eui.octets),
			KW_EUI("join_eui", id->join_eui.octets));
	}
	return err;
}

enum kw_err ks_history_store(
	struct ks_txn *txn, const struct lw_device_id *id, const struct ks_history *history)
{
	uint8_t key[KS_ID_SIZE];
	uint8_t value[KS_HISTORY_SIZE_MAX];
	size_t length = ks_history_write(history, value);

	ks_id_write(id, key);
	return ks_put(txn, txn->store->tables.state, key, sizeof(key), value, length, 0);
}
