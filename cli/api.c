#include "cli/api.h"

#include "base/secret.h"
#include "cli/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BASE_URL           "http://keyward/api/v1"
#define ANSWER_MAX         ((size_t)16 << 20)
#define CONNECT_TIMEOUT_MS 10000L
#define ANSWER_TIMEOUT_MS  120000L
#define WAIT_MS            1000

struct incoming {
	char *text;
	size_t length;
	size_t size;
	bool too_long;
};

struct cli_api {
	CURL *curl;
	CURLM *multi;             /* for the request on its way; made when first needed */
	struct incoming incoming; /* its answer */
	struct curl_slist *headers;
	char url[sizeof(BASE_URL) + sizeof(((struct cli_path *)NULL)->text)];
	char error[CURL_ERROR_SIZE];
};

static void path_put(struct cli_path *path, char c)
{
	if (path->length + 1 >= sizeof(path->text)) {
		path->cut = true;
		return;
	}
	path->text[path->length++] = c;
	path->text[path->length] = '\0';
}

static void path_put_plain(struct cli_path *path, const char *text)
{
	for (; *text != '\0'; text++) {
		path_put(path, *text);
	}
}

static void path_put_encoded(struct cli_path *path, const char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.";
	static const char digits[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		const unsigned char octet = (unsigned char)*text;

		if (strchr(plain, *text) != NULL) {
			path_put(path, *text);
		} else {
			path_put(path, '%');
			path_put(path, digits[octet >> 4]);
			path_put(path, digits[octet & 15]);
		}
	}
}

void cli_path_init(struct cli_path *path, const char *fixed)
{
	memset(path, 0, sizeof(*path));
	path_put_plain(path, fixed);
}

void cli_path_segment(struct cli_path *path, const char *segment)
{
	path_put(path, '/');
	path_put_encoded(path, segment);
}

void cli_path_query(struct cli_path *path, const char *name, const char *value)
{
	path_put(path, path->has_query ? '&' : '?');
	path->has_query = true;
	path_put_plain(path, name);
	path_put(path, '=');
	path_put_encoded(path, value);
}

void cli_path_query_number(struct cli_path *path, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	cli_path_query(path, name, text);
}

static size_t receive(char *octets, size_t size, size_t count, void *context)
{
	struct incoming *incoming = context;
	const size_t length = size * count;
	const size_t needed = incoming->length + length + 1;

	if (needed > ANSWER_MAX) {
		incoming->too_long = true;
		return 0;
	}
	if (needed > incoming->size) {
		const size_t larger = 2 * needed;
		char *text = realloc(incoming->text, larger);

		if (text == NULL) {
			return 0;
		}
		incoming->text = text;
		incoming->size = larger;
	}
	memcpy(incoming->text + incoming->length, octets, length);
	incoming->length += length;
	incoming->text[incoming->length] = '\0';
	return length;
}

static bool set_options(struct cli_api *api, const char *socket)
{
	CURL *curl = api->curl;

	/* A proxy from the environment is not for this. */
	return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       /* "." and ".." are labels like any other. */
	       curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ANSWER_TIMEOUT_MS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, api->error) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK;
}

static struct cli_api *open_api(struct cli *cli)
{
	if (cli->api != NULL) {
		return cli->api;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return NULL;
	}
	cli->api = calloc(1, sizeof(*cli->api));
	if (cli->api == NULL) {
		curl_global_cleanup();
		return NULL;
	}
	cli->api->curl = curl_easy_init();
	if (cli->api->curl == NULL || !set_options(cli->api, cli_conf(cli)->admin.socket)) {
		cli_api_close(cli);
	}
	return cli->api;
}

void cli_api_close(struct cli *cli)
{
	if (cli->api == NULL) {
		return;
	}
	if (cli->api->multi != NULL) {
		curl_multi_remove_handle(cli->api->multi, cli->api->curl);
		curl_multi_cleanup(cli->api->multi);
	}
	free(cli->api->incoming.text);
	curl_slist_free_all(cli->api->headers);
	curl_easy_cleanup(cli->api->curl);
	free(cli->api);
	cli->api = NULL;
	curl_global_cleanup();
}

