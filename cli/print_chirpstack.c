#include "base/secret.h"
#include "cli/prefix.h"
#include "cli/print_config.h"

#include <stdlib.h>
#include <string.h>

#define DIRECTORY   "/etc/chirpstack/certs/"
#define CA_FILE     "keyward-ca.pem"
#define KEK_SIZE    16 /* octets; the only one that ChirpStack takes */
#define ANSWER_WAIT "5s"

static bool answers_later(const struct cli_config *config)
{
	return config->answer_url != NULL && config->answer_url[0] != '\0';
}

static void print_networks(const struct cli_config *config, FILE *out)
{
	fputs("# [network] net_id must be", out);
	for (size_t i = 0; i < config->net_id_count; i++) {
		const uint8_t *octets = config->net_ids[i].octets;

		fprintf(out, "%s \"%02x%02x%02x\"", i == 0 ? "" : " or", octets[0], octets[1],
			octets[2]);
	}
	fputs(": what it says is what ChirpStack calls itself here.\n", out);
}

static void print_delivery(const struct cli_config *config, FILE *out)
{
	if (cli_config_is_delivery(config, "inline")) {
		fputs("# AppSKey is delivered inline: ChirpStack decrypts payloads itself.\n", out);
	} else if (cli_config_is_delivery(config, "wrapped") ||
		   cli_config_is_delivery(config, "fetch")) {
		cli_config_warn(config,
			"AppSKey is delivered for end-to-end encryption: ChirpStack will not "
			"decrypt "
			"payloads. If it shall",
			"--app-s-key inline", out);
	} else {
		cli_config_warn(config,
			"answers will hold a SessionKeyID, which ChirpStack takes for end-to-end "
			"encryption: it will not decrypt payloads. If it shall",
			"--app-s-key inline", out);
	}
}

static void print_head(const struct cli_config *config, FILE *out)
{
	fputs("# For chirpstack.toml: joins of the network server ", out);
	cli_config_quote(config->name, out);
	fputs(" go to Keyward.\n#\n# Check by hand:\n", out);
	print_networks(config, out);
	fputs("# A device whose keys ChirpStack has (\"OTAA keys\") does not come here.\n", out);
	print_delivery(config, out);
	if (config->range_count == 0) {
		cli_config_comment("Every JoinEUI goes to Keyward. To narrow that, write a prefix "
				   "into join_eui_prefix, and limit Keyward's side alike: keyward "
				   "ns set NAME --join-eui RANGE",
			out);
	} else {
		cli_config_comment("ChirpStack takes the first prefix that fits: put these in "
				   "front of wider ones.",
			out);
	}
	if (!config->url.tls) {
		fputs("# Plain HTTP: only on one host, or behind a proxy that speaks TLS.\n", out);
	}
}

static void print_credential_remarks(const struct cli_config *config, FILE *out)
{
	if (config->client_certificate) {
		fputs("# tls_key: a private key in PKCS#8 (BEGIN PRIVATE KEY).\n", out);
	}
	if (config->authorization != CLI_CONFIG_NONE && config->secret == NULL) {
		fputs("# authorization_header: what it must hold is not known here any more.\n",
			out);
	}
	if (config->authorization == CLI_CONFIG_NONE && !config->client_certificate) {
		cli_config_warn(config, "it has no credential, every request will be refused",
			"--token", out);
	}
	if (config->client_certificate && !config->url.tls) {
		cli_config_warn(config, "a client certificate needs an https URL", NULL, out);
	}
}

static void print_tls(const struct cli_config *config, FILE *out)
{
	char file[128];

	if (!config->url.tls) {
		cli_config_line("ca_cert = ", "", out);
	} else {
		cli_config_path_line("ca_cert = ", config->ca_file, DIRECTORY, CA_FILE, out);
	}
	if (!config->url.tls || !config->client_certificate) {
		fputs("tls_cert = \"\"\ntls_key = \"\"\n", out);
		return;
	}
	snprintf(file, sizeof(file), "%s.pem", config->name);
	cli_config_path_line("tls_cert = ", config->certificate_file, DIRECTORY, file, out);
	snprintf(file, sizeof(file), "%s.key", config->name);
	cli_config_path_line("tls_key = ", config->key_file, DIRECTORY, file, out);
}

