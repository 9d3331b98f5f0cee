/*
 * A store with damaged pages, or cut short: `keyward check` says so, or the damage is where nothing is
 * kept. Each case is a process of its own, since LMDB believes what it reads.
 *
 * KEYWARD_DAMAGE says how many bits to turn in each page, KEYWARD_SEED which ones.
 */
#include "tests/power/image.h"

#include "base/log.h"
#include "js/vault.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define BITS 6
#define META_SIZE \
	152 /* the head of a page, and what LMDB keeps behind it; ends with a transaction */
#define META_STEP   11   /* of the bits before the transaction not all are tried */
#define MANY_NONCES 1100 /* of a device: they are a bitmap then, on overflow pages */
#define OUT_SIZE    4096
#define DIFFERENT   3 /* exit status: the check passes and the records are not what they were */

static uint64_t seed = 20260401;
static unsigned bits = BITS;

struct fixture {
	struct world *world;
	struct load load; /* for the image */
	struct image image;
	uint8_t *octets; /* of the whole store */
	size_t size;
	uint64_t records; /* a digest of them */
	char master[96];
	char out[96];
	size_t cases, refused, harmless;
	char said[OUT_SIZE];
};

/* ---- a store with everything in it ---- */

static void join_often(struct world *world)
{
	for (unsigned i = 0; i < MANY_NONCES; i++) {
		const struct ipc_backend_req request =
			world_join_req(world, WORLD_1_0_3, (uint16_t)(i * 37));
		struct ipc_backend_ans ans;

		assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	}
}

static void fill(struct world *world)
{
	load_fill(world);
	join_often(world);
	world_add_as(world, "lights", WORLD_AS);
	world_add_kek(world, KS_PEER_AS, "lights", "first", 3, 16);
	for (uint8_t i = 1; i < 60; i++) {
		if (i != WORLD_1_0_3 && i != WORLD_1_0_4 && i != WORLD_1_1 && i != WORLD_EXAMPLE) {
			world_add_device(world, i, LW_VERSION_1_1);
		}
	}
	world_fold(world);
	for (uint8_t i = 40; i < 50; i++) {
		if (i != WORLD_EXAMPLE) {
			world_remove_device(world, i);
		}
	}
	for (uint16_t i = 1; i < 20; i++) {
		const struct ipc_backend_req request = world_join_req(world, WORLD_1_0_4, i);
		struct ipc_backend_ans ans;

		assert_int_equal(world_ask(world, &request, &ans), KW_OK);
	}
}

static void write_file(const char *path, const void *octets, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, octets, size), size);
	close(fd);
}

static void write_master(struct fixture *f)
{
	char text[2 * KS_MASTER_KEY_SIZE + 2] = "";

	for (size_t i = 0; i < KS_MASTER_KEY_SIZE; i++) {
		snprintf(text + 2 * i, 3, "%02x", world_master.octets[i]);
	}
	strcat(text, "\n");
	snprintf(f->master, sizeof(f->master), "%s/master.key", f->world->folder);
	write_file(f->master, text, strlen(text));
}

static void read_store(struct fixture *f)
{
	char path[96];
	struct stat status;
	int fd;

	snprintf(path, sizeof(path), "%s/data.mdb", f->world->folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	f->size = (size_t)status.st_size;
	f->octets = malloc(f->size);
	assert_non_null(f->octets);
	assert_int_equal(read(fd, f->octets, f->size), f->size);
	close(fd);
}

static void put_store(struct fixture *f, const uint8_t *octets, size_t size)
{
	char path[96];

	image_clear(&f->image);
	snprintf(path, sizeof(path), "%s/data.mdb", f->image.world.folder);
	write_file(path, octets, size);
}

static struct fixture *fixture_create(struct world *world)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint64_t content;

	assert_non_null(f);
	f->world = world;
	fill(world);
	world_close(world);
	f->load.world = world;
	image_init(&f->image, &f->load);
	read_store(f);
	write_master(f);
	snprintf(f->out, sizeof(f->out), "%s/out", world->folder);
	put_store(f, f->octets, f->size);
	assert_null(image_open(&f->image, &content));
	f->records = image_records(&f->image);
	world_close(&f->image.world);
	return f;
}

static void fixture_destroy(struct fixture *f)
{
	image_finish(&f->image);
	free(f->octets);
	assert_int_equal(world_open(f->world), KW_OK);
	free(f);
}

/* ---- one case ---- */

