/** What somebody who misspelt a name probably meant. */
#include "conf/setting.h"

#include <string.h>

#define WORD_MAX 32

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Octets to insert, remove or replace to make one word of the other; at most WORD_MAX + 1. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t width = strlen(b);

	if (strlen(a) > WORD_MAX || width > WORD_MAX) {
		return WORD_MAX + 1;
	}
	for (unsigned i = 0; i <= width; i++) {
		row[i] = i;
	}
	for (unsigned down = 1; *a != '\0'; a++, down++) {
		unsigned diagonal = row[0];

		row[0] = down;
		for (size_t i = 1; i <= width; i++) {
			unsigned above = row[i];

			row[i] = least(above + 1, row[i - 1] + 1, diagonal + (*a != b[i - 1]));
			diagonal = above;
		}
	}
	return row[width];
}

struct best {
	const char *name;
	unsigned distance;
};

static void consider(struct best *best, const char *written, const char *name)
{
	unsigned limit = strlen(name) > 6 ? 3 : 2;
	unsigned apart = distance(written, name);

	if (apart <= limit && (best->name == NULL || apart < best->distance)) {
		best->name = name;
		best->distance = apart;
	}
}

const char *conf_setting_near(const char *section, const char *name)
{
	struct best best = {NULL, 0};

	for (size_t i = 0; i < conf_setting_count; i++) {
		if (strcmp(conf_settings[i].section, section) == 0) {
			consider(&best, name, conf_settings[i].name);
		}
	}
	return best.name;
}

const char *conf_section_near(const char *section)
{
	struct best best = {NULL, 0};

	for (size_t i = 0; i < conf_setting_count; i++) {
		consider(&best, section, conf_settings[i].section);
	}
	return best.name;
}
