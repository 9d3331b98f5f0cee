#include "keystore/record.h"

#include "base/cursor.h"
#include "keystore/encode.h"

#include <assert.h>
#include <string.h>

#define RECORD_VERSION 2 /* 1: without how keys were delivered, base session and procedure */
#define ERR_MAX        999
#define SECONDS_MAX    0xffffff /* stand where others have a JoinNonce */

enum { /* stored */
	FLAG_OPT_NEG = 0x01,
	FLAG_HAS_LAST = 0x02,
	FLAGS = FLAG_OPT_NEG | FLAG_HAS_LAST,
};

static bool version_or_none(enum lw_version version)
{
	return version == LW_VERSION_NONE || lw_version_valid((unsigned)version);
}

static bool join_nonce_valid(uint32_t join_nonce)
{
	return join_nonce >= 1 && join_nonce <= LW_JOIN_NONCE_MAX;
}

static bool type_valid(enum lw_join_req_type type)
{
	return type == LW_JOIN_REQ_JOIN || type == LW_JOIN_REQ_REJOIN_0 ||
	       type == LW_JOIN_REQ_REJOIN_1 || type == LW_JOIN_REQ_REJOIN_2;
}

enum ks_procedure ks_session_procedure(const struct ks_session *session)
{
	switch (session->type) {
	case LW_JOIN_REQ_REJOIN_0:
		return KS_PROCEDURE_REJOIN_0;
	case LW_JOIN_REQ_REJOIN_1:
		return KS_PROCEDURE_REJOIN_1;
	case LW_JOIN_REQ_REJOIN_2:
		return KS_PROCEDURE_REJOIN_2;
	case LW_JOIN_REQ_JOIN:
		break;
	}
	return KS_PROCEDURE_JOIN;
}

bool ks_session_valid(const struct ks_session *session)
{
	return join_nonce_valid(session->join_nonce) && type_valid(session->type) &&
	       version_or_none(session->mac_version) && ks_delivery_valid(session->delivery) &&
	       session->base_join_nonce < session->join_nonce;
}

bool ks_event_valid(const struct ks_event *event)
{
	if (event->procedure > KS_PROCEDURE_HOME_NS || !version_or_none(event->registered) ||
		!version_or_none(event->mac_version) || event->join_nonce > LW_JOIN_NONCE_MAX ||
		event->repeats < 1 || (!event->has_last && event->last_dev_nonce != 0)) {
		return false;
	}
	if (event->kind == KS_EVENT_REFUSED || event->kind == KS_EVENT_ALARM) {
		return event->err < 0 && event->err >= -ERR_MAX &&
		       event->seconds <= (event->kind == KS_EVENT_ALARM ? SECONDS_MAX : 0);
	}
	return event->kind >= KS_EVENT_ACCEPTED && event->kind <= KS_EVENT_SERVED &&
	       event->err == KW_OK && event->seconds == 0;
}

static uint8_t flags_of(const struct ks_event *event)
{
	return (uint8_t)((event->opt_neg ? FLAG_OPT_NEG : 0) |
			 (event->has_last ? FLAG_HAS_LAST : 0));
}

void ks_delivery_write(const struct ks_session *session, struct kw_writer *writer)
{
	kw_write_u8(writer, (uint8_t)session->delivery);
	kw_write_u16(writer, session->ns_kek);
	kw_write_u16(writer, session->as_kek);
	kw_write_u24(writer, session->base_join_nonce);
}

void ks_delivery_read(struct kw_reader *reader, struct ks_session *session)
{
	session->delivery = (enum ks_delivery)kw_read_u8(reader);
	session->ns_kek = kw_read_u16(reader);
	session->as_kek = kw_read_u16(reader);
	session->base_join_nonce = kw_read_u24(reader);
}

static void write_accepted(const struct ks_record *record, struct kw_writer *writer)
{
	const struct ks_session *session = &record->session;

	kw_write_u64(writer, record->prev);
	kw_write_u24(writer, session->join_nonce);
	kw_write_u8(writer, (uint8_t)session->type);
	kw_write_u32(writer, session->as_peer);
	kw_write_u24(writer, record->joins_accepted);
	kw_write_u24(writer, record->dev_nonce_count);
	kw_write_u16(writer, record->max_dev_nonce);
	kw_write_octets(writer, session->session_key_id, sizeof(session->session_key_id));
	kw_write_octets(writer, session->request_digest, sizeof(session->request_digest));
	ks_delivery_write(session, writer);
}

static void write_other(const struct ks_record *record, struct kw_writer *writer)
{
	kw_write_u16(writer, (uint16_t)-record->event.err);
	kw_write_u32(writer, record->event.repeats);
	kw_write_u24(writer, record->event.kind == KS_EVENT_ALARM ? record->event.seconds
								  : record->event.join_nonce);
	kw_write_u64(writer, record->joins_refused);
	kw_write_u8(writer, (uint8_t)record->event.procedure);
}

