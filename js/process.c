#include "js/process.h"

#include "base/secret.h"
#include "js/sandbox.h"

#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LISTENERS_MAX 64

static struct {
	pid_t parent;
	bool inside;
} process;

/*
 * The leak check at exit would stop this process with ptrace from a second one, which the sandbox
 * forbids; its failure would look like a crash. Tests of the folders look for leaks outside.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_LEAK_CHECK
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_LEAK_CHECK
#endif
#ifdef WITH_LEAK_CHECK
int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
	return process.inside;
}
#endif

enum option_id {
	OPTION_USER = 1,
	OPTION_LOG_LEVEL,
	OPTION_LOG_FORMAT,
	OPTION_LISTENERS,
	OPTION_PATHS,
	OPTION_PROXY_HEADER,
	OPTION_TRUSTED_PROXIES,
	OPTION_CHECK_FILES,
	OPTION_FRONTS,
	OPTION_MAP_SIZE,
	OPTION_REPEAT_WINDOW,
	OPTION_CONNECTIONS,
	OPTION_PER_ADDRESS,
	OPTION_IDLE_TIMEOUT,
	OPTION_REQUEST_TIMEOUT,
	OPTION_PEER_RATE,
	OPTION_INIT,
	OPTION_RESTORE,
	OPTION_CHECK,
	OPTION_LINES,
	OPTION_FORCE,
	OPTION_NONCE_MARGIN,
	OPTION_STORE,
	OPTION_MASTER_KEY,
	OPTION_OWNER,
	OPTION_FIXED_ANSWER,
};

static const struct option long_options[] = {
	{"user", required_argument, NULL, OPTION_USER},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
	{"listeners", required_argument, NULL, OPTION_LISTENERS},
	{"paths", required_argument, NULL, OPTION_PATHS},
	{"proxy-header", required_argument, NULL, OPTION_PROXY_HEADER},
	{"trusted-proxies", required_argument, NULL, OPTION_TRUSTED_PROXIES},
	{"check-files", no_argument, NULL, OPTION_CHECK_FILES},
	{"fronts", required_argument, NULL, OPTION_FRONTS},
	{"map-size", required_argument, NULL, OPTION_MAP_SIZE},
	{"repeat-window", required_argument, NULL, OPTION_REPEAT_WINDOW},
	{"connections", required_argument, NULL, OPTION_CONNECTIONS},
	{"connections-per-address", required_argument, NULL, OPTION_PER_ADDRESS},
	{"idle-timeout", required_argument, NULL, OPTION_IDLE_TIMEOUT},
	{"request-timeout", required_argument, NULL, OPTION_REQUEST_TIMEOUT},
	{"peer-rate", required_argument, NULL, OPTION_PEER_RATE},
	{"init", no_argument, NULL, OPTION_INIT},
	{"restore", no_argument, NULL, OPTION_RESTORE},
	{"check", no_argument, NULL, OPTION_CHECK},
	{"lines", no_argument, NULL, OPTION_LINES},
	{"force", no_argument, NULL, OPTION_FORCE},
	{"nonce-margin", required_argument, NULL, OPTION_NONCE_MARGIN},
	{"store", required_argument, NULL, OPTION_STORE},
	{"master-key", required_argument, NULL, OPTION_MASTER_KEY},
	{"owner", required_argument, NULL, OPTION_OWNER},
	{"fixed-answer", no_argument, NULL, OPTION_FIXED_ANSWER},
	{NULL, 0, NULL, 0},
};

__attribute__((noreturn)) static void usage(const char *option, const char *value)
{
	fprintf(stderr, "%s: --%s: \"%s\" is not acceptable; this program is started by keywardd\n",
		program_invocation_short_name, option, value);
	exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || value > max) {
		usage(option, text);
	}
	return value;
}

static void take_log(enum option_id id, const char *text, struct js_options *options)
{
	if (id == OPTION_LOG_LEVEL) {
		if (!kw_log_level_read(text, &options->log_level)) {
			usage("log-level", text);
		}
		return;
	}
	options->log_json = strcmp(text, "json") == 0;
	if (!options->log_json && strcmp(text, "text") != 0) {
		usage("log-format", text);
	}
}

static void take_number(enum option_id id, const char *text, struct js_options *options)
{
	switch (id) {
	case OPTION_LISTENERS:
		options->listeners = (unsigned)number("listeners", text, LISTENERS_MAX);
		break;
	case OPTION_FRONTS:
		options->fronts = (unsigned)number("fronts", text, JS_FRONTS_MAX);
		break;
	case OPTION_MAP_SIZE:
		options->map_size = number("map-size", text, UINT64_MAX);
		break;
	case OPTION_NONCE_MARGIN:
		options->nonce_margin = (unsigned)number("nonce-margin", text, UINT32_MAX);
		break;
	default:
		options->repeat_window_s = (unsigned)number("repeat-window", text, 86400);
		break;
	}
}

static void take_limit(enum option_id id, const char *text, struct js_options *options)
{
	switch (id) {
	case OPTION_CONNECTIONS:
		options->connections = (unsigned)number("connections", text, 1000000);
		break;
	case OPTION_PER_ADDRESS:
		options->connections_per_address =
			(unsigned)number("connections-per-address", text, UINT16_MAX);
		break;
	case OPTION_IDLE_TIMEOUT:
		options->idle_timeout_s = (unsigned)number("idle-timeout", text, 86400);
		break;
	case OPTION_REQUEST_TIMEOUT:
		options->request_timeout_s = (unsigned)number("request-timeout", text, 86400);
		break;
	default:
		options->peer_rate = (unsigned)number("peer-rate", text, 1000000);
		break;
	}
}

static void take(enum option_id id, const char *text, struct js_options *options)
{
	switch (id) {
	case OPTION_USER:
		options->user = text;
		break;
	case OPTION_LOG_LEVEL:
	case OPTION_LOG_FORMAT:
		take_log(id, text, options);
		break;
	case OPTION_LISTENERS:
	case OPTION_FRONTS:
	case OPTION_MAP_SIZE:
	case OPTION_REPEAT_WINDOW:
	case OPTION_NONCE_MARGIN:
		take_number(id, text, options);
		break;
	case OPTION_CONNECTIONS:
	case OPTION_PER_ADDRESS:
	case OPTION_IDLE_TIMEOUT:
	case OPTION_REQUEST_TIMEOUT:
	case OPTION_PEER_RATE:
		take_limit(id, text, options);
		break;
	case OPTION_PATHS:
		options->paths = text;
		break;
	case OPTION_PROXY_HEADER:
		options->proxy_header = text;
		break;
	case OPTION_TRUSTED_PROXIES:
		options->trusted_proxies = text;
		break;
	case OPTION_CHECK_FILES:
		options->check_files = true;
		break;
	case OPTION_INIT:
		options->init = true;
		break;
	case OPTION_RESTORE:
		options->restore = true;
		break;
	case OPTION_CHECK:
		options->check = true;
		break;
	case OPTION_LINES:
		options->lines = true;
		break;
	case OPTION_FORCE:
		options->force = true;
		break;
	case OPTION_STORE:
		options->store = text;
		break;
	case OPTION_MASTER_KEY:
		options->master_key = text;
		break;
	case OPTION_OWNER:
		options->owner = text;
		break;
	case OPTION_FIXED_ANSWER:
		options->fixed_answer = true;
		break;
	}
}

/* keywardd closes what is not the child's; so does the child, whoever started it. */
static void close_others(const struct js_options *options)
{
	unsigned front = JS_FRONT_FD_LISTENERS + options->listeners;
	unsigned vault = JS_VAULT_FD_FRONTS + options->fronts;

	close_range(front > vault ? front : vault, ~0U, 0);
}

