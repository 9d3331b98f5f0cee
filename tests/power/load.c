#include "tests/power/load.h"

#include "ipc/channel.h"
#include "js/descriptors.h"
#include "js/process.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORTAL       0
#define TIMEOUT_MS   60000
#define FIRST_DEVICE 100 /* those that are added to the world's own */
#define DEVICES      12
#define BATCH        6
#define FDS          (3 + LOAD_CHANNELS + 1) /* of the vault, and the record */
#define SPARE        200                     /* what the operator plays with */

uint32_t load_random(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % below;
}

/* ---- the process ---- */

static int master_key(const struct world *world)
{
	char path[96], text[2 * KS_MASTER_KEY_SIZE + 2] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/master.key", world->folder);
	for (size_t i = 0; i < KS_MASTER_KEY_SIZE; i++) {
		snprintf(text + 2 * i, 3, "%02x", world_master.octets[i]);
	}
	strcat(text, "\n");
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

__attribute__((noreturn)) static void become_vault(const char *program, int *fds)
{
	static const char *const arguments[] = {"keyward-vault", "--fronts", "2", "--map-size",
		"67108864", "--log-level", "error", NULL};
	char number[16];

	snprintf(number, sizeof(number), "%d", JS_FD_READY + FDS - 1);
	if (setenv(RECORD_ENVIRONMENT, number, 1) == 0 &&
		js_descriptors_place(fds, FDS, JS_FD_READY) == KW_OK) {
		execv(program, (char *const *)(uintptr_t)arguments);
	}
	_exit(126);
}

static void fork_vault(struct load *load, const char *program)
{
	int fds[FDS] = {[1] = open(load->world->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		[2] = master_key(load->world),
		[FDS - 1] = dup(load->record_fd)};
	int ready[2];
	char octet;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ready), 0);
	fds[0] = ready[1];
	for (size_t i = 0; i < LOAD_CHANNELS; i++) {
		int pair[2];

		assert_int_equal(ipc_channel_pair(pair), KW_OK);
		fds[3 + i] = pair[0];
		load->channels[i] = pair[1];
	}
	load->vault = fork();
	assert_true(load->vault >= 0);
	if (load->vault == 0) {
		become_vault(program, fds);
	}
	for (size_t i = 0; i < FDS; i++) {
		close(fds[i]);
	}
	assert_int_equal(read(ready[0], &octet, 1), 1);
	close(ready[0]);
}

void load_fill(struct world *world)
{
	for (uint8_t i = 0; i < DEVICES; i++) {
		world_add_device(world, (uint8_t)(FIRST_DEVICE + i),
			i % 2 == 0 ? LW_VERSION_1_0_3 : LW_VERSION_1_0_4);
	}
}

void load_start(struct load *load, struct world *world, const char *program, uint64_t seed)
{
	struct stat status;

	memset(load, 0, sizeof(*load));
	load->world = world;
	load->seed = seed;
	load->record = record_create(&load->record_fd);
	assert_non_null(load->record);
	assert_int_equal(stat(world->folder, &status), 0);
	load->record->folder = status.st_ino;
	fork_vault(load, program);
}

void load_restart(struct load *load, const char *program)
{
	fork_vault(load, program);
}

int load_end(struct load *load)
{
	int status;

	for (size_t i = 0; i < LOAD_CHANNELS; i++) {
		close(load->channels[i]);
	}
	assert_int_equal(waitpid(load->vault, &status, 0), load->vault);
	return status;
}

void load_finish(struct load *load)
{
	close(load->record_fd);
	record_destroy(load->record);
}

/* ---- fronts ---- */

const struct ipc_backend_req *load_request(const struct load *load, uint64_t number)
{
	for (size_t i = 0; i < load->count; i++) {
		if (load->requests[i].number == number) {
			return &load->requests[i];
		}
	}
	return NULL;
}

static struct ipc_backend_req *keep(struct load *load, const struct ipc_backend_req *request)
{
	assert_true(load->count < LOAD_REQUESTS_MAX);
	load->requests[load->count] = *request;
	return &load->requests[load->count++];
}

static uint8_t any_device(struct load *load)
{
	static const uint8_t first[] = {WORLD_1_0_3, WORLD_1_0_4, WORLD_1_1, WORLD_EXAMPLE};
	uint32_t choice = load_random(&load->seed, DEVICES + sizeof(first));

	return choice < DEVICES ? (uint8_t)(FIRST_DEVICE + choice) : first[choice - DEVICES];
}

static struct ipc_backend_req good_request(struct load *load, uint8_t number)
{
	const uint16_t nonce = ++load->next_nonce[number];

	if (number == WORLD_1_1 && nonce > 1) {
		return world_rejoin_req(load->world, number, LW_JOIN_REQ_REJOIN_1, nonce, NULL);
	}
	return world_join_req(load->world, number, nonce);
}

