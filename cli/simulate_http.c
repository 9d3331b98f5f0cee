#include "cli/simulate_http.h"

#include "base/env.h"
#include "base/secret.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_MAX   256
#define NO_TIMER     UINT64_MAX
#define AGENT        "keyward-simulate"
#define US_PER_S     1000000u
#define US_PER_MS    1000u
#define WAIT_MAX_US  (60 * (uint64_t)US_PER_S)
#define HEADER_WIDTH 4200
#define TO_WIDTH     300

struct transfer {
	struct sim_http *http;
	CURL *easy;
	char *answer; /* SIM_ANSWER_MAX octets */
	size_t length;
	char error[CURL_ERROR_SIZE];
};

struct sim_http {
	sim_http_done done;
	void *context;
	CURLM *multi;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	int epoll;
	int timer;            /* wakes a wait shorter than a millisecond in time */
	uint64_t curl_due_us; /* when curl wants to be called; NO_TIMER: not */
	bool loopback_only;
	unsigned connections;
	struct transfer transfers[];
};

static size_t receive(char *octets, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	size_t length = size * count;

	if (length > SIM_ANSWER_MAX - transfer->length) {
		return 0;
	}
	memcpy(transfer->answer + transfer->length, octets, length);
	transfer->length += length;
	return length;
}

static bool address_is_loopback(const struct sockaddr *address)
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

/* The name in the URL was checked before; this holds whatever it resolves to. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	const struct sim_http *http = context;

	(void)purpose;
	if (http->loopback_only && !address_is_loopback(&address->addr)) {
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
	struct sim_http *http = context;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(http->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) |
		       ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
	if (epoll_ctl(http->epoll, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) !=
		0) {
		return -1;
	}
	curl_multi_assign(http->multi, fd, http);
	return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct sim_http *http = context;

	(void)multi;
	http->curl_due_us = timeout_ms < 0
				    ? NO_TIMER
				    : kw_mono_us(&kw_env_system) + (uint64_t)timeout_ms * US_PER_MS;
	return 0;
}

static bool add_header(struct sim_http *http, const char *line)
{
	struct curl_slist *list = curl_slist_append(http->headers, line);

	if (list != NULL) {
		http->headers = list;
	}
	return list != NULL;
}

static bool make_headers(struct sim_http *http, const struct sim_http_options *options)
{
	char line[HEADER_WIDTH];
	bool fits = true;

	/* An empty Expect keeps curl from waiting for a "100 Continue". */
	if (!add_header(http, "Content-Type: application/json") || !add_header(http, "Expect:")) {
		return false;
	}
	if (options->token != NULL || options->authorization != NULL) {
		bool bearer = options->token != NULL;
		int length = snprintf(line, sizeof(line), "Authorization: %s%s",
			bearer ? "Bearer " : "", bearer ? options->token : options->authorization);

		fits = length > 0 && (size_t)length < sizeof(line) && add_header(http, line);
		kw_wipe(line, sizeof(line));
	}
	return fits;
}

static bool make_connect_to(struct sim_http *http, const struct sim_http_options *options)
{
	char line[TO_WIDTH];
	int length;

	if (options->connect_to == NULL) {
		return true;
	}
	length = snprintf(line, sizeof(line), "::%s", options->connect_to);
	if (length <= 0 || (size_t)length >= sizeof(line)) {
		return false;
	}
	http->connect_to = curl_slist_append(NULL, line);
	return http->connect_to != NULL;
}

static bool prepare(
	struct sim_http *http, struct transfer *transfer, const struct sim_http_options *options)
{
	CURL *easy = curl_easy_init();

	transfer->http = http;
	transfer->easy = easy;
	transfer->answer = malloc(SIM_ANSWER_MAX);
	if (easy == NULL || transfer->answer == NULL) {
		return false;
	}
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, AGENT);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)SIM_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http);
	if (options->fresh) {
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
	if (options->ca != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca);
		curl_easy_setopt(easy, CURLOPT_CAPATH, (char *)NULL);
	}
	if (options->certificate != NULL) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, options->certificate);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, options->key);
	}
	if (http->connect_to != NULL) {
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->connect_to);
	}
	return curl_easy_setopt(easy, CURLOPT_URL, options->url) == CURLE_OK;
}

static bool open_loop(struct sim_http *http)
{
	struct epoll_event event = {.events = EPOLLIN};

	http->epoll = epoll_create1(EPOLL_CLOEXEC);
	http->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	event.data.fd = http->timer;
	if (http->epoll < 0 || http->timer < 0 ||
		epoll_ctl(http->epoll, EPOLL_CTL_ADD, http->timer, &event) != 0) {
		return false;
	}
	http->multi = curl_multi_init();
	if (http->multi == NULL) {
		return false;
	}
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->connections);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)http->connections);
	return true;
}

struct sim_http *sim_http_create(
	const struct sim_http_options *options, sim_http_done done, void *context)
{
	struct sim_http *http;
	bool good;

	assert(options->connections >= 1 && options->connections <= SIM_CONNECTIONS_MAX);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return NULL;
	}
	http = calloc(1, sizeof(*http) + options->connections * sizeof(http->transfers[0]));
	if (http == NULL) {
		return NULL;
	}
	http->done = done;
	http->context = context;
	http->epoll = -1;
	http->timer = -1;
	http->curl_due_us = NO_TIMER;
	http->loopback_only = options->loopback_only;
	http->connections = options->connections;
	good = open_loop(http) && make_headers(http, options) && make_connect_to(http, options);
	for (unsigned i = 0; good && i < options->connections; i++) {
		good = prepare(http, &http->transfers[i], options);
	}
	if (!good) {
		sim_http_destroy(http);
		return NULL;
	}
	return http;
}

