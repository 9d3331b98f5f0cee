#include "keystore/encode.h"

#include <string.h>

#define PEER_VERSION 3 /* 2: without rate; 1: one token, one KEK */

enum peer_flag {
	PEER_ANY_DEVICE = 1 << 0,
	PEER_NS_ID = 1 << 1,
	PEER_TOKEN = 1 << 2, /* version 1 */
	PEER_CLEAR = 1 << 3,
	PEER_WRAPS = 1 << 4,
	PEER_FLAGS_1 = PEER_ANY_DEVICE | PEER_NS_ID | PEER_TOKEN,
	PEER_FLAGS_2 = PEER_ANY_DEVICE | PEER_NS_ID | PEER_CLEAR | PEER_WRAPS,
};

static bool ranges_valid(const struct ks_peer *peer)
{
	if (peer->range_count > KS_RANGES_MAX) {
		return false;
	}
	for (size_t i = 0; i < peer->range_count; i++) {
		if (lw_eui_compare(&peer->ranges[i].first, &peer->ranges[i].last) > 0) {
			return false;
		}
	}
	return true;
}

bool ks_credential_valid(const struct ks_credential *credential)
{
	switch (credential->kind) {
	case KS_CREDENTIAL_TOKEN:
	case KS_CREDENTIAL_HEADER:
		return credential->shown[0] == '\0';
	case KS_CREDENTIAL_CERTIFICATE:
	case KS_CREDENTIAL_SUBJECT:
		return ks_text_valid(credential->shown, sizeof(credential->shown));
	}
	return false;
}

static bool credentials_valid(const struct ks_peer *peer)
{
	if (peer->credential_count > KS_CREDENTIALS_MAX) {
		return false;
	}
	for (size_t i = 0; i < peer->credential_count; i++) {
		if (!ks_credential_valid(&peer->credentials[i])) {
			return false;
		}
	}
	return true;
}

static bool rate_valid(const struct ks_peer *peer)
{
	return peer->rate <= KS_RATE_MAX && peer->burst <= KS_RATE_MAX &&
	       (peer->rate == 0) == (peer->burst == 0);
}

static bool sealed_kek_valid(const struct ks_sealed *sealed)
{
	return ks_sealed_holds(sealed, 16) || ks_sealed_holds(sealed, 24) ||
	       ks_sealed_holds(sealed, 32);
}

/* Generations go up and labels are not shared. */
static bool kek_valid(const struct ks_peer *peer, size_t n)
{
	const struct ks_kek *kek = &peer->keks[n];

	if (kek->generation <= (n > 0 ? peer->keks[n - 1].generation : 0) ||
		kek->generation > peer->kek_last || !ks_label_valid(kek->label) ||
		!sealed_kek_valid(&kek->sealed)) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (strcmp(peer->keks[i].label, kek->label) == 0) {
			return false;
		}
	}
	return true;
}

static bool keks_valid(const struct ks_peer *peer)
{
	if (peer->kek_count > KS_KEKS_MAX) {
		return false;
	}
	for (size_t i = 0; i < peer->kek_count; i++) {
		if (!kek_valid(peer, i)) {
			return false;
		}
	}
	if (peer->kek_current != 0 && ks_peer_kek(peer, peer->kek_current) == NULL) {
		return false;
	}
	return peer->wraps ? peer->kek_last > 0 : peer->kek_count == 0;
}

static bool peer_valid(const struct ks_peer *peer)
{
	return (peer->kind == KS_PEER_NS || peer->kind == KS_PEER_AS) && peer->name[0] != '\0' &&
	       ks_text_valid(peer->name, sizeof(peer->name)) &&
	       ks_text_valid(peer->as_id, sizeof(peer->as_id)) &&
	       (peer->kind == KS_PEER_AS) == (peer->as_id[0] != '\0') &&
	       peer->net_id_count <= KS_NET_IDS_MAX && ks_delivery_valid(peer->delivery) &&
	       ranges_valid(peer) && ks_text_valid(peer->answer_url, sizeof(peer->answer_url)) &&
	       credentials_valid(peer) && keks_valid(peer) && rate_valid(peer);
}

