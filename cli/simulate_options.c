#include "cli/simulate.h"
#include "cli/simulate_files.h"

#include "base/env.h"
#include "base/hex.h"
#include "base/secret.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_DEFAULT 16
#define RATE_MAX            1000000.0

enum {
	OPTION_URL = 1,
	OPTION_DEV_EUI,
	OPTION_JOIN_EUI,
	OPTION_VERSION,
	OPTION_KEYS,
	OPTION_DEVICES,
	OPTION_STATE,
	OPTION_DEV_NONCE,
	OPTION_NET_ID,
	OPTION_SENDER,
	OPTION_NS_ID,
	OPTION_PROTOCOL,
	OPTION_DIALECT,
	OPTION_MAC_VERSION,
	OPTION_DEV_ADDR,
	OPTION_DL_SETTINGS,
	OPTION_RX_DELAY,
	OPTION_CF_LIST,
	OPTION_TOKEN_FILE,
	OPTION_CA,
	OPTION_KEK_FILE,
	OPTION_PRINT_REQUEST,
	OPTION_COUNT,
	OPTION_RATE,
	OPTION_CONNECTIONS,
	OPTION_DURATION,
	OPTION_FRESH_CONNECTIONS,
	OPTION_REMOTE_LOAD,
};

static const struct option options[] = {
	{"url", required_argument, NULL, OPTION_URL},
	{"dev-eui", required_argument, NULL, OPTION_DEV_EUI},
	{"join-eui", required_argument, NULL, OPTION_JOIN_EUI},
	{"lorawan-version", required_argument, NULL, OPTION_VERSION},
	{"keys", required_argument, NULL, OPTION_KEYS},
	{"devices", required_argument, NULL, OPTION_DEVICES},
	{"state", required_argument, NULL, OPTION_STATE},
	{"dev-nonce", required_argument, NULL, OPTION_DEV_NONCE},
	{"net-id", required_argument, NULL, OPTION_NET_ID},
	{"sender", required_argument, NULL, OPTION_SENDER},
	{"ns-id", required_argument, NULL, OPTION_NS_ID},
	{"protocol", required_argument, NULL, OPTION_PROTOCOL},
	{"dialect", required_argument, NULL, OPTION_DIALECT},
	{"mac-version", required_argument, NULL, OPTION_MAC_VERSION},
	{"dev-addr", required_argument, NULL, OPTION_DEV_ADDR},
	{"dl-settings", required_argument, NULL, OPTION_DL_SETTINGS},
	{"rx-delay", required_argument, NULL, OPTION_RX_DELAY},
	{"cf-list", required_argument, NULL, OPTION_CF_LIST},
	{"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
	{"ca", required_argument, NULL, OPTION_CA},
	{"kek-file", required_argument, NULL, OPTION_KEK_FILE},
	{"print-request", no_argument, NULL, OPTION_PRINT_REQUEST},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"rate", required_argument, NULL, OPTION_RATE},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"duration", required_argument, NULL, OPTION_DURATION},
	{"fresh-connections", no_argument, NULL, OPTION_FRESH_CONNECTIONS},
	{"allow-remote-load", no_argument, NULL, OPTION_REMOTE_LOAD},
	CLI_COMMON_OPTIONS,
};

/* What is read from the command line before files are opened. */
struct words {
	bool has_dev_eui;
	bool has_join_eui;
	struct lw_device_id id;
	enum lw_version version;
	const char *keys;
	const char *devices;
	bool has_dev_nonce;
	uint32_t dev_nonce;
	const char *kek_paths[SIM_KEKS_MAX];
};

static uint64_t number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	/* 0x is hexadecimal; 010 is ten. */
	const int base = strncasecmp(text, "0x", 2) == 0 ? 16 : 10;
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, base);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < min ||
		value > max) {
		cli_usage(&sim_command, "--%s %s: a number from %llu to %llu is wanted", option,
			text, (unsigned long long)min, (unsigned long long)max);
	}
	return value;
}

