/* The pieces of a backup on their way through the admin API. */
#include "tests/portal/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PATH "/api/v1/backup"

static void it_begins(void **state)
{
	static struct ipc_backup_ans ans = {
		.id = 4711, .records = 12, .epoch = 2, .time_ms = 1700000000000};
	struct fake *fake = *state;

	fake->answer = &ans;
	assert_int_equal(fake_call(fake, "POST", PATH, NULL), 200);
	assert_int_equal(fake->kind, IPC_BACKUP);
	assert_int_equal(fake->body.backup.id, 0);
	assert_int_equal(fake_number(fake, "id"), 4711);
	assert_int_equal(fake_number(fake, "records"), 12);
	assert_int_equal(fake_number(fake, "epoch"), 2);
	assert_string_equal(fake_text(fake, "time"), "2023-11-14T22:13:20.000Z");
}

static unsigned get(struct fake *fake, const char *id, const char *offset)
{
	if (id != NULL) {
		fake_query(fake, "id", id);
	}
	if (offset != NULL) {
		fake_query(fake, "offset", offset);
	}
	return fake_call(fake, "GET", PATH, NULL);
}

static void pieces_come_as_they_are(void **state)
{
	static struct ipc_backup_ans ans = {.id = 4711};
	struct fake *fake = *state;
	const uint32_t lengths[] = {1, 48, IPC_BACKUP_PIECE_MAX, 0};

	for (size_t i = 0; i < sizeof(ans.octets); i++) {
		ans.octets[i] = (uint8_t)(i * 7);
	}
	fake->answer = &ans;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		ans.length = lengths[i];
		assert_int_equal(get(fake, "4711", "96"), 200);
		assert_int_equal(fake->body.backup.id, 4711);
		assert_int_equal(fake->body.backup.offset, 96);
		assert_string_equal(fake->got.content_type, "application/octet-stream");
		assert_int_equal(fake->got.length, lengths[i]);
		assert_memory_equal(fake->got.text, ans.octets, lengths[i]);
	}
	/* The vault is not believed either. */
	ans.length = IPC_BACKUP_PIECE_MAX + 1;
	assert_int_equal(get(fake, "4711", "96"), 500);
	ans.length = UINT32_MAX;
	assert_int_equal(get(fake, "4711", "96"), 500);
}

static void the_vault_says_why_not(void **state)
{
	static struct ipc_backup_ans ans = {.text = "another backup is under way"};
	struct fake *fake = *state;

	fake->answer = &ans;
	fake->err = KW_E_BUSY;
	assert_int_equal(fake_call(fake, "POST", PATH, NULL), 503);
	assert_string_equal(fake_text(fake, "error.message"), ans.text);
	fake->err = KW_E_NOT_FOUND;
	assert_int_equal(get(fake, "1", "0"), 404);
	fake->err = KW_OK;
	fake->fail = KW_E_CLOSED;
	assert_int_equal(get(fake, "1", "0"), 503);
}

static void a_bad_query_reaches_nobody(void **state)
{
	static const char *const queries[][2] = {{NULL, NULL}, {NULL, "0"}, {"0", "0"}, {"-1", "0"},
		{"x", "0"}, {"", "0"}, {"1", "x"}, {"1", "-1"}, {"9223372036854775808", "0"}};
	struct fake *fake = *state;

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		assert_int_equal(get(fake, queries[i][0], queries[i][1]), 400);
	}
	assert_int_equal(fake->asked, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
		TEST(it_begins),
		TEST(pieces_come_as_they_are),
		TEST(the_vault_says_why_not),
		TEST(a_bad_query_reaches_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
