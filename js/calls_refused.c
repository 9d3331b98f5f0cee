/* What happens to a system call that the filter traps: it is told, and fails. */
#include "js/calls.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <ucontext.h>

#define NUMBERS_MAX 1024 /* beyond all that there are; what lies above shares the last place */

static bool listed[NUMBERS_MAX];
static atomic_bool told[NUMBERS_MAX];

static size_t place(int number)
{
	return number >= 0 && number < NUMBERS_MAX ? (size_t)number : NUMBERS_MAX - 1;
}

void js_calls_list(int number)
{
	/* Below zero: calls that this architecture does not have. */
	if (number >= 0 && number < NUMBERS_MAX) {
		listed[number] = true;
	}
}

static void set_result(ucontext_t *context, int result)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = result;
#else /* aarch64; js/meson.build knows no other */
	context->uc_mcontext.regs[0] = (unsigned long long)(long long)result;
#endif
}

/*
 * It comes in place of the call, so from anywhere, malloc() too: nothing here may take a lock, and
 * kw_log() does not. Once for each call: who was taken over cannot flood the log this way.
 */
static void refused(int signal_number, siginfo_t *info, void *context)
{
	int saved = errno;
	int number = info->si_syscall;

	(void)signal_number;
	if (!atomic_exchange(&told[place(number)], true)) {
		kw_log(KW_LOG_ERROR, "sandbox",
			"a system call was refused; if nobody has taken over this process, report "
			"it as a fault",
			KW_STR("program", program_invocation_short_name), KW_NUM("call", number),
			KW_STR("reason", listed[place(number)] ? "its arguments are not allowed"
							       : "it is not allowed"));
	}
	set_result(context, listed[place(number)] ? -EPERM : -ENOSYS);
	errno = saved;
}

enum kw_err js_calls_watch(void)
{
	struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigset_t set;

	sigemptyset(&action.sa_mask);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) != 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) != 0) {
		kw_log(KW_LOG_ERROR, "sandbox", "cannot watch for refused system calls",
			KW_ERRNO());
		return KW_E_SYSTEM;
	}
	return KW_OK;
}
