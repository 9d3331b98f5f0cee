/**
 * JSON objects in the making. Inside portal/ only.
 *
 * One member that cannot be made, for want of memory, fails the whole: done() then gives NULL.
 * Every json_t that goes in is taken over, also on failure; every one that comes out is the
 * caller's.
 */
#ifndef KW_PORTAL_MAKER_H
#define KW_PORTAL_MAKER_H

#include "ipc/ipc.h"

#include <jansson.h>

struct po_maker {
	json_t *object;
	bool failed;
};

struct po_maker po_make(void);
/** NULL if anything failed. */
json_t *po_done(struct po_maker *maker);
/** The same as text on the heap. */
char *po_text_done(struct po_maker *maker);
/** Any value as text on the heap; NULL for NULL. */
char *po_text_of(json_t *value);

void po_put(struct po_maker *maker, const char *name, json_t *value);
void po_put_number(struct po_maker *maker, const char *name, uint64_t number);
void po_put_bool(struct po_maker *maker, const char *name, bool value);
/** Text of another process: it ends where its array ends, and what is no UTF-8 becomes '?'. */
void po_put_text(struct po_maker *maker, const char *name, const char *text, size_t size);
/** The same; null for "". */
void po_put_text_or_null(struct po_maker *maker, const char *name, const char *text, size_t size);
/** One of our own words; null for NULL. */
void po_put_word(struct po_maker *maker, const char *name, const char *word);
/** At most 32 octets. */
void po_put_hex(struct po_maker *maker, const char *name, const uint8_t *octets, size_t length);
void po_put_hex_if(
	struct po_maker *maker, const char *name, bool there, const uint8_t *octets, size_t length);
/** Null for 0. */
void po_put_time(struct po_maker *maker, const char *name, uint64_t time_ms);
void po_put_net_ids(struct po_maker *maker, const char *name,
	const uint8_t net_ids[IPC_NET_IDS_MAX][LW_NET_ID_SIZE], size_t count);

/** Seconds as milliseconds; what is too much becomes the latest time. */
uint64_t po_seconds_ms(uint64_t seconds);
json_t *po_text_json(const char *text, size_t size);
json_t *po_hex_json(const uint8_t *octets, size_t length);
/** Append to an array; what fails, fails the object. */
void po_append(struct po_maker *maker, json_t *array, json_t *value);

#endif
