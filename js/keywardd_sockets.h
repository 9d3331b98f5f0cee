/** The sockets that keywardd opens for its children, which may open none. */
#ifndef KW_JS_KEYWARDD_SOCKETS_H
#define KW_JS_KEYWARDD_SOCKETS_H

#include "conf/conf.h"
#include "js/process.h"

struct js_sockets {
	size_t fronts;
	size_t addresses;
	/* One socket per front and address: the kernel spreads connections over the fronts. */
	int listeners[JS_FRONTS_MAX][CONF_LISTEN_MAX];
	int admin;
	char admin_path[CONF_PATH_SIZE]; /* "" until it is ours to remove */
};

/**
 * Open all listeners and the admin socket. Where the configuration leaves a port to the kernel
 * (port 0) the text and address in `conf` become those that it chose.
 *
 * @param why  out: what is wrong and what to do
 * @return KW_OK, KW_E_BUSY (in use), KW_E_INVALID, KW_E_SYSTEM; nothing is open on failure
 */
KW_MUST_CHECK enum kw_err js_sockets_open(
	struct conf *conf, struct js_sockets *sockets, char why[CONF_WHY_SIZE]);

/** Close all and remove the admin socket's file. */
void js_sockets_close(struct js_sockets *sockets);

#endif
