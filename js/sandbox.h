/**
 * What a child may still ask of the kernel once it has started: no program to execute, no other
 * process to look into, and by role no files or no new sockets. Built on Landlock and seccomp.
 */
#ifndef KW_JS_SANDBOX_H
#define KW_JS_SANDBOX_H

#include "base/err.h"
#include "js/process.h"

/**
 * Lock this process in. There is no way back; threads that are started later are inside as well.
 *
 *   front   accepts on the listeners it has; connects out by TCP and UDP; reads the files that
 *           looking up names takes (/etc/hosts, /etc/resolv.conf and their like) and opens no other;
 *           threads
 *   portal  opens no file and makes no socket; accepts on the listeners it has
 *   vault   opens files below `directory` only; no sockets but those it has
 *   all     only the system calls of js/calls.c; no exec, fork, ptrace, mount, module, BPF, keyring,
 *           io_uring, change of user, signal to others; no bind, no listen; no memory that can be
 *           executed
 *
 * What only an attacker asks for ends the process; the rest of what is forbidden fails (js/calls.h;
 * EACCES where Landlock refuses). A kernel without Landlock gets a notice in the log and seccomp
 * alone; a front then opens no file, and so looks up no names.
 *
 * @param directory  vault: descriptor of the store; others: -1
 * @return KW_OK, KW_E_SYSTEM (it has been logged; the process may be half locked in: end it)
 */
KW_MUST_CHECK enum kw_err js_sandbox_enter(enum js_role role, int directory);

/**
 * Lock keywardd in, before it has children, who inherit this: no new privileges, and none of what
 * ends any process of ours. It can still start programs and change users.
 *
 * @return KW_OK, KW_E_SYSTEM (it has been logged)
 */
KW_MUST_CHECK enum kw_err js_sandbox_enter_parent(void);

#endif
