#include "tests/js/world.h"

#include "base/log_gate.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

const struct lw_key world_key_1 = {{0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07, 0x18, 0x29, 0x3a,
	0x4b, 0x5c, 0x6d, 0x7e, 0x8f, 0x90}};
const struct lw_key world_key_2 = {{0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96,
	0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0}};

static uint64_t fixed_now(void *arg)
{
	return ((struct world *)arg)->now_ms;
}

static uint64_t fixed_mono(void *arg)
{
	return ((struct world *)arg)->now_ms * 1000;
}

static enum kw_err system_random(void *arg, void *out, size_t length)
{
	(void)arg;
	return kw_random(&kw_env_system, out, length);
}

const struct ks_master_key world_master = {{7}};

static struct ks_options options_of(const struct world *world)
{
	return (struct ks_options){
		.path = world->folder, .map_size = WORLD_MAP_SIZE, .env = &world->env};
}

enum kw_err world_open(struct world *world)
{
	const struct ks_options options = options_of(world);
	enum kw_err err = ks_store_open(&options, &world_master, &world->store);

	if (err == KW_OK) {
		err = js_backend_init(&world->backend, world->store, WORLD_WINDOW_MS);
	}
	return err;
}

void world_close(struct world *world)
{
	js_backend_finish(&world->backend);
	ks_store_close(world->store);
	world->store = NULL;
}

void world_reopen(struct world *world)
{
	world_close(world);
	assert_int_equal(world_open(world), KW_OK);
}

void world_fold(struct world *world)
{
	size_t left;

	do {
		assert_int_equal(ks_fold(world->store, 100, &left), KW_OK);
	} while (left > 0);
	assert_int_equal(ks_fold_devices(world->store), 0);
}

void world_wait(struct world *world)
{
	world->now_ms += WORLD_WINDOW_MS + 1;
}

int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct ks_options options;

	assert_non_null(world);
	strcpy(world->folder, "/tmp/keyward-world-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->now_ms = 1800000000000;
	world->env = (struct kw_env){fixed_now, fixed_mono, system_random, world};
	world->aes = lw_aes_create();
	options = options_of(world);
	assert_int_equal(ks_store_create(&options, &world_master), KW_OK);
	assert_int_equal(world_open(world), KW_OK);
	world_add_ns(world, "ours", WORLD_OURS, 0x13);
	world_add_device(world, WORLD_1_0_3, LW_VERSION_1_0_3);
	world_add_device(world, WORLD_1_0_4, LW_VERSION_1_0_4);
	world_add_device(world, WORLD_1_1, LW_VERSION_1_1);
	world_add_device(world, WORLD_EXAMPLE, LW_VERSION_1_1);
	*state = world;
	return 0;
}

int world_teardown(void **state)
{
	struct world *world = *state;
	char command[128];

	world_close(world);
	lw_aes_destroy(world->aes);
	snprintf(command, sizeof(command), "rm -r %s", world->folder);
	assert_int_equal(system(command), 0);
	free(world);
	return 0;
}

static struct ks_txn *begin(struct world *world)
{
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(world->store, &txn), KW_OK);
	return txn;
}

/* ---- peers and devices ---- */

