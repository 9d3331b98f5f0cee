/**
 * The descriptor between two processes. keywardd makes the pair and keeps both ends open, so that
 * a child that was restarted finds the same channel; it learns of the other side's restart by
 * IPC_HELLO, not by an end of file.
 */
#ifndef KW_IPC_CHANNEL_H
#define KW_IPC_CHANNEL_H

#include "ipc/ipc.h"

/** Make a connected pair, non-blocking, close-on-exec. @return KW_OK, KW_E_SYSTEM */
KW_MUST_CHECK enum kw_err ipc_channel_pair(int fds[2]);

/**
 * Send one message made of a header, bodies and what comes behind them (may be NULL with 0).
 * Fills header->magic and header->length.
 *
 * @return KW_OK
 *         KW_E_BUSY    the other side does not read; nothing was sent
 *         KW_E_CLOSED, KW_E_TOO_LONG, KW_E_SYSTEM
 */
KW_MUST_CHECK enum kw_err ipc_send(int fd, struct ipc_header *header, const void *bodies,
	size_t bodies_length, const void *tail, size_t tail_length);

/**
 * Receive one message into a buffer of IPC_MESSAGE_MAX octets and check it (ipc_message_check).
 *
 * @param length  out: octets received
 * @return KW_OK
 *         KW_E_BUSY    nothing there
 *         KW_E_CLOSED  end of file
 *         KW_E_INVALID, KW_E_TRUNCATED  a message that is not whole; it was consumed
 *         KW_E_SYSTEM
 */
KW_MUST_CHECK enum kw_err ipc_receive(int fd, void *buffer, bool to_vault, size_t *length);

/**
 * Ask one question and wait for its answer. For the portal, which has one question at a time; it
 * blocks up to timeout_ms. What is queued when it begins is dropped, an IPC_HELLO too; later,
 * answers to other numbers are. With KW_E_TIMEOUT and KW_E_CLOSED the question may have been, or may
 * yet be, acted on: only sending it again needs care, waiting for it is over.
 *
 * @param answer       out: header and bodies, IPC_MESSAGE_MAX octets
 * @return KW_OK (the answer's header.err may still be a refusal), KW_E_TIMEOUT, KW_E_CLOSED (the
 *         vault restarted meanwhile), KW_E_BUSY, KW_E_SYSTEM, KW_E_TOO_LONG
 */
KW_MUST_CHECK enum kw_err ipc_ask(int fd, enum ipc_kind kind, const void *body, size_t body_length,
	const void *tail, size_t tail_length, int timeout_ms, void *answer);

/** First body of a message. */
const void *ipc_body(const void *message);
/** What comes behind the bodies, and how long it is. */
const void *ipc_tail(const void *message, bool to_vault, size_t *length);

#endif
