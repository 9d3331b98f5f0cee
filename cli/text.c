#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 18
#define JOINED_MAX  512

size_t cli_character_read(const char *from, uint32_t *value)
{
	const unsigned char *text = (const unsigned char *)from;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length;

	if (text[0] < 0x80) {
		*value = text[0];
		return 1;
	}
	length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc2 ? 2 : 0;
	if (length == 0 || text[0] > 0xf4) {
		return 0;
	}
	*value = text[0] & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
		*value = *value << 6 | (text[i] & 0x3fu);
	}
	if (*value < least[length] || *value > 0x10ffff || (*value >= 0xd800 && *value < 0xe000)) {
		return 0;
	}
	return length;
}

static bool steers_terminal(uint32_t value)
{
	return value < 0x20 || (value >= 0x7f && value < 0xa0) || value == 0x200e ||
	       value == 0x200f || value == 0x2028 || value == 0x2029 ||
	       (value >= 0x202a && value <= 0x202e) || (value >= 0x2066 && value <= 0x2069) ||
	       value == 0xfeff;
}

char *cli_clean(const char *text)
{
	const char *at = text;
	char *clean = malloc(strlen(text) + 1);
	size_t used = 0;

	if (clean == NULL) {
		return NULL;
	}
	while (*at != '\0') {
		uint32_t value = 0;
		const size_t length = cli_character_read(at, &value);

		if (length == 0 || steers_terminal(value)) {
			clean[used++] = '?';
		} else {
			memcpy(clean + used, at, length);
			used += length;
		}
		at += length == 0 ? 1 : length;
	}
	clean[used] = '\0';
	return clean;
}

static void join(const json_t *array, char out[JOINED_MAX])
{
	const json_t *item;
	size_t index;
	size_t used = 0;

	out[0] = '\0';
	json_array_foreach(array, index, item)
	{
		const char *text = json_string_value(item);
		int more = 0;

		if (text != NULL && used < JOINED_MAX) {
			more = snprintf(
				out + used, JOINED_MAX - used, "%s%s", used == 0 ? "" : " ", text);
		}
		used += more > 0 ? (size_t)more : 0;
	}
}

char *cli_member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	char made[JOINED_MAX] = "";
	char *clean;

	if (json_is_integer(value)) {
		snprintf(made, sizeof(made), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_real(value)) {
		snprintf(made, sizeof(made), "%g", json_real_value(value));
	} else if (json_is_boolean(value)) {
		snprintf(made, sizeof(made), "%s", json_is_true(value) ? "yes" : "no");
	} else if (json_is_array(value)) {
		join(value, made);
	}
	text = text != NULL ? text : made;
	clean = cli_clean(text[0] == '\0' ? "-" : text);
	if (clean == NULL) {
		cli_fail("out of memory");
		exit(CLI_FAILED);
	}
	return clean;
}

uint64_t cli_member_number(const json_t *object, const char *name)
{
	const json_int_t value = json_integer_value(json_object_get(object, name));

	return value > 0 ? (uint64_t)value : 0;
}

void cli_print_member(const char *label, const json_t *object, const char *name)
{
	char *value = cli_member(object, name);

	printf("%-*s %s\n", LABEL_WIDTH, label, value);
	free(value);
}

bool cli_print_json(const struct cli *cli, const struct cli_reply *reply)
{
	if (cli->json && reply->text != NULL) {
		fwrite(reply->text, 1, reply->length, stdout);
		if (reply->length == 0 || reply->text[reply->length - 1] != '\n') {
			putchar('\n');
		}
	}
	return cli->json;
}

/* Characters, not octets: every character that begins is counted. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++) {
		width += ((unsigned char)*text & 0xc0) != 0x80 ? 1 : 0;
	}
	return width;
}

static void print_cell(const struct cli_table *table, size_t column, const char *text)
{
	const bool last = table->columns[column + 1].title == NULL;
	const size_t width = width_of(text);
	const size_t wanted = table->widths[column];

	fputs(text, stdout);
	for (size_t i = width; !last && i < wanted + 2; i++) {
		putchar(' ');
	}
	if (last) {
		putchar('\n');
	}
}

static void widen(struct cli_table *table, size_t column, const char *text)
{
	const size_t width = width_of(text);

	if (width > table->widths[column]) {
		table->widths[column] = width;
	}
}

static void measure(struct cli_table *table, const json_t *rows)
{
	const json_t *row;
	size_t index;

	for (size_t i = 0; table->columns[i].title != NULL; i++) {
		widen(table, i, table->columns[i].title);
		json_array_foreach(rows, index, row)
		{
			char *cell = cli_member(row, table->columns[i].member);

			widen(table, i, cell);
			free(cell);
		}
	}
}

void cli_table_print(struct cli_table *table, const json_t *rows)
{
	const json_t *row;
	size_t index;

	measure(table, rows);
	for (size_t i = 0; !table->titled && table->columns[i].title != NULL; i++) {
		print_cell(table, i, table->columns[i].title);
	}
	table->titled = true;
	json_array_foreach(rows, index, row)
	{
		for (size_t i = 0; table->columns[i].title != NULL; i++) {
			char *cell = cli_member(row, table->columns[i].member);

			print_cell(table, i, cell);
			free(cell);
		}
	}
}
