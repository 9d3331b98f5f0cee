/** The URL of a join server, taken apart. */
#ifndef KW_CLI_URL_H
#define KW_CLI_URL_H

#include "conf/conf.h"

#include <stdbool.h>

#define CLI_URL_SIZE 256

struct cli_url {
	char text[CLI_URL_SIZE]; /* as written */
	bool tls;
	char host[CLI_URL_SIZE]; /* an IPv6 address with its brackets */
	unsigned port;           /* 443 or 80 if not written */
	char path[CLI_URL_SIZE]; /* without its first '/'; "" if there is nothing behind */
};

/** Read http://HOST[:PORT][/PATH] or https://...: printable ASCII without user, query, fragment and
 *  quotes. @return whether it is one; else *url is zero */
bool cli_url_read(const char *text, struct cli_url *url);

/**
 * The URL that the configuration makes: its first address.
 *
 * @return what is still to be checked about it, for a comment; never NULL
 */
const char *cli_url_of_conf(const struct conf *conf, char text[CLI_URL_SIZE]);

#endif
