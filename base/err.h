/**
 * One list of errors for the whole program.
 *
 * Every call that can fail returns one of these; 0 is success. The numbers cross process borders
 * (ipc/ipc.h) and are grouped by area; a number is never given a second meaning. What a peer gets
 * to see is decided by backend-if/result.c alone.
 */
#ifndef KW_BASE_ERR_H
#define KW_BASE_ERR_H

#define KW_MUST_CHECK __attribute__((warn_unused_result))

enum kw_err {
	KW_OK = 0,

	/* general */
	KW_E_INVALID = -1,    /* an argument or a field is not acceptable */
	KW_E_NO_MEMORY = -2,  /* allocation failed */
	KW_E_SYSTEM = -3,     /* a system call failed; it has been logged */
	KW_E_TOO_LONG = -4,   /* does not fit */
	KW_E_TRUNCATED = -5,  /* ends too early, or has something left over */
	KW_E_EXISTS = -6,     /* there already */
	KW_E_NOT_FOUND = -7,  /* not there */
	KW_E_BUSY = -8,       /* somebody else has it, or overloaded: try again */
	KW_E_TIMEOUT = -9,    /* no answer in time */
	KW_E_CLOSED = -10,    /* the other side has gone */
	KW_E_FORBIDDEN = -11, /* this process or caller may not ask that */
	KW_E_CRYPTO = -12,    /* the crypto library failed */

	/* text and messages */
	KW_E_SYNTAX = -20,   /* not of the expected form */
	KW_E_HEX = -21,      /* not hexadecimal, or an odd number of digits */
	KW_E_LENGTH = -22,   /* hexadecimal, but of the wrong length */
	KW_E_VERSION = -23,  /* a version that is not known */
	KW_E_MISSING = -24,  /* a field that must be there is not */
	KW_E_MISMATCH = -25, /* two places that must say the same do not */
	KW_E_NUMBER = -26,   /* a spreadsheet made a number of an identifier */
	KW_E_CONFLICT = -27, /* fields that exclude each other */

	/* frames and joining */
	KW_E_FRAME_SIZE = -40,      /* no such frame has this length */
	KW_E_FRAME_TYPE = -41,      /* MHDR is not that of the expected frame */
	KW_E_UNAUTHENTICATED = -42, /* the sender's credential is missing or unknown */
	KW_E_SENDER = -43,          /* SenderID is not one of the authenticated peer */
	KW_E_RECEIVER = -44,        /* ReceiverID is not a JoinEUI served here */
	KW_E_NO_DEVICE = -45,       /* DevEUI is not provisioned under this JoinEUI */
	KW_E_NOT_ALLOWED = -46,     /* this network may not activate this device */
	KW_E_BLOCKED = -47,         /* the device is blocked */
	KW_E_MIC = -48,             /* the MIC is wrong */
	KW_E_DISAGREE = -49,        /* registration, MACVersion and OptNeg do not agree */
	KW_E_REPLAY = -50,          /* DevNonce or RJcount is not acceptable any more */
	KW_E_EXHAUSTED = -51,       /* no JoinNonce left */
	KW_E_NO_KEK = -52,          /* a key must be wrapped and the KEK is missing */
	KW_E_UNSUPPORTED = -53,     /* a message or procedure that is not offered */
	KW_E_PROTOCOL = -54,        /* a ProtocolVersion that is not spoken here */
	KW_E_SENDER_NS_ID = -55,    /* SenderNSID is not that of the authenticated peer */
	KW_E_RANGE = -56,           /* JoinEUI is outside the ranges of this peer */
	KW_E_DEVICE_NS_ID = -57,    /* another network server may activate this device */
	KW_E_NO_SESSION = -58,      /* no remembered session has this SessionKeyID */
	KW_E_OTHER_AS = -59,        /* the session was for another application server */

	/* keystore */
	KW_E_STORE = -60,         /* the store failed; it has been logged */
	KW_E_STORE_FULL = -61,    /* disk or map full; nothing was written */
	KW_E_STORE_NEWER = -62,   /* written by a newer Keyward */
	KW_E_STORE_DAMAGED = -63, /* a record does not read as it should */
	KW_E_STORE_LOCKED = -64,  /* another process has this store open */
	KW_E_STORE_ABSENT = -65,  /* there is no store here */
	KW_E_SEAL = -66,          /* a sealed value does not open: damaged or swapped */
	KW_E_MASTER_KEY = -67,    /* the master key is not the one of this store */
	KW_E_MASTER_FILE = -68, /* the master key file is absent, readable by others or malformed */
	KW_E_ENVELOPE = -69,    /* not a CMS AuthEnvelopedData to our intake certificate */

	/* frames and joining, continued */
	KW_E_ROAMING = -80, /* the asking network is not on the roaming list of the device */
	KW_E_NO_HOME = -81, /* the device has no home network yet */
	KW_E_NET_ID = -82,  /* NetID of a Rejoin-request is none that the device may be on */
	KW_E_REJOIN = -83,  /* the device has no 1.1 session, so it cannot rejoin */
	KW_E_RATE = -84,    /* more requests than this peer or device may have in this time */
};

/** What an error means, for people: a short text without a full stop. Never NULL. */
const char *kw_err_text(enum kw_err err);

#endif
