#include "base/hex.h"
#include "cli/simulate_ns.h"
#include "lorawan/join.h"
#include "lorawan/wrap.h"
#include "tests/lorawan/octets.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define JOIN_NONCE 4711
#define KEK_LABEL  "ns-kek"

static struct lw_aes *aes;

/* A join under way and an answer to it that is right in all respects. */
struct scene {
	struct sim_ns ns;
	struct sim_device device;
	struct sim_join join;
	json_t *answer;
};

static void set_octets(json_t *object, const char *name, const void *octets, size_t length)
{
	char text[2 * LW_JOIN_ACCEPT_MAX + 1];

	kw_hex_write(text, octets, length);
	json_object_set_new(object, name, json_string(text));
}

static json_t *envelope(const struct scene *scene, const struct lw_key *key, bool wrapped)
{
	const struct sim_kek *kek = &scene->ns.keks[0];
	json_t *object = json_object();
	uint8_t octets[LW_WRAPPED_SIZE];

	if (!wrapped) {
		set_octets(object, "AESKey", key->octets, sizeof(key->octets));
		return object;
	}
	assert_int_equal(
		lw_wrap(aes, kek->octets, kek->length, key->octets, sizeof(key->octets), octets),
		KW_OK);
	json_object_set_new(object, "KEKLabel", json_string(KEK_LABEL));
	set_octets(object, "AESKey", octets, sizeof(octets));
	return object;
}

static void add_keys(struct scene *scene, const struct lw_session_keys *keys, bool wrapped)
{
	json_t *answer = scene->answer;

	if (keys->opt_neg) {
		json_object_set_new(
			answer, "FNwkSIntKey", envelope(scene, &keys->f_nwk_s_int, wrapped));
		json_object_set_new(
			answer, "SNwkSIntKey", envelope(scene, &keys->s_nwk_s_int, wrapped));
		json_object_set_new(
			answer, "NwkSEncKey", envelope(scene, &keys->nwk_s_enc, wrapped));
	} else {
		json_object_set_new(
			answer, "NwkSKey", envelope(scene, &keys->f_nwk_s_int, wrapped));
	}
	json_object_set_new(answer, "AppSKey", envelope(scene, &keys->app_s, false));
}

static void add_accept(
	struct scene *scene, const struct lw_join_accept *accept, struct lw_session_keys *keys)
{
	const struct lw_join_context context = {
		.type = LW_JOIN_REQ_JOIN,
		.join_eui = scene->device.id.join_eui,
		.dev_eui = scene->device.id.dev_eui,
		.nonce = scene->join.dev_nonce,
	};
	struct lw_key_handle root;
	struct lw_key_handle app;
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	size_t length;

	lw_key_handle_init(&root, aes, &scene->device.root);
	lw_key_handle_init(&app, aes, &scene->device.app_key);
	assert_int_equal(lw_join_accept_build(aes, &root, accept, &context, frame, &length), KW_OK);
	assert_int_equal(lw_session_derive(&root, &app, (accept->dl_settings & 0x80) != 0,
				 accept->join_nonce, &accept->net_id, &context, keys),
		KW_OK);
	set_octets(scene->answer, "PHYPayload", frame, length);
}

