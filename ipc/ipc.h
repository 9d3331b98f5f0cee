/**
 * What front, portal and vault say to each other: one message a SOCK_SEQPACKET datagram, a header
 * and then `count` bodies of one kind. Bodies are structs of fixed size without pointers and
 * without padding that the compiler chose; all processes come from one build, so numbers are in
 * host order. Identifiers are octets in printed order.
 *
 * A reader consumes a message to its last octet (ipc_message_check()). The vault sizes its own
 * answers. Requests may be outstanding in any number; an answer carries the request's number.
 * Kinds are permitted per connection: a front may send IPC_BACKEND and IPC_REPORT, the portal the rest.
 *
 * **No kind returns a root key, a KEK or a token.** Session keys are returned to fronts only.
 */
#ifndef KW_IPC_IPC_H
#define KW_IPC_IPC_H

#include "base/err.h"
#include "base/histogram.h"
#include "lorawan/eui.h"
#include "lorawan/frame.h"
#include "lorawan/wrap.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPC_MAGIC       0x4b570002u /* "KW", version of this page */
#define IPC_MESSAGE_MAX (160 * 1024)
#define IPC_BATCH_MAX   256 /* bodies of IPC_BACKEND in one message */

#define IPC_NAME_SIZE       64  /* names of peers and devices, NUL included */
#define IPC_LABEL_SIZE      64  /* KEK labels, NUL included */
#define IPC_TEXT_SIZE       256 /* words for people, NUL included */
#define IPC_NET_IDS_MAX     8   /* networks on a device, on a peer */
#define IPC_RANGES_MAX      8
#define IPC_SESSION_ID_SIZE 16
#define IPC_DIGEST_SIZE     32
#define IPC_PAGE_MAX        64 /* devices or events in one list answer */
#define IPC_PEER_PAGE_MAX   16
#define IPC_CREDENTIALS_MAX 8 /* of a peer; also what one request shows of its sender */
#define IPC_KEKS_MAX        8 /* generations of a peer's KEK */
#define IPC_URL_SIZE        256
#define IPC_SHOWN_SIZE      320 /* a credential as operators see it */
#define IPC_ROW_ERRORS_MAX  1000
#define IPC_ENVELOPE_MAX    (128 * 1024)

enum ipc_kind {
	IPC_HELLO = 1,     /* vault to all: struct ipc_hello, once after its start */
	IPC_BACKEND,       /* front: struct ipc_backend_req -> struct ipc_backend_ans, in batches */
	IPC_REPORT,        /* front: struct ipc_report, about once a second; no answer */
	IPC_STATUS,        /* portal, from here on: nothing -> struct ipc_status */
	IPC_INTAKE,        /* nothing -> struct ipc_intake */
	IPC_DEVICE_IMPORT, /* struct ipc_import_req and the envelope -> struct ipc_import_ans */
	IPC_DEVICE_GENERATE, /* struct ipc_device_req -> struct ipc_device_ans */
	IPC_DEVICE_GET,      /* struct ipc_device_req (dev_eui) -> struct ipc_device_ans */
	IPC_DEVICE_LIST,     /* struct ipc_list_req -> struct ipc_device_page */
	IPC_DEVICE_SET,      /* struct ipc_device_req (dev_eui, set) -> struct ipc_device_ans */
	IPC_DEVICE_REMOVE,   /* struct ipc_device_req (dev_eui) -> struct ipc_device_ans */
	IPC_DEVICE_RESET,    /* struct ipc_device_req (dev_eui) -> struct ipc_device_ans */
	IPC_PEER_ADD,        /* struct ipc_peer_req and a KEK envelope -> struct ipc_peer_ans */
	IPC_PEER_SET,        /* the same */
	IPC_PEER_GET,        /* struct ipc_peer_req (kind, name) -> struct ipc_peer_ans */
	IPC_PEER_LIST,       /* struct ipc_list_req (peer_kind) -> struct ipc_peer_page */
	IPC_PEER_REMOVE,     /* struct ipc_peer_req (kind, name) -> struct ipc_peer_ans */
	IPC_PEER_PROBE, /* struct ipc_peer_req (kind, name, credentials[0]) -> the same as ADD */
	IPC_PEER_KEK_RETIRE, /* struct ipc_peer_req (kind, name, kek_label, force) -> the same */
	IPC_EVENTS,          /* struct ipc_events_req -> struct ipc_events_page */
	IPC_BACKUP,          /* struct ipc_backup_req -> struct ipc_backup_ans */
	IPC_KIND_COUNT
};