static void octets(const char *option, const char *text, void *out, size_t length)
{
	if (kw_hex_read(text, strlen(text), out, length) != KW_OK) {
		cli_usage(&sim_command, "--%s %s: %zu hexadecimal digits are wanted", option, text,
			2 * length);
	}
}

static void eui(const char *option, const char *text, struct lw_eui *out)
{
	enum kw_err err = lw_eui_read(text, out);

	if (err != KW_OK) {
		cli_usage(&sim_command, "--%s %s: %s; 16 hexadecimal digits are wanted", option,
			text, kw_err_text(err));
	}
}

/* Into JSON and a shell line as it is; so only what needs no escaping in either. */
static void plain_word(const char *option, const char *text, char *out, size_t size)
{
	size_t length = strlen(text);

	for (const char *at = text; *at != '\0'; at++) {
		if (*at < ' ' || *at > '~' || strchr("\"\\'", *at) != NULL) {
			cli_usage(&sim_command,
				"--%s: only ASCII without quotes and backslashes can be sent",
				option);
		}
	}
	if (length == 0 || length >= size) {
		cli_usage(&sim_command, "--%s: 1 to %zu characters are wanted", option, size - 1);
	}
	memcpy(out, text, length + 1);
}

static unsigned choice(const char *option, const char *text, const char *const *names)
{
	for (unsigned i = 0; names[i] != NULL; i++) {
		if (strcmp(text, names[i]) == 0) {
			return i;
		}
	}
	cli_usage(&sim_command, "--%s %s: unknown; --help lists the choices", option, text);
}

static void kek_option(struct sim_run *run, struct words *words, char *text)
{
	char *equals = strchr(text, '=');
	struct sim_kek *kek;

	if (equals == NULL) {
		cli_usage(&sim_command, "--kek-file %s: LABEL=FILE is wanted", text);
	}
	if (run->ns.kek_count == SIM_KEKS_MAX) {
		cli_usage(&sim_command, "--kek-file: at most %d of them", SIM_KEKS_MAX);
	}
	*equals = '\0';
	words->kek_paths[run->ns.kek_count] = equals + 1;
	kek = &run->ns.keks[run->ns.kek_count++];
	plain_word("kek-file", text, kek->label, sizeof(kek->label));
}

static void version_option(struct words *words, const char *text)
{
	if (lw_version_read(text, &words->version) != KW_OK) {
		cli_usage(&sim_command, "--lorawan-version %s: 1.0.0 to 1.0.4 or 1.1 is wanted",
			text);
	}
}

static bool device_option(struct sim_run *run, struct words *words, int option)
{
	switch (option) {
	case OPTION_DEV_EUI:
		eui("dev-eui", optarg, &words->id.dev_eui);
		words->has_dev_eui = true;
		return true;
	case OPTION_JOIN_EUI:
		eui("join-eui", optarg, &words->id.join_eui);
		words->has_join_eui = true;
		return true;
	case OPTION_VERSION:
		version_option(words, optarg);
		return true;
	case OPTION_KEYS:
		words->keys = optarg;
		return true;
	case OPTION_DEVICES:
		words->devices = optarg;
		return true;
	case OPTION_STATE:
		run->state_path = optarg;
		return true;
	case OPTION_DEV_NONCE:
		words->dev_nonce = (uint32_t)number("dev-nonce", optarg, 0, SIM_DEV_NONCES - 1);
		words->has_dev_nonce = true;
		return true;
	default:
		return false;
	}
}

