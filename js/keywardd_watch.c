#include "js/keywardd_watch.h"

void js_watch_begin(struct js_watch *watch, uint64_t now_us)
{
	*watch = (struct js_watch){.look_us = now_us + JS_WATCH_LOOK_US};
}

void js_watch_hear(struct js_watch *watch)
{
	watch->heard = true;
}

bool js_watch_look(struct js_watch *watch, uint64_t now_us)
{
	if (watch->look_us == 0 || now_us < watch->look_us) {
		return false;
	}
	watch->silent = watch->heard ? 0 : watch->silent + 1;
	watch->heard = false;
	watch->look_us = now_us + JS_WATCH_LOOK_US;
	if (watch->silent < JS_WATCH_LOOKS_MAX) {
		return false;
	}
	js_watch_end(watch);
	return true;
}

void js_watch_end(struct js_watch *watch)
{
	*watch = (struct js_watch){.look_us = 0};
}