/** "BACKEND", "DEVICE_IMPORT" ...; "unknown" for anything else. */
const char *ipc_kind_text(unsigned kind);

struct ipc_header {
	uint32_t magic;
	uint16_t kind;
	uint16_t count;  /* bodies that follow */
	uint32_t length; /* octets that follow, all bodies and what comes behind them */
	int32_t err;     /* answers: enum kw_err for the message as a whole; requests: 0 */
	uint64_t number; /* of the request; IPC_BACKEND: each body has its own */
};
static_assert(sizeof(struct ipc_header) == 24, "layout");

struct ipc_hello {
	uint64_t generation; /* another value for each start of the vault */
};

/* ---- the Backend Interfaces ---- */

enum ipc_protocol {
	IPC_PROTOCOL_1_0 = 10, /* Backend Interfaces 1.0 */
	IPC_PROTOCOL_1_1 = 11,
};

/** What a request asks for. */
enum ipc_procedure {
	IPC_PROCEDURE_NONE = 0, /* a request that is not offered; field_err says so */
	IPC_PROCEDURE_JOIN = 1, /* JoinReq */
	IPC_PROCEDURE_REJOIN = 2,
	IPC_PROCEDURE_APP_S_KEY = 3,
	IPC_PROCEDURE_HOME_NS = 4,
	IPC_PROCEDURE_ERROR_NOTIF = 5, /* has no answer: only whether its sender is known */
};

enum ipc_credential_kind {              /* stored; never renumber */
	IPC_CREDENTIAL_TOKEN = 1,       /* bearer token */
	IPC_CREDENTIAL_HEADER = 2,      /* any other Authorization value, basic ones too */
	IPC_CREDENTIAL_CERTIFICATE = 3, /* a client certificate */
	IPC_CREDENTIAL_SUBJECT = 4,     /* a name in a client certificate of a CA */
};

/** A digest of what was shown; backend-if/credential.h says of what. */
struct ipc_credential {
	uint8_t kind; /* enum ipc_credential_kind */
	uint8_t digest[IPC_DIGEST_SIZE];
};

/**
 * A request as the front understood it.
 *
 * The vault authenticates and authorises before it looks at anything else. `field_err` is what the
 * front found wrong with the fields: the vault returns it once sender and receiver were accepted,
 * so a stranger learns nothing about fields, and a peer gets the right code.
 */
struct ipc_backend_req {
	uint64_t number;
	int32_t field_err; /* enum kw_err; 0: all fields are well formed and phy_payload is valid */
	uint8_t procedure; /* enum ipc_procedure */
	uint8_t protocol;  /* enum ipc_protocol */
	uint8_t mac_version; /* enum lw_version */
	uint8_t dl_settings;
	uint8_t rx_delay; /* 0 to 15 */
	uint8_t has_cf_list;
	uint8_t sender_is_net_id; /* 0: SenderID was no NetID; sender_net_id is zero */
	uint8_t receiver_is_eui;  /* 0: ReceiverID was no EUI; receiver is zero */
	uint8_t has_ns_id;
	uint8_t has_dev_eui;
	uint8_t phy_length;         /* 23: Join-request; 19, 24: Rejoin-request */
	uint8_t has_session_key_id; /* 0: none, or of a length that none of ours has */
	uint8_t credential_count;
	uint8_t sender_net_id[LW_NET_ID_SIZE];
	uint8_t sender_ns_id[LW_EUI_SIZE];
	uint8_t receiver[LW_EUI_SIZE]; /* JoinEUI */
	uint8_t dev_eui[LW_EUI_SIZE];
	uint8_t dev_addr[LW_DEV_ADDR_SIZE];
	uint8_t cf_list[LW_CF_LIST_SIZE];
	uint8_t phy_payload[LW_REQUEST_MAX];
	uint8_t session_key_id[IPC_SESSION_ID_SIZE]; /* AppSKeyReq */
	char as_id[IPC_NAME_SIZE]; /* AppSKeyReq: SenderID; "": longer than any AS-ID here */
	struct ipc_credential credentials[IPC_CREDENTIALS_MAX];
	uint32_t arrived_ms; /* monotonic clock, its low 32 bits: when the front had all of it */
};
static_assert(sizeof(struct ipc_backend_req) == 448, "layout");

