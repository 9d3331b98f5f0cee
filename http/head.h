/**
 * Whether the header of a request can be read in one way only (RFC 9112). A proxy in front decides by
 * the same header where a request ends and which certificate its client has shown; what it could take
 * to say something else is refused. Private to http/.
 */
#ifndef KW_HTTP_HEAD_H
#define KW_HTTP_HEAD_H

#include <microhttpd.h>
#include <stdbool.h>

/**
 * False, and the connection is to be closed: not exactly one Host (HTTP/1.0 may leave it out; 3.2), a
 * body that could end in two places (6.1, 6.3), a name that is no token, as one with a blank before
 * its colon (5.1), a line without a name, that ends in CR or LF alone (2.2) or goes on in the next one
 * (5.2), or a NUL.
 *
 * @param method, version  as libmicrohttpd gives them to its handler: where they are counts
 */
bool http_head_good(struct MHD_Connection *connection, const char *method, const char *version);

#endif