static void put_peer(struct world *world, struct ks_peer *peer)
{
	struct ks_txn *txn = begin(world);

	assert_int_equal(ks_peer_put(txn, peer), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

uint32_t world_put_peer(struct world *world, struct ks_peer *peer, uint8_t credential)
{
	const uint8_t digest[KS_DIGEST_SIZE] = {credential};

	if (credential != 0) {
		assert_int_equal(ks_peer_add_credential(
					 world->store, peer, KS_CREDENTIAL_TOKEN, digest, "", 0),
			KW_OK);
	}
	put_peer(world, peer);
	return peer->id;
}

uint32_t world_add_ns(struct world *world, const char *name, uint8_t credential, uint8_t net_id)
{
	struct ks_peer peer = {.kind = KS_PEER_NS, .net_id_count = 1, .any_device = true};

	snprintf(peer.name, sizeof(peer.name), "%s", name);
	peer.net_ids[0].octets[2] = net_id;
	return world_put_peer(world, &peer, credential);
}

uint32_t world_add_as(struct world *world, const char *name, uint8_t credential)
{
	struct ks_peer peer = {.kind = KS_PEER_AS};

	snprintf(peer.name, sizeof(peer.name), "%s", name);
	snprintf(peer.as_id, sizeof(peer.as_id), "%s.example", name);
	return world_put_peer(world, &peer, credential);
}

static struct ks_peer peer_of(struct world *world, enum ks_peer_kind kind, const char *name)
{
	const struct ks_peer *peer = ks_peer_by_name(world->store, kind, name);

	assert_non_null(peer);
	return *peer;
}

void world_change_peer(struct world *world, enum ks_peer_kind kind, const char *name,
	void (*change)(struct world *world, struct ks_peer *peer))
{
	struct ks_peer peer = peer_of(world, kind, name);

	change(world, &peer);
	put_peer(world, &peer);
}

void world_add_kek(struct world *world, enum ks_peer_kind kind, const char *name, const char *label,
	uint8_t fill, size_t length)
{
	struct ks_peer peer = peer_of(world, kind, name);
	uint8_t kek[KS_KEK_MAX];

	memset(kek, fill, sizeof(kek));
	assert_int_equal(ks_peer_add_kek(world->store, &peer, label, kek, length), KW_OK);
	put_peer(world, &peer);
}

void world_retire_kek(
	struct world *world, enum ks_peer_kind kind, const char *name, const char *label)
{
	struct ks_peer peer = peer_of(world, kind, name);

	assert_int_equal(ks_peer_retire_kek(&peer, label, true), KW_OK);
	put_peer(world, &peer);
}

struct lw_device_id world_id(uint8_t number)
{
	struct lw_device_id id = {
		{{0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0, 0x12, 0x34}}, {{0, 4, 0xa3, 0x0b, 0, 0, 0, 0}}};

	if (number == WORLD_EXAMPLE) {
		id.dev_eui.octets[5] = 0x1c;
		id.dev_eui.octets[6] = 0x05;
	}
	id.dev_eui.octets[7] = number;
	return id;
}

void world_add_device(struct world *world, uint8_t number, enum lw_version version)
{
	struct ks_device device = {
		.id = world_id(number), .version = version, .origin = KS_ORIGIN_IMPORTED};
	bool is_1_1 = lw_version_is_1_1(version);
	struct ks_txn *txn = begin(world);

	assert_int_equal(ks_device_add(txn, &device, is_1_1 ? &world_key_2 : &world_key_1,
				 is_1_1 ? &world_key_1 : NULL),
		KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

void world_remove_device(struct world *world, uint8_t number)
{
	const struct lw_device_id id = world_id(number);
	struct ks_txn *txn = begin(world);

	assert_int_equal(ks_device_remove(txn, &id), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

static struct ks_device device_of(struct world *world, uint8_t number)
{
	const struct lw_device_id id = world_id(number);
	struct ks_txn *txn = begin(world);
	struct ks_device device;

	assert_int_equal(ks_device_get(txn, &id, &device), KW_OK);
	ks_txn_abort(txn);
	return device;
}

static void put_policy(struct world *world, struct ks_device *device)
{
	struct ks_txn *txn = begin(world);

	assert_int_equal(ks_device_put_policy(txn, device), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
}

void world_set_policy(struct world *world, uint8_t number, void (*change)(struct ks_policy *policy))
{
	struct ks_device device = device_of(world, number);

	change(&device.policy);
	put_policy(world, &device);
}

void world_set_as(struct world *world, uint8_t number, const char *name)
{
	struct ks_device device = device_of(world, number);

	snprintf(device.policy.as_id, sizeof(device.policy.as_id), "%s.example", name);
	put_policy(world, &device);
}

/* ---- requests ---- */

void world_show(struct ipc_backend_req *request, uint8_t credential)
{
	memset(request->credentials, 0, sizeof(request->credentials));
	request->credential_count = 1;
	request->credentials[0].kind = IPC_CREDENTIAL_TOKEN;
	request->credentials[0].digest[0] = credential;
}

static struct ipc_backend_req request_of(
	struct world *world, enum ipc_procedure procedure, uint8_t number)
{
	const struct lw_device_id id = world_id(number);
	struct ipc_backend_req request = {
		.number = 1000 + ++world->count,
		.procedure = (uint8_t)procedure,
		.protocol = IPC_PROTOCOL_1_0,
		.receiver_is_eui = 1,
		.has_dev_eui = 1,
	};

	memcpy(request.receiver, id.join_eui.octets, LW_EUI_SIZE);
	memcpy(request.dev_eui, id.dev_eui.octets, LW_EUI_SIZE);
	return request;
}

static void from_ns(struct ipc_backend_req *request, uint8_t credential, uint8_t net_id)
{
	world_show(request, credential);
	request->sender_is_net_id = 1;
	request->sender_net_id[2] = net_id;
}

/* What the network server chooses. */
static void choose(struct ipc_backend_req *request, bool is_1_1)
{
	from_ns(request, WORLD_OURS, 0x13);
	request->dev_addr[0] = 0x26;
	request->dev_addr[3] = 0x07;
	request->rx_delay = 1;
	request->mac_version = is_1_1 ? LW_VERSION_1_1 : LW_VERSION_1_0_3;
	request->dl_settings = is_1_1 ? 0x80 : 0;
}

static void put_le(uint8_t *out, const uint8_t *octets, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		out[i] = octets[length - 1 - i];
	}
}

static void cmac(struct world *world, const struct lw_key *key, const uint8_t *data, size_t length,
	uint8_t *mic)
{
	struct lw_key_handle handle;
	uint8_t whole[LW_BLOCK_SIZE];

	lw_key_handle_init(&handle, world->aes, key);
	assert_int_equal(lw_key_cmac(&handle, data, length, whole), KW_OK);
	memcpy(mic, whole, 4);
}

static struct lw_key encrypted(
	struct world *world, const struct lw_key *key, const uint8_t block[16])
{
	struct lw_key_handle handle;
	struct lw_key out;

	lw_key_handle_init(&handle, world->aes, key);
	assert_int_equal(lw_key_encrypt(&handle, block, out.octets, sizeof(out.octets)), KW_OK);
	return out;
}

/* aes(NwkKey, first | DevEUI | pad16) */
static struct lw_key js_key(struct world *world, uint8_t number, uint8_t first)
{
	const struct lw_device_id id = world_id(number);
	uint8_t block[16] = {first};

	put_le(block + 1, id.dev_eui.octets, 8);
	return encrypted(world, &world_key_1, block);
}

struct lw_key world_js_int_key(struct world *world, uint8_t number)
{
	return js_key(world, number, 6);
}

void world_sign(struct world *world, struct ipc_backend_req *request, const struct lw_key *key)
{
	size_t length = request->phy_length - 4u;

	cmac(world, key, request->phy_payload, length, request->phy_payload + length);
}

struct ipc_backend_req world_join_req(struct world *world, uint8_t number, uint16_t dev_nonce)
{
	struct ipc_backend_req request = request_of(world, IPC_PROCEDURE_JOIN, number);
	uint8_t *frame = request.phy_payload;

	choose(&request, number == WORLD_1_1 || number == WORLD_EXAMPLE);
	request.phy_length = 23;
	frame[0] = 0x00;
	put_le(frame + 1, request.receiver, 8);
	put_le(frame + 9, request.dev_eui, 8);
	frame[17] = (uint8_t)dev_nonce;
	frame[18] = (uint8_t)(dev_nonce >> 8);
	world_sign(world, &request, &world_key_1);
	return request;
}

struct ipc_backend_req world_rejoin_req(struct world *world, uint8_t number,
	enum lw_join_req_type type, uint16_t rj_count, const struct lw_key *key)
{
	struct ipc_backend_req request = request_of(world, IPC_PROCEDURE_REJOIN, number);
	const struct lw_key js_int_key = world_js_int_key(world, number);
	uint8_t *frame = request.phy_payload;
	size_t at = type == LW_JOIN_REQ_REJOIN_1 ? 18 : 13;

	choose(&request, true);
	request.phy_length = (uint8_t)(at + 6);
	frame[0] = 0xc0;
	frame[1] = (uint8_t)type;
	if (type == LW_JOIN_REQ_REJOIN_1) {
		put_le(frame + 2, request.receiver, 8);
	} else {
		put_le(frame + 2, request.sender_net_id, 3);
	}
	put_le(frame + at - 8, request.dev_eui, 8);
	frame[at] = (uint8_t)rj_count;
	frame[at + 1] = (uint8_t)(rj_count >> 8);
	world_sign(world, &request, key != NULL ? key : &js_int_key);
	return request;
}

struct ipc_backend_req world_app_s_key_req(struct world *world, uint8_t number, const char *name,
	uint8_t credential, const uint8_t session_key_id[IPC_SESSION_ID_SIZE])
{
	struct ipc_backend_req request = request_of(world, IPC_PROCEDURE_APP_S_KEY, number);

	world_show(&request, credential);
	snprintf(request.as_id, sizeof(request.as_id), "%s.example", name);
	request.has_session_key_id = 1;
	memcpy(request.session_key_id, session_key_id, IPC_SESSION_ID_SIZE);
	return request;
}

struct ipc_backend_req world_home_ns_req(
	struct world *world, uint8_t number, uint8_t credential, uint8_t net_id)
{
	struct ipc_backend_req request = request_of(world, IPC_PROCEDURE_HOME_NS, number);

	from_ns(&request, credential, net_id);
	return request;
}

enum kw_err world_ask(
	struct world *world, const struct ipc_backend_req *request, struct ipc_backend_ans *ans)
{
	struct ks_txn *txn = begin(world);
	const struct ks_peer *peer = js_backend_answer(&world->backend, txn, request, ans);

	assert_string_equal(ans->peer, peer != NULL ? peer->name : "");
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	js_backend_kept(&world->backend);
	assert_int_equal(ans->number, request->number);
	return (enum kw_err)ans->err;
}

struct ks_state world_state(struct world *world, uint8_t number)
{
	const struct lw_device_id id = world_id(number);
	struct ks_txn *txn = begin(world);
	struct ks_state state;

	assert_int_equal(ks_state_get(txn, &id, &state), KW_OK);
	ks_txn_abort(txn);
	return state;
}

static void same_state(const struct ks_state *a, const struct ks_state *b)
{
	assert_int_equal(a->next_join_nonce, b->next_join_nonce);
	assert_int_equal(a->dev_nonce_count, b->dev_nonce_count);
	assert_int_equal(a->max_dev_nonce, b->max_dev_nonce);
	assert_int_equal(a->joins_accepted, b->joins_accepted);
	assert_int_equal(a->has_session, b->has_session);
	assert_memory_equal(
		a->last_session.session_key_id, b->last_session.session_key_id, KS_SESSION_ID_SIZE);
}

void world_refused(struct world *world, const struct ipc_backend_req *request, enum kw_err expected)
{
	const uint8_t number = request->dev_eui[7];
	const struct ks_state before = world_state(world, number);
	const uint64_t records = ks_fold_records(world->store);
	struct ipc_backend_ans ans, empty = {.number = request->number, .err = expected};
	struct ks_state after;

	assert_int_equal(world_ask(world, request, &ans), expected);
	memcpy(empty.peer, ans.peer, sizeof(empty.peer));
	assert_memory_equal(&ans, &empty, sizeof(ans));
	if (expected == KW_E_UNAUTHENTICATED) {
		assert_string_equal(ans.peer, "");
	}
	after = world_state(world, number);
	same_state(&before, &after);
	assert_int_equal(records, ks_fold_records(world->store));
}

/* ---- the device's end ---- */

static bool opt_neg_of(const struct ipc_backend_req *request)
{
	return (request->dl_settings & 0x80) != 0;
}

/* JoinReqType, DevNonce or RJcount as the device put them on the air. */
static uint8_t type_of(const struct ipc_backend_req *request)
{
	return request->procedure == IPC_PROCEDURE_JOIN ? 0xff : request->phy_payload[1];
}

static const uint8_t *nonce_of(const struct ipc_backend_req *request)
{
	return request->phy_payload + request->phy_length - 6;
}

static void decrypt(struct world *world, const struct ipc_backend_req *request,
	const struct ipc_backend_ans *ans, uint8_t clear[33])
{
	const struct lw_key js_enc_key = js_key(world, request->dev_eui[7], 5);
	struct lw_key_handle handle;

	lw_key_handle_init(&handle, world->aes,
		request->procedure == IPC_PROCEDURE_REJOIN ? &js_enc_key : &world_key_1);
	clear[0] = ans->phy_payload[0];
	assert_int_equal(
		lw_key_encrypt(&handle, ans->phy_payload + 1, clear + 1, ans->phy_length - 1u),
		KW_OK);
}

static void check_mic(struct world *world, const struct ipc_backend_req *request,
	const uint8_t *clear, size_t length)
{
	const struct lw_key js_int_key = world_js_int_key(world, request->dev_eui[7]);
	uint8_t message[11 + 29] = {type_of(request)}, mic[4];
	bool opt_neg = opt_neg_of(request);

	put_le(message + 1, request->receiver, 8);
	memcpy(message + 9, nonce_of(request), 2);
	memcpy(message + 11, clear, length - 4);
	if (opt_neg) {
		cmac(world, &js_int_key, message, 11 + length - 4, mic);
	} else {
		cmac(world, &world_key_1, clear, length - 4, mic);
	}
	assert_memory_equal(mic, clear + length - 4, 4);
}

/* What the network server chose is what the device reads. */
static void check_content(
	const struct ipc_backend_req *request, const uint8_t *clear, size_t length)
{
	uint8_t expected[9];

	put_le(expected, request->sender_net_id, 3);
	put_le(expected + 3, request->dev_addr, 4);
	expected[7] = request->dl_settings;
	expected[8] = request->rx_delay;
	assert_int_equal(clear[0], 0x20);
	assert_memory_equal(clear + 4, expected, 9);
	assert_int_equal(length, request->has_cf_list != 0 ? 33 : 17);
	if (request->has_cf_list != 0) {
		assert_memory_equal(clear + 13, request->cf_list, 16);
	}
}

uint32_t world_join_nonce(struct world *world, const struct ipc_backend_req *request,
	const struct ipc_backend_ans *ans)
{
	uint8_t clear[33];

	decrypt(world, request, ans, clear);
	return (uint32_t)clear[1] | (uint32_t)clear[2] << 8 | (uint32_t)clear[3] << 16;
}

static struct lw_key session_key(struct world *world, const struct ipc_backend_req *request,
	const uint8_t *clear, const struct lw_key *root, uint8_t first)
{
	uint8_t block[16] = {first};

	memcpy(block + 1, clear + 1, 3); /* JoinNonce */
	if (opt_neg_of(request)) {
		put_le(block + 4, request->receiver, 8);
		memcpy(block + 12, nonce_of(request), 2);
	} else {
		memcpy(block + 4, clear + 4, 3); /* NetID */
		memcpy(block + 7, nonce_of(request), 2);
	}
	return encrypted(world, root, block);
}

void world_device_reads(struct world *world, const struct ipc_backend_req *request,
	const struct ipc_backend_ans *ans, struct lw_session_keys *keys)
{
	bool opt_neg = opt_neg_of(request);
	uint8_t clear[33];

	assert_true(ans->phy_length == 17 || ans->phy_length == 33);
	decrypt(world, request, ans, clear);
	check_mic(world, request, clear, ans->phy_length);
	check_content(request, clear, ans->phy_length);
	keys->opt_neg = opt_neg;
	keys->f_nwk_s_int = session_key(world, request, clear, &world_key_1, 1);
	keys->s_nwk_s_int = session_key(world, request, clear, &world_key_1, opt_neg ? 3 : 1);
	keys->nwk_s_enc = session_key(world, request, clear, &world_key_1, opt_neg ? 4 : 1);
	keys->app_s = session_key(world, request, clear, opt_neg ? &world_key_2 : &world_key_1, 2);
}

void world_same_key(const struct ipc_key *clear, const struct lw_key *expected)
{
	assert_int_equal(clear->length, 16);
	assert_memory_equal(clear->octets, expected->octets, 16);
}

void world_joins(
	struct world *world, const struct ipc_backend_req *request, struct lw_session_keys *keys)
{
	struct ipc_backend_ans ans;

	assert_int_equal(world_ask(world, request, &ans), KW_OK);
	world_device_reads(world, request, &ans, keys);
	assert_int_equal(ans.opt_neg, keys->opt_neg);
	world_same_key(&ans.f_nwk_s_int_key, &keys->f_nwk_s_int);
	if (keys->opt_neg) {
		world_same_key(&ans.s_nwk_s_int_key, &keys->s_nwk_s_int);
		world_same_key(&ans.nwk_s_enc_key, &keys->nwk_s_enc);
	} else {
		assert_int_equal(ans.s_nwk_s_int_key.length + ans.nwk_s_enc_key.length, 0);
	}
	if (ans.app_s_key.length > 0) {
		world_same_key(&ans.app_s_key, &keys->app_s);
	}
}

struct lw_key world_unwrap(
	struct world *world, uint8_t fill, size_t length, const struct ipc_key *wrapped)
{
	uint8_t kek[KS_KEK_MAX];
	struct lw_key key;

	memset(kek, fill, sizeof(kek));
	assert_int_equal(wrapped->length, LW_WRAPPED_SIZE);
	assert_int_equal(
		lw_unwrap(world->aes, kek, length, wrapped->octets, LW_WRAPPED_SIZE, key.octets),
		KW_OK);
	return key;
}

/* ---- the join log ---- */

int world_events(struct world *world, struct ks_event *events, size_t max)
{
	struct ks_txn *txn = begin(world);
	uint64_t resume;
	bool more;
	int count;

	assert_int_equal(js_refusals_write(&world->backend.refusals, txn), KW_OK);
	assert_int_equal(ks_txn_commit(txn), KW_OK);
	js_refusals_written(&world->backend.refusals);
	txn = begin(world);
	count = ks_events_get(txn, 0, false, NULL, events, max, 1000, &resume, &more);
	ks_txn_abort(txn);
	assert_false(more);
	return count;
}

/* ---- the log ---- */

static uint64_t mono_s(void)
{
	return kw_mono_us(&kw_env_system) / 1000000;
}

void world_log_begin(struct world_log *log)
{
	const int file = memfd_create("keyward-test-log", MFD_CLOEXEC);

	assert_true(file >= 0);
	log->kept = dup(STDERR_FILENO);
	assert_true(log->kept >= 0);
	log->begun_s = mono_s();
	assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
	close(file);
}

unsigned world_log_end(const struct world_log *log, const char *words)
{
	const int file = dup(STDERR_FILENO);
	const uint64_t seconds = mono_s() - log->begun_s + 1;
	unsigned lines = 0;
	char line[1024];
	FILE *in;

	assert_int_equal(dup2(log->kept, STDERR_FILENO), STDERR_FILENO);
	close(log->kept);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	in = fdopen(file, "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in) != NULL) {
		lines += strstr(line, words) != NULL;
	}
	fclose(in);
	assert_in_range(lines, 1, KW_LOG_GATE_LINES * seconds);
	return lines;
}
