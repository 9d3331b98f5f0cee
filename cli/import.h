/** Loading devices: a clear file in sealed chunks, or envelopes that are sealed already. */
#ifndef KW_CLI_IMPORT_H
#define KW_CLI_IMPORT_H

#include "cli/api.h"
#include "cli/import_chunk.h"
#include "cli/policy.h"
#include "cli/progress.h"
#include "cli/source.h"

#include <stdint.h>

/** One run of `device import`. */
struct cli_import {
	struct cli *cli;
	const char *file; /* as given */
	struct cli_policy policy;
	bool dry_run;
	bool skip_errors;
	bool strict;    /* refuse new devices with a root key of another; else they are told of */
	uint32_t run;   /* tells the vault which envelopes are of this file; 0: there is one only */
	uint64_t rows;  /* data rows seen, good or bad */
	uint64_t added; /* stored; in a dry run: could be stored */
	uint64_t already; /* there already, with the same keys */
	uint64_t refused; /* bad rows, found here or by the vault */
	uint64_t warned;  /* taken with a warning */
	bool loading;     /* something may have been stored */
	json_t *errors;   /* with --json: what the API would say of the whole file */
	json_t *warnings; /* likewise; the first CLI_IMPORT_WARNINGS_JSON */
	struct cli_progress progress;
};

/** Say that a row was refused. `envelope` counts from 1; 0: there is only one, or none. */
void cli_import_refuse(
	struct cli_import *import, unsigned envelope, uint32_t line, const char *text);

#define CLI_IMPORT_WARNINGS      20 /* are printed; all are counted */
#define CLI_IMPORT_WARNINGS_JSON 1000

/** Say that a row was taken with a warning. */
void cli_import_warn(struct cli_import *import, unsigned envelope, uint32_t line, const char *text);

/** Load a clear file: all rows or, unless skip_errors, none. @return CLI_DONE, CLI_FAILED */
int cli_import_clear(struct cli_import *import, struct cli_source *source);
/** Seal and load one row. @return CLI_DONE (look at added and refused), CLI_FAILED */
int cli_import_row(struct cli_import *import, const struct pr_row *row);
/** Whether these first octets are of CMS in DER or PEM rather than of a device file. */
bool cli_import_is_sealed(const char *text, size_t length);
/** Load envelopes: one in DER, or one or several in PEM. @return CLI_DONE, CLI_FAILED */
int cli_import_sealed(struct cli_import *import, struct cli_source *source);

/** Octets that the API takes for an envelope as PEM. */
#define CLI_ENVELOPE_MAX ((size_t)180 * 1024)

/** One envelope on its way to the vault. */
struct cli_envelope {
	const void *octets;
	size_t length;
	unsigned number;               /* for messages; 0: the file is not made of envelopes */
	const struct cli_chunk *chunk; /* what is in it; NULL: sealed by somebody else */
	bool dry;
	struct cli_path path;
	struct cli_request request;
};

/** What the vault said of an envelope. Refused rows were told and counted already. */
struct cli_outcome {
	uint64_t rows;
	uint64_t added; /* in a dry run: could be; 0 if the envelope was refused */
	uint64_t already;
};

/** Hand an envelope over; cli_import_settle() must follow. @return CLI_DONE, CLI_FAILED */
int cli_import_start(struct cli_import *import, struct cli_envelope *envelope);
/** Wait for what the vault says of it. @return CLI_DONE, CLI_FAILED; *out is zero then */
int cli_import_settle(
	struct cli_import *import, const struct cli_envelope *envelope, struct cli_outcome *out);

/** From now on Ctrl-C, SIGTERM and SIGHUP are noticed between two envelopes; a second one ends the
 *  program. */
void cli_import_mind_signals(void);
bool cli_import_interrupted(void);
/** Say that the load ended half-way, and how to go on. @return CLI_FAILED */
int cli_import_stopped(const struct cli_import *import, uint64_t total);

#endif
