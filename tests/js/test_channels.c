#include "js/keywardd_channels.h"

#include "ipc/channel.h"
#include "js/handover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT 3
#define VAULT 0
#define OTHER 1

static int setup(void **state)
{
	static struct js_channels channels;

	js_channels_init(&channels, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(js_channels_make(&channels, i, -1), KW_OK);
	}
	*state = &channels;
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < COUNT; i++) {
		js_channels_close(*state, i);
	}
	return 0;
}

/* @return how many ends a sleeping keywardd would be woken for */
static int waking(const struct js_channels *channels)
{
	struct pollfd fds[2 * JS_CHANNELS_MAX];

	return poll(fds, (nfds_t)js_channels_poll(channels, fds), 0);
}

static void messages_wake_nobody(void **state)
{
	const struct js_channels *channels = *state;

	assert_int_equal(waking(channels), 0);
	for (size_t i = 0; i < COUNT; i++) {
		for (size_t side = 0; side < 2; side++) {
			assert_int_equal(send(channels->ends[i][side], "word", 4, 0), 4);
			assert_int_equal(send(channels->ends[i][side], "", 0, 0), 0);
		}
		assert_false(js_channels_dead(channels, i));
	}
	assert_int_equal(waking(channels), 0);
}

static void a_child_that_ends_leaves_its_channel(void **state)
{
	const struct js_channels *channels = *state;

	for (size_t side = 0; side < 2; side++) {
		int childs = dup(channels->ends[1][side]);

		assert_true(childs >= 0);
		close(childs);
	}
	assert_int_equal(waking(channels), 0);
	assert_false(js_channels_dead(channels, 1));
}

/* Whoever of the two does it, for one direction or both, with or without unread messages. */
static void each_way_to_shut_one_is_seen(void **state)
{
	static const int ways[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
	struct js_channels *channels = *state;

	for (unsigned i = 0; i < 2 * 2 * 3; i++) {
		int childs = dup(channels->ends[1][i % 2]);

		assert_true(childs >= 0);
		if (i / 6 > 0) {
			assert_int_equal(send(channels->ends[1][VAULT], "word", 4, 0), 4);
			assert_int_equal(send(channels->ends[1][OTHER], "word", 4, 0), 4);
		}
		assert_int_equal(shutdown(childs, ways[i / 2 % 3]), 0);
		close(childs);
		assert_true(waking(channels) > 0);
		assert_false(js_channels_dead(channels, 0));
		assert_true(js_channels_dead(channels, 1));
		assert_false(js_channels_dead(channels, 2));
		js_channels_close(channels, 1);
		assert_int_equal(waking(channels), 0);
		assert_false(js_channels_dead(channels, 1));
		assert_int_equal(js_channels_make(channels, 1, -1), KW_OK);
		assert_false(js_channels_dead(channels, 1));
	}
}

static void what_is_there_is_not_made_again(void **state)
{
	struct js_channels *channels = *state;
	int before = channels->ends[2][VAULT];

	assert_int_equal(send(channels->ends[2][OTHER], "word", 4, 0), 4);
	assert_int_equal(js_channels_make(channels, 2, -1), KW_OK);
	assert_int_equal(channels->ends[2][VAULT], before);
}

static void a_running_vault_is_given_its_end(void **state)
{
	struct js_channels *channels = *state;
	int control[2], fd;
	char octets[8];
	size_t channel;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	assert_int_equal(js_channels_make(channels, 2, control[0]), KW_OK); /* it is there */
	assert_int_equal(js_handover_receive(control[1], COUNT, &channel, &fd), KW_E_BUSY);
	js_channels_close(channels, 2);
	assert_int_equal(js_channels_make(channels, 2, control[0]), KW_OK);
	assert_int_equal(js_handover_receive(control[1], COUNT, &channel, &fd), KW_OK);
	assert_int_equal(channel, 2);
	assert_int_equal(send(channels->ends[2][OTHER], "word", 4, 0), 4);
	assert_int_equal(recv(fd, octets, sizeof(octets), 0), 4);
	close(fd);
	close(control[0]);
	close(control[1]);
}

/* Else the child would be started on a channel that the vault does not have. */
static void a_channel_that_the_vault_did_not_get_is_none(void **state)
{
	struct js_channels *channels = *state;
	int control[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	close(control[1]);
	js_channels_close(channels, 2);
	assert_int_equal(js_channels_make(channels, 2, control[0]), KW_E_CLOSED);
	assert_int_equal(channels->ends[2][VAULT], -1);
	assert_int_equal(channels->ends[2][OTHER], -1);
	assert_int_equal(js_channels_make(channels, 2, -1), KW_OK);
	close(control[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_wake_nobody),
		TEST(a_child_that_ends_leaves_its_channel),
		TEST(each_way_to_shut_one_is_seen),
		TEST(what_is_there_is_not_made_again),
		TEST(a_running_vault_is_given_its_end),
		TEST(a_channel_that_the_vault_did_not_get_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
