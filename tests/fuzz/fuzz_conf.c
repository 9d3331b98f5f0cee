#include "conf/conf.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static void check_accepted(const struct conf *conf)
{
	fuzz_require(
		conf->server.listen_count >= 1 && conf->server.listen_count <= CONF_LISTEN_MAX);
	fuzz_require(conf->server.path_count >= 1 && conf->server.path_count <= CONF_PATHS_MAX);
	fuzz_require(conf->server.proxy_count <= CONF_PROXIES_MAX);
	fuzz_require(conf->server.processes >= 1 && conf->server.processes <= 64);
	fuzz_require(conf->keystore.map_size % 4096 == 0 && conf->keystore.map_size >= 1 << 24);
	fuzz_require(conf->join.repeat_window_s >= 1);
	fuzz_require(conf->keystore.path[0] == '/' && conf->admin.socket[0] == '/');
	fuzz_require(strncmp(conf->keystore.master_key, "file:/", 6) == 0);
	fuzz_require(
		(conf->server.tls_key[0] != '\0') == (conf->server.tls_certificate[0] != '\0'));
	fuzz_require((conf->server.answer_key[0] != '\0') ==
		     (conf->server.answer_certificate[0] != '\0'));
	for (size_t i = 0; i < conf->server.path_count; i++) {
		fuzz_require(ends(conf->server.paths[i], CONF_WORD_SIZE));
		fuzz_require(conf->server.paths[i][0] == '/');
	}
	for (size_t i = 0; i < conf->server.listen_count; i++) {
		fuzz_require(conf->server.listen[i].loopback || conf->server.tls_key[0] != '\0' ||
			     conf->server.proxy_count > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf conf;
	char why[CONF_WHY_SIZE];

	if (conf_read_text("f", "/d", (const char *)data, size, &conf, why) != KW_OK) {
		fuzz_require(strncmp(why, "f:", 2) == 0 && why[2] >= '1' && why[2] <= '9');
		fuzz_require(ends(why, sizeof(why)));
	} else {
		fuzz_require(why[0] == '\0');
	}
	check_accepted(&conf);
	return 0;
}
