#include "lorawan/join.h"

#include "base/cursor.h"
#include "base/secret.h"

#include <string.h>

#define ACCEPT_CLEAR_SIZE (LW_JOIN_ACCEPT_SIZE - LW_MIC_SIZE)
#define ACCEPT_CLEAR_MAX  (LW_JOIN_ACCEPT_MAX - LW_MIC_SIZE)
#define ACCEPT_PREFIX     (1 + LW_EUI_SIZE + 2) /* JoinReqType, JoinEUI, nonce */
#define DERIVE_TAIL_MAX   (LW_BLOCK_SIZE - 1)

/* First octet of the derivations (TS001-1.0.4, 6.2.6; LoRaWAN 1.1, 6.1.1.3 and 6.2.5). */
#define DERIVE_F_NWK_S_INT 0x01 /* NwkSKey of 1.0 */
#define DERIVE_APP_S       0x02
#define DERIVE_S_NWK_S_INT 0x03
#define DERIVE_NWK_S_ENC   0x04
#define DERIVE_JS_ENC      0x05
#define DERIVE_JS_INT      0x06

static enum kw_err mic_of(const struct lw_key_handle *key, const uint8_t *message, size_t length,
	uint8_t mic[LW_MIC_SIZE])
{
	uint8_t cmac[LW_BLOCK_SIZE] = {0};
	enum kw_err err = lw_key_cmac(key, message, length, cmac);

	memset(mic, 0, LW_MIC_SIZE);
	if (err == KW_OK) {
		memcpy(mic, cmac, LW_MIC_SIZE);
	}
	kw_wipe(cmac, sizeof(cmac));
	return err;
}

/* A frame whose last four octets are the MIC over all others. */
static enum kw_err verify_frame(
	const struct lw_key_handle *key, const uint8_t *frame, size_t length)
{
	uint8_t mic[LW_MIC_SIZE];
	enum kw_err err = mic_of(key, frame, length - LW_MIC_SIZE, mic);

	if (err == KW_OK && !kw_equal_ct(mic, frame + length - LW_MIC_SIZE, LW_MIC_SIZE)) {
		err = KW_E_MIC;
	}
	kw_wipe(mic, sizeof(mic));
	return err;
}

enum kw_err lw_join_request_verify(
	const struct lw_key_handle *root, const uint8_t frame[LW_JOIN_REQUEST_SIZE])
{
	return verify_frame(root, frame, LW_JOIN_REQUEST_SIZE);
}

enum kw_err lw_join_request_mic(const struct lw_key_handle *root,
	const uint8_t frame[LW_JOIN_REQUEST_SIZE], uint8_t mic[LW_MIC_SIZE])
{
	return mic_of(root, frame, LW_JOIN_REQUEST_SIZE - LW_MIC_SIZE, mic);
}

static bool rejoin_size_valid(size_t length)
{
	return length == LW_REJOIN_02_SIZE || length == LW_REJOIN_1_SIZE;
}

enum kw_err lw_rejoin_request_verify(
	const struct lw_key_handle *key, const uint8_t *frame, size_t length)
{
	return rejoin_size_valid(length) ? verify_frame(key, frame, length) : KW_E_FRAME_SIZE;
}

enum kw_err lw_rejoin_request_mic(const struct lw_key_handle *key, const uint8_t *frame,
	size_t length, uint8_t mic[LW_MIC_SIZE])
{
	if (!rejoin_size_valid(length)) {
		memset(mic, 0, LW_MIC_SIZE);
		return KW_E_FRAME_SIZE;
	}
	return mic_of(key, frame, length - LW_MIC_SIZE, mic);
}

enum kw_err lw_block_derive(const struct lw_key_handle *key, uint8_t first, const uint8_t *tail,
	size_t tail_length, struct lw_key *out)
{
	uint8_t block[LW_BLOCK_SIZE] = {first};
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	if (tail_length > DERIVE_TAIL_MAX) {
		return KW_E_INVALID;
	}
	if (tail_length > 0) {
		memcpy(block + 1, tail, tail_length);
	}
	err = lw_key_encrypt(key, block, out->octets, sizeof(out->octets));
	if (err != KW_OK) {
		kw_wipe(out, sizeof(*out));
	}
	return err;
}

