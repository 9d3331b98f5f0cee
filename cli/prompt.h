/** Asking for a secret on the terminal. */
#ifndef KW_CLI_PROMPT_H
#define KW_CLI_PROMPT_H

#include <stddef.h>

/**
 * Ask on standard error and read a line from standard input, a terminal, without echo. The echo is
 * back on in any case, also after Ctrl-C.
 *
 * @param out  out: the line without its end; "" on failure
 * @return CLI_DONE, or CLI_FAILED with everything said
 */
int cli_prompt(const char *question, char *out, size_t size);

#endif
