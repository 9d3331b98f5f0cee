/**
 * What a store in a directory is worth after a power cut: whether it opens, is whole, and remembers
 * what was answered.
 */
#ifndef KW_TESTS_POWER_IMAGE_H
#define KW_TESTS_POWER_IMAGE_H

#include "tests/power/load.h"

struct image {
	struct world world; /* in a directory of its own; closed */
	const struct load *load;
};

void image_init(struct image *image, const struct load *load);
void image_finish(struct image *image);
/** Remove the files of the last image. */
void image_clear(struct image *image);

/**
 * Open the store with Keyward's own code and read all of it.
 *
 * @param content  out: a digest of all records
 * @return NULL: it is whole; else what is wrong. It is open then if image->world.store is not NULL
 */
const char *image_open(struct image *image, uint64_t *content);

/** A digest of the records of an open store that have checksums. */
uint64_t image_records(struct image *image);

/**
 * Whether an open store remembers all joins that were answered up to an op of the record: each
 * DevNonce and RJcount is refused, each JoinNonce is behind, each session is there, the last answer
 * of a device is given again to the identical question, and each device joins again with a
 * JoinNonce of which nobody knows. Writes to the store.
 *
 * @return NULL: it does; else what was forgotten
 */
const char *image_remembers(struct image *image, const struct record_op *until);

#endif
