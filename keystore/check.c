#include "keystore/check.h"

#include "base/hex.h"
#include "keystore/encode.h"
#include "keystore/journal.h"
#include "keystore/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_TEXT_SIZE 80
#define FREE_TABLE    0 /* LMDB's own table of free pages */
#define FIRST_PAGE    2 /* behind the two meta pages */

/* What can be wrong. The codes are for programs that read what `keyward check --json` prints. */
struct fault {
	const char *code;
	const char *what;
};

static const struct fault fault_key_length = {"KEY", "its key has a wrong length"};
static const struct fault fault_key = {"KEY", "its key is damaged"};
static const struct fault fault_device_record = {
	"RECORD", "the record is damaged: remove the device and import it again"};
static const struct fault fault_record = {"RECORD", "the record is damaged"};
static const struct fault fault_state_record = {
	"RECORD", "the record is damaged: the device cannot join; restore a backup"};
static const struct fault fault_unlisted = {"UNLISTED", "it is not in the table dev_eui"};
static const struct fault fault_root_keys = {
	"ROOT_KEYS", "its root keys do not open: remove the device and import it again"};
static const struct fault fault_no_device = {
	"NO_DEVICE", "it is of no device that was ever here; restore a backup"};
static const struct fault fault_margins = {
	"MARGINS", "it has more margins than there were restores"};
static const struct fault fault_newer = {"NEWER", "it is newer than the journal"};
static const struct fault fault_lost = {
	"JOIN_LOST", "this join is not in the state of its device; restore a backup"};
static const struct fault fault_gap = {"GAP", "records before it are missing"};
static const struct fault fault_kek = {"KEK", "a KEK does not open: set a new one"};
static const struct fault fault_order = {"ORDER", "its records are out of order"};
static const struct fault fault_count = {"COUNT", "records are missing, or there are too many"};
static const struct fault fault_end = {"END", "it ends too early; restore a backup"};
static const struct fault fault_chain = {
	"CHAIN", "the joins of this device cannot be folded; restore a backup"};
static const struct fault fault_free_list = {"FREE_PAGES", "the list of free pages is damaged"};
static const struct fault fault_page_use = {"PAGES", "a page is in use twice, or lost"};

struct run {
	struct ks_store *store;
	struct ks_txn *txn;
	struct ks_check *check;
	uint64_t sequence; /* of the journal record read last; 0: none yet */
	struct lw_device_id
		device; /* whose state was looked at last, and up to where it is folded */
	uint64_t applied;
};

/* A table: what is counted, and what is wrong with the record here (NULL: nothing). */
struct table {
	const char *name;
	MDB_dbi dbi;
	uint64_t *count;
	const struct fault *(*wrong)(struct run *run, const struct ks_scan *scan);
	void (*name_key)(const struct ks_scan *scan, char out[KEY_TEXT_SIZE]);
};

struct last_key {
	size_t length;
	uint8_t octets[KS_ID_SIZE];
};

static void damage(
	struct run *run, const char *table, const char *record, const struct fault *fault)
{
	const struct ks_damage damage = {
		.code = fault->code, .table = table, .record = record, .what = fault->what};

	run->check->damaged++;
	if (run->check->damage != NULL) {
		run->check->damage(run->check->context, &damage);
	}
}

/* Two EUIs, as they are printed. */
static void name_pair(const struct ks_scan *scan, char out[KEY_TEXT_SIZE])
{
	const size_t length = scan->key_length < KS_ID_SIZE ? scan->key_length : KS_ID_SIZE;
	const size_t first = length < LW_EUI_SIZE ? length : LW_EUI_SIZE;
	char *end = kw_hex_write(out, scan->key, first);

	if (length > first) {
		*end++ = ' ';
		kw_hex_write(end, scan->key + first, length - first);
	}
}