static void begin(struct scene *scene, enum lw_version version)
{
	struct sim_ns *ns = &scene->ns;

	memset(scene, 0, sizeof(*scene));
	scene->device.version = version;
	octets_of("70b3d57ed0001234", scene->device.id.join_eui.octets, LW_EUI_SIZE);
	octets_of("0004a30b001c0530", scene->device.id.dev_eui.octets, LW_EUI_SIZE);
	memset(&scene->device.root, 0x11, sizeof(scene->device.root));
	memset(&scene->device.app_key, 0x22, sizeof(scene->device.app_key));
	scene->device.next_dev_nonce = 300;
	scene->device.last_join_nonce = JOIN_NONCE - 1;
	strcpy(ns->sender, "60050a");
	octets_of("60050a", ns->net_id.octets, LW_NET_ID_SIZE);
	ns->has_net_id = true;
	ns->protocol_1_1 = version == LW_VERSION_1_1;
	ns->has_ns_id = ns->protocol_1_1;
	octets_of("70b3d57ed0fe0001", ns->ns_id.octets, LW_EUI_SIZE);
	ns->rx_delay = 5;
	ns->has_cf_list = true;
	octets_of("184f84e85684b85e84886684586e8400", ns->cf_list, LW_CF_LIST_SIZE);
	ns->kek_count = 1;
	strcpy(ns->keks[0].label, KEK_LABEL);
	memset(ns->keks[0].octets, 0x33, 16);
	ns->keks[0].length = 16;
	assert_int_equal(sim_join_start(aes, ns, &scene->device, 0x89abcdef, &scene->join), KW_OK);
}

static void answer_with(struct scene *scene, const struct lw_join_accept *accept)
{
	bool is_1_1 = scene->device.version == LW_VERSION_1_1;
	struct lw_session_keys keys;

	scene->answer = json_pack("{s:s, s:s, s:s, s:I, s:s, s:{s:s}, s:i, s:s}", "ProtocolVersion",
		is_1_1 ? "1.1" : "1.0", "SenderID", "70b3d57ed0001234", "ReceiverID", "60050a",
		"TransactionID", (json_int_t)scene->join.transaction, "MessageType", "JoinAns",
		"Result", "ResultCode", "Success", "Lifetime", 0, "SessionKeyID",
		"0123456789abcdef");
	assert_non_null(scene->answer);
	if (is_1_1) {
		json_object_set_new(scene->answer, "ReceiverNSID", json_string("70b3d57ed0fe0001"));
	}
	add_accept(scene, accept, &keys);
	add_keys(scene, &keys, is_1_1);
}

static struct lw_join_accept right_accept(const struct scene *scene)
{
	struct lw_join_accept accept = {
		.join_nonce = JOIN_NONCE,
		.net_id = scene->ns.net_id,
		.dev_addr = scene->join.dev_addr,
		.dl_settings = scene->join.dl_settings,
		.rx_delay = scene->ns.rx_delay,
		.has_cf_list = true,
	};

	memcpy(accept.cf_list, scene->ns.cf_list, LW_CF_LIST_SIZE);
	return accept;
}

static void make_scene(struct scene *scene, enum lw_version version)
{
	struct lw_join_accept accept;

	begin(scene, version);
	accept = right_accept(scene);
	answer_with(scene, &accept);
}

static enum sim_fault judge(struct scene *scene, struct sim_verdict *verdict)
{
	char *body = json_dumps(scene->answer, JSON_COMPACT);
	enum sim_fault fault;

	assert_non_null(body);
	sim_join_answer(aes, &scene->ns, &scene->join, 200, body, strlen(body), verdict);
	free(body);
	json_decref(scene->answer);
	scene->answer = NULL;
	fault = verdict->fault;
	if (fault != SIM_FAULT_NONE) {
		assert_true(verdict->detail[0] != '\0');
	}
	return fault;
}

static const enum lw_version versions[] = {LW_VERSION_1_0_3, LW_VERSION_1_1};

static void a_right_answer_has_no_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		bool is_1_1 = versions[i] == LW_VERSION_1_1;
		struct sim_verdict verdict;
		struct scene scene;

		make_scene(&scene, versions[i]);
		assert_int_equal(judge(&scene, &verdict), SIM_FAULT_NONE);
		assert_true(verdict.has_accept);
		assert_int_equal(scene.device.last_join_nonce, JOIN_NONCE);
		assert_int_equal(
			verdict.keys[SIM_NWK_S_KEY].state, is_1_1 ? SIM_KEY_ABSENT : SIM_KEY_CLEAR);
		assert_int_equal(verdict.keys[SIM_F_NWK_S_INT_KEY].state,
			is_1_1 ? SIM_KEY_UNWRAPPED : SIM_KEY_ABSENT);
		assert_true(verdict.keys[SIM_APP_S_KEY].equal);
		assert_string_equal(verdict.session_key_id, "0123456789abcdef");
	}
}

