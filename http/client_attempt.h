/**
 * One try to send one post: everything that libcurl is told about a transfer, and what its outcome
 * means. Time is not libcurl's here: its own timeouts would end a name look-up and leave its thread
 * behind, and the next attempt would start another.
 * Private to http/.
 */
#ifndef KW_HTTP_CLIENT_ATTEMPT_H
#define KW_HTTP_CLIENT_ATTEMPT_H

#include "http/client.h"

#include <curl/curl.h>
#include <openssl/types.h>

enum http_attempt_phase {
	HTTP_ATTEMPT_OPENING,    /* the name may be looked up: not stopped, see above */
	HTTP_ATTEMPT_CONNECTING, /* an address is tried, then TLS */
	HTTP_ATTEMPT_SENT,       /* the request is on its way */
};

struct http_attempt {
	CURL *easy; /* NULL: not started */
	enum http_attempt_phase phase;
	bool plain;     /* http: to loopback addresses only, whatever resolves */
	bool abandoned; /* set: it ends as soon as the name is looked up, without a connection */
	size_t received;
	char error[CURL_ERROR_SIZE];
	/** Called when the phase changes; must not touch libcurl. */
	void (*moved)(struct http_attempt *attempt);
};

/** What goes for all attempts. */
struct http_attempt_common {
	struct curl_slist *headers;
	X509_STORE *ca;    /* NULL: none */
	char *certificate; /* PEM texts or NULL */
	char *key;
};

struct http_attempt_request {
	const char *url;
	const void *body; /* borrowed until http_attempt_stop() */
	size_t length;
	bool fresh; /* over a new connection */
};

struct http_attempt_outcome {
	bool ok;
	bool again;      /* another try may help */
	unsigned status; /* 0: no answer */
	char reason[CURL_ERROR_SIZE];
};

/** `plain` and `moved` are set by the caller. @return KW_OK, KW_E_NO_MEMORY */
KW_MUST_CHECK enum kw_err http_attempt_start(struct http_attempt *attempt, CURLM *multi,
	const struct http_attempt_common *common, const struct http_attempt_request *request);
/** The attempt that this transfer is. */
struct http_attempt *http_attempt_of(CURL *easy);
/** What libcurl's code means for it. */
void http_attempt_judge(
	const struct http_attempt *attempt, CURLcode code, struct http_attempt_outcome *out);
/** The status of the answer so far; 0: none. */
unsigned http_attempt_status(const struct http_attempt *attempt);
/** End it and forget it, without waiting: a look-up under way ends by itself. Not started is fine. */
void http_attempt_stop(struct http_attempt *attempt, CURLM *multi);

/** Whether this libcurl can do TLS as it is wanted here: KW_OK, KW_E_UNSUPPORTED (logged),
 *  KW_E_NO_MEMORY */
KW_MUST_CHECK enum kw_err http_attempt_supported(void);

#endif
