/** Sealed envelopes and certificates in their spellings. The one file that knows OpenSSL here. */
#ifndef KW_PORTAL_ENVELOPE_H
#define KW_PORTAL_ENVELOPE_H

#include "portal/body.h"

/** Let OpenSSL read its own configuration, while files may still be opened. */
void po_envelope_start(void);

/**
 * Take CMS as DER or as PEM ("-----BEGIN CMS-----"); only its outer form is looked at.
 *
 * @return KW_OK; KW_E_ENVELOPE (neither; *why says what to do), KW_E_TOO_LONG (more than
 *         IPC_ENVELOPE_MAX), KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err po_envelope_read(
	const char *body, size_t length, struct po_envelope *out, struct po_why *why);
/** The same from base64, as it stands in JSON. */
KW_MUST_CHECK enum kw_err po_envelope_read_base64(
	const char *text, size_t length, struct po_envelope *out);
void po_envelope_finish(struct po_envelope *envelope);

/** A certificate as PEM, on the heap; NULL if there is no memory. */
char *po_certificate_pem(const uint8_t *der, size_t length);

#endif
