#include "js/helper.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool own_directory(char out[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;

	if (length <= 0) {
		return false;
	}
	out[length] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL) {
		return false;
	}
	*slash = '\0';
	return true;
}

static bool usable(const char *directory, const char *name, char path[PATH_MAX])
{
	int length = snprintf(path, PATH_MAX, "%s/%s", directory, name);

	return length > 0 && length < PATH_MAX && access(path, X_OK) == 0;
}

/* A build tree has the command line in cli/, its helpers in js/. */
static bool usable_in_build_tree(char *directory, const char *name, char path[PATH_MAX])
{
	char *slash = strrchr(directory, '/');

	if (slash == NULL || strcmp(slash, "/cli") != 0) {
		return false;
	}
	strcpy(slash, "/js");
	return usable(directory, name, path);
}

enum kw_err js_helper_path(const char *name, char path[PATH_MAX])
{
	char directory[PATH_MAX];

	if (own_directory(directory) &&
		(usable(directory, name, path) || usable_in_build_tree(directory, name, path))) {
		return KW_OK;
	}
	if (usable(JS_LIBEXECDIR, name, path)) {
		return KW_OK;
	}
	path[0] = '\0';
	return KW_E_NOT_FOUND;
}