static void print_server(const struct cli_config *config, const struct cli_prefix *prefix,
	const char *authorization, FILE *out)
{
	char eui[LW_EUI_TEXT_SIZE];

	lw_eui_write(&prefix->first, eui);
	fprintf(out, "\n[[join_server.servers]]\njoin_eui_prefix = \"%s/%u\"\n", eui, prefix->bits);
	if (config->url_remark != NULL) {
		fprintf(out, "# %s\n", config->url_remark);
	}
	cli_config_line("server = ", config->url.text, out);
	cli_config_line("async_timeout = ", answers_later(config) ? ANSWER_WAIT : "0s", out);
	print_tls(config, out);
	cli_config_line("authorization_header = ", authorization, out);
}

static void print_range(const struct cli_config *config, const struct lw_eui_range *range,
	const char *authorization, FILE *out)
{
	struct cli_prefix prefixes[CLI_PREFIX_BITS_MAX];
	const size_t count = cli_prefix_split(range, 1, prefixes, CLI_PREFIX_BITS_MAX);

	for (size_t i = 0; i < count && i < CLI_PREFIX_BITS_MAX; i++) {
		print_server(config, &prefixes[i], authorization, out);
	}
}

static void print_servers(const struct cli_config *config, FILE *out)
{
	static const struct lw_eui_range every = {
		{{0}}, {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};
	char *authorization = cli_config_authorization_value(config);
	const char *value = authorization == NULL ? "REPLACE: out of memory" : authorization;

	print_credential_remarks(config, out);
	for (size_t i = 0; i < config->range_count; i++) {
		print_range(config, &config->ranges[i], value, out);
	}
	if (config->range_count == 0) {
		print_range(config, &every, value, out);
	}
	if (authorization != NULL) {
		kw_wipe(authorization, strlen(authorization));
	}
	free(authorization);
}

static void print_kek(const struct cli_config *config, const struct cli_config_kek *kek, FILE *out)
{
	if (kek->octets != 0 && kek->octets != KEK_SIZE) {
		fputc('\n', out);
		cli_config_warn(config,
			"a KEK is left out here: it is not of 16 octets and ChirpStack takes no "
			"other. openssl rand -hex 16 makes one for keyward kek add",
			NULL, out);
		fputs("# its label: ", out);
		cli_config_quote(kek->label, out);
		fputc('\n', out);
		return;
	}
	fprintf(out, "\n# %s\n[[keks]]\n",
		kek->current ? "The current KEK: new keys are wrapped under it."
			     : "An older KEK; delete it here once it is retired "
			       "(keyward kek retire).");
	cli_config_line("label = ", kek->label, out);
	cli_config_line("kek = ", "REPLACE: the 32 digits from the KEK file", out);
}

/* ChirpStack listens for answers at the port that the answer URL names. */
static void print_answers(const struct cli_config *config, FILE *out)
{
	struct cli_url url;
	char bind[32] = "REPLACE: ADDRESS:PORT";

	if (!answers_later(config)) {
		return;
	}
	if (cli_url_read(config->answer_url, &url)) {
		snprintf(bind, sizeof(bind), "0.0.0.0:%u", url.port);
	}
	fputs("\n# Answers come to ", out);
	cli_config_quote(config->answer_url, out);
	fputs(". With ca_cert, ChirpStack asks\n"
	      "# for a client certificate of that CA; without tls_cert it speaks plain HTTP.\n"
	      "[backend_interfaces]\n",
		out);
	cli_config_line("bind = ", bind, out);
	cli_config_line("ca_cert = ", "", out);
	cli_config_line("tls_cert = ", url.tls ? DIRECTORY "backend-interfaces.pem" : "", out);
	cli_config_line("tls_key = ", url.tls ? DIRECTORY "backend-interfaces.key" : "", out);
}

void cli_config_print_chirpstack(const struct cli_config *config, FILE *out)
{
	print_head(config, out);
	print_servers(config, out);
	for (size_t i = 0; i < config->kek_count; i++) {
		print_kek(config, &config->keks[i], out);
	}
	print_answers(config, out);
}
