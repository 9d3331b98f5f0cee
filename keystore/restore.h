/**
 * A store made of a backup, for a vault that is not serving.
 *
 * The store that comes out is the one of the backup in a new epoch: every device's next JoinNonce is
 * advanced by a margin, so that none is handed out again that was handed out after the backup.
 *
 * After a crash the directory has the store that it had, or none if it had none, or the whole new
 * one; what is half made is called data.mdb.new and is removed the next time.
 */
#ifndef KW_KEYSTORE_RESTORE_H
#define KW_KEYSTORE_RESTORE_H

#include "keystore/store.h"

/* A device accepts each of 65,536 DevNonces once, and each of 65,536 RJcounts of type 1. */
#define KS_NONCE_MARGIN     131072
#define KS_NONCE_MARGIN_MIN 1024
#define KS_NONCE_MARGIN_MAX 4194304

struct ks_restore {
	int fd;                /* the backup, read to its end; need not be seekable */
	uint32_t nonce_margin; /* KS_NONCE_MARGIN_MIN to KS_NONCE_MARGIN_MAX */
	bool replace;          /* keep a store that is there under another name */
	bool check;            /* make no store; options->path is any directory to work in */

	/* out, once the backup was found to be whole */
	uint8_t store_id[8];
	uint64_t time_ms; /* of the backup */
	uint64_t records;
	uint64_t devices;
	uint32_t epoch; /* the new one; check: that of the backup */
	uint32_t
		advanced; /* sum of the margins of this and all earlier restores; check: of those */
	uint64_t exhausted; /* devices that have no JoinNonce left and cannot join; logged */
	uint64_t damaged;   /* devices whose records do not read; they cannot join; logged */
	char aside[48];     /* name of the store that was there; "" if none was */
};

/**
 * Read a backup, check it to its last octet, and make it the store of options->path, or only check
 * it. All errors are logged, with what to do.
 *
 * @return KW_OK
 *         KW_E_INVALID        the margin is out of its range
 *         KW_E_EXISTS         there is a store, and it is not to be replaced
 *         KW_E_STORE_LOCKED   a process has the store open
 *         KW_E_SYNTAX         no backup of Keyward
 *         KW_E_TRUNCATED      cut short, or something behind its end
 *         KW_E_STORE_DAMAGED  a check is wrong, or it was changed after it was taken
 *         KW_E_STORE_NEWER    taken by a newer Keyward
 *         KW_E_MASTER_KEY     the master key is not that of the backup
 *         KW_E_EXHAUSTED      after this margin no device would have a JoinNonce left
 *         KW_E_STORE, KW_E_STORE_FULL, KW_E_NO_MEMORY, KW_E_CRYPTO, KW_E_SYSTEM
 */
KW_MUST_CHECK enum kw_err ks_restore(const struct ks_options *options,
	const struct ks_master_key *master, struct ks_restore *restore);

#endif
