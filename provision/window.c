#include "provision/window.h"

#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* UTF-16 is full of NUL octets too; its first ones tell it. */
static enum kw_err check_start(const char *text, size_t length, char why[PR_TEXT_SIZE])
{
	if (length >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
		snprintf(why, PR_TEXT_SIZE, "the file is UTF-16; save it as \"CSV UTF-8\"");
		return KW_E_SYNTAX;
	}
	return KW_OK;
}

static enum kw_err check_text(const char *text, size_t length, char why[PR_TEXT_SIZE])
{
	if (length > 0 && memchr(text, '\0', length) != NULL) {
		snprintf(why, PR_TEXT_SIZE, "not a text file: it holds NUL octets");
		return KW_E_SYNTAX;
	}
	return KW_OK;
}

enum kw_err pr_window_of(
	struct pr_window *window, const char *text, size_t length, char why[PR_TEXT_SIZE])
{
	enum kw_err err = check_start(text, length, why);

	*window = (struct pr_window){.at = text, .end = text + length, .last = true};
	return err == KW_OK ? check_text(text, length, why) : err;
}

/* Behind what is there; *got is how much. */
static enum kw_err fill(struct pr_window *window, size_t *got)
{
	const size_t kept = (size_t)(window->end - window->at);
	size_t used = kept;

	*got = 0;
	while (used < window->size && !window->last) {
		size_t piece = 0;
		enum kw_err err = window->source->read(window->source->context,
			window->buffer + used, window->size - used, &piece);

		if (err != KW_OK) {
			return err;
		}
		window->last = piece == 0;
		used += piece;
	}
	window->at = window->buffer;
	window->end = window->buffer + used;
	*got = used - kept;
	return *got == 0 && !window->last ? KW_E_TOO_LONG : KW_OK;
}

enum kw_err pr_window_more(struct pr_window *window, char why[PR_TEXT_SIZE])
{
	const size_t kept = (size_t)(window->end - window->at);
	size_t got;
	enum kw_err err;

	memmove(window->buffer, window->at, kept);
	window->at = window->buffer;
	window->end = window->buffer + kept;
	err = fill(window, &got);
	return err == KW_OK ? check_text(window->end - got, got, why) : err;
}

enum kw_err pr_window_open(
	struct pr_window *window, const struct pr_source *source, char why[PR_TEXT_SIZE])
{
	size_t got;
	enum kw_err err;

	*window = (struct pr_window){.source = source, .size = PR_RECORD_MAX};
	window->buffer = malloc(window->size);
	if (window->buffer == NULL) {
		return KW_E_NO_MEMORY;
	}
	window->at = window->buffer;
	window->end = window->buffer;
	err = fill(window, &got);
	if (err == KW_OK) {
		err = check_start(window->at, got, why);
	}
	return err == KW_OK ? check_text(window->at, got, why) : err;
}

/* realloc() would leave keys behind. */
static enum kw_err grow(struct pr_window *window)
{
	const size_t size = 2 * window->size;
	const size_t used = (size_t)(window->end - window->at);
	char *larger = size > 2 * PR_JSON_MAX ? NULL : malloc(size);

	if (larger == NULL) {
		return size > 2 * PR_JSON_MAX ? KW_E_TOO_LONG : KW_E_NO_MEMORY;
	}
	memcpy(larger, window->at, used);
	kw_wipe(window->buffer, window->size);
	free(window->buffer);
	window->buffer = larger;
	window->size = size;
	window->at = larger;
	window->end = larger + used;
	return KW_OK;
}

enum kw_err pr_window_rest(struct pr_window *window, char why[PR_TEXT_SIZE])
{
	enum kw_err err = KW_OK;

	while (err == KW_OK && !window->last) {
		err = grow(window);
		if (err == KW_OK) {
			err = pr_window_more(window, why);
		}
	}
	return err == KW_OK && (size_t)(window->end - window->at) > PR_JSON_MAX ? KW_E_TOO_LONG
										: err;
}

void pr_window_finish(struct pr_window *window)
{
	if (window->buffer != NULL) {
		kw_wipe(window->buffer, window->size);
		free(window->buffer);
	}
	memset(window, 0, sizeof(*window));
}
