#include "http/proxy_cert.h"
#include "ipc/channel.h"
#include "js/front_http.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/http_feed.h"
#include "tests/fuzz/patch.h"

#include <jansson.h>
#include <string.h>
#include <sys/socket.h>

/*
 * What a network server or a stranger sends to a front, from the first octet of its connection on,
 * through the HTTP server, credentials, JSON and the batch; and behind it what comes from the vault
 * before the answers that end the batch. Of the front everything runs but posting (js/front_posts.c),
 * which would leave this machine.
 */
enum flag {
	FROM_PROXY =
		1 << 0,   /* the client is a trusted proxy; else an ordinary one on the loopback */
	NO_ROOM = 1 << 1, /* answers cannot be posted */
};

#define TURNS_MAX     100
#define HEADER(flags) (((flags) >> 2) % 4)   /* in which proxies pass certificates on */
#define PIECE(flags)  ((size_t)(flags) >> 4) /* octets sent at a time; 0: all */
#define GONE_UNASKED  14 /* in its place: all, and the client goes before the vault is asked, */
#define GONE_ASKED    15 /* or before it has answered */

enum word { /* what the vault says, by its first octet */
	SAYS_HELLO = 1,
	SAYS_ANSWERS = 2,
	SAYS_ANYTHING = 3,
};

/* Made for this purpose with openssl(1); certificates of the corpus are its. */
static const char root[] = "-----BEGIN CERTIFICATE-----\n"
			   "MIIBjzCCATWgAwIBAgIUYwDh3Y6VYiVgq+/B8DOMpxPqI1kwCgYIKoZIzj0EAwIw\n"
			   "FDESMBAGA1UEAwwJZnV6eiByb290MCAXDTI2MTEyMjIwMzEwM1oYDzIxMjYxMDI5\n"
			   "MjAzMTAzWjAUMRIwEAYDVQQDDAlmdXp6IHJvb3QwWTATBgcqhkjOPQIBBggqhkjO\n"
			   "PQMBBwNCAASG44u+zJHwJKngbhyYoHSUbY6lUZMkHlT0jeTxS0bunniQCXytUUgf\n"
			   "qQ61tln5XRl6HtKxY7g+zcNu7q1ye32to2MwYTAdBgNVHQ4EFgQUkJC8bgkFf6UJ\n"
			   "rE22XiK3gK7O9+swHwYDVR0jBBgwFoAUkJC8bgkFf6UJrE22XiK3gK7O9+swDwYD\n"
			   "VR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQwCgYIKoZIzj0EAwIDSAAwRQIh\n"
			   "AP4Sr7wVNRO7bpSNm4CfrcFcXurJUo9DaipR8GTAIvNEAiBz/YsKpeXur9x1MawE\n"
			   "pXd2E+fuiojfXrjOP6PdLu4JTg==\n"
			   "-----END CERTIFICATE-----\n";

static struct parts said;
static struct ipc_report report;
static struct js_front_batch batch;
static int channel[2]; /* the front's end, the vault's end */

enum kw_err __real_ipc_send(int fd, struct ipc_header *header, const void *bodies,
	size_t bodies_length, const void *tail, size_t tail_length);
enum kw_err __wrap_ipc_send(int fd, struct ipc_header *header, const void *bodies,
	size_t bodies_length, const void *tail, size_t tail_length);

/* ---- the vault ---- */

static void check_questions(
	const struct ipc_header *header, const struct ipc_backend_req *questions, size_t length)
{
	fuzz_require(header->kind == IPC_BACKEND && header->err == 0);
	fuzz_require(header->count >= 1 && header->count <= IPC_BATCH_MAX);
	fuzz_require(length == header->count * sizeof(*questions));
	for (size_t i = 0; i < header->count; i++) {
		const struct ipc_backend_req *asked = &questions[i];

		fuzz_require(asked->number == header->number + i);
		fuzz_require(asked->credential_count >= 1);
		fuzz_require(asked->credential_count <= IPC_CREDENTIALS_MAX);
		fuzz_require(asked->phy_length <= LW_REQUEST_MAX && asked->rx_delay <= 15);
		fuzz_require(memchr(asked->as_id, '\0', sizeof(asked->as_id)) != NULL);
		fuzz_require(asked->field_err <= 0);
	}
}

