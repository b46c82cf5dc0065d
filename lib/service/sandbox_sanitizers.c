/*
 * sandbox_sanitizers - what AddressSanitizer needs inside the sandbox
 *
 * Linked in place of sandbox_plain.c by --enable-sanitizers, for tests only: its run-time library looks
 * into /proc and maps memory in its own way.
 */
#include <seccomp.h>
#include <sys/types.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/service/internal.h"

static const int extra_calls[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(ioctl),
    SCMP_SYS(fcntl),
    SCMP_SYS(prctl),
    SCMP_SYS(prlimit64),
    SCMP_SYS(sched_getaffinity),
};

bool
service_sandbox_extra(void *filter)
{
	/* Calls that are decided already stay decided: a rule for the same call is refused or widens it. */
	for (size_t i = 0; i < sizeof(extra_calls) / sizeof(extra_calls[0]); i++)
		(void)seccomp_rule_add(filter, SCMP_ACT_ALLOW, extra_calls[i], 0);
	return true;
}

/* The leak check at exit would trace this process, which is not dumpable and in a chroot. */
int
service_sandbox_exit(int status)
{
	log_flush();
	_exit(status);
}
