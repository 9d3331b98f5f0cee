/**
 * A fleet of test devices without a file: identity, version and root keys of each follow from its
 * index, under a fixed test key. Never use these keys for anything else.
 */
#ifndef KW_TESTS_BENCH_FLEET_H
#define KW_TESTS_BENCH_FLEET_H

#include "lorawan/aes.h"
#include "lorawan/frame.h"
#include "lorawan/version.h"

#include <stdio.h>

#define FLEET_MAX 100000000u

/** The three versions take turns: 1.0.3 draws its DevNonces, 1.0.4 and 1.1 count. */
struct fleet_device {
	struct lw_device_id id;
	enum lw_version version;
	struct lw_key root;    /* AppKey before 1.1, NwkKey of 1.1 */
	struct lw_key app_key; /* 1.1 only */
};

/** Identity and version, without keys. Ascending with the index, so that a file is sorted. */
void fleet_identify(uint32_t index, struct fleet_device *device);
/** All of it but app_key, which no uplink needs. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err fleet_make(
	struct lw_aes *aes, uint32_t index, struct fleet_device *device);

/** All of it. @return KW_OK, KW_E_CRYPTO */
KW_MUST_CHECK enum kw_err fleet_make_whole(
	struct lw_aes *aes, uint32_t index, struct fleet_device *device);

/** The DevNonce of the n-th join. */
uint16_t fleet_dev_nonce(enum lw_version version, uint16_t n);

/**
 * The Join-request of the n-th join of a device, with a valid MIC. Distinct n give distinct
 * DevNonces: n itself for a device that counts, spread out for one that draws.
 */
KW_MUST_CHECK enum kw_err fleet_join_request(struct lw_aes *aes, const struct fleet_device *device,
	uint16_t n, uint8_t frame[LW_JOIN_REQUEST_SIZE]);

/** Write `count` devices as CSV for `keyward device import`. @return KW_OK, KW_E_CRYPTO,
 *  KW_E_SYSTEM (the stream) */
KW_MUST_CHECK enum kw_err fleet_write_csv(struct lw_aes *aes, uint32_t count, FILE *out);

#endif
