#include "js/vault_loop.h"

#include "base/log.h"
#include "base/secret.h"
#include "ipc/channel.h"
#include "js/handover.h"
#include "js/vault_channel.h"
#include "lorawan/aes.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define CHANNELS_MAX     (1 + JS_FRONTS_MAX)
#define OTHER_FDS        2      /* signals, keywardd */
#define FOLD_DEVICES     64     /* in one idle turn: a few milliseconds */
#define FOLD_DEVICES_MAX 500000 /* unfolded ones in memory before folding goes along with joining */
#define FOLD_IDLE_MS     250
#define FOLD_FAILED_MS   60000 /* rest after a fold that failed: no room, or a damaged record */
#define REFUSALS_MS      1000
#define WATCH_MS         1000

struct loop {
	struct js_vault *vault;
	struct js_vault_channel channels[CHANNELS_MAX];
	size_t channel_count;
	int signals;
	int keywardd;             /* who hands over channels; -1: it has gone */
	uint8_t *admin_answer;    /* IPC_MESSAGE_MAX octets */
	uint64_t fold_us;         /* not before this time, unless too much is unfolded */
	uint64_t refusals_due_us; /* 0: none are waiting */
	uint64_t watch_due_us;
	bool stop;
};

/* A store that failed in an unknown way is not used any further. */
static void give_up(enum kw_err err)
{
	if (err == KW_E_STORE) {
		kw_log(KW_LOG_ERROR, "vault",
			"the store failed; starting again from what is durable",
			KW_STR("reason", kw_err_text(err)));
		exit(1);
	}
}

static void send_answers(struct js_vault_channel *channel)
{
	const struct ipc_header *request = (const struct ipc_header *)channel->message;
	struct ipc_header header = {
		.kind = IPC_BACKEND,
		.count = request->count,
		.number = request->number,
	};
	size_t length = request->count * sizeof(struct ipc_backend_ans);
	enum kw_err err = ipc_send(channel->fd, &header, channel->answers, length, channel->urls,
		channel->urls_length);

	if (err != KW_OK) {
		/* Its deadline tells the front; the numbers are used up, which is allowed. */
		js_vault_channel_complain(channel, KW_LOG_WARNING,
			"a front does not take its answers", ipc_kind_text(IPC_BACKEND), err);
	}
	kw_wipe(channel->answers, length);
}

/* Where the peer wants its answer; one who is not known gets it at once. */
static void put_url(struct js_vault_channel *channel, const struct ks_peer *peer,
	struct ipc_backend_ans *answer)
{
	size_t length = peer != NULL && answer->err != KW_E_UNAUTHENTICATED
				? strnlen(peer->answer_url, IPC_URL_SIZE - 1)
				: 0;

	answer->answer_url_length = (uint16_t)length;
	memcpy(channel->urls + channel->urls_length, length > 0 ? peer->answer_url : "", length);
	channel->urls_length += length;
}

static void answer_batch(
	struct js_vault *vault, struct ks_txn *txn, struct js_vault_channel *channel)
{
	const struct ipc_header *header = (const struct ipc_header *)channel->message;
	const struct ipc_backend_req *requests = ipc_body(channel->message);

	channel->urls_length = 0;
	for (size_t i = 0; i < header->count; i++) {
		const struct ks_peer *peer =
			js_backend_answer(&vault->backend, txn, &requests[i], &channel->answers[i]);

		put_url(channel, peer, &channel->answers[i]);
	}
}

static void void_batch(struct js_vault *vault, struct js_vault_channel *channel, enum kw_err err)
{
	const struct ipc_header *header = (const struct ipc_header *)channel->message;

	for (size_t i = 0; i < header->count; i++) {
		js_backend_void(&vault->backend, &channel->answers[i], err);
	}
}

static bool holds_joins(const struct js_vault_channel *channel)
{
	return channel->length > 0 &&
	       ((const struct ipc_header *)channel->message)->kind == IPC_BACKEND;
}

/* Nobody could be answered: the store gives no transaction. */
static void refuse_batch(struct js_vault_channel *channel, enum kw_err err)
{
	const struct ipc_header *header = (const struct ipc_header *)channel->message;
	const struct ipc_backend_req *requests = ipc_body(channel->message);

	channel->urls_length = 0;
	for (size_t i = 0; i < header->count; i++) {
		channel->answers[i].number = requests[i].number;
		channel->answers[i].err = err;
	}
}

