#include "tests/power/cut.h"

#include <stdio.h>
#include <string.h>

#define SECTOR_LARGE 4096
#define SECTOR_SMALL 512
#define PIECES_MAX   65536
#define REMEMBERS    16 /* of so many images one is asked what it remembers */
#define LEAST        6  /* images of a window */
#define IN_DOUBT     11 /* times as many if something is in doubt: 64 at least */

/* One window: what is tried in it. */
struct window {
	struct cut *cut;
	const struct record_op *at;
	bool commits; /* it ends with the write that is the commit */
	size_t budget;
	uint8_t chosen[PIECES_MAX];
};

void cut_init(struct cut *cut, const struct load *load, const char *path)
{
	memset(cut, 0, sizeof(*cut));
	disk_init(&cut->disk);
	if (path != NULL) {
		disk_load(&cut->disk, path, "data.mdb");
	}
	image_init(&cut->image, load);
	cut->record = load->record;
	cut->judge = cut_judge;
	cut->contents = path != NULL;
}

void cut_finish(struct cut *cut)
{
	image_finish(&cut->image);
	disk_finish(&cut->disk);
}

/* What may be there besides: the lock file of the process that was cut off. */
static void leave_lock(struct cut *cut)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/lock.mdb", cut->image.world.folder);
	file = fopen(path, "wb");
	assert_non_null(file);
	for (size_t i = 0; i < 8192; i++) {
		fputc((int)load_random(&cut->seed, 256), file);
	}
	assert_int_equal(fclose(file), 0);
}

static void make_image(struct cut *cut, size_t sector, const uint8_t *chosen, int fill)
{
	image_clear(&cut->image);
	disk_write(&cut->disk, sector, chosen, fill, cut->image.world.folder);
	if (load_random(&cut->seed, 4) == 0) {
		leave_lock(cut);
	}
}

/* Which image it is, so that it can be found again. */
static void note(struct window *window, const char *problem, size_t sector, int fill)
{
	struct cut *cut = window->cut;
	const size_t pieces = disk_pieces(&cut->disk, sector);
	int used;

	cut->problems++;
	if (cut->first[0] != '\0') {
		return;
	}
	used = snprintf(cut->first, sizeof(cut->first),
		"image %zu, window %zu, sector %zu, fill %d, of what was not synced: ", cut->images,
		cut->windows, sector, fill);
	for (size_t i = 0; i < pieces && (size_t)used < sizeof(cut->first) - 200; i++) {
		cut->first[used++] = window->chosen[i] != 0 ? '1' : '0';
	}
	snprintf(cut->first + used, sizeof(cut->first) - (size_t)used, ": %s", problem);
}

static void try_image(struct window *window, size_t sector)
{
	static const int fills[] = {-1, 0, 0xa5, 0xff};
	struct cut *cut = window->cut;
	const int fill = fills[load_random(&cut->seed, 4)];
	const char *problem;

	make_image(cut, sector, window->chosen, fill);
	cut->images++;
	problem = cut->judge(cut, window->at, window->commits);
	cut->window_images++;
	if (problem != NULL) {
		note(window, problem, sector, fill);
	}
}

static void try_all(struct window *window, size_t pieces)
{
	window->cut->exhaustive++;
	for (uint64_t subset = 0; subset < UINT64_C(1) << pieces; subset++) {
		for (size_t i = 0; i < pieces; i++) {
			window->chosen[i] = subset >> i & 1;
		}
		try_image(window, SECTOR_LARGE);
	}
}

/* The first `count` are there, or lost; the one at `odd` is not as they are. */
static void try_plain(struct window *window, size_t pieces, size_t count, bool there, size_t odd)
{
	for (size_t i = 0; i < pieces; i++) {
		window->chosen[i] = (i < count) == there;
	}
	if (odd < pieces) {
		window->chosen[odd] = !window->chosen[odd];
	}
	try_image(window, SECTOR_LARGE);
}

static void try_random(struct window *window, size_t sector)
{
	struct cut *cut = window->cut;
	const size_t pieces = disk_pieces(&cut->disk, sector);
	const uint32_t share = 1 + load_random(&cut->seed, 15); /* of 16 pieces are there */

	assert_true(pieces <= PIECES_MAX);
	for (size_t i = 0; i < pieces; i++) {
		window->chosen[i] = load_random(&cut->seed, 16) < share;
	}
	try_image(window, sector);
}

