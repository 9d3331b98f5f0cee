/*
 * No branch and no address may depend on a root key, a session key or a KEK: under valgrind, keys
 * count as undefined from the moment they are unsealed, and so does all that is computed from them.
 * Memcheck then reports every decision that is taken by them. (The method is Adam Langley's ctgrind.)
 *
 * What a comparison in constant time comes to is told to the world anyway, and is defined again.
 */
#include "base/secret.h"
#include "keystore/internal.h"
#include "tests/js/world.h"

#include <valgrind/memcheck.h>

static unsigned opened;   /* keys that were made secret */
static unsigned compared; /* comparisons in constant time */

enum kw_err __real_ks_unseal(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const struct ks_sealed *sealed, void *plain, size_t length);
enum kw_err __wrap_ks_unseal(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const struct ks_sealed *sealed, void *plain, size_t length);
bool __real_kw_equal_ct(const void *a, const void *b, size_t length);
bool __wrap_kw_equal_ct(const void *a, const void *b, size_t length);

enum kw_err __wrap_ks_unseal(struct ks_sealer *sealer, enum ks_tag tag, const void *bound,
	size_t bound_length, const struct ks_sealed *sealed, void *plain, size_t length)
{
	enum kw_err err = __real_ks_unseal(sealer, tag, bound, bound_length, sealed, plain, length);

	VALGRIND_MAKE_MEM_UNDEFINED(plain, length);
	opened++;
	return err;
}

bool __wrap_kw_equal_ct(const void *a, const void *b, size_t length)
{
	bool equal = __real_kw_equal_ct(a, b, length);

	VALGRIND_MAKE_MEM_DEFINED(&equal, sizeof(equal));
	compared++;
	return equal;
}

/* Ask, and see that nothing was decided by a key; the answer is public afterwards. */
static enum kw_err ask(
	struct world *world, const struct ipc_backend_req *request, struct ipc_backend_ans *ans)
{
	unsigned errors = (unsigned)VALGRIND_COUNT_ERRORS;
	unsigned before = opened;
	enum kw_err err = world_ask(world, request, ans);

	assert_int_equal(errors, VALGRIND_COUNT_ERRORS);
	assert_true(opened > before);
	VALGRIND_MAKE_MEM_DEFINED(ans, sizeof(*ans));
	return err;
}

/* A test that never complains would prove nothing. */
static void test_a_leak_is_noticed(void **state)
{
	unsigned errors = (unsigned)VALGRIND_COUNT_ERRORS;
	volatile uint8_t key[16] = {1, 2, 3};
	volatile unsigned taken = 0;

	(void)state;
	assert_true(RUNNING_ON_VALGRIND);
	VALGRIND_MAKE_MEM_UNDEFINED((void *)(uintptr_t)key, sizeof(key));
	if (key[3] == 7) {
		taken++;
	}
	assert_int_equal(errors + 1, VALGRIND_COUNT_ERRORS);
}

static void test_joins(void **state)
{
	struct world *world = *state;
	const uint8_t numbers[] = {WORLD_1_0_3, WORLD_1_0_4, WORLD_1_1};

	for (size_t i = 0; i < sizeof(numbers); i++) {
		struct ipc_backend_req request = world_join_req(world, numbers[i], 1);
		struct ipc_backend_ans ans;
		unsigned before = compared;

		assert_int_equal(ask(world, &request, &ans), KW_OK);
		assert_true(compared > before);
		/* The identical answer is computed again. */
		assert_int_equal(ask(world, &request, &ans), KW_OK);
		/* An old DevNonce under the right key. */
		world_wait(world);
		assert_int_equal(ask(world, &request, &ans), KW_E_REPLAY);
	}
}

/* Wrong in each of its octets: where they differ must not show. */
static void test_wrong_mics(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < LW_MIC_SIZE; i++) {
		struct ipc_backend_req request = world_join_req(world, WORLD_1_1, 1);
		struct ipc_backend_ans ans;

		request.phy_payload[request.phy_length - 1 - i] ^= 0x80;
		assert_int_equal(ask(world, &request, &ans), KW_E_MIC);
	}
}

static void test_wrapped_keys(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_1, 1);
	struct ipc_backend_ans ans;

	world_add_kek(world, KS_PEER_NS, "ours", "kek", 0x42, 32);
	assert_int_equal(ask(world, &request, &ans), KW_OK);
	assert_int_equal(24, ans.f_nwk_s_int_key.length);
}

static void test_rejoins(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request = world_join_req(world, WORLD_1_1, 1);
	struct lw_session_keys keys;
	struct ipc_backend_ans ans;

	assert_int_equal(ask(world, &request, &ans), KW_OK);
	world_device_reads(world, &request, &ans, &keys);
	for (int type = LW_JOIN_REQ_REJOIN_0; type <= LW_JOIN_REQ_REJOIN_2; type++) {
		const struct lw_key *key = type == LW_JOIN_REQ_REJOIN_1 ? NULL : &keys.s_nwk_s_int;

		request = world_rejoin_req(
			world, WORLD_1_1, (enum lw_join_req_type)type, (uint16_t)type, key);
		assert_int_equal(ask(world, &request, &ans), KW_OK);
		request.phy_payload[request.phy_length - 1] ^= 1;
		assert_int_equal(ask(world, &request, &ans), KW_E_MIC);
	}
}

static void test_a_fetched_app_s_key(void **state)
{
	struct world *world = *state;
	struct ipc_backend_req request;
	struct ipc_backend_ans ans;

	world_add_as(world, "as", WORLD_AS);
	world_add_kek(world, KS_PEER_AS, "as", "kek", 0x11, 16);
	world_set_as(world, WORLD_1_0_4, "as");
	request = world_join_req(world, WORLD_1_0_4, 1);
	assert_int_equal(ask(world, &request, &ans), KW_OK);
	request = world_app_s_key_req(world, WORLD_1_0_4, "as", WORLD_AS, ans.session_key_id);
	assert_int_equal(ask(world, &request, &ans), KW_OK);
	assert_int_equal(24, ans.app_s_key.length);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_leak_is_noticed),
		WORLD_TEST(test_joins),
		WORLD_TEST(test_wrong_mics),
		WORLD_TEST(test_wrapped_keys),
		WORLD_TEST(test_rejoins),
		WORLD_TEST(test_a_fetched_app_s_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