static bool network_option(struct sim_ns *ns, int option)
{
	static const char *const protocols[] = {"1.0", "1.1", NULL};
	static const char *const dialects[] = {
		[SIM_PLAIN] = "plain",
		[SIM_CHIRPSTACK] = "chirpstack",
		[SIM_TTS] = "tts",
		NULL,
	};

	switch (option) {
	case OPTION_NET_ID:
		octets("net-id", optarg, ns->net_id.octets, LW_NET_ID_SIZE);
		ns->has_net_id = true;
		return true;
	case OPTION_SENDER:
		plain_word("sender", optarg, ns->sender, sizeof(ns->sender));
		return true;
	case OPTION_NS_ID:
		eui("ns-id", optarg, &ns->ns_id);
		ns->has_ns_id = true;
		return true;
	case OPTION_PROTOCOL:
		ns->protocol_1_1 = choice("protocol", optarg, protocols) == 1;
		return true;
	case OPTION_DIALECT:
		ns->dialect = (enum sim_dialect)choice("dialect", optarg, dialects);
		return true;
	default:
		return false;
	}
}

static bool session_option(struct sim_ns *ns, int option)
{
	switch (option) {
	case OPTION_MAC_VERSION:
		plain_word("mac-version", optarg, ns->mac_version, sizeof(ns->mac_version));
		return true;
	case OPTION_DEV_ADDR:
		octets("dev-addr", optarg, ns->dev_addr.octets, LW_DEV_ADDR_SIZE);
		ns->has_dev_addr = true;
		return true;
	case OPTION_DL_SETTINGS:
		octets("dl-settings", optarg, &ns->dl_settings, 1);
		ns->has_dl_settings = true;
		return true;
	case OPTION_RX_DELAY:
		ns->rx_delay = (uint8_t)number("rx-delay", optarg, 0, 15);
		return true;
	case OPTION_CF_LIST:
		octets("cf-list", optarg, ns->cf_list, LW_CF_LIST_SIZE);
		ns->has_cf_list = true;
		return true;
	default:
		return false;
	}
}

static double rate_option(const char *text)
{
	char *end;
	double rate = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(rate) || rate < 0.001 || rate > RATE_MAX) {
		cli_usage(
			&sim_command, "--rate %s: joins per second, 0.001 to %.0f", text, RATE_MAX);
	}
	return rate;
}

static bool load_option(struct sim_run *run, int option)
{
	switch (option) {
	case OPTION_COUNT:
		run->count = number("count", optarg, 1, SIM_JOINS_MAX);
		run->load = true;
		return true;
	case OPTION_RATE:
		run->rate = rate_option(optarg);
		run->load = true;
		return true;
	case OPTION_CONNECTIONS:
		run->connections = (unsigned)number("connections", optarg, 1, SIM_CONNECTIONS_MAX);
		return true;
	case OPTION_DURATION:
		run->duration_s = (unsigned)number("duration", optarg, 1, SIM_DURATION_MAX);
		run->load = true;
		return true;
	case OPTION_FRESH_CONNECTIONS:
		run->fresh_connections = true;
		return true;
	case OPTION_REMOTE_LOAD:
		run->remote_load = true;
		return true;
	default:
		return false;
	}
}

static void read_words(struct sim_run *run, struct words *words, int argc, char **argv)
{
	int option;

	while ((option = cli_next_option(run->cli, &sim_command, argc, argv, options)) != -1) {
		switch (option) {
		case OPTION_URL:
			run->url = optarg;
			break;
		case OPTION_TOKEN_FILE:
			run->token_path = optarg;
			break;
		case OPTION_CA:
			run->ca = optarg;
			break;
		case OPTION_KEK_FILE:
			kek_option(run, words, optarg);
			break;
		case OPTION_PRINT_REQUEST:
			run->print_request = true;
			break;
		default:
			if (!device_option(run, words, option) &&
				!network_option(&run->ns, option) &&
				!session_option(&run->ns, option)) {
				load_option(run, option);
			}
		}
	}
	cli_want_words(&sim_command, argc, argv, 0, "");
}

