/**
 * The PEM files of [server]. keywardd reads them with its own rights into memory, one piece per
 * file, which the fronts can read and not change; a front that is started later gets what was loaded
 * last. The files themselves are never handed on.
 */
#ifndef KW_JS_KEYWARDD_PEM_H
#define KW_JS_KEYWARDD_PEM_H

#include "conf/conf.h"
#include "js/process.h"

struct js_pem {
	char *texts[JS_PEM_FILES]; /* JS_PEM_SIZE octets each: text, then NULs */
	int readers[JS_PEM_FILES]; /* in the order of js/process.h */
};

/**
 * Read all that are configured. A file is refused if it cannot be read, is no regular file, is
 * empty, larger than JS_PEM_MAX or has a NUL in it, and a private key if others than owner and group
 * can reach it; a key that its group can read is worth a warning. What the texts say is for the front
 * to judge (js_child_check()).
 *
 * @param why  out: on failure the key of the configuration, what is wrong and what to do
 * @return KW_OK, KW_E_NOT_FOUND, KW_E_INVALID, KW_E_SYSTEM; nothing is held on failure
 */
KW_MUST_CHECK enum kw_err js_pem_open(
	const struct conf *conf, struct js_pem *pem, char why[CONF_WHY_SIZE]);

/** Put the texts of `from` in the place of those in `to`, as the fronts see them. */
void js_pem_replace(struct js_pem *to, const struct js_pem *from);

/** Wipe and give back. */
void js_pem_close(struct js_pem *pem);

/** The keys that are configured, separated by blanks; "" if none is. */
void js_pem_names(const struct conf *conf, char out[128]);

#endif