/** A request that has waited for longer is not worked on: KW_E_TIMEOUT. Its device listens 5 s after it
 *  was sent for the first time, and the network has its part of that. */
#define IPC_LATE_MS 1500

/** A key for the wire: 16 octets in the clear or 24 under a KEK; length 0: not part of it. */
struct ipc_key {
	uint8_t length;
	uint8_t octets[LW_WRAPPED_SIZE];
};

struct ipc_backend_ans {
	uint64_t number;
	int32_t err;                /* enum kw_err; what follows peer is zero unless KW_OK */
	uint32_t lifetime;          /* s */
	uint16_t answer_url_length; /* of the URL to which the answer is to be posted, behind all
	                               bodies, in their order, without NUL; 0: answer at once */
	char peer[IPC_NAME_SIZE];   /* who asked; "": nobody who is known */
	uint8_t opt_neg;            /* 1: the three network keys; 0: nwk_s_key alone */
	uint8_t phy_length;         /* 17 or 33; 0: no Join-accept */
	uint8_t phy_payload[LW_JOIN_ACCEPT_MAX];
	uint8_t has_session_key_id;
	uint8_t session_key_id[IPC_SESSION_ID_SIZE];
	struct ipc_key f_nwk_s_int_key; /* also the NwkSKey of a 1.0 session */
	struct ipc_key s_nwk_s_int_key;
	struct ipc_key nwk_s_enc_key;
	struct ipc_key app_s_key;
	char nwk_kek_label[IPC_LABEL_SIZE]; /* "" unless the network keys are wrapped */
	char app_kek_label[IPC_LABEL_SIZE]; /* "" unless AppSKey is wrapped */
	uint8_t h_net_id[LW_NET_ID_SIZE];   /* HomeNSAns */
	uint8_t has_h_ns_id;
	uint8_t h_ns_id[LW_EUI_SIZE];
	uint8_t reserved[10];
};
static_assert(sizeof(struct ipc_backend_ans) == 384, "layout");

/** What a front counted since its start. */
struct ipc_report {
	uint64_t requests;
	uint64_t http_refused;          /* answered with another HTTP status than 200 */
	uint64_t busy;                  /* part of http_refused: 503 */
	uint64_t connections;           /* open now */
	uint64_t connections_refused;   /* too many of one address, or closed for newer ones */
	uint64_t connections_timed_out; /* before the first request, or in the middle of one */
	uint64_t answers_posted;        /* asynchronous answers that the peer took */
	uint64_t answers_failed;        /* given up, or refused for want of room */
	uint64_t tls_expires_s;         /* Unix time at which the certificate ends; 0: plain HTTP */
	struct kw_histogram latency; /* last octet of the request to the answer being ready, us */
};

/* ---- administration ---- */

struct ipc_status {
	uint64_t generation;
	uint64_t started_ms;
	uint64_t devices;
	uint64_t peers;
	uint64_t joins_accepted; /* since the start of the vault, as the next ones */
	uint64_t joins_repeated; /* identical requests, identical answers */
	uint64_t joins_refused;
	uint64_t unknown_devices; /* part of joins_refused */
	uint64_t mic_failures;    /* part of joins_refused */
	uint64_t missing_keks;    /* refused for want of a KEK: an alarm */
	uint64_t rate_refused;    /* part of joins_refused: over the rate of a peer or device */
	uint64_t late_refused;    /* part of joins_refused: had waited for too long */
	uint64_t mic_alarms;    /* devices for which wrong MICs came again and again, each minute */
	uint64_t replay_alarms; /* the same of used nonces */
	uint64_t rate_ms;       /* when the last was; 0: none */
	uint64_t mic_alarm_ms;
	uint64_t replay_alarm_ms;
	uint8_t mic_alarm_dev_eui[LW_EUI_SIZE]; /* of the last */
	uint8_t replay_alarm_dev_eui[LW_EUI_SIZE];
	char rate_peer[IPC_NAME_SIZE];
	uint64_t commits;
	uint64_t commit_us_total; /* time spent making commits durable */
	uint64_t commit_us_max;
	uint64_t journal_records; /* not yet folded */
	uint64_t store_bytes;     /* used in the store file */
	uint64_t store_map_bytes;
	uint64_t events;
	uint64_t dev_nonces_high; /* devices that joined with a DevNonce above 60,000 */
	uint32_t store_format;
	uint32_t epoch;
	uint32_t store_failed; /* 1: the last commit failed; joins are refused until one works */
	uint32_t fronts;       /* that have reported */
	uint32_t keks_missing; /* peers whose joins are refused for want of a KEK */
	uint32_t reserved;
	uint64_t credential_expires_s;       /* the pinned certificate that ends first; 0: none */
	char credential_peer[IPC_NAME_SIZE]; /* whose that is */
	struct ipc_report reports; /* of all fronts together; tls_expires_s: the earliest */
};

