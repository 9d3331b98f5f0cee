/**
 * The way to the join server, looked at before anything is asked: does the port answer, and what
 * does its TLS show? With GnuTLS's own words, as the HTTP client does not tell.
 */
#ifndef KW_CLI_NS_TEST_LINK_H
#define KW_CLI_NS_TEST_LINK_H

#include "cli/url.h"

#include <stdint.h>

#define NST_WHY_SIZE     256
#define NST_NAMES_SIZE   256
#define NST_ADDRESS_SIZE 64
#define NST_LINK_MS      5000 /* for connection and handshake, each */

struct nst_tls {
	char version[16];           /* "TLS1.3" */
	char names[NST_NAMES_SIZE]; /* of the certificate, joined by blanks */
	uint64_t ends_s;            /* Unix time */
	bool verified;
	char why[NST_WHY_SIZE]; /* it is not */
	uint64_t took_us;
};

/**
 * Connect to a host and port, as URLs have them.
 *
 * @param fd       out: to be closed; -1 on failure
 * @param address  out: the one that answered or, on failure, the last one tried
 * @return whether it is connected; if not, `why` says why
 */
bool nst_connect(const char *host, unsigned port, int *fd, char address[NST_ADDRESS_SIZE],
	uint64_t *took_us, char why[NST_WHY_SIZE]);

/**
 * Make a TLS handshake, nothing more.
 *
 * @param host  that the certificate must be for
 * @param ca    PEM file with what is trusted; NULL: the system's
 * @return whether there was one; then `tls` says what it showed, else tls->why says why not
 */
bool nst_tls_look(int fd, const char *host, const char *ca, struct nst_tls *tls);

/**
 * How the first certificate of a PEM file may be reached: `host` if it is for that, else the first
 * of its names that is no pattern.
 *
 * @return false if it cannot be read, or has no such name; `name` is `host` then
 */
bool nst_certificate_name(const char *path, const char *host, char name[CLI_URL_SIZE]);

#endif
