#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_SIZE 2048
#define TIME_LENGTH   24

static char line[8192];
static int saved_stderr = -1;
static int pipe_out = -1;

static void capture_start(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	pipe_out = ends[0];
}

/* What was written meanwhile, in `line`; one line and no more unless it is empty. */
static const char *capture_end(void)
{
	size_t used = 0;
	ssize_t got;

	assert_int_equal(dup2(saved_stderr, STDERR_FILENO), STDERR_FILENO);
	close(saved_stderr);
	while ((got = read(pipe_out, line + used, sizeof(line) - 1 - used)) > 0) {
		used += (size_t)got;
	}
	close(pipe_out);
	line[used] = '\0';
	assert_int_equal(strlen(line), used);
	if (used > 0) {
		assert_ptr_equal(strchr(line, '\n'), line + used - 1);
		line[used - 1] = '\0';
	}
	return line;
}

/* The line behind the time, which differs. */
static const char *text_line(void)
{
	const char *text = capture_end();

	assert_true(strlen(text) > TIME_LENGTH);
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[TIME_LENGTH - 1], 'Z');
	assert_int_equal(text[TIME_LENGTH], ' ');
	return text + TIME_LENGTH + 1;
}

static json_t *json_line(void)
{
	json_error_t error;
	const char *text = capture_end();
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (object == NULL) {
		fail_msg("%s: %s", error.text, text);
	}
	return object;
}

static const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	assert_non_null(text);
	return text;
}

static void writes_fields_as_text(void **state)
{
	static const uint8_t eui[8] = {0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0x00, 0x12, 0x34};
	static const uint8_t net_id[3] = {0x60, 0x05, 0x0a};

	(void)state;
	kw_log_setup(KW_LOG_INFO, false);
	capture_start();
	kw_log(KW_LOG_INFO, "join", "request answered", KW_EUI("dev_eui", eui),
		KW_NET_ID("sender", net_id), KW_STR("result", "Success"), KW_NUM("took_us", -12));
	assert_string_equal(text_line(), "info join: request answered dev_eui=70b3d57ed0001234 "
					 "sender=60050a result=Success took_us=-12");
}

static void writes_events_without_fields(void **state)
{
	(void)state;
	kw_log_setup(KW_LOG_INFO, false);
	capture_start();
	kw_log(KW_LOG_ERROR, "store", "disk full");
	assert_string_equal(text_line(), "error store: disk full");
	kw_log_setup(KW_LOG_INFO, true);
	capture_start();
	kw_log(KW_LOG_ERROR, "store", "disk full");
	json_decref(json_line());
}

static void writes_fields_as_json(void **state)
{
	static const uint8_t eui[8] = {0, 4, 0xa3, 0x0b, 0, 0x1c, 5, 0x30};
	json_t *object;

	(void)state;
	kw_log_setup(KW_LOG_INFO, true);
	capture_start();
	kw_log(KW_LOG_WARNING, "join", "request refused", KW_EUI("dev_eui", eui),
		KW_STR("result", "MICFailed"), KW_NUM("took_us", INT64_MIN), KW_STR("plain", ""));
	object = json_line();
	assert_int_equal(json_object_size(object), 8);
	assert_int_equal(strlen(json_text(object, "time")), TIME_LENGTH);
	assert_string_equal(json_text(object, "level"), "warning");
	assert_string_equal(json_text(object, "subsystem"), "join");
	assert_string_equal(json_text(object, "message"), "request refused");
	assert_string_equal(json_text(object, "dev_eui"), "0004a30b001c0530");
	assert_string_equal(json_text(object, "result"), "MICFailed");
	assert_string_equal(json_text(object, "plain"), "");
	assert_true(json_integer_value(json_object_get(object, "took_us")) == INT64_MIN);
	json_decref(object);
}

static void keeps_levels_apart(void **state)
{
	(void)state;
	for (int set = KW_LOG_ERROR; set <= KW_LOG_DEBUG; set++) {
		kw_log_setup((enum kw_log_level)set, false);
		for (int level = KW_LOG_ERROR; level <= KW_LOG_DEBUG; level++) {
			assert_int_equal(kw_log_enabled((enum kw_log_level)level), level <= set);
			capture_start();
			kw_log((enum kw_log_level)level, "test", "event");
			assert_int_equal(*capture_end() != '\0', level <= set);
		}
	}
}

static void levels_have_names(void **state)
{
	static const char *const wrong[] = {"", "Error", "err", "warn", "info ", "trace", "debug1"};
	enum kw_log_level level;

	(void)state;
	for (int i = KW_LOG_ERROR; i <= KW_LOG_DEBUG; i++) {
		assert_true(kw_log_level_read(kw_log_level_text((enum kw_log_level)i), &level));
		assert_int_equal(level, i);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(kw_log_level_read(wrong[i], &level));
	}
}

