/* fuzz_clock - puts itself in front of the C library's clock_gettime(): see fuzz_clock.h */
#define _GNU_SOURCE 1
#include "tests/fuzz/fuzz_clock.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Worker threads look at the clock as well. */
static struct {
	atomic_bool on;
	_Atomic int64_t passed_ms;
	_Atomic int64_t set_s;
	void (*alarm)(int signo, siginfo_t *info, void *context); /* libFuzzer's */
} state;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = (int)syscall(SYS_clock_gettime, id, ts);
	int64_t ms = atomic_load(&state.passed_ms);

	if (result != 0 || !atomic_load(&state.on))
		return result;
	ts->tv_sec += ms / 1000;
	ts->tv_nsec += ms % 1000 * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ts->tv_sec += atomic_load(&state.set_s);
	return 0;
}

/* libFuzzer looks every few seconds whether a run takes too long: by the kernel's time. */
static void
on_alarm(int signo, siginfo_t *info, void *context)
{
	bool on = atomic_exchange(&state.on, false);

	state.alarm(signo, info, context);
	atomic_store(&state.on, on);
}

static void
wrap_alarm(void)
{
	struct sigaction action;

	if (sigaction(SIGALRM, NULL, &action) != 0 || !(action.sa_flags & SA_SIGINFO) ||
	    action.sa_sigaction == on_alarm)
		return;
	state.alarm = action.sa_sigaction;
	action.sa_sigaction = on_alarm;
	(void)sigaction(SIGALRM, &action, NULL);
}

void
fuzz_clock_on(bool on)
{
	if (on)
		wrap_alarm();
	atomic_store(&state.on, on);
}

void
fuzz_clock_pass(int64_t ms)
{
	atomic_fetch_add(&state.passed_ms, ms);
}

void
fuzz_clock_set(int64_t seconds)
{
	atomic_store(&state.set_s, seconds);
}