/* All joins of this turn: one transaction, one commit, and then the answers. */
static void do_joins(struct loop *loop)
{
	struct js_vault *vault = loop->vault;
	struct ks_txn *txn;
	uint64_t idle_us;
	enum kw_err err = ks_txn_begin(vault->store, &txn);

	for (size_t i = 0; i < loop->channel_count; i++) {
		if (!holds_joins(&loop->channels[i])) {
			continue;
		}
		if (err == KW_OK) {
			answer_batch(vault, txn, &loop->channels[i]);
		} else {
			refuse_batch(&loop->channels[i], err);
		}
	}
	/* Nobody knows when the next batch comes. */
	if (lw_aes_forget(ks_store_aes(vault->store)) != KW_OK) {
		kw_log(KW_LOG_ERROR, "vault", "the last keys stay in the cipher's context");
	}
	if (err == KW_OK) {
		err = js_vault_commit(vault, txn);
	}
	if (err == KW_OK) {
		js_backend_kept(&vault->backend);
	}
	for (size_t i = 0; i < loop->channel_count; i++) {
		if (!holds_joins(&loop->channels[i])) {
			continue;
		}
		if (err != KW_OK) {
			void_batch(vault, &loop->channels[i], err);
		}
		send_answers(&loop->channels[i]);
	}
	/* Not sooner than after a fold that failed. */
	idle_us = kw_mono_us(vault->env) + FOLD_IDLE_MS * 1000;
	loop->fold_us = idle_us > loop->fold_us ? idle_us : loop->fold_us;
	give_up(err);
}

static void do_report(struct js_vault *vault, const struct js_vault_channel *channel)
{
	vault->reports[channel->front] = *(const struct ipc_report *)ipc_body(channel->message);
	vault->reported[channel->front] = true;
}

static void do_admin(struct loop *loop, struct js_vault_channel *channel)
{
	struct ipc_header *answer = (struct ipc_header *)loop->admin_answer;
	size_t length =
		js_admin_answer(loop->vault, (const struct ipc_header *)channel->message, answer);
	enum kw_err failed = (enum kw_err)answer->err;
	enum kw_err err = ipc_send(channel->fd, answer, answer + 1, length, NULL, 0);

	if (err != KW_OK) {
		js_vault_channel_complain(channel, KW_LOG_WARNING,
			"the portal does not take its answer", ipc_kind_text(answer->kind), err);
	}
	give_up(failed);
}

static bool permitted(const struct js_vault_channel *channel, unsigned kind)
{
	bool of_front = kind == IPC_BACKEND || kind == IPC_REPORT;

	return channel->portal ? !of_front && kind != IPC_HELLO : of_front;
}

/* Neither somebody who asks nor keywardd, who could start another. */
static bool is_alone(const struct loop *loop)
{
	bool alone = loop->keywardd < 0;

	for (size_t i = 0; i < loop->channel_count; i++) {
		alone = alone && loop->channels[i].fd < 0;
	}
	return alone;
}

static void take_message(struct loop *loop, struct js_vault_channel *channel)
{
	const struct ipc_header *header = (const struct ipc_header *)channel->message;
	enum kw_err err = ipc_receive(channel->fd, channel->message, true, &channel->length);

	if (err == KW_E_BUSY) {
		channel->length = 0;
		return;
	}
	if (err == KW_E_CLOSED || err == KW_E_SYSTEM) {
		/* A child that was taken over. keywardd ends it and hands over a channel for the
		 * next one; all others stay served. */
		channel->length = 0;
		js_vault_channel_close(channel);
		loop->stop = is_alone(loop);
		return;
	}
	if (err != KW_OK || !permitted(channel, header->kind)) {
		js_vault_channel_complain(channel, KW_LOG_ERROR,
			"a message that must not be was dropped",
			err == KW_OK ? ipc_kind_text(header->kind) : "unknown",
			err == KW_OK ? KW_E_FORBIDDEN : err);
		channel->length = 0;
	}
}

/* @return whether any joins came */
static bool take_messages(struct loop *loop, struct pollfd *fds)
{
	bool joins = false;

	for (size_t i = 0; i < loop->channel_count; i++) {
		loop->channels[i].length = 0;
		if (fds[i].revents != 0) {
			take_message(loop, &loop->channels[i]);
			fds[i].fd = loop->channels[i].fd;
		}
		joins = joins || holds_joins(&loop->channels[i]);
	}
	return joins;
}

static void do_others(struct loop *loop)
{
	for (size_t i = 0; i < loop->channel_count; i++) {
		struct js_vault_channel *channel = &loop->channels[i];

		if (channel->length == 0 || holds_joins(channel)) {
			continue;
		}
		if (channel->portal) {
			do_admin(loop, channel);
		} else {
			do_report(loop->vault, channel);
		}
	}
}

static void fold(struct loop *loop, size_t devices)
{
	size_t left;
	enum kw_err err = ks_fold(loop->vault->store, devices, &left);

	if (err != KW_OK) {
		if (err == KW_E_STORE_FULL) {
			loop->vault->store_failed = true;
			js_backup_end(loop->vault);
		}
		loop->fold_us = kw_mono_us(loop->vault->env) + FOLD_FAILED_MS * 1000;
		give_up(err);
	}
}

static void write_refusals(struct js_vault *vault)
{
	struct ks_txn *txn;
	enum kw_err err = ks_txn_begin(vault->store, &txn);

	if (err == KW_OK) {
		err = js_refusals_write(&vault->backend.refusals, txn);
		if (err == KW_OK) {
			err = js_vault_commit(vault, txn);
		} else {
			ks_txn_abort(txn);
		}
	}
	if (err == KW_OK) {
		js_refusals_written(&vault->backend.refusals);
	}
	give_up(err);
}