struct ipc_intake {
	uint32_t length;
	uint8_t certificate[1020]; /* X.509, DER */
};
static_assert(sizeof(struct ipc_intake) == 1024, "layout");

enum ipc_delivery {               /* stored; never renumber */
	IPC_DELIVERY_DEFAULT = 0, /* fetch where the device has an AS, else inline-id */
	IPC_DELIVERY_INLINE = 1,
	IPC_DELIVERY_INLINE_ID = 2,
	IPC_DELIVERY_WRAPPED = 3,
	IPC_DELIVERY_FETCH = 4,
};
/** "default", "inline", "inline-id", "wrapped", "fetch"; NULL if there is no such value. */
const char *ipc_delivery_text(unsigned delivery);
/** @return KW_OK, KW_E_SYNTAX */
KW_MUST_CHECK enum kw_err ipc_delivery_read(const char *text, uint8_t *delivery);

enum ipc_device_set {
	IPC_SET_NET_IDS = 1 << 0,
	IPC_SET_NS_ID = 1 << 1, /* with has_ns_id 0: taken away */
	IPC_SET_AS_ID = 1 << 2, /* with "": taken away */
	IPC_SET_DELIVERY = 1 << 3,
	IPC_SET_ROAMING = 1 << 4,
	IPC_SET_NAME = 1 << 5,
	IPC_SET_BLOCKED = 1 << 6,
};

/** What an administrator decides about a device. */
struct ipc_device_policy {
	uint8_t net_id_count;
	uint8_t roaming_count;
	uint8_t has_ns_id;
	uint8_t delivery; /* enum ipc_delivery */
	uint8_t blocked;
	uint8_t reserved[3];
	uint8_t net_ids[IPC_NET_IDS_MAX][LW_NET_ID_SIZE];
	uint8_t roaming[IPC_NET_IDS_MAX][LW_NET_ID_SIZE];
	uint8_t ns_id[LW_EUI_SIZE];
	char as_id[IPC_NAME_SIZE];
	char name[IPC_NAME_SIZE];
};
static_assert(sizeof(struct ipc_device_policy) == 192, "layout");

struct ipc_device_req {
	uint8_t join_eui[LW_EUI_SIZE]; /* IPC_DEVICE_GENERATE only; others go by DevEUI */
	uint8_t dev_eui[LW_EUI_SIZE];
	uint32_t set;            /* enum ipc_device_set; GENERATE: all of policy counts */
	uint8_t lorawan_version; /* enum lw_version; GENERATE */
	uint8_t reserved[3];
	struct ipc_device_policy policy;
};
static_assert(sizeof(struct ipc_device_req) == 216, "layout");

