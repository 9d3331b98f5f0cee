#include "js/front_expiry.h"

#include "base/log.h"

#define DAY_US UINT64_C(86400000000)

enum js_front_expiry_state js_front_expiry_judge(uint64_t expires_s, uint64_t now_s)
{
	if (expires_s == 0) {
		return JS_FRONT_EXPIRY_FINE;
	}
	if (expires_s <= now_s) {
		return JS_FRONT_EXPIRY_OVER;
	}
	return expires_s - now_s <= JS_FRONT_EXPIRY_SOON_S ? JS_FRONT_EXPIRY_SOON
							   : JS_FRONT_EXPIRY_FINE;
}

static void look(uint64_t expires_s, uint64_t now_s)
{
	switch (js_front_expiry_judge(expires_s, now_s)) {
	case JS_FRONT_EXPIRY_FINE:
		break;
	case JS_FRONT_EXPIRY_SOON:
		kw_log(KW_LOG_WARNING, "front",
			"the certificate of tls_certificate expires soon; renew it and send "
			"keywardd SIGHUP",
			KW_NUM("days", (expires_s - now_s) / 86400));
		break;
	case JS_FRONT_EXPIRY_OVER:
		kw_log(KW_LOG_ERROR, "front",
			"the certificate of tls_certificate has expired: clients refuse it; renew "
			"it and send keywardd SIGHUP",
			KW_NUM("days", (now_s - expires_s) / 86400));
		break;
	}
}

int js_front_expiry_watch(
	struct js_front_expiry *expiry, uint64_t expires_s, uint64_t now_s, uint64_t mono_us)
{
	if (mono_us >= expiry->due_us) {
		expiry->due_us = mono_us + DAY_US;
		look(expires_s, now_s);
	}
	return (int)((expiry->due_us - mono_us + 999) / 1000);
}
