#include "conf/setting.h"

#include "base/network.h"
#include "conf/address.h"

#include <assert.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define FRONTS_MAX      64 /* as js/process.h has it */
#define MAP_SIZE_MIN    (UINT64_C(16) << 20)
#define MAP_SIZE_MAX    (UINT64_C(16) << 40)
#define MAP_SIZE_ROUND  UINT64_C(4096)
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

#define READER(function)                                                                  \
	static enum kw_err function(const struct conf_setting *setting, const char *text, \
		const char *directory, struct conf *conf, char why[CONF_WHY_SIZE])

enum kw_err conf_fail(char why[CONF_WHY_SIZE], enum kw_err err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, CONF_WHY_SIZE, format, args);
	va_end(args);
	return err;
}

static void *value_of(const struct conf_setting *setting, struct conf *conf)
{
	return (char *)conf + setting->offset;
}

static bool number_read(const char **text, uint64_t *value)
{
	const char *at = *text;

	*value = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (*value > (UINT64_MAX - digit) / 10) {
			return false;
		}
		*value = *value * 10 + digit;
	}
	if (at == *text) {
		return false;
	}
	*text = at;
	return true;
}

/* Octets, or with K, M, G or T behind in powers of 1024. */
static bool size_read(const char *text, uint64_t *value)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned shift;

	if (!number_read(&text, value)) {
		return false;
	}
	if (*text == '\0') {
		return true;
	}
	unit = strchr(units, *text & ~0x20);
	if (unit == NULL || text[1] != '\0') {
		return false;
	}
	shift = 10 * (unsigned)(unit - units + 1);
	if (*value > UINT64_MAX >> shift) {
		return false;
	}
	*value <<= shift;
	return true;
}

READER(read_seconds)
{
	uint64_t value;
	const char *at = text;

	(void)directory;
	if (!number_read(&at, &value) || *at != '\0' || value < setting->min ||
		value > setting->max) {
		return conf_fail(why, KW_E_INVALID,
			"\"%s\" is not a number of seconds from %llu to %llu", text,
			(unsigned long long)setting->min, (unsigned long long)setting->max);
	}
	*(unsigned *)value_of(setting, conf) = (unsigned)value;
	return KW_OK;
}

READER(read_number)
{
	uint64_t value;
	const char *at = text;

	(void)directory;
	if (!number_read(&at, &value) || *at != '\0' || value < setting->min ||
		value > setting->max) {
		return conf_fail(why, KW_E_INVALID, "\"%s\" is not a number from %llu to %llu",
			text, (unsigned long long)setting->min, (unsigned long long)setting->max);
	}
	*(unsigned *)value_of(setting, conf) = (unsigned)value;
	return KW_OK;
}

READER(read_size)
{
	uint64_t value;

	(void)directory;
	if (!size_read(text, &value) || value < setting->min || value > setting->max) {
		return conf_fail(why, KW_E_INVALID,
			"\"%s\" is not a size from 16M to 16T; write 64G, 512M, or plain octets",
			text);
	}
	value = (value + MAP_SIZE_ROUND - 1) / MAP_SIZE_ROUND * MAP_SIZE_ROUND;
	*(uint64_t *)value_of(setting, conf) = value;
	return KW_OK;
}

static unsigned cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

READER(read_fronts)
{
	uint64_t value;
	const char *at = text;

	(void)directory;
	if (strcmp(text, "auto") == 0) {
		value = cores() > 1 ? cores() - 1 : 1;
		value = value < setting->max ? value : setting->max;
	} else if (!number_read(&at, &value) || *at != '\0' || value < setting->min ||
		   value > setting->max) {
		return conf_fail(why, KW_E_INVALID,
			"\"%s\" is not a number from %llu to %llu, nor auto", text,
			(unsigned long long)setting->min, (unsigned long long)setting->max);
	}
	conf->server.processes = (unsigned)value;
	return KW_OK;
}

static bool same_address(const struct conf_listen *a, const struct conf_listen *b)
{
	return a->length == b->length && memcmp(&a->address, &b->address, a->length) == 0;
}

READER(read_listen)
{
	size_t count = conf->server.listen_count;
	struct conf_listen listen;
	enum kw_err err;

	(void)setting;
	(void)directory;
	if (count == CONF_LISTEN_MAX) {
		return conf_fail(
			why, KW_E_INVALID, "at most %d addresses are possible", CONF_LISTEN_MAX);
	}
	err = conf_listen_read(text, &listen, why);
	if (err != KW_OK) {
		return err;
	}
	for (size_t i = 0; i < count; i++) {
		if (same_address(&conf->server.listen[i], &listen)) {
			return conf_fail(why, KW_E_INVALID,
				"%s was given before; remove one of the two lines", text);
		}
	}
	conf->server.listen[conf->server.listen_count++] = listen;
	return KW_OK;
}

