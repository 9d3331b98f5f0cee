#include "http/client_attempt.h"

#include "base/log.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MAX ((size_t)64 * 1024)
/* libcurl has no "none" for this one, and 300 s of its own. */
#define NO_CONNECT_TIMEOUT_MS (24L * 3600 * 1000)

static void move_on(struct http_attempt *attempt, enum http_attempt_phase phase)
{
	if (attempt->phase != phase) {
		attempt->phase = phase;
		attempt->moved(attempt);
	}
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	}
	return false;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_attempt *attempt = context;

	(void)purpose;
	if (attempt->abandoned || (attempt->plain && !is_loopback(&address->addr))) {
		return CURL_SOCKET_BAD;
	}
	move_on(attempt, HTTP_ATTEMPT_CONNECTING);
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The connection is there, a new one or one that was kept. */
static int before_request(void *context, char *peer, char *own, int peer_port, int own_port)
{
	struct http_attempt *attempt = context;

	(void)peer;
	(void)own;
	(void)peer_port;
	(void)own_port;
	if (attempt->abandoned) {
		return CURL_PREREQFUNC_ABORT;
	}
	move_on(attempt, HTTP_ATTEMPT_SENT);
	return CURL_PREREQFUNC_OK;
}

static size_t receive(char *octets, size_t size, size_t count, void *context)
{
	struct http_attempt *attempt = context;

	(void)octets;
	attempt->received += size * count;
	return attempt->received <= ANSWER_MAX ? size * count : 0;
}

/* A failing option shows in the end only; each is tried so that the list stays a list. */
#define SET(option, value) good = curl_easy_setopt(easy, (option), (value)) == CURLE_OK && good

static bool set_request(CURL *easy, const struct http_attempt_common *common,
	const struct http_attempt_request *request)
{
	bool good = true;

	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDS, request->body);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
	SET(CURLOPT_HTTPHEADER, common->headers);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, NO_CONNECT_TIMEOUT_MS);
	SET(CURLOPT_FRESH_CONNECT, request->fresh ? 1L : 0L);
	/* Its end leaves a look-up to its thread, which frees what is its own; else it would wait. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	return good;
}

static bool set_callbacks(CURL *easy, struct http_attempt *attempt)
{
	bool good = true;

	SET(CURLOPT_PRIVATE, (void *)attempt);
	SET(CURLOPT_ERRORBUFFER, attempt->error);
	SET(CURLOPT_WRITEFUNCTION, receive);
	SET(CURLOPT_WRITEDATA, (void *)attempt);
	SET(CURLOPT_HEADERFUNCTION, receive);
	SET(CURLOPT_HEADERDATA, (void *)attempt);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, (void *)attempt);
	SET(CURLOPT_PREREQFUNCTION, before_request);
	SET(CURLOPT_PREREQDATA, (void *)attempt);
	return good;
}

static bool set_blob(CURL *easy, CURLoption option, char *text)
{
	struct curl_blob blob = {.data = text, .flags = CURL_BLOB_NOCOPY};

	if (text == NULL) {
		return true;
	}
	blob.len = strlen(text);
	return curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

/* In the place of whatever libcurl would trust. */
static CURLcode use_store(CURL *easy, void *context, void *store)
{
	(void)easy;
	SSL_CTX_set1_cert_store(context, store);
	return CURLE_OK;
}

static bool set_tls(CURL *easy, const struct http_attempt_common *common)
{
	bool good = true;

	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	/* A resumed session would not show the certificate again. */
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	/* Without these the CAs of the system are trusted as well. */
	SET(CURLOPT_CAINFO, (char *)NULL);
	SET(CURLOPT_CAPATH, (char *)NULL);
	SET(CURLOPT_SSLCERTTYPE, "PEM");
	SET(CURLOPT_SSLKEYTYPE, "PEM");
	SET(CURLOPT_KEYPASSWD, ""); /* never ask at the terminal */
	SET(CURLOPT_SSL_CTX_FUNCTION, use_store);
	SET(CURLOPT_SSL_CTX_DATA, (void *)common->ca);
	return good && set_blob(easy, CURLOPT_SSLCERT_BLOB, common->certificate) &&
	       set_blob(easy, CURLOPT_SSLKEY_BLOB, common->key);
}

