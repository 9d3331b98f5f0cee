/**
 * A simulated LoRaWAN device: what it sends to join, and how it reads the answer.
 *
 * Written from the device's side of the specification and kept apart from lorawan/join.c on
 * purpose: what both compute alike is then right, or wrong twice over for two reasons. Only AES,
 * CMAC and the frame layouts are shared.
 *
 * Sources: TS001-1.0.4, 6.2.5 and 6.2.6; LoRaWAN 1.1, 6.1.1.3, 6.1.1.4, 6.2.2 to 6.2.5. Pure
 * functions; each returns KW_OK or KW_E_CRYPTO unless it says more, outputs are zero on failure.
 */
#ifndef KW_CLI_SIMULATE_DEVICE_H
#define KW_CLI_SIMULATE_DEVICE_H

#include "lorawan/aes.h"
#include "lorawan/frame.h"
#include "lorawan/version.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_DEV_NONCES 0x10000u

/** Holds root keys: wipe it (kw_wipe) when done. */
struct sim_device {
	struct lw_device_id id;
	enum lw_version version;
	struct lw_key root;       /* AppKey before 1.1; NwkKey of a 1.1 device */
	struct lw_key app_key;    /* 1.1 only */
	uint32_t next_dev_nonce;  /* SIM_DEV_NONCES: used up */
	uint32_t last_join_nonce; /* 0: none accepted so far */
	bool busy;                /* a Join-request of it is under way */
};

/** The uplink that a Join-accept answers. */
struct sim_uplink {
	enum lw_join_req_type type;
	uint16_t nonce; /* DevNonce, or the RJcount of a Rejoin */
};

/** A Join-accept as the device sees it after decryption. */
struct sim_accept {
	struct lw_join_accept fields;
	uint8_t mic[LW_MIC_SIZE];
	uint8_t clear[LW_JOIN_ACCEPT_MAX]; /* MHDR to MIC */
	size_t length;
	bool opt_neg; /* what the device makes of it: false for any 1.0.x device */
};

/** With opt_neg false, f_nwk_s_int is the NwkSKey and the other two equal it. */
struct sim_session {
	bool opt_neg;
	struct lw_key f_nwk_s_int;
	struct lw_key s_nwk_s_int;
	struct lw_key nwk_s_enc;
	struct lw_key app_s;
};

/** The Join-request with its MIC. */
KW_MUST_CHECK enum kw_err sim_device_request(struct lw_aes *aes, const struct sim_device *device,
	uint16_t dev_nonce, uint8_t frame[LW_JOIN_REQUEST_SIZE]);

/**
 * Decrypt a Join-accept, by AES encryption as a device does, and check its MIC.
 *
 * The JoinNonce is not compared with the last one; see sim_device_take().
 *
 * @return KW_OK
 *         KW_E_FRAME_SIZE  neither 17 nor 33 octets
 *         KW_E_FRAME_TYPE  MHDR other than 20
 *         KW_E_MIC         forged, damaged, or made with other keys
 */
KW_MUST_CHECK enum kw_err sim_device_accept(struct lw_aes *aes, const struct sim_device *device,
	const struct sim_uplink *uplink, const uint8_t *frame, size_t length,
	struct sim_accept *out);

/** The session keys that the device derives from a Join-accept. */
KW_MUST_CHECK enum kw_err sim_device_derive(struct lw_aes *aes, const struct sim_device *device,
	const struct sim_uplink *uplink, const struct sim_accept *accept, struct sim_session *out);

/**
 * Accept the JoinNonce: strictly greater than the last one, for every version, since a server that
 * repeats one repeats session keys.
 *
 * @return KW_OK, KW_E_REPLAY (nothing changed)
 */
KW_MUST_CHECK enum kw_err sim_device_take(
	struct sim_device *device, const struct sim_accept *accept);

#endif
