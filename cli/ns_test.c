#include "cli/ns_test.h"

#include "base/secret.h"
#include "cli/policy.h"
#include "cli/simulate_files.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_command nst_command = {"ns test", NULL,
	"Usage: keyward [--json] ns test NAME [options]\n"
	"\n"
	"Sends a JoinReq of a temporary device the way the network server NAME would, and tells\n"
	"what becomes of it step by step: connection, TLS, credential, header, MIC, KEK, AppSKey,\n"
	"a repeat, a forged MIC, the time it takes. The device is removed at the end, also after\n"
	"Ctrl-C. Exit status 0 only if all is good.\n"
	"\n"
	"  --url U              where it asks; default from [server]\n"
	"  --ca F               what it trusts, PEM; default tls_certificate of [server] itself\n"
	"Its credential; default a token made for this test that is good for a minute:\n"
	"  --token-file F       its bearer token, in a file of mode 0600 (- is standard input)\n"
	"  --authorization-file F\n"
	"                       the value of its header Authorization, as --token-file\n"
	"  --basic-file F       USER:PASSWORD, as --token-file\n"
	"  --certificate F --key F\n"
	"                       its TLS client certificate and the key, PEM\n"
	"What it sends:\n"
	"  --dialect keyward|chirpstack|tts\n"
	"                       spells the request as these programs do (keyward)\n"
	"  --protocol 1.0|1.1   of the Backend Interfaces; default 1.1 with tts and an NSID\n"
	"  --net-id N           SenderID; default its first NetID\n"
	"  --kek-file F         its KEK, hexadecimal, to open the network session keys with\n"
	"The device:\n"
	"  --lorawan-version V  1.0.0 to 1.0.4 (the default) or 1.1\n"
	"  --join-eui E         default the first that it may join, or that of any device\n"
	"  --as-id ID           application server that gets its AppSKey\n"
	"\n"
	"Examples:\n"
	"  keyward ns test home\n"
	"  keyward ns test chirp --dialect chirpstack --token-file chirp.token \\\n"
	"    --url https://js.example.com:8003/ --ca ca.pem\n",
	cli_ns_test};

enum {
	OPTION_URL = 1,
	OPTION_CA,
	OPTION_TOKEN_FILE,
	OPTION_AUTHORIZATION_FILE,
	OPTION_BASIC_FILE,
	OPTION_CERTIFICATE,
	OPTION_KEY,
	OPTION_DIALECT,
	OPTION_PROTOCOL,
	OPTION_NET_ID,
	OPTION_KEK_FILE,
	OPTION_VERSION,
	OPTION_JOIN_EUI,
	OPTION_AS_ID,
};

