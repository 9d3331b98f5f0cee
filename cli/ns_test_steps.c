#include "cli/ns_test_steps.h"

#include "cli/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_WIDTH 15

static const char *const names[NST_STEP_COUNT] = {
	[NST_CONFIGURATION] = "configuration",
	[NST_TCP] = "TCP",
	[NST_TLS] = "TLS",
	[NST_CREDENTIAL] = "credential",
	[NST_DEVICE] = "device",
	[NST_HTTP] = "HTTP",
	[NST_SENDER] = "sender",
	[NST_VERSION] = "version",
	[NST_HEADER] = "header",
	[NST_JOIN] = "join",
	[NST_MIC] = "MIC",
	[NST_KEK] = "KEK",
	[NST_APP_S_KEY] = "AppSKey",
	[NST_REPEAT] = "repeat",
	[NST_FORGED] = "forged",
	[NST_ANSWER] = "answer",
	[NST_TIME] = "time",
	[NST_CLEAN_UP] = "clean-up",
};

static const struct {
	const char *word; /* in JSON */
	const char *mark;
} results[] = {
	[NST_NOT_RUN] = {"not_run", "-"},
	[NST_OK] = {"ok", "\u2713"},
	[NST_FAILED] = {"failed", "\u2717"},
	[NST_NOT_SEEN] = {"not_seen", "-"},
};

void nst_steps_init(struct nst_steps *steps, bool json)
{
	memset(steps, 0, sizeof(*steps));
	steps->json = json;
}

/* That step is there only where it has something to say. */
static bool is_told(const struct nst_steps *steps, enum nst_step step)
{
	return step != NST_ANSWER || steps->outcomes[step].result != NST_NOT_RUN;
}

/* Words of the server are among it. */
static void print_clean(const char *text)
{
	char *clean = cli_clean(text);

	fputs(clean == NULL ? "out of memory" : clean, stdout);
	free(clean);
}

static void print_step(enum nst_step step, const struct nst_outcome *outcome)
{
	printf("%s %-*s", results[outcome->result].mark, NAME_WIDTH, names[step]);
	print_clean(outcome->result == NST_NOT_RUN ? "not run" : outcome->text);
	if (outcome->took_us > 0) {
		printf(" (%.1f ms)", (double)outcome->took_us / 1000);
	}
	putchar('\n');
	if (outcome->help[0] != '\0') {
		printf("  %-*s", NAME_WIDTH, "");
		print_clean(outcome->help);
		putchar('\n');
	}
}

static void tell_until(struct nst_steps *steps, enum nst_step end)
{
	for (; steps->next < end; steps->next++) {
		if (!steps->json && is_told(steps, steps->next)) {
			print_step(steps->next, &steps->outcomes[steps->next]);
		}
	}
	fflush(stdout);
}

__attribute__((format(printf, 4, 0))) static void note(struct nst_steps *steps, enum nst_step step,
	enum nst_result result, const char *format, va_list arguments)
{
	struct nst_outcome *outcome = &steps->outcomes[step];

	assert(step >= steps->next);
	outcome->result = result;
	vsnprintf(outcome->text, sizeof(outcome->text), format, arguments);
	tell_until(steps, step + 1);
}

void nst_ok(struct nst_steps *steps, enum nst_step step, uint64_t took_us, const char *format, ...)
{
	va_list arguments;

	steps->outcomes[step].took_us = took_us;
	va_start(arguments, format);
	note(steps, step, NST_OK, format, arguments);
	va_end(arguments);
}

void nst_not_seen(struct nst_steps *steps, enum nst_step step, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	note(steps, step, NST_NOT_SEEN, format, arguments);
	va_end(arguments);
}

void nst_fail(
	struct nst_steps *steps, enum nst_step step, const char *help, const char *format, ...)
{
	va_list arguments;

	snprintf(steps->outcomes[step].help, NST_TEXT_SIZE, "%s", help);
	va_start(arguments, format);
	note(steps, step, NST_FAILED, format, arguments);
	va_end(arguments);
}

static json_t *step_json(enum nst_step step, const struct nst_outcome *outcome)
{
	char *text = cli_clean(outcome->text);
	char *help = cli_clean(outcome->help);
	json_t *object = json_pack(
		"{s:s, s:s}", "step", names[step], "result", results[outcome->result].word);

	if (outcome->result != NST_NOT_RUN) {
		json_object_set_new(object, "text", json_string(text));
	}
	if (outcome->help[0] != '\0') {
		json_object_set_new(object, "help", json_string(help));
	}
	if (outcome->took_us > 0) {
		json_object_set_new(object, "ms", json_real((double)outcome->took_us / 1000));
	}
	free(text);
	free(help);
	return object;
}

static void print_json(const struct nst_steps *steps)
{
	json_t *array = json_array();
	char *text;

	for (unsigned i = 0; i < NST_STEP_COUNT; i++) {
		if (is_told(steps, (enum nst_step)i)) {
			json_array_append_new(
				array, step_json((enum nst_step)i, &steps->outcomes[i]));
		}
	}
	text = json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(6));
	puts(text == NULL ? "[]" : text);
	free(text);
	json_decref(array);
}

static bool all_good(const struct nst_steps *steps)
{
	for (unsigned i = 0; i < NST_STEP_COUNT; i++) {
		enum nst_result result = steps->outcomes[i].result;

		if (is_told(steps, (enum nst_step)i) && result != NST_OK &&
			result != NST_NOT_SEEN) {
			return false;
		}
	}
	return true;
}

int nst_steps_finish(struct nst_steps *steps)
{
	tell_until(steps, NST_STEP_COUNT);
	if (steps->json) {
		print_json(steps);
	}
	if (!all_good(steps)) {
		return CLI_FAILED;
	}
	if (!steps->json) {
		puts(is_told(steps, NST_ANSWER) ? "All that can be seen from here is good."
						: "All is good.");
	}
	return CLI_DONE;
}
