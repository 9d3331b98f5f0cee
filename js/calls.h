/**
 * The system calls that a process may still make, as a seccomp filter. What is not listed is
 * refused; there are three answers to it:
 *
 *   hostile    execve, ptrace, mount, setuid ...: nothing of ours and no library under it ever asks
 *              for these, so whoever does is an attacker, and the process ends at once (SIGSYS).
 *              keywardd logs that, and starts a new one.
 *   unlisted   everything else: the call fails, ENOSYS if the call is not listed at all, EPERM if its
 *              arguments are not, and the first time of each call is logged with its number. A newer
 *              C library that tries a newer call first so gets the answer of an older kernel, falls
 *              back, and the service goes on; an attacker gets nothing.
 *   expected   what libraries try and do without: refused without a word.
 *
 * A call of another architecture (32 bit on 64) ends the process.
 */
#ifndef KW_JS_CALLS_H
#define KW_JS_CALLS_H

#include "base/err.h"
#include "js/process.h"

/**
 * Load the filter of a role; it holds for this process, its later threads, and for ever. Needs
 * no new privileges (PR_SET_NO_NEW_PRIVS).
 *
 * @param names  whether the front may open files to read them, since Landlock says which
 * @return KW_OK, KW_E_SYSTEM (logged)
 */
KW_MUST_CHECK enum kw_err js_calls_restrict(enum js_role role, bool names);

/**
 * The same for keywardd, before it has children, who inherit it: as they must still be able to
 * change user and to start, only what is hostile from any of them ends the process, and nothing
 * else is refused.
 *
 * @return KW_OK, KW_E_SYSTEM (logged)
 */
KW_MUST_CHECK enum kw_err js_calls_restrict_parent(void);

/* ---- between the parts of this ---- */

/** A call that is listed with arguments: others are refused with EPERM. */
void js_calls_list(int number);
/** From now on a refused call is logged and fails (SIGSYS). @return KW_OK, KW_E_SYSTEM (logged) */
KW_MUST_CHECK enum kw_err js_calls_watch(void);

#endif
