#include "js/front_files.h"
#include "js/keywardd_memory.h"
#include "js/keywardd_pem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/keyward-pem-XXXXXX";
static struct conf conf;
static char why[CONF_WHY_SIZE];

static void put(char path[CONF_PATH_SIZE], const char *name, const void *octets, size_t length)
{
	int fd;

	snprintf(path, CONF_PATH_SIZE, "%s/%s", folder, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, octets, length), length);
	close(fd);
}

static void put_text(char path[CONF_PATH_SIZE], const char *name, const char *text)
{
	put(path, name, text, strlen(text));
}

static void open_all(struct js_pem *pem)
{
	if (js_pem_open(&conf, pem, why) != KW_OK) {
		print_error("%s\n", why);
		fail();
	}
}

static void refuses(const char *words)
{
	struct js_pem pem;

	assert_int_not_equal(js_pem_open(&conf, &pem, why), KW_OK);
	if (strstr(why, words) == NULL) {
		print_error("\"%s\" does not say \"%s\"\n", why, words);
		fail();
	}
	for (size_t i = 0; i < JS_PEM_FILES; i++) {
		assert_null(pem.texts[i]);
		assert_int_equal(pem.readers[i], -1);
	}
}

/* Where a front finds them. */
static void hand_over(const struct js_pem *pem)
{
	for (int i = 0; i < JS_PEM_FILES; i++) {
		int far = fcntl(pem->readers[i], F_DUPFD, 100);

		assert_true(far >= 0);
		assert_int_equal(dup2(far, 40 + i), 40 + i);
		close(far);
	}
}

/* The numbers of js/process.h may be cmocka's here. */
static void take_places(int kept[JS_PEM_FILES])
{
	for (int i = 0; i < JS_PEM_FILES; i++) {
		kept[i] = fcntl(JS_FRONT_FD_TLS_CERTIFICATE + i, F_DUPFD, 60);
		assert_true(dup2(40 + i, JS_FRONT_FD_TLS_CERTIFICATE + i) >= 0);
		close(40 + i);
	}
}

static void give_places(const int kept[JS_PEM_FILES])
{
	for (int i = 0; i < JS_PEM_FILES; i++) {
		if (kept[i] >= 0) {
			dup2(kept[i], JS_FRONT_FD_TLS_CERTIFICATE + i);
			close(kept[i]);
		} else {
			close(JS_FRONT_FD_TLS_CERTIFICATE + i);
		}
	}
}

static void read_as_front(const struct js_pem *pem, struct js_front_files *files)
{
	int kept[JS_PEM_FILES];

	hand_over(pem);
	take_places(kept);
	assert_int_equal(js_front_files_read(files), KW_OK);
	give_places(kept);
}

static void hands_texts_over(void **state)
{
	static char big[JS_PEM_MAX];
	struct js_front_files files;
	struct js_pem pem;

	(void)state;
	memset(big, 'b', sizeof(big));
	put_text(conf.server.tls_certificate, "a", "certificate");
	put_text(conf.server.tls_key, "b", "key");
	put_text(conf.server.tls_client_ca, "c", "client CA");
	put_text(conf.server.answer_key, "d", "x");
	put(conf.server.answer_ca, "e", big, sizeof(big));
	open_all(&pem);
	read_as_front(&pem, &files);
	assert_string_equal(files.tls_certificate, "certificate");
	assert_string_equal(files.tls_key, "key");
	assert_string_equal(files.client_ca, "client CA");
	assert_null(files.answer_certificate);
	assert_string_equal(files.answer_key, "x");
	assert_int_equal(strlen(files.answer_ca), JS_PEM_MAX);
	js_front_files_finish(&files);
	assert_null(files.tls_key);
	js_pem_close(&pem);
}

static void replaces_in_place(void **state)
{
	struct js_front_files files;
	struct js_pem pem, fresh;

	(void)state;
	put_text(conf.server.tls_certificate, "a", "a long certificate");
	put_text(conf.server.tls_key, "b", "key");
	open_all(&pem);
	put_text(conf.server.tls_certificate, "a", "short");
	put_text(conf.server.tls_key, "b", "a longer key");
	open_all(&fresh);
	js_pem_replace(&pem, &fresh);
	js_pem_close(&fresh);
	read_as_front(&pem, &files);
	assert_string_equal(files.tls_certificate, "short");
	assert_string_equal(files.tls_key, "a longer key");
	js_front_files_finish(&files);
	js_pem_close(&pem);
}

