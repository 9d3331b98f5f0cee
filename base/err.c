#include "base/err.h"

#include <stddef.h>

static const struct {
	enum kw_err err;
	const char *text;
} texts[] = {
	{KW_OK, "done"},
	{KW_E_INVALID, "not acceptable"},
	{KW_E_NO_MEMORY, "out of memory"},
	{KW_E_SYSTEM, "a system call failed"},
	{KW_E_TOO_LONG, "too long"},
	{KW_E_TRUNCATED, "incomplete, or with something left over"},
	{KW_E_EXISTS, "exists already"},
	{KW_E_NOT_FOUND, "not found"},
	{KW_E_BUSY, "busy, try again"},
	{KW_E_TIMEOUT, "no answer in time"},
	{KW_E_CLOSED, "the connection was closed"},
	{KW_E_FORBIDDEN, "not allowed to ask that"},
	{KW_E_CRYPTO, "the crypto library failed"},
	{KW_E_SYNTAX, "not of the expected form"},
	{KW_E_HEX, "not hexadecimal, or an odd number of digits"},
	{KW_E_LENGTH, "wrong length"},
	{KW_E_VERSION, "unknown version"},
	{KW_E_MISSING, "missing"},
	{KW_E_MISMATCH, "contradicts another field"},
	{KW_E_NUMBER, "turned into a number by a spreadsheet"},
	{KW_E_CONFLICT, "fields exclude each other"},
	{KW_E_FRAME_SIZE, "no such frame has this length"},
	{KW_E_FRAME_TYPE, "not the expected frame type"},
	{KW_E_UNAUTHENTICATED, "credential missing or unknown"},
	{KW_E_SENDER, "SenderID does not belong to the authenticated peer"},
	{KW_E_RECEIVER, "JoinEUI is not served here"},
	{KW_E_NO_DEVICE, "device not provisioned here"},
	{KW_E_NOT_ALLOWED, "this network may not activate this device"},
	{KW_E_BLOCKED, "the device is blocked"},
	{KW_E_MIC, "MIC does not match"},
	{KW_E_DISAGREE, "registered version, MACVersion and OptNeg do not agree"},
	{KW_E_REPLAY, "nonce not acceptable"},
	{KW_E_EXHAUSTED, "JoinNonces used up"},
	{KW_E_NO_KEK, "key encryption key missing"},
	{KW_E_UNSUPPORTED, "not offered"},
	{KW_E_PROTOCOL, "ProtocolVersion not spoken here"},
	{KW_E_SENDER_NS_ID, "SenderNSID does not belong to the authenticated peer"},
	{KW_E_RANGE, "JoinEUI is outside the ranges of this peer"},
	{KW_E_DEVICE_NS_ID, "this network server may not activate this device"},
	{KW_E_NO_SESSION, "no session of this SessionKeyID is remembered"},
	{KW_E_OTHER_AS, "the session is of another application server"},
	{KW_E_STORE, "the store failed"},
	{KW_E_STORE_FULL, "disk or store full"},
	{KW_E_STORE_NEWER, "the store was written by a newer Keyward"},
	{KW_E_STORE_DAMAGED, "the store is damaged"},
	{KW_E_STORE_LOCKED, "the store is in use by another process"},
	{KW_E_STORE_ABSENT, "there is no store here"},
	{KW_E_SEAL, "a sealed value does not open"},
	{KW_E_MASTER_KEY, "the master key is not the one of this store"},
	{KW_E_MASTER_FILE, "the master key file is absent, open to others or malformed"},
	{KW_E_ENVELOPE, "not a CMS envelope to the intake certificate"},

	{KW_E_ROAMING, "this network has no roaming agreement for the device"},
	{KW_E_NO_HOME, "the device has no home network yet"},
	{KW_E_NET_ID, "the device cannot be on this network"},
	{KW_E_REJOIN, "the device has no 1.1 session to rejoin from"},
	{KW_E_RATE, "too many requests"},
};

const char *kw_err_text(enum kw_err err)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].err == err) {
			return texts[i].text;
		}
	}
	return "unknown error";
}