/** A device as operators see it: key check values, never keys. */
struct ipc_device {
	uint8_t join_eui[LW_EUI_SIZE];
	uint8_t dev_eui[LW_EUI_SIZE];
	uint64_t created_ms;
	uint64_t changed_ms;
	uint64_t last_join_ms; /* 0: never */
	uint64_t joins_accepted;
	uint64_t joins_refused; /* refusals that were logged for it */
	uint32_t next_join_nonce;
	uint32_t last_dev_nonce;  /* the last accepted; meaningful if dev_nonce_count > 0 */
	uint32_t dev_nonce_count; /* how many were accepted */
	uint8_t lorawan_version;
	uint8_t counts_dev_nonce; /* 1: DevNonce must grow; 0: must be new */
	uint8_t origin;           /* enum ipc_origin */
	uint8_t has_nwk_key;
	uint8_t app_key_kcv[3]; /* CMAC method, ANSI X9.24 */
	uint8_t nwk_key_kcv[3];
	uint8_t reserved[2];
	uint8_t last_net_id[LW_NET_ID_SIZE]; /* network of the last session */
	uint8_t session_count;
	uint32_t reserved2;
	struct ipc_device_policy policy;
};
static_assert(sizeof(struct ipc_device) == 280, "layout");

enum ipc_origin {                 /* stored; never renumber */
	IPC_ORIGIN_IMPORTED = 1,  /* came sealed from outside */
	IPC_ORIGIN_GENERATED = 2, /* made inside the vault; nobody else has seen it */
};

struct ipc_device_ans {
	struct ipc_device device;
	char text[IPC_TEXT_SIZE]; /* on failure, why and what to do; "" else */
};

struct ipc_list_req {
	uint8_t after
		[2 * LW_EUI_SIZE]; /* devices: JoinEUI and DevEUI of the last one seen; zero: start */
	uint32_t limit;            /* 1 to IPC_PAGE_MAX */
	uint8_t peer_kind;         /* peers: enum ipc_peer_kind */
	uint8_t has_after;
	uint8_t reserved[2];
	char after_name[IPC_NAME_SIZE]; /* peers; "": start */
};

struct ipc_device_page {
	uint32_t count;
	uint32_t more; /* 1: there are further ones */
	struct ipc_device devices[IPC_PAGE_MAX];
};

/** Applies to all rows of one envelope. */
struct ipc_import_req {
	uint32_t envelope_length; /* CMS AuthEnvelopedData, DER, behind this struct */
	uint8_t dry_run;          /* 1: check everything, store nothing */
	uint8_t skip_errors;      /* 0: one bad row and nothing is stored */
	uint8_t strict;           /* 1: refuse new devices with a root key of another; 0: warn */
	uint8_t quiet;            /* 1: no warnings, for who only tries what he loads later */
	uint32_t first_line; /* number of the first data row, for messages; 0: as in the envelope */
	uint32_t run;        /* the same for all envelopes of a file; 0: this is the only one */
	struct ipc_device_policy
		policy; /* net_ids, as_id, ns_id, delivery for rows that name none */
};
static_assert(sizeof(struct ipc_import_req) == 208, "layout");

struct ipc_row_error {
	uint32_t line;
	int32_t err;    /* KW_OK: the row was taken, with a warning */
	char text[120]; /* names the column and says what to do; never a key */
};
static_assert(sizeof(struct ipc_row_error) == 128, "layout");

struct ipc_import_ans {
	uint32_t rows;    /* data rows read */
	uint32_t added;   /* stored (dry_run: could be stored) */
	uint32_t already; /* there already, with the same keys */
	uint32_t errors;  /* rows refused, also those beyond the list */
	uint32_t listed;  /* of both kinds */
	uint32_t warned;  /* rows taken with a warning */
	struct ipc_row_error list[IPC_ROW_ERRORS_MAX];
	char text[IPC_TEXT_SIZE]; /* if the envelope as a whole was refused */
};

enum ipc_peer_kind { /* stored; never renumber */
	IPC_PEER_NS = 1,
	IPC_PEER_AS = 2,
};

enum ipc_peer_set {
	IPC_PEER_SET_NET_IDS = 1 << 0,
	IPC_PEER_SET_NS_ID = 1 << 1,
	IPC_PEER_SET_AS_ID = 1 << 2,
	IPC_PEER_SET_DELIVERY = 1 << 4,
	IPC_PEER_SET_RANGES = 1 << 5,
	IPC_PEER_SET_ANY_DEVICE = 1 << 6,
	IPC_PEER_SET_KEK = 1 << 7,        /* with an envelope: one more, current from now on; with
	                              kek_label "": all are forgotten, keys go in the clear */
	IPC_PEER_SET_ANSWER_URL = 1 << 8, /* with "": answer at once */
	IPC_PEER_SET_CLEAR = 1 << 9,
	/* The credentials of a kind are replaced by those given of it; by none: taken away. */
	IPC_PEER_SET_TOKEN = 1 << 10,
	IPC_PEER_SET_HEADER = 1 << 11,
	IPC_PEER_SET_CERTIFICATE = 1 << 12,
	IPC_PEER_SET_SUBJECT = 1 << 13,
	IPC_PEER_SET_RATE = 1 << 14, /* rate and burst */
};

