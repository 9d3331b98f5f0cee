#include "base/hex.h"
#include "ipc/ipc.h"
#include "lorawan/version.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One entry as text, and the place where its words go. */
struct words {
	char *out;
	size_t used;
	const struct ipc_event *event;
	char dev_eui[2 * LW_EUI_SIZE + 1];
	char join_eui[2 * LW_EUI_SIZE + 1];
	char net_id[2 * LW_NET_ID_SIZE + 1];
	char peer[IPC_NAME_SIZE];
};

__attribute__((format(printf, 2, 3))) static void add(struct words *words, const char *format, ...)
{
	size_t room = IPC_TEXT_SIZE - words->used;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(words->out + words->used, room, format, arguments);
	va_end(arguments);
	if (length > 0) {
		words->used += (size_t)length < room ? (size_t)length : room - 1;
	}
}

static void words_init(struct words *words, const struct ipc_event *event, char *out)
{
	*words = (struct words){.out = out, .event = event};
	out[0] = '\0';
	kw_hex_write(words->dev_eui, event->dev_eui, LW_EUI_SIZE);
	kw_hex_write(words->join_eui, event->join_eui, LW_EUI_SIZE);
	kw_hex_write(words->net_id, event->net_id, LW_NET_ID_SIZE);
	memcpy(words->peer, event->peer, strnlen(event->peer, sizeof(event->peer) - 1));
}

static const char *peer_or(const struct words *words, const char *otherwise)
{
	return words->peer[0] != '\0' ? words->peer : otherwise;
}

/* What needs nothing of the entry to be said. */
static const struct {
	enum kw_err err;
	const char *text;
} fixed[] = {
	{KW_E_EXHAUSTED, "no JoinNonce is left for this device; it needs new root keys"},
	{KW_E_FRAME_SIZE,
		"PHYPayload has not the octets of its request (Join-request 23, Rejoin-request 19, "
		"or 24 for type 1), or CFList not its 16"},
	{KW_E_FRAME_TYPE, "PHYPayload is not what MessageType says it is"},
	{KW_E_REJOIN,
		"the last session was not made with LoRaWAN 1.1 and OptNeg, so there is none to "
		"rejoin from; the device must join"},
	{KW_E_NO_HOME,
		"the home network is not known: no NetID was given to the device and it has not "
		"joined yet"},
	{KW_E_NO_SESSION,
		"SessionKeyID is that of none of the last 10 sessions; the device must join again "
		"if its application server has no AppSKey"},
	{KW_E_UNSUPPORTED, "a message or procedure that is not offered here"},
	{KW_E_PROTOCOL, "a ProtocolVersion that is not spoken here; 1.0 and 1.1 are"},
	{KW_E_MISMATCH, "DevEUI or ReceiverID is not that of the PHYPayload"},
	{KW_E_STORE_FULL, "the store is full; free space on its disk or raise map_size"},
	{KW_E_STORE, "the store failed, nothing was handed out; the log of the vault says why"},
	{KW_E_STORE_DAMAGED,
		"the record of this device is damaged; the log of the vault says more"},
	{KW_E_MASTER_KEY, "the master key is not the one that sealed this device's keys"},
	{KW_E_BUSY, "overloaded; the device will try again"},
	{KW_E_TIMEOUT, "no answer in time; the device will try again"},
	{KW_E_RATE, "too many requests at a time; the device will try again"},
};

/* Fields that do not read; the event does not hold which. */
static const struct {
	enum kw_err err;
	const char *text;
} malformed[] = {
	{KW_E_MISSING, "a field that must be there is missing"},
	{KW_E_HEX, "a field is not hexadecimal"},
	{KW_E_LENGTH, "a field is hexadecimal of the wrong length"},
	{KW_E_SYNTAX, "a field is not of the expected form"},
	{KW_E_INVALID, "a field has a value that is not acceptable"},
	{KW_E_TOO_LONG, "a field is too long"},
	{KW_E_TRUNCATED, "a field ends too early or has something left over"},
	{KW_E_NUMBER, "a field that is an identifier was turned into a number"},
	{KW_E_CONFLICT, "fields are there that exclude each other"},
};

static const char *request_name(const struct ipc_event *event)
{
	switch (event->procedure) {
	case IPC_EVENT_REJOIN_0:
	case IPC_EVENT_REJOIN_1:
	case IPC_EVENT_REJOIN_2:
		return "RejoinReq";
	case IPC_EVENT_APP_S_KEY:
		return "AppSKeyReq";
	case IPC_EVENT_HOME_NS:
		return "HomeNSReq";
	default:
		return "JoinReq";
	}
}

static bool is_rejoin(const struct ipc_event *event)
{
	return event->procedure >= IPC_EVENT_REJOIN_0 && event->procedure <= IPC_EVENT_REJOIN_2;
}

