/** What is printed: text made safe for a terminal, members of answers, aligned tables. */
#ifndef KW_CLI_TEXT_H
#define KW_CLI_TEXT_H

#include "cli/api.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Read the character at this place. @return its octets; 0 if this is no UTF-8 */
size_t cli_character_read(const char *text, uint32_t *value);

/** A copy in which whatever could steer a terminal (controls, marks that turn the writing
 *  direction, octets that are no UTF-8) is '?'; NULL if there is no memory. To be freed. */
char *cli_clean(const char *text);

/** A member as text for people: strings, numbers, yes and no, lists joined by blanks; "-" for what
 *  is not there, empty or null. Never NULL; cleaned; to be freed. */
char *cli_member(const json_t *object, const char *name);
/** A number that is not there is 0. */
uint64_t cli_member_number(const json_t *object, const char *name);

/** Print "label   value", the value being a member of the object. */
void cli_print_member(const char *label, const json_t *object, const char *name);

/** Print the API's answer as it came, if that was asked for. @return whether it was */
bool cli_print_json(const struct cli *cli, const struct cli_reply *reply);

#define CLI_TABLE_COLUMNS_MAX 10

struct cli_column {
	const char *title;  /* NULL ends the list */
	const char *member; /* of the row's object */
};

/** A table that keeps its widths over several pages; the title line is printed once. */
struct cli_table {
	const struct cli_column *columns;
	size_t widths[CLI_TABLE_COLUMNS_MAX];
	bool titled;
};

/** Print the objects of an array as rows. */
void cli_table_print(struct cli_table *table, const json_t *rows);

#endif
