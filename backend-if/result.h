/**
 * What a peer gets to see of an error: the only place that knows result codes.
 *
 * Source: LoRaWAN Backend Interfaces 1.0 and TS002-1.1.0, table "Valid values for ResultCode".
 */
#ifndef KW_BACKEND_IF_RESULT_H
#define KW_BACKEND_IF_RESULT_H

#include "base/err.h"

/** ProtocolVersion; the values are those of enum ipc_protocol. */
enum bi_protocol {
	BI_PROTOCOL_1_0 = 10,
	BI_PROTOCOL_1_1 = 11,
};

/** The highest that is spoken here; answers to any other version carry it. */
#define BI_PROTOCOL_HIGHEST BI_PROTOCOL_1_1

/** "1.0", "1.1". */
const char *bi_protocol_text(enum bi_protocol protocol);

/**
 * ResultCode for an error. Strict 1.0 peers fail on a code that 1.0 does not have, so NoAction,
 * FrameReplayed and MalformedMessage are never given for it. An error of which the list knows
 * nothing, and any number that is none, is "Other".
 */
const char *bi_result_code(enum kw_err err, enum bi_protocol protocol);

/**
 * A text for Description that says nothing a stranger could use to probe: no nonce, no key, no
 * hint which of several checks failed. Never NULL, plain ASCII; "" for KW_OK.
 */
const char *bi_result_description(enum kw_err err);

#endif
