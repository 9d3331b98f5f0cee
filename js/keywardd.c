/**
 * The parent: reads the configuration, opens files and sockets, starts the children that work with
 * them, watches over them, and serves no one itself.
 */
#include "base/env.h"
#include "conf/conf.h"
#include "js/keywardd_board.h"
#include "js/keywardd_files.h"
#include "js/keywardd_group.h"
#include "js/keywardd_notify.h"
#include "js/keywardd_pem.h"
#include "js/keywardd_sockets.h"
#include "js/sandbox.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
};

struct keywardd {
	const char *conf_path;
	bool check_only;
	struct conf conf;
	struct js_files files;
	struct js_pem pem;
	struct js_sockets sockets;
	struct js_group group;
	bool was_ready;
	bool reload_wanted;
	int signals;
};

static void help(FILE *out)
{
	fputs("usage: keywardd [-c FILE] [-t]\n"
	      "Run the Keyward join server in the foreground.\n"
	      "\n"
	      "  -c, --config FILE  configuration (default: " CONF_DEFAULT_PATH ")\n"
	      "  -t, --test         check the configuration and what it names, and exit\n"
	      "      --help         show this and exit\n"
	      "      --version      show the version and exit\n"
	      "\n"
	      "Exit status: 0 stopped, or configuration good; 1 refused or failed; 2 usage.\n"
	      "See keywardd(8) and keyward.conf(5).\n",
		out);
}

static void options_read(int argc, char **argv, struct keywardd *keywardd)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"test", no_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int id;

	while ((id = getopt_long(argc, argv, "c:th", options, NULL)) != -1) {
		switch (id) {
		case 'c':
			keywardd->conf_path = optarg;
			break;
		case 't':
			keywardd->check_only = true;
			break;
		case 'h':
			help(stdout);
			exit(STATUS_OK);
		case 'V':
			puts("keywardd " KW_VERSION);
			exit(STATUS_OK);
		default:
			help(stderr);
			exit(STATUS_USAGE);
		}
	}
	if (optind != argc) {
		fprintf(stderr, "keywardd: \"%s\": no further arguments are expected\n",
			argv[optind]);
		help(stderr);
		exit(STATUS_USAGE);
	}
}

__attribute__((noreturn)) static void refuse(const char *why)
{
	fprintf(stderr, "keywardd: %s\n", why);
	exit(STATUS_FAILED);
}

/* Descriptors that are handed on must not lie where the standard ones belong; children inherit these. */
static void standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0) {
		close(fd);
	}
}

/* The children inherit it. Beyond the hard limit only root may go. */
static void descriptors_raise(unsigned connections)
{
	const rlim_t needed = (rlim_t)connections + JS_FRONT_OTHER_FDS;
	struct rlimit limit, more;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		return;
	}
	more.rlim_max = limit.rlim_max < needed ? needed : limit.rlim_max;
	more.rlim_cur = more.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &more) == 0) {
		return;
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < needed) {
		kw_log(KW_LOG_WARNING, "keywardd",
			"a front will serve fewer connections than [server] connections says: it "
			"may not open so many descriptors; raise the hard limit (LimitNOFILE=)",
			KW_NUM("connections", connections), KW_NUM("needed", needed),
			KW_NUM("allowed", limit.rlim_max));
	}
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
		return -1;
	}
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void announce(struct keywardd *keywardd)
{
	const struct conf *conf = &keywardd->conf;
	char addresses[CONF_LISTEN_MAX * (CONF_WORD_SIZE + 1)] = "";

	for (size_t i = 0; i < conf->server.listen_count; i++) {
		strcat(addresses, i > 0 ? " " : "");
		strcat(addresses, conf->server.listen[i].text);
	}
	kw_log(KW_LOG_NOTICE, "keywardd", "ready", KW_STR("listen", addresses),
		KW_STR("tls", conf->server.tls_certificate[0] != '\0' ? "on" : "off"),
		KW_STR("admin", conf->admin.socket), KW_NUM("fronts", conf->server.processes),
		KW_STR("version", KW_VERSION));
	js_notify("READY=1");
	keywardd->was_ready = true;
}

static void stop(struct keywardd *keywardd, const char *signal_name, uint64_t now_us)
{
	if (keywardd->group.stage == JS_STAGE_RUN) {
		kw_log(KW_LOG_NOTICE, "keywardd", "stopping", KW_STR("signal", signal_name));
		js_notify("STOPPING=1");
	}
	js_group_stop(&keywardd->group, now_us);
}

