/**
 * Reading all of a store to see whether it is whole. Changes nothing.
 *
 * What LMDB cannot follow may end the process (it trusts its pages), so who checks a store that may be
 * damaged does it in a process of its own.
 */
#ifndef KW_KEYSTORE_CHECK_H
#define KW_KEYSTORE_CHECK_H

#include "keystore/store.h"

/** Something that is wrong; the texts are borrowed for the call. */
struct ks_damage {
	const char *code;   /* a word for programs; it stays when the words change */
	const char *table;  /* or "free pages" */
	const char *record; /* its key as text; "": the table or the file as a whole */
	const char *what;   /* words for people, with what to do */
};

struct ks_check {
	/** Called for each damaged record. */
	void (*damage)(void *context, const struct ks_damage *damage);
	void *context;
	/* out: what was read */
	uint64_t devices;
	uint64_t states;
	uint64_t events; /* journal records */
	uint64_t peers;
	uint64_t pages; /* of the file */
	uint64_t damaged;
};

/**
 * Read every record of every table of an open store: each has its checksum, its fields are in their
 * ranges, sealed root keys and KEKs open where they are, the tables of devices agree with each
 * other, the journal has no gap behind what is folded, and each chain of unfolded joins leads to the
 * state record that it continues. Every page of the file is in use once, or free once.
 *
 * No transaction may be open.
 *
 * @return KW_OK       all was read; check->damaged tells of how many records it was reported
 *         KW_E_STORE, KW_E_STORE_DAMAGED  a table could not be read to its end (logged)
 *         KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err ks_check(struct ks_store *store, struct ks_check *check);

#endif