static void check_url(const struct sim_run *run, bool *plain)
{
	bool loopback;

	if (run->url == NULL) {
		cli_usage(&sim_command, "--url is missing: where the join server listens, e.g. "
					"http://127.0.0.1:8003/");
	}
	if (!sim_url_check(run->url, &loopback, plain)) {
		cli_usage(&sim_command, "--url %s: an http or https URL is wanted", run->url);
	}
	if (run->load && !loopback && !run->remote_load) {
		cli_usage(&sim_command,
			"a load goes to this machine only (127.0.0.1, [::1], localhost); "
			"--allow-remote-load permits it for a server of your own");
	}
	if (*plain && !loopback && !run->print_request) {
		cli_warn("%s is not encrypted: token and session keys travel in the clear",
			run->url);
	}
}

static void check_devices(const struct sim_run *run, const struct words *words)
{
	const char *standard_input = "-";
	unsigned inputs = 0;

	if ((words->devices == NULL) == (words->keys == NULL)) {
		cli_usage(&sim_command, "give either --devices FILE, or --dev-eui, --join-eui, "
					"--lorawan-version and --keys FILE");
	}
	if (words->keys != NULL && (!words->has_dev_eui || !words->has_join_eui ||
					   words->version == LW_VERSION_NONE)) {
		cli_usage(&sim_command,
			"--keys needs --dev-eui, --join-eui and --lorawan-version with it");
	}
	if (words->devices != NULL && words->version != LW_VERSION_NONE) {
		cli_usage(&sim_command,
			"--lorawan-version goes with --keys; a device file has its own column");
	}
	inputs += words->keys != NULL && strcmp(words->keys, standard_input) == 0;
	inputs += words->devices != NULL && strcmp(words->devices, standard_input) == 0;
	inputs += run->token_path != NULL && strcmp(run->token_path, standard_input) == 0;
	if (inputs > 1) {
		cli_usage(&sim_command, "only one file can be standard input (-)");
	}
}

/* SenderID is the NetID as the dialect writes it, unless --sender says otherwise. */
static void settle_sender(struct sim_ns *ns)
{
	if (ns->sender[0] != '\0') {
		if (!ns->has_net_id) {
			ns->has_net_id = lw_net_id_read(ns->sender, &ns->net_id) == KW_OK;
		}
		return;
	}
	if (!ns->has_net_id) {
		cli_usage(&sim_command,
			"--net-id is missing: the NetID of the network server, e.g. 000013");
	}
	snprintf(ns->sender, sizeof(ns->sender),
		ns->dialect == SIM_TTS ? "%02X%02X%02X" : "%02x%02x%02x", ns->net_id.octets[0],
		ns->net_id.octets[1], ns->net_id.octets[2]);
}

static void check_network(struct sim_ns *ns)
{
	if (ns->dialect == SIM_CHIRPSTACK && ns->protocol_1_1) {
		cli_usage(&sim_command, "ChirpStack speaks --protocol 1.0 only");
	}
	if (ns->has_ns_id && !ns->protocol_1_1) {
		cli_usage(&sim_command, "--ns-id is a part of --protocol 1.1");
	}
	settle_sender(ns);
}

static void check_load(struct sim_run *run)
{
	if (!run->load && (run->connections != 0 || run->fresh_connections || run->remote_load)) {
		cli_usage(&sim_command, "--connections, --fresh-connections and "
					"--allow-remote-load need --count, --rate or --duration");
	}
	if (run->load && run->print_request) {
		cli_usage(&sim_command,
			"--print-request shows single joins, without --count, --rate, --duration");
	}
	if (run->load && run->count == 0 && run->duration_s == 0) {
		cli_usage(&sim_command, "--rate needs --count or --duration: when to stop");
	}
	if (run->connections == 0) {
		run->connections = run->load ? CONNECTIONS_DEFAULT : 1;
	}
}

