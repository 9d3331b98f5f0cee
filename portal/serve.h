/** The admin API over HTTP (http/server.h). */
#ifndef KW_PORTAL_SERVE_H
#define KW_PORTAL_SERVE_H

#include "http/server.h"
#include "portal/api.h"

/** An http_handler that answers at once; the context is a struct po_api. */
void po_serve(void *api, struct http_request *request);

#endif
