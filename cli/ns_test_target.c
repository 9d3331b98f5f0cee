#include "cli/ns_test.h"

#include "base/env.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fetch_peer(struct nst_run *run)
{
	struct cli_path path;
	const char *url;

	cli_path_init(&path, "/network-servers");
	cli_path_segment(&path, run->wish.name);
	if (cli_api_get(run->cli, &path, &run->reply) != CLI_DONE) {
		nst_fail(&run->steps, NST_CONFIGURATION,
			run->reply.status == 404 ? "keyward ns list" : "systemctl status keyward",
			run->reply.status == 404 ? "no network server is called %s"
						 : "keywardd does not say who %s is",
			run->wish.name);
		return CLI_FAILED;
	}
	url = json_string_value(json_object_get(run->reply.json, "answer_url"));
	run->answer_url = url != NULL && url[0] != '\0' ? url : NULL;
	if (cli_config_read_peer(run->reply.json, &run->peer) != CLI_DONE ||
		run->peer.net_id_count == 0) {
		nst_fail(&run->steps, NST_CONFIGURATION, "", "keywardd's answer does not read");
		return CLI_FAILED;
	}
	return CLI_DONE;
}

/* An address that stands for all is reached on this machine's own. */
static const char *own_host(const struct conf_listen *listen)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&listen->address;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&listen->address;

	if (listen->address.ss_family == AF_INET6) {
		return IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) ? "[::1]" : NULL;
	}
	return in->sin_addr.s_addr == htonl(INADDR_ANY) ? "127.0.0.1" : NULL;
}

/*
 * The configured address, by a name that the certificate is for: network servers use such a name,
 * and the connection goes to the address all the same.
 */
static bool url_of_conf(const struct conf *conf, struct nst_target *target)
{
	const struct conf_listen *listen = &conf->server.listen[0];
	char text[CLI_URL_SIZE];
	char name[CLI_URL_SIZE];
	char named[CLI_URL_SIZE + 16];
	const char *host;

	cli_url_of_conf(conf, text);
	if (!cli_url_read(text, &target->url)) {
		return false;
	}
	host = own_host(listen);
	memcpy(target->connect_host, host == NULL ? target->url.host : host,
		strlen(host == NULL ? target->url.host : host) + 1);
	target->connect_port = target->url.port;
	memcpy(name, target->connect_host, sizeof(name));
	if (target->url.tls) {
		nst_certificate_name(conf->server.tls_certificate, target->connect_host, name);
	}
	snprintf(named, sizeof(named), "http%s://%.200s:%u/", target->url.tls ? "s" : "", name,
		target->url.port);
	return cli_url_read(named, &target->url);
}

static void choose_ca(struct nst_run *run, const struct conf *conf)
{
	if (run->wish.ca != NULL) {
		run->target.ca = run->wish.ca;
	} else if (conf->server.tls_certificate[0] != '\0') {
		run->target.ca = conf->server.tls_certificate;
	}
}

static void warn_plain(const char *url)
{
	bool loopback;
	bool plain;

	if (sim_url_check(url, &loopback, &plain) && plain && !loopback) {
		cli_warn("%s is not encrypted: the credential travels in the clear", url);
	}
}

static int choose_url(struct nst_run *run)
{
	const struct conf *conf = cli_conf(run->cli);

	choose_ca(run, conf);
	if (run->wish.url != NULL) {
		warn_plain(run->wish.url);
		return cli_url_read(run->wish.url, &run->target.url) ? CLI_DONE : CLI_FAILED;
	}
	return url_of_conf(conf, &run->target) ? CLI_DONE : CLI_FAILED;
}

static void choose_sender(struct nst_run *run)
{
	struct sim_ns *ns = &run->ns;
	enum kw_err err = KW_OK;

	ns->net_id = run->peer.net_ids[0];
	if (run->wish.net_id != NULL) {
		err = lw_net_id_read(run->wish.net_id, &ns->net_id);
	}
	/* The command line was checked. */
	ns->has_net_id = err == KW_OK;
	snprintf(ns->sender, sizeof(ns->sender),
		ns->dialect == SIM_TTS ? "%02X%02X%02X" : "%02x%02x%02x", ns->net_id.octets[0],
		ns->net_id.octets[1], ns->net_id.octets[2]);
}

