/**
 * One block for the JSON of one request, used again for the next: a small request costs the JSON
 * library dozens of blocks, each of which would be found and given back on its own. What does not
 * fit comes from the heap. Private to backend-if/.
 */
#ifndef KW_BACKEND_IF_JSON_ROOM_H
#define KW_BACKEND_IF_JSON_ROOM_H

/** Between the two calls jansson allocates here; all that it made must be freed before the second. */
void bi_json_enter(void);
void bi_json_leave(void);

#endif
