/* What a front makes of the vault's answers, a vault that was taken over included. */
#include "js/front_convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum kw_err take(enum bi_type type, const struct ipc_backend_ans *answer)
{
	const struct bi_request request = {.type = type, .message_type = "JoinReq"};
	struct bi_answer out;

	js_front_answer(&request, answer, &out);
	if (out.err != KW_OK) {
		const struct bi_answer nothing = {.err = out.err};

		assert_memory_equal(&out, &nothing, sizeof(out));
	}
	return out.err;
}

/* A Join-accept is in answers to joins and in no others, and never longer than the room for it. */
static void join_accepts(void **state)
{
	static const enum bi_type others[] = {BI_TYPE_OTHER, BI_TYPE_APP_S_KEY, BI_TYPE_HOME_NS};

	(void)state;
	for (unsigned length = 0; length <= UINT8_MAX; length++) {
		const struct ipc_backend_ans answer = {.phy_length = (uint8_t)length};
		const bool whole = length == 17 || length == 33;

		assert_int_equal(whole ? KW_OK : KW_E_SYSTEM, take(BI_TYPE_JOIN, &answer));
		assert_int_equal(whole ? KW_OK : KW_E_SYSTEM, take(BI_TYPE_REJOIN, &answer));
		for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
			assert_int_equal(
				length == 0 ? KW_OK : KW_E_SYSTEM, take(others[i], &answer));
		}
	}
}

static void lengths_of_keys(void **state)
{
	(void)state;
	for (unsigned length = 0; length <= UINT8_MAX; length++) {
		const bool good = length == 0 || length == 16 || length == 24;
		struct ipc_backend_ans answers[4];

		for (unsigned i = 0; i < 4; i++) {
			answers[i] = (struct ipc_backend_ans){.phy_length = 17};
		}
		answers[0].f_nwk_s_int_key.length = (uint8_t)length;
		answers[1].s_nwk_s_int_key.length = (uint8_t)length;
		answers[2].nwk_s_enc_key.length = (uint8_t)length;
		answers[3].app_s_key.length = (uint8_t)length;
		for (unsigned i = 0; i < 4; i++) {
			assert_int_equal(
				good ? KW_OK : KW_E_SYSTEM, take(BI_TYPE_JOIN, &answers[i]));
		}
	}
}

static void labels_without_an_end(void **state)
{
	struct ipc_backend_ans answer = {.phy_length = 17};

	(void)state;
	memset(answer.nwk_kek_label, 'x', sizeof(answer.nwk_kek_label));
	assert_int_equal(KW_E_SYSTEM, take(BI_TYPE_JOIN, &answer));
	answer.nwk_kek_label[IPC_LABEL_SIZE - 1] = '\0';
	assert_int_equal(KW_OK, take(BI_TYPE_JOIN, &answer));
	memset(answer.app_kek_label, 'x', sizeof(answer.app_kek_label));
	assert_int_equal(KW_E_SYSTEM, take(BI_TYPE_JOIN, &answer));
}

static void a_refusal_says_nothing_else(void **state)
{
	struct ipc_backend_ans answer;

	(void)state;
	memset(&answer, 0xff, sizeof(answer));
	answer.err = KW_E_MIC;
	assert_int_equal(KW_E_MIC, take(BI_TYPE_JOIN, &answer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(join_accepts),
		cmocka_unit_test(lengths_of_keys),
		cmocka_unit_test(labels_without_an_end),
		cmocka_unit_test(a_refusal_says_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
