/**
 * `keyward simulate`: plays LoRaWAN devices and a network server against a join server.
 *
 * Names begin with sim_. The simulator knows the root keys of its devices, as real devices do; it
 * talks to the join server by the Backend Interfaces only and never to Keyward's own admin API.
 */
#ifndef KW_CLI_SIMULATE_H
#define KW_CLI_SIMULATE_H

#include "cli/cli.h"
#include "cli/simulate_http.h"
#include "cli/simulate_ns.h"

#define SIM_JOINS_MAX    10000000u
#define SIM_DURATION_MAX 3600u
#define SIM_SHOWN_MAX    1000u /* devices that may be joined one by one with everything printed */

struct sim_run {
	struct cli *cli;
	const char *url;
	bool url_is_plain;
	const char *token_path; /* as given; NULL: no token */
	char *token;            /* the heap's; wiped */
	const char *ca;
	struct sim_ns ns;
	struct lw_aes *aes;
	struct sim_device *devices; /* the heap's; wiped */
	size_t device_count;
	const char *state_path;
	bool print_request;
	/* load */
	bool load;
	uint64_t count;      /* 0: no limit but the duration */
	double rate;         /* joins per second; 0: as fast as answers come */
	unsigned duration_s; /* 0: no limit but the count */
	unsigned connections;
	bool fresh_connections;
	bool remote_load;
};

extern const struct cli_command sim_command;

/**
 * Read the command line and all files it names. Ends the program with a usage error if it cannot
 * be understood.
 *
 * @return CLI_DONE, or CLI_FAILED with everything said; sim_run_finish() in both cases
 */
int sim_run_read(struct sim_run *run, struct cli *cli, int argc, char **argv);
void sim_run_finish(struct sim_run *run);

/** Joins of all devices under load. @return CLI_DONE, CLI_FAILED (something was wrong or refused) */
int sim_load(struct sim_run *run);

/**
 * Take the DevNonce and JoinNonce of each device from the state file: a text file with one line a
 * device. One that is not there is an empty one.
 *
 * @return CLI_DONE, or CLI_FAILED with everything said
 */
int sim_state_load(struct sim_run *run);
/** Replace the file in one step; devices in it that are not simulated now stay. Without a state
 *  file nothing happens. @return as above */
int sim_state_save(const struct sim_run *run);

/** What one join looked like, for printing. */
struct sim_report {
	const struct sim_run *run;
	const struct sim_join *join;
	uint32_t last_join_nonce; /* before this join */
	const char *body;         /* of the request */
	const char *answer;       /* of the server; NULL: none came */
	size_t answer_length;
	long status;
	uint64_t took_us;
	const struct sim_verdict *verdict;
};

/** Step by step for a person. */
void sim_print_join(const struct sim_report *report);
/** The same as one JSON object on one line. */
void sim_print_join_json(const struct sim_report *report);
/** The request alone, with a curl line that sends it; the token stays in its file. */
void sim_print_request(const struct sim_run *run, const struct sim_join *join, const char *body);

#endif