static enum kw_err derive_lifetime_key(const struct lw_key_handle *nwk_key, uint8_t first,
	const struct lw_eui *dev_eui, struct lw_key *out)
{
	uint8_t tail[LW_EUI_SIZE];
	struct kw_writer writer;

	kw_writer_init(&writer, tail, sizeof(tail));
	kw_write_reversed(&writer, dev_eui->octets, LW_EUI_SIZE);
	return lw_block_derive(nwk_key, first, tail, writer.used, out);
}

enum kw_err lw_js_int_key(
	const struct lw_key_handle *nwk_key, const struct lw_eui *dev_eui, struct lw_key *out)
{
	return derive_lifetime_key(nwk_key, DERIVE_JS_INT, dev_eui, out);
}

enum kw_err lw_js_enc_key(
	const struct lw_key_handle *nwk_key, const struct lw_eui *dev_eui, struct lw_key *out)
{
	return derive_lifetime_key(nwk_key, DERIVE_JS_ENC, dev_eui, out);
}

static bool clear_size_valid(size_t length)
{
	return length == ACCEPT_CLEAR_SIZE || length == ACCEPT_CLEAR_MAX;
}

enum kw_err lw_join_accept_mic_1_0(const struct lw_key_handle *mic_key, const uint8_t *clear,
	size_t length, uint8_t mic[LW_MIC_SIZE])
{
	if (!clear_size_valid(length)) {
		memset(mic, 0, LW_MIC_SIZE);
		return KW_E_INVALID;
	}
	return mic_of(mic_key, clear, length, mic);
}

enum kw_err lw_join_accept_mic_1_1(const struct lw_key_handle *js_int_key,
	const struct lw_join_context *context, const uint8_t *clear, size_t length,
	uint8_t mic[LW_MIC_SIZE])
{
	uint8_t message[ACCEPT_PREFIX + ACCEPT_CLEAR_MAX];
	struct kw_writer writer;

	if (!clear_size_valid(length)) {
		memset(mic, 0, LW_MIC_SIZE);
		return KW_E_INVALID;
	}
	kw_writer_init(&writer, message, sizeof(message));
	kw_write_u8(&writer, (uint8_t)context->type);
	kw_write_reversed(&writer, context->join_eui.octets, LW_EUI_SIZE);
	kw_write_u16_le(&writer, context->nonce);
	kw_write_octets(&writer, clear, length);
	return mic_of(js_int_key, message, writer.used, mic);
}

enum kw_err lw_join_accept_encrypt(const struct lw_key_handle *key, uint8_t *frame, size_t length)
{
	enum kw_err err = KW_E_INVALID;

	if (length == LW_JOIN_ACCEPT_SIZE || length == LW_JOIN_ACCEPT_MAX) {
		err = lw_key_decrypt(key, frame + 1, frame + 1, length - 1);
	}
	if (err != KW_OK) {
		memset(frame, 0, length);
	}
	return err;
}

