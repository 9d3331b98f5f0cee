/** A window on the text of a device file: all of it, or a piece that moves on. */
#ifndef KW_PROVISION_WINDOW_H
#define KW_PROVISION_WINDOW_H

#include "provision/row.h"

struct pr_window {
	const char *at;  /* where reading goes on */
	const char *end; /* of what is there */
	bool last;       /* nothing comes behind `end` */
	const struct pr_source *source;
	char *buffer;
	size_t size;
};

/** All of a text in memory. @return KW_OK, KW_E_SYNTAX (no text; *why is set) */
KW_MUST_CHECK enum kw_err pr_window_of(
	struct pr_window *window, const char *text, size_t length, char why[PR_TEXT_SIZE]);
/** Fill the first window from a source. Errors as pr_window_more(). */
KW_MUST_CHECK enum kw_err pr_window_open(
	struct pr_window *window, const struct pr_source *source, char why[PR_TEXT_SIZE]);
/** Wipe what it holds. */
void pr_window_finish(struct pr_window *window);

/**
 * Move what is left to the front and read on until the window is full or the file ends. Pointers
 * into the window are no good afterwards.
 *
 * @return KW_OK; KW_E_TOO_LONG (nothing could be read: it is full of what is left), KW_E_SYNTAX (no
 *         text; *why is set), or what the source said
 */
KW_MUST_CHECK enum kw_err pr_window_more(struct pr_window *window, char why[PR_TEXT_SIZE]);
/** Read all that is left of the file, however much. Also KW_E_NO_MEMORY, KW_E_TOO_LONG (more than
 *  PR_JSON_MAX). */
KW_MUST_CHECK enum kw_err pr_window_rest(struct pr_window *window, char why[PR_TEXT_SIZE]);

#endif
