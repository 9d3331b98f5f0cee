#include "js/keywardd_child.h"

#include "base/env.h"
#include "js/descriptors.h"
#include "js/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX      40
#define NUMBERS_MAX   8
#define ENV_MAX       32
#define FDS_MAX       (8 + JS_PEM_FILES + JS_FRONTS_MAX)
#define CHECK_S       10
#define STATUS_FAILED 127

extern char **environ;

struct fds {
	int list[FDS_MAX];
	size_t count;
};

static void fd_add(struct fds *fds, int fd)
{
	fds->list[fds->count++] = fd;
}

static void fds_pem(const struct js_pem *pem, struct fds *fds)
{
	for (size_t i = 0; i < JS_PEM_FILES; i++) {
		fd_add(fds, pem->readers[i]);
	}
}

size_t js_child_channel(const struct js_child *child)
{
	return child->role == JS_ROLE_FRONT ? 1 + child->index : 0;
}

/* In the order of js/process.h. */
static void fds_of(
	const struct js_child *child, const struct js_setup *setup, int ready, struct fds *fds)
{
	const struct js_sockets *sockets = setup->sockets;

	fds->count = 0;
	fd_add(fds, ready);
	switch (child->role) {
	case JS_ROLE_VAULT:
		fd_add(fds, setup->files->store);
		fd_add(fds, setup->files->master);
		for (size_t i = 0; i <= sockets->fronts; i++) {
			fd_add(fds, setup->channels.ends[i][0]);
		}
		break;
	case JS_ROLE_FRONT:
		fd_add(fds, setup->channels.ends[js_child_channel(child)][1]);
		fds_pem(setup->pem, fds);
		for (size_t i = 0; i < sockets->addresses; i++) {
			fd_add(fds, sockets->listeners[child->index][i]);
		}
		break;
	case JS_ROLE_PORTAL:
		fd_add(fds, setup->channels.ends[js_child_channel(child)][1]);
		fd_add(fds, setup->board);
		fd_add(fds, sockets->admin);
		break;
	}
}

struct args {
	const char *list[ARGS_MAX + 1]; /* ends with NULL */
	size_t count;
	char numbers[NUMBERS_MAX][24];
	size_t number_count;
	char paths[CONF_PATHS_MAX * (CONF_WORD_SIZE + 1)];
	char proxies[CONF_PROXIES_MAX * (CONF_WORD_SIZE + 1)];
};

static void arg_add(struct args *args, const char *name, const char *value)
{
	args->list[args->count++] = name;
	args->list[args->count++] = value;
}

static void arg_number(struct args *args, const char *name, uint64_t value)
{
	char *text = args->numbers[args->number_count++];

	snprintf(text, sizeof(args->numbers[0]), "%llu", (unsigned long long)value);
	arg_add(args, name, text);
}

/* Each word needs CONF_WORD_SIZE + 1 octets in `out`. */
static void arg_words(struct args *args, const char *name, const char (*words)[CONF_WORD_SIZE],
	size_t count, char *out)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(words[i]);

		memcpy(out + used, words[i], length);
		used += length;
		out[used++] = ' ';
	}
	out[used > 0 ? used - 1 : 0] = '\0';
	arg_add(args, name, out);
}

static void args_front(struct args *args, const struct conf *conf, const struct js_sockets *sockets)
{
	arg_number(args, "--listeners", sockets->addresses);
	arg_words(args, "--paths", conf->server.paths, conf->server.path_count, args->paths);
	arg_number(args, "--connections", conf->server.connections);
	arg_number(args, "--connections-per-address", conf->server.connections_per_address);
	arg_number(args, "--idle-timeout", conf->server.idle_timeout_s);
	arg_number(args, "--request-timeout", conf->server.request_timeout_s);
	arg_add(args, "--proxy-header", conf->server.proxy_header);
	arg_words(args, "--trusted-proxies", conf->server.trusted_proxies, conf->server.proxy_count,
		args->proxies);
}

static void args_common(enum js_role role, const struct conf *conf, struct args *args)
{
	const char *user = js_role_user(role);

	memset(args, 0, sizeof(*args));
	args->list[args->count++] = js_role_helper(role);
	if (user != NULL) {
		arg_add(args, "--user", user);
	}
	arg_add(args, "--log-level", kw_log_level_text(conf->log.level));
	arg_add(args, "--log-format", conf->log.json ? "json" : "text");
}

static void args_of(const struct js_child *child, const struct js_setup *setup, struct args *args)
{
	const struct conf *conf = setup->conf;

	args_common(child->role, conf, args);
	switch (child->role) {
	case JS_ROLE_VAULT:
		arg_number(args, "--fronts", setup->sockets->fronts);
		arg_number(args, "--map-size", conf->keystore.map_size);
		arg_number(args, "--repeat-window", conf->join.repeat_window_s);
		arg_number(args, "--peer-rate", conf->join.peer_rate);
		break;
	case JS_ROLE_FRONT:
		args_front(args, conf, setup->sockets);
		break;
	case JS_ROLE_PORTAL:
		arg_number(args, "--listeners", 1);
		break;
	}
}

/* Of the environment only what has a purpose there. */
static void environment_of(char *list[ENV_MAX + 1])
{
	static const char *const kept[] = {
		"PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "GNUTLS_"};
	size_t count = 0;

	for (char **entry = environ; *entry != NULL && count < ENV_MAX; entry++) {
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
			if (strncmp(*entry, kept[i], strlen(kept[i])) == 0) {
				list[count++] = *entry;
				break;
			}
		}
	}
	list[count] = NULL;
}