/* Next word of a list, separated by blanks; its length, 0 at the end. */
static size_t next_word(const char **at)
{
	*at += strspn(*at, " \t");
	return strcspn(*at, " \t");
}

typedef bool (*word_valid)(const char *word);

static bool word_known(char (*list)[CONF_WORD_SIZE], size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i], word) == 0) {
			return true;
		}
	}
	return false;
}

/* Add the words of `text` to a list; a word that is there already is not added again. */
static enum kw_err words_add(const char *text, char (*list)[CONF_WORD_SIZE], size_t size,
	size_t *count, word_valid valid, const char *noun, char why[CONF_WHY_SIZE])
{
	char word[CONF_WORD_SIZE];

	for (size_t length = next_word(&text); length > 0; length = next_word(&text)) {
		if (length >= sizeof(word)) {
			return conf_fail(why, KW_E_INVALID, "a word is longer than %zu characters",
				sizeof(word) - 1);
		}
		memcpy(word, text, length);
		word[length] = '\0';
		text += length;
		if (!valid(word)) {
			return conf_fail(why, KW_E_INVALID, "\"%s\" is not %s", word, noun);
		}
		if (word_known(list, *count, word)) {
			continue;
		}
		if (*count == size) {
			return conf_fail(why, KW_E_INVALID, "at most %zu are possible", size);
		}
		memcpy(list[(*count)++], word, length + 1);
	}
	return KW_OK;
}

static bool url_path_valid(const char *word)
{
	for (const char *c = word; *c != '\0'; c++) {
		if (*c <= ' ' || *c >= 0x7f || strchr("\"#%,<>?\\^`{|}", *c) != NULL) {
			return false;
		}
	}
	return *word == '/';
}

READER(read_url_paths)
{
	(void)setting;
	(void)directory;
	return words_add(text, conf->server.paths, CONF_PATHS_MAX, &conf->server.path_count,
		url_path_valid,
		"a path of a URL; write words that begin with / and are separated by blanks", why);
}

static bool network_valid(const char *word)
{
	struct kw_network network;

	return kw_network_read(word, &network) == KW_OK;
}

READER(read_proxies)
{
	(void)setting;
	(void)directory;
	return words_add(text, conf->server.trusted_proxies, CONF_PROXIES_MAX,
		&conf->server.proxy_count, network_valid,
		"an IPv4 or IPv6 address or network; write the proxies' addresses, as 10.0.0.1, or "
		"networks without further bits, as 10.0.0.0/8, separated by blanks",
		why);
}

/* Named and not looked for: a proxy that sets one of them lets a client's own of another form pass. */
READER(read_proxy_header)
{
	static const char *const known[] = {
		"Client-Cert", "X-SSL-Client-Cert", "X-SSL-Cert", "X-Forwarded-Tls-Client-Cert"};

	(void)setting;
	(void)directory;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(text, known[i]) == 0) {
			strcpy(conf->server.proxy_header, known[i]);
			return KW_OK;
		}
	}
	return conf_fail(why, KW_E_INVALID,
		"%.64s is not a header that is known; write the one that the proxy sets: "
		"Client-Cert "
		"(RFC 9440), X-SSL-Client-Cert or X-SSL-Cert (nginx), X-Forwarded-Tls-Client-Cert "
		"(Traefik)",
		text);
}

static enum kw_err path_join(
	const char *directory, const char *text, char *out, size_t size, char why[CONF_WHY_SIZE])
{
	bool absolute = *text == '/';
	int length = snprintf(out, size, "%s%s%s", absolute ? "" : directory,
		absolute || strcmp(directory, "/") == 0 ? "" : "/", text);

	if (length < 0 || (size_t)length >= size) {
		*out = '\0';
		return conf_fail(
			why, KW_E_INVALID, "the path is longer than %zu characters", size - 1);
	}
	return KW_OK;
}

READER(read_path)
{
	return path_join(directory, text, value_of(setting, conf), CONF_PATH_SIZE, why);
}

READER(read_socket)
{
	enum kw_err err = read_path(setting, text, directory, conf, why);

	if (err == KW_OK && strlen(conf->admin.socket) > SOCKET_PATH_MAX) {
		err = conf_fail(why, KW_E_INVALID,
			"\"%s\" is longer than the %zu characters that the path of a socket may "
			"have",
			conf->admin.socket, SOCKET_PATH_MAX);
		conf->admin.socket[0] = '\0';
	}
	return err;
}

READER(read_master_key)
{
	static const char scheme[] = "file:";
	const size_t skip = sizeof(scheme) - 1;

	(void)setting;
	if (strncmp(text, scheme, skip) != 0 || text[skip] == '\0') {
		return conf_fail(why, KW_E_INVALID,
			"\"%s\" is not a source of the master key; write "
			"file:/etc/keyward/master.key (other sources are not offered by this "
			"version)",
			text);
	}
	strcpy(conf->keystore.master_key, scheme);
	return path_join(directory, text + skip, conf->keystore.master_key + skip,
		sizeof(conf->keystore.master_key) - skip, why);
}