static void say(struct ipc_header *header, const void *bodies, size_t length, const void *tail,
	size_t tail_length)
{
	fuzz_require(
		__real_ipc_send(channel[1], header, bodies, length, tail, tail_length) == KW_OK);
}

static void say_hello(void)
{
	struct ipc_header header = {.kind = IPC_HELLO, .count = 1};
	struct ipc_hello hello = {.generation = 0};
	uint8_t generation;

	parts_take(&said, &generation, 1);
	hello.generation = generation;
	say(&header, &hello, sizeof(hello), NULL, 0);
}

/* Two answers, to a question that was asked or not, with URLs as long as they say or not. */
static void say_answers(uint64_t first)
{
	struct ipc_header header = {.kind = IPC_BACKEND, .count = 2, .number = first};
	struct ipc_backend_ans answers[2];
	char urls[2 * IPC_URL_SIZE];
	uint8_t head[4]; /* error of all, number of each, length of the URLs */

	parts_take(&said, head, sizeof(head));
	header.err = -(int32_t)head[0];
	if (header.err != 0) {
		header.number += head[1];
		header.count = head[2] % 2;
	}
	memset(answers, 0, sizeof(answers));
	answers[0].number = first + head[1] % 4;
	answers[1].number = first + head[2] % 4;
	answers[0].answer_url_length = head[3];
	patch_apply(&said, answers, sizeof(answers));
	parts_take(&said, urls, head[3]);
	say(&header, answers, header.count * sizeof(answers[0]), urls, head[3]);
}

static void say_anything(void)
{
	uint8_t length, octets[255];

	parts_take(&said, &length, 1);
	parts_take(&said, octets, length);
	fuzz_require(send(channel[1], octets, length, MSG_NOSIGNAL) == length);
}

/* The batch waits for these: without them each input would take as long as a vault may. */
static void say_the_end(const struct ipc_header *asked)
{
	static struct ipc_backend_ans answers[IPC_BATCH_MAX];
	struct ipc_header header = {
		.kind = IPC_BACKEND, .count = asked->count, .number = asked->number};

	for (size_t i = 0; i < asked->count; i++) {
		answers[i].number = asked->number + i;
		answers[i].err = KW_E_MIC;
	}
	say(&header, answers, asked->count * sizeof(answers[0]), NULL, 0);
}

/* In place of the channel's own: the vault has answered once a question was sent. */
enum kw_err __wrap_ipc_send(int fd, struct ipc_header *header, const void *bodies,
	size_t bodies_length, const void *tail, size_t tail_length)
{
	uint8_t word;

	fuzz_require(fd == channel[0] && tail == NULL && tail_length == 0);
	check_questions(header, bodies, bodies_length);
	for (unsigned i = 0; i < 4; i++) {
		parts_take(&said, &word, 1);
		if (word == SAYS_HELLO) {
			say_hello();
		} else if (word == SAYS_ANSWERS) {
			say_answers(header->number);
		} else if (word == SAYS_ANYTHING) {
			say_anything();
		}
	}
	say_the_end(header);
	return KW_OK;
}

/* ---- the front ---- */

/* In place of js/front_posts.c. */
enum kw_err js_front_posts_send(struct js_front_posts *posts, const char *url,
	const struct bi_request *request, const char *body, size_t length)
{
	json_t *json = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);

	(void)posts;
	fuzz_require(json_is_object(json) && request->type != BI_TYPE_ERROR_NOTIF);
	fuzz_require(url[0] != '\0' && strlen(url) < IPC_URL_SIZE);
	json_decref(json);
	return (said.flags & NO_ROOM) != 0 ? KW_E_BUSY : KW_OK;
}

