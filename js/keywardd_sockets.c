#include "js/keywardd_sockets.h"

#include "js/keywardd_files.h"

#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG     1024
#define ADMIN_GROUP "keyward"

static bool option_on(int fd, int level, int option)
{
	const int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

/* A bound TCP socket, or -1 with errno. */
static int bind_tcp(const struct conf_listen *listen, bool shared)
{
	int family = listen->address.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int kept;

	if (fd >= 0 && option_on(fd, SOL_SOCKET, SO_REUSEADDR) &&
		(!shared || option_on(fd, SOL_SOCKET, SO_REUSEPORT)) &&
		option_on(fd, IPPROTO_TCP, TCP_NODELAY) &&
		(family != AF_INET6 || option_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) &&
		bind(fd, (const struct sockaddr *)&listen->address, listen->length) == 0) {
		return fd;
	}
	kept = errno;
	if (fd >= 0) {
		close(fd);
	}
	errno = kept;
	return -1;
}

static enum kw_err bind_failed(const struct conf_listen *listen, char *why)
{
	switch (errno) {
	case EADDRINUSE:
		return js_fail(why, KW_E_BUSY,
			"cannot listen on %s: the port is in use by another program; stop it or "
			"choose "
			"another port in [server] listen (ss -ltnp shows who has it)",
			listen->text);
	case EADDRNOTAVAIL:
		return js_fail(why, KW_E_INVALID,
			"cannot listen on %s: this machine does not have that address",
			listen->text);
	case EACCES:
		return js_fail(why, KW_E_SYSTEM,
			"cannot listen on %s: ports below 1024 need root or CAP_NET_BIND_SERVICE",
			listen->text);
	default:
		return js_fail(
			why, KW_E_SYSTEM, "cannot listen on %s: %s", listen->text, strerror(errno));
	}
}

/* Put the port that the kernel chose where the other fronts, and people, look for it. */
static void note_port(int fd, struct conf_listen *listen)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&listen->address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&listen->address;
	char *colon = strrchr(listen->text, ':');
	socklen_t length = sizeof(listen->address);
	in_port_t *port = listen->address.ss_family == AF_INET ? &in->sin_port : &in6->sin6_port;

	if (*port == 0 && getsockname(fd, (struct sockaddr *)&listen->address, &length) == 0) {
		snprintf(colon + 1, sizeof(listen->text) - (size_t)(colon + 1 - listen->text), "%u",
			ntohs(*port));
	}
}

/*
 * Sockets that share a port would also share it, silently, with another server that asks for the
 * same; a socket that does not share finds out.
 */
static enum kw_err probe(struct conf_listen *listen, char *why)
{
	int fd = bind_tcp(listen, false);

	if (fd < 0) {
		return bind_failed(listen, why);
	}
	note_port(fd, listen);
	close(fd);
	return KW_OK;
}

static enum kw_err listener_open(
	struct js_sockets *sockets, size_t front, size_t address, struct conf_listen *at, char *why)
{
	int fd = bind_tcp(at, sockets->fronts > 1);

	if (fd < 0) {
		return bind_failed(at, why);
	}
	sockets->listeners[front][address] = fd;
	note_port(fd, at);
	return listen(fd, BACKLOG) == 0 ? KW_OK : bind_failed(at, why);
}

static enum kw_err address_open(
	struct js_sockets *sockets, size_t address, struct conf_listen *listen, char *why)
{
	enum kw_err err = sockets->fronts > 1 ? probe(listen, why) : KW_OK;

	for (size_t front = 0; err == KW_OK && front < sockets->fronts; front++) {
		err = listener_open(sockets, front, address, listen, why);
	}
	return err;
}

static enum kw_err directory_make(const char *socket_path, char *why)
{
	char directory[CONF_PATH_SIZE];
	char *slash;

	strcpy(directory, socket_path);
	slash = strrchr(directory, '/');
	if (slash == NULL || slash == directory) {
		return KW_OK;
	}
	*slash = '\0';
	if (mkdir(directory, 0755) == 0 || errno == EEXIST) {
		return KW_OK;
	}
	return js_fail(why, KW_E_SYSTEM,
		"cannot make the directory %s for the admin socket: %s; make it, or choose another "
		"path in [admin] socket",
		directory, strerror(errno));
}

