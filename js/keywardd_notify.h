/** Tells a service manager that asks for it (NOTIFY_SOCKET) how far keywardd is. */
#ifndef KW_JS_KEYWARDD_NOTIFY_H
#define KW_JS_KEYWARDD_NOTIFY_H

/** Send a state such as "READY=1". Without NOTIFY_SOCKET nothing happens; a failure is logged. */
void js_notify(const char *state);

#endif
