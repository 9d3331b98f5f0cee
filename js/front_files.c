#include "js/front_files.h"

#include "base/secret.h"
#include "js/process.h"

#include <stdlib.h>
#include <unistd.h>

#define PIECE 4096

/* As far as the first NUL, which is there unless keywardd did not make it. */
static enum kw_err text_length(int fd, size_t *length)
{
	char piece[PIECE];
	ssize_t got = 0;
	size_t here = 0;

	*length = 0;
	while (*length <= JS_PEM_MAX) {
		got = pread(fd, piece, sizeof(piece), (off_t)*length);
		here = got > 0 ? strnlen(piece, (size_t)got) : 0;
		*length += here;
		if (got <= 0 || here < (size_t)got) {
			break;
		}
	}
	kw_wipe(piece, sizeof(piece));
	if (got < 0) {
		return KW_E_SYSTEM;
	}
	return *length <= JS_PEM_MAX ? KW_OK : KW_E_TOO_LONG;
}

static enum kw_err text_read(int fd, char **text)
{
	size_t length;
	size_t done = 0;
	enum kw_err err = text_length(fd, &length);

	if (err != KW_OK || length == 0) {
		return err;
	}
	*text = calloc(1, length + 1);
	if (*text == NULL) {
		return KW_E_NO_MEMORY;
	}
	while (done < length) {
		ssize_t got = pread(fd, *text + done, length - done, (off_t)done);

		if (got <= 0) {
			return got < 0 ? KW_E_SYSTEM : KW_E_TOO_LONG;
		}
		done += (size_t)got;
	}
	return KW_OK;
}

enum kw_err js_front_files_read(struct js_front_files *files)
{
	const struct {
		int fd;
		char **text;
	} list[JS_PEM_FILES] = {
		{JS_FRONT_FD_TLS_CERTIFICATE, &files->tls_certificate},
		{JS_FRONT_FD_TLS_KEY, &files->tls_key},
		{JS_FRONT_FD_CLIENT_CA, &files->client_ca},
		{JS_FRONT_FD_ANSWER_CERTIFICATE, &files->answer_certificate},
		{JS_FRONT_FD_ANSWER_KEY, &files->answer_key},
		{JS_FRONT_FD_ANSWER_CA, &files->answer_ca},
	};
	enum kw_err err = KW_OK;

	memset(files, 0, sizeof(*files));
	for (size_t i = 0; err == KW_OK && i < JS_PEM_FILES; i++) {
		err = text_read(list[i].fd, list[i].text);
	}
	if (err != KW_OK) {
		js_front_files_finish(files);
	}
	return err;
}

static void text_free(char **text)
{
	if (*text != NULL) {
		kw_wipe(*text, strlen(*text));
	}
	free(*text);
	*text = NULL;
}

void js_front_files_finish(struct js_front_files *files)
{
	text_free(&files->tls_certificate);
	text_free(&files->tls_key);
	text_free(&files->client_ca);
	text_free(&files->answer_certificate);
	text_free(&files->answer_key);
	text_free(&files->answer_ca);
}
