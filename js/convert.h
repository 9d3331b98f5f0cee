/**
 * Between the keystore's structs and those of ipc/ipc.h. What comes from the other process is
 * checked here: counts, enums, and that every string ends.
 */
#ifndef KW_JS_CONVERT_H
#define KW_JS_CONVERT_H

#include "ipc/ipc.h"
#include "keystore/device.h"
#include "keystore/event.h"
#include "keystore/peer.h"

/**
 * Take over the members of a policy that `set` names (enum ipc_device_set).
 * @return KW_OK, KW_E_INVALID (*out may be changed in part)
 */
KW_MUST_CHECK enum kw_err js_policy_from_ipc(
	const struct ipc_device_policy *from, uint32_t set, struct ks_policy *out);
/** @param sessions  how many are remembered */
void js_device_to_ipc(const struct ks_device *device, const struct ks_state *state,
	unsigned sessions, struct ipc_device *out);

/** As above, for a peer (enum ipc_peer_set); credentials and KEKs are not touched. */
KW_MUST_CHECK enum kw_err js_peer_from_ipc(
	const struct ipc_peer *from, uint32_t set, struct ks_peer *out);
void js_peer_to_ipc(const struct ks_peer *peer, struct ipc_peer *out);

/** @param peer  the NS that asked, or NULL if it has been removed since */
void js_event_to_ipc(
	const struct ks_event *event, const struct ks_peer *peer, struct ipc_event *out);

/** Whether a string from the other process ends inside its field and holds only printable
 *  characters. */
bool js_text_ok(const char *text, size_t size);

#endif