size_t ks_record_write(const struct ks_record *record, uint8_t out[KS_RECORD_SIZE_MAX])
{
	const struct ks_event *event = &record->event;
	struct kw_writer writer;

	kw_writer_init(&writer, out, KS_RECORD_SIZE_MAX);
	kw_write_u8(&writer, RECORD_VERSION);
	kw_write_u8(&writer, (uint8_t)event->kind);
	kw_write_octets(&writer, event->id.join_eui.octets, LW_EUI_SIZE);
	kw_write_octets(&writer, event->id.dev_eui.octets, LW_EUI_SIZE);
	kw_write_u64(&writer, event->time_ms);
	kw_write_u8(&writer, (uint8_t)event->registered);
	kw_write_u8(&writer, (uint8_t)event->mac_version);
	kw_write_u8(&writer, flags_of(event));
	kw_write_octets(&writer, event->net_id.octets, LW_NET_ID_SIZE);
	kw_write_u32(&writer, event->ns_peer);
	kw_write_u16(&writer, event->dev_nonce);
	kw_write_u16(&writer, event->last_dev_nonce);
	if (event->kind == KS_EVENT_ACCEPTED) {
		write_accepted(record, &writer);
	} else {
		write_other(record, &writer);
	}
	ks_record_end(&writer);
	assert(kw_writer_end(&writer) == KW_OK);
	return writer.used;
}

static bool accepted_agrees(const struct ks_record *record)
{
	const struct ks_session *session = &record->session;

	return ks_session_valid(session) && lw_version_valid((unsigned)record->event.registered) &&
	       record->prev < record->event.sequence && record->joins_accepted >= 1 &&
	       record->joins_accepted <= session->join_nonce &&
	       record->dev_nonce_count <= record->joins_accepted &&
	       (session->type != LW_JOIN_REQ_JOIN ||
		       (record->dev_nonce_count >= 1 && record->max_dev_nonce >= session->nonce));
}

static bool read_accepted(struct kw_reader *reader, uint8_t version, struct ks_record *record)
{
	struct ks_session *session = &record->session;
	struct ks_event *event = &record->event;

	record->prev = kw_read_u64(reader);
	session->join_nonce = kw_read_u24(reader);
	session->type = (enum lw_join_req_type)kw_read_u8(reader);
	session->as_peer = kw_read_u32(reader);
	record->joins_accepted = kw_read_u24(reader);
	record->dev_nonce_count = kw_read_u24(reader);
	record->max_dev_nonce = kw_read_u16(reader);
	kw_read_octets(reader, session->session_key_id, sizeof(session->session_key_id));
	kw_read_octets(reader, session->request_digest, sizeof(session->request_digest));
	if (version >= 2) {
		ks_delivery_read(reader, session);
	}
	session->time_ms = event->time_ms;
	session->nonce = event->dev_nonce;
	session->net_id = event->net_id;
	session->mac_version = event->mac_version;
	session->opt_neg = event->opt_neg;
	session->ns_peer = event->ns_peer;
	event->join_nonce = session->join_nonce;
	event->repeats = 1;
	event->procedure = ks_session_procedure(session);
	return accepted_agrees(record);
}

static bool read_other(struct kw_reader *reader, uint8_t version, struct ks_record *record)
{
	record->event.err = (enum kw_err) - (int)kw_read_u16(reader);
	record->event.repeats = kw_read_u32(reader);
	*(record->event.kind == KS_EVENT_ALARM ? &record->event.seconds
					       : &record->event.join_nonce) = kw_read_u24(reader);
	record->joins_refused = kw_read_u64(reader);
	if (version >= 2) {
		record->event.procedure = (enum ks_procedure)kw_read_u8(reader);
	}
	return record->event.kind == KS_EVENT_REFUSED ? record->joins_refused >= 1
						      : record->joins_refused == 0;
}

static bool read_record(struct kw_reader *reader, uint8_t version, struct ks_record *record)
{
	struct ks_event *event = &record->event;
	uint8_t flags;
	bool good;

	event->kind = (enum ks_event_kind)kw_read_u8(reader);
	kw_read_octets(reader, event->id.join_eui.octets, LW_EUI_SIZE);
	kw_read_octets(reader, event->id.dev_eui.octets, LW_EUI_SIZE);
	event->time_ms = kw_read_u64(reader);
	event->registered = (enum lw_version)kw_read_u8(reader);
	event->mac_version = (enum lw_version)kw_read_u8(reader);
	flags = kw_read_u8(reader);
	event->opt_neg = (flags & FLAG_OPT_NEG) != 0;
	event->has_last = (flags & FLAG_HAS_LAST) != 0;
	kw_read_octets(reader, event->net_id.octets, LW_NET_ID_SIZE);
	event->ns_peer = kw_read_u32(reader);
	event->dev_nonce = kw_read_u16(reader);
	event->last_dev_nonce = kw_read_u16(reader);
	if ((flags & ~FLAGS) != 0) {
		return false;
	}
	good = event->kind == KS_EVENT_ACCEPTED ? read_accepted(reader, version, record)
						: read_other(reader, version, record);
	return good && ks_event_valid(event) && kw_reader_end(reader) == KW_OK;
}

enum kw_err ks_record_read(
	uint64_t sequence, const void *octets, size_t length, struct ks_record *out)
{
	struct kw_reader reader;
	uint8_t version;

	memset(out, 0, sizeof(*out));
	out->event.sequence = sequence;
	if (sequence == 0 || !ks_record_begin(&reader, octets, length, RECORD_VERSION, &version) ||
		!read_record(&reader, version, out)) {
		memset(out, 0, sizeof(*out));
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}
