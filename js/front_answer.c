#include "js/front_answer.h"

#include "base/env.h"
#include "base/log_gate.h"
#include "base/secret.h"

#include <arpa/inet.h>
#include <string.h>

/* Where a request comes from, or the proxy that passed it on; "?" where the system did not say. */
static void write_address(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
	const void *octets = NULL;

	if (address != NULL && address->sa_family == AF_INET) {
		octets = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	} else if (address != NULL && address->sa_family == AF_INET6) {
		octets = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	}
	if (octets == NULL ||
		inet_ntop(address->sa_family, octets, out, INET6_ADDRSTRLEN) == NULL) {
		strcpy(out, "?");
	}
}

static void note_refused(struct ipc_report *report, const struct http_request *request,
	unsigned status, const char *reason)
{
	/* One for each status: 400 to 503 differ in these bits. */
	static struct kw_log_gate gates[64];
	char from[INET6_ADDRSTRLEN];

	report->http_refused++;
	report->busy += status == 503;
	if (kw_log_gate(&gates[status % 64], &kw_env_system, KW_LOG_INFO, "front")) {
		write_address(http_request_address(request), from);
		kw_log(KW_LOG_INFO, "front", "request refused", KW_STR("from", from),
			KW_NUM("status", status), KW_STR("reason", reason));
	}
}

void js_front_refuse(struct ipc_report *report, struct http_request *request, unsigned status,
	const struct http_header *headers, const char *reason)
{
	note_refused(report, request, status, reason);
	http_answer(request, status, NULL, NULL, 0, headers);
}

void js_front_refuse_credential(struct ipc_report *report, struct http_request *request)
{
	static const struct http_header headers[] = {
		{"WWW-Authenticate", "Bearer realm=\"keyward\""}, {NULL, NULL}};

	js_front_refuse(report, request, 401, headers, "credential missing or unknown");
}

static const struct http_header retry_after[] = {{"Retry-After", "1"}, {NULL, NULL}};

void js_front_refuse_busy(struct ipc_report *report, struct http_request *request)
{
	js_front_refuse(report, request, 503, retry_after, "overloaded, or the vault is away");
}

static const char *const answered[] = {
	[BI_TYPE_OTHER] = "request answered",
	[BI_TYPE_JOIN] = "JoinReq answered",
	[BI_TYPE_REJOIN] = "RejoinReq answered",
	[BI_TYPE_APP_S_KEY] = "AppSKeyReq answered",
	[BI_TYPE_HOME_NS] = "HomeNSReq answered",
	[BI_TYPE_ERROR_NOTIF] = "ErrorNotif taken",
};

static void log_answer(const struct bi_request *message, const struct ipc_backend_ans *told,
	const char *result, uint64_t took_us)
{
	const char *peer = told != NULL && memchr(told->peer, '\0', sizeof(told->peer)) != NULL
				   ? told->peer
				   : "";

	if (message->has_dev_eui) {
		kw_log(KW_LOG_INFO, "front", answered[message->type],
			KW_EUI("dev_eui", message->dev_eui.octets),
			KW_STR("sender", message->sender_id), KW_STR("peer", peer),
			KW_NUM("txn", message->transaction_id), KW_STR("result", result),
			KW_NUM("took_us", took_us));
	} else {
		kw_log(KW_LOG_INFO, "front", answered[message->type],
			KW_STR("type", message->message_type), KW_STR("sender", message->sender_id),
			KW_STR("peer", peer), KW_NUM("txn", message->transaction_id),
			KW_STR("result", result), KW_NUM("took_us", took_us));
	}
}

/* HTTP 200: with the answer, or without one that is posted. @return whether it could be */
static bool deliver(const struct js_front_teller *teller, const struct bi_request *message,
	const struct bi_answer *said, const char *url, struct http_request *request)
{
	char body[BI_ANSWER_MAX];
	size_t length;
	enum kw_err err = bi_answer_encode(message, said, body, sizeof(body), &length);

	if (err != KW_OK) {
		js_front_refuse(teller->report, request, 500, NULL, "the answer does not fit");
		return false;
	}
	if (url != NULL) {
		err = js_front_posts_send(teller->posts, url, message, body, length);
	}
	if (err != KW_OK) {
		js_front_refuse_busy(teller->report, request);
	} else if (url != NULL) {
		http_answer(request, 200, NULL, NULL, 0, NULL);
	} else {
		http_answer(request, 200, "application/json", body, length, NULL);
	}
	kw_wipe(body, length);
	return err == KW_OK;
}

/* Too many, or too late: HTTP 503, with the answer that says no in the body where there is one. */
static void tell_later(const struct js_front_teller *teller, const struct bi_request *message,
	const struct bi_answer *said, struct http_request *request)
{
	char body[BI_ANSWER_MAX];
	size_t length = 0;

	note_refused(teller->report, request, 503, kw_err_text(said->err));
	if (message->type == BI_TYPE_ERROR_NOTIF ||
		bi_answer_encode(message, said, body, sizeof(body), &length) != KW_OK) {
		http_answer(request, 503, NULL, NULL, 0, retry_after);
	} else {
		http_answer(request, 503, "application/json", body, length, retry_after);
	}
}

void js_front_tell(const struct js_front_teller *teller, struct http_request *request,
	const struct bi_request *message, const struct bi_answer *said,
	const struct ipc_backend_ans *told, const char *url)
{
	uint64_t took_us = kw_mono_us(&kw_env_system) - http_request_arrived_us(request);
	const char *result = bi_result_code(said->err, message->protocol);

	if (said->err == KW_E_UNAUTHENTICATED) {
		js_front_refuse_credential(teller->report, request);
		return;
	}
	if (said->err == KW_E_RATE || said->err == KW_E_TIMEOUT) {
		tell_later(teller, message, said, request);
		return;
	}
	if (message->type == BI_TYPE_ERROR_NOTIF) {
		http_answer(request, 200, NULL, NULL, 0, NULL);
		result = message->notified;
	} else if (!deliver(teller, message, said, url, request)) {
		return;
	}
	kw_histogram_add(&teller->report->latency, took_us);
	if (kw_log_enabled(KW_LOG_INFO)) {
		log_answer(message, told, result, took_us);
	}
}