static void refuses_unusable_files(void **state)
{
	static char big[JS_PEM_MAX + 1];
	struct js_pem pem;

	(void)state;
	memset(big, 'b', sizeof(big));
	put(conf.server.tls_client_ca, "f", big, sizeof(big));
	refuses("tls_client_ca: ");
	refuses("larger than 1048576 octets");
	put(conf.server.tls_client_ca, "f", "a\0b", 3);
	refuses("is not PEM");
	put(conf.server.tls_client_ca, "f", "", 0);
	refuses("is empty");
	strcpy(conf.server.tls_client_ca, folder);
	refuses("is not a file");
	strcpy(conf.server.tls_client_ca, "/no/such/file");
	refuses("cannot read /no/such/file: No such file");
	conf.server.tls_client_ca[0] = '\0';
	put_text(conf.server.answer_key, "g", "key");
	assert_int_equal(chmod(conf.server.answer_key, 0604), 0);
	refuses("answer_key: ");
	refuses("mode 0604");
	refuses("run: chmod o= ");
	assert_int_equal(chmod(conf.server.answer_key, 0640), 0);
	open_all(&pem); /* with a warning */
	js_pem_close(&pem);
	put_text(conf.server.answer_certificate, "h", "certificate");
	assert_int_equal(chmod(conf.server.answer_certificate, 0644), 0);
	open_all(&pem);
	js_pem_close(&pem);
}

/* Whoever holds the descriptor can look, and no more. */
static void reader_cannot_write(void **state)
{
	char path[32];
	void *memory;
	int reader, again;

	(void)state;
	assert_int_equal(js_memory_create("test", 100, &memory, &reader), KW_OK);
	memcpy(memory, "before", 7);
	assert_int_equal(write(reader, "x", 1), -1);
	assert_int_equal(ftruncate(reader, 1), -1);
	assert_ptr_equal(mmap(NULL, 100, PROT_WRITE, MAP_SHARED, reader, 0), MAP_FAILED);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", reader);
	again = open(path, O_RDWR);
	assert_true(again >= 0); /* its owner may; the seals hold */
	assert_int_equal(write(again, "x", 1), -1);
	assert_int_equal(ftruncate(again, 1), -1);
	assert_int_equal(ftruncate(again, 1000), -1);
	assert_ptr_equal(mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0), MAP_FAILED);
	assert_int_equal(fcntl(again, F_ADD_SEALS, F_SEAL_WRITE), -1);
	close(again);
	assert_string_equal(memory, "before");
	assert_int_equal(fcntl(reader, F_GETFD), FD_CLOEXEC);
	js_memory_destroy(memory, 100, reader);
}

static void names_what_is_configured(void **state)
{
	char names[128];

	(void)state;
	js_pem_names(&conf, names);
	assert_string_equal(names, "");
	strcpy(conf.server.tls_client_ca, "x");
	js_pem_names(&conf, names);
	assert_string_equal(names, "tls_client_ca");
	strcpy(conf.server.tls_certificate, "x");
	strcpy(conf.server.tls_key, "x");
	strcpy(conf.server.answer_certificate, "x");
	strcpy(conf.server.answer_key, "x");
	strcpy(conf.server.answer_ca, "x");
	js_pem_names(&conf, names);
	assert_string_equal(names, "tls_certificate tls_key tls_client_ca answer_certificate "
				   "answer_key answer_ca");
}

static int none(void **state)
{
	(void)state;
	memset(&conf, 0, sizeof(conf));
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	for (char name = 'a'; name <= 'h'; name++) {
		snprintf(path, sizeof(path), "%s/%c", folder, name);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(hands_texts_over, none),
		cmocka_unit_test_setup(replaces_in_place, none),
		cmocka_unit_test_setup(refuses_unusable_files, none),
		cmocka_unit_test_setup(reader_cannot_write, none),
		cmocka_unit_test_setup(names_what_is_configured, none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
