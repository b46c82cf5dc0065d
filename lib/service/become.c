/*
 * become - another user, for good
 *
 * Every step is looked at again from the outside: the IDs are read back, and the way back is tried and
 * must be shut. Any failure ends in false; the caller ends the process.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/service/internal.h"

#define CAPABILITY_LAST 63 /* more than any kernel has; those it lacks are skipped */

static bool
failed(struct buf *why, const char *what)
{
	buf_printf(why, "%s: %s", what, strerror(errno));
	return false;
}

/* While still root: nothing this process or its children execute gives capabilities back. */
static bool
bound_capabilities(struct buf *why)
{
	for (unsigned long cap = 0; cap <= CAPABILITY_LAST; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
			return failed(why, "cannot bound capabilities");
	return true;
}

/* For uid 0, which keeps its files and loses everything else. */
static bool
drop_capabilities(struct buf *why)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0 && errno != EPERM)
		return failed(why, "cannot set secure bits");
	memset(data, 0, sizeof(data));
	if (syscall(SYS_capset, &header, data) != 0)
		return failed(why, "cannot drop capabilities");
	memset(data, 0xff, sizeof(data));
	if (syscall(SYS_capget, &header, data) != 0)
		return failed(why, "cannot read capabilities");
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		if (data[i].effective != 0 || data[i].permitted != 0 || data[i].inheritable != 0) {
			buf_puts(why, "capabilities are left after they were dropped");
			return false;
		}
	}
	return true;
}

static bool
switch_ids(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, struct buf *why)
{
	if (setgroups(n_groups, groups) != 0)
		return failed(why, "setgroups");
	if (setresgid(gid, gid, gid) != 0)
		return failed(why, "setresgid");
	if (setresuid(uid, uid, uid) != 0)
		return failed(why, "setresuid");
	return true;
}

static bool
verify_ids(uid_t uid, gid_t gid, size_t n_groups, struct buf *why)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	if (getresuid(&ru, &eu, &su) != 0 || getresgid(&rg, &eg, &sg) != 0)
		return failed(why, "cannot read user and group");
	if (ru != uid || eu != uid || su != uid || rg != gid || eg != gid || sg != gid) {
		buf_printf(why, "user %ld/%ld/%ld and group %ld/%ld/%ld are not those asked for",
		    (long)ru, (long)eu, (long)su, (long)rg, (long)eg, (long)sg);
		return false;
	}
	if (getgroups(0, NULL) != (int)n_groups) {
		buf_puts(why, "supplementary groups are not those asked for");
		return false;
	}
	if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0 || setresuid(0, 0, 0) == 0)) {
		buf_puts(why, "could become root again");
		return false;
	}
	if (uid != 0 && chroot(".") == 0) {
		buf_puts(why, "could still change the root directory");
		return false;
	}
	if (uid != 0 && gid != 0 && (setgid(0) == 0 || setegid(0) == 0)) {
		buf_puts(why, "could become group root again");
		return false;
	}
	return true;
}

bool
service_harden(enum service_sandbox sandbox, struct buf *why)
{
	struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return failed(why, "cannot forbid core files");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return failed(why, "cannot become non-dumpable");
	/* The parent of other users' workers is trusted; what it starts gets its own limits. */
	if (sandbox == SANDBOX_NONE)
		return true;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return failed(why, "no_new_privs");
	return service_landlock(why) && service_seccomp(sandbox, why);
}

bool
service_become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups,
    enum service_sandbox sandbox, struct buf *why)
{
	if (geteuid() != 0) {
		if (uid != geteuid() || uid != getuid()) {
			buf_printf(why, "cannot become uid %ld: not run by root", (long)uid);
			return false;
		}
		return service_harden(sandbox, why);
	}
	if (!bound_capabilities(why) || !switch_ids(uid, gid, groups, n_groups, why))
		return false;
	if (uid == 0 && !drop_capabilities(why))
		return false;
	return verify_ids(uid, gid, n_groups, why) && service_harden(sandbox, why);
}
