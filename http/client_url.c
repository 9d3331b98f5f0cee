#include "http/client_url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NOT_A_URL "not a URL: write https://host/path or https://host:port/path"

struct parts {
	char *scheme;
	char *host;
	char *port;
	char *zone;
};

static enum kw_err refuse(char why[HTTP_URL_WHY_SIZE], const char *words)
{
	snprintf(why, HTTP_URL_WHY_SIZE, "%s", words);
	return KW_E_INVALID;
}

static bool is_loopback(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strlen(host);
	struct in6_addr in6;
	struct in_addr in;

	if (strcasecmp(host, "localhost") == 0) {
		return true;
	}
	if (inet_pton(AF_INET, host, &in) == 1) {
		return ntohl(in.s_addr) >> 24 == 127;
	}
	if (length < 2 || length - 2 >= sizeof(address) || host[0] != '[') {
		return false;
	}
	memcpy(address, host + 1, length - 2);
	address[length - 2] = '\0';
	return inet_pton(AF_INET6, address, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

static enum kw_err check_text(const char *url, char why[HTTP_URL_WHY_SIZE])
{
	size_t length = strnlen(url, HTTP_URL_MAX + 1);
	const char *host;

	if (length > HTTP_URL_MAX) {
		return refuse(why, "the URL is longer than 255 characters: shorten it");
	}
	for (size_t i = 0; i < length; i++) {
		if (url[i] <= ' ' || url[i] > '~') {
			return refuse(why, "the URL has a space, a control character or a letter "
					   "outside ASCII: write it as %XX, a host name as xn--");
		}
	}
	/* libcurl takes https:/host and https:///host for https://host. */
	host = strstr(url, "://");
	if (host == NULL) {
		return refuse(why, "the URL does not begin with https://");
	}
	if (host[3] == '/') {
		return refuse(why, NOT_A_URL);
	}
	if (strchr(url, '#') != NULL) {
		return refuse(why, "the URL has a fragment: leave out # and what follows");
	}
	return KW_OK;
}

static enum kw_err check_parts(
	const struct parts *parts, struct http_url *out, char why[HTTP_URL_WHY_SIZE])
{
	out->tls = strcmp(parts->scheme, "https") == 0;
	if (!out->tls && strcmp(parts->scheme, "http") != 0) {
		return refuse(why, "the URL does not begin with https://");
	}
	if (!out->tls && !is_loopback(parts->host)) {
		return refuse(why, "the URL would send keys in the clear: use https:// (http:// is "
				   "for 127.0.0.1, [::1] and localhost only)");
	}
	if (parts->zone != NULL) {
		return refuse(why, "the URL has an IPv6 zone: use an address without % or a name");
	}
	if (strcmp(parts->port, "0") == 0) {
		return refuse(why, "the URL has port 0: give the port of the peer, or none");
	}
	snprintf(out->target, sizeof(out->target), "%s://%s:%s", parts->scheme, parts->host,
		parts->port);
	for (char *at = out->target; *at != '\0'; at++) {
		*at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
	}
	return KW_OK;
}

static CURLUcode take_apart(CURLU *handle, const char *url, struct parts *parts)
{
	CURLUcode code = curl_url_set(handle, CURLUPART_URL, url, CURLU_DISALLOW_USER);

	if (code == CURLUE_OK) {
		code = curl_url_get(handle, CURLUPART_SCHEME, &parts->scheme, 0);
	}
	if (code == CURLUE_OK) {
		code = curl_url_get(handle, CURLUPART_HOST, &parts->host, 0);
	}
	if (code == CURLUE_OK) {
		code = curl_url_get(handle, CURLUPART_PORT, &parts->port, CURLU_DEFAULT_PORT);
	}
	if (code == CURLUE_OK &&
		curl_url_get(handle, CURLUPART_ZONEID, &parts->zone, 0) == CURLUE_OUT_OF_MEMORY) {
		code = CURLUE_OUT_OF_MEMORY;
	}
	return code;
}

static enum kw_err refuse_code(CURLUcode code, char why[HTTP_URL_WHY_SIZE])
{
	switch (code) {
	case CURLUE_OUT_OF_MEMORY:
		snprintf(why, HTTP_URL_WHY_SIZE, "out of memory");
		return KW_E_NO_MEMORY;
	case CURLUE_USER_NOT_ALLOWED:
		return refuse(why, "the URL has a user name or password: leave them out; a peer is "
				   "given a certificate instead");
	case CURLUE_UNSUPPORTED_SCHEME:
	case CURLUE_BAD_SCHEME:
		return refuse(why, "the URL does not begin with https://");
	case CURLUE_BAD_PORT_NUMBER:
		return refuse(why, "the URL's port is not a number from 1 to 65535");
	default:
		return refuse(why, NOT_A_URL);
	}
}

enum kw_err http_url_read(const char *url, struct http_url *out, char why[HTTP_URL_WHY_SIZE])
{
	struct parts parts = {NULL, NULL, NULL, NULL};
	CURLU *handle;
	CURLUcode code;
	enum kw_err err;

	memset(out, 0, sizeof(*out));
	why[0] = '\0';
	err = check_text(url, why);
	if (err != KW_OK) {
		return err;
	}
	handle = curl_url();
	code = handle == NULL ? CURLUE_OUT_OF_MEMORY : take_apart(handle, url, &parts);
	err = code == CURLUE_OK ? check_parts(&parts, out, why) : refuse_code(code, why);
	curl_free(parts.scheme);
	curl_free(parts.host);
	curl_free(parts.port);
	curl_free(parts.zone);
	curl_url_cleanup(handle);
	return err;
}

enum kw_err http_client_url_check(const char *url, char why[HTTP_URL_WHY_SIZE])
{
	struct http_url ignored;

	return http_url_read(url, &ignored, why);
}