static void signals_reset(void)
{
	sigset_t none;

	for (int i = 1; i < SIGRTMIN; i++) {
		signal(i, SIG_DFL); /* not possible for KILL and STOP, and not needed */
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void failed(const struct js_child *child, const char *words)
{
	kw_log(KW_LOG_ERROR, "keywardd", words, KW_STR("child", child->name), KW_ERRNO());
	_exit(STATUS_FAILED);
}

/* Between fork and exec. */
__attribute__((noreturn)) static void become_child(const struct js_child *child,
	const char *program, const struct args *args, struct fds *fds, pid_t parent)
{
	char *environment[ENV_MAX + 1];
	int null;

	/* Ctrl-C on a terminal is for keywardd, which stops its children in order. */
	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent) {
		failed(child, "keywardd has gone");
	}
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
		js_descriptors_place(fds->list, fds->count, JS_FD_READY) != KW_OK) {
		failed(child, "cannot arrange the descriptors of a child");
	}
	environment_of(environment);
	signals_reset();
	execve(program, (char *const *)(uintptr_t)args->list, environment);
	failed(child, "cannot execute the program of a child");
}

/* Descriptors on files are shared with the child that had them before: back to the start. */
static void rewind_files(const struct js_files *files)
{
	lseek(files->store, 0, SEEK_SET);
	lseek(files->master, 0, SEEK_SET);
}

static enum kw_err start_failed(const struct js_child *child)
{
	kw_log(KW_LOG_ERROR, "keywardd", "cannot start a child", KW_STR("child", child->name),
		KW_ERRNO());
	return KW_E_SYSTEM;
}

/* [0] ours, [1] the child's. A vault that says that it is alive to nobody must not wait. */
static bool ready_open(const struct js_child *child, int ready[2])
{
	if (child->role == JS_ROLE_VAULT) {
		return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			       ready) == 0;
	}
	return pipe2(ready, O_CLOEXEC | O_NONBLOCK) == 0;
}

enum kw_err js_child_start(struct js_child *child, const struct js_setup *setup)
{
	char program[PATH_MAX];
	pid_t parent = getpid();
	struct args args;
	struct fds fds;
	int ready[2];

	args_of(child, setup, &args);
	if (js_helper_path(js_role_helper(child->role), program) != KW_OK) {
		errno = ENOENT;
		return start_failed(child);
	}
	if (!ready_open(child, ready)) {
		return start_failed(child);
	}
	rewind_files(setup->files);
	fds_of(child, setup, ready[1], &fds);
	child->pid = fork();
	if (child->pid == 0) {
		become_child(child, program, &args, &fds, parent);
	}
	close(ready[1]);
	if (child->pid < 0) {
		child->pid = 0;
		close(ready[0]);
		return start_failed(child);
	}
	child->ready_fd = ready[0];
	child->ready = false;
	child->started_us = kw_mono_us(&kw_env_system);
	return KW_OK;
}

/* Its status, or -1. The alarm outlives exec, so it ends. */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid) {
		if (errno != EINTR) {
			return -1;
		}
	}
	return status;
}

enum kw_err js_child_check(const struct conf *conf, const struct js_pem *pem)
{
	const struct js_child child = {.role = JS_ROLE_FRONT, .name = "check"};
	pid_t parent = getpid(), pid;
	char program[PATH_MAX];
	struct args args;
	struct fds fds = {.count = 0};
	int null;

	args_common(JS_ROLE_FRONT, conf, &args);
	args.list[args.count++] = "--check-files";
	if (js_helper_path(js_role_helper(JS_ROLE_FRONT), program) != KW_OK) {
		errno = ENOENT;
		return start_failed(&child);
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0) {
		return start_failed(&child);
	}
	fd_add(&fds, null); /* nobody waits for it to be ready, and it asks no vault */
	fd_add(&fds, null);
	fds_pem(pem, &fds);
	pid = fork();
	if (pid == 0) {
		alarm(CHECK_S);
		become_child(&child, program, &args, &fds, parent);
	}
	close(null);
	if (pid < 0) {
		return start_failed(&child);
	}
	return wait_for(pid) == 0 ? KW_OK : KW_E_INVALID;
}

static void close_ready(struct js_child *child)
{
	if (child->ready_fd >= 0) {
		close(child->ready_fd);
	}
	child->ready_fd = -1;
}

bool js_child_take_ready(struct js_child *child, uint64_t now_us)
{
	struct pollfd waiting = {.fd = child->ready_fd, .events = POLLIN};
	bool before = child->ready;
	char octets[64];
	bool said;

	if (child->ready_fd < 0 || poll(&waiting, 1, 0) != 1) {
		return false;
	}
	said = read(child->ready_fd, octets, sizeof(octets)) > 0;
	if (!said || child->role != JS_ROLE_VAULT) {
		close_ready(child);
	}
	if (!said) {
		return false;
	}
	child->ready = true;
	child->was_ready = true;
	if (child->role == JS_ROLE_VAULT && !before) {
		js_watch_begin(&child->watch, now_us);
	}
	js_watch_hear(&child->watch);
	return !before;
}

void js_child_gone(struct js_child *child)
{
	close_ready(child);
	js_watch_end(&child->watch);
}
