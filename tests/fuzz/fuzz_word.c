#include "backend-if/credential.h"
#include "base/env.h"
#include "base/hex.h"
#include "base/network.h"
#include "cli/url.h"
#include "conf/address.h"
#include "conf/conf.h"
#include "http/client_url.h"
#include "ipc/ipc.h"
#include "lorawan/eui.h"
#include "lorawan/version.h"
#include "portal/body.h"
#include "tests/fuzz/fuzz.h"

#include <netinet/in.h>
#include <string.h>

/* Words that stand in files, on the command line, in JSON and in headers. The first octet says which
 * reader; what one accepts it reads the same once written. */

static void fuzz_eui(const char *text)
{
	char written[LW_EUI_TEXT_SIZE];
	struct lw_eui eui, again;

	if (lw_eui_read(text, &eui) == KW_OK) {
		lw_eui_write(&eui, written);
		fuzz_require(lw_eui_read(written, &again) == KW_OK);
		fuzz_require(lw_eui_equal(&eui, &again));
	}
}

static void fuzz_net_id(const char *text)
{
	static const struct lw_net_id zero;
	struct lw_net_id net_id;

	if (lw_net_id_read(text, &net_id) != KW_OK) {
		fuzz_require(lw_net_id_equal(&net_id, &zero));
		return;
	}
	fuzz_require(lw_net_id_type(&net_id) <= 7 && lw_net_id_id(&net_id) < 1u << 21);
}

static void fuzz_range(const char *text)
{
	char written[LW_EUI_RANGE_TEXT_SIZE];
	struct lw_eui_range range, again;

	if (lw_eui_range_read(text, &range) != KW_OK) {
		return;
	}
	fuzz_require(lw_eui_compare(&range.first, &range.last) <= 0);
	fuzz_require(lw_eui_range_contains(&range, &range.first));
	fuzz_require(lw_eui_range_contains(&range, &range.last));
	lw_eui_range_write(&range, written);
	fuzz_require(lw_eui_range_read(written, &again) == KW_OK);
	fuzz_require(memcmp(&range, &again, sizeof(range)) == 0);
}

static void fuzz_version(const char *text)
{
	enum lw_version version, again;

	if (lw_version_read(text, &version) != KW_OK) {
		fuzz_require(version == LW_VERSION_NONE);
		return;
	}
	fuzz_require(lw_version_valid(version));
	fuzz_require(lw_version_read(lw_version_text(version), &again) == KW_OK);
	fuzz_require(version == again);
}

static void fuzz_network(const char *text)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct kw_network network;

	if (kw_network_read(text, &network) != KW_OK) {
		fuzz_require(network.prefix_bits == 0);
		return;
	}
	fuzz_require(network.prefix_bits > 0);
	if (network.family == AF_INET) {
		fuzz_require(network.prefix_bits <= 32);
		memcpy(&in.sin_addr, network.octets, 4);
		fuzz_require(kw_network_contains(&network, (const struct sockaddr *)&in));
		in.sin_addr.s_addr ^= htonl(0x80000000u);
		fuzz_require(!kw_network_contains(&network, (const struct sockaddr *)&in));
	} else {
		fuzz_require(network.family == AF_INET6 && network.prefix_bits <= 128);
		memcpy(&in6.sin6_addr, network.octets, 16);
		fuzz_require(kw_network_contains(&network, (const struct sockaddr *)&in6));
		in6.sin6_addr.s6_addr[0] ^= 0x80;
		fuzz_require(!kw_network_contains(&network, (const struct sockaddr *)&in6));
	}
}

static void fuzz_listen(const char *text)
{
	struct conf_listen listen;
	char why[CONF_WHY_SIZE] = "";

	if (conf_listen_read(text, &listen, why) != KW_OK) {
		fuzz_require(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
	}
}

static void fuzz_url(const char *text)
{
	struct http_url url;
	char why[HTTP_URL_WHY_SIZE] = "";

	if (http_url_read(text, &url, why) != KW_OK) {
		fuzz_require(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
		return;
	}
	fuzz_require(strncmp(url.target, url.tls ? "https://" : "http://", url.tls ? 8 : 7) == 0);
	fuzz_require(strrchr(url.target, ':') > url.target + 5);
	fuzz_require(strpbrk(url.target, "@?# ") == NULL);
}

static void fuzz_server_url(const char *text)
{
	static const struct cli_url zero;
	struct cli_url url;

	if (!cli_url_read(text, &url)) {
		fuzz_require(memcmp(&url, &zero, sizeof(url)) == 0);
		return;
	}
	fuzz_require(strcmp(url.text, text) == 0 && url.host[0] != '\0');
	fuzz_require(url.port >= 1 && url.port <= 65535);
	fuzz_require(strpbrk(url.host, "@/?#") == NULL && strpbrk(url.text, "?#\"\\ ") == NULL);
}

static void fuzz_authorization(const char *text)
{
	static const uint8_t zero[BI_DIGEST_SIZE];
	enum bi_credential_kind kind;
	uint8_t digest[BI_DIGEST_SIZE];

	if (bi_credential_of_authorization(text, &kind, digest) != KW_OK) {
		fuzz_require((int)kind == 0 && memcmp(digest, zero, sizeof(zero)) == 0);
		return;
	}
	fuzz_require(kind == BI_CREDENTIAL_TOKEN || kind == BI_CREDENTIAL_HEADER);
	fuzz_require(strlen(text) <= BI_AUTHORIZATION_MAX);
}

static void fuzz_subject(const char *text)
{
	char name[BI_SUBJECT_SIZE], again[BI_SUBJECT_SIZE];
	uint8_t digest[BI_DIGEST_SIZE];

	if (bi_credential_subject_name(text, name) == KW_OK) {
		fuzz_require(strlen(name) == strlen(text));
		fuzz_require(bi_credential_subject_name(name, again) == KW_OK);
		fuzz_require(strcmp(name, again) == 0);
		fuzz_require(bi_credential_of_subject(digest, name, digest) == KW_OK);
	}
}

static void fuzz_time(const char *text)
{
	char written[KW_TIME_TEXT_SIZE];
	uint64_t time_ms, again;

	if (kw_time_read(text, &time_ms) == KW_OK) {
		kw_time_text(time_ms, written);
		fuzz_require(kw_time_read(written, &again) == KW_OK && again == time_ms);
	}
}

static void fuzz_names(const char *text)
{
	uint8_t delivery;

	if (ipc_delivery_read(text, &delivery) == KW_OK) {
		fuzz_require(strcmp(ipc_delivery_text(delivery), text) == 0);
	}
	fuzz_require(!po_peer_name_valid(text) || strlen(text) < IPC_NAME_SIZE);
	fuzz_require(!po_printable(text) || strlen(text) < IPC_NAME_SIZE);
}

static void (*const readers[])(const char *text) = {
	fuzz_eui,
	fuzz_net_id,
	fuzz_range,
	fuzz_version,
	fuzz_network,
	fuzz_listen,
	fuzz_url,
	fuzz_server_url,
	fuzz_authorization,
	fuzz_subject,
	fuzz_time,
	fuzz_names,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1) {
		return 0;
	}
	/* Exactly as large as the text, so that a sanitizer sees an octet too far. */
	text = strndup((const char *)data + 1, size - 1);
	fuzz_require(text != NULL);
	readers[data[0] % (sizeof(readers) / sizeof(readers[0]))](text);
	free(text);
	return 0;
}