static void name_number(const struct ks_scan *scan, char out[KEY_TEXT_SIZE])
{
	uint64_t number = 0;

	for (size_t i = 0; i < scan->key_length && i < sizeof(number); i++) {
		number = number << 8 | scan->key[i];
	}
	snprintf(out, KEY_TEXT_SIZE, "%llu", (unsigned long long)number);
}

static bool is_there(struct run *run, MDB_dbi table, const uint8_t key[KS_ID_SIZE])
{
	const uint8_t *value;
	size_t length;

	return ks_get(run->txn, table, key, KS_ID_SIZE, &value, &length) == KW_OK;
}

/* The entry in dev_eui of the device that a key names; it stays when the device goes. */
static bool is_known(struct run *run, const struct ks_scan *scan)
{
	uint8_t where[KS_ID_SIZE];

	memcpy(where, scan->key + LW_EUI_SIZE, LW_EUI_SIZE);
	memcpy(where + LW_EUI_SIZE, scan->key, LW_EUI_SIZE);
	return is_there(run, run->store->tables.dev_eui, where);
}

static const struct fault *wrong_device(struct run *run, const struct ks_scan *scan)
{
	struct ks_device device;
	struct ks_root root;

	if (scan->key_length != KS_ID_SIZE) {
		return &fault_key_length;
	}
	if (ks_device_decode(scan->value, scan->length, &device) != KW_OK) {
		return &fault_device_record;
	}
	ks_id_read(scan->key, &device.id);
	if (!is_known(run, scan)) {
		return &fault_unlisted;
	}
	if (ks_root_open(run->store, &device, &root) != KW_OK) {
		return &fault_root_keys;
	}
	ks_root_close(run->store);
	return NULL;
}

static const struct fault *wrong_where(struct run *run, const struct ks_scan *scan)
{
	(void)run;
	return scan->key_length != KS_ID_SIZE || scan->length != 1 || scan->value[0] != 1
		       ? &fault_record
		       : NULL;
}

static const struct fault *wrong_state(struct run *run, const struct ks_scan *scan)
{
	struct ks_history history;

	if (scan->key_length != KS_ID_SIZE) {
		return &fault_key_length;
	}
	if (!is_known(run, scan)) {
		return &fault_no_device;
	}
	if (ks_history_read(scan->value, scan->length, &history) != KW_OK) {
		return &fault_state_record;
	}
	if (history.advanced > run->store->advanced) {
		return &fault_margins;
	}
	return history.applied >= run->store->journal->next ? &fault_newer : NULL;
}

/* Up to which record a device is folded; 0: nobody knows. Joins of one device often follow each other. */
static uint64_t applied_of(struct run *run, const struct lw_device_id *id)
{
	struct ks_history history;

	if (memcmp(id, &run->device, sizeof(*id)) != 0) {
		run->device = *id;
		run->applied =
			ks_history_load(run->txn, id, &history) == KW_OK ? history.applied : 0;
	}
	return run->applied;
}

/* An accepted join up to `folded` is in the state record of its device. */
static bool is_lost(struct run *run, const struct ks_record *record)
{
	return record->event.kind == KS_EVENT_ACCEPTED &&
	       record->event.sequence <= run->store->journal->folded &&
	       applied_of(run, &record->event.id) < record->event.sequence;
}

static const struct fault *wrong_event(struct run *run, const struct ks_scan *scan)
{
	const uint64_t folded = run->store->journal->folded;
	const uint64_t before = run->sequence;
	struct ks_record record;
	struct kw_reader key;

	kw_reader_init(&key, scan->key, scan->key_length);
	run->sequence = kw_read_u64(&key);
	if (kw_reader_end(&key) != KW_OK || run->sequence <= before) {
		return &fault_key;
	}
	if (ks_record_read(run->sequence, scan->value, scan->length, &record) != KW_OK) {
		return &fault_record;
	}
	if (is_lost(run, &record)) {
		return &fault_lost;
	}
	return before > 0 && before >= folded && run->sequence != before + 1 ? &fault_gap : NULL;
}