/* The same DevNonce for another network address; a wrong MIC; the identical question. */
static struct ipc_backend_req odd_request(struct load *load)
{
	struct ipc_backend_req request =
		load->requests[load_random(&load->seed, (uint32_t)load->count)];
	uint32_t kind = load_random(&load->seed, 3);

	request.number = 1000 + ++load->world->count;
	request.dev_addr[1] = kind == 0 ? 0x77 : request.dev_addr[1];
	request.phy_payload[request.phy_length - 1] ^= kind == 1 ? 1 : 0;
	return request;
}

static void send_batch(struct load *load, size_t front, struct ipc_backend_req *batch, size_t count)
{
	struct ipc_header header = {.kind = IPC_BACKEND, .count = (uint16_t)count};

	for (size_t i = 0; i < count; i++) {
		bool odd = load->count > 0 && load_random(&load->seed, 5) == 0;

		batch[i] = odd ? odd_request(load) : good_request(load, any_device(load));
		keep(load, &batch[i]);
	}
	assert_int_equal(
		ipc_send(load->channels[front], &header, batch, count * sizeof(batch[0]), NULL, 0),
		KW_OK);
}

/* @return false: the vault has gone */
static bool receive(struct load *load, size_t front)
{
	const struct ipc_header *header = (const void *)load->message;
	struct pollfd wait = {.fd = load->channels[front], .events = POLLIN};
	size_t length;

	do {
		assert_int_equal(poll(&wait, 1, TIMEOUT_MS), 1);
		if (ipc_receive(wait.fd, load->message, false, &length) != KW_OK) {
			return false;
		}
	} while (header->kind == IPC_HELLO);
	assert_int_equal(header->kind, IPC_BACKEND);
	return true;
}

static void read_answers(struct load *load, size_t front, const struct ipc_backend_req *batch)
{
	const struct ipc_header *header = (const void *)load->message;
	const struct ipc_backend_ans *answers = ipc_body(load->message);

	assert_true(receive(load, front));
	for (size_t i = 0; i < header->count; i++) {
		struct lw_session_keys keys;

		assert_int_equal(answers[i].number, batch[i].number);
		if (answers[i].err == KW_OK) {
			world_device_reads(load->world, &batch[i], &answers[i], &keys);
			load->answered++;
		}
	}
}

void load_round(struct load *load)
{
	struct ipc_backend_req batches[2][BATCH];
	size_t counts[2];

	for (size_t i = 0; i < 2; i++) {
		counts[i] = 1 + load_random(&load->seed, BATCH);
		send_batch(load, 1 + i, batches[i], counts[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		read_answers(load, 1 + i, batches[i]);
	}
}

enum kw_err load_join(struct load *load, uint8_t number)
{
	struct ipc_header header = {.kind = IPC_BACKEND, .count = 1};
	const struct ipc_backend_ans *answer = ipc_body(load->message);
	struct ipc_backend_req request = good_request(load, number);

	keep(load, &request);
	if (ipc_send(load->channels[1], &header, &request, sizeof(request), NULL, 0) != KW_OK ||
		!receive(load, 1)) {
		return KW_E_TIMEOUT;
	}
	return (enum kw_err)answer->err;
}

/* ---- portal ---- */

static void ask(struct load *load, enum ipc_kind kind, const void *body, size_t length)
{
	const struct ipc_header *header = (const void *)load->message;

	assert_int_equal(ipc_ask(load->channels[PORTAL], kind, body, length, NULL, 0, TIMEOUT_MS,
				 load->message),
		KW_OK);
	assert_int_equal(header->err, KW_OK);
}

void load_administer(struct load *load)
{
	const struct lw_device_id id = world_id(SPARE);
	struct ipc_device_req device = {
		.lorawan_version = LW_VERSION_1_0_4, .set = IPC_SET_NAME | IPC_SET_BLOCKED};
	struct ipc_peer_req peer = {.peer = {.kind = IPC_PEER_NS, .net_id_count = 1}};

	memcpy(device.join_eui, id.join_eui.octets, LW_EUI_SIZE);
	memcpy(device.dev_eui, id.dev_eui.octets, LW_EUI_SIZE);
	ask(load, IPC_DEVICE_GENERATE, &device, sizeof(device));
	device.policy.blocked = 1;
	strcpy(device.policy.name, "spare");
	ask(load, IPC_DEVICE_SET, &device, sizeof(device));
	ask(load, IPC_DEVICE_RESET, &device, sizeof(device));
	ask(load, IPC_DEVICE_REMOVE, &device, sizeof(device));
	peer.set = IPC_PEER_SET_NET_IDS;
	peer.peer.net_ids[0][2] = 0x42;
	snprintf(peer.peer.name, sizeof(peer.peer.name), "other %zu", load->count);
	ask(load, IPC_PEER_ADD, &peer, sizeof(peer));
}

void load_wait_folded(struct load *load)
{
	const struct ipc_status *status = ipc_body(load->message);

	do {
		usleep(50000);
		ask(load, IPC_STATUS, NULL, 0);
	} while (status->journal_records > 0);
}
