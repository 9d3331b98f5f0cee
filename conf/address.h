/** Addresses as people write them: numeric, no look-up of names. Internal to conf/. */
#ifndef KW_CONF_ADDRESS_H
#define KW_CONF_ADDRESS_H

#include "conf/conf.h"

/**
 * Read "127.0.0.1:8003" or "[::1]:8003".
 *
 * @param why  out: on failure what is wrong and what to write
 * @return KW_OK, KW_E_INVALID; listen is zero on failure
 */
KW_MUST_CHECK enum kw_err conf_listen_read(
	const char *text, struct conf_listen *listen, char why[CONF_WHY_SIZE]);

#endif
