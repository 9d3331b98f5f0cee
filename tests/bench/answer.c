#include "tests/bench/answer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char result_code[] = "\"ResultCode\":\"";

/* Line by line: cheaper than searching for names in all of it. */
size_t answer_length(const struct answer *answer, const char **body)
{
	static const char name[] = "Content-Length:";
	const char *line = answer->octets;
	const char *end = answer->octets + answer->got;
	size_t length = SIZE_MAX;
	const char *next;

	for (; (next = memchr(line, '\n', (size_t)(end - line))) != NULL; line = next + 1) {
		if (line[0] == '\r') {
			size_t head = (size_t)(next + 1 - answer->octets);

			if (length > ANSWER_MAX - head || memcmp(answer->octets, "HTTP/1.1 ", 9)) {
				return SIZE_MAX;
			}
			*body = next + 1;
			return head + length > answer->got ? 0 : head + length;
		}
		if ((line[0] | 0x20) == 'c' && strncasecmp(line, name, sizeof(name) - 1) == 0) {
			length = strtoul(line + sizeof(name) - 1, NULL, 10);
		}
	}
	return answer->got >= ANSWER_MAX ? SIZE_MAX : 0;
}

bool answer_right(const struct answer *answer, const char *body, enum request_mode mode,
	char code[ANSWER_CODE_SIZE])
{
	static const char *const codes[] = {
		[REQUEST_JOINS] = "Success\"",
		[REQUEST_UNKNOWN] = "UnknownDevEUI\"",
		[REQUEST_WRONG_MIC] = "MICFailed\"",
		[REQUEST_FIXED] = "",
	};
	const char *expected = codes[mode];
	const char *said = strstr(body, result_code);

	if (strncmp(answer->octets + 9, "200", 3) != 0) {
		snprintf(code, ANSWER_CODE_SIZE, "HTTP %.3s", answer->octets + 9);
		return false;
	}
	if (mode == REQUEST_FIXED) {
		return true;
	}
	if (said == NULL) {
		snprintf(code, ANSWER_CODE_SIZE, "none");
		return false;
	}
	said += sizeof(result_code) - 1;
	if (strncmp(said, expected, strlen(expected)) == 0) {
		return true;
	}
	snprintf(code, ANSWER_CODE_SIZE, "%.*s", (int)strcspn(said, "\""), said);
	return false;
}
