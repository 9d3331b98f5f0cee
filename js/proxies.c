#include "js/proxies.h"

#include <string.h>

static enum kw_err add(const char *word, size_t length, struct js_proxies *proxies)
{
	char text[KW_NETWORK_TEXT_MAX + 1];
	enum kw_err err;

	if (length >= sizeof(text)) {
		return KW_E_SYNTAX;
	}
	if (proxies->count == JS_PROXIES_MAX) {
		return KW_E_TOO_LONG;
	}
	memcpy(text, word, length);
	text[length] = '\0';
	err = kw_network_read(text, &proxies->list[proxies->count]);
	proxies->count += err == KW_OK;
	return err;
}

enum kw_err js_proxies_read(const char *text, struct js_proxies *proxies)
{
	enum kw_err err = KW_OK;

	memset(proxies, 0, sizeof(*proxies));
	while (err == KW_OK && *(text += strspn(text, " \t")) != '\0') {
		size_t length = strcspn(text, " \t");

		err = add(text, length, proxies);
		text += length;
	}
	if (err != KW_OK) {
		memset(proxies, 0, sizeof(*proxies));
	}
	return err;
}

bool js_proxies_contain(const struct js_proxies *proxies, const struct sockaddr *address)
{
	for (size_t i = 0; i < proxies->count; i++) {
		if (kw_network_contains(&proxies->list[i], address)) {
			return true;
		}
	}
	return false;
}