/* One change of a right answer. */
struct change {
	const char *member;
	const char *inner; /* member of that object; NULL: the member itself */
	const char *value; /* JSON; NULL: taken out */
	enum sim_fault want;
};

static void apply(json_t *answer, const struct change *change)
{
	json_t *object = answer;
	const char *name = change->member;

	if (change->inner != NULL) {
		object = json_object_get(answer, change->member);
		name = change->inner;
	}
	assert_true(json_is_object(object));
	if (change->value == NULL) {
		assert_int_equal(json_object_del(object, name), 0);
	} else {
		json_t *value = json_loads(change->value, JSON_DECODE_ANY, NULL);

		assert_non_null(value);
		assert_int_equal(json_object_set_new(object, name, value), 0);
	}
}

static void check_changes(enum lw_version version, const struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct sim_verdict verdict;
		struct scene scene;
		enum sim_fault fault;

		make_scene(&scene, version);
		apply(scene.answer, &changes[i]);
		fault = judge(&scene, &verdict);
		if (fault != changes[i].want) {
			fail_msg("%s.%s = %s: %s: %s", changes[i].member,
				changes[i].inner == NULL ? "" : changes[i].inner,
				changes[i].value == NULL ? "absent" : changes[i].value,
				sim_fault_text(fault), verdict.detail);
		}
	}
}

#define WRONG_KEY "\"00000000000000000000000000000000\""

