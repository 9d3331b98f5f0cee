/**
 * The vault's own executable under load, with all that it does to its store recorded: this process
 * plays the fronts and the portal on its channels. Its store is that of a struct world.
 */
#ifndef KW_TESTS_POWER_LOAD_H
#define KW_TESTS_POWER_LOAD_H

#include "tests/js/world.h"
#include "tests/power/record.h"

#include <sys/types.h>

#define LOAD_REQUESTS_MAX 4096
#define LOAD_CHANNELS     3 /* the portal, two fronts */

struct load {
	struct world *world;
	struct record *record;
	int record_fd;
	pid_t vault;
	int channels[LOAD_CHANNELS]; /* our ends */
	uint64_t seed;
	uint16_t next_nonce[256]; /* DevNonce or RJcount1, by the device's number */
	struct ipc_backend_req requests[LOAD_REQUESTS_MAX];
	size_t count;
	size_t answered; /* joins */
	uint64_t message[IPC_MESSAGE_MAX / sizeof(uint64_t)];
};

/** Deterministic numbers. */
uint32_t load_random(uint64_t *seed, uint32_t below);

/** Put devices into the store of a world. */
void load_fill(struct world *world);
/** Start `program` (keyward-vault, built with record.c) on the store of a world, which is closed now
 *  and stays so for the load's life, and wait until it serves. */
void load_start(struct load *load, struct world *world, const char *program, uint64_t seed);
/** Hang up, and wait until it has ended; the record stays. @return its status as of waitpid() */
int load_end(struct load *load);

/** Start it again; the record goes on. */
void load_restart(struct load *load, const char *program);
/** Give the record back. */
void load_finish(struct load *load);

/** Joins and rejoins of random devices, in batches of two fronts, with some of them asked twice, some
 *  refused: everything is answered when this returns. */
void load_round(struct load *load);
/** One join, which need not be answered.
 *  @return its result, or KW_E_TIMEOUT if the vault has gone without an answer */
enum kw_err load_join(struct load *load, uint8_t number);
/** What an operator does: devices are made, changed, reset and removed, a server is added. */
void load_administer(struct load *load);
/** Wait until everything is folded. */
void load_wait_folded(struct load *load);

/** The request that an answer is for. */
const struct ipc_backend_req *load_request(const struct load *load, uint64_t number);

#endif
