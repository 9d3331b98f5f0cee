/** Certificates that peers show, read from PEM files. */
#ifndef KW_CLI_CERTIFICATE_H
#define KW_CLI_CERTIFICATE_H

#include "cli/secret.h"

#define CLI_NOT_AFTER_SIZE sizeof("2026-01-01T00:00:00Z")

struct cli_certificate {
	char sha256[CLI_DIGEST_SIZE];
	char not_after[CLI_NOT_AFTER_SIZE]; /* RFC 3339 in UTC */
};

/**
 * Read a peer's own certificate: the first one in the file. A private key in the file is not
 * looked at, and that it is there is said.
 *
 * @return CLI_DONE, or CLI_FAILED with everything said, also if the certificate has ended
 */
int cli_certificate_read(const char *path, struct cli_certificate *out);
/** Read the certificate of a CA, the only one in the file. What is no CA is warned of. */
int cli_certificate_read_ca(const char *path, struct cli_certificate *out);

#endif
