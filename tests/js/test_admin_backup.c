/* The vault's end of a backup: one at a time, and it does not stay for ever. */
#include "js/vault.h"
#include "keystore/internal.h"
#include "tests/js/world.h"

#define SECOND_US UINT64_C(1000000)

struct asking {
	struct world *world;
	struct js_vault vault;
	struct kw_env env;
	uint64_t mono_us;
	struct ipc_header *answer;
	const struct ipc_backup_ans *ans;
};

static uint64_t mono_us(void *arg)
{
	return ((const struct asking *)arg)->mono_us;
}

static uint64_t now_ms(void *arg)
{
	(void)arg;
	return 1700000000000;
}

static enum kw_err get_random(void *arg, void *out, size_t length)
{
	(void)arg;
	return kw_random(&kw_env_system, out, length);
}

static int setup(void **state)
{
	struct asking *asking = calloc(1, sizeof(*asking));
	void *world;

	assert_non_null(asking);
	assert_int_equal(world_setup(&world), 0);
	asking->world = world;
	asking->env = (struct kw_env){now_ms, mono_us, get_random, asking};
	asking->vault = (struct js_vault){.env = &asking->env, .store = asking->world->store};
	asking->mono_us = 5 * SECOND_US;
	asking->answer = calloc(1, IPC_MESSAGE_MAX);
	assert_non_null(asking->answer);
	asking->ans = (const void *)(asking->answer + 1);
	*state = asking;
	return 0;
}

static int teardown(void **state)
{
	struct asking *asking = *state;
	void *world = asking->world;

	js_backup_end(&asking->vault);
	world_teardown(&world);
	free(asking->answer);
	free(asking);
	return 0;
}

static enum kw_err ask(struct asking *asking, uint64_t id, uint64_t offset)
{
	struct {
		struct ipc_header header;
		struct ipc_backup_req request;
	} message = {
		.header = {.magic = IPC_MAGIC,
			.kind = IPC_BACKUP,
			.count = 1,
			.length = sizeof(message.request)},
		.request = {.id = id, .offset = offset},
	};

	assert_int_equal(js_admin_answer(&asking->vault, &message.header, asking->answer),
		sizeof(struct ipc_backup_ans));
	return (enum kw_err)asking->answer->err;
}

static uint64_t begin(struct asking *asking)
{
	assert_int_equal(ask(asking, 0, 0), KW_OK);
	assert_int_equal(asking->ans->length, 0);
	assert_true(asking->ans->id > 0 && asking->ans->id <= UINT64_C(1) << 53);
	assert_true(asking->ans->records > 0);
	return asking->ans->id;
}

static void all_of_it_comes_in_order(void **state)
{
	struct asking *asking = *state;
	const uint64_t id = begin(asking);
	uint64_t offset = 0;

	do {
		assert_int_equal(ask(asking, id, offset), KW_OK);
		assert_true(asking->ans->length <= IPC_BACKUP_PIECE_MAX);
		if (offset == 0) {
			assert_memory_equal(asking->ans->octets, "KWBACKUP", 8);
		}
		offset += asking->ans->length;
		/* Not again, not ahead, nobody else's. */
		if (asking->ans->length > 0) {
			const uint64_t last = offset - asking->ans->length;

			assert_int_equal(ask(asking, id, last), KW_E_NOT_FOUND);
			assert_string_not_equal(asking->ans->text, "");
			assert_int_equal(ask(asking, id, offset + 1), KW_E_NOT_FOUND);
			assert_int_equal(ask(asking, id + 1, offset), KW_E_NOT_FOUND);
			assert_int_equal(asking->ans->length, 0);
		}
	} while (asking->vault.backup != NULL && offset < 10000000 &&
		 asking->vault.backup_offset == offset);
	assert_true(offset > 500);
	assert_null(asking->vault.backup);
	assert_int_equal(ask(asking, id, offset), KW_E_NOT_FOUND);
}

static void there_is_one_at_a_time(void **state)
{
	struct asking *asking = *state;
	const uint64_t first = begin(asking);

	assert_int_equal(ask(asking, first, 0), KW_OK);
	asking->mono_us += 3 * SECOND_US - 1;
	assert_int_equal(ask(asking, 0, 0), KW_E_BUSY);
	assert_string_not_equal(asking->ans->text, "");
	assert_int_equal(ask(asking, first, 48), KW_OK); /* it goes on */
	asking->mono_us += 3 * SECOND_US;
	assert_int_not_equal(begin(asking), first);
	assert_int_equal(ask(asking, first, asking->vault.backup_offset), KW_E_NOT_FOUND);
}

static void a_forgotten_one_is_given_up(void **state)
{
	struct asking *asking = *state;
	uint64_t id;

	assert_int_equal(js_backup_rest_ms(&asking->vault), -1);
	id = begin(asking);
	assert_in_range(js_backup_rest_ms(&asking->vault), 60000, 60001);
	asking->mono_us += 59 * SECOND_US;
	assert_in_range(js_backup_rest_ms(&asking->vault), 1000, 1001);
	assert_int_equal(ask(asking, id, 0), KW_OK); /* which counts from anew */
	asking->mono_us += 59 * SECOND_US;
	assert_in_range(js_backup_rest_ms(&asking->vault), 1000, 1001);
	asking->mono_us += SECOND_US;
	assert_int_equal(js_backup_rest_ms(&asking->vault), -1);
	assert_null(asking->vault.backup);
	assert_int_equal(ask(asking, id, 48), KW_E_NOT_FOUND);
}

/* Write over the same record until there is no room: only the snapshot keeps the old pages. */
static enum kw_err write_once(struct asking *asking, uint8_t octet)
{
	static uint8_t value[1 << 20];
	struct ks_txn *txn;

	memset(value, octet, sizeof(value));
	assert_int_equal(ks_txn_begin(asking->vault.store, &txn), KW_OK);
	(void)ks_meta_put(txn, "room", value, sizeof(value));
	return js_vault_commit(&asking->vault, txn);
}

static void a_full_store_comes_first(void **state)
{
	struct asking *asking = *state;
	enum kw_err err = KW_OK;
	unsigned written = 0;

	begin(asking);
	while (err == KW_OK && written < 200) {
		err = write_once(asking, (uint8_t)written++);
	}
	assert_int_equal(err, KW_E_STORE_FULL);
	assert_null(asking->vault.backup);
	/* Now there is room again, and it stays. */
	for (unsigned i = 0; i < 2 * written; i++) {
		assert_int_equal(write_once(asking, (uint8_t)i), KW_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(all_of_it_comes_in_order),
		TEST(there_is_one_at_a_time),
		TEST(a_forgotten_one_is_given_up),
		TEST(a_full_store_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
