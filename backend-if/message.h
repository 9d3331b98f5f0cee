/**
 * Messages of the Backend Interfaces as a Join Server reads and writes them.
 *
 * Reading is tolerant where real network servers differ (0x, case, empty or null optional members,
 * unknown members), and strict about everything that would make two readings of one message
 * possible. Writing is strict: exact names, lower-case digits, no null, no empty member.
 *
 * Source: LoRaWAN Backend Interfaces 1.0 and TS002-1.1.0, "Encodings", "Message header", JoinReq,
 * RejoinReq, AppSKeyReq, HomeNSReq and their answers, ErrorNotif.
 */
#ifndef KW_BACKEND_IF_MESSAGE_H
#define KW_BACKEND_IF_MESSAGE_H

#include "backend-if/result.h"
#include "lorawan/eui.h"
#include "lorawan/frame.h"
#include "lorawan/version.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes include the NUL. */
#define BI_ID_SIZE    129
#define BI_TYPE_SIZE  33
#define BI_TOKEN_SIZE 257
#define BI_NS_ID_SIZE (2 + 2 * LW_EUI_SIZE + 1)
#define BI_DEPTH_MAX  32 /* objects and arrays inside each other */
#define BI_ANSWER_MAX 4096

#define BI_SESSION_KEY_ID_SIZE 16  /* octets; those that we hand out */
#define BI_SESSION_KEY_ID_TEXT 257 /* digits, as they came, NUL included */
#define BI_RESULT_SIZE         33  /* ResultCode of an ErrorNotif */

enum bi_type {
	BI_TYPE_OTHER, /* a request that is not offered here: err is KW_E_UNSUPPORTED */
	BI_TYPE_JOIN,
	BI_TYPE_REJOIN,
	BI_TYPE_APP_S_KEY,
	BI_TYPE_HOME_NS,
	BI_TYPE_ERROR_NOTIF, /* gets no answer but the HTTP status */
};

/** The fields of a JoinReq or RejoinReq; what could not be read is zero. */
struct bi_join {
	enum lw_version mac_version;
	struct lw_dev_addr dev_addr;
	uint8_t dl_settings;
	uint8_t rx_delay; /* 0 to 15 */
	bool has_cf_list;
	uint8_t cf_list[LW_CF_LIST_SIZE]; /* order on the air */
	uint8_t phy_payload[LW_REQUEST_MAX];
	uint8_t phy_length; /* 23; Rejoin-request 19 or 24; 0: not read */
};

/** The fields of an AppSKeyReq. */
struct bi_app_s_key {
	char session_key_id_text[BI_SESSION_KEY_ID_TEXT]; /* as it came; "": not read */
	bool has_session_key_id;                          /* it has the length of ours */
	uint8_t session_key_id[BI_SESSION_KEY_ID_SIZE];
};

/**
 * A request whose header could be read, so that it gets an answer with a Result.
 *
 * The identifiers are kept as the strings that came, for the answer; they hold nothing that JSON
 * would have to escape.
 */
struct bi_request {
	enum bi_protocol protocol; /* of the answer: the request's, or the highest spoken here */
	enum bi_type type;
	uint32_t transaction_id;
	char message_type[BI_TYPE_SIZE]; /* ends in "Req", or is "ErrorNotif" */
	char sender_id[BI_ID_SIZE];
	char receiver_id[BI_ID_SIZE];
	char sender_token[BI_TOKEN_SIZE];      /* "": none */
	char sender_ns_id_text[BI_NS_ID_SIZE]; /* "": none; always "" in 1.0, where it is ignored */
	struct lw_net_id sender_net_id;        /* if sender_is_net_id */
	struct lw_eui sender_ns_id;            /* if has_ns_id */
	struct lw_eui receiver;                /* if receiver_is_eui */
	bool sender_is_net_id;
	bool has_ns_id;
	bool receiver_is_eui;
	enum kw_err err;     /* the first thing that is wrong; KW_OK: everything is well formed */
	const char *field;   /* where, if it is one field; static text or NULL */
	const char *problem; /* what, for Description; static text, NULL with field NULL */
	bool has_dev_eui;    /* any type but BI_TYPE_OTHER and BI_TYPE_ERROR_NOTIF */
	struct lw_eui dev_eui;
	char dev_eui_text[BI_NS_ID_SIZE]; /* as it came */
	struct bi_join join;              /* BI_TYPE_JOIN, BI_TYPE_REJOIN */
	struct bi_app_s_key app_s_key;    /* BI_TYPE_APP_S_KEY */
	char notified[BI_RESULT_SIZE];    /* BI_TYPE_ERROR_NOTIF: ResultCode; "": none that reads */
};

/** Set the seed of the JSON tables, which would otherwise come from a file: once, before the
 *  process is locked in. */
void bi_decode_seed(uint32_t seed);

/**
 * Read a request.
 *
 * @return KW_OK        a request with a usable header; out->err says whether the rest is right too
 *         KW_E_SYNTAX  no JSON object, or no usable header: it gets HTTP 400. *out is zero
 */
KW_MUST_CHECK enum kw_err bi_request_decode(
	const char *body, size_t length, struct bi_request *out);

/** A key of an answer: 16 octets in the clear, 24 wrapped; length 0: not part of it. Borrowed. */
struct bi_key {
	const uint8_t *octets;
	size_t length;
};

/** What a request is answered; everything but err counts only if that is KW_OK. Borrowed. */
struct bi_answer {
	enum kw_err err;
	uint32_t lifetime; /* s */
	bool opt_neg;      /* the three network keys; else NwkSKey, which is f_nwk_s_int_key */
	const uint8_t *phy_payload;
	size_t phy_length;
	const uint8_t *session_key_id;
	size_t session_key_id_length; /* 0: none */
	struct bi_key f_nwk_s_int_key;
	struct bi_key s_nwk_s_int_key;
	struct bi_key nwk_s_enc_key;
	struct bi_key app_s_key;
	const char *nwk_kek_label; /* NULL or "": the network keys are not wrapped */
	const char *app_kek_label; /* NULL or "": AppSKey is not wrapped */
	const uint8_t *h_net_id;   /* HomeNSAns: 3 octets */
	const uint8_t *h_ns_id;    /* HomeNSAns: 8 octets; NULL: not known; not sent in 1.0 */
};

/**
 * Write the answer to a request that is no ErrorNotif. If it fails for the reason found in decoding, Description names
 * the field. The caller wipes `out`: it may hold keys.
 *
 * @param length  out: octets written, without a NUL; 0 on error
 * @return KW_OK, KW_E_TOO_LONG
 */
KW_MUST_CHECK enum kw_err bi_answer_encode(const struct bi_request *request,
	const struct bi_answer *answer, char *out, size_t size, size_t *length);

#endif
