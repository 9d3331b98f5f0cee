#include "tests/backend-if/example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

json_t *example_json(const char *name)
{
	const char *directory = getenv("EXAMPLES");
	char path[1024];
	json_error_t error;
	json_t *json;

	if (directory == NULL) {
		fail_msg("set EXAMPLES to the folder tests/backend-if/examples");
	}
	snprintf(path, sizeof(path), "%s/%s.json", directory, name);
	json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL) {
		fail_msg("%s: %s", path, error.text);
	}
	return json;
}

char *example_text(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);

	assert_non_null(text);
	return text;
}

enum kw_err example_decode(const json_t *json, struct bi_request *out)
{
	char *text = example_text(json);
	enum kw_err err = bi_request_decode(text, strlen(text), out);

	free(text);
	return err;
}