static const struct fault *wrong_peer(struct run *run, const struct ks_scan *scan)
{
	struct kw_reader key;
	struct ks_peer peer;

	if (ks_peer_decode(scan->value, scan->length, &peer) != KW_OK) {
		return &fault_record;
	}
	kw_reader_init(&key, scan->key, scan->key_length);
	peer.id = kw_read_u32(&key);
	if (kw_reader_end(&key) != KW_OK || peer.id == 0) {
		return &fault_key;
	}
	for (size_t i = 0; i < peer.kek_count; i++) {
		if (ks_kek_check(run->store, &peer, &peer.keks[i]) != KW_OK) {
			return &fault_kek;
		}
	}
	return NULL;
}

/* Whether this key is behind the last one, which it becomes. A damaged tree may lead in circles. */
static bool goes_on(const struct ks_scan *scan, struct last_key *last)
{
	const size_t common = scan->key_length < last->length ? scan->key_length : last->length;
	const int order = memcmp(scan->key, last->octets, common);

	if (scan->key_length > sizeof(last->octets) || order < 0 ||
		(order == 0 && scan->key_length <= last->length)) {
		return false;
	}
	memcpy(last->octets, scan->key, scan->key_length);
	last->length = scan->key_length;
	return true;
}

static void check_record(struct run *run, const struct table *table, const struct ks_scan *scan)
{
	const struct fault *fault = table->wrong(run, scan);
	char name[KEY_TEXT_SIZE];

	if (fault != NULL) {
		table->name_key(scan, name);
		damage(run, table->name, name, fault);
	}
}

static enum kw_err check_table(struct run *run, const struct table *table)
{
	struct last_key last = {0};
	uint64_t count = 0;
	struct ks_scan scan;
	enum kw_err err = ks_scan_open(run->txn, table->dbi, &scan);

	if (err != KW_OK) {
		return err;
	}
	for (err = ks_scan_first(&scan); err == KW_OK && goes_on(&scan, &last);
		err = ks_scan_next(&scan)) {
		check_record(run, table, &scan);
		count++;
	}
	ks_scan_close(&scan);
	if (err == KW_OK) {
		damage(run, table->name, "", &fault_order);
	} else if (err == KW_E_NOT_FOUND && count != ks_scan_count(run->txn, table->dbi)) {
		damage(run, table->name, "", &fault_count);
	}
	if (table->count != NULL) {
		*table->count = count;
	}
	return err == KW_E_NOT_FOUND ? KW_OK : err;
}

static enum kw_err check_tables(struct run *run)
{
	const struct ks_tables *tables = &run->store->tables;
	struct ks_check *check = run->check;
	const struct table list[] = {
		{"device", tables->device, &check->devices, wrong_device, name_pair},
		{"dev_eui", tables->dev_eui, NULL, wrong_where, name_pair},
		{"state", tables->state, &check->states, wrong_state, name_pair},
		{"journal", tables->journal, &check->events, wrong_event, name_number},
		{"peer", tables->peer, &check->peers, wrong_peer, name_number},
	};
	enum kw_err err = KW_OK;

	for (size_t i = 0; err == KW_OK && i < sizeof(list) / sizeof(list[0]); i++) {
		err = check_table(run, &list[i]);
	}
	return err;
}

/* What is folded was in the journal once, and the newest of it still is. */
static void check_end(struct run *run)
{
	if (run->sequence + 1 != run->store->journal->next) {
		damage(run, "journal", "", &fault_end);
	}
}

/* Each chain of unfolded joins, down to the state record that it continues. */
static enum kw_err check_chains(struct run *run)
{
	const struct ks_pendings *pendings = run->store->journal->pendings;

	for (size_t i = 0; i < ks_pendings_slots(pendings); i++) {
		const struct ks_pending *pending = ks_pendings_at(pendings, i);
		char name[2 * LW_EUI_SIZE + 1];
		struct ks_history history;
		enum kw_err err;

		if (pending == NULL) {
			continue;
		}
		err = ks_history_whole(run->txn, &pending->id, &history, NULL);
		if (err == KW_E_STORE_DAMAGED) {
			kw_hex_write(name, pending->id.dev_eui.octets, LW_EUI_SIZE);
			damage(run, "journal", name, &fault_chain);
		} else if (err != KW_OK) {
			return err;
		}
	}
	return KW_OK;
}

