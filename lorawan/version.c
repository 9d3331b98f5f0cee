#include "lorawan/version.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define PATCH_MAX_1_0 4

static const char *const texts[] = {
	[LW_VERSION_NONE] = "unknown",
	[LW_VERSION_1_0_0] = "1.0.0",
	[LW_VERSION_1_0_1] = "1.0.1",
	[LW_VERSION_1_0_2] = "1.0.2",
	[LW_VERSION_1_0_3] = "1.0.3",
	[LW_VERSION_1_0_4] = "1.0.4",
	[LW_VERSION_1_1] = "1.1",
};

static const char *skip_prefix(const char *text)
{
	static const char *const prefixes[] = {"MAC_V", "LORAWAN_", "V"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i]);

		if (strncasecmp(text, prefixes[i], length) == 0) {
			return text + length;
		}
	}
	return text;
}

/* One or two digits without a leading zero; -1 if there is no such number. */
static int read_number(const char **at)
{
	const char *text = *at;
	int value = 0;
	int digits = 0;

	for (; text[digits] >= '0' && text[digits] <= '9'; digits++) {
		if (digits == 2 || (digits == 1 && text[0] == '0')) {
			return -1;
		}
		value = value * 10 + (text[digits] - '0');
	}
	*at = text + digits;
	return digits == 0 ? -1 : value;
}

enum kw_err lw_version_read(const char *text, enum lw_version *out)
{
	const char *at = skip_prefix(text);
	char separator;
	int minor;
	int patch = 0;

	*out = LW_VERSION_NONE;
	if (read_number(&at) != 1 || (*at != '.' && *at != '_')) {
		return KW_E_VERSION;
	}
	separator = *at++;
	minor = read_number(&at);
	if (*at == separator) {
		at++;
		patch = read_number(&at);
	}
	if (*at != '\0' || patch < 0) {
		return KW_E_VERSION;
	}
	if (minor == 1) {
		*out = LW_VERSION_1_1;
	} else if (minor == 0 && patch <= PATCH_MAX_1_0) {
		*out = (enum lw_version)(LW_VERSION_1_0_0 + patch);
	}
	return *out == LW_VERSION_NONE ? KW_E_VERSION : KW_OK;
}

bool lw_version_valid(unsigned value)
{
	return value >= LW_VERSION_1_0_0 && value <= LW_VERSION_1_1;
}

const char *lw_version_text(enum lw_version version)
{
	return texts[lw_version_valid((unsigned)version) ? version : LW_VERSION_NONE];
}

bool lw_version_is_1_1(enum lw_version version)
{
	return version == LW_VERSION_1_1;
}

bool lw_version_counts_dev_nonce(enum lw_version version)
{
	return version == LW_VERSION_1_0_4 || version == LW_VERSION_1_1;
}
