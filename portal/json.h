/**
 * Answers of the admin API as JSON text: json.c and a json_x.c for each noun, out of what
 * portal/maker.h offers. Besides them only the readers of bodies know the JSON library.
 *
 * Each returns text on the heap, or NULL if there is no memory. Times are RFC 3339 in UTC or null,
 * identifiers lower-case hexadecimal.
 */
#ifndef KW_PORTAL_JSON_H
#define KW_PORTAL_JSON_H

#include "portal/api.h"

#define PO_WARNING_SIZE 240
#define PO_WARNINGS_MAX (PO_PROCESSES_MAX + 12)

/** What GET /status says, besides what the vault counts. */
struct po_status_view {
	uint64_t now_ms;
	const struct po_process *processes;
	size_t process_count;
	char (*warnings)[PO_WARNING_SIZE];
	size_t warning_count;
};

/** Seed the hash tables, while randomness may still be read. */
void po_json_start(void);

char *po_json_error(const char *code, const char *message);
char *po_json_removed(const char *name);
char *po_json_device(const struct ipc_device *device);
char *po_json_devices(const struct ipc_device_page *page);
char *po_json_peer(const struct ipc_peer *peer);
char *po_json_keks(const struct ipc_peer *peer);
/** @param member  "network_servers" or "application_servers" */
char *po_json_peers(const struct ipc_peer_page *page, const char *member);
char *po_json_events(const struct ipc_events_page *page);
char *po_json_backup(const struct ipc_backup_ans *answer);
char *po_json_import(const struct ipc_import_ans *answer, bool dry_run);
char *po_json_status(const struct ipc_status *status, const struct po_status_view *view);

#endif
