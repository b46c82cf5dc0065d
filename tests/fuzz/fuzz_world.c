/*
 * fuzz_world - see fuzz_world.h
 *
 * Puts itself in front of the C library's clock_gettime(), and of what libFuzzer does at some signals.
 */
#define _GNU_SOURCE 1
#include "tests/fuzz/fuzz_world.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void __asan_on_error(void);

/* Worker threads look at the clock as well. */
static struct {
	atomic_bool on;
	_Atomic int64_t passed_ms;
	_Atomic int64_t set_s;
	void (*former[NSIG])(int signo, siginfo_t *info, void *context); /* libFuzzer's */
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

	state.former[signo](signo, info, context);
	atomic_store(&state.on, on);
}

/* What was found is to be written down. */
static void
on_abort(int signo, siginfo_t *info, void *context)
{
	fuzz_disk_full(0);
	state.former[signo](signo, info, context);
}

/* AddressSanitizer calls it before it says a word. */
void
__asan_on_error(void)
{
	fuzz_disk_full(0);
}

static void
wrap(int signo, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action;

	if (sigaction(signo, NULL, &action) != 0 || !(action.sa_flags & SA_SIGINFO) ||
	    action.sa_sigaction == handler)
		return;
	state.former[signo] = action.sa_sigaction;
	action.sa_sigaction = handler;
	(void)sigaction(signo, &action, NULL);
}

void
fuzz_world_on(bool on)
{
	if (on) {
		wrap(SIGALRM, on_alarm);
		wrap(SIGABRT, on_abort);
		signal(SIGXFSZ, SIG_IGN);
	} else {
		fuzz_disk_full(0);
		fuzz_clock_set(0);
	}
	atomic_store(&state.on, on);
}

void
fuzz_disk_full(size_t size)
{
	struct rlimit limit = {size ? size : RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		_exit(1);
}

void
fuzz_artifacts_here(int *argc, char ***argv)
{
	static const char option[] = "-artifact_prefix=";
	char **args = calloc((size_t)*argc + 2, sizeof(*args)), *text = NULL;
	const char *prefix = "";
	char here[PATH_MAX];
	int n = 0;

	if (!args || !getcwd(here, sizeof(here)))
		_exit(1);
	for (int i = 0; i < *argc; i++)
		if (strncmp((*argv)[i], option, sizeof(option) - 1) == 0)
			prefix = (*argv)[i] + sizeof(option) - 1;
		else
			args[n++] = (*argv)[i];
	if (asprintf(&text, "%s%s%s%s", option, prefix[0] == '/' ? "" : here,
		prefix[0] == '/' ? "" : "/", prefix) < 0)
		_exit(1);
	args[n++] = text;
	*argc = n;
	*argv = args;
}

void
fuzz_time_passes(int64_t ms)
{
	atomic_fetch_add(&state.passed_ms, ms);
}

void
fuzz_clock_set(int64_t seconds)
{
	atomic_store(&state.set_s, seconds);
}
