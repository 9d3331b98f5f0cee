#include "cli/simulate_files.h"

#include "base/hex.h"
#include "base/secret.h"
#include "provision/row.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_FILE_MAX  4096
#define DEVICE_FILE_MAX ((size_t)1 << 32)
#define TOKEN_MAX       1000
#define PROBLEMS_SHOWN  5

/* A file in memory, NUL-terminated; it may hold secrets. */
struct text {
	char *octets;
	size_t length;
	size_t size;
};

static void text_finish(struct text *text)
{
	if (text->octets != NULL) {
		kw_wipe(text->octets, text->size);
		free(text->octets);
	}
}

/* realloc() would leave a copy of keys behind. */
static bool grow(struct text *text, size_t max)
{
	size_t size = text->size == 0 ? SMALL_FILE_MAX + 1 : 2 * text->size;
	char *octets = size > 2 * max + SMALL_FILE_MAX ? NULL : malloc(size);

	if (octets == NULL) {
		return false;
	}
	if (text->octets != NULL) {
		memcpy(octets, text->octets, text->length);
		kw_wipe(text->octets, text->size);
		free(text->octets);
	}
	text->octets = octets;
	text->size = size;
	return true;
}

static int read_stream(FILE *file, const char *path, size_t max, struct text *text)
{
	size_t got;

	do {
		if (text->length + 1 >= text->size && !grow(text, max)) {
			return cli_fail("%s: too long", path);
		}
		got = fread(text->octets + text->length, 1, text->size - text->length - 1, file);
		text->length += got;
	} while (got > 0 && text->length <= max);
	if (ferror(file)) {
		return cli_fail("%s: %s", path, strerror(errno));
	}
	if (text->length > max) {
		return cli_fail("%s: too long", path);
	}
	text->octets[text->length] = '\0';
	if (max == SMALL_FILE_MAX && strlen(text->octets) != text->length) {
		return cli_fail("%s: a NUL octet does not belong there", path);
	}
	return CLI_DONE;
}

/* text_finish() in any case. */
static int read_file(const char *path, size_t max, struct text *text)
{
	bool standard_input = strcmp(path, "-") == 0;
	FILE *file = standard_input ? stdin : fopen(path, "re");
	int status;

	memset(text, 0, sizeof(*text));
	if (file == NULL) {
		return cli_fail("%s: %s", path, strerror(errno));
	}
	setvbuf(file, NULL, _IONBF, 0);
	status = read_stream(file, path, max, text);
	if (!standard_input) {
		fclose(file);
	}
	return status;
}

static int read_key_line(
	const char *path, unsigned number, const char *line, struct lw_key *keys, bool *given)
{
	static const char *const names[] = {"app_key=", "nwk_key="};

	for (size_t i = 0; i < 2; i++) {
		size_t skip = strlen(names[i]);

		if (strncmp(line, names[i], skip) == 0) {
			given[i] = true;
			if (kw_hex_read(line + skip, strlen(line + skip), keys[i].octets,
				    sizeof(keys[i].octets)) == KW_OK) {
				return CLI_DONE;
			}
			return cli_fail("%s:%u: %.7s: 32 hexadecimal digits are wanted", path,
				number, names[i]);
		}
	}
	return cli_fail("%s:%u: a line app_key=... or nwk_key=... is wanted", path, number);
}

static int read_key_lines(const char *path, struct text *text, struct lw_key keys[2], bool given[2])
{
	unsigned number = 0;
	char *rest = text->octets;
	int status = CLI_DONE;

	while (status == CLI_DONE && rest != NULL) {
		char *line = strsep(&rest, "\n");

		number++;
		line[strcspn(line, "\r")] = '\0';
		if (line[0] != '\0' && line[0] != '#') {
			status = read_key_line(path, number, line, keys, given);
		}
	}
	return status;
}

static int place_keys(const char *path, const struct lw_key keys[2], const bool given[2],
	struct sim_device *device)
{
	if (!lw_version_is_1_1(device->version)) {
		if (given[0] == given[1]) {
			return cli_fail("%s: a LoRaWAN %s device has one root key: app_key=", path,
				lw_version_text(device->version));
		}
		device->root = given[0] ? keys[0] : keys[1];
		return CLI_DONE;
	}
	if (!given[0] || !given[1]) {
		return cli_fail(
			"%s: a LoRaWAN 1.1 device has two root keys: app_key= and nwk_key=", path);
	}
	device->root = keys[1];
	device->app_key = keys[0];
	return CLI_DONE;
}

int sim_keys_read(const char *path, struct sim_device *device)
{
	struct lw_key keys[2];
	bool given[2] = {false, false};
	struct text text;
	int status = read_file(path, SMALL_FILE_MAX, &text);

	memset(keys, 0, sizeof(keys));
	if (status == CLI_DONE) {
		status = read_key_lines(path, &text, keys, given);
	}
	if (status == CLI_DONE) {
		status = place_keys(path, keys, given, device);
	}
	kw_wipe(keys, sizeof(keys));
	text_finish(&text);
	return status;
}

