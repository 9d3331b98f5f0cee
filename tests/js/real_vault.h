/**
 * keyward-vault as a process of its own, started as keywardd starts it, with the other ends of its
 * channels in the hands of the test. Anything that goes wrong fails the test (cmocka).
 */
#ifndef KW_TESTS_JS_REAL_VAULT_H
#define KW_TESTS_JS_REAL_VAULT_H

#include "ipc/ipc.h"

#include <sys/types.h>

#define REAL_VAULT_PORTAL     0
#define REAL_VAULT_FRONT_1    1
#define REAL_VAULT_FRONT_2    2
#define REAL_VAULT_CHANNELS   3
#define REAL_VAULT_TIMEOUT_MS 20000

struct real_vault {
	pid_t pid;
	int channels[REAL_VAULT_CHANNELS]; /* our ends; -1: closed */
	int ready; /* where it says that it is alive, and takes new channels */
};

/**
 * Start it on a store, with two fronts, and wait until it serves.
 *
 * @param master  path of the master key file
 * @param log     path of the file its log is added to; NULL: standard error
 */
void real_vault_start(struct real_vault *vault, const char *program, const char *store,
	const char *master, const char *log);

/** Close all: without anybody at the other ends it ends by itself. @return its status, as
 *  waitpid() gives it */
int real_vault_end(struct real_vault *vault);

/**
 * Ask one question of a front and wait for its answer; what else comes meanwhile is dropped.
 *
 * @param buffer  room for a message; what came last is left there
 */
struct ipc_backend_ans real_vault_ask(const struct real_vault *vault, size_t channel,
	const struct ipc_backend_req *request, uint64_t buffer[IPC_MESSAGE_MAX / sizeof(uint64_t)]);

#endif
