#include "tests/power/image.h"

#include "ipc/channel.h"
#include "keystore/check.h"
#include "keystore/internal.h"

#include <stdio.h>
#include <unistd.h>

#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

void image_init(struct image *image, const struct load *load)
{
	memset(image, 0, sizeof(*image));
	image->load = load;
	image->world.env = load->world->env;
	image->world.env.arg = &image->world;
	image->world.aes = load->world->aes;
	image->world.count = load->world->count;
	image->world.now_ms = kw_now_ms(&kw_env_system);
	/* In memory if that can be: thousands of files come and go. */
	strcpy(image->world.folder, "/dev/shm/keyward-image-XXXXXX");
	if (mkdtemp(image->world.folder) == NULL) {
		strcpy(image->world.folder, "/tmp/keyward-image-XXXXXX");
		assert_non_null(mkdtemp(image->world.folder));
	}
}

void image_clear(struct image *image)
{
	static const char *const names[] = {
		"data.mdb", "lock.mdb", "data.mdb.new", "epoch", "epoch.new"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[96];

		snprintf(path, sizeof(path), "%s/%s", image->world.folder, names[i]);
		unlink(path);
	}
}

void image_finish(struct image *image)
{
	image_clear(image);
	assert_int_equal(rmdir(image->world.folder), 0);
}

/* ---- is it whole? ---- */

static void add_octets(uint64_t *digest, const void *octets, size_t length)
{
	const uint8_t *at = octets;

	*digest = (*digest ^ length) * FNV_PRIME;
	for (size_t i = 0; i < length; i++) {
		*digest = (*digest ^ at[i]) * FNV_PRIME;
	}
}

static void add_table(MDB_txn *txn, MDB_dbi table, uint64_t *digest)
{
	MDB_val key, value;
	MDB_cursor *cursor;

	assert_int_equal(mdb_cursor_open(txn, table, &cursor), 0);
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		add_octets(digest, key.mv_data, key.mv_size);
		add_octets(digest, value.mv_data, value.mv_size);
	}
	mdb_cursor_close(cursor);
}

static uint64_t digest_of(struct ks_store *store, const MDB_dbi *list, size_t count)
{
	uint64_t digest = FNV_START;
	MDB_txn *txn;

	assert_int_equal(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn), 0);
	for (size_t i = 0; i < count; i++) {
		add_table(txn, list[i], &digest);
	}
	mdb_txn_abort(txn);
	return digest;
}

static uint64_t content_of(struct ks_store *store)
{
	const struct ks_tables *tables = &store->tables;
	const MDB_dbi list[] = {tables->meta, tables->key, tables->device, tables->dev_eui,
		tables->state, tables->journal, tables->peer};

	return digest_of(store, list, sizeof(list) / sizeof(list[0]));
}

uint64_t image_records(struct image *image)
{
	const struct ks_tables *tables = &image->world.store->tables;
	const MDB_dbi list[] = {tables->device, tables->state, tables->journal, tables->peer};

	return digest_of(image->world.store, list, sizeof(list) / sizeof(list[0]));
}

static void keep_damage(void *context, const struct ks_damage *damage)
{
	char *text = context;

	snprintf(text, 256, "damaged: %s %s: %s", damage->table, damage->record, damage->what);
}

const char *image_open(struct image *image, uint64_t *content)
{
	static char text[256];
	struct ks_check check = {.damage = keep_damage, .context = text};

	*content = 0;
	if (world_open(&image->world) != KW_OK) {
		return "it does not open";
	}
	if (ks_check(image->world.store, &check) != KW_OK) {
		return "it does not read to the end";
	}
	*content = content_of(image->world.store);
	return check.damaged == 0 ? NULL : text;
}

/* ---- what does it remember? ---- */

/* An answered join, and what the image has of its device. */
struct answered {
	const struct ipc_backend_req *request;
	const struct ipc_backend_ans *ans;
	uint32_t join_nonce;
	struct ks_state state;
};