void js_options_read(int argc, char **argv, struct js_options *options)
{
	int id;

	process.parent = getppid();
	*options = (struct js_options){.log_level = KW_LOG_INFO,
		.paths = "/",
		.proxy_header = "Client-Cert",
		.trusted_proxies = "",
		.connections = 16384,
		.connections_per_address = 1024,
		.idle_timeout_s = 30,
		.request_timeout_s = 10,
		.repeat_window_s = 10};
	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (id == '?') {
			exit(2); /* getopt_long() has said it */
		}
		take((enum option_id)id, optarg, options);
	}
	if (optind != argc) {
		fprintf(stderr,
			"%s: \"%s\" is not an option; this program is started by keywardd\n",
			program_invocation_short_name, argv[optind]);
		exit(2);
	}
	close_others(options);
	kw_log_setup(options->log_level, options->log_json);
}

__attribute__((noreturn)) static void refuse(const char *words, const char *reason)
{
	kw_log(KW_LOG_ERROR, "process", words, KW_STR("program", program_invocation_short_name),
		KW_STR("reason", reason));
	exit(1);
}

void js_process_become(const char *user)
{
	struct passwd *entry;
	uid_t uid;

	errno = 0;
	entry = getpwnam(user);
	if (entry == NULL) {
		refuse("cannot become the user of this process",
			errno != 0 ? strerror(errno) : "there is no such user");
	}
	uid = entry->pw_uid;
	if (uid == 0) {
		refuse("cannot become the user of this process", "it is root");
	}
	if (initgroups(user, entry->pw_gid) != 0 ||
		setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
		setresuid(uid, uid, uid) != 0) {
		refuse("cannot become the user of this process", strerror(errno));
	}
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || getuid() != uid ||
		geteuid() != uid) {
		refuse("cannot become the user of this process", "root could be regained");
	}
}