enum kw_err http_attempt_start(struct http_attempt *attempt, CURLM *multi,
	const struct http_attempt_common *common, const struct http_attempt_request *request)
{
	CURL *easy = curl_easy_init();

	attempt->phase = HTTP_ATTEMPT_OPENING;
	attempt->received = 0;
	attempt->error[0] = '\0';
	if (easy == NULL || !set_request(easy, common, request) || !set_callbacks(easy, attempt) ||
		(!attempt->plain && !set_tls(easy, common)) ||
		curl_multi_add_handle(multi, easy) != CURLM_OK) {
		curl_easy_cleanup(easy);
		return KW_E_NO_MEMORY;
	}
	attempt->easy = easy;
	return KW_OK;
}

struct http_attempt *http_attempt_of(CURL *easy)
{
	char *attempt = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &attempt);
	return (struct http_attempt *)(void *)attempt;
}

unsigned http_attempt_status(const struct http_attempt *attempt)
{
	long status = 0;

	if (attempt->easy != NULL) {
		curl_easy_getinfo(attempt->easy, CURLINFO_RESPONSE_CODE, &status);
	}
	return status >= 200 && status <= 999 ? (unsigned)status : 0;
}

/* A peer that answered has decided, unless it says that it is not well. */
static bool may_help(CURLcode code, unsigned status)
{
	if (status != 0) {
		return status == 429 || (status >= 500 && status <= 599);
	}
	return code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR ||
	       code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
}

static void write_reason(
	const struct http_attempt *attempt, CURLcode code, struct http_attempt_outcome *out)
{
	const char *text = attempt->error[0] != '\0' ? attempt->error : curl_easy_strerror(code);

	if (attempt->received > ANSWER_MAX) {
		text = "the answer is longer than 64 KiB";
	}
	if (out->status >= 300 && out->status <= 399) {
		snprintf(out->reason, sizeof(out->reason),
			"HTTP status %u: redirects are not followed", out->status);
	} else if (out->status > 299) {
		snprintf(out->reason, sizeof(out->reason), "HTTP status %u", out->status);
	} else {
		snprintf(out->reason, sizeof(out->reason), "%s", text);
	}
}

void http_attempt_judge(
	const struct http_attempt *attempt, CURLcode code, struct http_attempt_outcome *out)
{
	memset(out, 0, sizeof(*out));
	out->status = http_attempt_status(attempt);
	out->ok = code == CURLE_OK && out->status >= 200 && out->status <= 299;
	if (!out->ok) {
		out->again = may_help(code, out->status);
		write_reason(attempt, code, out);
	}
}

void http_attempt_stop(struct http_attempt *attempt, CURLM *multi)
{
	if (attempt->easy != NULL) {
		curl_multi_remove_handle(multi, attempt->easy);
		curl_easy_cleanup(attempt->easy);
		attempt->easy = NULL;
	}
}

enum kw_err http_attempt_supported(void)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
	CURL *easy;
	CURLcode code;

	easy = curl_easy_init();
	if (easy == NULL) {
		return KW_E_NO_MEMORY;
	}
	code = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, use_store);
	curl_easy_cleanup(easy);
	if (code == CURLE_NOT_BUILT_IN || code == CURLE_UNKNOWN_OPTION) {
		kw_log(KW_LOG_ERROR, "http",
			"this libcurl does not use OpenSSL; install the one with "
			"OpenSSL (libcurl4-openssl-dev) and build again",
			KW_STR("libcurl", info->version), KW_STR("tls", info->ssl_version));
		return KW_E_UNSUPPORTED;
	}
	return code == CURLE_OK ? KW_OK : KW_E_NO_MEMORY;
}
