#include "portal/code.h"

#include <stddef.h>

static const struct code {
	enum kw_err err;
	unsigned status;
	const char *text;
} codes[] = {
	{KW_E_INVALID, 400, "INVALID"},
	{KW_E_NO_MEMORY, 500, "NO_MEMORY"},
	{KW_E_SYSTEM, 500, "SYSTEM"},
	{KW_E_TOO_LONG, 413, "TOO_LONG"},
	{KW_E_TRUNCATED, 400, "TRUNCATED"},
	{KW_E_EXISTS, 409, "EXISTS"},
	{KW_E_NOT_FOUND, 404, "NOT_FOUND"},
	{KW_E_BUSY, 503, "BUSY"},
	{KW_E_TIMEOUT, 503, "TIMEOUT"},
	{KW_E_CLOSED, 503, "CLOSED"},
	{KW_E_FORBIDDEN, 403, "FORBIDDEN"},
	{KW_E_CRYPTO, 500, "CRYPTO"},
	{KW_E_SYNTAX, 400, "SYNTAX"},
	{KW_E_HEX, 400, "HEX"},
	{KW_E_LENGTH, 400, "LENGTH"},
	{KW_E_VERSION, 400, "VERSION"},
	{KW_E_MISSING, 400, "MISSING"},
	{KW_E_MISMATCH, 400, "MISMATCH"},
	{KW_E_NUMBER, 400, "NUMBER"},
	{KW_E_CONFLICT, 400, "CONFLICT"},
	{KW_E_FRAME_SIZE, 400, "FRAME_SIZE"},
	{KW_E_FRAME_TYPE, 400, "FRAME_TYPE"},
	{KW_E_UNAUTHENTICATED, 403, "UNAUTHENTICATED"},
	{KW_E_SENDER, 403, "SENDER"},
	{KW_E_RECEIVER, 404, "RECEIVER"},
	{KW_E_NO_DEVICE, 404, "NO_DEVICE"},
	{KW_E_NOT_ALLOWED, 403, "NOT_ALLOWED"},
	{KW_E_BLOCKED, 403, "BLOCKED"},
	{KW_E_MIC, 400, "MIC"},
	{KW_E_DISAGREE, 400, "DISAGREE"},
	{KW_E_REPLAY, 409, "REPLAY"},
	{KW_E_EXHAUSTED, 409, "EXHAUSTED"},
	{KW_E_NO_KEK, 409, "NO_KEK"},
	{KW_E_UNSUPPORTED, 501, "UNSUPPORTED"},
	{KW_E_PROTOCOL, 400, "PROTOCOL"},
	{KW_E_SENDER_NS_ID, 403, "SENDER_NS_ID"},
	{KW_E_RANGE, 403, "RANGE"},
	{KW_E_DEVICE_NS_ID, 403, "DEVICE_NS_ID"},
	{KW_E_NO_SESSION, 404, "NO_SESSION"},
	{KW_E_OTHER_AS, 403, "OTHER_AS"},
	{KW_E_STORE, 500, "STORE"},
	{KW_E_STORE_FULL, 507, "STORE_FULL"},
	{KW_E_STORE_NEWER, 500, "STORE_NEWER"},
	{KW_E_STORE_DAMAGED, 500, "STORE_DAMAGED"},
	{KW_E_STORE_LOCKED, 503, "STORE_LOCKED"},
	{KW_E_STORE_ABSENT, 500, "STORE_ABSENT"},
	{KW_E_SEAL, 500, "SEAL"},
	{KW_E_MASTER_KEY, 500, "MASTER_KEY"},
	{KW_E_MASTER_FILE, 500, "MASTER_FILE"},
	{KW_E_ENVELOPE, 400, "ENVELOPE"},
	{KW_E_ROAMING, 403, "ROAMING"},
	{KW_E_NO_HOME, 404, "NO_HOME"},
	{KW_E_NET_ID, 403, "NET_ID"},
	{KW_E_REJOIN, 409, "REJOIN"},
	{KW_E_RATE, 503, "RATE"},
};

static const struct code *code_find(enum kw_err err)
{
	static const struct code unknown = {KW_E_SYSTEM, 500, "ERROR"};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].err == err) {
			return &codes[i];
		}
	}
	return &unknown;
}

const char *po_code_text(enum kw_err err)
{
	return code_find(err)->text;
}

unsigned po_code_status(enum kw_err err)
{
	return code_find(err)->status;
}
