/** The HTTP requests of the load generator, filled into a template in place. */
#ifndef KW_TESTS_BENCH_REQUEST_H
#define KW_TESTS_BENCH_REQUEST_H

#include "tests/bench/fleet.h"

#include <stdbool.h>

#define REQUEST_MAX 2048

enum request_mode {
	REQUEST_JOINS,     /* devices of the fleet */
	REQUEST_UNKNOWN,   /* devices that no server knows */
	REQUEST_WRONG_MIC, /* devices of the fleet, but somebody else sends in their name */
	REQUEST_FIXED,     /* joins too, but any answer with status 200 will do */
};

/** The sequence of joins: every device once, far apart, then every device again. */
struct request_source {
	struct lw_aes *aes;
	enum request_mode mode;
	uint32_t devices;
	uint32_t stride;      /* no common divisor with `devices` */
	uint32_t first_nonce; /* n of the first round */
	uint64_t next;        /* number of the next request */
};

/** A request whose fields stand at fixed places. */
struct request {
	char octets[REQUEST_MAX];
	size_t length;
	size_t at_receiver;
	size_t at_transaction;
	size_t at_mac_version;
	size_t at_phy_payload;
	size_t at_dev_eui;
	size_t at_dev_addr;
	size_t at_dl_settings;
};

void request_source_init(struct request_source *source, struct lw_aes *aes, enum request_mode mode,
	uint32_t devices, uint32_t first_nonce);

/**
 * Which device comes next, and which of its joins (fleet_dev_nonce()) it is.
 *
 * @return KW_OK, KW_E_EXHAUSTED (DevNonces used up)
 */
KW_MUST_CHECK enum kw_err request_source_take(
	struct request_source *source, uint32_t *index, uint16_t *n);

/**
 * Lay out the template.
 *
 * @param host    value of the Host header
 * @param token   bearer token; NULL: none
 * @param net_id  six digits
 * @return false if it does not fit
 */
bool request_init(struct request *request, const char *host, const char *path, const char *token,
	const char *net_id);

/** Fill in the next join. @return KW_OK, KW_E_CRYPTO, KW_E_EXHAUSTED (DevNonces used up) */
KW_MUST_CHECK enum kw_err request_next(struct request_source *source, struct request *request);

#endif