static uint64_t pages_of(const MDB_stat *stat)
{
	return stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages;
}

static int pages_used(MDB_txn *mdb, const struct ks_tables *tables, uint64_t *used)
{
	const MDB_dbi list[] = {tables->meta, tables->key, tables->device, tables->dev_eui,
		tables->state, tables->journal, tables->peer, FREE_TABLE};
	MDB_stat stat;
	int rc = mdb_env_stat(mdb_txn_env(mdb), &stat);

	*used = FIRST_PAGE + pages_of(&stat);
	for (size_t i = 0; rc == 0 && i < sizeof(list) / sizeof(list[0]); i++) {
		rc = mdb_stat(mdb, list[i], &stat);
		*used += pages_of(&stat);
	}
	return rc;
}

/* A record of free pages: their number, and then them. @return false: it makes no sense */
static bool take_free(const MDB_val *value, uint8_t *seen, size_t pages, uint64_t *used)
{
	const size_t room = value->mv_size / sizeof(size_t);
	size_t count, page;

	if (room == 0) {
		return false;
	}
	memcpy(&count, value->mv_data, sizeof(count));
	if (count >= room || count > pages) {
		return false;
	}
	for (size_t i = 1; i <= count; i++) {
		memcpy(&page, (const uint8_t *)value->mv_data + i * sizeof(page), sizeof(page));
		if (page < FIRST_PAGE || page >= pages || seen[page] != 0) {
			return false;
		}
		seen[page] = 1;
	}
	*used += count;
	return true;
}

static int check_free(struct run *run, MDB_txn *mdb, uint8_t *seen, size_t pages)
{
	uint64_t used;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = pages_used(mdb, &run->store->tables, &used);

	if (rc == 0) {
		rc = mdb_cursor_open(mdb, FREE_TABLE, &cursor);
	}
	if (rc != 0) {
		return rc;
	}
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		if (!take_free(&value, seen, pages, &used)) {
			damage(run, "free pages", "", &fault_free_list);
		}
	}
	mdb_cursor_close(cursor);
	if (rc == MDB_NOTFOUND && used != pages) {
		damage(run, "free pages", "", &fault_page_use);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum kw_err check_pages(struct run *run)
{
	MDB_envinfo info;
	MDB_txn *mdb;
	uint8_t *seen;
	int rc = mdb_env_info(run->store->env, &info);

	run->check->pages = info.me_last_pgno + 1;
	seen = calloc(info.me_last_pgno + 1, 1);
	if (seen == NULL) {
		return KW_E_NO_MEMORY;
	}
	if (rc == 0) {
		rc = mdb_txn_begin(run->store->env, NULL, MDB_RDONLY, &mdb);
	}
	if (rc == 0) {
		rc = check_free(run, mdb, seen, info.me_last_pgno + 1);
		mdb_txn_abort(mdb);
	}
	free(seen);
	return rc == 0 ? KW_OK : ks_lmdb_error(rc, "checking the pages");
}

enum kw_err ks_check(struct ks_store *store, struct ks_check *check)
{
	struct run run = {.store = store, .check = check};
	struct ks_txn *txn;
	enum kw_err err;

	check->devices = check->states = check->events = check->peers = 0;
	check->pages = check->damaged = 0;
	err = check_pages(&run);
	if (err == KW_OK) {
		err = ks_txn_begin(store, &txn);
	}
	if (err != KW_OK) {
		return err;
	}
	run.txn = txn;
	err = check_tables(&run);
	if (err == KW_OK) {
		check_end(&run);
		err = check_chains(&run);
	}
	ks_txn_abort(txn);
	return err;
}
