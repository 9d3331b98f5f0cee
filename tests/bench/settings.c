#include "tests/bench/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX    100000000u
#define DURATION_MAX 3600u
#define US_PER_S     1000000u
/* Two joins of one device must not meet under way; so the fleet is larger than the connections. */
#define FLEET_SPREAD 3

static const char usage[] =
	"usage: joinload --connect 127.0.0.1:PORT|localhost:PORT --devices D [OPTION ...]\n"
	"       joinload --write-devices FILE --devices D\n"
	"  --mode joins                every request a good join (default)\n"
	"         unknown              devices that nobody knows: UnknownDevEUI is right\n"
	"         wrong-mic            MICFailed is right\n"
	"         fixed                joins; any answer 200 is right\n"
	"  --rate R                    open loop: R requests a second at fixed moments, 1 to "
	"1000000,\n"
	"                              latency from the moment; else the next follows an answer\n"
	"  --connections C             at a time, 1 to 1024 (64)\n"
	"  --new-connections           one for each request, closed after the answer\n"
	"  --tls                       TLS 1.2 or 1.3; --tls-1.2: only that\n"
	"  --ca FILE                   verify the server (else any certificate will do)\n"
	"  --certificate FILE --key FILE  show a certificate\n"
	"  --resume                    sessions; else every handshake is a full one\n"
	"  --count N  --duration S     when to stop (100000 requests, 3600 s)\n"
	"  --first-nonce N             of this run; each round over the devices takes one (1)\n"
	"  --net-id N (000013)  --token-file F  --path P (/)  --json\n";

_Noreturn void settings_fail(int status, const char *format, ...)
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
		settings_fail(2, "%s: a number from %" PRIu64 " to %" PRIu64 " is wanted", text,
			min, max);
	}
	return value;
}

/* 127.0.0.1:PORT or localhost:PORT: what is verified in TLS is the host as it is written here. */
static void read_address(struct settings *settings, const char *text)
{
	struct sockaddr_in *address = &settings->loop.address;
	const char *colon = strchr(text, ':');
	size_t length = colon == NULL ? 0 : (size_t)(colon - text);
	const char *ip;

	if (colon == NULL || length >= sizeof(settings->host)) {
		settings_fail(2, "%s: 127.0.0.1:PORT is wanted", text);
	}
	memcpy(settings->host, text, length);
	settings->host[length] = '\0';
	ip = strcmp(settings->host, "localhost") == 0 ? "127.0.0.1" : settings->host;
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)number(colon + 1, 1, 65535));
	if (inet_pton(AF_INET, ip, &address->sin_addr) != 1 ||
		ntohl(address->sin_addr.s_addr) >> 24 != 127) {
		settings_fail(2, "%s: only addresses of this machine (127...) are loaded", text);
	}
	snprintf(settings->authority, sizeof(settings->authority), "%.60s", text);
}

static void read_token(struct settings *settings, const char *path)
{
	FILE *file = fopen(path, "re");

	if (file == NULL || fgets(settings->token, sizeof(settings->token), file) == NULL) {
		settings_fail(1, "%s: no token could be read", path);
	}
	settings->token[strcspn(settings->token, "\r\n")] = '\0';
	fclose(file);
}

static enum request_mode read_mode(const char *text)
{
	static const char *const names[] = {
		[REQUEST_JOINS] = "joins",
		[REQUEST_UNKNOWN] = "unknown",
		[REQUEST_WRONG_MIC] = "wrong-mic",
		[REQUEST_FIXED] = "fixed",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0) {
			return (enum request_mode)i;
		}
	}
	settings_fail(2, "--mode %s: joins, unknown, wrong-mic or fixed is wanted", text);
}

enum {
	OPTION_CONNECT = 1,
	OPTION_DEVICES,
	OPTION_WRITE_DEVICES,
	OPTION_MODE,
	OPTION_CONNECTIONS,
	OPTION_RATE,
	OPTION_COUNT,
	OPTION_DURATION,
	OPTION_FIRST_NONCE,
	OPTION_NET_ID,
	OPTION_TOKEN_FILE,
	OPTION_PATH,
	OPTION_JSON,
	OPTION_NEW_CONNECTIONS,
	OPTION_TLS,
	OPTION_TLS_1_2,
	OPTION_CA,
	OPTION_CERTIFICATE,
	OPTION_KEY,
	OPTION_RESUME,
};

static const struct option options[] = {
	{"connect", required_argument, NULL, OPTION_CONNECT},
	{"devices", required_argument, NULL, OPTION_DEVICES},
	{"write-devices", required_argument, NULL, OPTION_WRITE_DEVICES},
	{"mode", required_argument, NULL, OPTION_MODE},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"rate", required_argument, NULL, OPTION_RATE},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"duration", required_argument, NULL, OPTION_DURATION},
	{"first-nonce", required_argument, NULL, OPTION_FIRST_NONCE},
	{"net-id", required_argument, NULL, OPTION_NET_ID},
	{"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
	{"path", required_argument, NULL, OPTION_PATH},
	{"json", no_argument, NULL, OPTION_JSON},
	{"new-connections", no_argument, NULL, OPTION_NEW_CONNECTIONS},
	{"tls", no_argument, NULL, OPTION_TLS},
	{"tls-1.2", no_argument, NULL, OPTION_TLS_1_2},
	{"ca", required_argument, NULL, OPTION_CA},
	{"certificate", required_argument, NULL, OPTION_CERTIFICATE},
	{"key", required_argument, NULL, OPTION_KEY},
	{"resume", no_argument, NULL, OPTION_RESUME},
	{NULL, 0, NULL, 0},
};

static bool take_tls_option(struct settings *settings, int option)
{
	switch (option) {
	case OPTION_TLS:
		break;
	case OPTION_TLS_1_2:
		settings->tls.only_1_2 = true;
		break;
	case OPTION_CA:
		settings->tls.ca = optarg;
		break;
	case OPTION_CERTIFICATE:
		settings->tls.certificate = optarg;
		break;
	case OPTION_KEY:
		settings->tls.key = optarg;
		break;
	case OPTION_RESUME:
		settings->tls.resume = true;
		break;
	default:
		return false;
	}
	settings->secure = true;
	return true;
}

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
	case OPTION_RATE:
		settings->loop.rate = (uint32_t)number(optarg, 1, SCHEDULE_RATE_MAX);
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
	case OPTION_NEW_CONNECTIONS:
		settings->loop.new_connections = true;
		break;
	default:
		if (!take_tls_option(settings, option)) {
			fputs(usage, stderr);
			exit(2);
		}
	}
}

static void check(const struct settings *settings)
{
	bool loads = settings->write_devices == NULL;

	if (settings->devices == 0 || (loads && settings->host[0] == '\0')) {
		fputs(usage, stderr);
		exit(2);
	}
	if (loads && settings->mode == REQUEST_JOINS &&
		settings->devices < FLEET_SPREAD * settings->loop.connections) {
		settings_fail(2, "--devices: at least %d for each connection", FLEET_SPREAD);
	}
	if ((settings->tls.certificate == NULL) != (settings->tls.key == NULL)) {
		settings_fail(2, "--certificate and --key belong together");
	}
}

void settings_read(struct settings *settings, int argc, char **argv)
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
	if (optind != argc) {
		fputs(usage, stderr);
		exit(2);
	}
	check(settings);
	settings->tls.host = settings->host;
}
