/** What struct po_api is. Inside portal/ only: api.c and call.c. */
#ifndef KW_PORTAL_INTERNAL_H
#define KW_PORTAL_INTERNAL_H

#include "portal/api.h"

struct po_api {
	struct po_api_options options;
	/* The vault's answer; as aligned as its structs. */
	uint64_t message[IPC_MESSAGE_MAX / sizeof(uint64_t)];
};

#endif
