#include "lorawan/frame.h"

#include "base/cursor.h"

#include <string.h>

#define ACCEPT_CLEAR_MAX (LW_JOIN_ACCEPT_MAX - LW_MIC_SIZE)

enum kw_err lw_join_request_read(const uint8_t *frame, size_t length, struct lw_join_request *out)
{
	struct kw_reader reader;

	memset(out, 0, sizeof(*out));
	if (length != LW_JOIN_REQUEST_SIZE) {
		return KW_E_FRAME_SIZE;
	}
	kw_reader_init(&reader, frame, length);
	if (kw_read_u8(&reader) != LW_MHDR_JOIN_REQUEST) {
		return KW_E_FRAME_TYPE;
	}
	kw_read_reversed(&reader, out->join_eui.octets, LW_EUI_SIZE);
	kw_read_reversed(&reader, out->dev_eui.octets, LW_EUI_SIZE);
	out->dev_nonce = kw_read_u16_le(&reader);
	kw_read_octets(&reader, out->mic, LW_MIC_SIZE);
	if (kw_reader_end(&reader) != KW_OK) {
		memset(out, 0, sizeof(*out));
		return KW_E_FRAME_SIZE;
	}
	return KW_OK;
}

void lw_join_request_write(const struct lw_join_request *request, uint8_t out[LW_JOIN_REQUEST_SIZE])
{
	struct kw_writer writer;

	kw_writer_init(&writer, out, LW_JOIN_REQUEST_SIZE);
	kw_write_u8(&writer, LW_MHDR_JOIN_REQUEST);
	kw_write_reversed(&writer, request->join_eui.octets, LW_EUI_SIZE);
	kw_write_reversed(&writer, request->dev_eui.octets, LW_EUI_SIZE);
	kw_write_u16_le(&writer, request->dev_nonce);
	kw_write_octets(&writer, request->mic, LW_MIC_SIZE);
}

enum kw_err lw_rejoin_request_read(
	const uint8_t *frame, size_t length, struct lw_rejoin_request *out)
{
	struct kw_reader reader;
	uint8_t type;

	memset(out, 0, sizeof(*out));
	if (length != LW_REJOIN_02_SIZE && length != LW_REJOIN_1_SIZE) {
		return KW_E_FRAME_SIZE;
	}
	kw_reader_init(&reader, frame, length);
	if (kw_read_u8(&reader) != LW_MHDR_REJOIN_REQUEST) {
		return KW_E_FRAME_TYPE;
	}
	type = kw_read_u8(&reader);
	if (type > LW_JOIN_REQ_REJOIN_2) {
		return KW_E_FRAME_TYPE;
	}
	out->type = (enum lw_join_req_type)type;
	if (out->type == LW_JOIN_REQ_REJOIN_1) {
		kw_read_reversed(&reader, out->join_eui.octets, LW_EUI_SIZE);
	} else {
		kw_read_reversed(&reader, out->net_id.octets, LW_NET_ID_SIZE);
	}
	kw_read_reversed(&reader, out->dev_eui.octets, LW_EUI_SIZE);
	out->rj_count = kw_read_u16_le(&reader);
	kw_read_octets(&reader, out->mic, LW_MIC_SIZE);
	if (kw_reader_end(&reader) != KW_OK) {
		memset(out, 0, sizeof(*out));
		return KW_E_FRAME_SIZE;
	}
	return KW_OK;
}

size_t lw_rejoin_request_write(
	const struct lw_rejoin_request *request, uint8_t out[LW_REJOIN_1_SIZE])
{
	struct kw_writer writer;

	memset(out, 0, LW_REJOIN_1_SIZE);
	kw_writer_init(&writer, out, LW_REJOIN_1_SIZE);
	kw_write_u8(&writer, LW_MHDR_REJOIN_REQUEST);
	kw_write_u8(&writer, (uint8_t)request->type);
	switch (request->type) {
	case LW_JOIN_REQ_REJOIN_1:
		kw_write_reversed(&writer, request->join_eui.octets, LW_EUI_SIZE);
		break;
	case LW_JOIN_REQ_REJOIN_0:
	case LW_JOIN_REQ_REJOIN_2:
		kw_write_reversed(&writer, request->net_id.octets, LW_NET_ID_SIZE);
		break;
	case LW_JOIN_REQ_JOIN:
	default:
		memset(out, 0, LW_REJOIN_1_SIZE);
		return 0;
	}
	kw_write_reversed(&writer, request->dev_eui.octets, LW_EUI_SIZE);
	kw_write_u16_le(&writer, request->rj_count);
	kw_write_octets(&writer, request->mic, LW_MIC_SIZE);
	return writer.used;
}

size_t lw_join_accept_write(const struct lw_join_accept *accept, uint8_t out[LW_JOIN_ACCEPT_MAX])
{
	struct kw_writer writer;

	memset(out, 0, LW_JOIN_ACCEPT_MAX);
	kw_writer_init(&writer, out, ACCEPT_CLEAR_MAX);
	kw_write_u8(&writer, LW_MHDR_JOIN_ACCEPT);
	kw_write_u24_le(&writer, accept->join_nonce);
	kw_write_reversed(&writer, accept->net_id.octets, LW_NET_ID_SIZE);
	kw_write_reversed(&writer, accept->dev_addr.octets, LW_DEV_ADDR_SIZE);
	kw_write_u8(&writer, accept->dl_settings);
	kw_write_u8(&writer, accept->rx_delay);
	if (accept->has_cf_list) {
		kw_write_octets(&writer, accept->cf_list, LW_CF_LIST_SIZE);
	}
	return writer.used;
}

enum kw_err lw_join_accept_read(
	const uint8_t *frame, size_t length, struct lw_join_accept *out, uint8_t mic[LW_MIC_SIZE])
{
	struct kw_reader reader;

	memset(out, 0, sizeof(*out));
	memset(mic, 0, LW_MIC_SIZE);
	if (length != LW_JOIN_ACCEPT_SIZE && length != LW_JOIN_ACCEPT_MAX) {
		return KW_E_FRAME_SIZE;
	}
	kw_reader_init(&reader, frame, length);
	if (kw_read_u8(&reader) != LW_MHDR_JOIN_ACCEPT) {
		return KW_E_FRAME_TYPE;
	}
	out->join_nonce = kw_read_u24_le(&reader);
	kw_read_reversed(&reader, out->net_id.octets, LW_NET_ID_SIZE);
	kw_read_reversed(&reader, out->dev_addr.octets, LW_DEV_ADDR_SIZE);
	out->dl_settings = kw_read_u8(&reader);
	out->rx_delay = kw_read_u8(&reader);
	out->has_cf_list = length == LW_JOIN_ACCEPT_MAX;
	if (out->has_cf_list) {
		kw_read_octets(&reader, out->cf_list, LW_CF_LIST_SIZE);
	}
	kw_read_octets(&reader, mic, LW_MIC_SIZE);
	if (kw_reader_end(&reader) != KW_OK) {
		memset(out, 0, sizeof(*out));
		memset(mic, 0, LW_MIC_SIZE);
		return KW_E_FRAME_SIZE;
	}
	return KW_OK;
}
