/* joinload: a lean load generator for join servers on this machine; HTTP/1.1, plain or over TLS. */
#include "base/secret.h"
#include "tests/bench/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define US_PER_S    1000000u
#define STREAM_SIZE (1 << 20)

static int write_devices(const struct settings *settings, struct lw_aes *aes)
{
	int fd = open(settings->write_devices, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	enum kw_err err;

	if (out == NULL) {
		settings_fail(1, "%s: %s", settings->write_devices, strerror(errno));
	}
	setvbuf(out, NULL, _IOFBF, STREAM_SIZE);
	err = fleet_write_csv(aes, settings->devices, out);
	if (fclose(out) != 0 || err != KW_OK) {
		settings_fail(1, "%s: cannot be written", settings->write_devices);
	}
	return 0;
}

static const struct {
	const char *json;
	const char *words;
	double share;
} shares[] = {
	{"p50_us", "p50", 0.5},
	{"p90_us", "p90", 0.9},
	{"p99_us", "p99", 0.99},
	{"p999_us", "p99.9", 0.999},
};

static double per_second(const struct loop_result *result)
{
	return (double)result->answered * US_PER_S /
	       (double)(result->took_us == 0 ? 1 : result->took_us);
}

static void print_json(const struct settings *settings, const struct loop_result *result)
{
	printf("{\"connections\":%u,\"rate\":%" PRIu32 ",\"seconds\":%.6f,\"answered\":%" PRIu64
	       ",\"right\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"broken\":%" PRIu64
	       ",\"resumed\":%" PRIu64 ",\"late\":%" PRIu64 ",\"unsent\":%" PRIu64
	       ",\"wrong_example\":\"%s\",\"exhausted\":%s,\"per_s\":%.1f",
		settings->loop.connections, settings->loop.rate, (double)result->took_us / US_PER_S,
		result->answered, result->right, result->wrong, result->broken, result->resumed,
		result->late, result->unsent, result->wrong_example,
		result->exhausted ? "true" : "false", per_second(result));
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		printf(",\"%s\":%" PRIu64, shares[i].json,
			latency_percentile(&result->latency, shares[i].share));
	}
	printf(",\"max_us\":%" PRIu64 "}\n", result->latency.max);
}

static void print_words(const struct settings *settings, const struct loop_result *result)
{
	printf("%" PRIu64 " right, %" PRIu64 " wrong, %" PRIu64 " broken in %.2f s: %.0f/s;",
		result->right, result->wrong, result->broken, (double)result->took_us / US_PER_S,
		per_second(result));
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		printf(" %s %" PRIu64, shares[i].words,
			latency_percentile(&result->latency, shares[i].share));
	}
	printf(" max %" PRIu64 " us\n", result->latency.max);
	if (settings->loop.rate != 0) {
		printf("open loop, %" PRIu32 "/s due: %" PRIu64 " sent over %u ms late, %" PRIu64
		       " not at all\n",
			settings->loop.rate, result->late, LOOP_LATE_US / 1000, result->unsent);
	}
	if (settings->tls.resume) {
		printf("%" PRIu64 " handshakes resumed a session\n", result->resumed);
	}
	if (result->wrong > 0) {
		printf("first wrong answer: %s\n", result->wrong_example);
	}
	if (result->exhausted) {
		puts("stopped early: the devices have used up their DevNonces");
	}
}

static int run(struct settings *settings, struct lw_aes *aes)
{
	static struct loop_result result;
	struct request_source source;
	struct request layout;
	struct tls *tls = NULL;
	enum kw_err err = settings->secure ? tls_open(&settings->tls, &tls) : KW_OK;

	if (err != KW_OK) {
		settings_fail(1, "TLS cannot be set up");
	}

	request_source_init(&source, aes, settings->mode, settings->devices, settings->first_nonce);
	if (strlen(settings->net_id) != 6 ||
		!request_init(&layout, settings->authority, settings->path,
			settings->token[0] == '\0' ? NULL : settings->token, settings->net_id)) {
		settings_fail(2, "--net-id is not six digits, or the request does not fit");
	}
	err = loop_run(&settings->loop, tls, &source, &layout, &result);
	tls_close(tls);
	kw_wipe(settings->token, sizeof(settings->token));
	kw_wipe(&layout, sizeof(layout));
	(settings->json ? print_json : print_words)(settings, &result);
	if (err != KW_OK) {
		settings_fail(1, "%s", kw_err_text(err));
	}
	return result.right > 0 && result.wrong == 0 && result.broken == 0 && result.unsent == 0
		       ? 0
		       : 1;
}

int main(int argc, char **argv)
{
	struct settings settings;
	struct lw_aes *aes = lw_aes_create();
	int status;

	if (aes == NULL) {
		settings_fail(1, "no AES from the crypto library");
	}
	/* Writing through TLS to a server that has gone is an error, not an end. */
	signal(SIGPIPE, SIG_IGN);
	settings_read(&settings, argc, argv);
	status = settings.write_devices != NULL ? write_devices(&settings, aes)
						: run(&settings, aes);
	lw_aes_destroy(aes);
	return status;
}
