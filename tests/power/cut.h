/**
 * The power cut: all moments of a record at which it may happen, and for each the images that it may
 * leave, or as many of them as there is time for.
 */
#ifndef KW_TESTS_POWER_CUT_H
#define KW_TESTS_POWER_CUT_H

#include "tests/power/disk.h"
#include "tests/power/image.h"

struct cut {
	struct disk disk;
	struct image image;
	const struct record *record;
	uint64_t seed;
	size_t images_max; /* to be tried in all, about */
	/** What to think of an image; `commits`: the op at which the power goes is the write that
	 *  makes a commit. NULL: it is good; else the problem. */
	const char *(*judge)(struct cut *cut, const struct record_op *at, bool commits);
	bool contents;   /* keep the next two: the disk has a store on it from the start */
	uint64_t before; /* digest of the store's records without the commit that is under way */
	uint64_t after;  /* and with it */
	/* out */
	size_t windows;    /* between what makes durable */
	size_t exhaustive; /* of them tried with every subset of what is pending */
	size_t images;
	size_t problems;
	char first[512];      /* the first problem, and which image has it */
	size_t window_images; /* tried in this window */
};

/** A disk with the file in `path` on it (NULL: an empty one), and images for the joins of a load. */
void cut_init(struct cut *cut, const struct load *load, const char *path);
void cut_finish(struct cut *cut);

/**
 * Try the whole record. For each window between two ops that make something durable: if what is
 * pending at its end, in sectors of 4096 octets, has few enough subsets, every subset, and random ones
 * in sectors of 512 octets; else nothing and all of it, prefixes, all but one piece, one piece alone,
 * and random subsets in sectors of either size. A subset of what is pending earlier in the window is
 * one of what is pending at the end.
 */
void cut_run(struct cut *cut);

/** The judge for a vault under load: the image is whole, has all of the commit that was under way or
 *  nothing of it, and remembers what was answered. The last is looked at where something new was
 *  answered, and in every 16th image; in every one where cut->contents is not set. */
const char *cut_judge(struct cut *cut, const struct record_op *at, bool commits);

#endif
