#include "js/suspects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WAYS      4
#define SETS      (JS_SUSPECTS_SLOTS / WAYS)
#define SET_SHIFT 54 /* 64 - log2(SETS) */

static_assert(UINT64_C(1) << (64 - SET_SHIFT) == SETS, "all sets, and no more");

enum kw_err js_suspects_init(struct js_suspects *suspects, const struct kw_env *env)
{
	*suspects = (struct js_suspects){
		.slots = calloc(JS_SUSPECTS_SLOTS, sizeof(suspects->slots[0]))};
	if (suspects->slots == NULL) {
		return KW_E_NO_MEMORY;
	}
	return kw_random(env, suspects->secret, sizeof(suspects->secret));
}

void js_suspects_finish(struct js_suspects *suspects)
{
	free(suspects->slots);
	*suspects = (struct js_suspects){0};
}

/* Spread: numbers in a row, as DevEUIs are, would otherwise all go to few sets under some secrets. */
static uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= UINT64_C(0xff51afd7ed558ccd);
	value ^= value >> 33;
	value *= UINT64_C(0xc4ceb9fe1a85ec53);
	return value;
}

/* Keyed, so that nobody can choose devices that push another one out. */
static struct js_suspects_slot *set_of(
	const struct js_suspects *suspects, const struct lw_device_id *id)
{
	uint32_t high, low;
	uint64_t set;

	memcpy(&high, id->dev_eui.octets, sizeof(high));
	memcpy(&low, id->dev_eui.octets + sizeof(high), sizeof(low));
	set = mix(suspects->secret[0] * high + suspects->secret[1] * low + suspects->secret[2]) >>
	      SET_SHIFT;
	return &suspects->slots[WAYS * set];
}

static bool has_alarm(const struct js_suspects_slot *slot)
{
	return slot->told[JS_SUSPECTS_MIC] > 0 || slot->told[JS_SUSPECTS_REPLAY] > 0;
}

static bool is_over(const struct js_suspects_slot *slot, uint64_t now_us)
{
	return now_us - slot->since_us >= JS_SUSPECTS_WINDOW_US;
}

static struct js_suspects_slot *find(
	const struct js_suspects *suspects, const struct lw_device_id *id)
{
	struct js_suspects_slot *set = set_of(suspects, id);

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].since_us != 0 && lw_eui_equal(&set[i].id.dev_eui, &id->dev_eui) &&
			lw_eui_equal(&set[i].id.join_eui, &id->join_eui)) {
			return &set[i];
		}
	}
	return NULL;
}

/* Whether `a` should rather be given away than `b`: a free one, one without an alarm, the older. */
static bool rather(const struct js_suspects_slot *a, const struct js_suspects_slot *b)
{
	if (a->since_us == 0 || b->since_us == 0) {
		return a->since_us == 0;
	}
	if (has_alarm(a) != has_alarm(b)) {
		return has_alarm(b);
	}
	return a->since_us < b->since_us;
}

static void begin(struct js_suspects *suspects, struct js_suspects_slot *slot,
	const struct lw_device_id *id, uint64_t now_us)
{
	suspects->alarmed -= has_alarm(slot);
	*slot = (struct js_suspects_slot){.id = *id, .since_us = now_us != 0 ? now_us : 1};
}

static struct js_suspects_slot *find_or_begin(
	struct js_suspects *suspects, const struct lw_device_id *id, uint64_t now_us)
{
	struct js_suspects_slot *slot = find(suspects, id);
	struct js_suspects_slot *set = set_of(suspects, id);

	if (slot == NULL) {
		slot = set;
		for (size_t i = 1; i < WAYS; i++) {
			slot = rather(&set[i], slot) ? &set[i] : slot;
		}
		begin(suspects, slot, id, now_us);
	} else if (is_over(slot, now_us) && !has_alarm(slot)) {
		/* With an alarm it goes on until js_suspects_end() has told of it. */
		begin(suspects, slot, id, now_us);
	}
	return slot;
}

static void tell(struct js_suspects_slot *slot, enum js_suspects_kind kind, uint64_t now_us,
	struct ks_event *alarm)
{
	*alarm = (struct ks_event){
		.id = slot->id,
		.kind = KS_EVENT_ALARM,
		.err = kind == JS_SUSPECTS_MIC ? KW_E_MIC : KW_E_REPLAY,
		.net_id = slot->net_id,
		.ns_peer = slot->ns_peer,
		.repeats = slot->count[kind],
		.seconds = (uint32_t)((now_us - slot->since_us) / 1000000 + 1),
	};
	slot->told[kind] = slot->count[kind];
}

enum js_suspects_verdict js_suspects_note(struct js_suspects *suspects,
	const struct ks_event *event, uint64_t now_us, struct ks_event *alarm)
{
	const enum js_suspects_kind kind =
		event->err == KW_E_MIC ? JS_SUSPECTS_MIC : JS_SUSPECTS_REPLAY;
	struct js_suspects_slot *slot;

	if (event->err != KW_E_MIC && event->err != KW_E_REPLAY) {
		return JS_SUSPECTS_USUAL;
	}
	slot = find_or_begin(suspects, &event->id, now_us);
	slot->net_id = event->net_id;
	slot->ns_peer = event->ns_peer;
	slot->count[kind] += slot->count[kind] < UINT32_MAX;
	if (slot->count[kind] < JS_SUSPECTS_ALARM) {
		return JS_SUSPECTS_USUAL;
	}
	if (slot->told[kind] > 0) {
		return JS_SUSPECTS_COUNTED;
	}
	suspects->alarmed += !has_alarm(slot);
	tell(slot, kind, now_us, alarm);
	alarm->time_ms = event->time_ms;
	return JS_SUSPECTS_RAISED;
}

/* The slot at hand, of which there may be two things to tell. */
static bool end_slot(struct js_suspects *suspects, struct js_suspects_slot *slot, uint64_t now_us,
	struct ks_event *alarm)
{
	for (enum js_suspects_kind kind = 0; kind < JS_SUSPECTS_KINDS; kind++) {
		if (slot->told[kind] > 0 && slot->told[kind] < slot->count[kind]) {
			tell(slot, kind, now_us, alarm);
			return true;
		}
	}
	suspects->alarmed--;
	*slot = (struct js_suspects_slot){0};
	return false;
}

bool js_suspects_end(struct js_suspects *suspects, uint64_t now_us, struct ks_event *alarm)
{
	while (suspects->alarmed > 0 && suspects->at < JS_SUSPECTS_SLOTS) {
		struct js_suspects_slot *slot = &suspects->slots[suspects->at];

		if (has_alarm(slot) && is_over(slot, now_us) &&
			end_slot(suspects, slot, now_us, alarm)) {
			return true;
		}
		suspects->at++;
	}
	suspects->at = 0;
	return false;
}

bool js_suspects_may_rejoin(
	struct js_suspects *suspects, const struct lw_device_id *id, uint64_t now_us)
{
	struct js_suspects_slot *slot = find(suspects, id);

	if (slot == NULL || !has_alarm(slot) || now_us >= slot->rejoin_us) {
		if (slot != NULL) {
			slot->rejoin_us = now_us + JS_SUSPECTS_REJOIN_US;
		}
		return true;
	}
	return false;
}
