/**
 * Values of JSON members that several tables have. Inside portal/ only.
 *
 * A reader returns NULL for a good value, else what it must be, to stand behind the member's name.
 * null is what takes a value away: an empty text, an empty list, has 0.
 */
#ifndef KW_PORTAL_VALUE_H
#define KW_PORTAL_VALUE_H

#include "ipc/ipc.h"

#include <jansson.h>

/** "" for null; NULL for what is no text. */
const char *po_value_text_or_empty(const json_t *value);
/** Printable ASCII, as po_printable(). */
const char *po_value_printable(const json_t *value, char out[IPC_NAME_SIZE]);
const char *po_value_eui(const json_t *value, uint8_t out[LW_EUI_SIZE]);
const char *po_value_eui_or_null(const json_t *value, uint8_t out[LW_EUI_SIZE], uint8_t *has);
const char *po_value_net_ids(
	const json_t *value, uint8_t out[IPC_NET_IDS_MAX][LW_NET_ID_SIZE], uint8_t *count);
const char *po_value_delivery(const json_t *value, uint8_t *out);
const char *po_value_bool(const json_t *value, uint8_t *out);

/** C0, DEL and C1 would reach somebody's terminal. */
bool po_has_control(const char *text);
/** Fill the whole array; what does not fit is cut. */
void po_text_copy(char out[IPC_NAME_SIZE], const char *text);

#endif