/* Why the socket cannot be opened: curl does not tell one reason from another. */
static int connect_errno(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int reason = 0;

	if (fd < 0) {
		return errno;
	}
	if (strlen(path) >= sizeof(address.sun_path)) {
		reason = ENAMETOOLONG;
	} else {
		memcpy(address.sun_path, path, strlen(path) + 1);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
			reason = errno;
		}
	}
	close(fd);
	return reason;
}

static int fail_unreachable(struct cli *cli)
{
	const char *path = cli_conf(cli)->admin.socket;
	const int reason = connect_errno(path);

	if (reason == EACCES || reason == EPERM) {
		return cli_fail(
			"cannot reach keywardd at %s: %s; only root and members of the group "
			"that owns the socket may",
			path, strerror(reason));
	}
	if (reason == 0) {
		return cli_fail("cannot reach keywardd at %s: %s", path, cli->api->error);
	}
	return cli_fail("cannot reach keywardd at %s: %s; is it running?", path, strerror(reason));
}

static int fail_curl(struct cli *cli, CURLcode code, const struct incoming *incoming)
{
	if (incoming->too_long) {
		return cli_fail("the answer of keywardd is too long");
	}
	if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
		return fail_unreachable(cli);
	}
	return cli_fail("no answer from keywardd at %s: %s", cli_conf(cli)->admin.socket,
		cli->api->error[0] != '\0' ? cli->api->error : curl_easy_strerror(code));
}

static int fail_status(const struct cli_reply *reply)
{
	const json_t *error = json_object_get(reply->json, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	char *clean;

	if (message == NULL) {
		return cli_fail("keywardd answered with HTTP status %ld", reply->status);
	}
	clean = cli_clean(message);
	cli_fail("%s", clean == NULL ? "out of memory" : clean);
	free(clean);
	return CLI_FAILED;
}

static bool set_headers(struct cli_api *api, const char *content_type)
{
	char line[128];
	struct curl_slist *list;

	curl_slist_free_all(api->headers);
	/* "Expect: 100-continue" would only cost a round trip. */
	api->headers = curl_slist_append(NULL, "Expect:");
	if (api->headers == NULL) {
		return false;
	}
	if (content_type != NULL) {
		snprintf(line, sizeof(line), "Content-Type: %s", content_type);
		list = curl_slist_append(api->headers, line);
		if (list == NULL) {
			return false;
		}
		api->headers = list;
	}
	return curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER, api->headers) == CURLE_OK;
}

static bool set_body(struct cli_api *api, const void *body, size_t length, bool post)
{
	CURL *curl = api->curl;

	if (body == NULL && !post) {
		return curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	}
	return curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body == NULL ? "" : body) == CURLE_OK;
}

static bool prepare(struct cli_api *api, const struct cli_request *request, const void *body,
	size_t length, struct incoming *incoming)
{
	const bool post = strcmp(request->method, "POST") == 0;
	const char *type = request->json != NULL ? "application/json" : request->content_type;

	snprintf(api->url, sizeof(api->url), BASE_URL "%s", request->path->text);
	api->error[0] = '\0';
	return set_headers(api, body == NULL ? NULL : type) && set_body(api, body, length, post) &&
	       curl_easy_setopt(api->curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
	       curl_easy_setopt(api->curl, CURLOPT_URL, api->url) == CURLE_OK &&
	       curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, incoming) == CURLE_OK;
}

/* What came, and how it ended. */
static int take_answer(struct cli *cli, const struct cli_request *request, CURLcode code,
	const struct incoming *incoming, struct cli_reply *reply)
{
	reply->text = incoming->text;
	reply->length = incoming->length;
	if (code != CURLE_OK) {
		return fail_curl(cli, code, incoming);
	}
	if (curl_easy_getinfo(cli->api->curl, CURLINFO_RESPONSE_CODE, &reply->status) != CURLE_OK) {
		return cli_fail("no HTTP status in the answer of keywardd");
	}
	if (reply->text != NULL) {
		reply->json = json_loadb(reply->text, reply->length, 0, NULL);
	}
	if ((reply->status < 200 || reply->status > 299) && reply->status != request->also) {
		return fail_status(reply);
	}
	return CLI_DONE;
}