/* A peer must not be able to forge a line or a field, nor send a terminal its commands. */
static void quotes_what_a_peer_may_send(void **state)
{
	static const struct {
		const char *value;
		const char *text;
	} cases[] = {
		{"plain", "v=plain"},
		{"", "v=\"\""},
		{"two words", "v=\"two words\""},
		{"a=b", "v=\"a=b\""},
		{"\"", "v=\"\\\"\""},
		{"back\\slash", "v=\"back\\\\slash\""},
		{"a\nerror store: forged", "v=\"a\\u000aerror store: forged\""},
		{"\r\t", "v=\"\\u000d\\u0009\""},
		{"\x1b[2J", "v=\"\\u001b[2J\""},
		{"\x7f", "v=\"\\u007f\""},
	};

	(void)state;
	kw_log_setup(KW_LOG_INFO, false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		capture_start();
		kw_log(KW_LOG_INFO, "test", "event", KW_STR("v", cases[i].value));
		assert_string_equal(text_line() + strlen("info test: event "), cases[i].text);
	}
}

static void every_ascii_character_survives_json(void **state)
{
	char value[128];
	json_t *object;

	(void)state;
	for (unsigned i = 0; i < 127; i++) {
		value[i] = (char)(i + 1);
	}
	value[127] = '\0';
	kw_log_setup(KW_LOG_INFO, true);
	capture_start();
	kw_log(KW_LOG_INFO, "test", "event", KW_STR("v", value),
		KW_STR("utf8", "\xc3\xa4\xe2\x82\xac"));
	object = json_line();
	assert_string_equal(json_text(object, "v"), value);
	assert_string_equal(json_text(object, "utf8"), "\xc3\xa4\xe2\x82\xac");
	json_decref(object);
}

static void long_lines_are_cut(void **state)
{
	char value[2 * LINE_MAX_SIZE];

	(void)state;
	for (size_t length = 0; length < sizeof(value); length += 97) {
		memset(value, 'v', length);
		value[length] = '\0';
		kw_log_setup(KW_LOG_INFO, false);
		capture_start();
		kw_log(KW_LOG_INFO, "test", "event", KW_STR("before", "b"), KW_STR("v", value),
			KW_STR("after", "a"));
		assert_in_range(strlen(text_line()), 1, LINE_MAX_SIZE);
		assert_non_null(strstr(line, " before=b "));
		assert_int_equal(strstr(line, " after=a") != NULL, length < LINE_MAX_SIZE - 100);
	}
}

/* A field that does not fit is left out whole; what is there stays JSON. */
static void long_lines_stay_json(void **state)
{
	static const char *const fillers[] = {"v", "\"", "\n", "\\"};
	char value[LINE_MAX_SIZE + 100];
	json_t *object;

	(void)state;
	kw_log_setup(KW_LOG_INFO, true);
	for (size_t f = 0; f < sizeof(fillers) / sizeof(fillers[0]); f++) {
		for (size_t length = 0; length < sizeof(value); length++) {
			memset(value, fillers[f][0], length);
			value[length] = '\0';
			capture_start();
			kw_log(KW_LOG_INFO, "test", "event", KW_STR("before", "b"),
				KW_STR("v", value), KW_NUM("after", 7));
			object = json_line();
			assert_in_range(strlen(line), 1, LINE_MAX_SIZE);
			assert_string_equal(json_text(object, "before"), "b");
			if (json_object_get(object, "v") != NULL) {
				assert_string_equal(json_text(object, "v"), value);
			} else {
				assert_true(length > 200);
			}
			json_decref(object);
		}
	}
}

static void any_octets_stay_json(void **state)
{
	static const char *const values[] = {"\x80", "\xff\xfe", "caf\xe9", "\xc3", "\xe2\x82",
		"\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc2\x9b", "x\xc3\xa4\xff"};

	(void)state;
	kw_log_setup(KW_LOG_INFO, true);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		capture_start();
		kw_log(KW_LOG_INFO, "test", "event", KW_STR("v", values[i]));
		json_decref(json_line());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_fields_as_text),
		cmocka_unit_test(writes_events_without_fields),
		cmocka_unit_test(writes_fields_as_json),
		cmocka_unit_test(keeps_levels_apart),
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test(quotes_what_a_peer_may_send),
		cmocka_unit_test(every_ascii_character_survives_json),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(long_lines_stay_json),
		cmocka_unit_test(any_octets_stay_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
