#include "js/handover.h"

#include "ipc/channel.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CHANNELS 3
#define FDS_MAX  4

/* What js_handover_send() sends, as octets of our own. */
struct body {
	uint32_t magic;
	uint32_t channel;
};

struct fixture {
	int keywardd, vault; /* the two ends */
	int pair[2];
	struct body right; /* for channel 1 */
	size_t open;       /* descriptors of this process */
};

static size_t open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL) {
		count++;
	}
	closedir(folder);
	return count;
}

static int setup(void **state)
{
	static struct fixture f;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	f.keywardd = ends[0];
	f.vault = ends[1];
	assert_int_equal(ipc_channel_pair(f.pair), KW_OK);
	assert_int_equal(js_handover_send(f.keywardd, 1, f.pair[0]), KW_OK);
	assert_int_equal(recv(f.vault, &f.right, sizeof(f.right), 0), sizeof(f.right));
	assert_int_equal(f.right.channel, 1);
	f.open = open_descriptors();
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->keywardd);
	close(f->vault);
	close(f->pair[0]);
	close(f->pair[1]);
	return 0;
}

static void send_raw(
	const struct fixture *f, const void *body, size_t length, const int *fds, size_t count)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)body, .iov_len = length};
	union {
		struct cmsghdr header;
		char octets[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} room = {.octets = {0}};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (count > 0) {
		room.header.cmsg_level = SOL_SOCKET;
		room.header.cmsg_type = SCM_RIGHTS;
		room.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&room.header), fds, count * sizeof(int));
		message.msg_control = &room;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	assert_int_equal(sendmsg(f->keywardd, &message, MSG_NOSIGNAL), length);
}

static void takes(const struct fixture *f, enum kw_err expected)
{
	size_t channel = 99;
	int fd = 99;

	assert_int_equal(js_handover_receive(f->vault, CHANNELS, &channel, &fd), expected);
	if (expected != KW_OK) {
		assert_int_equal(fd, -1);
		assert_int_equal(channel, 0);
	} else {
		close(fd);
	}
	assert_int_equal(open_descriptors(), f->open);
}

static void a_channel_is_handed_over(void **state)
{
	const struct fixture *f = *state;
	char octets[8];
	size_t channel;
	int fd;

	for (size_t i = 0; i < CHANNELS; i++) {
		assert_int_equal(js_handover_send(f->keywardd, i, f->pair[0]), KW_OK);
	}
	for (size_t i = 0; i < CHANNELS; i++) {
		assert_int_equal(js_handover_receive(f->vault, CHANNELS, &channel, &fd), KW_OK);
		assert_int_equal(channel, i);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(send(f->pair[1], "word", 4, 0), 4);
		assert_int_equal(recv(fd, octets, sizeof(octets), 0), 4);
		close(fd);
	}
	takes(f, KW_E_BUSY);
	assert_int_not_equal(fcntl(f->pair[0], F_GETFD), -1); /* still the sender's */
}

static void what_is_no_channel_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct body body = f->right;
	int files[2], streams[2], network = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(pipe2(files, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, streams), 0);
	((struct fixture *)*state)->open = open_descriptors();
	send_raw(f, &body, sizeof(body), NULL, 0);
	takes(f, KW_E_INVALID);
	send_raw(f, &body, sizeof(body), files, 1);
	takes(f, KW_E_INVALID);
	send_raw(f, &body, sizeof(body), streams, 1);
	takes(f, KW_E_INVALID);
	if (network >= 0) {
		send_raw(f, &body, sizeof(body), &network, 1);
		takes(f, KW_E_INVALID);
		close(network);
	}
	close(files[0]);
	close(files[1]);
	close(streams[0]);
	close(streams[1]);
}

static void only_one_is_taken(void **state)
{
	const struct fixture *f = *state;
	const int fds[FDS_MAX] = {f->pair[0], f->pair[1], f->pair[0], f->pair[1]};

	for (size_t count = 2; count <= FDS_MAX; count++) {
		send_raw(f, &f->right, sizeof(f->right), fds, count);
		takes(f, KW_E_INVALID);
	}
	send_raw(f, &f->right, sizeof(f->right), fds, 1);
	takes(f, KW_OK);
}

static void other_messages_are_refused(void **state)
{
	const struct fixture *f = *state;
	char octets[sizeof(f->right) + 1] = {0};
	struct body body;

	memcpy(octets, &f->right, sizeof(f->right));
	for (size_t length = 0; length <= sizeof(octets); length++) {
		send_raw(f, octets, length, f->pair, 1);
		takes(f, length == sizeof(body) ? KW_OK : KW_E_INVALID);
		send_raw(f, octets, length, NULL, 0);
		takes(f, KW_E_INVALID);
	}
	for (unsigned bit = 0; bit < 32; bit++) {
		body = f->right;
		body.magic ^= UINT32_C(1) << bit;
		send_raw(f, &body, sizeof(body), f->pair, 1);
		takes(f, KW_E_INVALID);
	}
	for (uint32_t beyond = CHANNELS; beyond != 0; beyond = beyond * 2) {
		body = (struct body){.magic = f->right.magic, .channel = beyond};
		send_raw(f, &body, sizeof(body), f->pair, 1);
		takes(f, KW_E_INVALID);
	}
	body.channel = UINT32_MAX;
	send_raw(f, &body, sizeof(body), f->pair, 1);
	takes(f, KW_E_INVALID);
}

static void a_full_queue_takes_no_more(void **state)
{
	const struct fixture *f = *state;
	size_t sent = 0;
	enum kw_err err;

	while ((err = js_handover_send(f->keywardd, 1, f->pair[0])) == KW_OK) {
		assert_true(++sent < 100000);
	}
	assert_int_equal(err, KW_E_BUSY);
	while (sent-- > 0) {
		takes(f, KW_OK);
	}
	takes(f, KW_E_BUSY);
}

static void who_has_gone_takes_and_gives_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(js_handover_send(f->keywardd, 2, f->pair[0]), KW_OK);
	close(f->keywardd);
	f->keywardd = -1;
	f->open--;
	takes(f, KW_OK); /* what was said before */
	takes(f, KW_E_CLOSED);
	takes(f, KW_E_CLOSED);
}

static void nobody_is_left_to_hand_over_to(void **state)
{
	struct fixture *f = *state;

	close(f->vault);
	f->vault = -1;
	assert_int_equal(js_handover_send(f->keywardd, 2, f->pair[0]), KW_E_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_channel_is_handed_over),
		TEST(what_is_no_channel_is_refused),
		TEST(only_one_is_taken),
		TEST(other_messages_are_refused),
		TEST(a_full_queue_takes_no_more),
		TEST(who_has_gone_takes_and_gives_nothing),
		TEST(nobody_is_left_to_hand_over_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
