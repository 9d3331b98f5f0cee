#include "base/secret.h"
#include "cli/prefix.h"
#include "cli/print_config.h"

#include <stdlib.h>
#include <string.h>

#define JS_FILE   "keyward.yml"
#define DIRECTORY "/etc/ttn-lw-stack/interop"
#define CA_FILE   "keyward-ca.pem"

/* Its EUIs are in upper case. */
static void write_eui(const struct lw_eui *eui, char out[LW_EUI_TEXT_SIZE])
{
	lw_eui_write(eui, out);
	for (char *at = out; *at != '\0'; at++) {
		if (*at >= 'a' && *at <= 'f') {
			*at = (char)(*at - 'a' + 'A');
		}
	}
}

static void print_range(const struct lw_eui_range *range, FILE *out)
{
	struct cli_prefix prefixes[CLI_PREFIX_BITS_MAX];
	const size_t count = cli_prefix_split(range, 1, prefixes, CLI_PREFIX_BITS_MAX);

	for (size_t i = 0; i < count && i < CLI_PREFIX_BITS_MAX; i++) {
		char eui[LW_EUI_TEXT_SIZE];

		write_eui(&prefixes[i].first, eui);
		fprintf(out, "      - \"%s/%u\"\n", eui, prefixes[i].bits);
	}
}

static void print_servers_file(const struct cli_config *config, FILE *out)
{
	fputs("# File 1 of 3: config.yml in the directory " DIRECTORY ". If there is one already,\n"
	      "# add the entry to its join-servers.\n",
		out);
	if (config->range_count == 0) {
		cli_config_comment("Every JoinEUI goes to Keyward. To narrow that, write prefixes "
				   "into join-euis, and limit Keyward's side alike: keyward ns set "
				   "NAME --join-eui RANGE",
			out);
	}
	fputs("join-servers:\n  - file: \"./" JS_FILE "\"\n    join-euis:\n", out);
	for (size_t i = 0; i < config->range_count; i++) {
		print_range(&config->ranges[i], out);
	}
	if (config->range_count == 0) {
		fputs("      - \"0000000000000000/0\"\n", out);
	}
}

static void print_delivery(const struct cli_config *config, FILE *out)
{
	if (cli_config_is_delivery(config, "inline-id")) {
		fputs("# AppSKey is delivered in the clear, with a SessionKeyID.\n", out);
	} else if (cli_config_is_delivery(config, "inline")) {
		cli_config_warn(config,
			"AppSKey comes without SessionKeyID; The Things Stack makes one up that "
			"nobody else knows. Better",
			"--app-s-key inline-id", out);
	} else if (cli_config_is_delivery(config, "wrapped")) {
		cli_config_comment(
			"AppSKey is wrapped under the KEK of the application server (keyward as): "
			"key-vault in file 3 must hold that KEK too.",
			out);
	} else {
		cli_config_comment(
			"AppSKey: of devices with an AS-ID the Application Server asks for it, "
			"with a credential of its own (keyward as add). It then has a file of "
			"its own: one entry with components: [\"ns\"], one with [\"as\"].",
			out);
	}
}

static void print_remarks(const struct cli_config *config, FILE *out)
{
	print_delivery(config, out);
	if (config->authorization == CLI_CONFIG_NONE && !config->client_certificate) {
		cli_config_warn(config, "it has no credential, every request will be refused",
			"--token", out);
	}
	if (config->answer_url != NULL && config->answer_url[0] != '\0') {
		cli_config_warn(config,
			"answers are posted to an answer URL; The Things Stack needs them at once",
			"--answer-url ''", out);
	}
	if (config->client_certificate && !config->url.tls) {
		cli_config_warn(config, "a client certificate needs an https URL", NULL, out);
	}
	if (!config->url.tls) {
		fputs("# Plain HTTP: only on one host, or behind a proxy that speaks TLS.\n", out);
	}
	if (config->url_remark != NULL) {
		fprintf(out, "# %s\n", config->url_remark);
	}
}

static void print_address(const struct cli_config *config, FILE *out)
{
	const struct cli_url *url = &config->url;
	char eui[LW_EUI_TEXT_SIZE];

	if (!url->tls) {
		cli_config_line("scheme: ", "http", out);
	}
	cli_config_line("fqdn: ", url->host, out);
	fprintf(out, "port: %u\n", url->port);
	cli_config_line("protocol: ", config->has_ns_id ? "BI1.1" : "BI1.0", out);
	if (config->has_ns_id) {
		write_eui(&config->ns_id, eui);
		cli_config_line("sender-ns-id: ", eui, out);
	}
	if (url->path[0] != '\0') {
		fputs("paths:\n", out);
		cli_config_line("  join: ", url->path, out);
		cli_config_line("  rejoin: ", url->path, out);
		cli_config_line("  app-s-key: ", url->path, out);
		cli_config_line("  home-ns: ", url->path, out);
	}
}

