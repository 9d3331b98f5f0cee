/**
 * The configuration: one INI file, read by keywardd and by the command line; modules get small
 * options structs, never the file. docs/keyward.conf.5 lists every key.
 *
 * One row per setting in a table: name, type, limits, default, check. An unknown section or key, a
 * key given twice that is not repeatable, and a value out of range are errors that name file and
 * line.
 */
#ifndef KW_CONF_CONF_H
#define KW_CONF_CONF_H

#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONF_DEFAULT_PATH "/etc/keyward/keyward.conf"
#define CONF_LISTEN_MAX   8
#define CONF_PATHS_MAX    16
#define CONF_PROXIES_MAX  16
#define CONF_PATH_SIZE    512
#define CONF_WORD_SIZE    128
#define CONF_WHY_SIZE     768

struct conf_listen {
	char text[CONF_WORD_SIZE]; /* as written, e.g. "[::1]:8003" */
	struct sockaddr_storage address;
	socklen_t length;
	bool loopback;
};

struct conf {
	struct {
		struct conf_listen listen[CONF_LISTEN_MAX];
		size_t listen_count;
		char paths[CONF_PATHS_MAX]
			  [CONF_WORD_SIZE]; /* each begins with '/'; the first is "/" */
		size_t path_count;
		unsigned processes; /* fronts; "auto" has been resolved: cores - 1, at least 1 */
		char tls_certificate[CONF_PATH_SIZE]; /* "" = none */
		char tls_key[CONF_PATH_SIZE];
		char tls_client_ca[CONF_PATH_SIZE];
		char answer_certificate[CONF_PATH_SIZE];
		char answer_key[CONF_PATH_SIZE];
		char answer_ca[CONF_PATH_SIZE];
		/* each is one that kw_network_read() takes */
		char trusted_proxies[CONF_PROXIES_MAX][CONF_WORD_SIZE];
		size_t proxy_count;
		char proxy_header[CONF_WORD_SIZE]; /* one of those that http/proxy_cert.h reads */
		unsigned connections;              /* of each front */
		unsigned connections_per_address;
		unsigned idle_timeout_s;
		unsigned request_timeout_s;
	} server;
	struct {
		char path[CONF_PATH_SIZE];
		char master_key[CONF_PATH_SIZE]; /* with its scheme: "file:/..." */
		uint64_t map_size;               /* octets */
	} keystore;
	struct {
		unsigned repeat_window_s;
		unsigned
			peer_rate; /* requests/s of a peer without a rate of its own; 0: no limit */
	} join;
	struct {
		char socket[CONF_PATH_SIZE];
	} admin;
	struct {
		enum kw_log_level level;
		bool json;
	} log;
};

/** All defaults. */
void conf_init(struct conf *conf);

/**
 * Read a file over the defaults and check it as a whole (plain HTTP only on loopback or with
 * trusted_proxies; tls_certificate and tls_key together; ...). Relative paths in it are relative to
 * the directory of the file; an empty value is as none given, but for answer_ca, where it is no file.
 *
 * @param why  out: on failure "FILE:LINE: what is wrong and what to do"
 * @return KW_OK, KW_E_NOT_FOUND (no such file, or not readable), KW_E_SYNTAX, KW_E_INVALID; after
 *         a failure conf holds the defaults
 */
KW_MUST_CHECK enum kw_err conf_read(const char *path, struct conf *conf, char why[CONF_WHY_SIZE]);

/**
 * The same for text in memory.
 *
 * @param name       of the file, for messages
 * @param directory  that relative paths are relative to
 * @return KW_OK, KW_E_SYNTAX, KW_E_INVALID; after a failure conf holds the defaults
 */
KW_MUST_CHECK enum kw_err conf_read_text(const char *name, const char *directory, const char *text,
	size_t length, struct conf *conf, char why[CONF_WHY_SIZE]);

#endif