static void try_some(struct window *window, size_t pieces)
{
	struct cut *cut = window->cut;
	const size_t end = cut->images + window->budget;
	const size_t first = load_random(&cut->seed, (uint32_t)pieces);

	try_plain(window, pieces, 0, true, pieces);      /* nothing is there */
	try_plain(window, pieces, pieces, true, pieces); /* all is */
	for (size_t i = 0; i < pieces && cut->images + window->budget / 2 < end; i++) {
		const size_t piece = (first + i) % pieces;

		try_plain(window, pieces, piece, true, pieces);
		try_plain(window, pieces, 0, true, piece);
		try_plain(window, pieces, pieces, true, piece);
	}
	while (cut->images < end) {
		try_random(window, load_random(&cut->seed, 2) == 0 ? SECTOR_SMALL : SECTOR_LARGE);
	}
}

static void try_window(struct cut *cut, const struct record_op *at, size_t budget)
{
	static struct window window;
	const size_t pieces = disk_pieces(&cut->disk, SECTOR_LARGE);

	window.cut = cut;
	window.at = at;
	window.commits = at->kind == RECORD_WRITE;
	window.budget = budget;
	cut->windows++;
	cut->window_images = 0;
	if (pieces < 24 && UINT64_C(1) << pieces <= budget) {
		const size_t end = cut->images + budget;

		try_all(&window, pieces);
		while (cut->images < end && disk_pieces(&cut->disk, SECTOR_SMALL) > pieces) {
			try_random(&window, SECTOR_SMALL);
		}
	} else {
		try_some(&window, pieces);
	}
}

/* What the store holds when nothing, or all, of what is pending is there. */
static uint64_t content(struct cut *cut, bool all)
{
	static uint8_t chosen[PIECES_MAX];
	const char *problem;
	uint64_t digest;

	memset(chosen, all ? 1 : 0, sizeof(chosen));
	make_image(cut, SECTOR_LARGE, chosen, 0);
	problem = image_open(&cut->image, &digest);
	if (problem != NULL) {
		print_message("the store that is being written is not whole: %s\n", problem);
	}
	assert_null(problem);
	world_close(&cut->image.world);
	return digest;
}

static size_t count_windows(const struct cut *cut)
{
	size_t count = 0;

	for (const struct record_op *op = NULL; (op = record_next(cut->record, op)) != NULL;) {
		count += disk_commits(&cut->disk, op) ? 1 : 0;
	}
	return count;
}

void cut_run(struct cut *cut)
{
	const size_t windows = count_windows(cut);
	const struct record_op *op = NULL;

	assert_true(windows > 0);
	assert_false(cut->record->full);
	if (cut->contents) {
		cut->before = content(cut, false);
	}
	while ((op = record_next(cut->record, op)) != NULL) {
		const size_t left =
			cut->images < cut->images_max ? cut->images_max - cut->images : 0;
		size_t budget;

		disk_take(&cut->disk, op);
		if (!disk_commits(&cut->disk, op)) {
			disk_done(&cut->disk, op);
			continue;
		}
		if (cut->contents && op->kind == RECORD_WRITE) {
			cut->after = content(cut, true);
		}
		budget = cut->windows < windows ? left / (windows - cut->windows) : 0;
		budget = budget > LEAST ? budget : LEAST;
		try_window(cut, op, disk_doubts(&cut->disk) ? budget * IN_DOUBT : budget);
		disk_done(&cut->disk, op);
		if (op->kind == RECORD_WRITE) {
			cut->before = cut->after;
		}
	}
}

static const char *judge_open(struct cut *cut, const struct record_op *at, bool commits)
{
	const bool ask = !cut->contents || cut->window_images == 0 ||
			 load_random(&cut->seed, REMEMBERS) == 0;
	const char *problem;
	uint64_t digest;

	problem = image_open(&cut->image, &digest);
	if (problem != NULL) {
		return problem;
	}
	if (cut->contents && digest != cut->before && !(commits && digest == cut->after)) {
		return "it has a part of a commit";
	}
	return ask ? image_remembers(&cut->image, at) : NULL;
}

const char *cut_judge(struct cut *cut, const struct record_op *at, bool commits)
{
	const char *problem = judge_open(cut, at, commits);

	if (cut->image.world.store != NULL) {
		world_close(&cut->image.world);
	}
	return problem;
}
