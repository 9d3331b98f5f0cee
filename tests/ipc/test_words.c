#include "ipc/ipc.h"
#include "lorawan/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka needs the three above */
#include <cmocka.h>

static const struct ipc_event usual = {
	.sequence = 9,
	.join_eui = {0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0, 0, 1},
	.dev_eui = {0x00, 0x04, 0xa3, 0x0b, 0x00, 0x1c, 0x05, 0x30},
	.kind = IPC_EVENT_REFUSED,
	.mac_version = LW_VERSION_1_1,
	.lorawan_version = LW_VERSION_1_0_3,
	.opt_neg = 1,
	.net_id = {0x00, 0x00, 0x13},
	.dev_nonce = 17,
	.join_nonce = 3,
	.last_dev_nonce = 23,
	.repeats = 1,
	.peer = "ns1",
};

static void assert_words(const struct ipc_event *event, const char *expected)
{
	char words[IPC_TEXT_SIZE];

	ipc_event_words(event, words);
	assert_string_equal(words, expected);
}

static void assert_has(const struct ipc_event *event, const char *part)
{
	char words[IPC_TEXT_SIZE];

	ipc_event_words(event, words);
	if (strstr(words, part) == NULL) {
		fail_msg("\"%s\" is not in \"%s\"", part, words);
	}
}

static struct ipc_event refusal(enum kw_err err)
{
	struct ipc_event event = usual;

	event.err = err;
	return event;
}

static void test_accepted_and_repeated(void **state)
{
	struct ipc_event event = usual;

	(void)state;
	event.kind = IPC_EVENT_ACCEPTED;
	assert_words(&event, "joined network 000013 with DevNonce 17; JoinNonce 3");
	event.kind = IPC_EVENT_REPEATED;
	assert_has(&event, "same answer");
	event.kind = 77;
	assert_has(&event, "does not know");
}

static void test_rejoins(void **state)
{
	struct ipc_event event = usual;

	(void)state;
	event.kind = IPC_EVENT_ACCEPTED;
	event.procedure = IPC_EVENT_REJOIN_0;
	assert_words(&event, "rejoined network 000013 (type 0) with RJcount0 17; JoinNonce 3");
	event.procedure = IPC_EVENT_REJOIN_1;
	assert_words(&event, "rejoined network 000013 (type 1) with RJcount1 17; JoinNonce 3");
	event.procedure = IPC_EVENT_REJOIN_2;
	assert_words(&event, "rejoined network 000013 (type 2) with RJcount0 17; JoinNonce 3");
	event.kind = IPC_EVENT_REPEATED;
	assert_words(&event, "repeated: network 000013 asked again with RJcount0 17 and got the "
			     "same answer; JoinNonce 3");
	event = refusal(KW_E_REPLAY);
	event.procedure = IPC_EVENT_REJOIN_1;
	event.counts_dev_nonce = 1;
	event.has_last = 1;
	assert_words(&event, "refused: RJcount1 17 was already used; the device must send a higher "
			     "one; last accepted 23");
}

static void test_served(void **state)
{
	struct ipc_event event = usual;

	(void)state;
	event.kind = IPC_EVENT_SERVED;
	event.procedure = IPC_EVENT_APP_S_KEY;
	strcpy(event.peer, "as1");
	assert_words(&event, "AppSKey of the session with JoinNonce 3 was given to as1");
	event.repeats = 4;
	assert_words(&event, "AppSKey of the session with JoinNonce 3 was given to as1 (4 times)");
	event.repeats = 1;
	event.peer[0] = '\0';
	assert_words(&event, "AppSKey of the session with JoinNonce 3 was given to its application "
			     "server");
	event.procedure = IPC_EVENT_HOME_NS;
	assert_words(&event, "network 000013 was told the home network of the device");
}

/* What is refused in other procedures than joining, and what helps there. */
static void test_refusals_of_other_procedures(void **state)
{
	struct ipc_event event = refusal(KW_E_REJOIN);

	(void)state;
	event.procedure = IPC_EVENT_REJOIN_0;
	assert_has(&event, "the device must join");
	event.err = KW_E_MIC;
	event.lorawan_version = LW_VERSION_1_1;
	assert_has(&event, "fits none of the last sessions");
	event.procedure = IPC_EVENT_REJOIN_2;
	assert_has(&event, "fits none of the last sessions");
	event.procedure = IPC_EVENT_REJOIN_1;
	assert_has(&event, "another NwkKey");
	event = refusal(KW_E_NET_ID);
	assert_has(&event, "neither that of ns1 nor on the roaming list");
	assert_has(&event, "device set 0004a30b001c0530 --roaming");
	event = refusal(KW_E_ROAMING);
	event.procedure = IPC_EVENT_HOME_NS;
	assert_has(&event, "network 000013 is not on the roaming list");
	assert_has(&event, "device set 0004a30b001c0530 --roaming 000013");
	event = refusal(KW_E_NO_HOME);
	assert_has(&event, "has not joined yet");
	event = refusal(KW_E_NO_SESSION);
	assert_has(&event, "none of the last 10 sessions");
	event = refusal(KW_E_OTHER_AS);
	strcpy(event.peer, "as2");
	assert_has(&event, "another application server than as2, or before it was there");
	assert_has(&event, "device show 0004a30b001c0530");
	event = refusal(KW_E_SENDER);
	event.procedure = IPC_EVENT_APP_S_KEY;
	strcpy(event.peer, "as2");
	assert_has(&event, "SenderID must be its AS-ID");
	assert_has(&event, "whether as2 is one");
	event = refusal(KW_E_NO_KEK);
	event.procedure = IPC_EVENT_APP_S_KEY;
	strcpy(event.peer, "as2");
	assert_has(&event, "the KEK of as2 is missing");
	assert_has(&event, "kek add --as as2 --kek-label L --kek-file F");
}