/* "DevNonce", or the counter of a Rejoin-request. */
static const char *nonce_name(const struct ipc_event *event)
{
	if (!is_rejoin(event)) {
		return "DevNonce";
	}
	return event->procedure == IPC_EVENT_REJOIN_1 ? "RJcount1" : "RJcount0";
}

static bool add_fixed(struct words *words)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if ((int32_t)fixed[i].err == words->event->err) {
			add(words, "%s", fixed[i].text);
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		if ((int32_t)malformed[i].err == words->event->err) {
			add(words, "%s; the %s of %s must be corrected there", malformed[i].text,
				request_name(words->event), peer_or(words, "the peer"));
			return true;
		}
	}
	return false;
}

static void add_replay(struct words *words)
{
	const struct ipc_event *event = words->event;

	add(words, "%s %u was already used; ", nonce_name(event), event->dev_nonce);
	if (event->counts_dev_nonce == 0) {
		add(words, "the device must send one that it has never used");
		return;
	}
	add(words, "the device must send a higher one");
	if (event->has_last != 0) {
		add(words, "; last accepted %u", event->last_dev_nonce);
	}
}

static void add_mic(struct words *words)
{
	bool is_1_1 = words->event->lorawan_version == LW_VERSION_1_1;

	if (words->event->procedure == IPC_EVENT_REJOIN_0 ||
		words->event->procedure == IPC_EVENT_REJOIN_2) {
		add(words, "the MIC is wrong: it fits none of the last sessions of the device; "
			   "if it goes on, the device must join");
		return;
	}
	add(words,
		"the MIC is wrong: the device has another %s than the one registered; "
		"compare the key check value that \"device show %s\" prints",
		is_1_1 ? "NwkKey" : "AppKey", words->dev_eui);
}

static void add_disagree(struct words *words)
{
	const struct ipc_event *event = words->event;

	add(words,
		"registered as LoRaWAN %s, but %s sent MACVersion %s with OptNeg %u; "
		"give the device the same version at both",
		lw_version_text((enum lw_version)event->lorawan_version),
		peer_or(words, "the network server"),
		lw_version_text((enum lw_version)event->mac_version), event->opt_neg);
}

static void add_sender(struct words *words)
{
	if (words->event->procedure == IPC_EVENT_APP_S_KEY) {
		add(words,
			"only an application server gets AppSKeys, and SenderID must be its AS-ID; "
			"\"keyward as list\" shows whether %s is one, \"as set\" gives it another",
			peer_or(words, "the sender"));
		return;
	}
	if (words->peer[0] == '\0') {
		add(words, "SenderID %s is not a network of the sender", words->net_id);
		return;
	}
	add(words,
		"SenderID %s is not a network of %s; \"ns set %s --net-id %s\" makes it the only "
		"one, repeat --net-id for others",
		words->net_id, words->peer, words->peer, words->net_id);
}

static void add_no_kek(struct words *words)
{
	if (words->event->procedure == IPC_EVENT_APP_S_KEY) {
		add(words,
			"the KEK of %s is missing; \"kek add --as %s --kek-label L --kek-file F\" "
			"gives it one",
			peer_or(words, "the application server"), peer_or(words, "NAME"));
		return;
	}
	add(words,
		"a key must be wrapped and the KEK is missing; \"kek add (--ns|--as) NAME "
		"--kek-label L --kek-file F\" gives the server one, \"device set %s --as-id ID\" "
		"names the application server",
		words->dev_eui);
}

static void add_net_id(struct words *words)
{
	add(words,
		"the NetID in the Rejoin-request is neither that of %s nor on the roaming list; "
		"\"device set %s --roaming N\" sets the list",
		peer_or(words, "the sender"), words->dev_eui);
}

