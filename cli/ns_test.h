/**
 * `keyward ns test`: sends a real JoinReq of a temporary device the way a network server would, and
 * tells what becomes of it step by step. Names begin with nst_.
 *
 * Device and network server are those of `keyward simulate`; the device is added and removed by the
 * admin API. Functions return CLI_DONE or CLI_FAILED and have told their steps unless they say more.
 */
#ifndef KW_CLI_NS_TEST_H
#define KW_CLI_NS_TEST_H

#include "cli/api.h"
#include "cli/ns_test_link.h"
#include "cli/ns_test_steps.h"
#include "cli/print_config.h"
#include "cli/simulate_http.h"
#include "cli/simulate_ns.h"

extern const struct cli_command nst_command;

/** What the command line says; strings are borrowed, NULL: not given. */
struct nst_wish {
	const char *name;
	const char *url;
	const char *ca;
	const char *token_file;
	const char *authorization_file;
	const char *basic_file;
	const char *certificate;
	const char *key;
	const char *kek_file;
	const char *join_eui;
	const char *net_id;
	const char *as_id;
	enum lw_version version;
	enum sim_dialect dialect;
	const char *protocol;
};

/** Where the request goes. */
struct nst_target {
	struct cli_url url;
	char connect_host[CLI_URL_SIZE]; /* "": as in the URL */
	unsigned connect_port;
	const char *ca; /* NULL: what the system trusts */
};

/** One request and its answer. Holds session keys: nst_exchange_finish(). */
struct nst_exchange {
	char body[SIM_BODY_MAX];
	long status;  /* 0: no answer */
	char *answer; /* the heap's */
	size_t length;
	char why[NST_WHY_SIZE];
	uint64_t took_us;
	bool done;
};

/** nst_run_finish() when done. */
struct nst_run {
	struct cli *cli;
	struct nst_wish wish;
	struct nst_steps steps;
	struct cli_reply reply; /* the network server as the API tells it */
	struct cli_config peer; /* borrows from it */
	const char *answer_url; /* the same; NULL: answers come at once */
	struct nst_target target;
	char *authorization; /* value of the header; NULL: none; wiped */
	struct sim_device device;
	struct sim_ns ns;
	struct sim_join join;
	struct lw_aes *aes;
	struct sim_http *http;
	struct nst_exchange *exchange; /* under way */
	uint64_t slowest_us;
	unsigned exchanges;
	bool device_added; /* or perhaps so */
};

/* ---- ns_test_target.c ---- */

/** Ask for the network server and find out where it asks: step configuration. */
int nst_target_find(struct nst_run *run);
/** Steps TCP and TLS. */
int nst_target_reach(struct nst_run *run);

/* ---- ns_test_credential.c ---- */

/** Make a token that stands for the network server for a minute, or read what the wish names. */
int nst_credential_read(struct nst_run *run);

/* ---- ns_test_device.c ---- */

/**
 * Only one test at a time may use the device and the token of this installation.
 *
 * @return a descriptor, to be kept open as long as the test lasts; -1 (said): another test is under
 *         way, or the system refuses
 */
int nst_lock(const char *admin_socket);
/** Make the device and add it; one that an earlier test left behind is removed first. */
int nst_device_add(struct nst_run *run);
/** Remove it if it was added: step clean-up. */
int nst_device_remove(struct nst_run *run);

/* ---- ns_test_send.c ---- */

/** Send exchange->body and wait for the answer; no step is told. @return whether there is an HTTP
 *  answer; if not, exchange->why says why, or nst_interrupted() */
bool nst_send(struct nst_run *run, struct nst_exchange *exchange);
void nst_exchange_finish(struct nst_exchange *exchange);
/** Ctrl-C or another signal that asks to end has come. */
bool nst_interrupted(void);

/* ---- ns_test_join.c ---- */

/** All requests and what becomes of them: steps HTTP to time. */
int nst_join_run(struct nst_run *run);

/* ---- ns_test_judge.c ---- */

/**
 * Steps from version to AppSKey, of an answer that came at once.
 *
 * @param event  what the join log says of it
 * @return whether the device was accepted
 */
bool nst_judge(struct nst_run *run, const struct sim_verdict *verdict, const json_t *event);

/* ---- ns_test_log.c ---- */

/** Number of the newest entry of the join log about the device; 0: none. Nothing is told. */
uint64_t nst_log_newest(struct nst_run *run);
/**
 * Wait for an entry about the device after that one.
 *
 * @return to be freed (json_decref); NULL: none came within `wait_ms`
 */
json_t *nst_log_wait(struct nst_run *run, uint64_t after, unsigned wait_ms);
struct nst_posts {
	uint64_t posted;
	uint64_t failed;
};
/** How many answers have been posted, by all fronts. @return whether keywardd said so */
bool nst_posts_read(struct nst_run *run, struct nst_posts *posts);
/** Wait until one more has been posted or given up: step answer. */
void nst_posts_wait(struct nst_run *run, const struct nst_posts *before);

#endif