static void test_name_of_the_request(void **state)
{
	static const struct {
		enum ipc_event_procedure procedure;
		const char *name;
	} rows[] = {
		{IPC_EVENT_JOIN, "the JoinReq of ns1"},
		{IPC_EVENT_REJOIN_0, "the RejoinReq of ns1"},
		{IPC_EVENT_REJOIN_1, "the RejoinReq of ns1"},
		{IPC_EVENT_REJOIN_2, "the RejoinReq of ns1"},
		{IPC_EVENT_APP_S_KEY, "the AppSKeyReq of ns1"},
		{IPC_EVENT_HOME_NS, "the HomeNSReq of ns1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ipc_event event = refusal(KW_E_HEX);

		event.procedure = (uint8_t)rows[i].procedure;
		assert_has(&event, rows[i].name);
	}
}

static void test_replay(void **state)
{
	struct ipc_event event = refusal(KW_E_REPLAY);

	(void)state;
	assert_words(&event, "refused: DevNonce 17 was already used; the device must send one that "
			     "it has never used");
	event.counts_dev_nonce = 1;
	assert_words(
		&event, "refused: DevNonce 17 was already used; the device must send a higher one");
	event.has_last = 1;
	assert_words(&event, "refused: DevNonce 17 was already used; the device must send a higher "
			     "one; last accepted 23");
	event.repeats = 12;
	assert_has(&event, "last accepted 23 (12 times)");
}

static void test_commands_that_help(void **state)
{
	struct ipc_event event = refusal(KW_E_NOT_ALLOWED);

	(void)state;
	assert_has(&event, "network 000013 may not");
	assert_has(&event, "device set 0004a30b001c0530 --net-id 000013");
	assert_has(&event, "repeat --net-id for others");
	event = refusal(KW_E_RANGE);
	assert_has(&event, "JoinEUI 70b3d57ed0000001 is outside");
	assert_has(&event, "ns set ns1 --join-eui RANGE");
	event = refusal(KW_E_DEVICE_NS_ID);
	assert_has(&event, "device show 0004a30b001c0530");
	assert_has(&event, "ns show ns1");
	event = refusal(KW_E_FRAME_SIZE);
	assert_has(&event, "CFList"); /* its length is told by the same code */
	event = refusal(KW_E_BLOCKED);
	assert_has(&event, "device unblock 0004a30b001c0530");
	event = refusal(KW_E_SENDER);
	assert_has(&event, "ns set ns1 --net-id 000013");
	assert_has(&event, "repeat --net-id for others");
	event = refusal(KW_E_SENDER_NS_ID);
	assert_has(&event, "ns set ns1 --ns-id");
	event = refusal(KW_E_NO_KEK);
	assert_has(&event, "kek add (--ns|--as) NAME --kek-label");
	assert_has(&event, "device set 0004a30b001c0530 --as-id");
	event = refusal(KW_E_NO_DEVICE);
	assert_has(&event, "DevEUI 0004a30b001c0530 is not registered under JoinEUI "
			   "70b3d57ed0000001");
	event = refusal(KW_E_RECEIVER);
	assert_has(&event, "this one is registered under JoinEUI 70b3d57ed0000001");
}

static void test_versions_and_mic(void **state)
{
	struct ipc_event event = refusal(KW_E_DISAGREE);

	(void)state;
	assert_has(&event, "registered as LoRaWAN 1.0.3");
	assert_has(&event, "ns1 sent MACVersion 1.1 with OptNeg 1");
	event = refusal(KW_E_MIC);
	assert_has(&event, "another AppKey");
	event.lorawan_version = LW_VERSION_1_1;
	assert_has(&event, "another NwkKey");
}

/* Every error has words of its own that fit, also with the longest names. */
static void test_every_error(void **state)
{
	(void)state;
	for (int err = -1; err > -80; err--) {
		struct ipc_event event = refusal((enum kw_err)err);
		char words[IPC_TEXT_SIZE];

		if (strcmp(kw_err_text((enum kw_err)err), "unknown error") == 0) {
			continue;
		}
		memset(event.peer, 'n', sizeof(event.peer)); /* not even a NUL at its end */
		event.repeats = UINT32_MAX;
		for (unsigned procedure = IPC_EVENT_JOIN; procedure <= IPC_EVENT_HOME_NS + 1;
			procedure++) {
			event.procedure = (uint8_t)procedure;
			memset(words, 0x7e, sizeof(words));
			ipc_event_words(&event, words);
			assert_non_null(memchr(words, '\0', sizeof(words)));
			assert_memory_equal(words, "refused: ", 9);
			assert_true(strlen(words) > 15);
		}
	}
}

static void test_malformed_fields(void **state)
{
	const enum kw_err errs[] = {KW_E_MISSING, KW_E_HEX, KW_E_LENGTH, KW_E_SYNTAX, KW_E_INVALID,
		KW_E_TOO_LONG, KW_E_TRUNCATED, KW_E_NUMBER, KW_E_CONFLICT};

	(void)state;
	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		struct ipc_event event = refusal(errs[i]);

		assert_has(&event, "field");
		assert_has(&event, "ns1");
		event.peer[0] = '\0';
		assert_has(&event, "the JoinReq of the peer");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted_and_repeated),
		cmocka_unit_test(test_rejoins),
		cmocka_unit_test(test_served),
		cmocka_unit_test(test_refusals_of_other_procedures),
		cmocka_unit_test(test_name_of_the_request),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_commands_that_help),
		cmocka_unit_test(test_versions_and_mic),
		cmocka_unit_test(test_every_error),
		cmocka_unit_test(test_malformed_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
