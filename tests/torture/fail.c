/*
 * fail - makes calls to the system fail: preloaded into programs of the suite by tests/torture/failing
 *
 *	LD_PRELOAD=…/fail.so FAIL_CONTROL=FILE program …
 *
 * FILE is a struct fail_control, mapped and shared: who runs the test writes into it which program is
 * meant, which kind of call, from which one on and how many of them fail, and how; all processes
 * count in it together. So a running suite is armed and disarmed without a restart. The mapping is made
 * before the program confines itself; after that the shim makes no call of its own but fstat() and
 * getsockopt(), which every sandbox allows. Memory (malloc, mmap) and the event loop's own descriptors
 * are left alone: libuv ends the process when those fail.
 */
#define _GNU_SOURCE
#include "tests/torture/fail.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES 14
#define FRAMES_SKIPPED 2 /* this file's */

/* The order and sizes are known to tests/torture/inject.py. */
struct fail_control {
	char program[32];                  /* as started, without its folder */
	_Atomic uint32_t on;               /* written last, cleared first */
	uint32_t kind;                     /* enum fail_kind: of the calls that fail */
	uint32_t verdict;                  /* enum fail_verdict: what happens */
	uint32_t error;                    /* errno */
	uint64_t from;                     /* the first call that fails, from 1 */
	uint64_t count;                    /* how many fail */
	_Atomic uint64_t seen[FAIL_KINDS]; /* calls of each kind */
	_Atomic uint64_t failed;
	_Atomic uint32_t reporting; /* only the first failure is told of */
	char report[980];           /* "call, pid" and where it came from */
};

static struct fail_control *control;

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("FAIL_CONTROL");
	void *frames[FRAMES];
	void *map;
	int fd;

	if (!path)
		return;
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)syscall(SYS_close, fd);
	if (map == MAP_FAILED)
		return;
	/* The first backtrace loads a library, which a confined program could not. */
	(void)backtrace(frames, FRAMES);
	control = map;
}

static bool
meant(void)
{
	if (!control || !atomic_load_explicit(&control->on, memory_order_acquire))
		return false;
	return strncmp(control->program, program_invocation_short_name, sizeof(control->program)) ==
	    0;
}

/* The call and the way to it, as "file+offset", for addr2line. */
static void
report(const char *name)
{
	void *frames[FRAMES];
	int n = backtrace(frames, FRAMES);
	size_t at;

	at = (size_t)snprintf(
	    control->report, sizeof(control->report), "%s, pid %ld\n", name, (long)getpid());
	for (int i = FRAMES_SKIPPED; i < n && at < sizeof(control->report); i++) {
		Dl_info info;

		if (dladdr(frames[i], &info) == 0 || !info.dli_fname)
			continue;
		at += (size_t)snprintf(control->report + at, sizeof(control->report) - at,
		    "%s+%#lx\n", info.dli_fname,
		    (unsigned long)((char *)frames[i] - (char *)info.dli_fbase) - 1);
	}
}

enum fail_verdict
fail_ask(enum fail_kind kind, const char *name)
{
	uint64_t number;

	if (!meant())
		return FAIL_NOT;
	number = atomic_fetch_add(&control->seen[kind], 1) + 1;
	if (kind != control->kind || number < control->from ||
	    number - control->from >= control->count)
		return FAIL_NOT;
	atomic_fetch_add(&control->failed, 1);
	if (atomic_exchange(&control->reporting, 1) == 0)
		report(name);
	errno = (int)control->error;
	return (enum fail_verdict)control->verdict;
}

int
fail_torn(void)
{
	errno = (int)control->error;
	return -1;
}

static bool
is_stream(int fd)
{
	int type = 0, saved = errno;
	socklen_t size = sizeof(type);
	bool stream = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;

	errno = saved;
	return stream;
}

enum fail_verdict
fail_ask_fd(int fd, bool write, size_t n, const char *name)
{
	bool partly = control && control->verdict != FAIL_CALL;
	int saved = errno;
	struct stat st;

	if (!meant())
		return FAIL_NOT;
	if (syscall(SYS_fstat, fd, &st) != 0) {
		errno = saved;
		return FAIL_NOT;
	}
	errno = saved;
	if (partly && n < 2)
		return FAIL_NOT;
	if (S_ISREG(st.st_mode))
		return fail_ask(write ? FAIL_WRITE : FAIL_READ, name);
	if (S_ISSOCK(st.st_mode) && (!partly || is_stream(fd)))
		return fail_ask(write ? FAIL_SEND : FAIL_RECV, name);
	if (S_ISFIFO(st.st_mode))
		return fail_ask(FAIL_PIPE, name);
	return FAIL_NOT;
}
