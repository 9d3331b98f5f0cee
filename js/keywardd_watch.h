/**
 * Whether a child that serves still turns its loop: it says so once a second (js_process_alive()).
 *
 * Looks are counted, not seconds: when keywardd was stopped together with its children, or came late
 * to its turn on a busy machine, that is one look. Time is handed in; nothing here waits.
 */
#ifndef KW_JS_KEYWARDD_WATCH_H
#define KW_JS_KEYWARDD_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define JS_WATCH_LOOK_US   UINT64_C(2000000)
#define JS_WATCH_LOOKS_MAX 5 /* without a word between them: 10 to 12 s */

struct js_watch {
	uint64_t look_us; /* the next look; 0: nobody is watched */
	unsigned silent;  /* looks in a row before which nothing was heard */
	bool heard;       /* since the last look */
};

/** The child serves from now on. */
void js_watch_begin(struct js_watch *watch, uint64_t now_us);

/** The child said that it is alive. */
void js_watch_hear(struct js_watch *watch);

/** Look, if it is time to. True if the child is stuck; it is not watched any more then. */
bool js_watch_look(struct js_watch *watch, uint64_t now_us);

/** It died. */
void js_watch_end(struct js_watch *watch);

#endif
