/** Calls of the admin API over its Unix socket. */
#ifndef KW_CLI_API_H
#define KW_CLI_API_H

#include "cli/cli.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Path and query of a call, below /api/v1. */
struct cli_path {
	char text[4096];
	size_t length;
	bool cut; /* did not fit; the call then fails */
	bool has_query;
};

/** Start with a fixed path, e.g. "/devices". */
void cli_path_init(struct cli_path *path, const char *fixed);
/** Add "/" and a segment, percent-encoded. */
void cli_path_segment(struct cli_path *path, const char *segment);
/** Add a query parameter, percent-encoded. */
void cli_path_query(struct cli_path *path, const char *name, const char *value);
void cli_path_query_number(struct cli_path *path, const char *name, uint64_t value);

struct cli_request {
	const char *method;
	const struct cli_path *path;
	json_t *json;     /* body; borrowed; NULL: none or `body` */
	const void *body; /* another body */
	size_t length;
	const char *content_type; /* of `body` */
	long also; /* a status besides 2xx that is an answer, not a failure; 0: none */
};

/** cli_reply_finish() when done, also after a failure. */
struct cli_reply {
	long status;
	json_t *json; /* NULL if the body is no JSON */
	char *text;   /* the body, NUL-terminated */
	size_t length;
};

/**
 * Ask and wait for the answer. A refusal is said on standard error in the API's words.
 *
 * @return CLI_DONE, or CLI_FAILED with everything said
 */
int cli_api_call(struct cli *cli, const struct cli_request *request, struct cli_reply *reply);
/**
 * The same in two steps: hand the request over, do something else, wait for the answer. One at a time,
 * no other call between. Body, path and reply's room stay where they are until the answer is there.
 *
 * @return CLI_DONE, or CLI_FAILED with everything said; cli_api_finish() is then not to be called
 */
int cli_api_start(struct cli *cli, const struct cli_request *request);
/** Wait for the answer. @return as cli_api_call() */
int cli_api_finish(struct cli *cli, const struct cli_request *request, struct cli_reply *reply);
/** The same without body. */
int cli_api_get(struct cli *cli, const struct cli_path *path, struct cli_reply *reply);
void cli_reply_finish(struct cli_reply *reply);
/** Close the connection, if there is one. */
void cli_api_close(struct cli *cli);

#endif