static bool accept_valid(const struct lw_join_accept *accept, const struct lw_join_context *context)
{
	const bool opt_neg = (accept->dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0;

	if (accept->join_nonce > LW_JOIN_NONCE_MAX) {
		return false;
	}
	switch (context->type) {
	case LW_JOIN_REQ_JOIN:
		return true;
	case LW_JOIN_REQ_REJOIN_0:
	case LW_JOIN_REQ_REJOIN_1:
	case LW_JOIN_REQ_REJOIN_2:
		return opt_neg;
	}
	return false;
}

static enum kw_err build_mic(struct lw_aes *aes, const struct lw_key_handle *root,
	const struct lw_join_accept *accept, const struct lw_join_context *context,
	const uint8_t *clear, size_t length, uint8_t mic[LW_MIC_SIZE])
{
	struct lw_key js_int;
	struct lw_key_handle js_int_handle;
	enum kw_err err;

	if ((accept->dl_settings & LW_DL_SETTINGS_OPT_NEG) == 0) {
		return lw_join_accept_mic_1_0(root, clear, length, mic);
	}
	err = lw_js_int_key(root, &context->dev_eui, &js_int);
	if (err == KW_OK) {
		lw_key_handle_init(&js_int_handle, aes, &js_int);
		err = lw_join_accept_mic_1_1(&js_int_handle, context, clear, length, mic);
	}
	kw_wipe(&js_int, sizeof(js_int));
	return err;
}

static enum kw_err build_encrypt(struct lw_aes *aes, const struct lw_key_handle *root,
	const struct lw_join_context *context, uint8_t *frame, size_t length)
{
	struct lw_key js_enc;
	struct lw_key_handle js_enc_handle;
	enum kw_err err;

	if (context->type == LW_JOIN_REQ_JOIN) {
		return lw_join_accept_encrypt(root, frame, length);
	}
	err = lw_js_enc_key(root, &context->dev_eui, &js_enc);
	if (err == KW_OK) {
		lw_key_handle_init(&js_enc_handle, aes, &js_enc);
		err = lw_join_accept_encrypt(&js_enc_handle, frame, length);
	}
	kw_wipe(&js_enc, sizeof(js_enc));
	return err;
}

enum kw_err lw_join_accept_build(struct lw_aes *aes, const struct lw_key_handle *root,
	const struct lw_join_accept *accept, const struct lw_join_context *context,
	uint8_t out[LW_JOIN_ACCEPT_MAX], size_t *length)
{
	size_t clear_length;
	enum kw_err err = KW_E_INVALID;

	memset(out, 0, LW_JOIN_ACCEPT_MAX);
	*length = 0;
	if (!accept_valid(accept, context)) {
		return KW_E_INVALID;
	}
	clear_length = lw_join_accept_write(accept, out);
	err = build_mic(aes, root, accept, context, out, clear_length, out + clear_length);
	if (err == KW_OK) {
		err = build_encrypt(aes, root, context, out, clear_length + LW_MIC_SIZE);
	}
	if (err != KW_OK) {
		memset(out, 0, LW_JOIN_ACCEPT_MAX);
		return err;
	}
	*length = clear_length + LW_MIC_SIZE;
	return KW_OK;
}

static size_t session_tail(bool opt_neg, uint32_t join_nonce, const struct lw_net_id *net_id,
	const struct lw_join_context *context, uint8_t tail[DERIVE_TAIL_MAX])
{
	struct kw_writer writer;

	kw_writer_init(&writer, tail, DERIVE_TAIL_MAX);
	kw_write_u24_le(&writer, join_nonce);
	if (opt_neg) {
		kw_write_reversed(&writer, context->join_eui.octets, LW_EUI_SIZE);
	} else {
		kw_write_reversed(&writer, net_id->octets, LW_NET_ID_SIZE);
	}
	kw_write_u16_le(&writer, context->nonce);
	return writer.used;
}

enum kw_err lw_session_derive(const struct lw_key_handle *nwk_root,
	const struct lw_key_handle *app_root, bool opt_neg, uint32_t join_nonce,
	const struct lw_net_id *net_id, const struct lw_join_context *context,
	struct lw_session_keys *out)
{
	uint8_t tail[DERIVE_TAIL_MAX];
	size_t length = session_tail(opt_neg, join_nonce, net_id, context, tail);
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	out->opt_neg = opt_neg;
	err = lw_block_derive(nwk_root, DERIVE_F_NWK_S_INT, tail, length, &out->f_nwk_s_int);
	if (err != KW_OK) {
		goto out;
	}
	err = lw_block_derive(
		opt_neg ? app_root : nwk_root, DERIVE_APP_S, tail, length, &out->app_s);
	if (err != KW_OK) {
		goto out;
	}
	if (!opt_neg) {
		out->s_nwk_s_int = out->f_nwk_s_int;
		out->nwk_s_enc = out->f_nwk_s_int;
		goto out;
	}
	err = lw_block_derive(nwk_root, DERIVE_S_NWK_S_INT, tail, length, &out->s_nwk_s_int);
	if (err != KW_OK) {
		goto out;
	}
	err = lw_block_derive(nwk_root, DERIVE_NWK_S_ENC, tail, length, &out->nwk_s_enc);
out:
	if (err != KW_OK) {
		kw_wipe(out, sizeof(*out));
	}
	return err;
}