/* A socket file that somebody left is removed; one on which somebody answers is not. */
static enum kw_err stale_remove(int fd, const struct sockaddr_un *address, char *why)
{
	struct stat info;

	if (lstat(address->sun_path, &info) != 0) {
		return KW_OK;
	}
	if (!S_ISSOCK(info.st_mode)) {
		return js_fail(why, KW_E_INVALID,
			"the admin socket %s: there is something else of that name; remove it or "
			"choose another path in [admin] socket",
			address->sun_path);
	}
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		errno != ECONNREFUSED) {
		return js_fail(why, KW_E_BUSY,
			"the admin socket %s is in use by another process; is keywardd running "
			"already?",
			address->sun_path);
	}
	if (unlink(address->sun_path) != 0) {
		return js_fail(why, KW_E_SYSTEM, "cannot remove the left-over admin socket %s: %s",
			address->sun_path, strerror(errno));
	}
	return KW_OK;
}

/* For root and, where there is such a group, for its members. */
static bool admin_open_to_group(const char *path)
{
	const struct group *group = geteuid() == 0 ? getgrnam(ADMIN_GROUP) : NULL;

	return group == NULL || (lchown(path, 0, group->gr_gid) == 0 &&
					chmod(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) == 0);
}

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static enum kw_err admin_bind(int fd, const struct sockaddr_un *address, char *why)
{
	mode_t mask = umask(S_IXUSR | S_IRWXG | S_IRWXO);
	bool bound = bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

	umask(mask);
	if (!bound || !admin_open_to_group(address->sun_path) || listen(fd, BACKLOG) != 0) {
		return js_fail(why, KW_E_SYSTEM, "cannot make the admin socket %s: %s",
			address->sun_path, strerror(errno));
	}
	return KW_OK;
}

static enum kw_err admin_open(const char *path, struct js_sockets *sockets, char *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int asking = unix_socket();
	enum kw_err err = directory_make(path, why);

	/* The configuration has checked that it fits. */
	memcpy(address.sun_path, path, strlen(path) + 1);
	sockets->admin = unix_socket();
	if (err == KW_OK && (asking < 0 || sockets->admin < 0)) {
		err = js_fail(why, KW_E_SYSTEM, "cannot make a socket: %s", strerror(errno));
	}
	if (err == KW_OK) {
		err = stale_remove(asking, &address, why);
	}
	if (asking >= 0) {
		close(asking);
	}
	if (err == KW_OK) {
		err = admin_bind(sockets->admin, &address, why);
	}
	if (err == KW_OK) {
		strcpy(sockets->admin_path, path);
	}
	return err;
}

enum kw_err js_sockets_open(struct conf *conf, struct js_sockets *sockets, char why[CONF_WHY_SIZE])
{
	enum kw_err err = KW_OK;

	memset(sockets, 0, sizeof(*sockets));
	memset(sockets->listeners, 0xff, sizeof(sockets->listeners)); /* -1 each */
	sockets->admin = -1;
	sockets->fronts = conf->server.processes;
	sockets->addresses = conf->server.listen_count;
	for (size_t i = 0; err == KW_OK && i < sockets->addresses; i++) {
		err = address_open(sockets, i, &conf->server.listen[i], why);
	}
	if (err == KW_OK) {
		err = admin_open(conf->admin.socket, sockets, why);
	}
	if (err != KW_OK) {
		js_sockets_close(sockets);
	}
	return err;
}

void js_sockets_close(struct js_sockets *sockets)
{
	for (size_t front = 0; front < sockets->fronts; front++) {
		for (size_t i = 0; i < sockets->addresses; i++) {
			if (sockets->listeners[front][i] >= 0) {
				close(sockets->listeners[front][i]);
			}
		}
	}
	if (sockets->admin >= 0) {
		close(sockets->admin);
	}
	if (sockets->admin_path[0] != '\0') {
		unlink(sockets->admin_path);
	}
	sockets->fronts = 0;
	sockets->admin = -1;
	sockets->admin_path[0] = '\0';
}