struct device_reader {
	struct sim_run *run;
	const char *path;
	size_t size;
	const struct lw_eui *join_eui;
	const struct lw_eui *dev_eui;
	unsigned problems;
};

static bool wanted(const struct device_reader *reader, const struct pr_row *row)
{
	return (reader->join_eui == NULL || lw_eui_equal(reader->join_eui, &row->id.join_eui)) &&
	       (reader->dev_eui == NULL || lw_eui_equal(reader->dev_eui, &row->id.dev_eui));
}

static bool make_room(struct device_reader *reader)
{
	struct sim_run *run = reader->run;
	size_t size = reader->size == 0 ? 64 : 2 * reader->size;
	struct sim_device *devices;

	if (run->device_count < reader->size) {
		return true;
	}
	devices = calloc(size, sizeof(*devices));
	if (devices == NULL) {
		return false;
	}
	if (run->devices != NULL) {
		memcpy(devices, run->devices, run->device_count * sizeof(*devices));
		kw_wipe(run->devices, run->device_count * sizeof(*devices));
		free(run->devices);
	}
	run->devices = devices;
	reader->size = size;
	return true;
}

static enum kw_err take_row(void *context, const struct pr_row *row)
{
	struct device_reader *reader = context;
	struct sim_device *device;

	if (!wanted(reader, row)) {
		return KW_OK;
	}
	if (!make_room(reader)) {
		return KW_E_NO_MEMORY;
	}
	device = &reader->run->devices[reader->run->device_count++];
	device->id = row->id;
	device->version = row->version;
	device->root = row->has_nwk_key ? row->nwk_key : row->app_key;
	if (row->has_nwk_key) {
		device->app_key = row->app_key;
	}
	return KW_OK;
}

static enum kw_err take_problem(void *context, const struct pr_problem *problem)
{
	struct device_reader *reader = context;

	if (reader->problems++ < PROBLEMS_SHOWN) {
		cli_fail("%s:%u: %s", reader->path, problem->line, problem->text);
	}
	return KW_OK;
}

static int read_rows(struct device_reader *reader, const struct text *text)
{
	const struct pr_sink sink = {.row = take_row, .problem = take_problem, .context = reader};
	char why[PR_TEXT_SIZE] = "";
	enum kw_err err = pr_read(text->octets, text->length, &sink, why);

	if (err != KW_OK) {
		return cli_fail(
			"%s: %s", reader->path, err == KW_E_SYNTAX ? why : kw_err_text(err));
	}
	if (reader->problems > 0) {
		return cli_fail("%s: %u lines cannot be read", reader->path, reader->problems);
	}
	if (reader->run->device_count == 0) {
		return cli_fail("%s: no such device in it", reader->path);
	}
	return CLI_DONE;
}

int sim_devices_read(struct sim_run *run, const char *path, const struct lw_eui *join_eui,
	const struct lw_eui *dev_eui)
{
	struct device_reader reader = {
		.run = run, .path = path, .join_eui = join_eui, .dev_eui = dev_eui};
	struct text text;
	int status = read_file(path, DEVICE_FILE_MAX, &text);

	if (status == CLI_DONE) {
		status = read_rows(&reader, &text);
	}
	text_finish(&text);
	return status;
}

int sim_token_read(const char *path, char **token)
{
	struct text text;
	int status = read_file(path, SMALL_FILE_MAX, &text);

	if (status == CLI_DONE) {
		size_t length;

		assert(text.octets != NULL);
		length = strcspn(text.octets, "\r\n");
		text.octets[length] = '\0';
		for (size_t i = 0; i < length; i++) {
			if (text.octets[i] <= ' ' || text.octets[i] > '~') {
				length = 0;
			}
		}
		if (length == 0 || length > TOKEN_MAX) {
			status = cli_fail("%s: the first line is no token: 1 to %d characters of "
					  "ASCII without blanks",
				path, TOKEN_MAX);
		} else if ((*token = strdup(text.octets)) == NULL) {
			status = cli_fail("%s", kw_err_text(KW_E_NO_MEMORY));
		}
	}
	text_finish(&text);
	return status;
}

int sim_kek_read(const char *path, struct sim_kek *kek)
{
	struct text text;
	int status = read_file(path, SMALL_FILE_MAX, &text);

	if (status == CLI_DONE) {
		size_t digits;

		assert(text.octets != NULL);
		digits = strcspn(text.octets, " \t\r\n");
		if (kw_hex_read_any(text.octets, digits, kek->octets, sizeof(kek->octets),
			    &kek->length) != KW_OK ||
			(kek->length != 16 && kek->length != 24 && kek->length != 32)) {
			status = cli_fail("%s: a KEK is 32, 48 or 64 hexadecimal digits", path);
		}
	}
	text_finish(&text);
	return status;
}
