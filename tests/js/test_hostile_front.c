/*
 * A front that was taken over, towards a real vault: it says on its channel what it likes, with the
 * credential of one peer that it has seen. It gets nothing that this peer could not get, and the
 * other front is served all the while.
 */
#include "base/env.h"
#include "base/hex.h"
#include "ipc/channel.h"
#include "tests/js/real_vault.h"
#include "tests/js/world.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOSTILE     REAL_VAULT_FRONT_1
#define HONEST      REAL_VAULT_FRONT_2
#define OURS_NET    0x13
#define THEIRS_NET  0x24
#define OUR_DEVICE  WORLD_1_1
#define THEIR_DEV   WORLD_1_0_4
#define KEK_FILL    0xc7
#define HEARD_MAX   (4 * 1024 * 1024)
#define JOINS       200
#define RUBBISH     5000
#define SERVED_S    5 /* no answer takes longer, however loaded this machine is */
#define LINES_A_RUN 40

static const char *program;

struct scene {
	struct world *world;
	struct real_vault vault;
	char master[96];
	char log[96];
	uint8_t session_key_id[IPC_SESSION_ID_SIZE]; /* of their device */
	uint16_t dev_nonce;
	uint8_t *heard; /* all that the hostile front received */
	size_t heard_length;
	uint64_t message[IPC_MESSAGE_MAX / sizeof(uint64_t)];
};

/* ---- the scene ---- */

static void belongs_to_theirs(struct ks_policy *policy)
{
	policy->net_id_count = 1;
	policy->net_ids[0].octets[2] = THEIRS_NET;
}

static struct ipc_backend_req their_join(struct scene *scene, uint8_t credential, uint8_t net_id)
{
	struct ipc_backend_req request =
		world_join_req(scene->world, THEIR_DEV, ++scene->dev_nonce);

	world_show(&request, credential);
	request.sender_net_id[2] = net_id;
	return request;
}

static void fill(struct scene *scene)
{
	struct world *world = scene->world;
	struct ipc_backend_ans answer;
	struct ipc_backend_req request;

	world_add_ns(world, "theirs", WORLD_THEIRS, THEIRS_NET);
	world_add_kek(world, KS_PEER_NS, "theirs", "kek-1", KEK_FILL, 16);
	world_add_as(world, "as", WORLD_AS);
	world_set_as(world, THEIR_DEV, "as");
	world_set_policy(world, THEIR_DEV, belongs_to_theirs);
	request = their_join(scene, WORLD_THEIRS, THEIRS_NET);
	assert_int_equal(world_ask(world, &request, &answer), KW_OK);
	assert_int_equal(answer.has_session_key_id, 1);
	memcpy(scene->session_key_id, answer.session_key_id, IPC_SESSION_ID_SIZE);
}

static void write_master(const char *path)
{
	char text[2 * KS_MASTER_KEY_SIZE + 2];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	kw_hex_write(text, world_master.octets, KS_MASTER_KEY_SIZE);
	text[sizeof(text) - 2] = '\n';
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	void *world;

	assert_non_null(scene);
	scene->heard = malloc(HEARD_MAX);
	assert_non_null(scene->heard);
	assert_int_equal(world_setup(&world), 0);
	scene->world = world;
	fill(scene);
	world_close(scene->world);
	snprintf(scene->master, sizeof(scene->master), "%s.key", scene->world->folder);
	snprintf(scene->log, sizeof(scene->log), "%s.log", scene->world->folder);
	write_master(scene->master);
	real_vault_start(&scene->vault, program, scene->world->folder, scene->master, scene->log);
	*state = scene;
	return 0;
}

/* Whatever was done to it, the vault is the same process to the end, and ends well. */
static int teardown(void **state)
{
	struct scene *scene = *state;
	void *world = scene->world;

	assert_int_equal(real_vault_end(&scene->vault), 0);
	assert_int_equal(world_open(scene->world), KW_OK);
	assert_int_equal(world_teardown(&world), 0);
	assert_int_equal(unlink(scene->master), 0);
	assert_int_equal(unlink(scene->log), 0);
	free(scene->heard);
	free(scene);
	return 0;
}

