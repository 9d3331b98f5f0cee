#include "js/keywardd_channels.h"

#include "ipc/channel.h"
#include "js/handover.h"

#include <sys/socket.h>
#include <unistd.h>

#define ROOM (4 * 1024 * 1024)

/* As much as the kernel gives: beyond net.core.wmem_max only root may ask. */
static void raise_buffers(int fd)
{
	const int room = ROOM;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	}
}

void js_channels_init(struct js_channels *channels, size_t count)
{
	channels->count = count;
	for (size_t i = 0; i < JS_CHANNELS_MAX; i++) {
		channels->ends[i][0] = -1;
		channels->ends[i][1] = -1;
	}
}

enum kw_err js_channels_make(struct js_channels *channels, size_t channel, int vault)
{
	int *ends = channels->ends[channel];
	enum kw_err err;

	if (ends[0] >= 0) {
		return KW_OK;
	}
	err = ipc_channel_pair(ends);
	if (err != KW_OK) {
		return err;
	}
	raise_buffers(ends[0]);
	raise_buffers(ends[1]);
	if (vault >= 0) {
		err = js_handover_send(vault, channel, ends[0]);
	}
	if (err != KW_OK) {
		js_channels_close(channels, channel);
	}
	return err;
}

/* Each side sees what the other will not send any more. No messages are waited for. */
size_t js_channels_poll(const struct js_channels *channels, struct pollfd *fds)
{
	size_t count = 0;

	for (size_t i = 0; i < channels->count; i++) {
		for (size_t side = 0; side < 2 && channels->ends[i][0] >= 0; side++) {
			fds[count++] =
				(struct pollfd){.fd = channels->ends[i][side], .events = POLLRDHUP};
		}
	}
	return count;
}

bool js_channels_dead(const struct js_channels *channels, size_t channel)
{
	const int *ends = channels->ends[channel];
	struct pollfd fds[2] = {
		{.fd = ends[0], .events = POLLRDHUP}, {.fd = ends[1], .events = POLLRDHUP}};

	return ends[0] >= 0 && poll(fds, 2, 0) > 0;
}

void js_channels_close(struct js_channels *channels, size_t channel)
{
	for (size_t side = 0; side < 2; side++) {
		if (channels->ends[channel][side] >= 0) {
			close(channels->ends[channel][side]);
		}
		channels->ends[channel][side] = -1;
	}
}
