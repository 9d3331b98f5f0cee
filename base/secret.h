/**
 * Secrets in memory: wiped when done, compared without telling where they differ.
 *
 * There is no formatter for secrets, on purpose.
 */
#ifndef KW_BASE_SECRET_H
#define KW_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/** Overwrite with zeros in a way that the compiler keeps. NULL with length 0 is fine. */
void kw_wipe(void *memory, size_t length);

/** Compare in time that depends on the length only. */
bool kw_equal_ct(const void *a, const void *b, size_t length);

/**
 * Make this process unreadable to its siblings and leave no core behind: PR_SET_DUMPABLE 0,
 * RLIMIT_CORE 0, no new privileges. Cannot fail in a way that matters less than stopping: on
 * failure the process logs and exits.
 */
void kw_secret_process(void);

#endif
