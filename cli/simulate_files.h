/** The files that `keyward simulate` is given: root keys, devices, token, KEKs. */
#ifndef KW_CLI_SIMULATE_FILES_H
#define KW_CLI_SIMULATE_FILES_H

#include "cli/simulate.h"

/* Each returns CLI_DONE, or CLI_FAILED with everything said; "-" is standard input. */

/** Lines "app_key=HEX" and "nwk_key=HEX", for device->version. */
int sim_keys_read(const char *path, struct sim_device *device);
/** All good devices of a file for import, or those under one JoinEUI or with one DevEUI. A bad
 *  line is a failure. */
int sim_devices_read(struct sim_run *run, const char *path, const struct lw_eui *join_eui,
	const struct lw_eui *dev_eui);
/** The first line. @param token  out: on the heap; wipe and free it */
int sim_token_read(const char *path, char **token);
/** 32, 48 or 64 hexadecimal digits. */
int sim_kek_read(const char *path, struct sim_kek *kek);

#endif
