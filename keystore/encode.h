/**
 * Records of devices and peers as octets (docs/store-format.md). Pure: no store.
 *
 * Every record begins with its version and ends with an Adler-32 (RFC 1950) of what is in front, so
 * that a damaged one is refused and not believed; LMDB has no checksums of its own.
 */
#ifndef KW_KEYSTORE_ENCODE_H
#define KW_KEYSTORE_ENCODE_H

#include "base/cursor.h"
#include "keystore/device.h"
#include "keystore/peer.h"

#define KS_CHECKSUM_SIZE     4
#define KS_DEVICE_RECORD_MAX 512
#define KS_PEER_RECORD_MAX   4608

/** Adler-32. */
uint32_t ks_checksum(const void *octets, size_t length);
/** Append the checksum of what was written so far. */
void ks_record_end(struct kw_writer *writer);
/** Begin to read a record: checksum and version, which is one of 1 to `newest`.
 *  @return false: refuse it; *version is 0 then */
bool ks_record_begin(struct kw_reader *reader, const uint8_t *octets, size_t length, uint8_t newest,
	uint8_t *version);

/** Whether a text is terminated inside `size` and without control characters. */
bool ks_text_valid(const char *text, size_t size);
/** Whether a text is a label: 1 to 63 printable ASCII characters. */
bool ks_label_valid(const char *label);
bool ks_policy_valid(const struct ks_policy *policy);
bool ks_delivery_valid(unsigned value);
/** Kind and what is shown; nothing may be shown of what is a secret itself. */
bool ks_credential_valid(const struct ks_credential *credential);
/** Whether a sealed value holds `length` octets. */
bool ks_sealed_holds(const struct ks_sealed *sealed, size_t length);

/* Fields that both kinds of record have. What is out of range fails the reader. */
void ks_write_net_ids(struct kw_writer *writer, const struct lw_net_id *net_ids, uint8_t count);
void ks_read_net_ids(struct kw_reader *reader, struct lw_net_id *net_ids, uint8_t *count);
void ks_write_sealed(struct kw_writer *writer, const struct ks_sealed *sealed);
void ks_read_sealed(struct kw_reader *reader, struct ks_sealed *sealed);

/** @return KW_OK, KW_E_INVALID (a field is out of its range), KW_E_TOO_LONG */
KW_MUST_CHECK enum kw_err ks_device_encode(
	const struct ks_device *device, uint8_t out[KS_DEVICE_RECORD_MAX], size_t *length);
/** All but the id, which is the record's key. @return KW_OK, KW_E_STORE_DAMAGED; *out is zero then */
KW_MUST_CHECK enum kw_err ks_device_decode(
	const uint8_t *octets, size_t length, struct ks_device *out);

/** Also checks what ks_peer_put() demands of the fields. Errors as for devices. A record of an
 *  older version is read as what it says in terms of the newest, which is written. */
KW_MUST_CHECK enum kw_err ks_peer_encode(
	const struct ks_peer *peer, uint8_t out[KS_PEER_RECORD_MAX], size_t *length);
KW_MUST_CHECK enum kw_err ks_peer_decode(const uint8_t *octets, size_t length, struct ks_peer *out);

#endif
