/** IP networks as an operator writes them, and whether an address lies in one. */
#ifndef KW_BASE_NETWORK_H
#define KW_BASE_NETWORK_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define KW_NETWORK_TEXT_MAX 63

struct kw_network {
	sa_family_t family; /* AF_INET or AF_INET6 */
	uint8_t octets[16]; /* network byte order; of IPv4 the first four, the rest is zero */
	uint8_t prefix_bits;
};

/**
 * Read an address ("10.0.0.1", "::1") or a network ("10.0.0.0/8", "fd00::/8"). An address is a
 * network of itself. An IPv4-mapped IPv6 one is taken as IPv4. No names, no zone.
 *
 * @return KW_OK; KW_E_SYNTAX: not of that form, or a prefix length that the family does not have;
 *         KW_E_INVALID: bits are set behind the prefix, or the prefix is empty, which would be
 *         everybody. Zero on failure.
 */
KW_MUST_CHECK enum kw_err kw_network_read(const char *text, struct kw_network *network);

/** True if the address lies in it. IPv4-mapped IPv6 addresses count as IPv4; other families and
 *  NULL are in none. */
bool kw_network_contains(const struct kw_network *network, const struct sockaddr *address);

#endif
