#include "http/proxy_cert.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <strings.h>

#define LINES_MAX 8

/* The input as "name:value" lines. */
struct headers {
	size_t count;
	const char *names[LINES_MAX];
	const char *values[LINES_MAX];
};

static const char *lookup(const void *context, const char *name, size_t *count)
{
	const struct headers *headers = context;
	const char *value = NULL;

	*count = 0;
	for (size_t i = 0; i < headers->count; i++) {
		if (strcasecmp(headers->names[i], name) == 0) {
			value = headers->values[i];
			(*count)++;
		}
	}
	return value;
}

static void check(enum kw_err err, const struct http_proxy_chain *chain)
{
	size_t used = 0;

	fuzz_require((err == KW_OK) == (chain->count > 0));
	fuzz_require(chain->count <= HTTP_CHAIN_MAX);
	for (size_t i = 0; i < chain->count; i++) {
		static struct http_certificate read;
		const struct http_octets *der = &chain->certificates[i];

		fuzz_require(der->octets == chain->octets + used);
		used += der->length;
		fuzz_require(http_certificate_read(der->octets, der->length, &read) == KW_OK);
	}
	fuzz_require(used == chain->used && used <= sizeof(chain->octets));
}

static void split(char *text, struct headers *headers)
{
	headers->count = 0;
	for (char *at = text; at != NULL && headers->count < LINES_MAX;) {
		char *line = at, *value;

		at = strchr(line, '\n');
		if (at != NULL) {
			*at++ = '\0';
		}
		value = strchr(line, ':');
		if (value != NULL) {
			*value++ = '\0';
			headers->names[headers->count] = line;
			headers->values[headers->count++] = value;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_proxy_chain chain;
	struct headers headers;
	char *text = malloc(size + 1);

	fuzz_require(text != NULL);
	if (size > 0) {
		memcpy(text, data, size);
	}
	text[size] = '\0';
	check(http_proxy_read_rfc9440(text, NULL, &chain), &chain);
	check(http_proxy_read_pem(text, &chain), &chain);
	check(http_proxy_read_base64(text, &chain), &chain);
	split(text, &headers);
	check(http_proxy_find(lookup, &headers, NULL, &chain), &chain);
	check(http_proxy_find(lookup, &headers, HTTP_PROXY_RFC9440, &chain), &chain);
	check(http_proxy_find(lookup, &headers, HTTP_PROXY_PEM, &chain), &chain);
	check(http_proxy_find(lookup, &headers, HTTP_PROXY_BASE64, &chain), &chain);
	free(text);
	return 0;
}
