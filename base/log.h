/**
 * One line per event on standard error: time, level, subsystem, fixed words, then key=value.
 *
 * There is no field type that takes octets of unknown meaning, so a key cannot be logged by
 * accident. Error: an operator must act. Warning: a peer or device misbehaved. Notice: start, stop,
 * provision, rotate. Info: one per request. Debug: what a developer wants.
 */
#ifndef KW_BASE_LOG_H
#define KW_BASE_LOG_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum kw_log_level {
	KW_LOG_ERROR,
	KW_LOG_WARNING,
	KW_LOG_NOTICE,
	KW_LOG_INFO,
	KW_LOG_DEBUG,
};

struct kw_field {
	const char *key; /* NULL ends the list */
	enum kw_field_type {
		KW_FIELD_STRING,
		KW_FIELD_NUMBER,
		KW_FIELD_ID, /* an EUI, NetID, DevAddr: printed as hexadecimal */
	} type;
	const char *string;
	int64_t number;
	const uint8_t *id;
	uint8_t id_length;
};

#define KW_STR(k, s) ((struct kw_field){.key = (k), .type = KW_FIELD_STRING, .string = (s)})
#define KW_NUM(k, n) \
	((struct kw_field){.key = (k), .type = KW_FIELD_NUMBER, .number = (int64_t)(n)})
#define KW_EUI(k, o) ((struct kw_field){.key = (k), .type = KW_FIELD_ID, .id = (o), .id_length = 8})
#define KW_NET_ID(k, o) \
	((struct kw_field){.key = (k), .type = KW_FIELD_ID, .id = (o), .id_length = 3})
#define KW_ERRNO() KW_STR("reason", strerror(errno))

/** Set once at start; the default is info as text. */
void kw_log_setup(enum kw_log_level level, bool json);
bool kw_log_enabled(enum kw_log_level level);
/** "error" ... "debug"; returns false if there is no such level. */
bool kw_log_level_read(const char *text, enum kw_log_level *level);
const char *kw_log_level_text(enum kw_log_level level);

void kw_log_fields(enum kw_log_level level, const char *subsystem, const char *words,
	const struct kw_field *fields);

#define kw_log(level, subsystem, words, ...)         \
	kw_log_fields((level), (subsystem), (words), \
		(const struct kw_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})

#endif
