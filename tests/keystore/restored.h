/** A backup in memory, and stores that are made of it. */
#ifndef KW_TESTS_KEYSTORE_RESTORED_H
#define KW_TESTS_KEYSTORE_RESTORED_H

#include "tests/keystore/scratch.h"

#include "keystore/backup.h"
#include "keystore/restore.h"

struct octets {
	uint8_t *at;
	size_t length;
};

/** Read a backup to its end; `between`, if not NULL, is called between pieces. To be freed. */
struct octets restored_read(
	struct ks_backup *backup, void (*between)(struct scratch *), struct scratch *scratch);
/** Take one of the open store. */
struct octets restored_backup(struct scratch *scratch);

/** An empty directory, and the options of a store in it. */
void restored_folder(struct scratch *target);
void restored_remove(struct scratch *target);

/** Hand the octets to ks_restore(), which reads them from a descriptor. */
enum kw_err restored_from(
	struct scratch *target, const struct octets *octets, struct ks_restore *restore);
/** The same with what is usual: the margin of the default, nothing there. */
enum kw_err restored_make(struct scratch *target, const struct octets *octets);

/** A root key of device `n`: "app" or "nwk". */
struct lw_key restored_key(const char *what, uint32_t n);
/** Register device `n` with keys of its own. */
void restored_add(struct scratch *scratch, uint32_t n, enum lw_version version);

#endif
