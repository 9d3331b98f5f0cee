/** The files and users that keywardd needs: found and checked before anything is started. */
#ifndef KW_JS_KEYWARDD_FILES_H
#define KW_JS_KEYWARDD_FILES_H

#include "conf/conf.h"
#include "js/process.h"

struct js_files {
	int store;  /* the directory; for the vault */
	int lock;   /* keyward.lock in it, locked while keywardd lives; -1 after a mere check */
	int master; /* the master key file; for the vault */
};

/** The user of a role, "keyward-vault" ...; NULL unless keywardd was started as root. */
const char *js_role_user(enum js_role role);
/** The executable of a role, "keyward-vault" ... */
const char *js_role_helper(enum js_role role);

/**
 * Check all that is needed to start: users (when root), executables, store, master key; the PEM
 * files are for js_pem_open().
 *
 * @param conf_path  for advice in messages
 * @param why        out: what is wrong and what to do
 * @return KW_OK, KW_E_NOT_FOUND, KW_E_INVALID, KW_E_SYSTEM
 */
KW_MUST_CHECK enum kw_err js_files_check(
	const struct conf *conf, const char *conf_path, char why[CONF_WHY_SIZE]);

/**
 * Open the store directory and the master key file, and lock the store against another keywardd.
 *
 * @return as js_files_check(), and KW_E_STORE_LOCKED; all descriptors are -1 on failure
 */
KW_MUST_CHECK enum kw_err js_files_open(const struct conf *conf, const char *conf_path,
	struct js_files *files, char why[CONF_WHY_SIZE]);

/** Takes files that could not be opened. */
void js_files_close(struct js_files *files);

/** Write a reason for people; returns err. */
enum kw_err js_fail(char why[CONF_WHY_SIZE], enum kw_err err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
