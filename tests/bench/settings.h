/** The command line of the load generator. */
#ifndef KW_TESTS_BENCH_SETTINGS_H
#define KW_TESTS_BENCH_SETTINGS_H

#include "tests/bench/loop.h"

#define SETTINGS_TOKEN_SIZE 512

/** Paths are borrowed from argv. */
struct settings {
	enum request_mode mode;
	struct loop_options loop;
	bool secure; /* --tls */
	struct tls_options tls;
	char host[16];      /* without the port */
	char authority[64]; /* with it */
	const char *path;
	const char *net_id;
	const char *write_devices;
	char token[SETTINGS_TOKEN_SIZE]; /* to be wiped; "": none */
	uint32_t devices;
	uint32_t first_nonce;
	bool json;
};

/** Read them; on a wrong one a message and exit 2 (a file that cannot be read: 1). `settings` stays
 *  where it is while it is used: its parts point to each other. */
void settings_read(struct settings *settings, int argc, char **argv);

/** A message on standard error, and exit. */
_Noreturn void settings_fail(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
