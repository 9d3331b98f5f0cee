/**
 * Between the Backend Interfaces and the channel to the vault, which do not know each other.
 */
#ifndef KW_JS_FRONT_JOIN_H
#define KW_JS_FRONT_JOIN_H

#include "backend-if/message.h"
#include "ipc/ipc.h"

/**
 * The question to the vault. What the request has wrong goes along as field_err: only the vault
 * can say whether the sender may know of it.
 */
void js_front_question(const struct bi_request *request, const uint8_t credential[IPC_DIGEST_SIZE],
	uint64_t number, struct ipc_join_req *out);

/** The vault's answer as it is to be written; keys and labels are borrowed from `answer`. An answer
 *  that cannot be is turned into KW_E_SYSTEM. */
void js_front_answer(const struct ipc_join_ans *answer, struct bi_answer *out);

#endif