static void print_header(const struct cli_config *config, FILE *out)
{
	char *value = cli_config_authorization_value(config);

	fputs("headers:\n", out);
	cli_config_line("  Authorization: ", value == NULL ? "REPLACE: out of memory" : value, out);
	if (value != NULL) {
		kw_wipe(value, strlen(value));
	}
	free(value);
}

static void print_authorization(const struct cli_config *config, FILE *out)
{
	if (config->authorization == CLI_CONFIG_NONE) {
		return;
	}
	if (config->authorization == CLI_CONFIG_BASIC) {
		fputs("basic-auth:\n", out);
		cli_config_line("  username: ",
			config->user == NULL ? "REPLACE: the user" : config->user, out);
		cli_config_line("  password: ",
			config->secret == NULL ? "REPLACE: the password" : config->secret, out);
		return;
	}
	print_header(config, out);
}

/* Relative paths are looked up next to the file. */
static void print_tls(const struct cli_config *config, FILE *out)
{
	char file[128];

	if (!config->url.tls) {
		return;
	}
	fputs("tls:\n", out);
	cli_config_path_line("  root-ca: ", config->ca_file, "", CA_FILE, out);
	if (config->client_certificate) {
		snprintf(file, sizeof(file), "%s.pem", config->name);
		cli_config_path_line("  certificate: ", config->certificate_file, "", file, out);
		snprintf(file, sizeof(file), "%s.key", config->name);
		cli_config_path_line("  key: ", config->key_file, "", file, out);
	}
}

static void print_js_file(const struct cli_config *config, FILE *out)
{
	fputs("---\n# File 2 of 3: " JS_FILE " next to config.yml. Paths in it are relative to "
	      "it.\n",
		out);
	print_remarks(config, out);
	print_address(config, out);
	print_authorization(config, out);
	print_tls(config, out);
}

static void print_key_vault(const struct cli_config *config, FILE *out)
{
	if (config->kek_count == 0) {
		return;
	}
	fputs("key-vault:\n  provider: \"static\"\n  static:\n", out);
	for (size_t i = 0; i < config->kek_count; i++) {
		const struct cli_config_kek *kek = &config->keks[i];

		fprintf(out, "    # %s\n",
			kek->current ? "the current KEK"
				     : "an older KEK; delete it here once it is retired (keyward "
				       "kek retire)");
		fputs("    ", out);
		cli_config_quote(kek->label, out);
		cli_config_line(": ", "REPLACE: the digits from the KEK file", out);
	}
}

static void print_cluster_file(const struct cli_config *config, FILE *out)
{
	fputs("---\n# File 3 of 3: lines for the configuration of the cluster, ttn-lw-stack.yml.\n"
	      "# ns.net-id must be",
		out);
	for (size_t i = 0; i < config->net_id_count; i++) {
		const uint8_t *octets = config->net_ids[i].octets;

		fprintf(out, "%s \"%02X%02X%02X\"", i == 0 ? "" : " or", octets[0], octets[1],
			octets[2]);
	}
	fputs(".\n", out);
	cli_config_comment(
		"The built-in Join Server is asked first, and Keyward only if that answers \"not "
		"found\". So keep these devices out of it, and leave js.join-eui-prefix as it is: "
		"the default covers all JoinEUIs; for one that it does not cover the answer is "
		"another and Keyward is never asked.",
		out);
	fputs("ns:\n  interop:\n"
	      "    config-source: \"directory\"\n"
	      "    directory: \"" DIRECTORY "\"\n"
	      "as:\n  interop:\n"
	      "    config-source: \"directory\"\n"
	      "    directory: \"" DIRECTORY "\"\n"
	      "    # id: the AS-ID, if the Application Server shall ask for AppSKeys\n",
		out);
	print_key_vault(config, out);
}

void cli_config_print_tts(const struct cli_config *config, FILE *out)
{
	fputs("# The Things Stack: joins of the network server ", out);
	cli_config_quote(config->name, out);
	fputs(" go to Keyward.\n", out);
	print_servers_file(config, out);
	print_js_file(config, out);
	print_cluster_file(config, out);
}
