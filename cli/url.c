#include "cli/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const char name_characters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

/* @return what follows the scheme; NULL: another */
static const char *read_scheme(const char *text, struct cli_url *url)
{
	static const char https[] = "https://";
	static const char http[] = "http://";

	url->tls = strncmp(text, https, strlen(https)) == 0;
	url->port = url->tls ? 443 : 80;
	if (url->tls) {
		return text + strlen(https);
	}
	return strncmp(text, http, strlen(http)) == 0 ? text + strlen(http) : NULL;
}

static const char *read_host(const char *text, struct cli_url *url)
{
	size_t length = strspn(text, name_characters);

	if (text[0] == '[') {
		length = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
		if (length < 3 || text[length++] != ']') {
			return NULL;
		}
	}
	memcpy(url->host, text, length);
	return length == 0 ? NULL : text + length;
}

static const char *read_port(const char *text, struct cli_url *url)
{
	unsigned port = 0;

	if (text[0] != ':') {
		return text;
	}
	for (text++; text[0] >= '0' && text[0] <= '9' && port <= UINT16_MAX; text++) {
		port = port * 10 + (unsigned)(text[0] - '0');
	}
	url->port = port;
	return port == 0 || port > UINT16_MAX ? NULL : text;
}

static bool read_path(const char *text, struct cli_url *url)
{
	if (text[0] == '\0') {
		return true;
	}
	if (text[0] != '/') {
		return false;
	}
	for (const char *at = text; *at != '\0'; at++) {
		if (*at <= ' ' || *at >= 0x7f || strchr("?#\"\\<>^`{|}", *at) != NULL) {
			return false;
		}
	}
	memcpy(url->path, text + 1, strlen(text));
	return true;
}

bool cli_url_read(const char *text, struct cli_url *url)
{
	const char *rest;

	memset(url, 0, sizeof(*url));
	if (strlen(text) >= CLI_URL_SIZE) {
		return false;
	}
	rest = read_scheme(text, url);
	rest = rest == NULL ? NULL : read_host(rest, url);
	rest = rest == NULL ? NULL : read_port(rest, url);
	if (rest == NULL || !read_path(rest, url)) {
		memset(url, 0, sizeof(*url));
		return false;
	}
	memcpy(url->text, text, strlen(text));
	return true;
}

static bool is_every_address(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6) {
		return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
	}
	return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

const char *cli_url_of_conf(const struct conf *conf, char text[CLI_URL_SIZE])
{
	const struct conf_listen *listen = &conf->server.listen[0];
	const bool tls = conf->server.tls_certificate[0] != '\0';

	snprintf(text, CLI_URL_SIZE, "http%s://%s/", tls ? "s" : "", listen->text);
	if (!tls && conf->server.proxy_count > 0) {
		return "CHECK: behind a proxy; its https URL belongs here";
	}
	if (is_every_address(&listen->address)) {
		return "CHECK: an address that stands for all; write the name of this host";
	}
	if (listen->loopback) {
		return "CHECK: a loopback address; reached from the same host only";
	}
	return "CHECK: the certificate must be for this address; else write its name";
}
