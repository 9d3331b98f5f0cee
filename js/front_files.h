/**
 * The PEM files of a front, which keywardd has read for it: it opens none itself. They change in
 * place; a SIGHUP says when.
 */
#ifndef KW_JS_FRONT_FILES_H
#define KW_JS_FRONT_FILES_H

#include "base/err.h"

/** Texts on the heap, each ended by NUL; NULL: not configured. */
struct js_front_files {
	char *tls_certificate;
	char *tls_key;
	char *client_ca;
	char *answer_certificate;
	char *answer_key;
	char *answer_ca;
};

/**
 * Read them from the descriptors of js/process.h.
 *
 * @return KW_OK; KW_E_NO_MEMORY; KW_E_SYSTEM (errno says why); KW_E_TOO_LONG: not what keywardd
 *         hands over. All are NULL on failure.
 */
KW_MUST_CHECK enum kw_err js_front_files_read(struct js_front_files *files);

/** Wipe and free. */
void js_front_files_finish(struct js_front_files *files);

#endif
