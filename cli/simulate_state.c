#include "cli/simulate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_LINE_SIZE 128
#define DIGITS_SIZE     (8 + 1) /* of either nonce */
#define STATE_TITLE     "# keyward simulate: JoinEUI DevEUI next DevNonce, last JoinNonce\n"

struct entry {
	struct lw_device_id id;
	uint32_t next_dev_nonce;
	uint32_t last_join_nonce;
};

struct table {
	struct entry *entries;
	size_t count;
	size_t size;
};

static int compare_ids(const struct lw_device_id *a, const struct lw_device_id *b)
{
	int order = lw_eui_compare(&a->join_eui, &b->join_eui);

	return order != 0 ? order : lw_eui_compare(&a->dev_eui, &b->dev_eui);
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a;
	const struct entry *right = b;

	return compare_ids(&left->id, &right->id);
}

static bool append(struct table *table, const struct entry *entry)
{
	if (table->count == table->size) {
		size_t size = table->size == 0 ? 64 : 2 * table->size;
		struct entry *entries = reallocarray(table->entries, size, sizeof(*entries));

		if (entries == NULL) {
			return false;
		}
		table->entries = entries;
		table->size = size;
	}
	table->entries[table->count++] = *entry;
	return true;
}

static struct entry *find(const struct table *table, size_t sorted, const struct lw_device_id *id)
{
	struct entry wanted = {.id = *id};

	if (sorted == 0) {
		return NULL;
	}
	return bsearch(&wanted, table->entries, sorted, sizeof(wanted), compare_entries);
}

static bool read_count(const char *digits, uint32_t max, uint32_t *count)
{
	char *end;
	const unsigned long value = strtoul(digits, &end, 10);

	*count = value <= max ? (uint32_t)value : 0;
	return digits[0] >= '0' && digits[0] <= '9' && *end == '\0' && value <= max;
}

static bool read_line(const char *line, struct entry *entry)
{
	char join_eui[LW_EUI_TEXT_SIZE];
	char dev_eui[LW_EUI_TEXT_SIZE];
	char dev_nonce[DIGITS_SIZE];
	char join_nonce[DIGITS_SIZE];
	char rest;

	memset(entry, 0, sizeof(*entry));
	return sscanf(line, "%16s %16s %8s %8s %c", join_eui, dev_eui, dev_nonce, join_nonce,
		       &rest) == 4 &&
	       lw_eui_read(join_eui, &entry->id.join_eui) == KW_OK &&
	       lw_eui_read(dev_eui, &entry->id.dev_eui) == KW_OK &&
	       read_count(dev_nonce, SIM_DEV_NONCES, &entry->next_dev_nonce) &&
	       read_count(join_nonce, LW_JOIN_NONCE_MAX, &entry->last_join_nonce);
}

static int read_lines(FILE *file, const char *path, struct table *table)
{
	char line[STATE_LINE_SIZE];
	struct entry entry;

	for (unsigned number = 1; fgets(line, sizeof(line), file) != NULL; number++) {
		if (line[0] == '#' || line[0] == '\n') {
			continue;
		}
		if (!read_line(line, &entry)) {
			return cli_fail("%s:%u: not a line of a state file: JoinEUI, DevEUI, "
					"next DevNonce, last JoinNonce",
				path, number);
		}
		if (!append(table, &entry)) {
			return cli_fail("%s: %s", path, kw_err_text(KW_E_NO_MEMORY));
		}
	}
	if (ferror(file)) {
		return cli_fail("%s: %s", path, strerror(errno));
	}
	return CLI_DONE;
}

/* Sorted by identity. */
static int read_table(const char *path, struct table *table)
{
	FILE *file = fopen(path, "re");
	int status;

	memset(table, 0, sizeof(*table));
	if (file == NULL) {
		return errno == ENOENT ? CLI_DONE : cli_fail("%s: %s", path, strerror(errno));
	}
	status = read_lines(file, path, table);
	fclose(file);
	if (table->count > 0) {
		qsort(table->entries, table->count, sizeof(*table->entries), compare_entries);
	}
	return status;
}

int sim_state_load(struct sim_run *run)
{
	struct table table;
	int status = read_table(run->state_path, &table);

	for (size_t i = 0; status == CLI_DONE && i < run->device_count; i++) {
		struct sim_device *device = &run->devices[i];
		const struct entry *entry = find(&table, table.count, &device->id);

		if (entry != NULL) {
			device->next_dev_nonce = entry->next_dev_nonce;
			device->last_join_nonce = entry->last_join_nonce;
		}
	}
	free(table.entries);
	return status;
}

static bool update(const struct sim_run *run, struct table *table)
{
	size_t sorted = table->count;

	for (size_t i = 0; i < run->device_count; i++) {
		const struct sim_device *device = &run->devices[i];
		struct entry *known = find(table, sorted, &device->id);
		struct entry entry = {device->id, device->next_dev_nonce, device->last_join_nonce};

		if (known != NULL) {
			*known = entry;
		} else if (!append(table, &entry)) {
			return false;
		}
	}
	return true;
}

/* What is there of this name was left by a call that was killed, or is a trap. */
static int open_new(const char *path)
{
	unlink(path);
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static bool write_table(const char *path, const struct table *table)
{
	int fd = open_new(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	bool good;

	if (file == NULL) {
		if (fd >= 0) {
			close(fd);
		}
		return false;
	}
	good = fputs(STATE_TITLE, file) >= 0;
	for (size_t i = 0; good && i < table->count; i++) {
		const struct entry *entry = &table->entries[i];
		char join_eui[LW_EUI_TEXT_SIZE];
		char dev_eui[LW_EUI_TEXT_SIZE];

		lw_eui_write(&entry->id.join_eui, join_eui);
		lw_eui_write(&entry->id.dev_eui, dev_eui);
		good = fprintf(file, "%s %s %u %u\n", join_eui, dev_eui, entry->next_dev_nonce,
			       entry->last_join_nonce) > 0;
	}
	good = fflush(file) == 0 && good;
	good = fsync(fd) == 0 && good;
	return fclose(file) == 0 && good;
}

static int save(const struct sim_run *run, struct table *table)
{
	int status = CLI_DONE;
	char *path;

	if (!update(run, table) || asprintf(&path, "%s.new", run->state_path) < 0) {
		return cli_fail("%s: %s", run->state_path, kw_err_text(KW_E_NO_MEMORY));
	}
	if (!write_table(path, table) || rename(path, run->state_path) != 0) {
		status = cli_fail("%s: %s", path, strerror(errno));
		unlink(path);
	}
	free(path);
	return status;
}

int sim_state_save(const struct sim_run *run)
{
	struct table table;
	int status;

	if (run->state_path == NULL) {
		return CLI_DONE;
	}
	status = read_table(run->state_path, &table);
	if (status == CLI_DONE) {
		status = save(run, &table);
	}
	free(table.entries);
	return status;
}
