/** One child of keywardd: what it is given, and its start. */
#ifndef KW_JS_KEYWARDD_CHILD_H
#define KW_JS_KEYWARDD_CHILD_H

#include "conf/conf.h"
#include "js/keywardd_channels.h"
#include "js/keywardd_files.h"
#include "js/keywardd_pem.h"
#include "js/keywardd_sockets.h"
#include "js/keywardd_watch.h"
#include "js/process.h"

#include <sys/types.h>

/** What all children are made from; lives as long as they do. */
struct js_setup {
	const struct conf *conf;
	const struct js_files *files;
	const struct js_pem *pem;
	const struct js_sockets *sockets;
	struct js_channels channels;
	int board; /* read only */
};

struct js_child {
	enum js_role role;
	unsigned index; /* of a front, from 0 */
	char name[16];  /* "vault", "front 1" */
	pid_t pid;      /* 0: not running */
	int ready_fd; /* readable when it serves, is alive, or has gone; -1: nothing to wait for; the
	                 vault takes new channels there */
	bool ready;   /* it serves */
	bool was_ready; /* it or one before it has served */
	uint64_t started_us;
	uint64_t due_us;   /* to be started then; 0: no */
	unsigned delay_ms; /* before the next restart */
	unsigned restarts;
	unsigned early_failures; /* in a row */
	struct js_watch watch;   /* of the vault, while it serves */
};

/** Which channel is that of the portal or a front. */
size_t js_child_channel(const struct js_child *child);

/**
 * Fork and exec. Its channel, all of them for the vault, have been made. The child has its descriptors where js/process.h says and no others, default
 * signals, a process group of its own, a bare environment, and ends if keywardd does.
 *
 * @return KW_OK, KW_E_SYSTEM (logged; nothing was started)
 */
KW_MUST_CHECK enum kw_err js_child_start(struct js_child *child, const struct js_setup *setup);

/**
 * Let a front look whether the PEM texts can be used, and wait for what it finds: the only process
 * that parses them. It is confined as any front, has no channel and no listener, and gets 10 s.
 *
 * @return KW_OK; KW_E_INVALID: not usable, the front has logged which and why, or it could not say;
 *         KW_E_SYSTEM (logged)
 */
KW_MUST_CHECK enum kw_err js_child_check(const struct conf *conf, const struct js_pem *pem);

/**
 * Take what the child said on JS_FD_READY; true if the child serves since then. The vault's stays open: what
 * comes later says that it is alive.
 */
bool js_child_take_ready(struct js_child *child, uint64_t now_us);

/** Close what a child that died was heard by. */
void js_child_gone(struct js_child *child);

#endif
