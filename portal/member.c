#include "portal/member.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Members that people might try. The words for them say how it is done instead. */
static const struct {
	const char *name;
	const char *text;
} refused[] = {
	{"appkey", PO_SEALED_WAY},
	{"nwkkey", PO_SEALED_WAY},
	{"rootkey", PO_SEALED_WAY},
	{"rootkeys", PO_SEALED_WAY},
	{"genappkey", PO_SEALED_WAY},
	{"key", PO_SEALED_WAY},
	{"keys", PO_SEALED_WAY},
	{"token", "tokens are not taken here; send token_sha256, the SHA-256 of the token"},
	{"authorization", "values of Authorization are not taken here; send authorization_sha256"},
	{"password", "passwords are not taken here; send authorization_sha256, the SHA-256 of "
		     "\"basic \" and base64 of USER:PASSWORD"},
	{"privatekey", "private keys are not taken here; send certificates, a list with the "
		       "SHA-256 of each certificate"},
	{"certificate", "certificates are not taken here; send certificates, a list with the "
			"SHA-256 of each"},
	{"kek", "KEKs are not taken here in the clear; seal the KEK to the intake certificate and "
		"send it as kek_envelope with kek_label"},
	{"kekkey", "KEKs are not taken here in the clear; send kek_envelope with kek_label"},
};

void po_say(struct po_why *why, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why->text, sizeof(why->text), format, arguments);
	va_end(arguments);
}

/* A name without case and separators: "appKey", "app-key" and "APP_KEY" are one. */
static void squeeze(const char *name, char *out, size_t size)
{
	size_t used = 0;

	for (; *name != '\0' && used + 1 < size; name++) {
		if (*name >= 'A' && *name <= 'Z') {
			out[used++] = (char)(*name - 'A' + 'a');
		} else if (*name != '_' && *name != '-' && *name != ' ') {
			out[used++] = *name;
		}
	}
	out[used] = '\0';
}

#define SHOWN_MAX 24

/* Only so much of a name is repeated that it cannot be a key in the wrong place. */
static void name_shown(const char *name, char out[SHOWN_MAX + sizeof("...")])
{
	size_t length = strnlen(name, SHOWN_MAX);

	for (size_t i = 0; i < length; i++) {
		char c = name[i];

		if (c < 0x20 || c > 0x7e || c == '"') {
			c = '?';
		}
		out[i] = c;
	}
	strcpy(out + length, name[length] == '\0' ? "" : "...");
}

static void say_unknown(const char *name, struct po_why *why)
{
	char squeezed[24];
	char shown[SHOWN_MAX + sizeof("...")];

	squeeze(name, squeezed, sizeof(squeezed));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (strcmp(squeezed, refused[i].name) == 0) {
			po_say(why, "%s", refused[i].text);
			return;
		}
	}
	name_shown(name, shown);
	po_say(why, "there is no member \"%s\"", shown);
}

static const struct po_member *member_find(const struct po_member *members, const char *name)
{
	for (; members->name != NULL; members++) {
		if (strcmp(members->name, name) == 0) {
			return members;
		}
	}
	return NULL;
}

static enum kw_err member_read(const struct po_member *member, const json_t *value,
	enum po_when when, struct po_target *target, struct po_why *why)
{
	const char *wrong;

	if ((member->when & when) == 0) {
		po_say(why, "%s cannot be changed", member->name);
		return KW_E_INVALID;
	}
	wrong = member->read(value, target);
	if (wrong != NULL) {
		po_say(why, "%s %s", member->name, wrong);
		return KW_E_INVALID;
	}
	return KW_OK;
}

static enum kw_err needed_check(
	const struct po_member *members, const json_t *object, struct po_why *why)
{
	for (; members->name != NULL; members++) {
		if (members->needed && json_object_get(object, members->name) == NULL) {
			po_say(why, "%s is missing%s%s", members->name,
				members->hint != NULL ? "; " : "",
				members->hint != NULL ? members->hint : "");
			return KW_E_MISSING;
		}
	}
	return KW_OK;
}

/* What must not be there is looked for first: it matters more than what is missing. */
enum kw_err po_members_read(const struct po_member *members, json_t *object, enum po_when when,
	struct po_target *target, uint32_t *set, struct po_why *why)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		if (member_find(members, name) == NULL) {
			say_unknown(name, why);
			return KW_E_INVALID;
		}
	}
	json_object_foreach(object, name, value)
	{
		const struct po_member *member = member_find(members, name);
		enum kw_err err;

		assert(member != NULL);
		err = member_read(member, value, when, target, why);
		if (err != KW_OK) {
			return err;
		}
		*set |= member->set;
	}
	if (when == PO_ON_CREATE) {
		return needed_check(members, object, why);
	}
	if (json_object_size(object) == 0) {
		po_say(why, "nothing to change is given");
		return KW_E_MISSING;
	}
	return KW_OK;
}

enum kw_err po_object_read(const char *body, size_t length, json_t **object, struct po_why *why)
{
	json_error_t error = {.line = 0};

	*object = NULL;
	if (length > PO_JSON_BODY_MAX) {
		po_say(why, "the body is longer than %d octets", PO_JSON_BODY_MAX);
		return KW_E_TOO_LONG;
	}
	if (length == 0) {
		po_say(why, "the body is empty; it must be a JSON object");
		return KW_E_SYNTAX;
	}
	*object = json_loadb(body, length, JSON_REJECT_DUPLICATES, &error);
	if (*object == NULL) {
		/* The library's own words repeat a part of the text. */
		po_say(why, "the body is not JSON, or has a member twice: line %d, column %d",
			error.line, error.column);
		return KW_E_SYNTAX;
	}
	if (!json_is_object(*object)) {
		json_decref(*object);
		*object = NULL;
		po_say(why, "the body must be a JSON object");
		return KW_E_SYNTAX;
	}
	return KW_OK;
}
