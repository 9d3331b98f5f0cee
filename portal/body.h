/**
 * JSON bodies of requests: every member known, of the right type and within its limits, or an error
 * that names it. Values are never repeated in errors: one of them may be a secret in a wrong place.
 */
#ifndef KW_PORTAL_BODY_H
#define KW_PORTAL_BODY_H

#include "portal/api.h"

/** What is wrong with a body: the member and what to do. */
struct po_why {
	char text[IPC_TEXT_SIZE];
};

/** Read the body of POST /devices (create) or PATCH /devices/{dev_eui}.
 *  @return KW_OK, KW_E_SYNTAX (no JSON object), KW_E_MISSING, KW_E_INVALID, KW_E_TOO_LONG */
KW_MUST_CHECK enum kw_err po_body_device(const char *body, size_t length, bool create,
	struct ipc_device_req *out, struct po_why *why);

/** A sealed KEK; octets are on the heap, freed by po_envelope_finish(). */
struct po_envelope {
	uint8_t *octets;
	size_t length;
};

/**
 * Read the body that creates or changes a peer of `kind`.
 *
 * @param kek  out: what kek_envelope holds; out->kek_envelope_length says the same
 * @return as po_body_device(), also KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err po_body_peer(const char *body, size_t length, enum ipc_peer_kind kind,
	bool create, struct ipc_peer_req *out, struct po_envelope *kek, struct po_why *why);

/** Read the body that gives a peer one more KEK. @return as po_body_peer() */
KW_MUST_CHECK enum kw_err po_body_kek(const char *body, size_t length, enum ipc_peer_kind kind,
	struct ipc_peer_req *out, struct po_envelope *kek, struct po_why *why);

/** Whether a peer may be called so: 1 to 63 letters, digits, '-', '_' and '.'. */
bool po_peer_name_valid(const char *name);
/** Whether this can be an AS-ID or a KEK label: printable ASCII that fits. */
bool po_printable(const char *text);

#endif