static void signals_take(struct keywardd *keywardd, uint64_t now_us)
{
	struct signalfd_siginfo info;

	while (read(keywardd->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			js_group_reap(&keywardd->group, now_us);
			break;
		case SIGHUP:
			keywardd->reload_wanted = true;
			break;
		default:
			stop(keywardd, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", now_us);
			break;
		}
	}
}

/* All or nothing: what a front would not take does not get to the fronts, so that one that is started
 * again can start. */
static bool pem_renew(struct keywardd *keywardd)
{
	char why[CONF_WHY_SIZE] = "the reason stands above";
	struct js_pem fresh;
	bool good = js_pem_open(&keywardd->conf, &fresh, why) == KW_OK;

	if (good && js_child_check(&keywardd->conf, &fresh) != KW_OK) {
		js_pem_close(&fresh);
		good = false;
	}
	if (!good) {
		kw_log(KW_LOG_ERROR, "keywardd",
			"SIGHUP: the PEM files are not usable; those of before stay in use",
			KW_STR("reason", why));
		return false;
	}
	js_pem_replace(&keywardd->pem, &fresh);
	js_pem_close(&fresh);
	return true;
}

/* Not while a front starts: it might read half of the old and half of the new. */
static void reload(struct keywardd *keywardd)
{
	char names[128];

	if (!keywardd->reload_wanted || keywardd->group.stage != JS_STAGE_RUN ||
		!js_group_settled(&keywardd->group)) {
		return;
	}
	keywardd->reload_wanted = false;
	js_pem_names(&keywardd->conf, names);
	if (*names == '\0') {
		kw_log(KW_LOG_NOTICE, "keywardd",
			"SIGHUP: no PEM file is configured; all else is read by a restart");
	} else if (pem_renew(keywardd)) {
		js_group_reload(&keywardd->group);
		kw_log(KW_LOG_NOTICE, "keywardd",
			"SIGHUP: the PEM files were read again; all else is read by a restart",
			KW_STR("files", names));
	}
}

static void loop(struct keywardd *keywardd)
{
	struct js_group *group = &keywardd->group;
	struct pollfd fds[1 + JS_GROUP_FDS_MAX];
	uint64_t now_us = kw_mono_us(&kw_env_system);

	while (!js_group_advance(group, now_us)) {
		size_t count = 1 + js_group_poll(group, fds + 1);

		fds[0] = (struct pollfd){.fd = keywardd->signals, .events = POLLIN};
		if (poll(fds, (nfds_t)count, js_group_timeout_ms(group, now_us)) < 0 &&
			errno != EINTR) {
			kw_log(KW_LOG_ERROR, "keywardd", "cannot wait for events", KW_ERRNO());
			exit(STATUS_FAILED); /* the children end with this process */
		}
		now_us = kw_mono_us(&kw_env_system);
		if (js_group_take_ready(group, now_us) && !keywardd->was_ready &&
			group->stage == JS_STAGE_RUN) {
			announce(keywardd);
		}
		signals_take(keywardd, now_us);
		reload(keywardd);
	}
}

static void prepare(struct keywardd *keywardd)
{
	struct js_setup *setup = &keywardd->group.setup;
	char why[CONF_WHY_SIZE];
	struct js_board *board;

	if (js_files_open(&keywardd->conf, keywardd->conf_path, &keywardd->files, why) != KW_OK ||
		js_pem_open(&keywardd->conf, &keywardd->pem, why) != KW_OK ||
		js_sockets_open(&keywardd->conf, &keywardd->sockets, why) != KW_OK) {
		refuse(why);
	}
	setup->conf = &keywardd->conf;
	setup->files = &keywardd->files;
	setup->pem = &keywardd->pem;
	setup->sockets = &keywardd->sockets;
	keywardd->signals = signals_open();
	js_channels_init(&setup->channels, 1 + keywardd->sockets.fronts);
	if (keywardd->signals < 0 || js_board_create(&board, &setup->board) != KW_OK) {
		kw_log(KW_LOG_ERROR, "keywardd", "cannot prepare the start", KW_ERRNO());
		js_sockets_close(&keywardd->sockets);
		exit(STATUS_FAILED);
	}
	js_group_init(&keywardd->group, board, kw_mono_us(&kw_env_system));
}

static int run(struct keywardd *keywardd)
{
	descriptors_raise(keywardd->conf.server.connections);
	prepare(keywardd);
	if (js_sandbox_enter_parent() != KW_OK) {
		js_sockets_close(&keywardd->sockets);
		return STATUS_FAILED;
	}
	loop(keywardd);
	js_sockets_close(&keywardd->sockets);
	js_pem_close(&keywardd->pem);
	js_files_close(&keywardd->files);
	if (!keywardd->group.failed) {
		kw_log(KW_LOG_NOTICE, "keywardd", "stopped");
	}
	return keywardd->group.failed ? STATUS_FAILED : STATUS_OK;
}

static int check(struct keywardd *keywardd)
{
	char why[CONF_WHY_SIZE];

	if (js_files_check(&keywardd->conf, keywardd->conf_path, why) != KW_OK ||
		js_pem_open(&keywardd->conf, &keywardd->pem, why) != KW_OK) {
		refuse(why);
	}
	if (js_child_check(&keywardd->conf, &keywardd->pem) != KW_OK) {
		refuse("a PEM file is not usable, for the reason logged above");
	}
	js_pem_close(&keywardd->pem);
	printf("%s: configuration is good\n", keywardd->conf_path);
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	static struct keywardd keywardd = {.conf_path = CONF_DEFAULT_PATH};
	char why[CONF_WHY_SIZE];

	standard_descriptors();
	/* Who reads the log may go away; the service stays. Children set their own signals. */
	signal(SIGPIPE, SIG_IGN);
	options_read(argc, argv, &keywardd);
	if (conf_read(keywardd.conf_path, &keywardd.conf, why) != KW_OK) {
		refuse(why);
	}
	kw_log_setup(keywardd.conf.log.level, keywardd.conf.log.json);
	return keywardd.check_only ? check(&keywardd) : run(&keywardd);
}
