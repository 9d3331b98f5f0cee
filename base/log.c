#include "base/log.h"

#include "base/env.h"
#include "base/hex.h"
#include "base/utf8.h"

#include <stdio.h>
#include <unistd.h>

#define LINE_SIZE 2048

static struct {
	enum kw_log_level level;
	bool json;
} setup = {KW_LOG_INFO, false};

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

void kw_log_setup(enum kw_log_level level, bool json)
{
	setup.level = level;
	setup.json = json;
}

bool kw_log_enabled(enum kw_log_level level)
{
	return level <= setup.level;
}

bool kw_log_level_read(const char *text, enum kw_log_level *level)
{
	for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum kw_log_level)i;
			return true;
		}
	}
	return false;
}

const char *kw_log_level_text(enum kw_log_level level)
{
	return level_names[level];
}

struct line {
	char text[LINE_SIZE];
	size_t used;
};

static void put(struct line *line, char c)
{
	/* Room is kept for the end of the line. */
	if (line->used < sizeof(line->text) - 4) {
		line->text[line->used++] = c;
	}
}

static void put_text(struct line *line, const char *text)
{
	while (*text != '\0') {
		put(line, *text++);
	}
}

/* Quote what a peer may have chosen: no control character and no broken UTF-8 reaches the log. */
static void put_quoted(struct line *line, const char *text)
{
	put(line, '"');
	while (*text != '\0') {
		unsigned char c = (unsigned char)*text;
		size_t length = 1;

		if (c == '"' || c == '\\') {
			put(line, '\\');
			put(line, (char)c);
		} else if (c < 0x20 || c == 0x7f) {
			char escape[8];

			snprintf(escape, sizeof(escape), "\\u%04x", c);
			put_text(line, escape);
		} else if (c < 0x80) {
			put(line, (char)c);
		} else {
			length = kw_utf8_length((const unsigned char *)text);
			for (size_t i = 0; i < length; i++) {
				put(line, text[i]);
			}
			if (length == 0) {
				put_text(line, "\\ufffd");
				length = 1;
			}
		}
		text += length;
	}
	put(line, '"');
}

static bool plain_word(const char *text)
{
	if (*text == '\0') {
		return false;
	}
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=') {
			return false;
		}
	}
	return true;
}

static void put_value(struct line *line, const struct kw_field *field, bool json)
{
	char text[64];

	switch (field->type) {
	case KW_FIELD_NUMBER:
		snprintf(text, sizeof(text), "%lld", (long long)field->number);
		put_text(line, text);
		return;
	case KW_FIELD_ID:
		kw_hex_write(text, field->id, field->id_length > 8 ? 8 : field->id_length);
		break;
	case KW_FIELD_STRING:
		if (json || !plain_word(field->string)) {
			put_quoted(line, field->string);
		} else {
			put_text(line, field->string);
		}
		return;
	}
	if (json) {
		put_quoted(line, text);
	} else {
		put_text(line, text);
	}
}

static void format_text(struct line *line, const char *time, enum kw_log_level level,
	const char *subsystem, const char *words, const struct kw_field *fields)
{
	put_text(line, time);
	put(line, ' ');
	put_text(line, level_names[level]);
	put(line, ' ');
	put_text(line, subsystem);
	put_text(line, ": ");
	put_text(line, words);
	for (; fields->key != NULL; fields++) {
		put(line, ' ');
		put_text(line, fields->key);
		put(line, '=');
		put_value(line, fields, false);
	}
}

static void format_json(struct line *line, const char *time, enum kw_log_level level,
	const char *subsystem, const char *words, const struct kw_field *fields)
{
	put_text(line, "{\"time\":");
	put_quoted(line, time);
	put_text(line, ",\"level\":");
	put_quoted(line, level_names[level]);
	put_text(line, ",\"subsystem\":");
	put_quoted(line, subsystem);
	put_text(line, ",\"message\":");
	put_quoted(line, words);
	for (; fields->key != NULL; fields++) {
		size_t before = line->used;

		put(line, ',');
		put_quoted(line, fields->key);
		put(line, ':');
		put_value(line, fields, true);
		if (line->used >= sizeof(line->text) - 4) {
			line->used = before; /* a field that does not fit is left out whole */
			break;
		}
	}
	line->text[line->used++] = '}';
}

void kw_log_fields(enum kw_log_level level, const char *subsystem, const char *words,
	const struct kw_field *fields)
{
	struct line line = {.used = 0};
	char time[KW_TIME_TEXT_SIZE];
	ssize_t written;

	if (!kw_log_enabled(level)) {
		return;
	}
	kw_time_text(kw_now_ms(&kw_env_system), time);
	if (setup.json) {
		format_json(&line, time, level, subsystem, words, fields);
	} else {
		format_text(&line, time, level, subsystem, words, fields);
	}
	line.text[line.used++] = '\n';
	/* One write per line: lines of several processes do not mix. */
	written = write(STDERR_FILENO, line.text, line.used);
	(void)written;
}
