/** The intake certificate of the vault, and sealing to it. */
#ifndef KW_CLI_INTAKE_H
#define KW_CLI_INTAKE_H

#include "cli/cli.h"

#include <stddef.h>
#include <stdint.h>

/** Seal to the intake certificate, which is fetched at the first call.
 *  @param out  out: CMS in DER, to be freed; NULL on failure
 *  @return CLI_DONE, or CLI_FAILED with everything said */
int cli_intake_seal(
	struct cli *cli, const void *plain, size_t length, uint8_t **out, size_t *out_length);

#endif
