/*
 * landlock - what a process reaches that neither a chroot nor a filter of system calls keeps from it
 *
 * An abstract UNIX socket has a name and no file: every process of the machine may connect to it, out of
 * a chroot too, and a filter cannot see the name that connect() is given. Linux 6.12 and newer keep a
 * process to those of its own, and its signals as well. An older kernel cannot; then a confined program
 * reaches abstract sockets of other programs, which have to ask who calls (SO_PEERCRED).
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/service/internal.h"

/* Of linux/landlock.h, which is older than these on systems that we build on. */
#define ABI_WITH_SCOPES 6
#define CREATE_RULESET_VERSION 1U
#define SCOPE_ABSTRACT_UNIX_SOCKET ((uint64_t)1 << 0)
#define SCOPE_SIGNAL ((uint64_t)1 << 1)

struct ruleset {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

bool
service_landlock(struct buf *why)
{
	const struct ruleset ruleset = {.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_RULESET_VERSION);
	bool ok;
	int fd;

	if (abi < ABI_WITH_SCOPES) {
		log_debug("this kernel (Landlock %ld) leaves abstract sockets open to all", abi);
		return true;
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0U);
	ok = fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0U) == 0;
	if (!ok)
		buf_printf(why, "Landlock: %s", strerror(errno));
	(void)io_close(&fd);
	return ok;
}