static void add_reason(struct words *words)
{
	switch (words->event->err) {
	case KW_E_MIC:
		add_mic(words);
		break;
	case KW_E_REPLAY:
		add_replay(words);
		break;
	case KW_E_NOT_ALLOWED:
		add(words,
			"network %s may not activate this device; \"device set %s --net-id %s\" "
			"allows it alone, repeat --net-id for others",
			words->net_id, words->dev_eui, words->net_id);
		break;
	case KW_E_RANGE:
		add(words,
			"JoinEUI %s is outside the JoinEUIs of %s; \"ns set %s --join-eui RANGE\" "
			"says which it may join",
			words->join_eui, peer_or(words, "the network server"),
			peer_or(words, "NAME"));
		break;
	case KW_E_DEVICE_NS_ID:
		add(words,
			"the device is for another network server than %s; compare the NSID of "
			"\"device show %s\" and \"ns show %s\"",
			peer_or(words, "this one"), words->dev_eui, peer_or(words, "NAME"));
		break;
	case KW_E_BLOCKED:
		add(words, "the device is blocked; \"device unblock %s\" lets it join again",
			words->dev_eui);
		break;
	case KW_E_UNAUTHENTICATED:
		add(words,
			"the credential sent for network %s is missing or unknown; "
			"\"ns set NAME --token-file FILE\" gives a new one",
			words->net_id);
		break;
	case KW_E_SENDER:
		add_sender(words);
		break;
	case KW_E_SENDER_NS_ID:
		add(words,
			"SenderNSID is missing or not that of %s; \"ns set %s --ns-id E\" "
			"registers another",
			peer_or(words, "the sender"), peer_or(words, "NAME"));
		break;
	case KW_E_RECEIVER:
		add(words,
			"no device is registered under the JoinEUI that %s sent as ReceiverID; "
			"this one is registered under JoinEUI %s",
			peer_or(words, "the network server"), words->join_eui);
		break;
	case KW_E_NO_DEVICE:
		add(words,
			"DevEUI %s is not registered under JoinEUI %s; check both in the device, "
			"or register it with \"device import\"",
			words->dev_eui, words->join_eui);
		break;
	case KW_E_DISAGREE:
		add_disagree(words);
		break;
	case KW_E_VERSION:
		add(words,
			"%s sent a MACVersion that is not known; 1.0, 1.0.1 to 1.0.4 and 1.1 are",
			peer_or(words, "the network server"));
		break;
	case KW_E_NO_KEK:
		add_no_kek(words);
		break;
	case KW_E_OTHER_AS:
		add(words,
			"the session was made for another application server than %s, or before it "
			"was there; \"device show %s\" says whose the device is now; the device "
			"must "
			"join again",
			peer_or(words, "this one"), words->dev_eui);
		break;
	case KW_E_ROAMING:
		add(words,
			"network %s is not on the roaming list; \"device set %s --roaming %s\" "
			"makes it the only one, repeat --roaming for others",
			words->net_id, words->dev_eui, words->net_id);
		break;
	case KW_E_NET_ID:
		add_net_id(words);
		break;
	case KW_E_SEAL:
		add(words,
			"the sealed keys of %s do not open; remove the device and import it again",
			words->dev_eui);
		break;
	default:
		if (!add_fixed(words)) {
			add(words, "%s", kw_err_text((enum kw_err)words->event->err));
		}
	}
}

static void add_accepted(struct words *words)
{
	const struct ipc_event *event = words->event;

	if (is_rejoin(event)) {
		add(words, "rejoined network %s (type %u) with %s %u; JoinNonce %u", words->net_id,
			(unsigned)event->procedure - IPC_EVENT_REJOIN_0, nonce_name(event),
			event->dev_nonce, (unsigned)event->join_nonce);
	} else {
		add(words, "joined network %s with DevNonce %u; JoinNonce %u", words->net_id,
			event->dev_nonce, (unsigned)event->join_nonce);
	}
}

static void add_served(struct words *words)
{
	if (words->event->procedure == IPC_EVENT_APP_S_KEY) {
		add(words, "AppSKey of the session with JoinNonce %u was given to %s",
			(unsigned)words->event->join_nonce,
			peer_or(words, "its application server"));
	} else {
		add(words, "network %s was told the home network of the device", words->net_id);
	}
}

/* Nobody is kept out because of it, which the reader should know. */
static void add_alarm(struct words *words)
{
	const struct ipc_event *event = words->event;
	if (event->err == KW_E_MIC) {
		add(words, "MIC guessing: %u wrong MICs", (unsigned)event->repeats);
	} else {
		add(words, "replay flood: %u used nonces", (unsigned)event->repeats);
	}
	add(words, " in %u s from NetID %s (%s)", (unsigned)event->seconds, words->net_id,
		peer_or(words, "unknown"));
	add(words, "; the device can join as before");
}

void ipc_event_words(const struct ipc_event *event, char out[IPC_TEXT_SIZE])
{
	struct words words;

	words_init(&words, event, out);
	switch (event->kind) {
	case IPC_EVENT_ACCEPTED:
		add_accepted(&words);
		break;
	case IPC_EVENT_REPEATED:
		add(&words,
			"repeated: network %s asked again with %s %u and got the same "
			"answer; JoinNonce %u",
			words.net_id, nonce_name(event), event->dev_nonce,
			(unsigned)event->join_nonce);
		break;
	case IPC_EVENT_SERVED:
		add_served(&words);
		break;
	case IPC_EVENT_REFUSED:
		add(&words, "refused: ");
		add_reason(&words);
		break;
	case IPC_EVENT_ALARM:
		add_alarm(&words);
		return;
	default:
		add(&words, "an event of a kind that this version does not know");
	}
	if (event->repeats > 1) {
		add(&words, " (%u times)", (unsigned)event->repeats);
	}
}