static void choose_protocol(struct nst_run *run)
{
	struct sim_ns *ns = &run->ns;

	ns->dialect = run->wish.dialect;
	ns->rx_delay = 1;
	ns->protocol_1_1 = ns->dialect == SIM_TTS && run->peer.has_ns_id;
	if (run->wish.protocol != NULL) {
		ns->protocol_1_1 = strcmp(run->wish.protocol, "1.1") == 0;
	}
	/* ChirpStack knows no NSID. */
	ns->has_ns_id = run->peer.has_ns_id && ns->protocol_1_1 && ns->dialect != SIM_CHIRPSTACK;
	ns->ns_id = run->peer.ns_id;
	choose_sender(run);
}

int nst_target_find(struct nst_run *run)
{
	if (fetch_peer(run) != CLI_DONE) {
		return CLI_FAILED;
	}
	if (choose_url(run) != CLI_DONE) {
		nst_fail(&run->steps, NST_CONFIGURATION, "keyward ns test NAME --url U",
			"the configuration makes no URL that works");
		return CLI_FAILED;
	}
	choose_protocol(run);
	nst_ok(&run->steps, NST_CONFIGURATION, 0, "%s asks %s as %s%s%s", run->wish.name,
		run->target.url.text, run->ns.sender,
		run->answer_url == NULL ? "" : " and gets answers at ",
		run->answer_url == NULL ? "" : run->answer_url);
	return CLI_DONE;
}

static bool connects_elsewhere(const struct nst_target *target)
{
	return target->connect_host[0] != '\0';
}

static int tell_no_connection(struct nst_run *run, const char *address, const char *why)
{
	nst_fail(&run->steps, NST_TCP,
		run->wish.url == NULL
			? "is keywardd running, and with this configuration? keyward status"
			: "nothing answers there: is it the address in [server] listen, and does a "
			  "firewall let it through?",
		"%s: %s", address, why);
	return CLI_FAILED;
}

static const char *tls_help(const struct nst_run *run)
{
	if (run->wish.ca != NULL) {
		return "--ca names the certificate of the CA, or the server's own; the URL has a "
		       "name that the certificate is for";
	}
	if (run->wish.url != NULL) {
		return "--ca F names what the network server trusts; the URL has a name that the "
		       "certificate is for";
	}
	return "the server shows another certificate than tls_certificate, or one that has ended: "
	       "systemctl reload keyward, or --ca F";
}

static void tell_tls(struct nst_run *run, const struct nst_tls *tls)
{
	char ends[KW_TIME_TEXT_SIZE];

	kw_time_text(tls->ends_s * 1000, ends);
	ends[strlen("2026-01-01")] = '\0';
	if (!tls->verified) {
		nst_fail(&run->steps, NST_TLS, tls_help(run), "%s, certificate for %s until %s: %s",
			tls->version, tls->names, ends, tls->why);
		return;
	}
	nst_ok(&run->steps, NST_TLS, tls->took_us,
		"%s, certificate for %s until %s, verified as %s", tls->version, tls->names, ends,
		run->target.url.host);
}

static int look_at_tls(struct nst_run *run, int fd)
{
	struct nst_tls tls;

	if (!run->target.url.tls) {
		nst_not_seen(&run->steps, NST_TLS, "plain HTTP, good on this machine only");
		return CLI_DONE;
	}
	if (!nst_tls_look(fd, run->target.url.host, run->target.ca, &tls)) {
		nst_fail(&run->steps, NST_TLS,
			"does this port speak TLS? See [server] tls_certificate; a keywardd that "
			"runs "
			"since before it was set must be started again",
			"%s", tls.why);
		return CLI_FAILED;
	}
	tell_tls(run, &tls);
	return tls.verified ? CLI_DONE : CLI_FAILED;
}

int nst_target_reach(struct nst_run *run)
{
	const struct nst_target *target = &run->target;
	bool elsewhere = connects_elsewhere(target);
	char address[NST_ADDRESS_SIZE];
	char why[NST_WHY_SIZE];
	uint64_t took_us = 0;
	int status;
	int fd;

	if (!nst_connect(elsewhere ? target->connect_host : target->url.host,
		    elsewhere ? target->connect_port : target->url.port, &fd, address, &took_us,
		    why)) {
		return tell_no_connection(run, address, why);
	}
	nst_ok(&run->steps, NST_TCP, took_us, "%s", address);
	status = look_at_tls(run, fd);
	close(fd);
	return status;
}
