/**
 * What a child of keywardd is given, and how it locks itself in before it looks at any input.
 *
 * A child is started by fork and exec with the descriptors below and everything else closed. Its
 * settings come as command-line options made by keywardd (js_options_read()); it never reads the
 * configuration file. js_process_enter() is called when all files are read and before the first
 * octet of input: it drops to its own user (when started as root), forbids core dumps and ptrace,
 * asks to die with keywardd, and loads Landlock and seccomp.
 */
#ifndef KW_JS_PROCESS_H
#define KW_JS_PROCESS_H

#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** One octet is written here by a child that is ready to serve, then it is closed; the vault goes on to
 * write one each second, and takes here channels that replace those of its start (js/handover.h). */
#define JS_FD_READY 3
/* front: its channel to the vault, its PEM files, then its listeners (--listeners N). Of the PEM
   files each is a memory of JS_PEM_SIZE octets, read only: text, then NULs; no text: not configured.
   keywardd changes the texts in place and sends SIGHUP. */
#define JS_FRONT_FD_CHANNEL            4
#define JS_FRONT_FD_TLS_CERTIFICATE    5
#define JS_FRONT_FD_TLS_KEY            6
#define JS_FRONT_FD_CLIENT_CA          7
#define JS_FRONT_FD_ANSWER_CERTIFICATE 8
#define JS_FRONT_FD_ANSWER_KEY         9
#define JS_FRONT_FD_ANSWER_CA          10
#define JS_FRONT_FD_LISTENERS          11
/* A front's descriptors that are not connections of clients within their limit: answers go out on
   some, and connections that are being closed have some (HTTP_CONNECTIONS_SPARE). */
#define JS_FRONT_OTHER_FDS 400
#define JS_PEM_FILES       (JS_FRONT_FD_LISTENERS - JS_FRONT_FD_TLS_CERTIFICATE)
#define JS_PEM_MAX         (1024 * 1024)
#define JS_PEM_SIZE        (JS_PEM_MAX + 1)
/* portal: the same, with the board (js/board.h, read only) between */
#define JS_PORTAL_FD_CHANNEL   4
#define JS_PORTAL_FD_BOARD     5
#define JS_PORTAL_FD_LISTENERS 6
/* vault: the store directory, the master key file, the portal's channel, --fronts N channels */
#define JS_VAULT_FD_STORE  4
#define JS_VAULT_FD_MASTER 5
#define JS_VAULT_FD_PORTAL 6
#define JS_VAULT_FD_FRONTS 7
#define JS_FRONTS_MAX      64

enum js_role {
	JS_ROLE_FRONT,
	JS_ROLE_VAULT,
	JS_ROLE_PORTAL,
};

/** All settings of all children; each uses its own. Strings are borrowed from argv. */
struct js_options {
	const char *user;            /* --user; NULL: stay */
	enum kw_log_level log_level; /* --log-level */
	bool log_json;               /* --log-format json */
	unsigned listeners;          /* --listeners */
	const char *paths;           /* --paths, separated by blanks */
	const char *proxy_header;    /* --proxy-header, in which proxies pass certificates on */
	const char *trusted_proxies; /* --trusted-proxies, separated by blanks; "": none */
	unsigned connections;        /* --connections */
	unsigned connections_per_address; /* --connections-per-address */
	unsigned idle_timeout_s;          /* --idle-timeout */
	unsigned request_timeout_s;       /* --request-timeout */
	unsigned peer_rate;               /* --peer-rate, requests/s; 0: no limit */
	bool check_files;         /* --check-files: a front that looks at its PEM files and exits */
	unsigned fronts;          /* --fronts */
	uint64_t map_size;        /* --map-size, octets */
	unsigned repeat_window_s; /* --repeat-window */
	bool init;    /* --init: create store and master key, print what was done, exit */
	bool restore; /* --restore: make a store of the backup on standard input, exit */
	bool check;   /* --check: only look at that backup; without --restore: at the store */
	bool lines;   /* --lines: with --check alone: not words but lines for the command line */
	bool force;   /* --force: keep a store that is there under another name */
	unsigned nonce_margin;  /* --nonce-margin; with --restore */
	const char *store;      /* --store, path; with --init and --restore, as the next two */
	const char *master_key; /* --master-key, "file:PATH" */
	const char *owner;      /* --owner, user who is to own the store; NULL: stay */
	bool fixed_answer;      /* --fixed-answer: a front that answers every POST with the same 600
	                                octets; the HTTP floor of the benchmarks, no vault needed */
};

/**
 * Read the options and set up the log. On a wrong option: a message on standard error and exit 2;
 * a child is not started by people.
 */
void js_options_read(int argc, char **argv, struct js_options *options);

/** Change from root to a user for good; exits with a message if that cannot be. */
void js_process_become(const char *user);

/** Lock the process in, as said above. Exits with a message if it cannot. */
void js_process_enter(enum js_role role, const struct js_options *options);

/** Tell keywardd that this child serves now. The vault has to say so again: js_process_alive(). */
void js_process_ready(enum js_role role);

#define JS_ALIVE_MS 1000

/**
 * Tell keywardd that the vault's loop turns; writes once per JS_ALIVE_MS however often it is called,
 * and never waits. keywardd kills a vault of which it hears nothing for 10 s (js/keywardd_watch.h).
 */
void js_process_alive(uint64_t now_us);

/**
 * A descriptor that becomes readable when SIGTERM or SIGINT came (signalfd; both are blocked).
 * Call before js_process_enter().
 */
int js_process_signals(void);

/**
 * The same for SIGHUP, for a front: its PEM files are to be read again. The other roles ignore
 * SIGHUP.
 */
int js_process_reloads(void);

/** Take one signal from such a descriptor; false if there is none. */
bool js_process_take(int signals);

#endif