static int perform(struct cli *cli, const struct cli_request *request, const void *body,
	size_t length, struct cli_reply *reply)
{
	struct incoming incoming = {NULL, 0, 0, false};

	if (!prepare(cli->api, request, body, length, &incoming)) {
		return cli_fail("out of memory");
	}
	return take_answer(cli, request, curl_easy_perform(cli->api->curl), &incoming, reply);
}

int cli_api_call(struct cli *cli, const struct cli_request *request, struct cli_reply *reply)
{
	char *body = NULL;
	int status;

	memset(reply, 0, sizeof(*reply));
	if (request->path->cut) {
		return cli_fail("the options are too long for one call");
	}
	if (open_api(cli) == NULL) {
		return cli_fail("cannot start the HTTP client");
	}
	if (request->json == NULL) {
		return perform(cli, request, request->body, request->length, reply);
	}
	body = json_dumps(request->json, JSON_COMPACT);
	if (body == NULL) {
		return cli_fail("a value is no UTF-8 text, or out of memory");
	}
	status = perform(cli, request, body, strlen(body), reply);
	free(body);
	return status;
}

/* Until the body is on its way, or the exchange has ended already. */
static bool hand_over(struct cli_api *api, size_t length)
{
	curl_off_t sent = 0;
	int running = 1;

	while (curl_multi_perform(api->multi, &running) == CURLM_OK) {
		if (running == 0 ||
			curl_easy_getinfo(api->curl, CURLINFO_SIZE_UPLOAD_T, &sent) != CURLE_OK ||
			sent >= (curl_off_t)length) {
			return true;
		}
		if (curl_multi_poll(api->multi, NULL, 0, WAIT_MS, NULL) != CURLM_OK) {
			return false;
		}
	}
	return false;
}

static void take_back(struct cli_api *api)
{
	curl_multi_remove_handle(api->multi, api->curl);
	free(api->incoming.text);
	api->incoming = (struct incoming){NULL, 0, 0, false};
}

int cli_api_start(struct cli *cli, const struct cli_request *request)
{
	struct cli_api *api = open_api(cli);

	if (request->path->cut) {
		return cli_fail("the options are too long for one call");
	}
	if (api != NULL && api->multi == NULL) {
		api->multi = curl_multi_init();
	}
	if (api == NULL || api->multi == NULL) {
		return cli_fail("cannot start the HTTP client");
	}
	if (!prepare(api, request, request->body, request->length, &api->incoming) ||
		curl_multi_add_handle(api->multi, api->curl) != CURLM_OK) {
		return cli_fail("out of memory");
	}
	if (!hand_over(api, request->length)) {
		take_back(api);
		return cli_fail("the HTTP client failed");
	}
	return CLI_DONE;
}

static bool wait_for_end(struct cli_api *api, CURLcode *code)
{
	int running = 1;
	int left;
	const CURLMsg *message;

	while (curl_multi_perform(api->multi, &running) == CURLM_OK) {
		if (running == 0) {
			message = curl_multi_info_read(api->multi, &left);
			*code = message != NULL && message->msg == CURLMSG_DONE
					? message->data.result
					: CURLE_FAILED_INIT;
			return true;
		}
		if (curl_multi_poll(api->multi, NULL, 0, WAIT_MS, NULL) != CURLM_OK) {
			return false;
		}
	}
	return false;
}

int cli_api_finish(struct cli *cli, const struct cli_request *request, struct cli_reply *reply)
{
	struct cli_api *api = cli->api;
	CURLcode code;
	int status;

	memset(reply, 0, sizeof(*reply));
	if (!wait_for_end(api, &code)) {
		take_back(api);
		return cli_fail("the HTTP client failed");
	}
	status = take_answer(cli, request, code, &api->incoming, reply);
	api->incoming.text = NULL; /* the reply has it */
	take_back(api);
	return status;
}

int cli_api_get(struct cli *cli, const struct cli_path *path, struct cli_reply *reply)
{
	const struct cli_request request = {.method = "GET", .path = path};

	return cli_api_call(cli, &request, reply);
}

void cli_reply_finish(struct cli_reply *reply)
{
	json_decref(reply->json);
	free(reply->text);
	memset(reply, 0, sizeof(*reply));
}
