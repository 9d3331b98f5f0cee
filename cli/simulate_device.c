#include "cli/simulate_device.h"

#include "base/cursor.h"
#include "base/secret.h"

#include <assert.h>
#include <string.h>

/* First octets of the blocks from which keys are derived. */
enum {
	BLOCK_F_NWK_S_INT = 0x01, /* also NwkSKey */
	BLOCK_APP_S = 0x02,
	BLOCK_S_NWK_S_INT = 0x03,
	BLOCK_NWK_S_ENC = 0x04,
	BLOCK_JS_ENC = 0x05,
	BLOCK_JS_INT = 0x06,
};

enum kw_err sim_device_request(struct lw_aes *aes, const struct sim_device *device,
	uint16_t dev_nonce, uint8_t frame[LW_JOIN_REQUEST_SIZE])
{
	struct lw_join_request request = {
		.join_eui = device->id.join_eui,
		.dev_eui = device->id.dev_eui,
		.dev_nonce = dev_nonce,
	};
	const size_t covered = LW_JOIN_REQUEST_SIZE - LW_MIC_SIZE;
	uint8_t cmac[LW_BLOCK_SIZE];
	enum kw_err err;

	lw_join_request_write(&request, frame);
	err = lw_aes_cmac(aes, &device->root, frame, covered, cmac);
	if (err != KW_OK) {
		memset(frame, 0, LW_JOIN_REQUEST_SIZE);
		return err;
	}
	memcpy(frame + covered, cmac, LW_MIC_SIZE);
	return KW_OK;
}

/* JSIntKey or JSEncKey: aes(NwkKey, first | DevEUI | pad16). */
static enum kw_err lifetime_key(
	struct lw_aes *aes, const struct sim_device *device, uint8_t first, struct lw_key *out)
{
	uint8_t block[LW_BLOCK_SIZE] = {0};
	struct kw_writer writer;

	kw_writer_init(&writer, block, sizeof(block));
	kw_write_u8(&writer, first);
	kw_write_reversed(&writer, device->id.dev_eui.octets, LW_EUI_SIZE);
	assert(!writer.failed);
	return lw_aes_encrypt(aes, device->root.octets, sizeof(device->root.octets), block,
		out->octets, sizeof(block));
}

/* AES encryption undoes what the server did with AES decryption; MHDR stays as it is. */
static enum kw_err decrypt(struct lw_aes *aes, const struct sim_device *device,
	const struct sim_uplink *uplink, const uint8_t *frame, size_t length, uint8_t *clear)
{
	struct lw_key key = device->root;
	enum kw_err err = KW_OK;

	if (uplink->type != LW_JOIN_REQ_JOIN) {
		err = lifetime_key(aes, device, BLOCK_JS_ENC, &key);
	}
	if (err == KW_OK) {
		clear[0] = frame[0];
		err = lw_aes_encrypt(
			aes, key.octets, sizeof(key.octets), frame + 1, clear + 1, length - 1);
	}
	kw_wipe(&key, sizeof(key));
	return err;
}

static enum kw_err mic_1_1(struct lw_aes *aes, const struct sim_device *device,
	const struct sim_uplink *uplink, const uint8_t *clear, size_t covered,
	uint8_t cmac[LW_BLOCK_SIZE])
{
	uint8_t message[1 + LW_EUI_SIZE + 2 + LW_JOIN_ACCEPT_MAX];
	struct kw_writer writer;
	struct lw_key js_int_key;
	enum kw_err err;

	kw_writer_init(&writer, message, sizeof(message));
	kw_write_u8(&writer, (uint8_t)uplink->type);
	kw_write_reversed(&writer, device->id.join_eui.octets, LW_EUI_SIZE);
	kw_write_u16_le(&writer, uplink->nonce);
	kw_write_octets(&writer, clear, covered);
	assert(!writer.failed);
	err = lifetime_key(aes, device, BLOCK_JS_INT, &js_int_key);
	if (err == KW_OK) {
		err = lw_aes_cmac(aes, &js_int_key, message, writer.used, cmac);
	}
	kw_wipe(&js_int_key, sizeof(js_int_key));
	return err;
}