static int read_devices(struct sim_run *run, const struct words *words)
{
	struct sim_device *one;

	if (words->devices != NULL) {
		return sim_devices_read(run, words->devices,
			words->has_join_eui ? &words->id.join_eui : NULL,
			words->has_dev_eui ? &words->id.dev_eui : NULL);
	}
	one = calloc(1, sizeof(*one));
	if (one == NULL) {
		return cli_fail("%s", kw_err_text(KW_E_NO_MEMORY));
	}
	one->id = words->id;
	one->version = words->version;
	run->devices = one;
	run->device_count = 1;
	return sim_keys_read(words->keys, one);
}

/*
 * A device that draws its DevNonces starts anywhere, with room for the joins of a load; one that
 * counts must go on where it stopped, which only the state file or the user knows.
 */
static int choose_dev_nonce(const struct sim_run *run, struct sim_device *device)
{
	char dev_eui[LW_EUI_TEXT_SIZE];
	uint16_t random;

	if (lw_version_counts_dev_nonce(device->version)) {
		if (run->state_path != NULL) {
			device->next_dev_nonce = 1;
			return CLI_DONE;
		}
		lw_eui_write(&device->id.dev_eui, dev_eui);
		return cli_fail("device %s (LoRaWAN %s) counts its DevNonces: --state FILE "
				"remembers the last one, or give --dev-nonce N",
			dev_eui, lw_version_text(device->version));
	}
	if (kw_random(&kw_env_system, &random, sizeof(random)) != KW_OK) {
		return cli_fail("no random numbers from the system");
	}
	device->next_dev_nonce = run->load || run->state_path != NULL ? random / 2 : random;
	return CLI_DONE;
}

static int settle_nonces(struct sim_run *run, const struct words *words)
{
	int status = CLI_DONE;

	for (size_t i = 0; i < run->device_count && status == CLI_DONE; i++) {
		if (words->has_dev_nonce) {
			run->devices[i].next_dev_nonce = words->dev_nonce;
		} else {
			status = choose_dev_nonce(run, &run->devices[i]);
		}
	}
	if (status == CLI_DONE && run->state_path != NULL) {
		status = sim_state_load(run);
	}
	for (size_t i = 0; words->has_dev_nonce && i < run->device_count; i++) {
		run->devices[i].next_dev_nonce = words->dev_nonce;
	}
	return status;
}

static int read_files(struct sim_run *run, const struct words *words)
{
	int status;

	if (run->ca != NULL && access(run->ca, R_OK) != 0) {
		return cli_fail("%s: %s", run->ca, strerror(errno));
	}
	status = read_devices(run, words);
	if (status == CLI_DONE && run->token_path != NULL) {
		status = sim_token_read(run->token_path, &run->token);
	}
	for (size_t i = 0; status == CLI_DONE && i < run->ns.kek_count; i++) {
		status = sim_kek_read(words->kek_paths[i], &run->ns.keks[i]);
	}
	return status == CLI_DONE ? settle_nonces(run, words) : status;
}

int sim_run_read(struct sim_run *run, struct cli *cli, int argc, char **argv)
{
	struct words words;

	memset(run, 0, sizeof(*run));
	memset(&words, 0, sizeof(words));
	run->cli = cli;
	run->ns.rx_delay = 5;
	read_words(run, &words, argc, argv);
	check_load(run);
	check_url(run, &run->url_is_plain);
	check_devices(run, &words);
	check_network(&run->ns);
	run->aes = lw_aes_create();
	if (run->aes == NULL) {
		return cli_fail("%s", kw_err_text(KW_E_CRYPTO));
	}
	return read_files(run, &words);
}

void sim_run_finish(struct sim_run *run)
{
	if (run->token != NULL) {
		kw_wipe(run->token, strlen(run->token));
		free(run->token);
	}
	if (run->devices != NULL) {
		kw_wipe(run->devices, run->device_count * sizeof(run->devices[0]));
		free(run->devices);
	}
	lw_aes_destroy(run->aes);
	kw_wipe(run, sizeof(*run));
}
