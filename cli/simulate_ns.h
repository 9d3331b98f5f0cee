/**
 * A simulated network server: the JoinReq it sends (TS002-1.0 and 1.1) in the spelling of real
 * programs, and what it makes of the JoinAns. The device's own view (simulate_device.h) decides
 * whether the answer is right.
 */
#ifndef KW_CLI_SIMULATE_NS_H
#define KW_CLI_SIMULATE_NS_H

#include "cli/simulate_device.h"

#define SIM_BODY_MAX    1024
#define SIM_SENDER_SIZE 65
#define SIM_LABEL_SIZE  65
#define SIM_KEKS_MAX    8
#define SIM_CODE_SIZE   40
#define SIM_TEXT_SIZE   200
#define SIM_ID_SIZE     131 /* SessionKeyID in hex; what is longer is shown cut */

enum sim_dialect {
	SIM_PLAIN,      /* as the specification writes it */
	SIM_CHIRPSTACK, /* three-part versions, always protocol 1.0 */
	SIM_TTS,        /* upper case, TransactionID 0, "1.0" for 1.0.0 */
};

struct sim_kek {
	char label[SIM_LABEL_SIZE];
	uint8_t octets[32];
	size_t length;
};

/** Holds KEKs: wipe it (kw_wipe) when done. */
struct sim_ns {
	enum sim_dialect dialect;
	bool protocol_1_1;
	char sender[SIM_SENDER_SIZE]; /* SenderID as sent; no quotes, backslashes or controls */
	bool has_net_id;              /* false: the NetID of the accept is not checked */
	struct lw_net_id net_id;
	bool has_ns_id;
	struct lw_eui ns_id;
	char mac_version[16]; /* "": the device's, as the dialect spells it */
	bool has_dev_addr;    /* false: one of this network for each join */
	struct lw_dev_addr dev_addr;
	bool has_dl_settings; /* false: 80 if both sides are 1.1, else 00 */
	uint8_t dl_settings;
	uint8_t rx_delay;
	bool has_cf_list;
	uint8_t cf_list[LW_CF_LIST_SIZE];
	struct sim_kek keks[SIM_KEKS_MAX];
	size_t kek_count;
};

/** One join under way. */
struct sim_join {
	struct sim_device *device; /* borrowed */
	uint16_t dev_nonce;
	uint32_t transaction;
	uint8_t frame[LW_JOIN_REQUEST_SIZE];
	struct lw_dev_addr dev_addr;
	uint8_t dl_settings;
};

/**
 * Let the device make its Join-request and choose what the network server adds to it. Takes the
 * device's next DevNonce.
 *
 * @param random  32 random bits, for TransactionID and DevAddr
 * @return KW_OK, KW_E_CRYPTO, KW_E_EXHAUSTED (the device has no DevNonce left)
 */
KW_MUST_CHECK enum kw_err sim_join_start(struct lw_aes *aes, const struct sim_ns *ns,
	struct sim_device *device, uint32_t random, struct sim_join *join);

/** Write the JoinReq, NUL-terminated. @return its length, below SIM_BODY_MAX */
size_t sim_join_body(const struct sim_ns *ns, const struct sim_join *join, char out[SIM_BODY_MAX]);

/** MACVersion as it goes out for a device of this version. */
const char *sim_mac_version(const struct sim_ns *ns, enum lw_version version);