/* What can wait: the join log's refusals, and folding. */
static void do_background(struct loop *loop)
{
	struct js_vault *vault = loop->vault;
	uint64_t now = kw_mono_us(vault->env);
	bool unfolded = ks_fold_records(vault->store) > 0;
	bool too_much = ks_fold_devices(vault->store) > FOLD_DEVICES_MAX;

	if (js_backend_watches(&vault->backend) && now >= loop->watch_due_us) {
		js_backend_tick(&vault->backend);
		loop->watch_due_us = now + WATCH_MS * 1000;
	}
	if (vault->backend.refusals.count == 0) {
		loop->refusals_due_us = 0;
	} else if (loop->refusals_due_us == 0) {
		loop->refusals_due_us = now + REFUSALS_MS * 1000;
	} else if (now >= loop->refusals_due_us) {
		write_refusals(vault);
		loop->refusals_due_us =
			vault->backend.refusals.count == 0 ? 0 : now + REFUSALS_MS * 1000;
	}
	if (too_much || (unfolded && now >= loop->fold_us)) {
		fold(loop, FOLD_DEVICES);
	}
}

/* Not longer than keywardd may be without a word. */
static int rest_ms(const struct loop *loop)
{
	int backup_ms = js_backup_rest_ms(loop->vault);
	uint64_t now = kw_mono_us(loop->vault->env);
	uint64_t wake = now + JS_ALIVE_MS * UINT64_C(1000);

	if (loop->refusals_due_us != 0 && loop->refusals_due_us < wake) {
		wake = loop->refusals_due_us;
	}
	if (js_backend_watches(&loop->vault->backend)) {
		wake = loop->watch_due_us < wake ? loop->watch_due_us : wake;
	}
	if (ks_fold_records(loop->vault->store) > 0) {
		wake = loop->fold_us < wake ? loop->fold_us : wake;
	}
	if (backup_ms >= 0 && now + (uint64_t)backup_ms * 1000 < wake) {
		wake = now + (uint64_t)backup_ms * 1000;
	}
	return wake <= now ? 0 : (int)((wake - now) / 1000 + 1);
}

/* One a turn. Questions that wait in a channel that is replaced were those of a child that has ended. */
static void take_channel(struct loop *loop)
{
	size_t index;
	int fd;
	enum kw_err err = js_handover_receive(loop->keywardd, loop->channel_count, &index, &fd);

	if (err == KW_OK) {
		js_vault_channel_replace(&loop->channels[index], fd);
	} else if (err == KW_E_INVALID) {
		kw_log(KW_LOG_ERROR, "vault", "what keywardd hands over is no channel");
	} else if (err != KW_E_BUSY) {
		loop->keywardd = -1;
		loop->stop = is_alone(loop);
	}
}

static size_t watch(const struct loop *loop, struct pollfd *fds)
{
	size_t count = loop->channel_count;

	for (size_t i = 0; i < count; i++) {
		fds[i] = (struct pollfd){.fd = loop->channels[i].fd, .events = POLLIN};
	}
	fds[count] = (struct pollfd){.fd = loop->signals, .events = POLLIN};
	fds[count + 1] = (struct pollfd){.fd = loop->keywardd, .events = POLLIN};
	return count + OTHER_FDS;
}

static void run(struct loop *loop)
{
	struct pollfd fds[CHANNELS_MAX + OTHER_FDS];
	size_t count = watch(loop, fds);

	while (!loop->stop) {
		js_process_alive(kw_mono_us(loop->vault->env));
		if (poll(fds, count, rest_ms(loop)) < 0 && errno != EINTR) {
			kw_log(KW_LOG_ERROR, "vault", "poll failed", KW_ERRNO());
			exit(1);
		}
		if (fds[loop->channel_count].revents != 0) {
			break;
		}
		if (take_messages(loop, fds)) {
			do_joins(loop);
		}
		do_others(loop);
		if (fds[loop->channel_count + 1].revents != 0) {
			take_channel(loop);
			count = watch(loop, fds);
		}
		do_background(loop);
	}
	if (loop->vault->backend.refusals.count > 0) {
		write_refusals(loop->vault);
	}
}

static void open_channels(struct loop *loop, unsigned fronts)
{
	loop->channel_count = 1 + fronts;
	loop->admin_answer = malloc(IPC_MESSAGE_MAX);
	for (size_t i = 0; i < loop->channel_count; i++) {
		if (loop->admin_answer == NULL || js_vault_channel_open(&loop->channels[i], i,
							  loop->vault->generation) != KW_OK) {
			kw_log(KW_LOG_ERROR, "vault", "out of memory");
			exit(1);
		}
	}
}

static void close_channels(struct loop *loop)
{
	for (size_t i = 0; i < loop->channel_count; i++) {
		js_vault_channel_finish(&loop->channels[i]);
	}
	free(loop->admin_answer);
}

void js_vault_loop(struct js_vault *vault, unsigned fronts, int signals)
{
	struct loop loop = {.vault = vault, .signals = signals, .keywardd = JS_FD_READY};

	open_channels(&loop, fronts);
	js_process_ready(JS_ROLE_VAULT);
	run(&loop);
	close_channels(&loop);
}
