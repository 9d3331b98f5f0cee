/**
 * Between the Backend Interfaces and the channel to the vault, which do not know each other.
 */
#ifndef KW_JS_FRONT_CONVERT_H
#define KW_JS_FRONT_CONVERT_H

#include "backend-if/message.h"
#include "ipc/ipc.h"

/**
 * The question to the vault. What the request has wrong goes along as field_err: only the vault
 * can say whether the sender may know of it.
 *
 * @param count  of credentials, at most IPC_CREDENTIALS_MAX
 */
void js_front_question(const struct bi_request *request, const struct ipc_credential *credentials,
	size_t count, uint64_t number, struct ipc_backend_req *out);

/** The vault's answer as it is to be written; keys and labels are borrowed from `answer`. An answer
 *  that cannot be is turned into KW_E_SYSTEM. */
void js_front_answer(const struct bi_request *request, const struct ipc_backend_ans *answer,
	struct bi_answer *out);

#endif
