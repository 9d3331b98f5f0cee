/**
 * One device as a file describes it, and the readers of such files.
 *
 * The same reader runs in the CLI, which checks a file and seals it in chunks, and in the vault,
 * which opens the envelope: what is inside an envelope is such a file again, so that
 * `openssl cms -encrypt` over a CSV file makes a good one.
 *
 * Sources: The Things Stack's end-device CSV; docs/provisioning.md lists the spellings accepted.
 */
#ifndef KW_PROVISION_ROW_H
#define KW_PROVISION_ROW_H

#include "base/err.h"
#include "lorawan/aes.h"
#include "lorawan/eui.h"
#include "lorawan/version.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PR_NAME_SIZE 64
#define PR_TEXT_SIZE 120

/** Holds root keys in the clear: wipe it (kw_wipe) when done. */
struct pr_row {
	uint32_t line; /* of the file, from 1; the header line counts */
	struct lw_device_id id;
	enum lw_version version;
	struct lw_key app_key; /* 1.0.x: the one root key */
	struct lw_key nwk_key; /* 1.1 only */
	bool has_nwk_key;
	char name[PR_NAME_SIZE]; /* "" if none */
};

/** What is wrong with a row. */
struct pr_problem {
	uint32_t line;
	enum kw_err err;
	char text
		[PR_TEXT_SIZE]; /* column, what is wrong, what to do; never a key or a part of one */
};

struct pr_sink {
	/** A good row; wiped by the reader afterwards. Return KW_OK to go on, else the reader stops
	 *  and returns that. */
	enum kw_err (*row)(void *context, const struct pr_row *row);
	/** A bad row; the reader goes on. Return as above. */
	enum kw_err (*problem)(void *context, const struct pr_problem *problem);
	/** A thing to know that is no error, e.g. "column frequency_plan_id is ignored". May be NULL. */
	void (*notice)(void *context, const char *text);
	/** pr_read_from(): at the end, a row whose DevEUI was far in front of it too; it went to row()
	 *  before. NULL: such rows are not looked for. */
	enum kw_err (*twice)(void *context, const struct pr_problem *problem);
	void *context;
};

/** A file that is read piece by piece. */
struct pr_source {
	/** Read up to `size` octets. *got is 0 at the end. Return KW_OK to go on, else the reader stops
	 *  and returns that. */
	enum kw_err (*read)(void *context, char *out, size_t size, size_t *got);
	void *context;
};

/**
 * Read a device file held in memory: CSV (comma or semicolon, quotes, BOM, CRLF) or JSON (an
 * object, an array, or one object a line, as The Things Stack exports it), told apart by its first
 * character. The text is not changed; copies of keys are wiped.
 *
 * @return KW_OK        every row went to sink->row or sink->problem
 *         KW_E_SYNTAX  not readable as a whole (no header line, a quote that never ends, a column
 *                      missing, binary rubbish); *why says what to do
 *         or what a callback returned
 */
KW_MUST_CHECK enum kw_err pr_read(
	const char *text, size_t length, const struct pr_sink *sink, char why[PR_TEXT_SIZE]);

/**
 * The same for a file of any length. CSV takes the same memory however long it is; JSON is read as a
 * whole and has at most PR_JSON_MAX octets. A record of CSV has at most PR_RECORD_MAX octets.
 * A DevEUI that stands twice is found where it stands if no more than PR_SEEN_MAX rows are between;
 * farther ones are found at the end, with the help of a temporary file of 16 octets a row.
 *
 * Rows may have gone to the sink before KW_E_SYNTAX tells that the file as a whole is no good.
 *
 * @return as pr_read(); also KW_E_SYSTEM (the temporary file; logged), KW_E_NO_MEMORY
 */
KW_MUST_CHECK enum kw_err pr_read_from(
	const struct pr_source *source, const struct pr_sink *sink, char why[PR_TEXT_SIZE]);

#define PR_RECORD_MAX ((size_t)1 << 20)
#define PR_JSON_MAX   ((size_t)1 << 30)
#define PR_SEEN_MAX   ((size_t)1 << 16)

/** Upper bound of what pr_csv_write_row() writes. */
#define PR_CSV_ROW_MAX 512
/** The header line of the CSV that pr_csv_write_row() writes, "\n" included. */
extern const char pr_csv_header[];
/** Write one row as CSV, "\n" included. @return octets written; the buffer then holds keys */
size_t pr_csv_write_row(const struct pr_row *row, char out[PR_CSV_ROW_MAX]);

#endif