static bool busy(void)
{
	bool flying = false;

	for (size_t i = 0; i < JS_FRONT_FLIGHTS; i++) {
		flying = flying || batch.flights[i].count > 0;
	}
	return flying || batch.from < batch.to;
}

/* Whether what is pending waits for its client to go. @return false also once it has gone */
static bool is_held(const struct feed *feed)
{
	return PIECE(said.flags) >= GONE_UNASKED && http_server_active(feed->server) > 0;
}

/* The vault has answered as soon as it is asked, so each message takes two turns at most. */
static void turn(void *context)
{
	if (is_held(context)) {
		if (PIECE(said.flags) == GONE_ASKED && batch.flights[0].count == 0) {
			js_front_batch_run(&batch);
		}
		return;
	}
	for (unsigned i = 0; busy(); i++) {
		fuzz_require(i < TURNS_MAX);
		js_front_batch_run(&batch);
	}
	fuzz_require(js_front_batch_timeout_ms(&batch) == -1);
}

static struct js_front_http http;

static struct js_identities *identities_for(uint8_t flags)
{
	static const char *const headers[] = {
		NULL, HTTP_PROXY_RFC9440, HTTP_PROXY_PEM, HTTP_PROXY_BASE64};
	static struct js_identities known[2];
	static struct js_proxies proxies[2];
	const size_t i = (flags & FROM_PROXY) != 0;

	struct http_trust *trust;

	if (known[i].slots == NULL) {
		fuzz_require(js_proxies_read(i == 1 ? "127.0.0.0/8" : "", &proxies[i]) == KW_OK);
		fuzz_require(js_identities_init(&known[i], &proxies[i], NULL, false) == KW_OK);
		fuzz_require(http_trust_open(root, &trust) == KW_OK);
		js_identities_trust(&known[i], trust);
	}
	known[i].proxy_header = headers[HEADER(flags)];
	return &known[i];
}

static struct feed *front_feed(void)
{
	static struct feed feed = {.turn = turn};
	struct http_server_options options = {
		.body_max = 65536,
		.idle_timeout_s = 30,
		.handler = js_front_http_handle,
		.gone = js_front_http_gone,
		.context = &http,
	};

	const struct js_front_teller teller = {.report = &report};

	feed.context = &feed;

	if (feed.server == NULL) {
		fuzz_require(ipc_channel_pair(channel) == KW_OK);
		fuzz_require(js_front_batch_init(&batch, channel[0], &teller) == KW_OK);
		fuzz_require(js_front_http_init(&http, "/ /api/join", &batch, identities_for(0),
				     &report) == KW_OK);
		feed_open(&feed, &options);
	}
	return &feed;
}

/* As one that has just started. */
static void batch_reset(void)
{
	uint64_t octet;

	while (recv(channel[0], &octet, sizeof(octet), MSG_DONTWAIT) > 0) {
	}
	batch.generation = 0;
	batch.heard = false;
	batch.greeted = false;
	batch.next = UINT64_MAX; /* the numbers wrap around */
}

static void check_answers(const struct feed *feed)
{
	struct feed_answer answer;
	size_t at = 0, length;

	while (feed_next(feed, &at, &answer)) {
		if (at < feed->length && answer.status == 200 &&
			feed_header(&answer, "Content-Type", &length) != NULL) {
			json_t *json = json_loadb(
				answer.body, answer.body_length, JSON_REJECT_DUPLICATES, NULL);

			fuzz_require(json_is_object(json));
			json_decref(json);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed *feed = front_feed();

	said = parts_of(data, size);
	http.identities = identities_for(said.flags);
	batch_reset();
	bi_decode_seed(1);
	feed_send(feed, said.client, said.client_length,
		PIECE(said.flags) < GONE_UNASKED ? PIECE(said.flags) : 0);
	turn(feed);
	fuzz_require(!batch.closed && batch.vacant_count == batch.used);
	check_answers(feed);
	return 0;
}
