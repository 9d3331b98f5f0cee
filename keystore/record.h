/**
 * The journal record: one accepted join, refusal or repeated answer, as octets. Private to
 * keystore/; docs/store-format.md has the layout. Pure.
 *
 * An accepted record carries the device's totals as they are after it, so that the journal can be
 * replayed without looking into the state table.
 */
#ifndef KW_KEYSTORE_RECORD_H
#define KW_KEYSTORE_RECORD_H

#include "base/cursor.h"
#include "keystore/event.h"

#define KS_RECORD_SIZE_MAX 108

struct ks_record {
	struct ks_event event;     /* its sequence is the key of the record, not in its octets */
	struct ks_session session; /* accepted: what it has in common with event is set in both */
	uint64_t prev;             /* accepted: the device's unfolded record before it; 0: none */
	uint32_t joins_accepted;   /* accepted: this one included, like the next two */
	uint32_t dev_nonce_count;
	uint16_t max_dev_nonce;
	uint64_t joins_refused; /* refused: this one included */
};

/** @return the length */
size_t ks_record_write(const struct ks_record *record, uint8_t out[KS_RECORD_SIZE_MAX]);
/** @return KW_OK, KW_E_STORE_DAMAGED (*out is zero) */
KW_MUST_CHECK enum kw_err ks_record_read(
	uint64_t sequence, const void *octets, size_t length, struct ks_record *out);

/** What sessions of journal and state records end with, from version 2 on. */
void ks_delivery_write(const struct ks_session *session, struct kw_writer *writer);
void ks_delivery_read(struct kw_reader *reader, struct ks_session *session);
/** The procedure of a session's request. */
enum ks_procedure ks_session_procedure(const struct ks_session *session);
/** Whether the values that come from outside can be written and read again. */
bool ks_session_valid(const struct ks_session *session);
bool ks_event_valid(const struct ks_event *event);

#endif
