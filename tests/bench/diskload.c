/*
 * diskload: the disk floor. The same records as joins leave, appended to the journal and committed in
 * batches of given sizes, without HTTP, without processes, without computing a join. The store is left
 * folded, as it was found.
 */
#include "base/env.h"
#include "keystore/event.h"
#include "keystore/state.h"
#include "tests/bench/latency.h"
#include "tests/bench/request.h"
#include "tests/bench/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define US_PER_S     1000000u
#define DURATION_MAX 600u
#define FOLD_DEVICES 256u /* a call, as the vault does it */
#define FLUSH_SIZE   4096u
#define FLUSH_ROOM   (64u << 20)
#define FLUSH_NAME   "flush.tmp"

struct load {
	struct ks_store *store;
	struct request_source source;
	uint64_t duration_us;
};

struct figures {
	uint64_t joins;
	uint64_t took_us;
	struct latency latency; /* of a batch, from its first look to the end of its commit */
};

static uint64_t now_us(void)
{
	return kw_mono_us(&kw_env_system);
}

/* What js/join.c would record; only the octets that are random there are the same each time here. */
static void make_session(
	const struct fleet_device *device, const struct ks_state *state, struct ks_session *session)
{
	memset(session, 0, sizeof(*session));
	memset(session->session_key_id, 0x5a, sizeof(session->session_key_id));
	memset(session->request_digest, 0xa5, sizeof(session->request_digest));
	session->time_ms = kw_now_ms(&kw_env_system);
	session->join_nonce = state->next_join_nonce;
	session->type = LW_JOIN_REQ_JOIN;
	session->net_id = (struct lw_net_id){{0x00, 0x00, 0x13}};
	session->mac_version = device->version;
	session->opt_neg = lw_version_is_1_1(device->version);
	session->ns_peer = 1;
	session->delivery = KS_DELIVERY_INLINE;
}

static enum kw_err join(struct load *load, struct ks_txn *txn)
{
	struct fleet_device device;
	struct ks_session session;
	struct ks_state state;
	uint32_t index;
	uint16_t n;
	enum kw_err err = request_source_take(&load->source, &index, &n);

	if (err != KW_OK) {
		return err;
	}
	fleet_identify(index, &device);
	err = ks_state_get(txn, &device.id, &state);
	if (err != KW_OK) {
		return err;
	}
	make_session(&device, &state, &session);
	session.nonce = fleet_dev_nonce(device.version, n);
	return ks_join_record(txn, &state, device.version, &session);
}

static enum kw_err commit_batch(struct load *load, unsigned size)
{
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(load->store, &txn);

	if (err != KW_OK) {
		return err;
	}
	for (unsigned i = 0; i < size && err == KW_OK; i++) {
		err = join(load, txn);
	}
	if (err != KW_OK) {
		ks_txn_abort(txn);
		return err;
	}
	return ks_txn_commit(txn);
}

static enum kw_err run(struct load *load, unsigned size, struct figures *figures)
{
	uint64_t begun_us = now_us();
	enum kw_err err = KW_OK;

	memset(figures, 0, sizeof(*figures));
	while (err == KW_OK && figures->took_us < load->duration_us) {
		uint64_t before_us = now_us();

		err = commit_batch(load, size);
		latency_add(&figures->latency, now_us() - before_us);
		figures->joins += size;
		figures->took_us = now_us() - begun_us;
	}
	return err;
}

static enum kw_err fold(struct load *load, size_t *devices, uint64_t *took_us)
{
	uint64_t begun_us = now_us();
	enum kw_err err = KW_OK;

	*devices = ks_fold_devices(load->store);
	while (err == KW_OK && ks_fold_records(load->store) > 0) {
		size_t left;

		err = ks_fold(load->store, FOLD_DEVICES, &left);
	}
	*took_us = now_us() - begun_us;
	return err;
}

/* One page written and flushed, into a file that does not grow: what the disk takes at least. */
static bool flush(const char *folder, uint64_t duration_us, struct latency *latency)
{
	static const uint8_t page[FLUSH_SIZE] = {1};
	uint64_t begun_us;
	char path[4096];
	int fd;
	bool good;

	if (snprintf(path, sizeof(path), "%s/%s", folder, FLUSH_NAME) >= (int)sizeof(path)) {
		return false;
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	good = fd >= 0 && (errno = posix_fallocate(fd, 0, FLUSH_ROOM)) == 0 && fsync(fd) == 0;
	begun_us = now_us();
	for (off_t at = 0; good && (at == 0 || now_us() - begun_us < duration_us);
		at = (at + FLUSH_SIZE) % FLUSH_ROOM) {
		uint64_t before_us = now_us();

		good = pwrite(fd, page, FLUSH_SIZE, at) == FLUSH_SIZE && fdatasync(fd) == 0;
		latency_add(latency, now_us() - before_us);
	}
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	return good;
}

static void print_latency(const struct latency *latency)
{
	printf("\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64 ",\"p999_us\":%" PRIu64
	       ",\"max_us\":%" PRIu64 "}",
		latency_percentile(latency, 0.5), latency_percentile(latency, 0.99),
		latency_percentile(latency, 0.999), latency->max);
}

static enum kw_err measure(struct load *load)
{
	static const unsigned sizes[] = {1, 8, 64, 256};
	static struct figures figures;
	size_t devices;
	uint64_t took_us;
	enum kw_err err = KW_OK;

	printf(",\"batches\":[");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && err == KW_OK; i++) {
		err = run(load, sizes[i], &figures);
		printf("%s{\"size\":%u,\"per_s\":%.1f,", i == 0 ? "" : ",", sizes[i],
			(double)figures.joins * US_PER_S / (double)figures.took_us);
		print_latency(&figures.latency);
	}
	if (err == KW_OK) {
		err = fold(load, &devices, &took_us);
	}
	if (err == KW_OK) {
		printf("],\"folded\":%zu,\"fold_s\":%.3f,\"rounds\":%" PRIu64 "}\n", devices,
			(double)took_us / US_PER_S, load->source.next / load->source.devices + 1);
	}
	return err;
}

int main(int argc, char **argv)
{
	static struct latency flushes;
	struct load load;
	enum kw_err err;

	if (argc != 6) {
		fputs("usage: diskload STORE MASTER-KEY-FILE DEVICES FIRST-NONCE MILLISECONDS\n"
		      "  of each batch size, on a store with these devices of joinload and no "
		      "keywardd\n",
			stderr);
		return 2;
	}
	request_source_init(&load.source, NULL, REQUEST_JOINS,
		(uint32_t)storage_number(argv[3], FLEET_MAX),
		(uint32_t)storage_number(argv[4], UINT16_MAX));
	load.duration_us = storage_number(argv[5], DURATION_MAX * 1000) * 1000;
	if (storage_open(argv[1], argv[2], &load.store) != KW_OK) {
		return 1;
	}
	if (!flush(argv[1], load.duration_us, &flushes)) {
		perror("diskload: " FLUSH_NAME);
		ks_store_close(load.store);
		return 1;
	}
	printf("{\"flush\":{");
	print_latency(&flushes);
	err = measure(&load);
	ks_store_close(load.store);
	if (err != KW_OK) {
		fprintf(stderr, "diskload: %s\n", kw_err_text(err));
		return 1;
	}
	return 0;
}
