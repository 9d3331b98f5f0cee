/**
 * LoRaWAN link-layer versions: those of a device's registration and of MACVersion.
 */
#ifndef KW_LORAWAN_VERSION_H
#define KW_LORAWAN_VERSION_H

#include "base/err.h"

#include <stdbool.h>

/* The values are stored; never renumber. */
enum lw_version {
	LW_VERSION_NONE = 0,
	LW_VERSION_1_0_0 = 1,
	LW_VERSION_1_0_1 = 2,
	LW_VERSION_1_0_2 = 3,
	LW_VERSION_1_0_3 = 4,
	LW_VERSION_1_0_4 = 5,
	LW_VERSION_1_1 = 6,
};

/**
 * Read "1.0", "1.0.0" ... "1.0.4", "1.1", "1.1.0" and any later 1.1 patch, also "MAC_V1_0_3",
 * "LORAWAN_1_0_3" and "V1.0.3", either case: major.minor first, then the patch, a missing patch is 0.
 * ("1.1.0" contains "1.0"; never search for substrings.) 1.0.x above 4 and other majors and minors
 * are unknown.
 *
 * @return KW_OK; KW_E_VERSION with *out = LW_VERSION_NONE
 */
KW_MUST_CHECK enum kw_err lw_version_read(const char *text, enum lw_version *out);
/** "1.0.0" ... "1.0.4", "1.1"; "unknown" for anything else. */
const char *lw_version_text(enum lw_version version);
bool lw_version_valid(unsigned value);
/** Whether the version has NwkKey and AppKey, OptNeg and Rejoin (1.1). */
bool lw_version_is_1_1(enum lw_version version);
/** Whether DevNonce is a counter (1.0.4 and 1.1; TS001-1.0.4, 6.2.5) or random (before). */
bool lw_version_counts_dev_nonce(enum lw_version version);

#endif
