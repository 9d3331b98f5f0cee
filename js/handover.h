/**
 * A channel handed to a vault that runs: one descriptor with the number of the channel that it is, over
 * the socket pair on which the vault tells keywardd that it is alive (JS_FD_READY).
 */
#ifndef KW_JS_HANDOVER_H
#define KW_JS_HANDOVER_H

#include "base/err.h"

#include <stddef.h>

/**
 * Hand over the vault's end of a channel. The descriptor stays the caller's, too. Does not wait.
 *
 * @param channel  0: the portal's, then one per front
 * @return KW_OK        it is in the vault's queue; lost if the vault ends before it looks
 *         KW_E_BUSY    no room in the queue, or too many descriptors under way
 *         KW_E_CLOSED  the vault has gone
 *         KW_E_SYSTEM  (logged)
 */
KW_MUST_CHECK enum kw_err js_handover_send(int control, size_t channel, int fd);

/**
 * Take one channel. Does not wait. Of a message that is not one channel, a connected pair's end by its
 * kind, all descriptors are closed.
 *
 * @param channels  how many there are
 * @param channel   out: which one it is, below `channels`
 * @param fd        out: the caller's from now on; -1 if not KW_OK
 * @return KW_OK
 *         KW_E_BUSY     nothing there
 *         KW_E_CLOSED   keywardd has gone
 *         KW_E_INVALID  a message that must not be; it was consumed
 *         KW_E_SYSTEM   (logged)
 */
KW_MUST_CHECK enum kw_err js_handover_receive(
	int control, size_t channels, size_t *channel, int *fd);

#endif