/** What is wrong with an answer; the first thing found. */
enum sim_fault {
	SIM_FAULT_NONE,
	SIM_FAULT_TRANSPORT,   /* no answer: connection, TLS, time-out */
	SIM_FAULT_STATUS,      /* HTTP status other than 200 */
	SIM_FAULT_JSON,        /* not a JSON object, or a null in it */
	SIM_FAULT_PROTOCOL,    /* ProtocolVersion is not the one that was spoken */
	SIM_FAULT_HEADER,      /* the rest of the header does not fit the request */
	SIM_FAULT_RESULT,      /* no proper Result */
	SIM_FAULT_REFUSED,     /* a ResultCode other than Success */
	SIM_FAULT_FRAME,       /* PHYPayload is no Join-accept */
	SIM_FAULT_MIC,         /* MIC of the Join-accept */
	SIM_FAULT_JOIN_NONCE,  /* JoinNonce not above the last one */
	SIM_FAULT_ACCEPT,      /* a field of the Join-accept is not what was asked for */
	SIM_FAULT_LIFETIME,    /* not a whole number of seconds */
	SIM_FAULT_KEY_SET,     /* the session needs other keys than those sent */
	SIM_FAULT_KEY_FORM,    /* not a KeyEnvelope */
	SIM_FAULT_KEK,         /* wrapped under a KEK that is not given, or does not open it */
	SIM_FAULT_NETWORK_KEY, /* not the key that the device derived */
	SIM_FAULT_APP_S_KEY,   /* not the key that the device derived */
	SIM_FAULT_SESSION_ID,  /* neither AppSKey nor SessionKeyID, or no hexadecimal one */
	SIM_FAULT_OWN,         /* the simulator itself failed */
	SIM_FAULT_COUNT
};

/** A few words for people. Never NULL. */
const char *sim_fault_text(enum sim_fault fault);

enum sim_key {
	SIM_NWK_S_KEY,
	SIM_F_NWK_S_INT_KEY,
	SIM_S_NWK_S_INT_KEY,
	SIM_NWK_S_ENC_KEY,
	SIM_APP_S_KEY,
	SIM_KEY_COUNT
};

/** The name of the field, e.g. "FNwkSIntKey". */
const char *sim_key_name(enum sim_key key);
/** The key that the device derived for this field. */
const struct lw_key *sim_session_key(const struct sim_session *session, enum sim_key key);

/** One KeyEnvelope of the answer. */
struct sim_key_seen {
	enum {
		SIM_KEY_ABSENT,
		SIM_KEY_CLEAR,
		SIM_KEY_UNWRAPPED, /* under a KEK that was given */
		SIM_KEY_SEALED,    /* under a KEK that was not */
	} state;
	char label[SIM_LABEL_SIZE];
	struct lw_key key; /* zero if sealed */
	bool equal;        /* to what the device derived */
};

/** What became of a join. Holds session keys: wipe it (kw_wipe) when done. */
struct sim_verdict {
	enum sim_fault fault;
	char detail[SIM_TEXT_SIZE]; /* which field and why; "" if there is nothing to add */
	/* All that is wrong, the first of each kind, as `detail`; "": nothing of that kind. */
	char details[SIM_FAULT_COUNT][SIM_TEXT_SIZE];
	char result_code[SIM_CODE_SIZE]; /* "" if there was none */
	char description[SIM_TEXT_SIZE]; /* the server's words, ASCII */
	uint8_t phy_payload[LW_JOIN_ACCEPT_MAX];
	size_t phy_length;
	bool has_accept; /* the device could read it: accept and session are filled */
	struct sim_accept accept;
	struct sim_session session;
	struct sim_key_seen keys[SIM_KEY_COUNT];
	char session_key_id[SIM_ID_SIZE];
	bool has_lifetime;
	uint64_t lifetime; /* s */
};

/**
 * Read the answer to a join and check all of it: header, Result, the Join-accept as the device
 * reads it, its fields against what was asked for, JoinNonce, and every key.
 *
 * @param status  of HTTP
 * @param body    need not be NUL-terminated
 */
void sim_join_answer(struct lw_aes *aes, const struct sim_ns *ns, struct sim_join *join,
	long status, const char *body, size_t length, struct sim_verdict *verdict);

/** Note a fault, with words for people that are not empty; the first one counts. */
void sim_verdict_fault(struct sim_verdict *verdict, enum sim_fault fault, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** What a ResultCode usually means and what to do; NULL for one that is not known. */
const char *sim_result_meaning(const char *result_code);

#endif
