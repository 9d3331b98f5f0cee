#include "base/log_gate.h"

bool kw_log_gate(struct kw_log_gate *gate, const struct kw_env *env, enum kw_log_level level,
	const char *subsystem)
{
	uint64_t second;

	if (!kw_log_enabled(level)) {
		return false;
	}
	second = kw_mono_us(env) / 1000000 + 1;
	if (gate->second != second) {
		gate->second = second;
		gate->passed = 0;
	}
	if (gate->passed == KW_LOG_GATE_LINES) {
		gate->held++;
		return false;
	}
	gate->passed++;
	if (gate->held > 0) {
		kw_log(level, subsystem, "too many lines like the next; some were left out",
			KW_NUM("lines", gate->held));
		gate->held = 0;
	}
	return true;
}
