#include "http/head.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define TOKEN                        \
	"!#$%&'*+-.^_`|~0123456789"  \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"

#define LINE_END 2 /* octets of CRLF */

struct head {
	unsigned hosts;
	unsigned lengths; /* Content-Length fields */
	unsigned codings; /* Transfer-Encoding fields */
	bool bad;
	const char *next; /* where the next line begins if the last one was an ordinary one */
};

/*
 * libmicrohttpd 0.9.75 ends a line at LF alone, the header at a line without a name, and a value at a
 * NUL; what a line goes on with it adds to the name, so that "A: x", " B" is a header "AB". It says
 * nothing of it; but names and values stay where they were received, so whatever is not "name: value"
 * and CRLF leaves a gap.
 */
static bool follows(const struct head *head, const char *name, const char *value)
{
	return name == head->next && (uintptr_t)value > (uintptr_t)name;
}

static bool is_token(const char *name)
{
	return name[0] != '\0' && name[strspn(name, TOKEN)] == '\0';
}

static void count(struct head *head, const char *name, const char *value)
{
	if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
		head->hosts++;
	} else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
		head->lengths++;
	} else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		head->codings++;
		/* The library would read any other to the end of the connection. */
		head->bad = head->bad || strcasecmp(value, "chunked") != 0;
	}
}

static enum MHD_Result on_field(
	void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct head *head = cls;

	(void)kind;
	if (value == NULL || !follows(head, name, value) || !is_token(name) ||
		strchr(value, '\r') != NULL) {
		head->bad = true;
		return MHD_NO;
	}
	count(head, name, value);
	head->next = value + strlen(value) + LINE_END;
	return MHD_YES;
}

/* Where the header ends: the library says how long it is, from the method on. */
static const char *end_of(struct MHD_Connection *connection, const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info != NULL ? method + info->header_size : NULL;
}

bool http_head_good(struct MHD_Connection *connection, const char *method, const char *version)
{
	const bool needs_host = strcmp(version, MHD_HTTP_VERSION_1_0) != 0;
	struct head head = {.next = version + strlen(version) + LINE_END};

	MHD_get_connection_values(connection, MHD_HEADER_KIND, on_field, &head);
	return !head.bad && head.next + LINE_END == end_of(connection, method) &&
	       head.lengths + head.codings <= 1 &&
	       (head.hosts == 1 || (head.hosts == 0 && !needs_host));
}
