#include "provision/runs.h"

#include "base/temp.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_SIZE   16
#define HEAD_ENTRIES 512 /* of each run in memory while they are merged */

/* The front of a run, while runs are merged. */
struct head {
	struct pr_run run;
	struct pr_seen_entry *entries; /* HEAD_ENTRIES of them */
	size_t at;
	size_t count; /* 0: the run is used up */
};

struct merge {
	const struct pr_runs *runs;
	struct head *heads; /* a heap: the least is at the front */
	size_t count;
	struct pr_seen_entry *entries;
};

void pr_runs_init(struct pr_runs *runs)
{
	*runs = (struct pr_runs){.fd = -1};
}

void pr_runs_finish(struct pr_runs *runs)
{
	if (runs->fd >= 0) {
		close(runs->fd);
	}
	free(runs->list);
	pr_runs_init(runs);
}

static enum kw_err make_room(struct pr_runs *runs)
{
	const size_t size = runs->size == 0 ? START_SIZE : 2 * runs->size;
	struct pr_run *list;

	if (runs->fd < 0) {
		const enum kw_err err = kw_temp_open(&runs->fd);

		if (err != KW_OK) {
			return err;
		}
	}
	if (runs->count < runs->size) {
		return KW_OK;
	}
	list = realloc(runs->list, size * sizeof(*list));
	if (list == NULL) {
		return KW_E_NO_MEMORY;
	}
	runs->list = list;
	runs->size = size;
	return KW_OK;
}

enum kw_err pr_runs_take(struct pr_runs *runs, struct pr_seen *seen)
{
	const size_t count = pr_seen_sort(seen);
	const uint64_t place = runs->count == 0 ? 0 : runs->list[runs->count - 1].end;
	enum kw_err err = count == 0 ? KW_OK : make_room(runs);

	if (err == KW_OK && count > 0) {
		err = kw_temp_write(runs->fd, seen->entries, count * sizeof(*seen->entries));
	}
	if (err == KW_OK && count > 0) {
		runs->list[runs->count++] = (struct pr_run){
			.place = place,
			.end = place + count,
			.first = seen->entries[0].eui,
			.last = seen->entries[count - 1].eui,
		};
	}
	pr_seen_empty(seen);
	return err;
}

static bool are_apart(const struct pr_runs *runs)
{
	for (size_t i = 1; i < runs->count; i++) {
		if (runs->list[i].first <= runs->list[i - 1].last) {
			return false;
		}
	}
	return true;
}

static enum kw_err fill(const struct pr_runs *runs, struct head *head)
{
	const uint64_t left = head->run.end - head->run.place;
	enum kw_err err;

	head->at = 0;
	head->count = left < HEAD_ENTRIES ? (size_t)left : HEAD_ENTRIES;
	err = kw_temp_read(runs->fd, head->run.place * sizeof(*head->entries), head->entries,
		head->count * sizeof(*head->entries));
	head->run.place += head->count;
	return err;
}

/* By DevEUI, then by line; one that is used up is behind all others. */
static bool comes_before(const struct head *a, const struct head *b)
{
	const struct pr_seen_entry *x = &a->entries[a->at];
	const struct pr_seen_entry *y = &b->entries[b->at];

	if (a->count == 0 || b->count == 0) {
		return b->count == 0 && a->count != 0;
	}
	return x->eui != y->eui ? x->eui < y->eui : x->line < y->line;
}

static void sink(struct merge *merge, size_t at)
{
	for (;;) {
		size_t least = at;
		struct head moved;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++) {
			if (child < merge->count &&
				comes_before(&merge->heads[child], &merge->heads[least])) {
				least = child;
			}
		}
		if (least == at) {
			return;
		}
		moved = merge->heads[at];
		merge->heads[at] = merge->heads[least];
		merge->heads[least] = moved;
		at = least;
	}
}

static enum kw_err start_merge(const struct pr_runs *runs, struct merge *merge)
{
	enum kw_err err = KW_OK;

	*merge = (struct merge){.runs = runs, .count = runs->count};
	merge->heads = calloc(runs->count, sizeof(*merge->heads));
	merge->entries = calloc(runs->count * HEAD_ENTRIES, sizeof(*merge->entries));
	if (merge->heads == NULL || merge->entries == NULL) {
		return KW_E_NO_MEMORY;
	}
	for (size_t i = 0; err == KW_OK && i < runs->count; i++) {
		merge->heads[i].run = runs->list[i];
		merge->heads[i].entries = merge->entries + i * HEAD_ENTRIES;
		err = fill(runs, &merge->heads[i]);
	}
	for (size_t i = runs->count; err == KW_OK && i-- > 0;) {
		sink(merge, i);
	}
	return err;
}

/* The least entry of all; false when there is none left. */
static bool take_least(struct merge *merge, struct pr_seen_entry *out, enum kw_err *err)
{
	struct head *head = &merge->heads[0];

	if (head->count == 0) {
		return false;
	}
	*out = head->entries[head->at++];
	if (head->at == head->count) {
		*err = fill(merge->runs, head);
	}
	sink(merge, 0);
	return true;
}

static enum kw_err tell(
	const struct pr_seen_entry *first, uint32_t line, pr_twice twice, void *context)
{
	const uint64_t octets = htobe64(first->eui);
	struct lw_eui eui;

	memcpy(eui.octets, &octets, sizeof(eui.octets));
	return twice(context, &eui, first->line, line);
}

enum kw_err pr_runs_twice(struct pr_runs *runs, pr_twice twice, void *context)
{
	struct pr_seen_entry first = {.line = 0};
	struct pr_seen_entry next;
	struct merge merge;
	enum kw_err err;

	if (are_apart(runs)) {
		return KW_OK;
	}
	err = start_merge(runs, &merge);
	while (err == KW_OK && take_least(&merge, &next, &err)) {
		if (first.line != 0 && next.eui == first.eui) {
			err = err == KW_OK ? tell(&first, next.line, twice, context) : err;
		} else {
			first = next;
		}
	}
	free(merge.heads);
	free(merge.entries);
	return err;
}