static enum kw_err check_mic(struct lw_aes *aes, const struct sim_device *device,
	const struct sim_uplink *uplink, const struct sim_accept *accept)
{
	size_t covered = accept->length - LW_MIC_SIZE;
	uint8_t cmac[LW_BLOCK_SIZE];
	enum kw_err err;

	if (accept->opt_neg) {
		err = mic_1_1(aes, device, uplink, accept->clear, covered, cmac);
	} else {
		err = lw_aes_cmac(aes, &device->root, accept->clear, covered, cmac);
	}
	if (err != KW_OK) {
		return err;
	}
	return kw_equal_ct(cmac, accept->mic, LW_MIC_SIZE) ? KW_OK : KW_E_MIC;
}

enum kw_err sim_device_accept(struct lw_aes *aes, const struct sim_device *device,
	const struct sim_uplink *uplink, const uint8_t *frame, size_t length,
	struct sim_accept *out)
{
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	if (length != LW_JOIN_ACCEPT_SIZE && length != LW_JOIN_ACCEPT_MAX) {
		return KW_E_FRAME_SIZE;
	}
	if (frame[0] != LW_MHDR_JOIN_ACCEPT) {
		return KW_E_FRAME_TYPE;
	}
	err = decrypt(aes, device, uplink, frame, length, out->clear);
	if (err == KW_OK) {
		err = lw_join_accept_read(out->clear, length, &out->fields, out->mic);
	}
	if (err == KW_OK) {
		out->length = length;
		out->opt_neg = lw_version_is_1_1(device->version) &&
			       (out->fields.dl_settings & LW_DL_SETTINGS_OPT_NEG) != 0;
		err = check_mic(aes, device, uplink, out);
	}
	if (err != KW_OK) {
		memset(out, 0, sizeof(*out));
	}
	return err;
}

/* One session key: aes(root, first | JoinNonce | NetID or JoinEUI | nonce | pad16). */
static enum kw_err session_key(struct lw_aes *aes, const struct lw_key *root, uint8_t first,
	const struct sim_device *device, const struct sim_uplink *uplink,
	const struct sim_accept *accept, struct lw_key *out)
{
	uint8_t block[LW_BLOCK_SIZE] = {0};
	struct kw_writer writer;

	kw_writer_init(&writer, block, sizeof(block));
	kw_write_u8(&writer, first);
	kw_write_u24_le(&writer, accept->fields.join_nonce);
	if (accept->opt_neg) {
		kw_write_reversed(&writer, device->id.join_eui.octets, LW_EUI_SIZE);
	} else {
		kw_write_reversed(&writer, accept->fields.net_id.octets, LW_NET_ID_SIZE);
	}
	kw_write_u16_le(&writer, uplink->nonce);
	assert(!writer.failed);
	return lw_aes_encrypt(
		aes, root->octets, sizeof(root->octets), block, out->octets, sizeof(block));
}

enum kw_err sim_device_derive(struct lw_aes *aes, const struct sim_device *device,
	const struct sim_uplink *uplink, const struct sim_accept *accept, struct sim_session *out)
{
	const struct lw_key *app_root = accept->opt_neg ? &device->app_key : &device->root;
	const struct {
		const struct lw_key *root;
		uint8_t first;
		struct lw_key *key;
	} wanted[] = {
		{&device->root, BLOCK_F_NWK_S_INT, &out->f_nwk_s_int},
		{app_root, BLOCK_APP_S, &out->app_s},
		{&device->root, BLOCK_S_NWK_S_INT, &out->s_nwk_s_int},
		{&device->root, BLOCK_NWK_S_ENC, &out->nwk_s_enc},
	};
	size_t count = accept->opt_neg ? 4 : 2;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < count; i++) {
		enum kw_err err = session_key(aes, wanted[i].root, wanted[i].first, device, uplink,
			accept, wanted[i].key);

		if (err != KW_OK) {
			kw_wipe(out, sizeof(*out));
			return err;
		}
	}
	out->opt_neg = accept->opt_neg;
	if (!accept->opt_neg) {
		out->s_nwk_s_int = out->f_nwk_s_int;
		out->nwk_s_enc = out->f_nwk_s_int;
	}
	return KW_OK;
}

enum kw_err sim_device_take(struct sim_device *device, const struct sim_accept *accept)
{
	if (accept->fields.join_nonce <= device->last_join_nonce) {
		return KW_E_REPLAY;
	}
	device->last_join_nonce = accept->fields.join_nonce;
	return KW_OK;
}