__attribute__((noreturn)) static void check_here(struct fixture *f)
{
	const int out = open(f->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char key[112];
	const struct js_options options = {.map_size = WORLD_MAP_SIZE,
		.check = true,
		.store = f->image.world.folder,
		.master_key = key};
	uint64_t content;
	int status;

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	snprintf(key, sizeof(key), "file:%s", f->master);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	alarm(120);
	status = js_vault_check(&options, &kw_env_system);
	fflush(stdout);
	if (status == 0 && (image_open(&f->image, &content) != NULL ||
				   image_records(&f->image) != f->records)) {
		status = DIFFERENT;
	}
	_exit(status);
}

/* The end of it. */
static void read_said(struct fixture *f)
{
	const int fd = open(f->out, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	ssize_t length;

	assert_true(size >= 0);
	length = pread(fd, f->said, OUT_SIZE - 1, size > OUT_SIZE - 1 ? size - (OUT_SIZE - 1) : 0);
	assert_true(length >= 0);
	f->said[length] = '\0';
	close(fd);
}

static bool is_said(const struct fixture *f, int status)
{
	if (!WIFEXITED(status)) {
		return false;
	}
	switch (WEXITSTATUS(status)) {
	case 0:
		return strstr(f->said, "the store is whole") != NULL;
	case 1:
		return strstr(f->said, "the store is damaged") != NULL ||
		       strstr(f->said, "keyward: check: ") != NULL;
	default:
		return false;
	}
}

static void check(struct fixture *f, const char *what, size_t page)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		check_here(f);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_said(f);
	if (!is_said(f, status)) {
		fail_msg("page %zu, %s: status %x:\n%s", page, what, (unsigned)status, f->said);
	}
	f->cases++;
	f->refused += WEXITSTATUS(status) == 1 ? 1 : 0;
	f->harmless += WEXITSTATUS(status) == 0 ? 1 : 0;
}

static void report(const struct fixture *f, const char *what)
{
	print_message("%s: %zu cases on %zu pages: %zu refused, %zu where nothing is kept, seed "
		      "%llu\n",
		what, f->cases, f->size / PAGE, f->refused, f->harmless, (unsigned long long)seed);
}

/* ---- the tests ---- */

static void turned_bits_are_found(void **state)
{
	struct fixture *f = fixture_create(*state);
	uint64_t chance = seed;
	uint8_t *copy = malloc(f->size);

	assert_non_null(copy);
	for (size_t page = 0; page < f->size / PAGE; page++) {
		for (unsigned i = 0; i < bits; i++) {
			/* Half of them in the head of the page, where its structure is. */
			const uint32_t at = load_random(&chance, i % 2 == 0 ? 64 : PAGE);

			memcpy(copy, f->octets, f->size);
			copy[page * PAGE + at] ^= (uint8_t)(1u << load_random(&chance, 8));
			put_store(f, copy, f->size);
			check(f, "a bit is turned", page);
		}
	}
	report(f, "turned bits");
	free(copy);
	fixture_destroy(f);
}

/* The fields of LMDB's two meta pages; with another number of the transaction in one, the store would be
 * that of one commit ago. */
static void turned_bits_of_the_meta_pages_are_found(void **state)
{
	struct fixture *f = fixture_create(*state);
	uint8_t *copy = malloc(f->size);

	assert_non_null(copy);
	for (size_t bit = 0; bit < 2 * 8 * META_SIZE; bit++) {
		const size_t page = bit / (8 * META_SIZE);
		const size_t at = bit / 8 % META_SIZE;

		if (at < META_SIZE - 8 && bit % META_STEP != 0) {
			continue;
		}
		memcpy(copy, f->octets, f->size);
		copy[page * PAGE + at] ^= (uint8_t)(1u << bit % 8);
		put_store(f, copy, f->size);
		check(f, "a bit is turned", page);
	}
	report(f, "meta pages");
	free(copy);
	fixture_destroy(f);
}

static void lost_pages_are_found(void **state)
{
	struct fixture *f = fixture_create(*state);
	uint64_t chance = seed;
	uint8_t *copy = malloc(f->size);

	assert_non_null(copy);
	for (size_t page = 0; page < f->size / PAGE; page++) {
		const size_t other = load_random(&chance, (uint32_t)(f->size / PAGE));

		memcpy(copy, f->octets, f->size);
		memset(copy + page * PAGE, 0, PAGE);
		put_store(f, copy, f->size);
		check(f, "the page is zero", page);
		memcpy(copy + page * PAGE, f->octets + other * PAGE, PAGE);
		put_store(f, copy, f->size);
		check(f, "the page is another one", page);
		for (size_t i = 0; i < PAGE; i++) {
			copy[page * PAGE + i] = (uint8_t)load_random(&chance, 256);
		}
		put_store(f, copy, f->size);
		check(f, "the page is noise", page);
	}
	report(f, "lost pages");
	free(copy);
	fixture_destroy(f);
}

static void a_store_cut_short_is_found(void **state)
{
	struct fixture *f = fixture_create(*state);
	uint64_t chance = seed;

	for (size_t page = 0; page < f->size / PAGE; page++) {
		put_store(f, f->octets, page * PAGE);
		check(f, "cut before it", page);
		put_store(f, f->octets, page * PAGE + 1 + load_random(&chance, PAGE - 1));
		check(f, "cut in it", page);
	}
	report(f, "cut short");
	fixture_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(turned_bits_are_found),
		WORLD_TEST(turned_bits_of_the_meta_pages_are_found),
		WORLD_TEST(lost_pages_are_found),
		WORLD_TEST(a_store_cut_short_is_found),
	};

	if (getenv("KEYWARD_SEED") != NULL) {
		seed = strtoull(getenv("KEYWARD_SEED"), NULL, 10);
	}
	if (getenv("KEYWARD_DAMAGE") != NULL) {
		bits = (unsigned)strtoul(getenv("KEYWARD_DAMAGE"), NULL, 10);
	}
	kw_log_setup(KW_LOG_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
