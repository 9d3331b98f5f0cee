#include "conf/conf.h"

#include "conf/setting.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 65536

struct parse {
	const char *name;
	const char *directory;
	const char *at;
	const char *end;
	unsigned line;
	char section[64];
	unsigned seen[CONF_SETTINGS_MAX]; /* by row: line, 0 = not given */
	unsigned listen_lines[CONF_LISTEN_MAX];
	struct conf *conf;
	enum kw_err err; /* of the first failure; the rest is not looked at */
	unsigned err_line;
	char *why;
};

static void fail(struct parse *parse, unsigned line, enum kw_err err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void fail(struct parse *parse, unsigned line, enum kw_err err, const char *format, ...)
{
	va_list args;
	int used;

	if (parse->err != KW_OK) {
		return;
	}
	parse->err = err;
	parse->err_line = line;
	used = snprintf(parse->why, CONF_WHY_SIZE, "%s:%u: ", parse->name, line);
	if (used > 0 && used < CONF_WHY_SIZE) {
		va_start(args, format);
		vsnprintf(parse->why + used, CONF_WHY_SIZE - (size_t)used, format, args);
		va_end(args);
	}
}

static void section_enter(struct parse *parse, const char *name, size_t length)
{
	const char *near;

	if (length >= sizeof(parse->section)) {
		fail(parse, parse->line, KW_E_SYNTAX, "there is no section of such a long name");
		return;
	}
	memcpy(parse->section, name, length);
	parse->section[length] = '\0';
	if (conf_section_known(parse->section)) {
		return;
	}
	near = conf_section_near(parse->section);
	if (near != NULL) {
		fail(parse, parse->line, KW_E_SYNTAX,
			"there is no section [%s]; did you mean [%s]?", parse->section, near);
	} else {
		fail(parse, parse->line, KW_E_SYNTAX,
			"there is no section [%s]; see keyward.conf(5) for those there are",
			parse->section);
	}
}

/* The library tells of a section only with its first key, and skips what stands behind the "]". */
static void section_line(struct parse *parse, const char *text)
{
	const char *close = strchr(text, ']');
	const char *rest;

	if (close == NULL) {
		fail(parse, parse->line, KW_E_SYNTAX, "a section ends with \"]\": %s", text);
		return;
	}
	rest = close + 1 + strspn(close + 1, " \t");
	if (*rest != '\0' && *rest != ';') {
		fail(parse, parse->line, KW_E_SYNTAX,
			"\"%s\" behind the section; write it on a line of its own", rest);
		return;
	}
	section_enter(parse, text + 1, (size_t)(close - text - 1));
}

static bool line_clean(struct parse *parse, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			fail(parse, parse->line, KW_E_SYNTAX,
				"a control character (0x%02x) at column %zu; this is not a text "
				"file "
				"as expected",
				c, i + 1);
			return false;
		}
	}
	return true;
}

/* Take the next line from the text, without its end and the blanks in front. */
static const char *line_take(struct parse *parse, size_t *length)
{
	const char *start = parse->at;
	const char *end = memchr(start, '\n', (size_t)(parse->end - start));

	parse->line++;
	parse->at = end != NULL ? end + 1 : parse->end;
	end = end != NULL ? end : parse->end;
	if (end > start && end[-1] == '\r') {
		end--;
	}
	if (!line_clean(parse, start, (size_t)(end - start))) {
		return NULL;
	}
	while (start < end && (*start == ' ' || *start == '\t')) {
		start++;
	}
	*length = (size_t)(end - start);
	return start;
}

/*
 * Hands the library one line at a time, so that the line of every error is known. Without blanks
 * in front a line never goes on the value of the line before it, however the library was built.
 */
static char *next_line(char *out, int size, void *stream)
{
	static const char bom[] = "\xef\xbb\xbf";
	struct parse *parse = stream;
	const char *text;
	size_t length;

	if (parse->err != KW_OK || parse->at == parse->end) {
		return NULL;
	}
	text = line_take(parse, &length);
	if (text == NULL) {
		return NULL;
	}
	if (parse->line == 1 && length >= 3 && memcmp(text, bom, 3) == 0) {
		text += 3;
		length -= 3;
	}
	if (length > 0 && (*text == ';' || *text == '#')) {
		length = 0;
	}
	if (length >= (size_t)size) {
		fail(parse, parse->line, KW_E_SYNTAX,
			"the line is longer than %d characters; put its comment on a line of its "
			"own, "
			"or give a list in several lines of the same key",
			size - 1);
		return NULL;
	}
	memcpy(out, text, length);
	out[length] = '\0';
	if (*out == '[') {
		section_line(parse, out);
		return parse->err == KW_OK ? out : NULL;
	}
	return out;
}

