#include "cli/ns_test_link.h"

#include "base/env.h"
#include "cli/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEM_MAX ((size_t)256 * 1024)

/* A host without the brackets that a URL puts around an IPv6 address. */
static void plain_host(const char *host, char out[CLI_URL_SIZE])
{
	size_t length = strlen(host);

	if (host[0] == '[' && length >= 2) {
		host++;
		length -= 2;
	}
	snprintf(out, CLI_URL_SIZE, "%.*s", (int)length, host);
}

static void write_address(const struct addrinfo *info, char out[NST_ADDRESS_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "?";
	char port[8] = "?";

	getnameinfo(info->ai_addr, info->ai_addrlen, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(out, NST_ADDRESS_SIZE, info->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
		port);
}

/* @return 0 or errno */
static int wait_connected(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof(error);
	int ready = poll(&poller, 1, NST_LINK_MS);

	if (ready <= 0) {
		return ready == 0 ? ETIMEDOUT : errno;
	}
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/* @return 0 or errno */
static int connect_one(const struct addrinfo *info, int *out)
{
	int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		info->ai_protocol);
	int error = 0;

	if (fd < 0) {
		return errno;
	}
	if (connect(fd, info->ai_addr, info->ai_addrlen) != 0) {
		error = errno == EINPROGRESS ? wait_connected(fd) : errno;
	}
	if (error == 0 && fcntl(fd, F_SETFL, 0) != 0) {
		error = errno;
	}
	if (error != 0) {
		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

bool nst_connect(const char *host, unsigned port, int *fd, char address[NST_ADDRESS_SIZE],
	uint64_t *took_us, char why[NST_WHY_SIZE])
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char name[CLI_URL_SIZE];
	char service[8];
	int error;

	*fd = -1;
	plain_host(host, name);
	snprintf(address, NST_ADDRESS_SIZE, "%.40s:%u", host, port);
	snprintf(service, sizeof(service), "%u", port);
	error = getaddrinfo(name, service, &hints, &list);
	if (error != 0) {
		snprintf(why, NST_WHY_SIZE, "%s",
			error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
		return false;
	}
	for (const struct addrinfo *at = list; at != NULL && *fd < 0; at = at->ai_next) {
		uint64_t started_us = kw_mono_us(&kw_env_system);

		error = connect_one(at, fd);
		*took_us = kw_mono_us(&kw_env_system) - started_us;
		write_address(at, address);
	}
	freeaddrinfo(list);
	if (*fd < 0) {
		snprintf(why, NST_WHY_SIZE, "%s", strerror(error));
	}
	return *fd >= 0;
}

static bool is_number(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* Alternative name number `index` as text; "" for a kind that is no host. @return false: no more */
static bool read_name(gnutls_x509_crt_t crt, unsigned index, char out[CLI_URL_SIZE])
{
	size_t size = CLI_URL_SIZE - 1;
	char value[CLI_URL_SIZE];
	int kind = gnutls_x509_crt_get_subject_alt_name(crt, index, value, &size, NULL);

	out[0] = '\0';
	if (kind == GNUTLS_SAN_DNSNAME) {
		snprintf(out, CLI_URL_SIZE, "%.*s", (int)size, value);
	} else if (kind == GNUTLS_SAN_IPADDRESS && (size == 4 || size == 16)) {
		inet_ntop(size == 4 ? AF_INET : AF_INET6, value, out, CLI_URL_SIZE);
	}
	return kind != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

static void join_names(gnutls_x509_crt_t crt, char names[NST_NAMES_SIZE])
{
	char name[CLI_URL_SIZE];
	size_t used = 0;

	names[0] = '\0';
	for (unsigned i = 0; read_name(crt, i, name); i++) {
		if (name[0] != '\0' && used + strlen(name) + 2 <= NST_NAMES_SIZE) {
			used += (size_t)snprintf(names + used, NST_NAMES_SIZE - used, "%s%s",
				used == 0 ? "" : " ", name);
		}
	}
	if (used == 0) {
		size_t size = NST_NAMES_SIZE;

		if (gnutls_x509_crt_get_dn(crt, names, &size) != GNUTLS_E_SUCCESS) {
			snprintf(names, NST_NAMES_SIZE, "nobody");
		}
	}
}

static void read_certificate(gnutls_session_t session, struct nst_tls *tls)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	gnutls_x509_crt_t crt = NULL;

	snprintf(tls->names, sizeof(tls->names), "nobody");
	if (chain == NULL || count == 0 || gnutls_x509_crt_init(&crt) != GNUTLS_E_SUCCESS) {
		return;
	}
	if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS) {
		time_t ends = gnutls_x509_crt_get_expiration_time(crt);

		tls->ends_s = ends > 0 ? (uint64_t)ends : 0;
		join_names(crt, tls->names);
	}
	gnutls_x509_crt_deinit(crt);
}

/* GnuTLS ends its sentences with a blank. */
static void copy_words(char out[NST_WHY_SIZE], const gnutls_datum_t *words)
{
	size_t length;

	snprintf(out, NST_WHY_SIZE, "%.*s", (int)words->size, (const char *)words->data);
	length = strlen(out);
	while (length > 0 && out[length - 1] == ' ') {
		out[--length] = '\0';
	}
}

static void verify(gnutls_session_t session, const char *host, struct nst_tls *tls)
{
	unsigned status = 0;
	int error = gnutls_certificate_verify_peers3(session, host, &status);
	gnutls_datum_t words = {.data = NULL};

	tls->verified = error == GNUTLS_E_SUCCESS && status == 0;
	if (error != GNUTLS_E_SUCCESS) {
		snprintf(tls->why, sizeof(tls->why), "%s", gnutls_strerror(error));
	} else if (status != 0 && gnutls_certificate_verification_status_print(
					  status, GNUTLS_CRT_X509, &words, 0) == GNUTLS_E_SUCCESS) {
		copy_words(tls->why, &words);
		gnutls_free(words.data);
	}
}

static bool handshake(gnutls_session_t session, struct nst_tls *tls)
{
	uint64_t started_us = kw_mono_us(&kw_env_system);
	int error;

	do {
		error = gnutls_handshake(session);
	} while (error == GNUTLS_E_AGAIN || error == GNUTLS_E_WARNING_ALERT_RECEIVED);
	tls->took_us = kw_mono_us(&kw_env_system) - started_us;
	if (error == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		const char *alert = gnutls_alert_get_name(gnutls_alert_get(session));

		snprintf(tls->why, sizeof(tls->why), "the server says: %s",
			alert == NULL ? "unknown alert" : alert);
	} else if (error != GNUTLS_E_SUCCESS) {
		snprintf(tls->why, sizeof(tls->why), "%s", gnutls_strerror(error));
	}
	return error == GNUTLS_E_SUCCESS;
}

static bool trust(gnutls_certificate_credentials_t credentials, const char *ca, struct nst_tls *tls)
{
	int count = ca == NULL ? gnutls_certificate_set_x509_system_trust(credentials)
			       : gnutls_certificate_set_x509_trust_file(
					 credentials, ca, GNUTLS_X509_FMT_PEM);

	if (ca != NULL && count <= 0) {
		snprintf(tls->why, sizeof(tls->why), "%.180s: %s", ca,
			count < 0 ? gnutls_strerror(count) : "no certificate in it");
		return false;
	}
	return true;
}

static bool look(gnutls_session_t session, int fd, const char *host, struct nst_tls *tls)
{
	gnutls_transport_set_int(session, fd);
	gnutls_handshake_set_timeout(session, NST_LINK_MS);
	if (gnutls_set_default_priority(session) != GNUTLS_E_SUCCESS ||
		(!is_number(host) && gnutls_server_name_set(session, GNUTLS_NAME_DNS, host,
					     strlen(host)) != GNUTLS_E_SUCCESS)) {
		snprintf(tls->why, sizeof(tls->why), "TLS cannot be started");
		return false;
	}
	if (!handshake(session, tls)) {
		return false;
	}
	snprintf(tls->version, sizeof(tls->version), "%s",
		gnutls_protocol_get_name(gnutls_protocol_get_version(session)));
	read_certificate(session, tls);
	verify(session, host, tls);
	return true;
}

bool nst_tls_look(int fd, const char *host, const char *ca, struct nst_tls *tls)
{
	gnutls_certificate_credentials_t credentials = NULL;
	gnutls_session_t session = NULL;
	char name[CLI_URL_SIZE];
	bool good;

	memset(tls, 0, sizeof(*tls));
	plain_host(host, name);
	good = gnutls_certificate_allocate_credentials(&credentials) == GNUTLS_E_SUCCESS &&
	       gnutls_init(&session, GNUTLS_CLIENT) == GNUTLS_E_SUCCESS &&
	       gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials) ==
		       GNUTLS_E_SUCCESS;
	if (!good) {
		snprintf(tls->why, sizeof(tls->why), "TLS cannot be started");
	}
	good = good && trust(credentials, ca, tls) && look(session, fd, name, tls);
	if (session != NULL) {
		gnutls_deinit(session);
	}
	if (credentials != NULL) {
		gnutls_certificate_free_credentials(credentials);
	}
	return good;
}

static bool find_name(gnutls_x509_crt_t crt, const char *host, char name[CLI_URL_SIZE])
{
	char plain[CLI_URL_SIZE];
	char found[CLI_URL_SIZE];

	plain_host(host, plain);
	if (gnutls_x509_crt_check_hostname(crt, plain) != 0) {
		return true;
	}
	for (unsigned i = 0; read_name(crt, i, found); i++) {
		if (found[0] != '\0' && strchr(found, '*') == NULL) {
			snprintf(name, CLI_URL_SIZE, strchr(found, ':') == NULL ? "%s" : "[%s]",
				found);
			return true;
		}
	}
	return false;
}

bool nst_certificate_name(const char *path, const char *host, char name[CLI_URL_SIZE])
{
	struct cli_file file;
	gnutls_x509_crt_t crt = NULL;
	bool good = false;

	snprintf(name, CLI_URL_SIZE, "%s", host);
	if (cli_file_read(path, PEM_MAX, &file) != 0) {
		return false;
	}
	if (gnutls_x509_crt_init(&crt) == GNUTLS_E_SUCCESS) {
		const gnutls_datum_t pem = {
			.data = (unsigned char *)file.text, .size = (unsigned)file.length};

		good = gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) == GNUTLS_E_SUCCESS &&
		       find_name(crt, host, name);
		gnutls_x509_crt_deinit(crt);
	}
	cli_file_finish(&file);
	return good;
}
