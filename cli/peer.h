/** Network servers and application servers: the same commands on two collections of the API. */
#ifndef KW_CLI_PEER_H
#define KW_CLI_PEER_H

#include "cli/api.h"
#include "cli/text.h"

struct cli_peer_kind {
	const char *collection; /* path of the API */
	const char *member;     /* of its answer, with the list */
	const char *words;      /* for people */
	const char *command;    /* "ns", "as" */
	const struct cli_column *columns;
};

extern const struct cli_peer_kind cli_peer_ns;
extern const struct cli_peer_kind cli_peer_as;

/** Print what the API says of one. */
void cli_peer_print(const struct cli_peer_kind *kind, const json_t *peer);
/** Add what the columns want and the API does not say in one word: known_by, kek. */
void cli_peer_columns_fill(json_t *peers);
/** Print KEKs as a table, and what to do if one is missing. */
void cli_keks_print(const json_t *answer);

#endif
