#include "backend-if/result.h"

#include <stddef.h>

static const struct row {
	enum kw_err err;
	const char *code_1_0;
	const char *code_1_1;
	const char *description;
} rows[] = {
	{KW_OK, "Success", "Success", ""},

	/* UnkownReceiver is spelt so in the tables of both versions. */
	{KW_E_UNAUTHENTICATED, "UnknownSender", "UnknownSender", "no agreement with this sender"},
	{KW_E_SENDER, "UnknownSender", "UnknownSender", "no agreement with this SenderID"},
	{KW_E_SENDER_NS_ID, "UnknownSender", "UnknownSender", "no agreement with this NSID"},
	{KW_E_RECEIVER, "UnkownReceiver", "UnkownReceiver", "JoinEUI is not served here"},
	{KW_E_PROTOCOL, "InvalidProtocolVersion", "InvalidProtocolVersion",
		"1.0 and 1.1 are supported"},
	{KW_E_NO_DEVICE, "UnknownDevEUI", "UnknownDevEUI", "device not provisioned here"},
	/* An application server is not told which of these it was. */
	{KW_E_NO_SESSION, "UnknownDevEUI", "UnknownDevEUI", "device not provisioned here"},
	{KW_E_OTHER_AS, "UnknownDevEUI", "UnknownDevEUI", "device not provisioned here"},
	{KW_E_NOT_ALLOWED, "ActivationDisallowed", "ActivationDisallowed",
		"this network may not activate this device"},
	{KW_E_RANGE, "ActivationDisallowed", "ActivationDisallowed",
		"this network may not activate this device"},
	{KW_E_DEVICE_NS_ID, "ActivationDisallowed", "ActivationDisallowed",
		"this network may not activate this device"},
	{KW_E_BLOCKED, "ActivationDisallowed", "ActivationDisallowed",
		"this network may not activate this device"},
	{KW_E_MIC, "MICFailed", "MICFailed", "MIC of the request does not match"},
	{KW_E_REPLAY, "JoinReqFailed", "FrameReplayed",
		"DevNonce or RJcount not acceptable any more"},
	{KW_E_DISAGREE, "JoinReqFailed", "JoinReqFailed",
		"registered version, MACVersion and OptNeg do not agree"},
	{KW_E_REJOIN, "JoinReqFailed", "JoinReqFailed",
		"the last session of the device was not made with OptNeg"},
	{KW_E_NET_ID, "JoinReqFailed", "JoinReqFailed",
		"NetID of the rejoin-request is not that of the sender"},
	{KW_E_ROAMING, "NoRoamingAgreement", "NoRoamingAgreement", ""},
	{KW_E_NO_HOME, "ActivationDisallowed", "ActivationDisallowed",
		"the device has no home network yet"},
	{KW_E_EXHAUSTED, "JoinReqFailed", "JoinReqFailed", "no JoinNonce left for this device"},
	{KW_E_NO_KEK, "JoinReqFailed", "JoinReqFailed", "keys cannot be delivered"},

	{KW_E_FRAME_SIZE, "FrameSizeError", "FrameSizeError",
		"PHYPayload or CFList has a wrong length"},
	{KW_E_FRAME_TYPE, "MalformedRequest", "MalformedMessage", "PHYPayload is not that request"},
	{KW_E_UNSUPPORTED, "MalformedRequest", "MalformedMessage",
		"this MessageType is not offered here"},
	{KW_E_INVALID, "MalformedRequest", "MalformedMessage", "a field is not acceptable"},
	{KW_E_TOO_LONG, "MalformedRequest", "MalformedMessage", "a field is too long"},
	{KW_E_SYNTAX, "MalformedRequest", "MalformedMessage", "a field has the wrong type"},
	{KW_E_HEX, "MalformedRequest", "MalformedMessage", "a field is not hexadecimal"},
	{KW_E_LENGTH, "MalformedRequest", "MalformedMessage", "a field has the wrong length"},
	{KW_E_VERSION, "MalformedRequest", "MalformedMessage", "MACVersion is not known"},
	{KW_E_MISSING, "MalformedRequest", "MalformedMessage", "a field is missing"},
	{KW_E_MISMATCH, "MalformedRequest", "MalformedMessage", "fields contradict PHYPayload"},
	{KW_E_NUMBER, "MalformedRequest", "MalformedMessage", "a field has the wrong type"},
	{KW_E_CONFLICT, "MalformedRequest", "MalformedMessage", "fields exclude each other"},

	/* With HTTP 503. */
	{KW_E_RATE, "Other", "Other", "too many requests, try again later"},
	{KW_E_TIMEOUT, "Other", "Other", "overloaded, try again later"},
};

static const struct row other = {KW_E_SYSTEM, "Other", "Other", "internal error, try again later"};

static const struct row *row_of(enum kw_err err)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].err == err) {
			return &rows[i];
		}
	}
	return &other;
}

const char *bi_protocol_text(enum bi_protocol protocol)
{
	return protocol == BI_PROTOCOL_1_0 ? "1.0" : "1.1";
}

const char *bi_result_code(enum kw_err err, enum bi_protocol protocol)
{
	const struct row *row = row_of(err);

	return protocol == BI_PROTOCOL_1_0 ? row->code_1_0 : row->code_1_1;
}

const char *bi_result_description(enum kw_err err)
{
	return row_of(err)->description;
}