READER(read_level)
{
	(void)setting;
	(void)directory;
	if (!kw_log_level_read(text, &conf->log.level)) {
		return conf_fail(why, KW_E_INVALID,
			"\"%s\" is not a level; write error, warning, notice, info or debug", text);
	}
	return KW_OK;
}

READER(read_format)
{
	(void)setting;
	(void)directory;
	conf->log.json = strcmp(text, "json") == 0;
	if (!conf->log.json && strcmp(text, "text") != 0) {
		return conf_fail(
			why, KW_E_INVALID, "\"%s\" is not a format; write text or json", text);
	}
	return KW_OK;
}

/* What the file may say one day: refused, since to ignore it would leave something open. */
READER(read_unsupported)
{
	(void)setting;
	(void)text;
	(void)directory;
	(void)conf;
	return conf_fail(why, KW_E_INVALID,
		"this is not supported by this version; leave it empty or remove the line");
}

#define AT(member) .offset = offsetof(struct conf, member)

const struct conf_setting conf_settings[] = {
	{"server", "listen", read_listen, .standard = "127.0.0.1:8003", .repeatable = true},
	{"server", "paths", read_url_paths, .standard = "/", .repeatable = true},
	{"server", "processes", read_fronts, .min = 1, .max = FRONTS_MAX, .standard = "1"},
	{"server", "tls_certificate", read_path, AT(server.tls_certificate), .standard = ""},
	{"server", "tls_key", read_path, AT(server.tls_key), .standard = ""},
	{"server", "tls_client_ca", read_path, AT(server.tls_client_ca), .standard = ""},
	{"server", "answer_certificate", read_path, AT(server.answer_certificate), .standard = ""},
	{"server", "answer_key", read_path, AT(server.answer_key), .standard = ""},
	{"server", "answer_ca", read_path, AT(server.answer_ca),
		.standard = "/etc/ssl/certs/ca-certificates.crt", .if_there = true},
	{"server", "trusted_proxies", read_proxies, .standard = "", .repeatable = true},
	{"server", "proxy_header", read_proxy_header, .standard = "Client-Cert"},
	{"server", "connections", read_number, AT(server.connections), .min = 16, .max = 1000000,
		.standard = "16384"},
	{"server", "connections_per_address", read_number, AT(server.connections_per_address),
		.min = 1, .max = 65535, .standard = "1024"},
	{"server", "idle_timeout", read_seconds, AT(server.idle_timeout_s), .min = 1, .max = 3600,
		.standard = "30"},
	{"server", "request_timeout", read_seconds, AT(server.request_timeout_s), .min = 1,
		.max = 3600, .standard = "10"},
	{"keystore", "path", read_path, AT(keystore.path), .standard = "/var/lib/keyward"},
	{"keystore", "master_key", read_master_key, .standard = "file:/etc/keyward/master.key"},
	{"keystore", "map_size", read_size, AT(keystore.map_size), .min = MAP_SIZE_MIN,
		.max = MAP_SIZE_MAX, .standard = "64G"},
	{"join", "repeat_window", read_seconds, AT(join.repeat_window_s), .min = 1, .max = 3600,
		.standard = "10"},
	{"join", "peer_rate", read_number, AT(join.peer_rate), .min = 0, .max = 1000000,
		.standard = "0"},
	{"admin", "socket", read_socket, AT(admin.socket), .standard = "/run/keyward/admin.sock"},
	{"admin", "listen", read_unsupported, .standard = ""},
	{"log", "level", read_level, .standard = "info"},
	{"log", "format", read_format, .standard = "text"},
};

const size_t conf_setting_count = sizeof(conf_settings) / sizeof(conf_settings[0]);
static_assert(sizeof(conf_settings) / sizeof(conf_settings[0]) <= CONF_SETTINGS_MAX, "room");

const struct conf_setting *conf_setting_find(const char *section, const char *name)
{
	for (size_t i = 0; i < conf_setting_count; i++) {
		if (strcmp(conf_settings[i].section, section) == 0 &&
			strcmp(conf_settings[i].name, name) == 0) {
			return &conf_settings[i];
		}
	}
	return NULL;
}

bool conf_section_known(const char *section)
{
	for (size_t i = 0; i < conf_setting_count; i++) {
		if (strcmp(conf_settings[i].section, section) == 0) {
			return true;
		}
	}
	return false;
}

const char *conf_setting_section(const char *name)
{
	for (size_t i = 0; i < conf_setting_count; i++) {
		if (strcmp(conf_settings[i].name, name) == 0) {
			return conf_settings[i].section;
		}
	}
	return NULL;
}
