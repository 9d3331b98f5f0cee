#include "keystore/pending.h"

#include "tests/keystore/scratch.h"

#include <stdlib.h>
#include <string.h>

#define DEVICES 6000
#define STEPS   200000

struct model {
	bool there;
	struct ks_pending pending;
};

static struct model kept[DEVICES];
static struct model now[DEVICES];

static size_t count_of(const struct model *model)
{
	size_t count = 0;

	for (size_t i = 0; i < DEVICES; i++) {
		count += model[i].there ? 1 : 0;
	}
	return count;
}

static void same(const struct ks_pendings *pendings, const struct model *model)
{
	size_t walked = 0;

	assert_int_equal(ks_pendings_count(pendings), count_of(model));
	for (uint32_t i = 0; i < DEVICES; i++) {
		const struct lw_device_id id = scratch_id(i);
		const struct ks_pending *found = ks_pendings_find(pendings, &id);

		assert_int_equal(found != NULL, model[i].there);
		if (found != NULL) {
			assert_memory_equal(found, &model[i].pending, sizeof(*found));
		}
	}
	for (size_t slot = 0; slot < ks_pendings_slots(pendings); slot++) {
		walked += ks_pendings_at(pendings, slot) != NULL ? 1 : 0;
	}
	assert_int_equal(walked, ks_pendings_count(pendings));
	assert_null(ks_pendings_at(pendings, ks_pendings_slots(pendings)));
}

static void change(struct ks_pendings *pendings, uint32_t n, uint64_t *seed)
{
	assert_int_equal(ks_pendings_reserve(pendings), KW_OK);
	if (now[n].there && scratch_random(seed, 3) == 0) {
		const struct lw_device_id id = scratch_id(n);

		ks_pendings_remove(pendings, &id);
		now[n].there = false;
		return;
	}
	memset(&now[n].pending, 0, sizeof(now[n].pending));
	now[n].there = true;
	now[n].pending.id = scratch_id(n);
	now[n].pending.next_join_nonce = 1 + scratch_random(seed, 0xffffff);
	now[n].pending.last = scratch_random(seed, UINT32_MAX);
	now[n].pending.chain = scratch_random(seed, 64) & 0x7f;
	ks_pendings_put(pendings, &now[n].pending);
}

static void changes_are_kept_or_undone(void **state)
{
	struct ks_pendings *pendings;
	uint64_t seed = 20240217;

	(void)state;
	assert_int_equal(ks_pendings_create(&kw_env_system, &pendings), KW_OK);
	for (size_t step = 0; step < STEPS; step++) {
		/* Few devices at a time make chains of changes to the same one. */
		uint32_t among = step % 1000 < 500 ? 40 : DEVICES;

		change(pendings, scratch_random(&seed, among), &seed);
		if (scratch_random(&seed, 100) == 0) {
			if (scratch_random(&seed, 2) == 0) {
				ks_pendings_undo(pendings);
				memcpy(now, kept, sizeof(now));
			} else {
				ks_pendings_keep(pendings);
				memcpy(kept, now, sizeof(now));
			}
			if (scratch_random(&seed, 20) == 0) {
				same(pendings, now);
			}
		}
	}
	same(pendings, now);
	ks_pendings_undo(pendings);
	same(pendings, kept);
	ks_pendings_destroy(pendings);
}

static void emptied_it_gives_its_memory_back(void **state)
{
	struct ks_pendings *pendings;
	struct ks_pending pending = {.next_join_nonce = 1};

	(void)state;
	assert_int_equal(ks_pendings_create(&kw_env_system, &pendings), KW_OK);
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 50000; i++) {
			pending.id = scratch_id(i);
			assert_int_equal(ks_pendings_reserve(pendings), KW_OK);
			ks_pendings_put(pendings, &pending);
		}
		ks_pendings_keep(pendings);
		assert_int_equal(ks_pendings_slots(pendings), 50000);
		for (uint32_t i = 0; i < 50000; i++) {
			pending.id = scratch_id(i);
			assert_int_equal(ks_pendings_reserve(pendings), KW_OK);
			ks_pendings_remove(pendings, &pending.id);
		}
		ks_pendings_undo(pendings);
		assert_int_equal(ks_pendings_count(pendings), 50000);
		for (uint32_t i = 0; i < 50000; i++) {
			pending.id = scratch_id(i);
			assert_int_equal(ks_pendings_reserve(pendings), KW_OK);
			ks_pendings_remove(pendings, &pending.id);
		}
		ks_pendings_keep(pendings);
		assert_int_equal(ks_pendings_slots(pendings), 0);
	}
	ks_pendings_destroy(pendings);
	ks_pendings_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_kept_or_undone),
		cmocka_unit_test(emptied_it_gives_its_memory_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