static uint8_t flags_of(const struct ks_peer *peer)
{
	return (uint8_t)((peer->any_device ? PEER_ANY_DEVICE : 0) |
			 (peer->has_ns_id ? PEER_NS_ID : 0) | (peer->clear ? PEER_CLEAR : 0) |
			 (peer->wraps ? PEER_WRAPS : 0));
}

static void write_credential(struct kw_writer *writer, const struct ks_credential *credential)
{
	const size_t length = strlen(credential->shown);

	kw_write_u8(writer, (uint8_t)credential->kind);
	kw_write_octets(writer, credential->mac, KS_DIGEST_SIZE);
	kw_write_u64(writer, credential->expires_s);
	kw_write_u16(writer, (uint16_t)length);
	kw_write_octets(writer, credential->shown, length);
}

static void write_credentials(struct kw_writer *writer, const struct ks_peer *peer)
{
	kw_write_u8(writer, peer->credential_count);
	for (size_t i = 0; i < peer->credential_count; i++) {
		write_credential(writer, &peer->credentials[i]);
	}
}

static void write_keks(struct kw_writer *writer, const struct ks_peer *peer)
{
	kw_write_u16(writer, peer->kek_last);
	kw_write_u16(writer, peer->kek_current);
	kw_write_u8(writer, peer->kek_count);
	for (size_t i = 0; i < peer->kek_count; i++) {
		kw_write_u16(writer, peer->keks[i].generation);
		kw_write_u64(writer, peer->keks[i].created_ms);
		kw_write_string(writer, peer->keks[i].label);
		ks_write_sealed(writer, &peer->keks[i].sealed);
	}
}

enum kw_err ks_peer_encode(
	const struct ks_peer *peer, uint8_t out[KS_PEER_RECORD_MAX], size_t *length)
{
	struct kw_writer writer;

	*length = 0;
	if (!peer_valid(peer)) {
		return KW_E_INVALID;
	}
	kw_writer_init(&writer, out, KS_PEER_RECORD_MAX);
	kw_write_u8(&writer, PEER_VERSION);
	kw_write_u8(&writer, (uint8_t)peer->kind);
	kw_write_u64(&writer, peer->created_ms);
	kw_write_u64(&writer, peer->changed_ms);
	kw_write_u8(&writer, flags_of(peer));
	kw_write_u8(&writer, (uint8_t)peer->delivery);
	kw_write_string(&writer, peer->name);
	kw_write_string(&writer, peer->as_id);
	ks_write_net_ids(&writer, peer->net_ids, peer->net_id_count);
	if (peer->has_ns_id) {
		kw_write_octets(&writer, peer->ns_id.octets, LW_EUI_SIZE);
	}
	kw_write_u8(&writer, peer->range_count);
	kw_write_octets(&writer, peer->ranges, peer->range_count * sizeof(peer->ranges[0]));
	kw_write_string(&writer, peer->answer_url);
	write_credentials(&writer, peer);
	write_keks(&writer, peer);
	kw_write_u32(&writer, peer->rate);
	kw_write_u32(&writer, peer->burst);
	ks_record_end(&writer);
	*length = writer.used;
	return kw_writer_end(&writer);
}

static void read_ranges(struct kw_reader *reader, struct ks_peer *peer)
{
	peer->range_count = kw_read_u8(reader);
	if (peer->range_count > KS_RANGES_MAX) {
		reader->failed = true;
		return;
	}
	kw_read_octets(reader, peer->ranges, peer->range_count * sizeof(peer->ranges[0]));
}

static void read_credential(struct kw_reader *reader, struct ks_credential *credential)
{
	size_t length;
	const uint8_t *at;

	credential->kind = kw_read_u8(reader);
	kw_read_octets(reader, credential->mac, KS_DIGEST_SIZE);
	credential->expires_s = kw_read_u64(reader);
	length = kw_read_u16(reader);
	at = kw_read_span(reader, length);
	if (at == NULL || length >= sizeof(credential->shown) || memchr(at, '\0', length) != NULL) {
		reader->failed = true;
		return;
	}
	memcpy(credential->shown, at, length);
}

