#include "tests/bench/fleet.h"

#include "base/hex.h"

#include <string.h>

#define PER_JOIN_EUI  1000000u
#define JOIN_EUI_BASE 0x70b3d57ed0be0000u
#define DEV_EUI_BASE  0x0004a30b00000000u
/* Odd, so that the product runs through all 65,536 values. */
#define NONCE_SPREAD 40503u

static const struct lw_key test_key = {
	{'k', 'e', 'y', 'w', 'a', 'r', 'd', ' ', 'b', 'e', 'n', 'c', 'h', ' ', '0', '1'}};

enum {
	KEY_ROOT = 1,
	KEY_APP = 2,
};

static void number_eui(uint64_t value, struct lw_eui *out)
{
	for (size_t i = 0; i < LW_EUI_SIZE; i++) {
		out->octets[i] = (uint8_t)(value >> (56 - 8 * i));
	}
}

static enum kw_err derive(struct lw_aes *aes, uint32_t index, uint8_t which, struct lw_key *out)
{
	uint8_t block[LW_BLOCK_SIZE] = {which};

	memcpy(block + 1, &index, sizeof(index));
	return lw_aes_encrypt(
		aes, test_key.octets, sizeof(test_key.octets), block, out->octets, sizeof(block));
}

void fleet_identify(uint32_t index, struct fleet_device *device)
{
	static const enum lw_version versions[] = {
		LW_VERSION_1_0_3, LW_VERSION_1_0_4, LW_VERSION_1_1};

	memset(device, 0, sizeof(*device));
	number_eui(JOIN_EUI_BASE + index / PER_JOIN_EUI, &device->id.join_eui);
	number_eui(DEV_EUI_BASE + index, &device->id.dev_eui);
	device->version = versions[index % 3];
}

enum kw_err fleet_make(struct lw_aes *aes, uint32_t index, struct fleet_device *device)
{
	fleet_identify(index, device);
	return derive(aes, index, KEY_ROOT, &device->root);
}

enum kw_err fleet_make_whole(struct lw_aes *aes, uint32_t index, struct fleet_device *device)
{
	enum kw_err err = fleet_make(aes, index, device);

	return err == KW_OK ? derive(aes, index, KEY_APP, &device->app_key) : err;
}

uint16_t fleet_dev_nonce(enum lw_version version, uint16_t n)
{
	return lw_version_counts_dev_nonce(version) ? n : (uint16_t)(n * NONCE_SPREAD);
}

enum kw_err fleet_join_request(struct lw_aes *aes, const struct fleet_device *device, uint16_t n,
	uint8_t frame[LW_JOIN_REQUEST_SIZE])
{
	const size_t covered = LW_JOIN_REQUEST_SIZE - LW_MIC_SIZE;
	struct lw_join_request request = {
		.join_eui = device->id.join_eui,
		.dev_eui = device->id.dev_eui,
		.dev_nonce = fleet_dev_nonce(device->version, n),
	};
	uint8_t cmac[LW_BLOCK_SIZE];
	enum kw_err err;

	lw_join_request_write(&request, frame);
	err = lw_aes_cmac(aes, &device->root, frame, covered, cmac);
	if (err == KW_OK) {
		memcpy(frame + covered, cmac, LW_MIC_SIZE);
	}
	return err;
}

static bool write_row(const struct fleet_device *device, FILE *out)
{
	char join_eui[LW_EUI_TEXT_SIZE];
	char dev_eui[LW_EUI_TEXT_SIZE];
	char root[2 * LW_BLOCK_SIZE + 1];
	char app_key[2 * LW_BLOCK_SIZE + 1];
	bool two_keys = lw_version_is_1_1(device->version);

	lw_eui_write(&device->id.join_eui, join_eui);
	lw_eui_write(&device->id.dev_eui, dev_eui);
	kw_hex_write(root, device->root.octets, sizeof(device->root.octets));
	kw_hex_write(app_key, device->app_key.octets, sizeof(device->app_key.octets));
	return fprintf(out, "%s,%s,%s,%s,%s,\n", join_eui, dev_eui,
		       lw_version_text(device->version), two_keys ? app_key : root,
		       two_keys ? root : "") > 0;
}

enum kw_err fleet_write_csv(struct lw_aes *aes, uint32_t count, FILE *out)
{
	struct fleet_device device;

	if (fputs("join_eui,dev_eui,lorawan_version,app_key,nwk_key,name\n", out) < 0) {
		return KW_E_SYSTEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		enum kw_err err = fleet_make_whole(aes, i, &device);

		if (err != KW_OK) {
			return err;
		}
		if (!write_row(&device, out)) {
			return KW_E_SYSTEM;
		}
	}
	return fflush(out) == 0 ? KW_OK : KW_E_SYSTEM;
}
