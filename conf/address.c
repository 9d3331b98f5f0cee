#include "conf/address.h"

#include "conf/setting.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

static struct addrinfo *resolve(const char *host, const char *port)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found = NULL;

	return getaddrinfo(host, port, &hints, &found) == 0 ? found : NULL;
}

/* getaddrinfo() also takes the old forms of IPv4 addresses ("1", "0x7f.1"; "010.0.0.1" is 8.0.0.1). */
static bool may_be_address(const char *text)
{
	struct in_addr v4;

	return strchr(text, ':') != NULL || inet_pton(AF_INET, text, &v4) == 1;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;

		return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
	}
	if (address->ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(in6) ||
		       (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
	}
	return false;
}

static bool is_port(const char *text)
{
	unsigned value = 0;
	size_t length = strlen(text);

	if (length == 0 || length > 5 || strspn(text, "0123456789") != length) {
		return false;
	}
	for (; *text != '\0'; text++) {
		value = value * 10 + (unsigned)(*text - '0');
	}
	return value <= 65535;
}

/* Cut "HOST:PORT" or "[HOST]:PORT" in place; false if it is neither. */
static bool split(char *text, const char **host, const char **port)
{
	char *colon = strrchr(text, ':');

	if (colon == NULL || colon == text) {
		return false;
	}
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (*text == '[') {
		if (colon[-1] != ']') {
			return false;
		}
		colon[-1] = '\0';
		*host = text + 1;
		return strchr(*host, ':') != NULL;
	}
	return strchr(text, ':') == NULL;
}

enum kw_err conf_listen_read(const char *text, struct conf_listen *listen, char why[CONF_WHY_SIZE])
{
	char copy[CONF_WORD_SIZE];
	const char *host = NULL;
	const char *port = NULL;
	struct addrinfo *found;

	memset(listen, 0, sizeof(*listen));
	if (strlen(text) >= sizeof(copy)) {
		return conf_fail(why, KW_E_INVALID, "this is too long for an address with a port");
	}
	strcpy(copy, text);
	if (!split(copy, &host, &port)) {
		return conf_fail(why, KW_E_INVALID,
			"\"%s\" is not an address with a port; write 127.0.0.1:8003, [::1]:8003, "
			"or "
			"0.0.0.0:8003 for every IPv4 address",
			text);
	}
	if (!is_port(port)) {
		return conf_fail(why, KW_E_INVALID,
			"\"%s\" is not a port; write a number from 0 to 65535 (0: any free one)",
			port);
	}
	found = may_be_address(host) ? resolve(host, port) : NULL;
	if (found == NULL) {
		return conf_fail(why, KW_E_INVALID,
			"\"%s\" is not an IPv4 or IPv6 address; names are not looked up, write the "
			"address itself, such as 127.0.0.1",
			host);
	}
	strcpy(listen->text, text);
	memcpy(&listen->address, found->ai_addr, found->ai_addrlen);
	listen->length = found->ai_addrlen;
	listen->loopback = is_loopback(&listen->address);
	freeaddrinfo(found);
	return KW_OK;
}
