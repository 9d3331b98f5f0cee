#include "js/keywardd_pem.h"

#include "base/secret.h"
#include "js/keywardd_files.h"
#include "js/keywardd_memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	const char *key;
	const char *memory;
	size_t offset; /* of the path in struct conf */
	bool secret;
};

#define AT(member) offsetof(struct conf, server.member)

/* In the order of js/process.h. */
static const struct place places[JS_PEM_FILES] = {
	{"tls_certificate", "keyward-tls-certificate", AT(tls_certificate), false},
	{"tls_key", "keyward-tls-key", AT(tls_key), true},
	{"tls_client_ca", "keyward-tls-client-ca", AT(tls_client_ca), false},
	{"answer_certificate", "keyward-answer-certificate", AT(answer_certificate), false},
	{"answer_key", "keyward-answer-key", AT(answer_key), true},
	{"answer_ca", "keyward-answer-ca", AT(answer_ca), false},
};

static const char *path_of(const struct conf *conf, size_t i)
{
	return (const char *)conf + places[i].offset;
}

static enum kw_err check_mode(
	const struct place *place, const char *path, const struct stat *info, char *why)
{
	if (!S_ISREG(info->st_mode)) {
		return js_fail(why, KW_E_INVALID, "%s: %s is not a file", place->key, path);
	}
	if (place->secret && (info->st_mode & S_IRWXO) != 0) {
		return js_fail(why, KW_E_INVALID,
			"%s: the private key %s has mode %04o: everybody can reach it; run: chmod "
			"o= %s",
			place->key, path, (unsigned)info->st_mode & 07777, path);
	}
	if (place->secret && (info->st_mode & S_IRWXG) != 0) {
		kw_log(KW_LOG_WARNING, "keywardd", "a group can reach a private key",
			KW_STR("option", place->key), KW_STR("file", path));
	}
	return KW_OK;
}

/* All of the file into `text`, which has been zero and stays so behind it. */
static enum kw_err read_text(
	const struct place *place, const char *path, int fd, char *text, char *why)
{
	size_t length = 0;
	ssize_t got = 1;

	while (got > 0 && length <= JS_PEM_MAX) {
		got = read(fd, text + length, JS_PEM_SIZE - length);
		length += got > 0 ? (size_t)got : 0;
	}
	if (got < 0) {
		return js_fail(why, KW_E_SYSTEM, "%s: cannot read %s: %s", place->key, path,
			strerror(errno));
	}
	if (length == 0) {
		return js_fail(why, KW_E_INVALID, "%s: %s is empty", place->key, path);
	}
	if (length > JS_PEM_MAX) {
		return js_fail(why, KW_E_INVALID,
			"%s: %s is larger than %d octets; is it the right file?", place->key, path,
			JS_PEM_MAX);
	}
	if (memchr(text, '\0', length) != NULL) {
		return js_fail(why, KW_E_INVALID,
			"%s: %s is not PEM; convert it with openssl x509 or openssl pkey",
			place->key, path);
	}
	return KW_OK;
}

static enum kw_err load(const struct place *place, const char *path, char *text, char *why)
{
	struct stat info;
	enum kw_err err;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &info) != 0) {
		err = js_fail(why, KW_E_NOT_FOUND, "%s: cannot read %s: %s", place->key, path,
			strerror(errno));
	} else {
		err = check_mode(place, path, &info, why);
	}
	if (err == KW_OK) {
		err = read_text(place, path, fd, text, why);
	}
	if (fd >= 0) {
		close(fd);
	}
	return err;
}

enum kw_err js_pem_open(const struct conf *conf, struct js_pem *pem, char why[CONF_WHY_SIZE])
{
	enum kw_err err = KW_OK;

	memset(pem->texts, 0, sizeof(pem->texts));
	memset(pem->readers, 0xff, sizeof(pem->readers)); /* -1 each */
	for (size_t i = 0; err == KW_OK && i < JS_PEM_FILES; i++) {
		void *memory;

		err = js_memory_create(places[i].memory, JS_PEM_SIZE, &memory, &pem->readers[i]);
		pem->texts[i] = memory;
		if (err != KW_OK) {
			js_fail(why, err, "%s: cannot make memory for it: %s", places[i].key,
				strerror(errno));
		} else if (*path_of(conf, i) != '\0') {
			err = load(&places[i], path_of(conf, i), pem->texts[i], why);
		}
	}
	if (err != KW_OK) {
		js_pem_close(pem);
	}
	return err;
}

void js_pem_replace(struct js_pem *to, const struct js_pem *from)
{
	for (size_t i = 0; i < JS_PEM_FILES; i++) {
		size_t length = strlen(from->texts[i]);
		size_t before = strlen(to->texts[i]);

		memcpy(to->texts[i], from->texts[i], length);
		if (before > length) {
			kw_wipe(to->texts[i] + length, before - length);
		}
	}
}

void js_pem_close(struct js_pem *pem)
{
	for (size_t i = 0; i < JS_PEM_FILES; i++) {
		if (pem->texts[i] != NULL && places[i].secret) {
			kw_wipe(pem->texts[i], JS_PEM_SIZE);
		}
		js_memory_destroy(pem->texts[i], JS_PEM_SIZE, pem->readers[i]);
		pem->texts[i] = NULL;
		pem->readers[i] = -1;
	}
}

void js_pem_names(const struct conf *conf, char out[128])
{
	*out = '\0';
	for (size_t i = 0; i < JS_PEM_FILES; i++) {
		if (*path_of(conf, i) != '\0') {
			strcat(out, *out != '\0' ? " " : "");
			strcat(out, places[i].key);
		}
	}
}
