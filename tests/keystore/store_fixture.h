/** A store in a directory of its own, with a clock and randomness that the test decides. */
#ifndef KW_TESTS_KEYSTORE_STORE_FIXTURE_H
#define KW_TESTS_KEYSTORE_STORE_FIXTURE_H

#include "base/env.h"
#include "keystore/device.h"
#include "keystore/peer.h"
#include "keystore/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE_MAP_SIZE (64u << 20)

struct fixture {
	char path[64];
	struct kw_env env;
	uint64_t now_ms;
	uint64_t seed;
	unsigned random_calls;
	unsigned random_last; /* 0, or the call at which `at_last` is done */
	enum {
		RANDOM_FAILS,
		RANDOM_EXITS
	} at_last;
	struct ks_options options;
	struct ks_master_key master;
	struct ks_store *store;
};

static inline uint64_t fixture_now_ms(void *arg)
{
	const struct fixture *fixture = arg;

	return fixture->now_ms;
}

static inline uint64_t fixture_mono_us(void *arg)
{
	(void)arg;
	return 0;
}

static inline enum kw_err fixture_random(void *arg, void *out, size_t length)
{
	struct fixture *fixture = arg;
	uint8_t *octets = out;

	if (++fixture->random_calls == fixture->random_last) {
		if (fixture->at_last == RANDOM_EXITS) {
			_exit(0);
		}
		return KW_E_SYSTEM;
	}
	for (size_t i = 0; i < length; i++) {
		fixture->seed = fixture->seed * 6364136223846793005u + 1442695040888963407u;
		octets[i] = (uint8_t)(fixture->seed >> 56);
	}
	return KW_OK;
}

static inline int fixture_folder(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	strcpy(fixture->path, "/tmp/keyward-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->now_ms = 1700000000000u;
	fixture->seed = 1;
	fixture->env = (struct kw_env){
		.now_ms = fixture_now_ms,
		.mono_us = fixture_mono_us,
		.random = fixture_random,
		.arg = fixture,
	};
	fixture->options = (struct ks_options){
		.path = fixture->path,
		.map_size = FIXTURE_MAP_SIZE,
		.env = &fixture->env,
	};
	memset(fixture->master.octets, 0x4d, sizeof(fixture->master.octets));
	*state = fixture;
	return 0;
}

static inline void fixture_open(struct fixture *fixture)
{
	assert_int_equal(
		ks_store_open(&fixture->options, &fixture->master, &fixture->store), KW_OK);
}

static inline void fixture_close(struct fixture *fixture)
{
	ks_store_close(fixture->store);
	fixture->store = NULL;
}

static inline void fixture_reopen(struct fixture *fixture)
{
	fixture_close(fixture);
	fixture_open(fixture);
}

static inline int fixture_store(void **state)
{
	struct fixture *fixture;

	fixture_folder(state);
	fixture = *state;
	assert_int_equal(ks_store_create(&fixture->options, &fixture->master), KW_OK);
	fixture_open(fixture);
	return 0;
}

static inline int fixture_remove(void **state)
{
	struct fixture *fixture = *state;
	DIR *folder = opendir(fixture->path);
	struct dirent *entry;

	fixture_close(fixture);
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		unlinkat(dirfd(folder), entry->d_name, 0);
	}
	closedir(folder);
	assert_int_equal(rmdir(fixture->path), 0);
	free(fixture);
	return 0;
}

static inline struct ks_txn *fixture_begin(struct fixture *fixture)
{
	struct ks_txn *txn;

	assert_int_equal(ks_txn_begin(fixture->store, &txn), KW_OK);
	return txn;
}

static inline char *fixture_file(const struct fixture *fixture, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", fixture->path, name);
	return path;
}

/** Device n: JoinEUI 70b3d57ed0000000, DevEUI 0004a30b........ */
static inline struct lw_device_id fixture_id(uint32_t n)
{
	struct lw_device_id id = {
		.join_eui = {{0x70, 0xb3, 0xd5, 0x7e, 0xd0, 0, 0, 0}},
		.dev_eui = {{0x00, 0x04, 0xa3, 0x0b, (uint8_t)(n >> 24), (uint8_t)(n >> 16),
			(uint8_t)(n >> 8), (uint8_t)n}},
	};

	return id;
}

static inline struct ks_device fixture_device(uint32_t n, enum lw_version version)
{
	return (struct ks_device){
		.id = fixture_id(n),
		.version = version,
		.origin = KS_ORIGIN_IMPORTED,
	};
}

/** A key of sixteen times the same octet. */
static inline struct lw_key fixture_key(uint8_t octet)
{
	struct lw_key key;

	memset(key.octets, octet, sizeof(key.octets));
	return key;
}

static inline enum kw_err fixture_add(
	struct ks_txn *txn, uint32_t n, enum lw_version version, uint8_t octet)
{
	struct ks_device device = fixture_device(n, version);
	const struct lw_key app = fixture_key(octet);
	const struct lw_key nwk = fixture_key((uint8_t)(octet + 1));

	return ks_device_add(txn, &device, &app, lw_version_is_1_1(version) ? &nwk : NULL);
}

#endif
