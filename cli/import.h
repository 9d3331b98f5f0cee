/** Loading devices: a clear file in sealed chunks, or envelopes that are sealed already. */
#ifndef KW_CLI_IMPORT_H
#define KW_CLI_IMPORT_H

#include "cli/api.h"
#include "cli/policy.h"
#include "cli/rows.h"

#include <stdint.h>

/** One run of `device import`. */
struct cli_import {
	struct cli *cli;
	const char *file; /* as given */
	struct cli_policy policy;
	bool dry_run;
	bool skip_errors;
	uint64_t rows;    /* data rows seen, good or bad */
	uint64_t added;   /* stored; in a dry run: could be stored */
	uint64_t refused; /* bad rows, found here or by the vault */
	json_t *errors;   /* with --json: what the API would say of the whole file */
};

/** Say that a row was refused. `envelope` counts from 1; 0: there is only one, or none. */
void cli_import_refuse(
	struct cli_import *import, unsigned envelope, uint32_t line, const char *text);

/** Seal and load rows: all of them or, unless skip_errors, none. @return CLI_DONE, CLI_FAILED */
int cli_import_rows(struct cli_import *import, const struct cli_rows *rows);

/** Whether a file is CMS in DER or PEM rather than a device file. */
bool cli_import_is_sealed(const char *text, size_t length);
/** Load envelopes: one in DER, or one or several in PEM. */
int cli_import_sealed(struct cli_import *import, const char *text, size_t length);

#endif
