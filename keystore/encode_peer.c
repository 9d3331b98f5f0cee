#include "keystore/encode.h"

#include <string.h>

#define PEER_VERSION 1

enum peer_flag {
	PEER_ANY_DEVICE = 1 << 0,
	PEER_NS_ID = 1 << 1,
	PEER_TOKEN = 1 << 2,
	PEER_FLAGS = PEER_ANY_DEVICE | PEER_NS_ID | PEER_TOKEN,
};

static bool sealed_kek_valid(const struct ks_sealed *sealed)
{
	return ks_sealed_holds(sealed, 16) || ks_sealed_holds(sealed, 24) ||
	       ks_sealed_holds(sealed, 32);
}

static bool kek_valid(const struct ks_peer *peer)
{
	return peer->kek_label[0] == '\0' ? peer->kek.length == 0 : sealed_kek_valid(&peer->kek);
}

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

static bool peer_valid(const struct ks_peer *peer)
{
	return (peer->kind == KS_PEER_NS || peer->kind == KS_PEER_AS) && peer->name[0] != '\0' &&
	       ks_text_valid(peer->name, sizeof(peer->name)) &&
	       ks_text_valid(peer->as_id, sizeof(peer->as_id)) &&
	       (peer->kind == KS_PEER_AS) == (peer->as_id[0] != '\0') &&
	       peer->net_id_count <= KS_NET_IDS_MAX && ks_delivery_valid(peer->delivery) &&
	       ranges_valid(peer) && ks_text_valid(peer->kek_label, sizeof(peer->kek_label)) &&
	       kek_valid(peer);
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
	kw_write_u8(&writer,
		(uint8_t)((peer->any_device ? PEER_ANY_DEVICE : 0) |
			  (peer->has_ns_id ? PEER_NS_ID : 0) | (peer->has_token ? PEER_TOKEN : 0)));
	kw_write_u8(&writer, (uint8_t)peer->delivery);
	kw_write_string(&writer, peer->name);
	kw_write_string(&writer, peer->as_id);
	ks_write_net_ids(&writer, peer->net_ids, peer->net_id_count);
	if (peer->has_ns_id) {
		kw_write_octets(&writer, peer->ns_id.octets, LW_EUI_SIZE);
	}
	kw_write_u8(&writer, peer->range_count);
	kw_write_octets(&writer, peer->ranges, peer->range_count * sizeof(peer->ranges[0]));
	if (peer->has_token) {
		kw_write_octets(&writer, peer->token_mac, KS_DIGEST_SIZE);
	}
	kw_write_string(&writer, peer->kek_label);
	ks_write_sealed(&writer, &peer->kek);
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

static void read_peer(struct kw_reader *reader, struct ks_peer *peer)
{
	uint8_t flags;

	peer->kind = kw_read_u8(reader);
	peer->created_ms = kw_read_u64(reader);
	peer->changed_ms = kw_read_u64(reader);
	flags = kw_read_u8(reader);
	peer->any_device = (flags & PEER_ANY_DEVICE) != 0;
	peer->has_ns_id = (flags & PEER_NS_ID) != 0;
	peer->has_token = (flags & PEER_TOKEN) != 0;
	peer->delivery = kw_read_u8(reader);
	kw_read_string(reader, peer->name, sizeof(peer->name));
	kw_read_string(reader, peer->as_id, sizeof(peer->as_id));
	ks_read_net_ids(reader, peer->net_ids, &peer->net_id_count);
	if (peer->has_ns_id) {
		kw_read_octets(reader, peer->ns_id.octets, LW_EUI_SIZE);
	}
	read_ranges(reader, peer);
	if (peer->has_token) {
		kw_read_octets(reader, peer->token_mac, KS_DIGEST_SIZE);
	}
	kw_read_string(reader, peer->kek_label, sizeof(peer->kek_label));
	ks_read_sealed(reader, &peer->kek);
	if ((flags & ~PEER_FLAGS) != 0) {
		reader->failed = true;
	}
}

enum kw_err ks_peer_decode(const uint8_t *octets, size_t length, struct ks_peer *out)
{
	struct kw_reader reader;

	memset(out, 0, sizeof(*out));
	if (!ks_record_begin(&reader, octets, length, PEER_VERSION)) {
		return KW_E_STORE_DAMAGED;
	}
	read_peer(&reader, out);
	if (kw_reader_end(&reader) != KW_OK || !peer_valid(out)) {
		memset(out, 0, sizeof(*out));
		return KW_E_STORE_DAMAGED;
	}
	return KW_OK;
}
