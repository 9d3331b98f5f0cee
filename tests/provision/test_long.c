/* Files that are read piece by piece. */
#include "provision/row.h"

#include "base/env.h"
#include "base/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define HEAD "join_eui,dev_eui,lorawan_version,app_key,nwk_key,name\n"

struct piece {
	const char *text;
	size_t length;
	size_t at;
	size_t most; /* octets in one read */
};

/* A digest of all that a reader told, in order. */
struct told {
	uint64_t hash;
	size_t rows;
	size_t problems;
	size_t twice;
	uint32_t lines[8]; /* of the first of the latter */
	char first[PR_TEXT_SIZE];
};

static enum kw_err read_piece(void *context, char *out, size_t size, size_t *got)
{
	struct piece *piece = context;
	const size_t left = piece->length - piece->at;

	*got = size < piece->most ? size : piece->most;
	*got = *got < left ? *got : left;
	memcpy(out, piece->text + piece->at, *got);
	piece->at += *got;
	return KW_OK;
}

static void mix(struct told *told, const void *octets, size_t length)
{
	const uint8_t *at = octets;

	for (size_t i = 0; i < length; i++) {
		told->hash = (told->hash ^ at[i]) * UINT64_C(0x100000001b3);
	}
}

static enum kw_err take_row(void *context, const struct pr_row *row)
{
	struct told *told = context;

	told->rows++;
	mix(told, row, sizeof(*row));
	return KW_OK;
}

static enum kw_err take_problem(void *context, const struct pr_problem *problem)
{
	struct told *told = context;

	told->problems++;
	mix(told, &problem->line, sizeof(problem->line));
	mix(told, problem->text, strlen(problem->text));
	return KW_OK;
}

static enum kw_err take_twice(void *context, const struct pr_problem *problem)
{
	struct told *told = context;

	assert_int_equal(problem->err, KW_E_EXISTS);
	if (told->twice == 0) {
		memcpy(told->first, problem->text, sizeof(told->first));
	}
	if (told->twice < sizeof(told->lines) / sizeof(told->lines[0])) {
		told->lines[told->twice] = problem->line;
	}
	told->twice++;
	return KW_OK;
}

static struct pr_sink sink_of(struct told *told)
{
	memset(told, 0, sizeof(*told));
	*told = (struct told){.hash = UINT64_C(0xcbf29ce484222325)};
	return (struct pr_sink){
		.row = take_row, .problem = take_problem, .twice = take_twice, .context = told};
}

static enum kw_err read_long(
	const char *text, size_t length, size_t most, struct told *told, char why[PR_TEXT_SIZE])
{
	struct piece piece = {.text = text, .length = length, .most = most};
	const struct pr_source source = {.read = read_piece, .context = &piece};
	const struct pr_sink sink = sink_of(told);

	return pr_read_from(&source, &sink, why);
}

/* Rows with all that a border of the window could cut: quotes, doubled ones, CRLF inside and out. */
static size_t add_rows(char *out, unsigned number)
{
	return (size_t)sprintf(out,
		"70b3d57ed0000001,%016x,1.0.3,9f1c27e845d06ab3718e52fc0d94b6a1,,\"a "
		"\"\"%u\"\"\r\nb\"\r\n"
		"\r\n,,,,,\r\n"
		"70b3d57ed0000001,%016x,1.1,9f1c27e845d06ab3718e52fc0d94b6a1,"
		"c7052f9e81d64ba30e7af5d1926c38b4,\"%u\"\r"
		"70b3d57ed0000001,%016x,1.0.3,9f1c,, x\n",
		3 * number + 1, number, 3 * number + 2, number, 3 * number + 3);
}

/* Comes to about the end of the first window, with one long line that holds nothing. */
static char *make_file(size_t shift, size_t *length)
{
	char *text = malloc(PR_RECORD_MAX + 8192);
	size_t used = sizeof(HEAD) - 1;

	assert_non_null(text);
	memcpy(text, HEAD, used);
	memset(text + used, ' ', PR_RECORD_MAX - 600 - used + shift);
	used = PR_RECORD_MAX - 600 + shift;
	text[used - 1] = '\n';
	for (unsigned number = 0; number < 8; number++) {
		used += add_rows(text + used, number);
	}
	*length = used;
	return text;
}

/* The length of the long line is all that changes, so all of them tell the same. */
static void a_border_changes_nothing(void **state)
{
	char why[PR_TEXT_SIZE];
	size_t length;
	char *text = make_file(0, &length);
	struct told whole, pieces;
	const struct pr_sink sink = sink_of(&whole);

	(void)state;
	assert_int_equal(pr_read(text, length, &sink, why), KW_OK);
	assert_int_equal(whole.rows, 16);
	assert_int_equal(whole.problems, 8);
	free(text);
	for (size_t shift = 0; shift < 330; shift++) {
		text = make_file(shift, &length);
		assert_int_equal(read_long(text, length, 64 * 1024 + 1, &pieces, why), KW_OK);
		assert_memory_equal(&whole, &pieces, sizeof(whole));
		free(text);
	}
}

