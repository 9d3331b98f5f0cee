/*
 * Feed the files of the directories on the command line, and of the directories in them, to a fuzz
 * target: each file whole, and cut off at as many places as the first argument says. No files is a
 * failure. To replay one file give its name in place of a directory's.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A sanitizer's, where there is one. */
__attribute__((weak)) void __sanitizer_set_report_fd(void *fd);

#define DEPTH_MAX 1
#define FILE_MAX  (1024 * 1024)

/* At how many places each file is cut off, at equal distances. */
static size_t cuts;

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
		printf("%s: %m\n", path);
		return false;
	}
	size = fread(data, 1, sizeof(data), file);
	whole = feof(file) != 0 && ferror(file) == 0;
	fclose(file);
	if (!whole) {
		printf("%s: cannot be read, or is longer than %d octets\n", path, FILE_MAX);
		return false;
	}
	printf("%s\n", path);
	fflush(stdout);
	for (size_t length = 0; length < size; length += size / (cuts + 1) + 1) {
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
		printf("%s: %m\n", path);
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
		printf("%s: %m\n", path);
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
			printf("%s: the name is too long\n", path);
			good = false;
			continue;
		}
		good = replay_entry(name, depth, files) && good;
	}
	closedir(directory);
	return good;
}

static bool replay_argument(const char *path, size_t *files)
{
	struct stat status;

	if (stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
		*files = 1;
		return replay_file(path);
	}
	return replay_directory(path, 0, files);
}

/* What targets log about hostile input is much; what a sanitizer says goes where it went. */
static void log_nowhere(void)
{
	const int report = dup(STDERR_FILENO);
	const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	fuzz_require(report >= 0 && nowhere >= 0);
	fuzz_require(dup2(nowhere, STDERR_FILENO) == STDERR_FILENO);
	if (__sanitizer_set_report_fd != NULL) {
		__sanitizer_set_report_fd((void *)(intptr_t)report);
	}
}

int main(int argc, char **argv)
{
	bool good = true;

	if (argc > 1) {
		cuts = strtoul(argv[1], NULL, 10);
		log_nowhere();
	}
	for (int i = 2; i < argc; i++) {
		size_t files = 0;

		good = replay_argument(argv[i], &files) && good;
		if (files == 0) {
			printf("%s: nothing to replay\n", argv[i]);
			good = false;
		}
	}
	return good && argc > 2 ? 0 : 1;
}