/*
 * What keywardd was given, such as the right to take a port below 1024, is not for its children; root
 * has lost all by the change of user.
 */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};

	/* Kernels without ambient capabilities refuse the first. */
	if ((prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) ||
		syscall(SYS_capset, &header, none) != 0) {
		refuse("cannot give up capabilities", strerror(errno));
	}
}

/* A change of user forgets this wish, so it comes after. */
static void die_with_parent(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
		refuse("cannot ask to end with keywardd", strerror(errno));
	}
	if (getppid() != process.parent) {
		exit(1); /* it ended before it could be asked for */
	}
}

void js_process_enter(enum js_role role, const struct js_options *options)
{
	signal(SIGPIPE, SIG_IGN);
	if (role != JS_ROLE_FRONT) { /* which waits for it */
		signal(SIGHUP, SIG_IGN);
	}
	if (options->user != NULL) {
		js_process_become(options->user);
	}
	drop_capabilities();
	kw_secret_process();
	die_with_parent();
	process.inside = true;
	if (js_sandbox_enter(role, JS_VAULT_FD_STORE) != KW_OK) {
		exit(1);
	}
}

void js_process_ready(enum js_role role)
{
	ssize_t written = write(JS_FD_READY, "1", 1);

	if (written != 1) {
		kw_log(KW_LOG_WARNING, "process", "cannot tell keywardd that this process serves",
			KW_ERRNO());
	}
	if (role != JS_ROLE_VAULT) {
		close(JS_FD_READY);
	}
}

void js_process_alive(uint64_t now_us)
{
	static uint64_t due_us;
	ssize_t written;

	if (now_us < due_us) {
		return;
	}
	due_us = now_us + UINT64_C(1000) * JS_ALIVE_MS;
	/* A full queue says enough; without a reader keywardd has gone. */
	written = write(JS_FD_READY, "1", 1);
	(void)written;
}

static int signals_open(const sigset_t *set)
{
	int fd = sigprocmask(SIG_BLOCK, set, NULL) == 0
			 ? signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC)
			 : -1;

	if (fd < 0) {
		refuse("cannot wait for signals", strerror(errno));
	}
	return fd;
}

int js_process_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return signals_open(&set);
}

int js_process_reloads(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	return signals_open(&set);
}

bool js_process_take(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info);
}
