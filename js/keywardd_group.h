/**
 * The children of keywardd together: started, restarted with back-off, stopped in order. Time is
 * handed in; nothing here waits.
 */
#ifndef KW_JS_KEYWARDD_GROUP_H
#define KW_JS_KEYWARDD_GROUP_H

#include "js/board.h"
#include "js/keywardd_child.h"

#include <poll.h>

#define JS_CHILDREN_MAX  (2 + JS_FRONTS_MAX)
#define JS_GROUP_FDS_MAX (JS_CHILDREN_MAX + 2 * JS_CHANNELS_MAX)

enum js_stage {
	JS_STAGE_RUN,
	JS_STAGE_STOP_FRONTS, /* fronts and portal finish what they have; the vault still answers */
	JS_STAGE_STOP_VAULT,
	JS_STAGE_KILL,
};

struct js_group {
	struct js_setup setup;
	struct js_child children[JS_CHILDREN_MAX]; /* vault, portal, front 1 ... */
	size_t count;
	struct js_board *board;
	enum js_stage stage;
	uint64_t deadline_us; /* of a stopping stage */
	bool failed;          /* stops because a child cannot start */
};

/** The table; starts nothing yet. `setup` has been filled. */
void js_group_init(struct js_group *group, struct js_board *board, uint64_t now_us);

/**
 * Do what is due: end children whose channel is dead, start children, or go on stopping. True when
 * stopped and all have gone.
 */
bool js_group_advance(struct js_group *group, uint64_t now_us);

/** How long until something is due; -1: nothing is. */
int js_group_timeout_ms(const struct js_group *group, uint64_t now_us);

/** What to wait for. Returns how many were filled in, at most JS_GROUP_FDS_MAX. */
size_t js_group_poll(const struct js_group *group, struct pollfd *fds);

/** Look who has become ready. True if with that all serve. */
bool js_group_take_ready(struct js_group *group, uint64_t now_us);

/** Take leave of the children that have died (after SIGCHLD). */
void js_group_reap(struct js_group *group, uint64_t now_us);

/** True if no front is on its way between its start and being ready, when it reads its PEM files. */
bool js_group_settled(const struct js_group *group);

/** Tell the fronts that serve to read their PEM files again. */
void js_group_reload(const struct js_group *group);

/** Begin to stop. */
void js_group_stop(struct js_group *group, uint64_t now_us);

#endif
