/**
 * One row per setting: where it stands in the file, how its text becomes a value, its limits and
 * its default. Internal to conf/.
 */
#ifndef KW_CONF_SETTING_H
#define KW_CONF_SETTING_H

#include "conf/conf.h"

struct conf_setting {
	const char *section;
	const char *name;
	/**
	 * Put the value that `text` (never empty) stands for into `conf`. Relative paths are relative
	 * to `directory`. On failure `why` gets what is wrong and what to do, without file and line.
	 */
	enum kw_err (*read)(const struct conf_setting *setting, const char *text,
		const char *directory, struct conf *conf, char why[CONF_WHY_SIZE]);
	size_t offset; /* of the value in struct conf, where one function serves several rows */
	uint64_t min;
	uint64_t max;
	const char *standard; /* default as one would write it; "" = none */
	bool repeatable;      /* every line adds to the list */
	bool if_there;        /* the default is a file, and none where there is no such file; an
	                         empty value is none too */
};

extern const struct conf_setting conf_settings[];
extern const size_t conf_setting_count;
#define CONF_SETTINGS_MAX 32

/** The row of a setting; NULL if there is none. */
const struct conf_setting *conf_setting_find(const char *section, const char *name);
bool conf_section_known(const char *section);
/** The section in which the name does stand; NULL if there is none. */
const char *conf_setting_section(const char *name);
/** The name in this section, or the section, that was probably meant; NULL if none is close. */
const char *conf_setting_near(const char *section, const char *name);
const char *conf_section_near(const char *section);

/** Write the reason of a failure; returns `err`. */
enum kw_err conf_fail(char why[CONF_WHY_SIZE], enum kw_err err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
