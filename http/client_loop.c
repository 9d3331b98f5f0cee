#include "http/client_loop.h"

#include "base/log.h"

#include <sys/epoll.h>
#include <unistd.h>

#define IDLE_CONNECTIONS 64L
#define EVENTS_MAX       64
#define US_PER_MS        1000

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
	struct http_loop *loop = context;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	(void)known;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) |
		       ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
	if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) != 0 &&
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		/* Telling libcurl would stop all transfers for good; this one meets its deadline. */
		kw_log(KW_LOG_ERROR, "http", "cannot watch a connection to a peer", KW_ERRNO());
	}
	return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct http_loop *loop = context;

	(void)multi;
	loop->due_us = timeout_ms < 0 ? HTTP_NEVER
				      : kw_mono_us(loop->env) + (uint64_t)timeout_ms * US_PER_MS;
	return 0;
}

enum kw_err http_loop_open(struct http_loop *loop, const struct kw_env *env)
{
	CURLM *multi = curl_multi_init();

	loop->multi = multi;
	loop->env = env;
	loop->due_us = HTTP_NEVER;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		kw_log(KW_LOG_ERROR, "http", "cannot make an epoll set", KW_ERRNO());
		return KW_E_SYSTEM;
	}
	if (multi == NULL ||
		curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
		curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop) != CURLM_OK ||
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
		curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop) != CURLM_OK ||
		curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) != CURLM_OK ||
		curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS) != CURLM_OK) {
		return KW_E_NO_MEMORY;
	}
	return KW_OK;
}

void http_loop_close(struct http_loop *loop)
{
	if (loop->multi != NULL) {
		curl_multi_cleanup(loop->multi);
	}
	if (loop->env != NULL && loop->epoll >= 0) {
		close(loop->epoll);
	}
}

void http_loop_events(struct http_loop *loop)
{
	struct epoll_event events[EVENTS_MAX];
	int count = epoll_wait(loop->epoll, events, EVENTS_MAX, 0);
	int running;

	for (int i = 0; i < count; i++) {
		int what = ((events[i].events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
			   ((events[i].events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
			   ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);

		curl_multi_socket_action(loop->multi, events[i].data.fd, what, &running);
	}
}

bool http_loop_timer(struct http_loop *loop)
{
	int running;

	if (loop->due_us > kw_mono_us(loop->env)) {
		return false;
	}
	loop->due_us = HTTP_NEVER;
	curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	return true;
}
