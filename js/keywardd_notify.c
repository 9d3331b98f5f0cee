#include "js/keywardd_notify.h"

#include "base/log.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void js_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path != NULL ? strlen(path) : 0;
	socklen_t size;
	int fd;

	if (length < 2 || length >= sizeof(address.sun_path) || (*path != '/' && *path != '@')) {
		return;
	}
	memcpy(address.sun_path, path, length);
	if (*path == '@') {
		address.sun_path[0] = '\0'; /* a name without a file */
	}
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL,
			      (const struct sockaddr *)&address, size) < 0) {
		kw_log(KW_LOG_WARNING, "keywardd", "cannot tell the service manager",
			KW_STR("state", state), KW_ERRNO());
	}
	if (fd >= 0) {
		close(fd);
	}
}