static void a_change_in_any_field_is_found(void **state)
{
	static const struct change changes[] = {
		{"ProtocolVersion", NULL, "\"1.1\"", SIM_FAULT_PROTOCOL},
		{"ProtocolVersion", NULL, NULL, SIM_FAULT_PROTOCOL},
		{"SenderID", NULL, "\"70b3d57ed0001235\"", SIM_FAULT_HEADER},
		{"SenderID", NULL, "\"70B3D57ED0001234\"", SIM_FAULT_NONE},
		{"SenderID", NULL, "\"0x70B3D57ED0001234\"", SIM_FAULT_NONE},
		{"SenderID", NULL, NULL, SIM_FAULT_HEADER},
		{"ReceiverID", NULL, "\"60050b\"", SIM_FAULT_HEADER},
		{"ReceiverID", NULL, "7", SIM_FAULT_HEADER},
		{"TransactionID", NULL, "1", SIM_FAULT_HEADER},
		{"TransactionID", NULL, "\"2309737967\"", SIM_FAULT_HEADER},
		{"TransactionID", NULL, NULL, SIM_FAULT_HEADER},
		{"MessageType", NULL, "\"JoinReq\"", SIM_FAULT_HEADER},
		{"MessageType", NULL, "null", SIM_FAULT_JSON},
		{"Unknown", NULL, "null", SIM_FAULT_JSON},
		{"Unknown", NULL, "{}", SIM_FAULT_NONE},
		{"Result", NULL, NULL, SIM_FAULT_RESULT},
		{"Result", NULL, "\"Success\"", SIM_FAULT_RESULT},
		{"Result", "ResultCode", NULL, SIM_FAULT_RESULT},
		{"Result", "ResultCode", "\"success\"", SIM_FAULT_REFUSED},
		{"Result", "ResultCode", "\"MICFailed\"", SIM_FAULT_REFUSED},
		{"Result", "Description", "null", SIM_FAULT_JSON},
		{"PHYPayload", NULL, NULL, SIM_FAULT_FRAME},
		{"PHYPayload", NULL, "\"\"", SIM_FAULT_FRAME},
		{"PHYPayload", NULL, "\"2\"", SIM_FAULT_FRAME},
		{"PHYPayload", NULL, "\"20454c586d1e9d2f1119312f280e0f63\"", SIM_FAULT_FRAME},
		{"PHYPayload", NULL, "\"20454c586d1e9d2f1119312f280e0f6333\"", SIM_FAULT_MIC},
		{"PHYPayload", NULL, "\"21454c586d1e9d2f1119312f280e0f6333\"", SIM_FAULT_FRAME},
		{"Lifetime", NULL, "-1", SIM_FAULT_LIFETIME},
		{"Lifetime", NULL, "1.5", SIM_FAULT_LIFETIME},
		{"Lifetime", NULL, "\"0\"", SIM_FAULT_LIFETIME},
		{"Lifetime", NULL, "4294967296", SIM_FAULT_LIFETIME},
		{"Lifetime", NULL, NULL, SIM_FAULT_NONE},
		{"NwkSKey", NULL, NULL, SIM_FAULT_KEY_SET},
		{"NwkSKey", NULL, WRONG_KEY, SIM_FAULT_KEY_FORM},
		{"NwkSKey", "AESKey", WRONG_KEY, SIM_FAULT_NETWORK_KEY},
		{"NwkSKey", "AESKey", "\"00\"", SIM_FAULT_KEY_FORM},
		{"NwkSKey", "AESKey", NULL, SIM_FAULT_KEY_FORM},
		{"NwkSKey", "KEKLabel", "\"\"", SIM_FAULT_NONE},
		{"NwkSKey", "KEKLabel", "\"" KEK_LABEL "\"", SIM_FAULT_KEY_FORM},
		{"NwkSKey", "KEKLabel", "5", SIM_FAULT_KEY_FORM},
		{"FNwkSIntKey", NULL, "{\"AESKey\":" WRONG_KEY "}", SIM_FAULT_KEY_SET},
		{"AppSKey", "AESKey", WRONG_KEY, SIM_FAULT_APP_S_KEY},
		{"AppSKey", NULL, NULL, SIM_FAULT_NONE},
		{"SessionKeyID", NULL, NULL, SIM_FAULT_NONE},
		{"SessionKeyID", NULL, "\"\"", SIM_FAULT_SESSION_ID},
		{"SessionKeyID", NULL, "\"abc\"", SIM_FAULT_SESSION_ID},
		{"SessionKeyID", NULL, "\"zz\"", SIM_FAULT_SESSION_ID},
	};

	(void)state;
	check_changes(LW_VERSION_1_0_3, changes, sizeof(changes) / sizeof(changes[0]));
}

static void a_change_in_any_field_of_1_1_is_found(void **state)
{
	static const char *const other_wrap =
		"\"f2950403cceb2d81edf988ab9fd3985d951fb979f7f6848a\"";
	const struct change changes[] = {
		{"ProtocolVersion", NULL, "\"1.0\"", SIM_FAULT_PROTOCOL},
		{"ReceiverNSID", NULL, NULL, SIM_FAULT_HEADER},
		{"ReceiverNSID", NULL, "\"70b3d57ed0fe0002\"", SIM_FAULT_HEADER},
		{"FNwkSIntKey", NULL, NULL, SIM_FAULT_KEY_SET},
		{"SNwkSIntKey", NULL, NULL, SIM_FAULT_KEY_SET},
		{"NwkSEncKey", NULL, NULL, SIM_FAULT_KEY_SET},
		{"NwkSKey", NULL, "{\"AESKey\":" WRONG_KEY "}", SIM_FAULT_KEY_SET},
		{"FNwkSIntKey", NULL, "{\"AESKey\":" WRONG_KEY "}", SIM_FAULT_NETWORK_KEY},
		{"SNwkSIntKey", NULL, "{\"AESKey\":" WRONG_KEY "}", SIM_FAULT_NETWORK_KEY},
		{"NwkSEncKey", NULL, "{\"AESKey\":" WRONG_KEY "}", SIM_FAULT_NETWORK_KEY},
		{"NwkSEncKey", "AESKey", other_wrap, SIM_FAULT_KEK},
		{"NwkSEncKey", "KEKLabel", "\"other\"", SIM_FAULT_KEK},
		{"NwkSEncKey", "KEKLabel", NULL, SIM_FAULT_KEY_FORM},
	};

	(void)state;
	check_changes(LW_VERSION_1_1, changes, sizeof(changes) / sizeof(changes[0]));
}

