#include "js/keywardd_group.h"

#include "base/env.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#define DELAY_MIN_MS       100
#define DELAY_MAX_MS       10000
#define SETTLED_US         UINT64_C(5000000) /* who lived so long starts with a short delay again */
#define EARLY_US           UINT64_C(1000000)
#define EARLY_FAILURES_MAX 3
#define STOP_US            UINT64_C(3000000) /* patience of each stage */

static void child_add(struct js_group *group, enum js_role role, unsigned index, uint64_t now_us)
{
	struct js_child *child = &group->children[group->count++];

	*child = (struct js_child){
		.role = role,
		.index = index,
		.ready_fd = -1,
		.due_us = now_us,
		.delay_ms = DELAY_MIN_MS,
	};
	if (role == JS_ROLE_FRONT) {
		snprintf(child->name, sizeof(child->name), "front %u", (index + 1) % 1000);
	} else {
		strcpy(child->name, role == JS_ROLE_VAULT ? "vault" : "portal");
	}
}

static void board_write(struct js_group *group, const struct js_child *child)
{
	struct js_board_slot *slot = &group->board->slots[child - group->children];

	slot->pid = child->pid;
	slot->restarts = child->restarts;
	if (child->pid != 0) {
		slot->started_ms = kw_now_ms(&kw_env_system);
	}
}

void js_group_init(struct js_group *group, struct js_board *board, uint64_t now_us)
{
	static_assert(JS_CHILDREN_MAX < JS_BOARD_SLOTS, "the last slot ends the list");
	group->board = board;
	group->count = 0;
	group->stage = JS_STAGE_RUN;
	group->failed = false;
	child_add(group, JS_ROLE_VAULT, 0, now_us);
	child_add(group, JS_ROLE_PORTAL, 0, now_us);
	for (unsigned i = 0; i < group->setup.sockets->fronts; i++) {
		child_add(group, JS_ROLE_FRONT, i, now_us);
	}
	board->started_ms = kw_now_ms(&kw_env_system);
	for (size_t i = 0; i < group->count; i++) {
		memcpy(board->slots[i].name, group->children[i].name, sizeof(board->slots[i].name));
	}
}

/* Set when it is to be started again; every failure doubles the delay. */
static void schedule(struct js_child *child, uint64_t now_us)
{
	if (child->started_us != 0 && now_us - child->started_us >= SETTLED_US) {
		child->delay_ms = DELAY_MIN_MS;
	}
	child->due_us = now_us + child->delay_ms * UINT64_C(1000);
	child->delay_ms = child->delay_ms * 2 < DELAY_MAX_MS ? child->delay_ms * 2 : DELAY_MAX_MS;
}

/*
 * Channels that the start of a child needs. A vault is started with all; one that runs is handed what is
 * new.
 */
static enum kw_err give_channels(struct js_group *group, const struct js_child *child)
{
	struct js_channels *channels = &group->setup.channels;
	const struct js_child *vault = &group->children[0];
	enum kw_err err = KW_OK;

	if (child != vault) {
		err = js_channels_make(
			channels, js_child_channel(child), vault->pid != 0 ? vault->ready_fd : -1);
	}
	for (size_t i = 0; child == vault && err == KW_OK && i < channels->count; i++) {
		err = js_channels_make(channels, i, -1);
	}
	if (err != KW_OK) {
		kw_log(KW_LOG_ERROR, "keywardd", "cannot make a channel",
			KW_STR("child", child->name), KW_STR("reason", kw_err_text(err)));
	}
	return err;
}

static void start_due(struct js_group *group, uint64_t now_us)
{
	for (size_t i = 0; i < group->count; i++) {
		struct js_child *child = &group->children[i];

		if (child->due_us == 0 || child->due_us > now_us) {
			continue;
		}
		child->due_us = 0;
		if (give_channels(group, child) != KW_OK ||
			js_child_start(child, &group->setup) != KW_OK) {
			schedule(child, now_us);
			continue;
		}
		board_write(group, child);
		kw_log(KW_LOG_INFO, "keywardd", "child started", KW_STR("child", child->name),
			KW_NUM("pid", child->pid));
	}
}

/*
 * Nothing of ours shuts a channel: the child at its end was taken over, or met a defect, and has no way
 * to the vault any more. It gets a new channel when it is started again, after its delay; so who does
 * that again and again takes service from nobody else, and not much time.
 */