struct ipc_range {
	uint8_t first[LW_EUI_SIZE];
	uint8_t last[LW_EUI_SIZE];
};

/** A credential without what could be used in its place. */
struct ipc_shown_credential {
	uint64_t expires_s; /* certificate: Unix time; 0: not known */
	uint8_t kind;       /* enum ipc_credential_kind */
	uint8_t reserved[7];
	char text[IPC_SHOWN_SIZE]; /* certificate: SHA-256 in hexadecimal; subject: that of the CA,
	                              a blank, the name; else "" */
};

struct ipc_kek {
	uint64_t created_ms;
	char label[IPC_LABEL_SIZE];
	uint8_t current;
	uint8_t octets; /* 16, 24 or 32 */
	uint8_t reserved[6];
};

/** A network server or application server, without its secrets. */
struct ipc_peer {
	uint8_t kind; /* enum ipc_peer_kind */
	uint8_t net_id_count;
	uint8_t has_ns_id;
	uint8_t delivery; /* enum ipc_delivery */
	uint8_t any_device;
	uint8_t range_count; /* 0: every JoinEUI */
	uint8_t clear;       /* AS: may be told AppSKey in the clear if it has no KEK */
	uint8_t credential_count;
	uint8_t kek_count;
	uint8_t kek_missing; /* keys were wrapped for it and no KEK is current: joins are refused */
	uint8_t reserved[6];
	uint8_t net_ids[IPC_NET_IDS_MAX][LW_NET_ID_SIZE];
	uint8_t ns_id[LW_EUI_SIZE];
	struct ipc_range ranges[IPC_RANGES_MAX];
	char name[IPC_NAME_SIZE];
	char as_id[IPC_NAME_SIZE];
	char answer_url[IPC_URL_SIZE];
	uint32_t rate;  /* requests/s; 0: peer_rate of the configuration */
	uint32_t burst; /* 0 with rate 0 */
	uint64_t created_ms;
	uint64_t changed_ms;
	struct ipc_shown_credential credentials[IPC_CREDENTIALS_MAX];
	struct ipc_kek keks[IPC_KEKS_MAX]; /* oldest first */
};
static_assert(sizeof(struct ipc_peer) == 3912, "layout");
#define IPC_RATE_MAX 1000000

struct ipc_given_credential {
	struct ipc_credential credential;
	uint8_t reserved[7];
	struct ipc_shown_credential shown; /* its kind is not looked at */
};

struct ipc_peer_req {
	uint32_t set; /* enum ipc_peer_set; IPC_PEER_ADD: all that are given */
	uint32_t
		kek_envelope_length; /* CMS to the intake certificate, DER, behind this struct; 0: none */
	char kek_label[IPC_LABEL_SIZE];
	uint8_t force; /* IPC_PEER_KEK_RETIRE: also the current one */
	uint8_t credential_count;
	uint8_t reserved[6];
	struct ipc_given_credential credentials[IPC_CREDENTIALS_MAX];
	struct ipc_peer peer; /* its credentials and keks are not looked at */
};
static_assert(sizeof(struct ipc_peer_req) == 7000, "layout");

struct ipc_peer_ans {
	struct ipc_peer peer;
	char text[IPC_TEXT_SIZE];
};

struct ipc_peer_page {
	uint32_t count;
	uint32_t more;
	struct ipc_peer peers[IPC_PEER_PAGE_MAX];
};

/* ---- the join log ---- */

enum ipc_event_kind { /* stored; never renumber */
	IPC_EVENT_ACCEPTED = 1,
	IPC_EVENT_REFUSED = 2,
	IPC_EVENT_REPEATED = 3, /* an identical request got the identical answer */
	IPC_EVENT_SERVED = 4,   /* AppSKeyReq or HomeNSReq answered */
	IPC_EVENT_ALARM =
		5, /* refusals (err MIC or REPLAY) that came again and again: `repeats` of them */
};

