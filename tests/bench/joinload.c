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

static void print_result(const struct settings *settings, const struct loop_result *result)
{
	double seconds = (double)(result->took_us == 0 ? 1 : result->took_us) / US_PER_S;
	double per_s = (double)result->answered / seconds;
	uint64_t p50 = kw_histogram_percentile(&result->latency, 0.5);
	uint64_t p90 = kw_histogram_percentile(&result->latency, 0.9);
	uint64_t p99 = kw_histogram_percentile(&result->latency, 0.99);

	if (settings->json) {
		printf("{\"connections\":%u,\"seconds\":%.6f,\"answered\":%" PRIu64
		       ",\"right\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"broken\":%" PRIu64
		       ",\"resumed\":%" PRIu64
		       ",\"wrong_example\":\"%s\",\"exhausted\":%s,\"per_s\":%.1f,\"p50_us\":"
		       "%" PRIu64 ",\"p90_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
		       ",\"max_us\":%" PRIu64 "}\n",
			settings->loop.connections, seconds, result->answered, result->right,
			result->wrong, result->broken, result->resumed, result->wrong_example,
			result->exhausted ? "true" : "false", per_s, p50, p90, p99,
			result->latency.max);
		return;
	}
	printf("%" PRIu64 " right, %" PRIu64 " wrong, %" PRIu64
	       " broken in %.2f s: %.0f/s; p50 %" PRIu64 " p90 %" PRIu64 " p99 %" PRIu64
	       " max %" PRIu64 " us\n",
		result->right, result->wrong, result->broken, seconds, per_s, p50, p90, p99,
		result->latency.max);
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
	print_result(settings, &result);
	if (err != KW_OK) {
		settings_fail(1, "%s", kw_err_text(err));
	}
	return result.right > 0 && result.wrong == 0 && result.broken == 0 ? 0 : 1;
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
