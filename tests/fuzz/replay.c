/*
 * Feed the files of the directories on the command line, and of the directories in them, to a fuzz
 * target: each file whole and cut off after every octet. No files is a failure.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 1
#define FILE_MAX  (1024 * 1024)
#define CUT_MAX   4096 /* cut off at each of the first so many octets */

/* Exactly as large as its contents, so that a sanitizer sees every octet too far. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size);

	fuzz_require(copy != NULL || size == 0);
	if (size > 0) {
		memcpy(copy, data, size);
	}
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static bool replay_file(const char *path)
{
	static uint8_t data[FILE_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;
	bool whole;

	if (file == NULL) {
		perror(path);
		return false;
	}
	size = fread(data, 1, sizeof(data), file);
	whole = feof(file) != 0 && ferror(file) == 0;
	fclose(file);
	if (!whole) {
		fprintf(stderr, "%s: cannot be read, or is longer than %d octets\n", path,
			FILE_MAX);
		return false;
	}
	printf("%s\n", path);
	fflush(stdout);
	for (size_t length = 0; length < size && length <= CUT_MAX; length++) {
		feed(data, length);
	}
	feed(data, size);
	return true;
}

static bool replay_directory(const char *path, unsigned depth, size_t *files);

static bool replay_entry(const char *path, unsigned depth, size_t *files)
{
	struct stat status;

	if (stat(path, &status) != 0) {
		perror(path);
		return false;
	}
	if (S_ISDIR(status.st_mode)) {
		return depth >= DEPTH_MAX || replay_directory(path, depth + 1, files);
	}
	(*files)++;
	return replay_file(path);
}

static bool replay_directory(const char *path, unsigned depth, size_t *files)
{
	DIR *directory = opendir(path);
	bool good = true;

	if (directory == NULL) {
		perror(path);
		return false;
	}
	for (const struct dirent *entry = readdir(directory); entry != NULL;
		entry = readdir(directory)) {
		char name[PATH_MAX];
		int length = snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);

		if (entry->d_name[0] == '.') {
			continue;
		}
		if (length < 0 || (size_t)length >= sizeof(name)) {
			fprintf(stderr, "%s: the name is too long\n", path);
			good = false;
			continue;
		}
		good = replay_entry(name, depth, files) && good;
	}
	closedir(directory);
	return good;
}

int main(int argc, char **argv)
{
	bool good = true;

	for (int i = 1; i < argc; i++) {
		size_t files = 0;

		good = replay_directory(argv[i], 0, &files) && good;
		if (files == 0) {
			fprintf(stderr, "%s: nothing to replay\n", argv[i]);
			good = false;
		}
	}
	return good && argc > 1 ? 0 : 1;
}
