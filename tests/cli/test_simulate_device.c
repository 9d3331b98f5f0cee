#include "cli/simulate_device.h"
#include "lorawan/join.h"
#include "tests/lorawan/octets.h"

#include <jansson.h>

#define FULL_JOINS 6
#define LENGTHS    64

static struct lw_aes *aes;
static const char *vectors_path;

struct vector {
	struct sim_device device;
	struct sim_uplink uplink;
	const json_t *inputs;
	const json_t *expected;
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	size_t length;
};

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return text;
}

static enum lw_join_req_type type_of(const char *request)
{
	if (strcmp(request, "join") == 0) {
		return LW_JOIN_REQ_JOIN;
	}
	return strcmp(request, "rejoin0") == 0 ? LW_JOIN_REQ_REJOIN_0 : LW_JOIN_REQ_REJOIN_2;
}

static void read_vector(const json_t *row, struct vector *vector)
{
	const json_t *inputs = json_object_get(row, "inputs");
	const char *frame;

	memset(vector, 0, sizeof(*vector));
	vector->inputs = inputs;
	vector->expected = json_object_get(row, "expected");
	vector->device.version =
		strstr(text_of(row, "version"), "1.1") == NULL ? LW_VERSION_1_0_4 : LW_VERSION_1_1;
	octets_of(text_of(inputs, "join_eui"), vector->device.id.join_eui.octets, LW_EUI_SIZE);
	octets_of(text_of(inputs, "dev_eui"), vector->device.id.dev_eui.octets, LW_EUI_SIZE);
	octets_of(text_of(inputs, "nwk_key"), vector->device.root.octets, LW_BLOCK_SIZE);
	octets_of(text_of(inputs, "app_key"), vector->device.app_key.octets, LW_BLOCK_SIZE);
	vector->uplink.type = type_of(text_of(inputs, "request"));
	vector->uplink.nonce = (uint16_t)json_integer_value(json_object_get(inputs, "nonce"));
	frame = text_of(vector->expected, "phy_payload");
	vector->length = strlen(frame) / 2;
	octets_of(frame, vector->frame, vector->length);
}

/* Run a check on every whole join of the vector file. */
static void each_vector(void (*check)(struct vector *vector))
{
	json_t *rows = json_load_file(vectors_path, 0, NULL);
	struct vector vector;
	unsigned count = 0;
	size_t index;
	json_t *row;

	assert_true(json_is_array(rows));
	json_array_foreach(rows, index, row)
	{
		if (strcmp(text_of(row, "kind"), "join_full") == 0) {
			read_vector(row, &vector);
			check(&vector);
			count++;
		}
	}
	assert_int_equal(count, FULL_JOINS);
	json_decref(rows);
}

static void same_octets(const json_t *object, const char *name, const uint8_t *got, size_t length)
{
	uint8_t wanted[LW_JOIN_ACCEPT_MAX];

	octets_of(text_of(object, name), wanted, length);
	assert_memory_equal(got, wanted, length);
}

static void check_request(struct vector *vector)
{
	uint8_t frame[LW_JOIN_REQUEST_SIZE];

	if (vector->uplink.type == LW_JOIN_REQ_JOIN) {
		assert_int_equal(
			sim_device_request(aes, &vector->device, vector->uplink.nonce, frame),
			KW_OK);
		same_octets(vector->expected, "uplink", frame, sizeof(frame));
	}
}

static void requests_are_those_of_the_vectors(void **state)
{
	(void)state;
	each_vector(check_request);
}

static void check_accept(struct vector *vector)
{
	struct sim_accept accept;

	assert_int_equal(sim_device_accept(aes, &vector->device, &vector->uplink, vector->frame,
				 vector->length, &accept),
		KW_OK);
	assert_int_equal(accept.length, vector->length);
	same_octets(vector->expected, "clear", accept.clear, vector->length - LW_MIC_SIZE);
	same_octets(vector->expected, "mic", accept.mic, LW_MIC_SIZE);
	same_octets(vector->inputs, "net_id", accept.fields.net_id.octets, LW_NET_ID_SIZE);
	same_octets(vector->inputs, "dev_addr", accept.fields.dev_addr.octets, LW_DEV_ADDR_SIZE);
	same_octets(vector->inputs, "dl_settings", &accept.fields.dl_settings, 1);
	assert_int_equal(accept.fields.join_nonce,
		json_integer_value(json_object_get(vector->inputs, "join_nonce")));
	assert_int_equal(accept.fields.has_cf_list, vector->length == LW_JOIN_ACCEPT_MAX);
}

static void accepts_are_read(void **state)
{
	(void)state;
	each_vector(check_accept);
}

static void check_keys(struct vector *vector)
{
	const json_t *keys = json_object_get(vector->expected, "keys");
	bool opt_neg = json_object_get(keys, "FNwkSIntKey") != NULL;
	struct sim_accept accept;
	struct sim_session session;

	assert_int_equal(sim_device_accept(aes, &vector->device, &vector->uplink, vector->frame,
				 vector->length, &accept),
		KW_OK);
	assert_int_equal(
		sim_device_derive(aes, &vector->device, &vector->uplink, &accept, &session), KW_OK);
	assert_int_equal(session.opt_neg, opt_neg);
	same_octets(keys, "AppSKey", session.app_s.octets, LW_BLOCK_SIZE);
	same_octets(keys, opt_neg ? "FNwkSIntKey" : "NwkSKey", session.f_nwk_s_int.octets,
		LW_BLOCK_SIZE);
	same_octets(keys, opt_neg ? "SNwkSIntKey" : "NwkSKey", session.s_nwk_s_int.octets,
		LW_BLOCK_SIZE);
	same_octets(
		keys, opt_neg ? "NwkSEncKey" : "NwkSKey", session.nwk_s_enc.octets, LW_BLOCK_SIZE);
}

