#include "js/told.h"

bool js_told_due(struct js_told *told, uint64_t now_us, uint64_t *held)
{
	*held = 0;
	if (now_us < told->due_us) {
		told->held++;
		return false;
	}
	*held = told->held;
	*told = (struct js_told){.due_us = now_us + JS_TOLD_REST_US};
	return true;
}
