/**
 * The channels between the vault and the others. keywardd holds both ends of each, so that they outlive
 * the processes; and so it sees if somebody has shut one down, which makes it useless for ever.
 */
#ifndef KW_JS_KEYWARDD_CHANNELS_H
#define KW_JS_KEYWARDD_CHANNELS_H

#include "base/err.h"
#include "js/process.h"

#include <poll.h>

#define JS_CHANNELS_MAX (1 + JS_FRONTS_MAX)

struct js_channels {
	int ends[JS_CHANNELS_MAX][2]; /* [0] the vault's, [1] the other; -1: to be made */
	size_t count;                 /* the portal's, then one per front */
};

/** `count` channels that are to be made. */
void js_channels_init(struct js_channels *channels, size_t count);

/**
 * Make a channel, with room for whole batches, if it is not there.
 *
 * @param vault  where a running vault takes the new channel's end (js/handover.h); -1: none runs, the
 *               next one will be started with it
 * @return KW_OK; else there is no channel, and trying again later is right:
 *         KW_E_SYSTEM (logged), KW_E_BUSY, KW_E_CLOSED (of js_handover_send())
 */
KW_MUST_CHECK enum kw_err js_channels_make(struct js_channels *channels, size_t channel, int vault);

/** What says that a channel may be dead. Returns how many were filled in, 2 for each at most. */
size_t js_channels_poll(const struct js_channels *channels, struct pollfd *fds);

/** Whether a channel is there and one direction of it was shut, by whichever side. */
bool js_channels_dead(const struct js_channels *channels, size_t channel);

/** Close both ends here; it is to be made again. */
void js_channels_close(struct js_channels *channels, size_t channel);

#endif