static void keys_are_those_of_the_vectors(void **state)
{
	(void)state;
	each_vector(check_keys);
}

/* A 1.1 device on a 1.0 network uses NwkKey alone, as these vectors do. */
static void check_fallback(struct vector *vector)
{
	if (vector->device.version != LW_VERSION_1_1) {
		vector->device.version = LW_VERSION_1_1;
		check_keys(vector);
	}
}

static void a_1_1_device_falls_back_to_1_0(void **state)
{
	(void)state;
	each_vector(check_fallback);
}

static void check_flips(struct vector *vector)
{
	struct sim_accept accept;

	for (size_t bit = 0; bit < 8 * vector->length; bit++) {
		enum kw_err want = bit < 8 ? KW_E_FRAME_TYPE : KW_E_MIC;

		vector->frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(sim_device_accept(aes, &vector->device, &vector->uplink,
					 vector->frame, vector->length, &accept),
			want);
		assert_true(all_zero(&accept, sizeof(accept)));
		vector->frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void every_changed_bit_is_noticed(void **state)
{
	(void)state;
	each_vector(check_flips);
}

static void check_lengths(struct vector *vector)
{
	uint8_t frame[LENGTHS] = {0};
	struct sim_accept accept;

	memcpy(frame, vector->frame, vector->length);
	for (size_t length = 0; length < LENGTHS; length++) {
		enum kw_err want = KW_E_FRAME_SIZE;

		if (length == vector->length) {
			want = KW_OK;
		} else if (length == LW_JOIN_ACCEPT_SIZE || length == LW_JOIN_ACCEPT_MAX) {
			want = KW_E_MIC;
		}
		assert_int_equal(sim_device_accept(aes, &vector->device, &vector->uplink, frame,
					 length, &accept),
			want);
	}
}

static void other_lengths_are_refused(void **state)
{
	(void)state;
	each_vector(check_lengths);
}

static void check_wrong_secrets(struct vector *vector)
{
	struct vector other = *vector;
	struct sim_accept accept;

	other.device.root.octets[15] ^= 1;
	assert_int_equal(sim_device_accept(aes, &other.device, &other.uplink, vector->frame,
				 vector->length, &accept),
		KW_E_MIC);
	/* What OptNeg binds the accept to; before 1.1 nothing does. */
	other = *vector;
	other.uplink.nonce ^= 1;
	assert_int_equal(sim_device_accept(aes, &other.device, &other.uplink, vector->frame,
				 vector->length, &accept),
		vector->device.version == LW_VERSION_1_1 ? KW_E_MIC : KW_OK);
}

static void other_keys_and_nonces_are_refused(void **state)
{
	(void)state;
	each_vector(check_wrong_secrets);
}

/* The bit is RFU before 1.1: the device goes on with the formulas that it knows. */
static void a_1_0_device_ignores_opt_neg(void **state)
{
	const struct lw_join_accept fields = {.join_nonce = 9, .dl_settings = 0x80};
	const struct sim_uplink uplink = {LW_JOIN_REQ_JOIN, 77};
	struct sim_device device = {.version = LW_VERSION_1_0_3};
	struct lw_key_handle root;
	uint8_t frame[LW_JOIN_ACCEPT_MAX];
	struct sim_accept accept;
	size_t length = lw_join_accept_write(&fields, frame);

	(void)state;
	lw_key_handle_init(&root, aes, &device.root);
	assert_int_equal(lw_join_accept_mic_1_0(&root, frame, length, frame + length), KW_OK);
	length += LW_MIC_SIZE;
	assert_int_equal(lw_join_accept_encrypt(&root, frame, length), KW_OK);
	assert_int_equal(sim_device_accept(aes, &device, &uplink, frame, length, &accept), KW_OK);
	assert_false(accept.opt_neg);
	device.version = LW_VERSION_1_1;
	assert_int_equal(
		sim_device_accept(aes, &device, &uplink, frame, length, &accept), KW_E_MIC);
}

static void join_nonces_must_rise(void **state)
{
	static const struct {
		uint32_t last;
		uint32_t next;
		enum kw_err want;
	} rows[] = {
		{0, 0, KW_E_REPLAY},
		{0, 1, KW_OK},
		{1, 1, KW_E_REPLAY},
		{2, 1, KW_E_REPLAY},
		{1, 2, KW_OK},
		{1, LW_JOIN_NONCE_MAX, KW_OK},
		{LW_JOIN_NONCE_MAX, LW_JOIN_NONCE_MAX, KW_E_REPLAY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim_device device = {.last_join_nonce = rows[i].last};
		struct sim_accept accept = {.fields.join_nonce = rows[i].next};

		assert_int_equal(sim_device_take(&device, &accept), rows[i].want);
		assert_int_equal(device.last_join_nonce,
			rows[i].want == KW_OK ? rows[i].next : rows[i].last);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_those_of_the_vectors),
		cmocka_unit_test(accepts_are_read),
		cmocka_unit_test(keys_are_those_of_the_vectors),
		cmocka_unit_test(a_1_1_device_falls_back_to_1_0),
		cmocka_unit_test(every_changed_bit_is_noticed),
		cmocka_unit_test(other_lengths_are_refused),
		cmocka_unit_test(other_keys_and_nonces_are_refused),
		cmocka_unit_test(a_1_0_device_ignores_opt_neg),
		cmocka_unit_test(join_nonces_must_rise),
	};
	int failed;

	if (argc != 2) {
		return 2;
	}
	vectors_path = argv[1];
	aes = lw_aes_create();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	lw_aes_destroy(aes);
	return failed;
}
