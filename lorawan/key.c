#include "lorawan/key.h"

static enum kw_err octets_encrypt(
	const struct lw_key_handle *handle, const uint8_t *in, uint8_t *out, size_t length)
{
	const struct lw_key *key = handle->key;

	return lw_aes_encrypt(handle->context, key->octets, sizeof(key->octets), in, out, length);
}

static enum kw_err octets_decrypt(
	const struct lw_key_handle *handle, const uint8_t *in, uint8_t *out, size_t length)
{
	const struct lw_key *key = handle->key;

	return lw_aes_decrypt(handle->context, key->octets, sizeof(key->octets), in, out, length);
}

static enum kw_err octets_cmac(const struct lw_key_handle *handle, const uint8_t *message,
	size_t length, uint8_t out[LW_BLOCK_SIZE])
{
	return lw_aes_cmac(handle->context, handle->key, message, length, out);
}

static const struct lw_key_ops octets_ops = {
	.encrypt = octets_encrypt,
	.decrypt = octets_decrypt,
	.cmac = octets_cmac,
};

void lw_key_handle_init(struct lw_key_handle *handle, struct lw_aes *aes, const struct lw_key *key)
{
	handle->ops = &octets_ops;
	handle->context = aes;
	handle->key = key;
}

enum kw_err lw_key_encrypt(
	const struct lw_key_handle *key, const uint8_t *in, uint8_t *out, size_t length)
{
	return key->ops->encrypt(key, in, out, length);
}

enum kw_err lw_key_decrypt(
	const struct lw_key_handle *key, const uint8_t *in, uint8_t *out, size_t length)
{
	return key->ops->decrypt(key, in, out, length);
}

enum kw_err lw_key_cmac(const struct lw_key_handle *key, const uint8_t *message, size_t length,
	uint8_t out[LW_BLOCK_SIZE])
{
	return key->ops->cmac(key, message, length, out);
}