/* The first one counts; the others are there for who asks. */
static void every_kind_of_fault_is_noted(void **state)
{
	struct sim_verdict verdict;
	struct scene scene;

	(void)state;
	make_scene(&scene, LW_VERSION_1_0_3);
	json_object_del(scene.answer, "NwkSKey");
	json_object_set_new(scene.answer, "TransactionID", json_integer(1));
	json_object_set_new(scene.answer, "ReceiverID", json_string("000014"));
	assert_int_equal(judge(&scene, &verdict), SIM_FAULT_HEADER);
	assert_non_null(strstr(verdict.detail, "ReceiverID"));
	assert_string_equal(verdict.details[SIM_FAULT_HEADER], verdict.detail);
	assert_non_null(strstr(verdict.details[SIM_FAULT_KEY_SET], "NwkSKey"));
	assert_string_equal(verdict.details[SIM_FAULT_PROTOCOL], "");
	assert_string_equal(verdict.details[SIM_FAULT_MIC], "");
}

static void neither_app_s_key_nor_its_name_is_found(void **state)
{
	struct sim_verdict verdict;
	struct scene scene;

	(void)state;
	make_scene(&scene, LW_VERSION_1_0_3);
	json_object_del(scene.answer, "AppSKey");
	json_object_del(scene.answer, "SessionKeyID");
	assert_int_equal(judge(&scene, &verdict), SIM_FAULT_SESSION_ID);
}

/* A server that builds a flawless accept out of something else than what it was asked. */
static void a_change_in_any_field_of_the_accept_is_found(void **state)
{
	static const struct {
		const char *name;
		size_t at; /* octet of struct lw_join_accept that is changed */
	} fields[] = {
		{"NetID", offsetof(struct lw_join_accept, net_id)},
		{"NetID", offsetof(struct lw_join_accept, net_id) + 2},
		{"DevAddr", offsetof(struct lw_join_accept, dev_addr)},
		{"DevAddr", offsetof(struct lw_join_accept, dev_addr) + 3},
		{"DLSettings", offsetof(struct lw_join_accept, dl_settings)},
		{"RxDelay", offsetof(struct lw_join_accept, rx_delay)},
		{"CFList", offsetof(struct lw_join_accept, cf_list)},
		{"CFList", offsetof(struct lw_join_accept, cf_list) + 15},
		{"CFList", offsetof(struct lw_join_accept, has_cf_list)},
	};

	(void)state;
	for (size_t v = 0; v < 2; v++) {
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
			struct lw_join_accept accept;
			struct sim_verdict verdict;
			struct scene scene;

			begin(&scene, versions[v]);
			accept = right_accept(&scene);
			((uint8_t *)&accept)[fields[i].at] ^= 1;
			answer_with(&scene, &accept);
			assert_int_equal(judge(&scene, &verdict), SIM_FAULT_ACCEPT);
			assert_memory_equal(verdict.detail, fields[i].name, strlen(fields[i].name));
		}
	}
}

