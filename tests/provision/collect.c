#include "tests/provision/collect.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define PIECE 4

static enum kw_err take_row(void *context, const struct pr_row *row)
{
	struct collected *collected = context;

	assert_true(collected->row_count < COLLECT_MAX);
	collected->rows[collected->row_count++] = *row;
	return KW_OK;
}

static enum kw_err take_problem(void *context, const struct pr_problem *problem)
{
	struct collected *collected = context;

	assert_true(collected->problem_count < COLLECT_MAX);
	collected->problems[collected->problem_count++] = *problem;
	return KW_OK;
}

static void take_notice(void *context, const char *text)
{
	struct collected *collected = context;

	assert_true(collected->notice_count < COLLECT_MAX);
	assert_true(strlen(text) < PR_TEXT_SIZE);
	strcpy(collected->notices[collected->notice_count++], text);
}

void collect(struct collected *out, const char *text, size_t length)
{
	const struct pr_sink sink = {
		.row = take_row, .problem = take_problem, .notice = take_notice, .context = out};
	char *copy = malloc(length == 0 ? 1 : length);

	assert_non_null(copy);
	memset(out, 0, sizeof(*out));
	memcpy(copy, text, length);
	out->err = pr_read(copy, length, &sink, out->why);
	assert_memory_equal(copy, text, length);
	free(copy);
}

void collect_text(struct collected *out, const char *text)
{
	collect(out, text, strlen(text));
}

bool has_notice(const struct collected *collected, const char *text)
{
	for (size_t i = 0; i < collected->notice_count; i++) {
		if (strcmp(collected->notices[i], text) == 0) {
			return true;
		}
	}
	return false;
}

void assert_problem(
	const struct collected *collected, uint32_t line, enum kw_err err, const char *words)
{
	assert_int_equal(collected->err, KW_OK);
	assert_int_equal(collected->problem_count, 1);
	assert_int_equal(collected->problems[0].line, line);
	if (strstr(collected->problems[0].text, words) == NULL) {
		fail_msg("\"%s\" is not in \"%s\"", words, collected->problems[0].text);
	}
	assert_int_equal(collected->problems[0].err, err);
}

static void assert_text_silent(const char *text, const char *secret)
{
	const size_t length = strlen(secret);

	for (size_t i = 0; i + PIECE <= length; i++) {
		char piece[PIECE + 1] = "";

		memcpy(piece, secret + i, PIECE);
		if (strcasestr(text, piece) != NULL) {
			fail_msg("\"%s\" tells a part of a key", text);
		}
	}
}

void assert_not_told(const struct collected *collected, const char *secret)
{
	assert_text_silent(collected->why, secret);
	for (size_t i = 0; i < collected->problem_count; i++) {
		assert_text_silent(collected->problems[i].text, secret);
	}
	for (size_t i = 0; i < collected->notice_count; i++) {
		assert_text_silent(collected->notices[i], secret);
	}
}