enum ipc_event_procedure { /* stored; never renumber */
	IPC_EVENT_JOIN = 0,
	IPC_EVENT_REJOIN_0 = 1,
	IPC_EVENT_REJOIN_1 = 2,
	IPC_EVENT_REJOIN_2 = 3,
	IPC_EVENT_APP_S_KEY = 4,
	IPC_EVENT_HOME_NS = 5,
};

/** One entry of the join log; ipc_event_words() says it for people. */
struct ipc_event {
	uint64_t sequence;
	uint64_t time_ms;
	uint8_t join_eui[LW_EUI_SIZE];
	uint8_t dev_eui[LW_EUI_SIZE];
	uint8_t kind;            /* enum ipc_event_kind */
	uint8_t mac_version;     /* enum lw_version, as the NS sent it */
	uint8_t lorawan_version; /* as registered */
	uint8_t opt_neg;
	uint8_t net_id[LW_NET_ID_SIZE]; /* SenderID */
	uint8_t has_last;               /* last_dev_nonce means something */
	int32_t err;                    /* refused: enum kw_err */
	uint32_t join_nonce;            /* accepted */
	uint16_t dev_nonce;             /* or the RJcount of a Rejoin-request */
	uint16_t last_dev_nonce;        /* last accepted before this one; Rejoin: RJcount */
	uint32_t repeats; /* how many refusals of the same kind this entry stands for, at least 1 */
	uint8_t counts_dev_nonce;
	uint8_t procedure; /* enum ipc_event_procedure */
	uint8_t reserved[2];
	uint32_t seconds; /* alarm: in which they came */
	char peer[IPC_NAME_SIZE];
};
static_assert(sizeof(struct ipc_event) == 128, "layout");

/**
 * Say an event in words, e.g. "refused: DevNonce 17 was already used; the device must send a
 * higher one; last accepted 23". Names the command that helps where one does.
 */
void ipc_event_words(const struct ipc_event *event, char out[IPC_TEXT_SIZE]);

struct ipc_events_req {
	uint64_t
		after; /* events with a greater sequence, oldest first; with backwards: smaller ones */
	uint32_t limit; /* 1 to IPC_PAGE_MAX */
	uint8_t has_device;
	uint8_t backwards; /* newest first, from `after` (0: from the end) */
	uint8_t reserved[2];
	uint8_t dev_eui[LW_EUI_SIZE];
};

struct ipc_events_page {
	uint64_t
		resume; /* value for `after` to go on; the vault looks at a bounded number at a time */
	uint32_t count;
	uint32_t more; /* 1: ask again with resume, also when count is 0 */
	struct ipc_event events[IPC_PAGE_MAX];
};

/* ---- backup ---- */

#define IPC_BACKUP_PIECE_MAX 49152

/** Take a snapshot, or ask for the next piece of one. One backup at a time. */
struct ipc_backup_req {
	uint64_t id; /* 0: begin; the answer has no piece, but tells the id and how much there is */
	uint64_t offset; /* octets that were received so far */
};
static_assert(sizeof(struct ipc_backup_req) == 16, "layout");

struct ipc_backup_ans {
	uint64_t id;
	uint64_t records; /* in the snapshot */
	uint64_t time_ms;
	uint32_t epoch;
	uint32_t length; /* of the piece; 0: the backup is complete */
	uint8_t octets[IPC_BACKUP_PIECE_MAX];
	char text[IPC_TEXT_SIZE]; /* on failure, why and what to do */
};
static_assert(sizeof(struct ipc_backup_ans) == 49440, "layout");

/**
 * Check that a received message is whole: magic, known kind, lengths that add up to the last
 * octet, a body count that fits the kind.
 *
 * @param to_vault  true for what the vault receives (requests), false for what it sends (answers)
 * @return KW_OK, KW_E_TRUNCATED, KW_E_INVALID
 */
KW_MUST_CHECK enum kw_err ipc_message_check(const void *message, size_t length, bool to_vault);

/** Size of one body of this kind; 0 if it has none or there is no such kind. */
size_t ipc_body_size(unsigned kind, bool to_vault);

#endif
