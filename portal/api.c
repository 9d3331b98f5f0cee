#include "base/log.h"
#include "portal/call.h"
#include "portal/envelope.h"
#include "portal/internal.h"
#include "portal/json.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "/api/v1/"

/* Paths behind the prefix; '*' stands for one segment, '+' for all that is left, which may have
 * slashes in it. The first path that fits counts. */
static const struct route {
	const char *path;
	const char *method;
	po_handler handler;
	const char *words; /* for the log */
	bool changes;
} routes[] = {
	{"status", "GET", po_status_get, "status read", false},
	{"intake-certificate", "GET", po_intake_get, "intake certificate read", false},
	{"events", "GET", po_events_get, "events read", false},
	{"backup", "POST", po_backup_begin, "backup begin", true},
	{"backup", "GET", po_backup_read, "backup piece", false},
	{"devices/import", "POST", po_devices_import, "devices import", true},
	{"devices", "GET", po_devices_list, "devices list", false},
	{"devices", "POST", po_devices_add, "device add", true},
	{"devices/*", "GET", po_device_get, "device read", false},
	{"devices/*", "PATCH", po_device_set, "device change", true},
	{"devices/*", "DELETE", po_device_remove, "device remove", true},
	{"devices/*/reset-nonces", "POST", po_device_reset, "device reset nonces", true},
	{"network-servers", "GET", po_ns_list, "network servers list", false},
	{"network-servers", "POST", po_ns_add, "network server add", true},
	{"network-servers/*", "GET", po_ns_get, "network server read", false},
	{"network-servers/*", "PATCH", po_ns_set, "network server change", true},
	{"network-servers/*", "DELETE", po_ns_remove, "network server remove", true},
	{"network-servers/*/probe", "POST", po_ns_probe, "network server probe", true},
	{"network-servers/*/keks", "GET", po_ns_keks_list, "network server KEKs list", false},
	{"network-servers/*/keks", "POST", po_ns_kek_add, "network server KEK add", true},
	{"network-servers/*/keks/+", "DELETE", po_ns_kek_retire, "network server KEK retire", true},
	{"application-servers", "GET", po_as_list, "application servers list", false},
	{"application-servers", "POST", po_as_add, "application server add", true},
	{"application-servers/*", "GET", po_as_get, "application server read", false},
	{"application-servers/*", "PATCH", po_as_set, "application server change", true},
	{"application-servers/*", "DELETE", po_as_remove, "application server remove", true},
	{"application-servers/*/keks", "GET", po_as_keks_list, "application server KEKs list",
		false},
	{"application-servers/*/keks", "POST", po_as_kek_add, "application server KEK add", true},
	{"application-servers/*/keks/+", "DELETE", po_as_kek_retire,
		"application server KEK retire", true},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

enum kw_err po_api_create(const struct po_api_options *options, struct po_api **out)
{
	struct po_api *api = calloc(1, sizeof(*api));

	*out = NULL;
	if (api == NULL) {
		return KW_E_NO_MEMORY;
	}
	api->options = *options;
	po_json_start();
	po_envelope_start();
	*out = api;
	return KW_OK;
}

void po_api_destroy(struct po_api *api)
{
	free(api);
}

void po_answer_finish(struct po_answer *answer)
{
	free(answer->text);
	answer->text = NULL;
	answer->length = 0;
}

static_assert(IPC_LABEL_SIZE == IPC_NAME_SIZE, "items and labels are taken alike");

/* @return octets taken; 0: none, or more than fit */
static size_t part_take(const char *path, size_t length, char out[IPC_NAME_SIZE])
{
	if (length == 0 || length >= IPC_NAME_SIZE) {
		return 0;
	}
	memcpy(out, path, length);
	out[length] = '\0';
	return length;
}

/* What '*' and '+' stand for is copied to the call. */
static bool path_fits(const char *pattern, const char *path, struct po_call *call)
{
	call->item[0] = '\0';
	call->label[0] = '\0';
	for (; *pattern != '\0'; pattern++) {
		size_t taken = 1;

		if (*pattern == '*') {
			taken = part_take(path, strcspn(path, "/"), call->item);
		} else if (*pattern == '+') {
			taken = part_take(path, strlen(path), call->label);
		} else if (*pattern != *path) {
			return false;
		}
		if (taken == 0) {
			return false;
		}
		path += taken;
	}
	return *path == '\0';
}

/* Routes of one path stand together. @return the first, or NULL */
static const struct route *path_find(const char *path, struct po_call *call)
{
	if (strncmp(path, PREFIX, strlen(PREFIX)) != 0) {
		return NULL;
	}
	path += strlen(PREFIX);
	for (size_t i = 0; i < ROUTES; i++) {
		if (path_fits(routes[i].path, path, call)) {
			return &routes[i];
		}
	}
	return NULL;
}

static bool same_path(const struct route *route, const struct route *first)
{
	return route < routes + ROUTES && strcmp(route->path, first->path) == 0;
}

static const struct route *method_find(const struct route *first, const char *method)
{
	for (const struct route *route = first; same_path(route, first); route++) {
		if (strcmp(route->method, method) == 0) {
			return route;
		}
	}
	return NULL;
}

static void method_refuse(struct po_call *call, const struct route *first)
{
	char *allow = call->answer->allow;

	for (const struct route *route = first; same_path(route, first); route++) {
		if (route != first) {
			strcat(allow, ", ");
		}
		strcat(allow, route->method);
	}
	call->result = "METHOD";
	po_call_json(call, 405,
		po_json_error(
			"METHOD", "this address has no such method; Allow lists those it has"));
}

static void outcome_log(const struct po_call *call, const struct route *route)
{
	enum kw_log_level level = call->changes ? KW_LOG_NOTICE : KW_LOG_INFO;
	const char *words = route != NULL ? route->words : "refused";

	if (call->often && call->answer->status == 200) {
		level = KW_LOG_DEBUG;
	}
	if (call->name[0] != '\0') {
		kw_log(level, "portal", words, KW_STR("name", call->name),
			KW_STR("result", call->result), KW_NUM("status", call->answer->status));
	} else {
		kw_log(level, "portal", words, KW_STR("result", call->result),
			KW_NUM("status", call->answer->status));
	}
}

void po_api_handle(struct po_api *api, const struct po_request *request, struct po_answer *answer)
{
	struct po_call call = {.api = api, .request = request, .answer = answer, .result = "ok"};
	const struct route *first = path_find(request->path, &call);
	const struct route *route = NULL;

	memset(answer, 0, sizeof(*answer));
	if (first == NULL) {
		po_call_fail(&call, KW_E_NOT_FOUND, "there is nothing at this address");
	} else {
		route = method_find(first, request->method);
		if (route == NULL) {
			method_refuse(&call, first);
		} else {
			call.changes = route->changes;
			route->handler(&call);
		}
	}
	outcome_log(&call, route);
}
