/**
 * The DevEUIs of a long file, with the line of each: sorted runs in a temporary file. Finds those that
 * stand in two runs.
 */
#ifndef KW_PROVISION_RUNS_H
#define KW_PROVISION_RUNS_H

#include "provision/seen.h"

struct pr_run {
	uint64_t place; /* of what is still to be read, in entries */
	uint64_t end;
	uint64_t first, last; /* DevEUIs, as numbers */
};

struct pr_runs {
	int fd; /* -1: no file yet */
	struct pr_run *list;
	size_t count;
	size_t size;
};

void pr_runs_init(struct pr_runs *runs);
void pr_runs_finish(struct pr_runs *runs);
/** Write what was seen as one run more, and empty it. @return KW_OK, KW_E_SYSTEM, KW_E_NO_MEMORY */
KW_MUST_CHECK enum kw_err pr_runs_take(struct pr_runs *runs, struct pr_seen *seen);

typedef enum kw_err (*pr_twice)(
	void *context, const struct lw_eui *dev_eui, uint32_t first_line, uint32_t line);
/**
 * Tell of every DevEUI that is in more than one run: of each line but the first. Uses the runs up.
 * Reads nothing if the file was sorted by DevEUI.
 *
 * @return KW_OK, KW_E_SYSTEM, KW_E_NO_MEMORY, or what twice() returned
 */
KW_MUST_CHECK enum kw_err pr_runs_twice(struct pr_runs *runs, pr_twice twice, void *context);

#endif