static void kill_cut_off(struct js_group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct js_child *child = &group->children[i];
		size_t channel = js_child_channel(child);

		if (child->role == JS_ROLE_VAULT ||
			!js_channels_dead(&group->setup.channels, channel)) {
			continue;
		}
		kw_log(KW_LOG_ERROR, "keywardd",
			"the channel between a child and the vault was shut down; ending the "
			"child, the next one gets a new channel",
			KW_STR("child", child->name));
		js_channels_close(&group->setup.channels, channel);
		/* A front that finds it closed ends by itself. */
		if (child->pid != 0) {
			kill(child->pid, SIGKILL);
		}
	}
}

/* Its death is noticed like any other, and it is started again. */
static void kill_stuck(struct js_group *group, uint64_t now_us)
{
	for (size_t i = 0; i < group->count; i++) {
		struct js_child *child = &group->children[i];

		if (child->pid != 0 && js_watch_look(&child->watch, now_us)) {
			kw_log(KW_LOG_ERROR, "keywardd",
				"child is stuck: it has not turned its loop for 10 s; killing it",
				KW_STR("child", child->name), KW_NUM("pid", child->pid));
			kill(child->pid, SIGKILL);
		}
	}
}

static bool any_alive(const struct js_group *group, bool with_vault)
{
	for (size_t i = 0; i < group->count; i++) {
		if (group->children[i].pid != 0 &&
			(with_vault || group->children[i].role != JS_ROLE_VAULT)) {
			return true;
		}
	}
	return false;
}

static void tell(const struct js_group *group, bool vault, bool others, int signal_number)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct js_child *child = &group->children[i];

		if (child->pid != 0 && (child->role == JS_ROLE_VAULT ? vault : others)) {
			kill(child->pid, signal_number);
		}
	}
}

bool js_group_settled(const struct js_group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct js_child *child = &group->children[i];

		if (child->role == JS_ROLE_FRONT && child->pid != 0 && !child->ready) {
			return false;
		}
	}
	return true;
}

void js_group_reload(const struct js_group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		const struct js_child *child = &group->children[i];

		if (child->role == JS_ROLE_FRONT && child->pid != 0) {
			kill(child->pid, SIGHUP);
		}
	}
}

void js_group_stop(struct js_group *group, uint64_t now_us)
{
	if (group->stage != JS_STAGE_RUN) {
		return;
	}
	group->stage = JS_STAGE_STOP_FRONTS;
	group->deadline_us = now_us + STOP_US;
	tell(group, false, true, SIGTERM);
}

static void stop_next(struct js_group *group, uint64_t now_us)
{
	if (group->stage == JS_STAGE_STOP_FRONTS) {
		group->stage = JS_STAGE_STOP_VAULT;
		group->deadline_us = now_us + STOP_US;
		tell(group, true, false, SIGTERM);
	} else {
		group->stage = JS_STAGE_KILL;
		group->deadline_us = 0;
		kw_log(KW_LOG_WARNING, "keywardd", "some children do not stop; killing them");
		tell(group, true, true, SIGKILL);
	}
}

bool js_group_advance(struct js_group *group, uint64_t now_us)
{
	if (group->stage == JS_STAGE_RUN) {
		kill_cut_off(group);
		start_due(group, now_us);
		kill_stuck(group, now_us);
		return false;
	}
	if (!any_alive(group, true)) {
		return true;
	}
	if ((group->stage == JS_STAGE_STOP_FRONTS && !any_alive(group, false)) ||
		(group->stage != JS_STAGE_KILL && now_us >= group->deadline_us)) {
		stop_next(group, now_us);
	}
	return false;
}

/* 0: not at all */
static uint64_t sooner(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0) {
		return a + b;
	}
	return a < b ? a : b;
}

static uint64_t next_due(const struct js_group *group)
{
	uint64_t due = 0;

	if (group->stage != JS_STAGE_RUN) {
		return group->deadline_us;
	}
	for (size_t i = 0; i < group->count; i++) {
		due = sooner(due, group->children[i].due_us);
		due = sooner(due, group->children[i].watch.look_us);
	}
	return due;
}

int js_group_timeout_ms(const struct js_group *group, uint64_t now_us)
{
	uint64_t due = next_due(group);

	if (due == 0) {
		return -1;
	}
	return due <= now_us ? 0 : (int)((due - now_us + 999) / 1000);
}