static const struct option options[] = {
	{"url", required_argument, NULL, OPTION_URL},
	{"ca", required_argument, NULL, OPTION_CA},
	{"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
	{"authorization-file", required_argument, NULL, OPTION_AUTHORIZATION_FILE},
	{"basic-file", required_argument, NULL, OPTION_BASIC_FILE},
	{"certificate", required_argument, NULL, OPTION_CERTIFICATE},
	{"key", required_argument, NULL, OPTION_KEY},
	{"dialect", required_argument, NULL, OPTION_DIALECT},
	{"protocol", required_argument, NULL, OPTION_PROTOCOL},
	{"net-id", required_argument, NULL, OPTION_NET_ID},
	{"kek-file", required_argument, NULL, OPTION_KEK_FILE},
	{"lorawan-version", required_argument, NULL, OPTION_VERSION},
	{"join-eui", required_argument, NULL, OPTION_JOIN_EUI},
	{"as-id", required_argument, NULL, OPTION_AS_ID},
	CLI_COMMON_OPTIONS,
};

static enum sim_dialect read_dialect(const char *value)
{
	if (strcmp(value, "keyward") == 0) {
		return SIM_PLAIN;
	}
	if (strcmp(value, "chirpstack") == 0) {
		return SIM_CHIRPSTACK;
	}
	if (strcmp(value, "tts") != 0) {
		cli_usage(&nst_command, "--dialect: keyward, chirpstack or tts");
	}
	return SIM_TTS;
}

static void take_credential(struct nst_wish *wish, int option, const char *value)
{
	switch (option) {
	case OPTION_TOKEN_FILE:
		wish->token_file = value;
		break;
	case OPTION_AUTHORIZATION_FILE:
		wish->authorization_file = value;
		break;
	case OPTION_BASIC_FILE:
		wish->basic_file = value;
		break;
	case OPTION_CERTIFICATE:
		wish->certificate = value;
		break;
	default:
		wish->key = value;
		break;
	}
}

static void take_version(struct nst_wish *wish, const char *value)
{
	if (lw_version_read(value, &wish->version) != KW_OK) {
		cli_usage(&nst_command, "--lorawan-version: 1.0.0 to 1.0.4 or 1.1");
	}
}

static void take_protocol(struct nst_wish *wish, const char *value)
{
	if (strcmp(value, "1.0") != 0 && strcmp(value, "1.1") != 0) {
		cli_usage(&nst_command, "--protocol: 1.0 or 1.1");
	}
	wish->protocol = value;
}

static void take_url(struct nst_wish *wish, const char *value)
{
	struct cli_url url;

	if (!cli_url_read(value, &url)) {
		cli_usage(&nst_command, "--url: write https://HOST:PORT/ or http://HOST:PORT/");
	}
	wish->url = value;
}

static void take_option(struct nst_wish *wish, int option, const char *value)
{
	switch (option) {
	case OPTION_URL:
		take_url(wish, value);
		break;
	case OPTION_CA:
		wish->ca = value;
		break;
	case OPTION_DIALECT:
		wish->dialect = read_dialect(value);
		break;
	case OPTION_PROTOCOL:
		take_protocol(wish, value);
		break;
	case OPTION_NET_ID:
		cli_check_net_id(&nst_command, "--net-id", value);
		wish->net_id = value;
		break;
	case OPTION_KEK_FILE:
		wish->kek_file = value;
		break;
	case OPTION_VERSION:
		take_version(wish, value);
		break;
	case OPTION_JOIN_EUI:
		cli_check_eui(&nst_command, "--join-eui", value);
		wish->join_eui = value;
		break;
	case OPTION_AS_ID:
		wish->as_id = value;
		break;
	default:
		take_credential(wish, option, value);
		break;
	}
}

static void check_credential(const struct nst_wish *wish)
{
	const int count = (wish->token_file != NULL) + (wish->authorization_file != NULL) +
			  (wish->basic_file != NULL) + (wish->certificate != NULL);

	if (count > 1) {
		cli_usage(&nst_command,
			"one of --token-file, --authorization-file, --basic-file and --certificate "
			"is tested at a time");
	}
	if ((wish->certificate != NULL) != (wish->key != NULL)) {
		cli_usage(&nst_command, "--certificate and --key go together");
	}
}

static void read_wish(struct cli *cli, int argc, char **argv, struct nst_wish *wish)
{
	int option;

	*wish = (struct nst_wish){.version = LW_VERSION_1_0_4};
	while ((option = cli_next_option(cli, &nst_command, argc, argv, options)) != -1) {
		take_option(wish, option, optarg);
	}
	cli_want_words(&nst_command, argc, argv, 1, "NAME");
	wish->name = argv[optind];
	check_credential(wish);
}

/* What a network server has its KEK under; one that is not known fits no answer. */
static void label_kek(struct nst_run *run)
{
	for (size_t i = 0; i < run->peer.kek_count; i++) {
		if (run->peer.keks[i].current) {
			snprintf(run->ns.keks[0].label, sizeof(run->ns.keks[0].label), "%s",
				run->peer.keks[i].label);
		}
	}
}

static int read_kek(struct nst_run *run)
{
	if (run->wish.kek_file == NULL) {
		return CLI_DONE;
	}
	run->ns.kek_count = 1;
	return sim_kek_read(run->wish.kek_file, &run->ns.keks[0]);
}

/* ---- signals ---- */

static volatile sig_atomic_t signal_seen;

bool nst_interrupted(void)
{
	return signal_seen != 0;
}

static void note_signal(int number)
{
	signal_seen = number;
}

/* The device is removed before the signal has its way; a reader that went away ends nothing. */
static void catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		cli_signal(numbers[i], note_signal, 0);
	}
	cli_signal(SIGPIPE, SIG_IGN, 0);
}

/* ---- the run ---- */

static int test(struct nst_run *run)
{
	static int (*const parts[])(struct nst_run *) = {nst_target_find, nst_target_reach,
		nst_credential_read, nst_device_add, nst_join_run};
	int status = CLI_DONE;

	for (size_t i = 0; status == CLI_DONE && i < sizeof(parts) / sizeof(parts[0]); i++) {
		status = nst_interrupted() ? CLI_FAILED : parts[i](run);
		if (i == 0) {
			label_kek(run);
		}
	}
	if (nst_device_remove(run) != CLI_DONE) {
		status = CLI_FAILED;
	}
	return nst_steps_finish(&run->steps) == CLI_DONE ? status : CLI_FAILED;
}

static void finish(struct nst_run *run)
{
	sim_http_destroy(run->http);
	lw_aes_destroy(run->aes);
	if (run->authorization != NULL) {
		kw_wipe(run->authorization, strlen(run->authorization));
		free(run->authorization);
	}
	cli_reply_finish(&run->reply);
	kw_wipe(run, sizeof(*run));
}

/* The parent sees what ended it. */
static void pass_on_signal(void)
{
	if (signal_seen != 0) {
		fflush(NULL);
		signal((int)signal_seen, SIG_DFL);
		raise((int)signal_seen);
	}
}

static int run_locked(struct cli *cli, const struct nst_wish *wish)
{
	struct nst_run run = {.cli = cli, .wish = *wish};
	int status = read_kek(&run);

	if (status == CLI_DONE) {
		run.aes = lw_aes_create();
		status = run.aes != NULL ? CLI_DONE : cli_fail("out of memory");
	}
	if (status == CLI_DONE) {
		nst_steps_init(&run.steps, cli->json);
		catch_signals();
		status = test(&run);
	}
	finish(&run);
	return status;
}

int cli_ns_test(struct cli *cli, int argc, char **argv)
{
	struct nst_wish wish;
	int status;
	int lock;

	read_wish(cli, argc, argv, &wish);
	lock = nst_lock(cli_conf(cli)->admin.socket);
	if (lock < 0) {
		return CLI_FAILED;
	}
	status = run_locked(cli, &wish);
	close(lock);
	pass_on_signal();
	return status;
}
