/**
 * A vault's store with peers and devices in it, the vault's part of the Backend Interfaces over it,
 * and the device's end of joining, for the tests of js/. The clock stands still but for `now_ms`.
 *
 * The device's end computes with AES and CMAC alone: the formulas of LoRaWAN 1.0.4 and 1.1 are
 * written here a second time, so that a mistake in lorawan/join.c shows.
 */
#ifndef KW_TESTS_JS_WORLD_H
#define KW_TESTS_JS_WORLD_H

#include "js/backend.h"
#include "keystore/peer.h"
#include "keystore/store.h"
#include "lorawan/join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WORLD_WINDOW_MS 10000 /* an identical request gets the identical answer */
#define WORLD_MAP_SIZE  (64 << 20)

extern const struct ks_master_key world_master;

/* Devices that are there from the start, by the last octet of their DevEUI. */
#define WORLD_1_0_3   3
#define WORLD_1_0_4   4
#define WORLD_1_1     11
#define WORLD_EXAMPLE 0x30 /* 1.1: the device of tests/backend-if/examples and tests/vectors */

/* Credentials, by number; `ours` shows the first. */
#define WORLD_OURS    1
#define WORLD_THEIRS  2
#define WORLD_AS      3
#define WORLD_AS_2    4
#define WORLD_NOBODYS 9

extern const struct lw_key world_key_1; /* AppKey of 1.0.x, NwkKey of 1.1 */
extern const struct lw_key world_key_2; /* AppKey of 1.1 */

struct world {
	char folder[64];
	struct kw_env env;
	uint64_t now_ms;
	uint64_t count; /* of requests */
	struct ks_store *store;
	struct js_backend backend;
	struct lw_aes *aes;
};

/* For cmocka_unit_test_setup_teardown(): *state becomes a struct world with the network server
 * "ours", NetID 000013, which may join any device. */
int world_setup(void **state);
int world_teardown(void **state);
/* The store alone, for a world that somebody else writes to meanwhile. */
void world_close(struct world *world);
/** @return as ks_store_open() */
enum kw_err world_open(struct world *world);
/** As after a restart of the vault. */
void world_reopen(struct world *world);
void world_fold(struct world *world);
/** Until nobody gets an answer a second time any more. */
void world_wait(struct world *world);

/* ---- peers and devices ---- */

/** Put a peer whose bearer token is number `credential` (0: none). @return its id */
uint32_t world_put_peer(struct world *world, struct ks_peer *peer, uint8_t credential);
/** A network server with NetID 0000NN. */
uint32_t world_add_ns(struct world *world, const char *name, uint8_t credential, uint8_t net_id);
/** An application server "NAME.example". */
uint32_t world_add_as(struct world *world, const char *name, uint8_t credential);
/** Change a peer as it is now. */
void world_change_peer(struct world *world, enum ks_peer_kind kind, const char *name,
	void (*change)(struct world *world, struct ks_peer *peer));
/** One more KEK, of `length` times the octet `fill`; current from now on. */
void world_add_kek(struct world *world, enum ks_peer_kind kind, const char *name, const char *label,
	uint8_t fill, size_t length);
void world_retire_kek(
	struct world *world, enum ks_peer_kind kind, const char *name, const char *label);

struct lw_device_id world_id(uint8_t number);
void world_add_device(struct world *world, uint8_t number, enum lw_version version);
void world_remove_device(struct world *world, uint8_t number);
void world_set_policy(
	struct world *world, uint8_t number, void (*change)(struct ks_policy *policy));
/** Set the device's AS-ID to "NAME.example". */
void world_set_as(struct world *world, uint8_t number, const char *name);

/* ---- requests ---- */

/** Of the peer `ours`, well formed, from the device's frame on. */
struct ipc_backend_req world_join_req(struct world *world, uint8_t number, uint16_t dev_nonce);
/** `key` signs the frame; NULL: JSIntKey. */
struct ipc_backend_req world_rejoin_req(struct world *world, uint8_t number,
	enum lw_join_req_type type, uint16_t rj_count, const struct lw_key *key);
/** Of application server "NAME.example". */
struct ipc_backend_req world_app_s_key_req(struct world *world, uint8_t number, const char *name,
	uint8_t credential, const uint8_t session_key_id[IPC_SESSION_ID_SIZE]);
struct ipc_backend_req world_home_ns_req(
	struct world *world, uint8_t number, uint8_t credential, uint8_t net_id);
/** Show another credential in place of all others. */
void world_show(struct ipc_backend_req *request, uint8_t credential);
/** Sign the frame of the request again. */
void world_sign(struct world *world, struct ipc_backend_req *request, const struct lw_key *key);

/** Ask in a transaction of its own, which is committed. */
enum kw_err world_ask(
	struct world *world, const struct ipc_backend_req *request, struct ipc_backend_ans *ans);
/** Ask; a refusal says nothing but itself and writes nothing at all. */
void world_refused(
	struct world *world, const struct ipc_backend_req *request, enum kw_err expected);
struct ks_state world_state(struct world *world, uint8_t number);

/* ---- the device's end ---- */

/** The device reads the Join-accept that answers `request`: it fits, or the test fails. */
void world_device_reads(struct world *world, const struct ipc_backend_req *request,
	const struct ipc_backend_ans *ans, struct lw_session_keys *keys);
/** Join or rejoin: ask, compare what the device computes with the keys in the clear in the answer. */
void world_joins(
	struct world *world, const struct ipc_backend_req *request, struct lw_session_keys *keys);
/** JSIntKey of a device. */
struct lw_key world_js_int_key(struct world *world, uint8_t number);
/** Unwrap with a KEK of `length` times the octet `fill`. */
struct lw_key world_unwrap(
	struct world *world, uint8_t fill, size_t length, const struct ipc_key *wrapped);
/** The JoinNonce in the Join-accept that answers `request`. */
uint32_t world_join_nonce(struct world *world, const struct ipc_backend_req *request,
	const struct ipc_backend_ans *ans);
void world_same_key(const struct ipc_key *clear, const struct lw_key *expected);

/* ---- the join log ---- */

/** Write what waits, and read all entries, oldest first. @return how many */
int world_events(struct world *world, struct ks_event *events, size_t max);

/* ---- the log ---- */

/** What is logged from one moment on; with the real clock, as the log has it. */
struct world_log {
	int kept; /* standard error, as it was */
	uint64_t begun_s;
};

void world_log_begin(struct world_log *log);
/** Lines with `words` in them: some, and no more than may pass in a second. @return how many */
unsigned world_log_end(const struct world_log *log, const char *words);

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
