/** The HTTP answer to one request, as far as it has come, and whether it is right. */
#ifndef KW_TESTS_BENCH_ANSWER_H
#define KW_TESTS_BENCH_ANSWER_H

#include "tests/bench/request.h"

#define ANSWER_MAX       4096
#define ANSWER_CODE_SIZE 32

struct answer {
	size_t got;
	char octets[ANSWER_MAX + 1]; /* NUL at `got` */
};

/** @return length of head and body; 0: not all there yet; SIZE_MAX: no HTTP, or too long */
size_t answer_length(const struct answer *answer, const char **body);

/**
 * @param code  out: ResultCode, or "HTTP 503", if it is wrong
 * @return whether it is a 200 with what the mode expects
 */
bool answer_right(const struct answer *answer, const char *body, enum request_mode mode,
	char code[ANSWER_CODE_SIZE]);

#endif