size_t js_group_poll(const struct js_group *group, struct pollfd *fds)
{
	/* Who stops hangs up. */
	size_t count =
		group->stage == JS_STAGE_RUN ? js_channels_poll(&group->setup.channels, fds) : 0;

	for (size_t i = 0; i < group->count; i++) {
		if (group->children[i].ready_fd >= 0) {
			fds[count++] = (struct pollfd){
				.fd = group->children[i].ready_fd, .events = POLLIN};
		}
	}
	return count;
}

static bool take_ready(struct js_child *child, uint64_t now_us)
{
	bool again = child->was_ready;

	if (!js_child_take_ready(child, now_us)) {
		return false;
	}
	child->early_failures = 0;
	if (again) {
		kw_log(KW_LOG_NOTICE, "keywardd", "child serves again",
			KW_STR("child", child->name), KW_NUM("pid", child->pid));
	}
	return true;
}

bool js_group_take_ready(struct js_group *group, uint64_t now_us)
{
	bool news = false;
	bool all = true;

	for (size_t i = 0; i < group->count; i++) {
		news |= take_ready(&group->children[i], now_us);
		all &= group->children[i].ready;
	}
	return news && all;
}

static void how_text(int status, char out[64])
{
	if (WIFEXITED(status)) {
		snprintf(out, 64, "exit status %d", WEXITSTATUS(status));
	} else {
		const char *name = sigdescr_np(WTERMSIG(status));

		snprintf(out, 64, "signal %d (%s)", WTERMSIG(status),
			name != NULL ? name : "unknown");
	}
}

/*
 * A child that ends by itself, with a failure, before it serves has found something that a restart
 * does not mend, such as another master key than that of the store. It has logged what.
 */
static bool hopeless(struct js_child *child, int status, uint64_t now_us)
{
	if (child->ready || !WIFEXITED(status) || WEXITSTATUS(status) == 0) {
		child->early_failures = 0;
		return false;
	}
	if (!child->was_ready) {
		return true;
	}
	if (child->role != JS_ROLE_VAULT || now_us - child->started_us > EARLY_US) {
		return false;
	}
	return ++child->early_failures >= EARLY_FAILURES_MAX;
}

/* LMDB trusts its pages: what it does with a damaged one is to end the process. */
static bool tells_of_damage(int signal_number)
{
	return signal_number == SIGSEGV || signal_number == SIGABRT || signal_number == SIGBUS ||
	       signal_number == SIGFPE;
}

static void lost(struct js_group *group, struct js_child *child, int status, uint64_t now_us)
{
	char how[64];

	how_text(status, how);
	if (hopeless(child, status, now_us)) {
		kw_log(KW_LOG_ERROR, "keywardd",
			"a child cannot start, for the reason that it has logged; stopping",
			KW_STR("child", child->name), KW_STR("how", how),
			KW_STR("store", group->setup.conf->keystore.path));
		group->failed = true;
		js_group_stop(group, now_us);
		return;
	}
	schedule(child, now_us);
	child->restarts++;
	if (child->role == JS_ROLE_VAULT && WIFSIGNALED(status) &&
		tells_of_damage(WTERMSIG(status))) {
		kw_log(KW_LOG_ERROR, "keywardd",
			"the vault met a defect or a damaged page of the store: if it dies again, "
			"stop "
			"keywardd and run keyward check",
			KW_STR("how", how));
	}
	kw_log(KW_LOG_ERROR, "keywardd", "child died; it will be started again",
		KW_STR("child", child->name), KW_STR("how", how),
		KW_NUM("lived_ms", (now_us - child->started_us) / 1000),
		KW_NUM("restart_in_ms", (child->due_us - now_us) / 1000));
}

static void died(struct js_group *group, struct js_child *child, int status, uint64_t now_us)
{
	take_ready(child, now_us);
	js_child_gone(child);
	child->pid = 0;
	if (group->stage == JS_STAGE_RUN) {
		lost(group, child, status, now_us);
	}
	child->ready = false;
	board_write(group, child);
}

void js_group_reap(struct js_group *group, uint64_t now_us)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < group->count; i++) {
			if (group->children[i].pid == pid) {
				died(group, &group->children[i], status, now_us);
			}
		}
	}
}