static void small_reads_are_enough(void **state)
{
	static const char row[] = "70b3d57ed0000001,0004a30b00000001,1.0.3,"
				  "9f1c27e845d06ab3718e52fc0d94b6a1,,x";
	char text[256], why[PR_TEXT_SIZE];
	const size_t length = (size_t)snprintf(text, sizeof(text), HEAD "%s", row);
	struct told told;

	(void)state;
	assert_int_equal(read_long(text, length, 1, &told, why), KW_OK);
	assert_int_equal(told.rows, 1);
	assert_int_equal(read_long("", 0, 1, &told, why), KW_E_SYNTAX);
	assert_string_equal(why, "the file is empty");
	assert_int_equal(read_long("{\"dev_eui\": ", 12, 5, &told, why), KW_E_SYNTAX);
	assert_int_equal(read_long("\xff\xfej", 3, 1, &told, why), KW_E_SYNTAX);
	assert_non_null(strstr(why, "UTF-16"));
}

static void a_record_has_an_end(void **state)
{
	const size_t length = 3 * PR_RECORD_MAX;
	char *text = malloc(length);
	char why[PR_TEXT_SIZE];
	struct told told;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', length);
	memcpy(text, HEAD, sizeof(HEAD) - 1);
	memcpy(text + 100, "70b3d57ed0000001,\"", 18);
	memset(text + 118, 'x', length - 118);
	assert_int_equal(read_long(text, length, SIZE_MAX, &told, why), KW_E_SYNTAX);
	assert_non_null(strstr(why, "record of more than 1 MiB begins here"));
	memset(text, 'h', length);
	assert_int_equal(read_long(text, length, SIZE_MAX, &told, why), KW_E_SYNTAX);
	/* A NUL far behind is found when it is reached. */
	memset(text, '\n', length);
	memcpy(text, HEAD, sizeof(HEAD) - 1);
	text[length - 1] = '\0';
	assert_int_equal(read_long(text, length, SIZE_MAX, &told, why), KW_E_SYNTAX);
	assert_non_null(strstr(why, "NUL"));
	free(text);
}

/* JSON is longer than the window. */
static void json_is_read_whole(void **state)
{
	static const char object[] = "{\"join_eui\": \"70b3d57ed0000001\", "
				     "\"dev_eui\": \"%016x\", \"lorawan_version\": \"1.0.3\", "
				     "\"app_key\": \"9f1c27e845d06ab3718e52fc0d94b6a1\"}\n";
	const size_t count = 10000;
	char *text = malloc(count * 160);
	char why[PR_TEXT_SIZE];
	struct told told;
	size_t used = 0;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < count; i++) {
		used += (size_t)sprintf(text + used, object, i + 1);
	}
	assert_true(used > PR_RECORD_MAX);
	assert_int_equal(read_long(text, used, 100000, &told, why), KW_OK);
	assert_int_equal(told.rows, count);
	free(text);
}

/* Made on the way, so that it need not be in memory. */
struct maker {
	size_t count;
	size_t next;
	uint32_t (*number)(size_t index);
	char line[128];
	size_t length, taken;
};

static enum kw_err make(void *context, char *out, size_t size, size_t *got)
{
	struct maker *maker = context;

	if (maker->taken == maker->length && maker->next <= maker->count) {
		maker->length = (size_t)snprintf(maker->line, sizeof(maker->line),
			maker->next == 0 ? HEAD
					 : "70b3d57ed0000001,%016x,1.0.3,"
					   "9f1c27e845d06ab3718e52fc0d94b6a1,,\n",
			maker->next == 0 ? 0 : maker->number(maker->next));
		maker->taken = 0;
		maker->next++;
	}
	*got = maker->length - maker->taken < size ? maker->length - maker->taken : size;
	memcpy(out, maker->line + maker->taken, *got);
	maker->taken += *got;
	return KW_OK;
}

static enum kw_err take_quietly(void *context, const struct pr_row *row)
{
	struct told *told = context;

	(void)row;
	told->rows++;
	return KW_OK;
}

static void read_made(size_t count, uint32_t (*number)(size_t index), struct told *told)
{
	struct maker maker = {.count = count, .number = number};
	const struct pr_source source = {.read = make, .context = &maker};
	struct pr_sink sink = sink_of(told);
	char why[PR_TEXT_SIZE];

	sink.row = take_quietly;
	assert_int_equal(pr_read_from(&source, &sink, why), KW_OK);
}

#define MANY (PR_SEEN_MAX + 100)

/* An odd factor: a permutation without order. */
static uint32_t scattered(size_t index)
{
	return (uint32_t)index * UINT32_C(2654435761);
}

static uint32_t three_times(size_t index)
{
	return index == PR_SEEN_MAX + 50 || index == MANY - 1 ? scattered(7) : scattered(index);
}

static void what_stands_twice_is_found_however_far(void **state)
{
	struct told told;

	(void)state;
	read_made(MANY, three_times, &told);
	assert_int_equal(told.rows, MANY - 1);
	/* The last two are near each other. */
	assert_int_equal(told.problems, 1);
	assert_int_equal(told.twice, 1);
	assert_int_equal(told.lines[0], PR_SEEN_MAX + 51);
	assert_non_null(strstr(told.first, "is on line 8 already; remove one of the two"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_border_changes_nothing),
		cmocka_unit_test(small_reads_are_enough),
		cmocka_unit_test(a_record_has_an_end),
		cmocka_unit_test(json_is_read_whole),
		cmocka_unit_test(what_stands_twice_is_found_however_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
