#include "js/vault_channel.h"

#include "base/env.h"
#include "ipc/channel.h"
#include "js/process.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *other_side(const struct js_vault_channel *channel)
{
	return channel->portal ? "portal" : "front";
}

static void greet(const struct js_vault_channel *channel, uint64_t generation)
{
	const struct ipc_hello hello = {.generation = generation};
	struct ipc_header header = {.kind = IPC_HELLO, .count = 1};

	if (ipc_send(channel->fd, &header, &hello, sizeof(hello), NULL, 0) != KW_OK) {
		/* A queue full of answers that nobody reads; its front will be told by time. */
		kw_log(KW_LOG_WARNING, "vault", "cannot greet", KW_STR("to", other_side(channel)));
	}
}

enum kw_err js_vault_channel_open(
	struct js_vault_channel *channel, size_t index, uint64_t generation)
{
	*channel = (struct js_vault_channel){
		.fd = JS_VAULT_FD_PORTAL + (int)index,
		.portal = index == 0,
		.front = index == 0 ? 0 : index - 1,
		.message = calloc(1, IPC_MESSAGE_MAX),
	};
	if (channel->message == NULL) {
		return KW_E_NO_MEMORY;
	}
	if (!channel->portal) {
		channel->answers = calloc(IPC_BATCH_MAX, sizeof(struct ipc_backend_ans));
		channel->urls = calloc(IPC_BATCH_MAX, IPC_URL_SIZE);
		if (channel->answers == NULL || channel->urls == NULL) {
			return KW_E_NO_MEMORY;
		}
	}
	greet(channel, generation);
	return KW_OK;
}

void js_vault_channel_finish(struct js_vault_channel *channel)
{
	free(channel->message);
	free(channel->answers);
	free(channel->urls);
}

void js_vault_channel_replace(struct js_vault_channel *channel, int fd)
{
	if (channel->fd >= 0) {
		close(channel->fd);
	}
	channel->fd = fd;
	kw_log(KW_LOG_NOTICE, "vault", "a channel was replaced", KW_STR("to", other_side(channel)),
		KW_NUM("front", channel->portal ? 0 : channel->front + 1));
}

void js_vault_channel_close(struct js_vault_channel *channel)
{
	kw_log(KW_LOG_ERROR, "vault",
		"a channel was hung up and stays unused until keywardd hands over another",
		KW_STR("by", other_side(channel)),
		KW_NUM("front", channel->portal ? 0 : channel->front + 1));
	shutdown(channel->fd, SHUT_RDWR);
	close(channel->fd);
	channel->fd = -1;
}

void js_vault_channel_complain(struct js_vault_channel *channel, enum kw_log_level level,
	const char *words, const char *kind, enum kw_err why)
{
	uint64_t held;

	/* Who was taken over could cause one of these with every message. */
	if (!js_told_due(&channel->told, kw_mono_us(&kw_env_system), &held)) {
		return;
	}
	kw_log(level, "vault", words, KW_STR("from", other_side(channel)),
		KW_NUM("front", channel->portal ? 0 : channel->front + 1), KW_STR("kind", kind),
		KW_STR("reason", kw_err_text(why)), KW_NUM("unsaid", held));
}
