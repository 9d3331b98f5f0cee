/* joinload: a lean load generator for join servers on this machine. Plain HTTP, keep-alive. */
#include "base/secret.h"
#include "tests/bench/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT_MAX    100000000u
#define DURATION_MAX 3600u
#define US_PER_S     1000000u
#define TOKEN_SIZE   512
#define STREAM_SIZE  (1 << 20)
/* Two joins of one device must not meet under way; so the fleet is larger than the connections. */
#define FLEET_SPREAD 4

struct settings {
	enum request_mode mode;
	struct loop_options loop;
	char host[64];
	const char *path;
	const char *net_id;
	const char *write_devices;
	char token[TOKEN_SIZE];
	uint32_t devices;
	uint32_t first_nonce;
	bool json;
};

static const char usage[] =
	"usage: joinload --connect 127.0.0.1:PORT --devices D [OPTION ...]\n"
	"       joinload --write-devices FILE --devices D\n"
	"  --mode joins|unknown|fixed  what is sent and expected (joins)\n"
	"  --connections C             1 to 1024 (64)\n"
	"  --count N  --duration S     when to stop (100000 requests, 3600 s)\n"
	"  --first-nonce N             of this run; each round over the devices takes one (1)\n"
	"  --net-id N (000013)  --token-file F  --path P (/)  --json\n";

static _Noreturn void fail(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static _Noreturn void fail(int status, const char *format, ...)
{
	va_list list;

	fputs("joinload: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	exit(status);
}

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < min ||
		value > max) {
		fail(2, "%s: a number from %" PRIu64 " to %" PRIu64 " is wanted", text, min, max);
	}
	return value;
}

static void read_address(struct settings *settings, const char *text)
{
	struct sockaddr_in *address = &settings->loop.address;
	char host[64];
	const char *colon = strchr(text, ':');
	size_t length = colon == NULL ? 0 : (size_t)(colon - text);

	if (colon == NULL || length >= sizeof(host)) {
		fail(2, "%s: 127.0.0.1:PORT is wanted", text);
	}
	memcpy(host, text, length);
	host[length] = '\0';
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)number(colon + 1, 1, 65535));
	if (inet_pton(AF_INET, host, &address->sin_addr) != 1 ||
		ntohl(address->sin_addr.s_addr) >> 24 != 127) {
		fail(2, "%s: only addresses of this machine (127...) are loaded", text);
	}
	snprintf(settings->host, sizeof(settings->host), "%.60s", text);
}

static void read_token(struct settings *settings, const char *path)
{
	FILE *file = fopen(path, "re");

	if (file == NULL || fgets(settings->token, sizeof(settings->token), file) == NULL) {
		fail(1, "%s: no token could be read", path);
	}
	settings->token[strcspn(settings->token, "\r\n")] = '\0';
	fclose(file);
}

static enum request_mode read_mode(const char *text)
{
	static const char *const names[] = {
		[REQUEST_JOINS] = "joins",
		[REQUEST_UNKNOWN] = "unknown",
		[REQUEST_FIXED] = "fixed",
	};

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			return (enum request_mode)i;
		}
	}
	fail(2, "--mode %s: joins, unknown or fixed is wanted", text);
}

enum {
	OPTION_CONNECT = 1,
	OPTION_DEVICES,
	OPTION_WRITE_DEVICES,
	OPTION_MODE,
	OPTION_CONNECTIONS,
	OPTION_COUNT,
	OPTION_DURATION,
	OPTION_FIRST_NONCE,
	OPTION_NET_ID,
	OPTION_TOKEN_FILE,
	OPTION_PATH,
	OPTION_JSON,
};

static const struct option options[] = {
	{"connect", required_argument, NULL, OPTION_CONNECT},
	{"devices", required_argument, NULL, OPTION_DEVICES},
	{"write-devices", required_argument, NULL, OPTION_WRITE_DEVICES},
	{"mode", required_argument, NULL, OPTION_MODE},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"duration", required_argument, NULL, OPTION_DURATION},
	{"first-nonce", required_argument, NULL, OPTION_FIRST_NONCE},
	{"net-id", required_argument, NULL, OPTION_NET_ID},
	{"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
	{"path", required_argument, NULL, OPTION_PATH},
	{"json", no_argument, NULL, OPTION_JSON},
	{NULL, 0, NULL, 0},
};