/* ---- what the honest front does ---- */

/* A join of our device that must go well. @return how long it took, us */
static uint64_t served(struct scene *scene)
{
	struct ipc_backend_req request =
		world_join_req(scene->world, OUR_DEVICE, ++scene->dev_nonce);
	uint64_t start = kw_mono_us(&kw_env_system);
	struct ipc_backend_ans answer =
		real_vault_ask(&scene->vault, HONEST, &request, scene->message);

	assert_int_equal(answer.err, KW_OK);
	assert_int_equal(answer.phy_length, LW_BLOCK_SIZE + 1);
	return kw_mono_us(&kw_env_system) - start;
}

static void serve_many(struct scene *scene, const char *when)
{
	uint64_t longest = 0, total = 0;

	for (unsigned i = 0; i < JOINS; i++) {
		uint64_t took = served(scene);

		total += took;
		longest = took > longest ? took : longest;
	}
	printf("%s: %u joins, %" PRIu64 " us each, %" PRIu64 " us at most\n", when, JOINS,
		total / JOINS, longest);
	assert_true(longest < SERVED_S * UINT64_C(1000000));
}

/* ---- what the hostile front does ---- */

static void say_raw(int fd, const void *octets, size_t length)
{
	(void)!send(fd, octets, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say(int fd, unsigned kind, unsigned count, const void *bodies, size_t length)
{
	struct ipc_header header = {.kind = (uint16_t)kind, .count = (uint16_t)count};

	(void)!ipc_send(fd, &header, bodies, length, NULL, 0);
}

/* A message that is whole, with a descriptor that nobody asked for. */
static void say_with_descriptor(int fd)
{
	union {
		struct cmsghdr header;
		uint8_t room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS,
			     .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct ipc_report report = {.requests = 1};
	struct ipc_header header = {
		.magic = IPC_MAGIC, .kind = IPC_REPORT, .count = 1, .length = sizeof(report)};
	struct iovec parts[] = {{&header, sizeof(header)}, {&report, sizeof(report)}};
	const struct msghdr message = {.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	(void)!sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void fill_random(void *out, size_t length)
{
	assert_int_equal(kw_random(&kw_env_system, out, length), KW_OK);
}

static size_t random_below(size_t limit)
{
	uint32_t value;

	fill_random(&value, sizeof(value));
	return value % limit;
}

/* A batch that costs the most: each request gets as far as its MIC, which is wrong. */
static void say_batch(int fd, const struct ipc_backend_req *sample, bool noise)
{
	static struct ipc_backend_req batch[IPC_BATCH_MAX];

	for (size_t i = 0; i < IPC_BATCH_MAX; i++) {
		if (noise) {
			fill_random(&batch[i], sizeof(batch[i]));
			continue;
		}
		batch[i] = *sample;
		batch[i].number = i;
		batch[i].phy_payload[17] = (uint8_t)i;
	}
	say(fd, IPC_BACKEND, IPC_BATCH_MAX, batch, sizeof(batch));
}

/* One thing of all that can be done to a channel but to hang up. */
static void misbehave(int fd, unsigned how, const struct ipc_backend_req *sample)
{
	static uint8_t noise[IPC_MESSAGE_MAX + 4096];
	struct ipc_header *header = (struct ipc_header *)noise;
	unsigned kind = (unsigned)random_below(IPC_KIND_COUNT + 2);

	switch (how % 8) {
	case 0:
		fill_random(noise, 600);
		say_raw(fd, noise, random_below(600));
		break;
	case 1: /* right in front, of any length */
		fill_random(noise, 1024);
		*header = (struct ipc_header){.magic = IPC_MAGIC - (how / 8) % 2,
			.kind = (uint16_t)kind,
			.count = (uint16_t)random_below(4),
			.length = (uint32_t)random_below(1024)};
		say_raw(fd, noise, sizeof(*header) + random_below(1000));
		break;
	case 2: /* more than fits */
		say_raw(fd, noise, sizeof(noise));
		break;
	case 3:
		say_batch(fd, sample, true);
		break;
	case 4:
		say_batch(fd, sample, false);
		break;
	case 5: /* whole, and of the portal, or of the vault itself */
		memset(noise, 0, IPC_MESSAGE_MAX);
		say(fd, kind, 1, noise, ipc_body_size(kind, true));
		break;
	case 6:
		say_with_descriptor(fd);
		break;
	default:
		say_raw(fd, noise, 0);
		break;
	}
}

/* Until it is killed, without ever reading an answer. */
__attribute__((noreturn)) static void flood(int fd, const struct ipc_backend_req *sample)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (unsigned i = 0;; i++) {
		misbehave(fd, i, sample);
		(void)!poll(&room, 1, 100);
	}
}

static void serves_others_during_a_flood(void **state)
{
	struct scene *scene = *state;
	struct ipc_backend_req sample =
		world_join_req(scene->world, OUR_DEVICE, ++scene->dev_nonce);
	pid_t pid;
	int status;

	serve_many(scene, "quiet");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		flood(scene->vault.channels[HOSTILE], &sample);
	}
	serve_many(scene, "in the flood");
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0); /* it went on to the end */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	serve_many(scene, "after it");
}

/* What an operator finds in the log, and no more. */
static void does_not_flood_the_log(void **state)
{
	struct scene *scene = *state;
	uint64_t start = kw_mono_us(&kw_env_system), seconds;
	unsigned lines = 0, dropped = 0;
	char line[2048];
	FILE *log;

	for (unsigned i = 0; i < RUBBISH; i++) {
		struct pollfd room = {.fd = scene->vault.channels[HOSTILE], .events = POLLOUT};

		assert_int_equal(poll(&room, 1, REAL_VAULT_TIMEOUT_MS), 1);
		say(room.fd, IPC_STATUS, 0, NULL, 0);
	}
	served(scene);
	seconds = (kw_mono_us(&kw_env_system) - start) / 1000000;
	log = fopen(scene->log, "re");
	assert_non_null(log);
	while (fgets(line, sizeof(line), log) != NULL) {
		lines++;
		dropped += strstr(line, "must not be") != NULL ? 1 : 0;
	}
	fclose(log);
	assert_in_range(dropped, 1, seconds + 2);
	assert_true(lines < dropped + LINES_A_RUN);
}

/* ---- what it hears ---- */

static void hear(struct scene *scene, int wait_ms)
{
	struct pollfd wait = {.fd = scene->vault.channels[HOSTILE], .events = POLLIN};

	while (poll(&wait, 1, wait_ms) == 1) {
		ssize_t got;

		assert_true(HEARD_MAX - scene->heard_length >= IPC_MESSAGE_MAX);
		got = recv(wait.fd, scene->heard + scene->heard_length, IPC_MESSAGE_MAX, 0);
		assert_true(got > 0);
		scene->heard_length += (size_t)got;
	}
}

static bool heard(const struct scene *scene, const void *octets, size_t length)
{
	return memmem(scene->heard, scene->heard_length, octets, length) != NULL;
}

/* Neither whole nor the half of it, nor backwards, nor as digits. */
static void never_heard(const struct scene *scene, const uint8_t *secret, size_t length)
{
	uint8_t backwards[64];
	char digits[2 * 64 + 1];

	assert_true(length <= sizeof(backwards));
	for (size_t i = 0; i < length; i++) {
		backwards[i] = secret[length - 1 - i];
	}
	kw_hex_write(digits, secret, length);
	assert_false(heard(scene, secret, length / 2));
	assert_false(heard(scene, secret + length / 2, length / 2));
	assert_false(heard(scene, backwards, length / 2));
	assert_false(heard(scene, digits, length));
}

/* A refusal says nothing but itself. */
static enum kw_err refused(struct scene *scene, const struct ipc_backend_req *request)
{
	static const uint8_t nothing[sizeof(struct ipc_key)];
	struct ipc_backend_ans answer =
		real_vault_ask(&scene->vault, HOSTILE, request, scene->message);

	assert_int_not_equal(answer.err, KW_OK);
	assert_int_equal(answer.phy_length, 0);
	assert_int_equal(answer.has_session_key_id, 0);
	assert_memory_equal(&answer.f_nwk_s_int_key, nothing, sizeof(nothing));
	assert_memory_equal(&answer.s_nwk_s_int_key, nothing, sizeof(nothing));
	assert_memory_equal(&answer.nwk_s_enc_key, nothing, sizeof(nothing));
	assert_memory_equal(&answer.app_s_key, nothing, sizeof(nothing));
	return answer.err;
}

/* It has the credential of `ours`, and right frames of their device, as they came by. */
static void gets_no_session_of_others(void **state)
{
	struct scene *scene = *state;
	struct ipc_backend_req request = their_join(scene, WORLD_OURS, OURS_NET);
	struct ipc_backend_ans answer;

	assert_int_equal(refused(scene, &request), KW_E_NOT_ALLOWED);
	request = their_join(scene, WORLD_OURS, THEIRS_NET);
	assert_int_equal(refused(scene, &request), KW_E_SENDER);
	request = their_join(scene, WORLD_NOBODYS, THEIRS_NET);
	assert_int_equal(refused(scene, &request), KW_E_UNAUTHENTICATED);
	request.credential_count = 0;
	assert_int_equal(refused(scene, &request), KW_E_UNAUTHENTICATED);
	request.credential_count = UINT8_MAX; /* more than there is room for */
	(void)refused(scene, &request);
	request = world_app_s_key_req(
		scene->world, THEIR_DEV, "as", WORLD_OURS, scene->session_key_id);
	assert_int_equal(refused(scene, &request), KW_E_SENDER);
	request = world_app_s_key_req(
		scene->world, THEIR_DEV, "as", WORLD_NOBODYS, scene->session_key_id);
	assert_int_equal(refused(scene, &request), KW_E_UNAUTHENTICATED);
	request = world_home_ns_req(scene->world, THEIR_DEV, WORLD_OURS, OURS_NET);
	(void)refused(scene, &request);
	for (unsigned i = 0; i < 1000; i++) {
		request = their_join(scene, WORLD_NOBODYS, THEIRS_NET);
		fill_random(request.credentials[0].digest, IPC_DIGEST_SIZE);
		assert_int_equal(refused(scene, &request), KW_E_UNAUTHENTICATED);
	}
	/* With the right credential all that would have gone well. */
	request = their_join(scene, WORLD_THEIRS, THEIRS_NET);
	answer = real_vault_ask(&scene->vault, HONEST, &request, scene->message);
	assert_int_equal(answer.err, KW_OK);
	request =
		world_app_s_key_req(scene->world, THEIR_DEV, "as", WORLD_AS, scene->session_key_id);
	answer = real_vault_ask(&scene->vault, HONEST, &request, scene->message);
	assert_int_equal(answer.err, KW_E_NO_KEK); /* known, and nothing in the clear */
}

/* As the portal would, well formed. */
static void ask_as_portal(int fd)
{
	const struct lw_device_id id = world_id(THEIR_DEV);
	struct ipc_list_req list = {.limit = IPC_PEER_PAGE_MAX, .peer_kind = IPC_PEER_NS};
	struct ipc_peer_req peer = {.peer = {.kind = IPC_PEER_NS, .name = "theirs"}};
	struct ipc_device_req device = {.set = 0};

	memcpy(device.join_eui, id.join_eui.octets, LW_EUI_SIZE);
	memcpy(device.dev_eui, id.dev_eui.octets, LW_EUI_SIZE);
	say(fd, IPC_STATUS, 0, NULL, 0);
	say(fd, IPC_INTAKE, 0, NULL, 0);
	say(fd, IPC_PEER_LIST, 1, &list, sizeof(list));
	say(fd, IPC_DEVICE_LIST, 1, &list, sizeof(list));
	say(fd, IPC_PEER_GET, 1, &peer, sizeof(peer));
	say(fd, IPC_DEVICE_GET, 1, &device, sizeof(device));
	say(fd, IPC_PEER_REMOVE, 1, &peer, sizeof(peer));
	say(fd, IPC_DEVICE_REMOVE, 1, &device, sizeof(device));
}

/* None of it is answered, and none of it is done. */
static void cannot_be_the_portal(void **state)
{
	struct scene *scene = *state;
	struct ipc_backend_req request = their_join(scene, WORLD_THEIRS, THEIRS_NET);
	struct ipc_backend_ans answer;

	hear(scene, 1000); /* the greeting */
	scene->heard_length = 0;
	ask_as_portal(scene->vault.channels[HOSTILE]);
	(void)refused(scene, &(struct ipc_backend_req){.number = 1});
	hear(scene, 0);
	assert_int_equal(scene->heard_length, 0);
	answer = real_vault_ask(&scene->vault, HONEST, &request, scene->message);
	assert_int_equal(answer.err, KW_OK);
}

/* Everything that can be asked, whole and as noise, and all that comes back is searched. */
static void hears_no_secret(void **state)
{
	struct scene *scene = *state;
	int fd = scene->vault.channels[HOSTILE];
	struct ipc_backend_req request = world_join_req(scene->world, OUR_DEVICE, 1);
	uint8_t kek[16];

	memset(kek, KEK_FILL, sizeof(kek));
	hear(scene, 1000); /* the greeting */
	ask_as_portal(fd);
	for (unsigned i = 0; i < 400; i++) {
		if (i % 8 != 3 && i % 8 != 4) { /* batches of 256 say the same 256 times */
			misbehave(fd, i, &request);
		}
		request = their_join(scene, i % 2 != 0 ? WORLD_OURS : WORLD_NOBODYS, OURS_NET);
		say(fd, IPC_BACKEND, 1, &request, sizeof(request));
		hear(scene, 0);
	}
	request = world_join_req(scene->world, OUR_DEVICE, ++scene->dev_nonce);
	say(fd, IPC_BACKEND, 1, &request, sizeof(request));
	served(scene);
	hear(scene, 2000);
	assert_true(heard(scene, "ours", 5)); /* it did hear: who asked is in each answer */
	assert_false(heard(scene, "theirs", 6));
	never_heard(scene, world_key_1.octets, sizeof(world_key_1.octets));
	never_heard(scene, world_key_2.octets, sizeof(world_key_2.octets));
	never_heard(scene, kek, sizeof(kek));
}

/* It goes in the middle of what it asked. */
static void goes_without_a_word(void **state)
{
	struct scene *scene = *state;
	struct ipc_backend_req sample =
		world_join_req(scene->world, OUR_DEVICE, ++scene->dev_nonce);
	int fd = scene->vault.channels[HOSTILE];

	for (unsigned i = 0; i < 64; i++) {
		say_batch(fd, &sample, i % 2 != 0);
	}
	assert_int_equal(shutdown(fd, SHUT_RD), 0);
	served(scene);
	say_batch(fd, &sample, false);
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	serve_many(scene, "alone");
	close(fd);
	scene->vault.channels[HOSTILE] = -1;
	served(scene);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(serves_others_during_a_flood),
		TEST(does_not_flood_the_log),
		TEST(gets_no_session_of_others),
		TEST(cannot_be_the_portal),
		TEST(hears_no_secret),
		TEST(goes_without_a_word),
	};

	if (argc != 2) {
		return 2;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
