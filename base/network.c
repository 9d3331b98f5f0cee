#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0/96, before the IPv4 address */

/* "8" to "128", without sign, blank or leading zero; 0 if it is none. */
static unsigned prefix_read(const char *text)
{
	size_t length = strlen(text);
	unsigned value = 0;

	if (length == 0 || length > 3 || strspn(text, "0123456789") != length || *text == '0') {
		return 0;
	}
	for (; *text != '\0'; text++) {
		value = value * 10 + (unsigned)(*text - '0');
	}
	return value;
}

static bool address_read(const char *text, struct kw_network *network)
{
	if (inet_pton(AF_INET, text, network->octets) == 1) {
		network->family = AF_INET;
	} else if (inet_pton(AF_INET6, text, network->octets) == 1) {
		network->family = AF_INET6;
	} else {
		return false;
	}
	network->prefix_bits = network->family == AF_INET ? 32 : 128;
	return true;
}

static void unmap(struct kw_network *network)
{
	static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

	if (network->family == AF_INET6 && network->prefix_bits >= MAPPED_BITS &&
		memcmp(network->octets, mapped, sizeof(mapped)) == 0) {
		network->family = AF_INET;
		network->prefix_bits = (uint8_t)(network->prefix_bits - MAPPED_BITS);
		memmove(network->octets, network->octets + sizeof(mapped), 4);
		memset(network->octets + 4, 0, sizeof(network->octets) - 4);
	}
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return memcmp(a, b, whole) == 0 && (bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

static bool clean_behind(const struct kw_network *network)
{
	uint8_t masked[sizeof(network->octets)] = {0};
	unsigned whole = network->prefix_bits / 8;

	memcpy(masked, network->octets, whole);
	if (network->prefix_bits % 8 != 0) {
		masked[whole] =
			(uint8_t)(network->octets[whole] & (0xff00 >> network->prefix_bits % 8));
	}
	return memcmp(masked, network->octets, sizeof(masked)) == 0;
}

static enum kw_err refuse(struct kw_network *network, enum kw_err err)
{
	memset(network, 0, sizeof(*network));
	return err;
}

enum kw_err kw_network_read(const char *text, struct kw_network *network)
{
	const char *slash = strchr(text, '/');
	size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
	char address[KW_NETWORK_TEXT_MAX + 1];

	memset(network, 0, sizeof(*network));
	if (length >= sizeof(address)) {
		return KW_E_SYNTAX;
	}
	memcpy(address, text, length);
	address[length] = '\0';
	if (!address_read(address, network)) {
		return refuse(network, KW_E_SYNTAX);
	}
	if (slash != NULL) {
		unsigned bits = prefix_read(slash + 1);

		if (bits > network->prefix_bits || (bits == 0 && strcmp(slash, "/0") != 0)) {
			return refuse(network, KW_E_SYNTAX);
		}
		network->prefix_bits = (uint8_t)bits;
	}
	unmap(network);
	if (network->prefix_bits == 0 || !clean_behind(network)) {
		return refuse(network, KW_E_INVALID);
	}
	return KW_OK;
}

bool kw_network_contains(const struct kw_network *network, const struct sockaddr *address)
{
	struct kw_network one = {.prefix_bits = 128};

	if (address == NULL) {
		return false;
	}
	one.family = address->sa_family;
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

		memcpy(one.octets, &in->sin_addr, sizeof(in->sin_addr));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

		memcpy(one.octets, &in6->sin6_addr, sizeof(in6->sin6_addr));
		unmap(&one);
	} else {
		return false;
	}
	return one.family == network->family &&
	       same_prefix(one.octets, network->octets, network->prefix_bits);
}