static void a_join_nonce_that_does_not_rise_is_found(void **state)
{
	(void)state;
	for (uint32_t nonce = JOIN_NONCE - 2; nonce <= JOIN_NONCE; nonce++) {
		struct lw_join_accept accept;
		struct sim_verdict verdict;
		struct scene scene;

		begin(&scene, LW_VERSION_1_0_3);
		accept = right_accept(&scene);
		accept.join_nonce = nonce;
		answer_with(&scene, &accept);
		assert_int_equal(judge(&scene, &verdict),
			nonce == JOIN_NONCE ? SIM_FAULT_NONE : SIM_FAULT_JOIN_NONCE);
	}
}

static void rubbish_and_other_statuses_are_found(void **state)
{
	static const struct {
		long status;
		const char *body;
		enum sim_fault want;
	} rows[] = {
		{200, "", SIM_FAULT_JSON},
		{200, "{", SIM_FAULT_JSON},
		{200, "[]", SIM_FAULT_JSON},
		{200, "7", SIM_FAULT_JSON},
		{200, "{}", SIM_FAULT_RESULT},
		{200, "{\"Result\":{},\"Result\":{}}", SIM_FAULT_JSON},
		{500, "{}", SIM_FAULT_STATUS},
		{401, "", SIM_FAULT_STATUS},
		{200, "{\"Result\":{\"ResultCode\":\"\\u001b[31m\\u0000\"}}", SIM_FAULT_JSON},
		{200, "{\"Result\":{\"ResultCode\":\"\\u001b[31m\"}}", SIM_FAULT_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim_verdict verdict;
		struct scene scene;

		begin(&scene, LW_VERSION_1_0_3);
		sim_join_answer(aes, &scene.ns, &scene.join, rows[i].status, rows[i].body,
			strlen(rows[i].body), &verdict);
		assert_int_equal(verdict.fault, rows[i].want);
		assert_null(strchr(verdict.result_code, '\033'));
	}
}

static void a_refusal_by_status_is_explained(void **state)
{
	static const struct {
		long status;
		const char *words;
	} rows[] = {{401, "401, the join server knows no sender by this credential"},
		{503, "503, the join server has no time, or the sender asks more than it may"},
		{500, "500, where 200 is right"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim_verdict verdict;
		struct scene scene;

		begin(&scene, LW_VERSION_1_0_3);
		sim_join_answer(aes, &scene.ns, &scene.join, rows[i].status, "{}", 2, &verdict);
		assert_int_equal(verdict.fault, SIM_FAULT_STATUS);
		assert_string_equal(verdict.detail, rows[i].words);
	}
}

static void answers_cut_anywhere_are_found(void **state)
{
	struct sim_verdict verdict;
	struct scene scene;
	char *body;

	(void)state;
	make_scene(&scene, LW_VERSION_1_1);
	body = json_dumps(scene.answer, JSON_COMPACT);
	assert_non_null(body);
	for (size_t length = 0; length < strlen(body); length++) {
		char *cut = malloc(length + 1);

		assert_non_null(cut);
		memcpy(cut, body, length);
		sim_join_answer(aes, &scene.ns, &scene.join, 200, cut, length, &verdict);
		assert_int_equal(verdict.fault, SIM_FAULT_JSON);
		free(cut);
	}
	free(body);
	json_decref(scene.answer);
}

static void requests_are_spelt_like_the_programs(void **state)
{
	static const struct {
		enum sim_dialect dialect;
		bool protocol_1_1;
		const char *sender;
		const char *body;
	} rows[] = {
		{SIM_PLAIN, false, "60050a",
			"{\"ProtocolVersion\":\"1.0\",\"SenderID\":\"60050a\",\"ReceiverID\":"
			"\"70b3d57ed0001234\",\"TransactionID\":2309737967,\"MessageType\":"
			"\"JoinReq\",\"MACVersion\":\"1.1\",\"PHYPayload\":\"%s\",\"DevEUI\":"
			"\"0004a30b001c0530\",\"DevAddr\":\"ea140b2c\",\"DLSettings\":\"80\","
			"\"RxDelay\":5,\"CFList\":\"184f84e85684b85e84886684586e8400\"}"},
		{SIM_CHIRPSTACK, false, "60050a",
			"{\"ProtocolVersion\":\"1.0\",\"SenderID\":\"60050a\",\"ReceiverID\":"
			"\"70b3d57ed0001234\",\"TransactionID\":2309737967,\"MessageType\":"
			"\"JoinReq\",\"MACVersion\":\"1.1.0\",\"PHYPayload\":\"%s\",\"DevEUI\":"
			"\"0004a30b001c0530\",\"DevAddr\":\"ea140b2c\",\"DLSettings\":\"80\","
			"\"RxDelay\":5,\"CFList\":\"184f84e85684b85e84886684586e8400\"}"},
		{SIM_TTS, true, "60050A",
			"{\"ProtocolVersion\":\"1.1\",\"TransactionID\":0,\"MessageType\":"
			"\"JoinReq\",\"SenderID\":\"60050A\",\"SenderNSID\":\"70B3D57ED0FE0001\","
			"\"ReceiverID\":\"70B3D57ED0001234\",\"MACVersion\":\"1.1\","
			"\"PHYPayload\":\"%s\",\"DevEUI\":\"0004A30B001C0530\",\"DevAddr\":"
			"\"EA140B2C\",\"DLSettings\":\"80\",\"RxDelay\":5,\"CFList\":"
			"\"184F84E85684B85E84886684586E8400\"}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char body[SIM_BODY_MAX];
		char wanted[SIM_BODY_MAX];
		char frame[2 * LW_JOIN_REQUEST_SIZE + 1];
		const char *hole = strstr(rows[i].body, "%s");
		struct scene scene;

		begin(&scene, LW_VERSION_1_1);
		scene.ns.dialect = rows[i].dialect;
		scene.ns.protocol_1_1 = rows[i].protocol_1_1;
		strcpy(scene.ns.sender, rows[i].sender);
		scene.ns.has_dev_addr = true;
		octets_of("ea140b2c", scene.ns.dev_addr.octets, LW_DEV_ADDR_SIZE);
		assert_int_equal(
			sim_join_start(aes, &scene.ns, &scene.device, 0x89abcdef, &scene.join),
			KW_OK);
		kw_hex_write(frame, scene.join.frame, sizeof(scene.join.frame));
		for (char *at = frame; rows[i].dialect == SIM_TTS && *at != '\0'; at++) {
			*at = (char)(*at >= 'a' ? *at - 0x20 : *at);
		}
		snprintf(wanted, sizeof(wanted), "%.*s%s%s", (int)(hole - rows[i].body),
			rows[i].body, frame, hole + 2);
		assert_int_equal(sim_join_body(&scene.ns, &scene.join, body), strlen(wanted));
		assert_string_equal(body, wanted);
	}
}

static void versions_are_spelt_like_the_programs(void **state)
{
	struct sim_ns ns = {.dialect = SIM_TTS};

	(void)state;
	assert_string_equal(sim_mac_version(&ns, LW_VERSION_1_0_0), "1.0");
	assert_string_equal(sim_mac_version(&ns, LW_VERSION_1_0_3), "1.0.3");
	assert_string_equal(sim_mac_version(&ns, LW_VERSION_1_1), "1.1");
	ns.dialect = SIM_CHIRPSTACK;
	assert_string_equal(sim_mac_version(&ns, LW_VERSION_1_0_0), "1.0.0");
	assert_string_equal(sim_mac_version(&ns, LW_VERSION_1_1), "1.1.0");
	strcpy(ns.mac_version, "1.0.2");
	assert_string_equal(sim_mac_version(&ns, LW_VERSION_1_1), "1.0.2");
}

static void addresses_belong_to_the_network(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < 8; type++) {
		for (uint32_t i = 0; i < 64; i++) {
			struct scene scene;
			uint32_t net_id = type << 21 | (i * 0x1f3d5u & 0x1fffff);

			begin(&scene, LW_VERSION_1_0_3);
			for (size_t octet = 0; octet < LW_NET_ID_SIZE; octet++) {
				scene.ns.net_id.octets[octet] =
					(uint8_t)(net_id >> (16 - 8 * octet));
			}
			assert_int_equal(sim_join_start(aes, &scene.ns, &scene.device,
						 i * 0x9e3779b9u, &scene.join),
				KW_OK);
			assert_true(lw_dev_addr_matches(&scene.join.dev_addr, &scene.ns.net_id));
		}
	}
}

static void opt_neg_follows_both_versions(void **state)
{
	static const struct {
		enum lw_version version;
		const char *mac_version;
		uint8_t want;
	} rows[] = {
		{LW_VERSION_1_0_4, "", 0x00},
		{LW_VERSION_1_1, "", 0x80},
		{LW_VERSION_1_1, "1.0.3", 0x00},
		{LW_VERSION_1_1, "1.1.0", 0x80},
		{LW_VERSION_1_0_4, "1.1", 0x00},
		{LW_VERSION_1_1, "2.0", 0x00},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene;

		begin(&scene, rows[i].version);
		strcpy(scene.ns.mac_version, rows[i].mac_version);
		assert_int_equal(
			sim_join_start(aes, &scene.ns, &scene.device, 1, &scene.join), KW_OK);
		assert_int_equal(scene.join.dl_settings, rows[i].want);
		scene.ns.has_dl_settings = true;
		scene.ns.dl_settings = 0x7f;
		assert_int_equal(
			sim_join_start(aes, &scene.ns, &scene.device, 1, &scene.join), KW_OK);
		assert_int_equal(scene.join.dl_settings, 0x7f);
	}
}

static void dev_nonces_end(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, LW_VERSION_1_0_4);
	scene.device.next_dev_nonce = SIM_DEV_NONCES - 1;
	assert_int_equal(sim_join_start(aes, &scene.ns, &scene.device, 1, &scene.join), KW_OK);
	assert_int_equal(scene.join.dev_nonce, 65535);
	assert_int_equal(
		sim_join_start(aes, &scene.ns, &scene.device, 1, &scene.join), KW_E_EXHAUSTED);
}

static void codes_are_explained(void **state)
{
	(void)state;
	assert_non_null(sim_result_meaning("MICFailed"));
	assert_non_null(sim_result_meaning("UnkownReceiver"));
	assert_null(sim_result_meaning("Success"));
	assert_null(sim_result_meaning(""));
	for (unsigned i = 0; i <= SIM_FAULT_COUNT; i++) {
		assert_non_null(sim_fault_text((enum sim_fault)i));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_answer_has_no_fault),
		cmocka_unit_test(a_change_in_any_field_is_found),
		cmocka_unit_test(a_change_in_any_field_of_1_1_is_found),
		cmocka_unit_test(every_kind_of_fault_is_noted),
		cmocka_unit_test(neither_app_s_key_nor_its_name_is_found),
		cmocka_unit_test(a_change_in_any_field_of_the_accept_is_found),
		cmocka_unit_test(a_join_nonce_that_does_not_rise_is_found),
		cmocka_unit_test(rubbish_and_other_statuses_are_found),
		cmocka_unit_test(a_refusal_by_status_is_explained),
		cmocka_unit_test(answers_cut_anywhere_are_found),
		cmocka_unit_test(requests_are_spelt_like_the_programs),
		cmocka_unit_test(versions_are_spelt_like_the_programs),
		cmocka_unit_test(addresses_belong_to_the_network),
		cmocka_unit_test(opt_neg_follows_both_versions),
		cmocka_unit_test(dev_nonces_end),
		cmocka_unit_test(codes_are_explained),
	};
	int failed;

	aes = lw_aes_create();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	lw_aes_destroy(aes);
	return failed;
}
