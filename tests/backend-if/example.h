/** The example messages of examples/, found through the environment variable EXAMPLES. */
#ifndef TESTS_BACKEND_IF_EXAMPLE_H
#define TESTS_BACKEND_IF_EXAMPLE_H

#include "backend-if/message.h"

#include <jansson.h>

/** Parse examples/NAME.json. */
json_t *example_json(const char *name);
/** The text of a JSON value without blanks, members in the order in which they were put; free it. */
char *example_text(const json_t *json);
/** Decode it with bi_request_decode(). */
enum kw_err example_decode(const json_t *json, struct bi_request *out);

#endif
