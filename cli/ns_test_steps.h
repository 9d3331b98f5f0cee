/** The steps of `keyward ns test`: what was found, told one a line, always in the same order. */
#ifndef KW_CLI_NS_TEST_STEPS_H
#define KW_CLI_NS_TEST_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#define NST_TEXT_SIZE 640

enum nst_step {
	NST_CONFIGURATION, /* the network server and where it asks */
	NST_TCP,
	NST_TLS,
	NST_CREDENTIAL,
	NST_DEVICE,
	NST_HTTP,
	NST_SENDER,
	NST_VERSION,
	NST_HEADER,
	NST_JOIN,
	NST_MIC,
	NST_KEK,
	NST_APP_S_KEY,
	NST_REPEAT,
	NST_FORGED,
	NST_ANSWER, /* told only if answers are posted */
	NST_TIME,
	NST_CLEAN_UP,
	NST_STEP_COUNT
};

enum nst_result {
	NST_NOT_RUN,
	NST_OK,
	NST_FAILED,
	NST_NOT_SEEN, /* cannot be looked at this way; no failure */
};

struct nst_outcome {
	enum nst_result result;
	char text[NST_TEXT_SIZE];
	char help[NST_TEXT_SIZE]; /* "": none */
	uint64_t took_us;         /* 0: not measured */
};

struct nst_steps {
	bool json;          /* tell all at the end as JSON, nothing before */
	enum nst_step next; /* those before it have been told */
	struct nst_outcome outcomes[NST_STEP_COUNT];
};

void nst_steps_init(struct nst_steps *steps, bool json);

/**
 * Note and tell a step, and those before it that have not run. Each is noted once, in order.
 *
 * @param took_us  0: not measured
 */
void nst_ok(struct nst_steps *steps, enum nst_step step, uint64_t took_us, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void nst_not_seen(struct nst_steps *steps, enum nst_step step, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/** @param help  what to do, a command if there is one; "": nothing to say */
void nst_fail(struct nst_steps *steps, enum nst_step step, const char *help, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/** Tell what is left. @return CLI_DONE if every step that is told is good, else CLI_FAILED */
int nst_steps_finish(struct nst_steps *steps);

#endif