static void unknown_key(struct parse *parse, const char *name)
{
	const char *near = conf_setting_near(parse->section, name);
	const char *elsewhere = conf_setting_section(name);

	if (elsewhere != NULL) {
		fail(parse, parse->line, KW_E_SYNTAX,
			"%s is not a key of [%s]; it stands in section [%s]", name, parse->section,
			elsewhere);
	} else if (near != NULL) {
		fail(parse, parse->line, KW_E_SYNTAX,
			"there is no key %s in [%s]; did you mean %s?", name, parse->section, near);
	} else {
		fail(parse, parse->line, KW_E_SYNTAX,
			"there is no key %s in [%s]; see keyward.conf(5) for those there are", name,
			parse->section);
	}
}

static void value_read(struct parse *parse, const struct conf_setting *setting, const char *text)
{
	unsigned *seen = &parse->seen[setting - conf_settings];
	size_t listeners = parse->conf->server.listen_count;
	char why[CONF_WHY_SIZE] = "";
	enum kw_err err;

	if (*seen != 0 && !setting->repeatable) {
		fail(parse, parse->line, KW_E_SYNTAX,
			"%s was given in line %u already; remove one of the two", setting->name,
			*seen);
		return;
	}
	if (*text == '"' || *text == '\'') {
		fail(parse, parse->line, KW_E_SYNTAX, "%s: write the value without quotation marks",
			setting->name);
		return;
	}
	*seen = parse->line;
	err = setting->read(setting, text, parse->directory, parse->conf, why);
	if (err != KW_OK) {
		fail(parse, parse->line, err, "%s: %s", setting->name, why);
	} else if (parse->conf->server.listen_count > listeners) {
		parse->listen_lines[listeners] = parse->line;
	}
}

static int key_handler(void *user, const char *section, const char *name, const char *value)
{
	struct parse *parse = user;
	const struct conf_setting *setting = conf_setting_find(parse->section, name);

	(void)section; /* the library cuts long ones */
	if (parse->err != KW_OK) {
		return 0;
	}
	if (parse->section[0] == '\0') {
		fail(parse, parse->line, KW_E_SYNTAX,
			"%s stands before any section; write a line such as [server] above it",
			name);
	} else if (setting == NULL) {
		unknown_key(parse, name);
	} else if (value != NULL && *value != '\0') {
		value_read(parse, setting, value);
	} else if (parse->seen[setting - conf_settings] != 0 && !setting->repeatable) {
		fail(parse, parse->line, KW_E_SYNTAX,
			"%s is empty, but was given in line %u; remove one of the two", name,
			parse->seen[setting - conf_settings]);
	} else if (setting->if_there) {
		*((char *)parse->conf + setting->offset) = '\0';
	}
	return parse->err == KW_OK;
}

static unsigned line_of(const struct parse *parse, const char *section, const char *name)
{
	return parse->seen[conf_setting_find(section, name) - conf_settings];
}

/* A certificate without its key, or the other way round. */
static void check_pair(struct parse *parse, const char *certificate, const char *key,
	bool has_certificate, bool has_key, const char *neither)
{
	if (has_certificate != has_key) {
		const char *given = has_certificate ? certificate : key;

		fail(parse, line_of(parse, "server", given), KW_E_INVALID,
			"%s needs %s too; give both, or none for %s", given,
			has_certificate ? key : certificate, neither);
	}
}

static void check_client_ca(struct parse *parse)
{
	const struct conf *conf = parse->conf;

	if (conf->server.tls_client_ca[0] != '\0' && conf->server.tls_certificate[0] == '\0' &&
		conf->server.proxy_count == 0) {
		fail(parse, line_of(parse, "server", "tls_client_ca"), KW_E_INVALID,
			"tls_client_ca needs TLS, without which no client shows a certificate; "
			"give tls_certificate and tls_key, or name the TLS proxy in front in "
			"trusted_proxies");
	}
}

