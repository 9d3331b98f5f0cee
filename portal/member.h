/**
 * Tables of the members that a JSON body may have. Inside portal/ only.
 */
#ifndef KW_PORTAL_MEMBER_H
#define KW_PORTAL_MEMBER_H

#include "portal/body.h"

#include <jansson.h>

#define PO_SEALED_WAY                                                                              \
	"root keys are not taken here in the clear; seal them to the intake certificate and send " \
	"them to /devices/import, or let the vault make them with \"generate\": true"

/** Where readers put what they read; one of the first two. */
struct po_target {
	struct ipc_device_req *device;
	struct ipc_peer_req *peer;
	struct po_envelope *kek;
	char words[160]; /* for a reader whose words are not fixed */
};

enum po_when {
	PO_ON_CREATE = 1,
	PO_ON_CHANGE = 2,
	PO_ALWAYS = 3,
};

struct po_member {
	const char *name; /* NULL ends a table */
	/* NULL for a good value, else what it must be */
	const char *(*read)(const json_t *value, struct po_target *target);
	uint32_t set; /* what the vault is told was given */
	enum po_when when;
	bool needed;      /* on creation */
	const char *hint; /* said if it is missing; NULL: nothing more */
};

/** Take a body apart. @param object  out: to be freed; NULL on failure
 *  @return KW_OK, KW_E_SYNTAX, KW_E_TOO_LONG */
KW_MUST_CHECK enum kw_err po_object_read(
	const char *body, size_t length, json_t **object, struct po_why *why);

/** Read all members; what was given is added to *set.
 *  @return KW_OK, KW_E_INVALID (one is unknown or wrong), KW_E_MISSING */
KW_MUST_CHECK enum kw_err po_members_read(const struct po_member *members, json_t *object,
	enum po_when when, struct po_target *target, uint32_t *set, struct po_why *why);

void po_say(struct po_why *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Readers of a peer's credentials; portal/body_credential.c. */
const char *po_credential_token(const json_t *value, struct po_target *target);
const char *po_credential_authorization(const json_t *value, struct po_target *target);
const char *po_credential_certificates(const json_t *value, struct po_target *target);
const char *po_credential_subjects(const json_t *value, struct po_target *target);

#endif