static void read_credentials(struct kw_reader *reader, struct ks_peer *peer)
{
	peer->credential_count = kw_read_u8(reader);
	if (peer->credential_count > KS_CREDENTIALS_MAX) {
		reader->failed = true;
		return;
	}
	for (size_t i = 0; i < peer->credential_count; i++) {
		read_credential(reader, &peer->credentials[i]);
	}
}

static void read_keks(struct kw_reader *reader, struct ks_peer *peer)
{
	peer->kek_last = kw_read_u16(reader);
	peer->kek_current = kw_read_u16(reader);
	peer->kek_count = kw_read_u8(reader);
	if (peer->kek_count > KS_KEKS_MAX) {
		reader->failed = true;
		return;
	}
	for (size_t i = 0; i < peer->kek_count; i++) {
		struct ks_kek *kek = &peer->keks[i];

		kek->generation = kw_read_u16(reader);
		kek->created_ms = kw_read_u64(reader);
		kw_read_string(reader, kek->label, sizeof(kek->label));
		ks_read_sealed(reader, &kek->sealed);
	}
}

/* The end of a record of version 1: at most one token and one KEK. */
static void read_token_and_kek(struct kw_reader *reader, bool has_token, struct ks_peer *peer)
{
	struct ks_kek *kek = &peer->keks[0];

	if (has_token) {
		peer->credential_count = 1;
		peer->credentials[0].kind = KS_CREDENTIAL_TOKEN;
		kw_read_octets(reader, peer->credentials[0].mac, KS_DIGEST_SIZE);
	}
	kw_read_string(reader, kek->label, sizeof(kek->label));
	ks_read_sealed(reader, &kek->sealed);
	if (kek->label[0] == '\0') {
		reader->failed = reader->failed || kek->sealed.length != 0;
		return;
	}
	kek->generation = 1;
	kek->created_ms = peer->changed_ms;
	peer->kek_count = 1;
	peer->kek_current = 1;
	peer->kek_last = 1;
	peer->wraps = true;
}

static void read_peer(struct kw_reader *reader, uint8_t version, struct ks_peer *peer)
{
	uint8_t flags;

	peer->kind = kw_read_u8(reader);
	peer->created_ms = kw_read_u64(reader);
	peer->changed_ms = kw_read_u64(reader);
	flags = kw_read_u8(reader);
	peer->any_device = (flags & PEER_ANY_DEVICE) != 0;
	peer->has_ns_id = (flags & PEER_NS_ID) != 0;
	peer->clear = (flags & PEER_CLEAR) != 0;
	peer->wraps = (flags & PEER_WRAPS) != 0;
	peer->delivery = kw_read_u8(reader);
	kw_read_string(reader, peer->name, sizeof(peer->name));
	kw_read_string(reader, peer->as_id, sizeof(peer->as_id));
	ks_read_net_ids(reader, peer->net_ids, &peer->net_id_count);
	if (peer->has_ns_id) {
		kw_read_octets(reader, peer->ns_id.octets, LW_EUI_SIZE);
	}
	read_ranges(reader, peer);
	if (version == 1) {
		read_token_and_kek(reader, (flags & PEER_TOKEN) != 0, peer);
	} else {
		kw_read_string(reader, peer->answer_url, sizeof(peer->answer_url));
		read_credentials(reader, peer);
		read_keks(reader, peer);
	}
	if (version >= 3) {
		peer->rate = kw_read_u32(reader);
		peer->burst = kw_read_u32(reader);
	}
	if ((flags & ~(version == 1 ? PEER_FLAGS_1 : PEER_FLAGS_2)) != 0) {
		reader->failed = true;
	}
}

enum kw_err ks_peer_decode(const uint8_t *octets, size_t length, struct ks_peer *out)
{
	struct kw_reader reader;
	uint8_t version;

	memset(out, 0, sizeof(*out));
	if (!ks_record_begin(&reader, octets, length, PEER_VERSION, &version)) {
		return KW_E_STORE_DAMAGED;
	}
	read_peer(&reader, version, out);
	if (kw_reader_end(&reader) != KW_OK || !peer_valid(out)) {
		memset(out, 0, sizeof(*out));
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}