static const char *forgotten_session(struct image *image, const struct answered *join)
{
	struct ks_session sessions[KS_SESSIONS_MAX];
	struct ks_txn *txn;
	int count;

	assert_int_equal(ks_txn_begin(image->world.store, &txn), KW_OK);
	count = ks_sessions_get(txn, &join->state.id, sessions);
	ks_txn_abort(txn);
	if (count <= 0) {
		return "there is no session";
	}
	for (int i = 0; i < count; i++) {
		if (memcmp(sessions[i].session_key_id, join->ans->session_key_id,
			    KS_SESSION_ID_SIZE) == 0) {
			return sessions[i].join_nonce == join->join_nonce
				       ? NULL
				       : "a session has another JoinNonce";
		}
	}
	return count == KS_SESSIONS_MAX && sessions[count - 1].join_nonce > join->join_nonce
		       ? NULL
		       : "a session is not there";
}

static const char *forgotten_answer(struct image *image, const struct answered *join)
{
	struct ipc_backend_ans again;

	if (memcmp(join->state.last_session.session_key_id, join->ans->session_key_id,
		    KS_SESSION_ID_SIZE) != 0) {
		return NULL; /* there is a newer one */
	}
	image->world.now_ms = join->state.last_session.time_ms + 1;
	if (world_ask(&image->world, join->request, &again) != KW_OK ||
		again.phy_length != join->ans->phy_length ||
		memcmp(again.phy_payload, join->ans->phy_payload, again.phy_length) != 0 ||
		memcmp(&again.app_s_key, &join->ans->app_s_key, sizeof(again.app_s_key)) != 0) {
		return "the identical question does not get the identical answer";
	}
	return NULL;
}

static const char *forgotten_nonce(struct image *image, const struct answered *join)
{
	struct ipc_backend_req request = *join->request;
	struct ipc_backend_ans ans;

	request.dev_addr[2] ^= 0x55;
	world_wait(&image->world);
	if (join->state.next_join_nonce <= join->join_nonce) {
		return "a JoinNonce would be given out again";
	}
	return world_ask(&image->world, &request, &ans) == KW_E_REPLAY
		       ? NULL
		       : "a DevNonce or RJcount is accepted again";
}

static const char *forgotten(struct image *image, const struct ipc_backend_ans *ans)
{
	struct answered join = {.request = load_request(image->load, ans->number), .ans = ans};
	const char *problem;

	assert_non_null(join.request);
	join.join_nonce = world_join_nonce(&image->world, join.request, ans);
	join.state = world_state(&image->world, join.request->dev_eui[7]);
	problem = forgotten_session(image, &join);
	if (problem == NULL) {
		problem = forgotten_answer(image, &join);
	}
	return problem != NULL ? problem : forgotten_nonce(image, &join);
}

/* One more join of the device, with a JoinNonce above all that were answered. */
static const char *joins_again(struct image *image, uint8_t number, uint32_t highest)
{
	const struct ks_state state = world_state(&image->world, number);
	struct ipc_backend_req request =
		world_join_req(&image->world, number, (uint16_t)(state.max_dev_nonce + 1));
	struct ipc_backend_ans ans;
	struct lw_session_keys keys;

	if (world_ask(&image->world, &request, &ans) != KW_OK) {
		return "a device does not join any more";
	}
	world_device_reads(&image->world, &request, &ans, &keys);
	return world_join_nonce(&image->world, &request, &ans) > highest
		       ? NULL
		       : "a JoinNonce was given out again";
}

const char *image_remembers(struct image *image, const struct record_op *until)
{
	uint32_t highest[256] = {0};
	const char *problem = NULL;

	for (const struct record_op *op = NULL;
		problem == NULL && op != until && (op = record_next(image->load->record, op));) {
		const struct ipc_header *header = (const void *)op->data;
		const struct ipc_backend_ans *answers = ipc_body(op->data);

		if (op->kind != RECORD_SEND || header->kind != IPC_BACKEND) {
			continue;
		}
		for (size_t i = 0; problem == NULL && i < header->count; i++) {
			if (answers[i].err == KW_OK) {
				const uint32_t nonce = world_join_nonce(&image->world,
					load_request(image->load, answers[i].number), &answers[i]);
				const uint8_t device =
					load_request(image->load, answers[i].number)->dev_eui[7];

				problem = forgotten(image, &answers[i]);
				highest[device] = nonce > highest[device] ? nonce : highest[device];
			}
		}
	}
	for (unsigned i = 0; problem == NULL && i < 256; i++) {
		if (highest[i] > 0) {
			problem = joins_again(image, (uint8_t)i, highest[i]);
		}
	}
	return problem;
}
