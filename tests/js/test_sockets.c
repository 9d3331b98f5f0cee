#include "js/keywardd_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/keyward-sockets-XXXXXX";
static struct conf conf;
static char why[CONF_WHY_SIZE];

static void configure(const char *text)
{
	assert_int_equal(conf_read_text("k.conf", folder, text, strlen(text), &conf, why), KW_OK);
}

static int option_of(int fd, int level, int name)
{
	socklen_t length = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static in_port_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	return address.sin_port;
}

static void opens_one_per_front_and_address(void **state)
{
	struct js_sockets sockets;
	struct stat info;

	(void)state;
	configure("[server]\nlisten = 127.0.0.1:0\nlisten = 127.0.0.2:0\nprocesses = 3\n"
		  "[admin]\nsocket = run/admin.sock\n");
	assert_int_equal(js_sockets_open(&conf, &sockets, why), KW_OK);
	for (size_t i = 0; i < 2; i++) {
		in_port_t port = port_of(sockets.listeners[0][i]);
		char text[CONF_WORD_SIZE];

		assert_int_not_equal(port, 0);
		snprintf(text, sizeof(text), "127.0.0.%zu:%u", i + 1, ntohs(port));
		assert_string_equal(conf.server.listen[i].text, text);
		for (size_t front = 0; front < 3; front++) {
			int fd = sockets.listeners[front][i];

			assert_int_equal(port_of(fd), port);
			assert_int_equal(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
			assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 1);
			assert_int_not_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
			assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
			assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
		}
	}
	assert_int_equal(option_of(sockets.admin, SOL_SOCKET, SO_ACCEPTCONN), 1);
	assert_int_equal(stat(conf.admin.socket, &info), 0);
	assert_true(S_ISSOCK(info.st_mode) && (info.st_mode & 0117) == 0);
	js_sockets_close(&sockets);
	assert_int_equal(stat(conf.admin.socket, &info), -1);
}

static void refuses_a_port_in_use(void **state)
{
	struct js_sockets first;
	struct js_sockets second;
	char text[256];

	(void)state;
	configure("[server]\nlisten = 127.0.0.1:0\nprocesses = 2\n[admin]\nsocket = a.sock\n");
	assert_int_equal(js_sockets_open(&conf, &first, why), KW_OK);
	for (int fronts = 1; fronts <= 2; fronts++) {
		snprintf(text, sizeof(text),
			"[server]\nlisten = 127.0.0.1:%u\nprocesses = %d\n[admin]\nsocket = "
			"b.sock\n",
			ntohs(port_of(first.listeners[0][0])), fronts);
		configure(text);
		assert_int_equal(js_sockets_open(&conf, &second, why), KW_E_BUSY);
		assert_non_null(strstr(why, conf.server.listen[0].text));
		assert_int_equal(access(conf.admin.socket, F_OK), -1);
	}
	js_sockets_close(&first);
}

static void refuses_a_strange_address(void **state)
{
	struct js_sockets sockets;

	(void)state;
	configure("[server]\nlisten = 192.0.2.1:0\ntrusted_proxies = 192.0.2.2\n");
	assert_int_equal(js_sockets_open(&conf, &sockets, why), KW_E_INVALID);
	assert_non_null(strstr(why, "192.0.2.1:0"));
}

static void refuses_an_admin_socket_in_use(void **state)
{
	struct js_sockets first;
	struct js_sockets second;

	(void)state;
	configure("[server]\nlisten = 127.0.0.1:0\n[admin]\nsocket = a.sock\n");
	assert_int_equal(js_sockets_open(&conf, &first, why), KW_OK);
	configure("[server]\nlisten = 127.0.0.1:0\n[admin]\nsocket = a.sock\n");
	assert_int_equal(js_sockets_open(&conf, &second, why), KW_E_BUSY);
	assert_non_null(strstr(why, "running already"));
	assert_int_equal(access(conf.admin.socket, F_OK), 0); /* the first one's is still there */
	js_sockets_close(&first);
}

static void takes_the_place_of_a_dead_socket(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct js_sockets sockets;

	(void)state;
	configure("[server]\nlisten = 127.0.0.1:0\n[admin]\nsocket = a.sock\n");
	memcpy(address.sun_path, conf.admin.socket, strlen(conf.admin.socket));
	assert_int_equal(bind(left, (struct sockaddr *)&address, sizeof(address)), 0);
	close(left);
	assert_int_equal(js_sockets_open(&conf, &sockets, why), KW_OK);
	js_sockets_close(&sockets);
}

static void leaves_other_files_alone(void **state)
{
	struct js_sockets sockets;
	int fd;

	(void)state;
	configure("[server]\nlisten = 127.0.0.1:0\n[admin]\nsocket = file\n");
	fd = open(conf.admin.socket, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(js_sockets_open(&conf, &sockets, why), KW_E_INVALID);
	assert_int_equal(unlink(conf.admin.socket), 0);
	configure("[server]\nlisten = 127.0.0.1:0\n[admin]\nsocket = no/such/admin.sock\n");
	assert_int_equal(js_sockets_open(&conf, &sockets, why), KW_E_SYSTEM);
	assert_non_null(strstr(why, "no/such"));
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/run", folder);
	return rmdir(path) != 0 || rmdir(folder) != 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_one_per_front_and_address),
		cmocka_unit_test(refuses_a_port_in_use),
		cmocka_unit_test(refuses_a_strange_address),
		cmocka_unit_test(refuses_an_admin_socket_in_use),
		cmocka_unit_test(takes_the_place_of_a_dead_socket),
		cmocka_unit_test(leaves_other_files_alone),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