void sim_http_destroy(struct sim_http *http)
{
	if (http == NULL) {
		return;
	}
	for (unsigned i = 0; i < http->connections; i++) {
		struct transfer *transfer = &http->transfers[i];

		if (transfer->easy != NULL) {
			curl_multi_remove_handle(http->multi, transfer->easy);
			curl_easy_cleanup(transfer->easy);
		}
		free(transfer->answer);
	}
	if (http->multi != NULL) {
		curl_multi_cleanup(http->multi);
	}
	for (struct curl_slist *at = http->headers; at != NULL; at = at->next) {
		kw_wipe(at->data, strlen(at->data));
	}
	curl_slist_free_all(http->headers);
	curl_slist_free_all(http->connect_to);
	if (http->epoll >= 0) {
		close(http->epoll);
	}
	if (http->timer >= 0) {
		close(http->timer);
	}
	free(http);
	curl_global_cleanup();
}

enum kw_err sim_http_start(struct sim_http *http, unsigned slot, const char *body, size_t length)
{
	struct transfer *transfer = &http->transfers[slot];

	assert(slot < http->connections);
	transfer->length = 0;
	transfer->error[0] = '\0';
	curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE, (long)length);
	return curl_multi_add_handle(http->multi, transfer->easy) == CURLM_OK ? KW_OK
									      : KW_E_NO_MEMORY;
}

/* curl quotes the server: the names in its certificate, for one. */
static void clean(char *text)
{
	for (; *text != '\0'; text++) {
		*text = *text >= ' ' && *text <= '~' ? *text : '?';
	}
}

static void finish(struct sim_http *http, struct transfer *transfer, CURLcode code)
{
	struct sim_http_answer answer = {.body = transfer->answer, .length = transfer->length};
	unsigned slot = (unsigned)(transfer - http->transfers);

	if (code == CURLE_OK) {
		curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	} else if (code == CURLE_WRITE_ERROR) {
		answer.why = "the answer is longer than 64 KiB";
	} else {
		clean(transfer->error);
		answer.why =
			transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
	}
	http->done(http->context, slot, &answer);
}

static void collect(struct sim_http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		struct transfer *transfer = NULL;
		CURL *easy = message->easy_handle;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE) {
			continue;
		}
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
		curl_multi_remove_handle(http->multi, easy);
		finish(http, transfer, code);
	}
}

static void arm(int timer, uint64_t wait_us)
{
	struct itimerspec spec = {
		.it_value =
			{
				.tv_sec = (time_t)(wait_us / US_PER_S),
				.tv_nsec = (long)(wait_us % US_PER_S) * 1000,
			},
	};

	timerfd_settime(timer, 0, &spec, NULL);
}

static int wait_events(struct sim_http *http, uint64_t wait_us, struct epoll_event *events)
{
	uint64_t now_us = kw_mono_us(&kw_env_system);
	uint64_t curl_us = http->curl_due_us > now_us ? http->curl_due_us - now_us : 0;

	if (http->curl_due_us != NO_TIMER && curl_us < wait_us) {
		wait_us = curl_us;
	}
	if (wait_us == 0 || wait_us > WAIT_MAX_US) {
		return epoll_wait(http->epoll, events, EVENTS_MAX,
			wait_us == 0 ? 0 : (int)(WAIT_MAX_US / US_PER_MS));
	}
	arm(http->timer, wait_us);
	return epoll_wait(http->epoll, events, EVENTS_MAX, -1);
}

static void act(struct sim_http *http, const struct epoll_event *event)
{
	int running;
	int what = ((event->events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
		   ((event->events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
		   ((event->events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
	uint64_t expired;

	if (event->data.fd != http->timer) {
		curl_multi_socket_action(http->multi, event->data.fd, what, &running);
	} else if (read(http->timer, &expired, sizeof(expired)) < 0) {
		return; /* armed anew in the meantime */
	}
}

void sim_http_turn(struct sim_http *http, uint64_t wait_us)
{
	struct epoll_event events[EVENTS_MAX];
	int count = wait_events(http, wait_us, events);
	int running;

	for (int i = 0; i < count; i++) {
		act(http, &events[i]);
	}
	if (http->curl_due_us != NO_TIMER && http->curl_due_us <= kw_mono_us(&kw_env_system)) {
		http->curl_due_us = NO_TIMER;
		curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	collect(http);
}

static bool host_is_loopback(const char *host)
{
	struct in_addr in;

	if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0) {
		return true;
	}
	return inet_pton(AF_INET, host, &in) == 1 && ntohl(in.s_addr) >> 24 == 127;
}

bool sim_url_check(const char *url, bool *loopback, bool *plain)
{
	CURLU *parts = curl_url();
	char *scheme = NULL;
	char *host = NULL;
	bool good = parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		    curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK;

	*plain = good && strcmp(scheme, "http") == 0;
	*loopback = good && host_is_loopback(host);
	good = good && (*plain || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return good;
}