/* What no line alone can tell. */
static void check_whole(struct parse *parse)
{
	const struct conf *conf = parse->conf;
	bool certificate = conf->server.tls_certificate[0] != '\0';

	check_pair(parse, "tls_certificate", "tls_key", certificate,
		conf->server.tls_key[0] != '\0', "plain HTTP");
	check_pair(parse, "answer_certificate", "answer_key",
		conf->server.answer_certificate[0] != '\0', conf->server.answer_key[0] != '\0',
		"answers without a client certificate");
	check_client_ca(parse);
	for (size_t i = 0; i < conf->server.listen_count; i++) {
		if (!certificate && !conf->server.listen[i].loopback &&
			conf->server.proxy_count == 0) {
			fail(parse, parse->listen_lines[i], KW_E_INVALID,
				"listen: %s is not a loopback address and TLS is off: session keys "
				"and "
				"tokens would cross the network in clear; give tls_certificate and "
				"tls_key, listen on 127.0.0.1, or name the TLS proxy in front in "
				"trusted_proxies",
				conf->server.listen[i].text);
		}
	}
}

static void set_default(const char *section, const char *name, struct conf *conf)
{
	const struct conf_setting *setting = conf_setting_find(section, name);
	char why[CONF_WHY_SIZE];

	if (setting->if_there && access(setting->standard, R_OK) != 0) {
		return;
	}
	if (setting->standard[0] != '\0' &&
		setting->read(setting, setting->standard, "/", conf, why) != KW_OK) {
		abort(); /* the table contradicts itself */
	}
}

void conf_init(struct conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	for (size_t i = 0; i < conf_setting_count; i++) {
		set_default(conf_settings[i].section, conf_settings[i].name, conf);
	}
}

enum kw_err conf_read_text(const char *name, const char *directory, const char *text, size_t length,
	struct conf *conf, char why[CONF_WHY_SIZE])
{
	struct parse parse = {
		.name = name,
		.directory = directory,
		.at = text,
		.end = text + length,
		.conf = conf,
		.why = why,
	};
	int bad_line;

	*why = '\0';
	conf_init(conf);
	conf->server.listen_count = 0;
	bad_line = ini_parse_stream(next_line, &parse, key_handler, &parse);
	if (bad_line != 0 && (parse.err == KW_OK || (unsigned)bad_line < parse.err_line)) {
		parse.err = KW_OK; /* the library goes on behind a line that it cannot read */
		fail(&parse, bad_line > 0 ? (unsigned)bad_line : parse.line, KW_E_SYNTAX,
			"this is neither a [section], nor \"key = value\", nor a comment");
	}
	if (conf->server.listen_count == 0) {
		set_default("server", "listen", conf);
	}
	check_whole(&parse);
	if (parse.err != KW_OK) {
		conf_init(conf);
	}
	return parse.err;
}

/* Read all of a file, up to FILE_MAX octets. */
static enum kw_err slurp(const char *path, char *buffer, size_t *length, char *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 1;

	*length = 0;
	while (got > 0 && *length <= FILE_MAX) {
		got = read(fd, buffer + *length, FILE_MAX + 1 - *length);
		*length += got > 0 ? (size_t)got : 0;
	}
	if (got < 0) {
		conf_fail(why, KW_E_NOT_FOUND,
			"%s: cannot read the configuration: %s; another one is chosen with -c",
			path, strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
	}
	if (got >= 0 && *length > FILE_MAX) {
		return conf_fail(why, KW_E_INVALID,
			"%s:1: the file is larger than %d octets; is it the right one?", path,
			FILE_MAX);
	}
	return got < 0 ? KW_E_NOT_FOUND : KW_OK;
}

/* The directory of a file, absolute. */
static bool directory_of(const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	char part[PATH_MAX];

	if (slash == NULL) {
		return realpath(".", out) != NULL;
	}
	if ((size_t)(slash - path) >= sizeof(part)) {
		return false;
	}
	memcpy(part, path, (size_t)(slash - path));
	part[slash - path] = '\0';
	return realpath(slash == path ? "/" : part, out) != NULL;
}

enum kw_err conf_read(const char *path, struct conf *conf, char why[CONF_WHY_SIZE])
{
	char directory[PATH_MAX];
	char *buffer = malloc(FILE_MAX + 1);
	size_t length;
	enum kw_err err;

	conf_init(conf);
	if (buffer == NULL) {
		return conf_fail(why, KW_E_NO_MEMORY, "%s: not enough memory", path);
	}
	err = slurp(path, buffer, &length, why);
	if (err == KW_OK && !directory_of(path, directory)) {
		err = conf_fail(why, KW_E_NOT_FOUND, "%s: cannot tell its directory: %s", path,
			strerror(errno));
	}
	if (err == KW_OK) {
		err = conf_read_text(path, directory, buffer, length, conf, why);
	}
	free(buffer);
	return err;
}
