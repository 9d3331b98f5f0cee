/**
 * Where the store and the master key are, for the tasks that the vault is run for once (init,
 * restore, check). What is wrong is said on standard error as "keyward: TASK: PATH: why".
 */
#ifndef KW_JS_VAULT_PLACE_H
#define KW_JS_VAULT_PLACE_H

#include "js/process.h"
#include "keystore/store.h"

/** Say it. @return 1, the exit status */
int js_place_fail(const char *task, const char *path, const char *why);
/** Make the directory that a path is in; not its parents. @return whether it is there */
bool js_place_make_parent(const char *task, const char *path);
/** Make the store's directory if it is not there, make it the working directory, and become its
 *  owner. @return whether all that went well */
bool js_place_enter(const char *task, const struct js_options *options);
/** The path of the master key file. @return NULL: it, or the store's, was not given */
const char *js_place_master_path(const char *task, const struct js_options *options);
/** Read the master key. @return whether *out holds it; zero else */
bool js_place_master_read(const char *task, const char *path, struct ks_master_key *out);

#endif
