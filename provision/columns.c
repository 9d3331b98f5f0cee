#include "provision/columns.h"

#include <ctype.h>
#include <string.h>

#define ALIAS_SIZE 24
/* As many hexadecimal digits in a name can be a part of a key. */
#define ECHO_DIGITS_MAX 8

static const char *const texts[PR_COLUMN_COUNT] = {
	[PR_COLUMN_JOIN_EUI] = "join_eui",
	[PR_COLUMN_DEV_EUI] = "dev_eui",
	[PR_COLUMN_VERSION] = "lorawan_version",
	[PR_COLUMN_APP_KEY] = "app_key",
	[PR_COLUMN_NWK_KEY] = "nwk_key",
	[PR_COLUMN_NAME] = "name",
	[PR_COLUMN_ID] = "id",
	[PR_COLUMN_DESCRIPTION] = "description",
};

/* Lower case, without separators. */
static const struct {
	const char *name;
	enum pr_column column;
} aliases[] = {
	{"joineui", PR_COLUMN_JOIN_EUI},
	{"appeui", PR_COLUMN_JOIN_EUI},
	{"applicationeui", PR_COLUMN_JOIN_EUI},
	{"deveui", PR_COLUMN_DEV_EUI},
	{"deviceeui", PR_COLUMN_DEV_EUI},
	{"lorawanversion", PR_COLUMN_VERSION},
	{"macversion", PR_COLUMN_VERSION},
	{"lorawanmacversion", PR_COLUMN_VERSION},
	{"appkey", PR_COLUMN_APP_KEY},
	{"applicationkey", PR_COLUMN_APP_KEY},
	{"nwkkey", PR_COLUMN_NWK_KEY},
	{"networkkey", PR_COLUMN_NWK_KEY},
	{"name", PR_COLUMN_NAME},
	{"devicename", PR_COLUMN_NAME},
	{"id", PR_COLUMN_ID},
	{"deviceid", PR_COLUMN_ID},
	{"devid", PR_COLUMN_ID},
	{"description", PR_COLUMN_DESCRIPTION},
};

/* Without separators and in lower case; false if it is longer than any alias. */
static bool normalise(const char *name, size_t length, char out[ALIAS_SIZE])
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		if (memchr(" \t_-.", name[i], 5) != NULL) {
			continue;
		}
		if (used == ALIAS_SIZE - 1) {
			return false;
		}
		out[used++] = (char)tolower((unsigned char)name[i]);
	}
	out[used] = '\0';
	return true;
}

enum pr_column pr_column_find(const char *name, size_t length)
{
	char plain[ALIAS_SIZE];

	if (!normalise(name, length, plain)) {
		return PR_COLUMN_UNKNOWN;
	}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcmp(aliases[i].name, plain) == 0) {
			return aliases[i].column;
		}
	}
	return PR_COLUMN_UNKNOWN;
}

const char *pr_column_text(enum pr_column column)
{
	return texts[column];
}

/* A run of hexadecimal digits in groups is still a run. */
static size_t longest_hex_run(const char *name, size_t length)
{
	size_t run = 0;
	size_t longest = 0;

	for (size_t i = 0; i < length; i++) {
		if (isxdigit((unsigned char)name[i])) {
			run++;
		} else if (memchr(" -:", name[i], 3) == NULL) {
			run = 0;
		}
		longest = run > longest ? run : longest;
	}
	return longest;
}

bool pr_column_echo(const char *name, size_t length, char out[PR_COLUMN_ECHO_SIZE])
{
	size_t used = 0;

	out[0] = '\0';
	if (length == 0 || length >= PR_COLUMN_ECHO_SIZE ||
		longest_hex_run(name, length) > ECHO_DIGITS_MAX) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		if (!isgraph((unsigned char)name[i]) && name[i] != ' ') {
			out[0] = '\0';
			return false;
		}
		out[used++] = name[i];
	}
	out[used] = '\0';
	return true;
}