static void take_option(struct settings *settings, int option)
{
	switch (option) {
	case OPTION_CONNECT:
		read_address(settings, optarg);
		break;
	case OPTION_DEVICES:
		settings->devices = (uint32_t)number(optarg, 1, FLEET_MAX);
		break;
	case OPTION_WRITE_DEVICES:
		settings->write_devices = optarg;
		break;
	case OPTION_MODE:
		settings->mode = read_mode(optarg);
		break;
	case OPTION_CONNECTIONS:
		settings->loop.connections = (unsigned)number(optarg, 1, LOOP_CONNECTIONS_MAX);
		break;
	case OPTION_COUNT:
		settings->loop.count = number(optarg, 1, COUNT_MAX);
		break;
	case OPTION_DURATION:
		settings->loop.duration_us = number(optarg, 1, DURATION_MAX) * US_PER_S;
		break;
	case OPTION_FIRST_NONCE:
		settings->first_nonce = (uint32_t)number(optarg, 0, 65535);
		break;
	case OPTION_NET_ID:
		settings->net_id = optarg;
		break;
	case OPTION_TOKEN_FILE:
		read_token(settings, optarg);
		break;
	case OPTION_PATH:
		settings->path = optarg;
		break;
	case OPTION_JSON:
		settings->json = true;
		break;
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static void read_settings(struct settings *settings, int argc, char **argv)
{
	int option;

	memset(settings, 0, sizeof(*settings));
	settings->path = "/";
	settings->net_id = "000013";
	settings->first_nonce = 1;
	settings->loop.connections = 64;
	settings->loop.count = 100000;
	settings->loop.duration_us = (uint64_t)DURATION_MAX * US_PER_S;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		take_option(settings, option);
	}
	if (optind != argc || settings->devices == 0 ||
		(settings->write_devices == NULL && settings->host[0] == '\0')) {
		fputs(usage, stderr);
		exit(2);
	}
	if (settings->write_devices == NULL && settings->mode == REQUEST_JOINS &&
		settings->devices < FLEET_SPREAD * settings->loop.connections) {
		fail(2, "--devices: at least %d for each connection", FLEET_SPREAD);
	}
}

static int write_devices(const struct settings *settings, struct lw_aes *aes)
{
	int fd = open(settings->write_devices, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	enum kw_err err;

	if (out == NULL) {
		fail(1, "%s: %s", settings->write_devices, strerror(errno));
	}
	setvbuf(out, NULL, _IOFBF, STREAM_SIZE);
	err = fleet_write_csv(aes, settings->devices, out);
	if (fclose(out) != 0 || err != KW_OK) {
		fail(1, "%s: cannot be written", settings->write_devices);
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
		       ",\"wrong_example\":\"%s\",\"exhausted\":%s,\"per_s\":%.1f,\"p50_us\":"
		       "%" PRIu64 ",\"p90_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
		       ",\"max_us\":%" PRIu64 "}\n",
			settings->loop.connections, seconds, result->answered, result->right,
			result->wrong, result->broken, result->wrong_example,
			result->exhausted ? "true" : "false", per_s, p50, p90, p99,
			result->latency.max);
		return;
	}
	printf("%" PRIu64 " right, %" PRIu64 " wrong, %" PRIu64
	       " broken in %.2f s: %.0f/s; p50 %" PRIu64 " p90 %" PRIu64 " p99 %" PRIu64
	       " max %" PRIu64 " us\n",
		result->right, result->wrong, result->broken, seconds, per_s, p50, p90, p99,
		result->latency.max);
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
	enum kw_err err;

	request_source_init(&source, aes, settings->mode, settings->devices, settings->first_nonce);
	if (strlen(settings->net_id) != 6 ||
		!request_init(&layout, settings->host, settings->path,
			settings->token[0] == '\0' ? NULL : settings->token, settings->net_id)) {
		fail(2, "--net-id is not six digits, or the request does not fit");
	}
	err = loop_run(&settings->loop, &source, &layout, &result);
	kw_wipe(settings->token, sizeof(settings->token));
	kw_wipe(&layout, sizeof(layout));
	print_result(settings, &result);
	if (err != KW_OK) {
		fail(1, "%s", kw_err_text(err));
	}
	return result.right > 0 && result.wrong == 0 && result.broken == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct settings settings;
	struct lw_aes *aes = lw_aes_create();
	int status;

	if (aes == NULL) {
		fail(1, "no AES from the crypto library");
	}
	read_settings(&settings, argc, argv);
	status = settings.write_devices != NULL ? write_devices(&settings, aes)
						: run(&settings, aes);
	lw_aes_destroy(aes);
	return status;
}
