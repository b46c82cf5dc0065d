/*
 * seccomp - the system calls a confined process may make
 *
 * An allow-list per enum service_sandbox. Anything else ends the process at once, but for a few calls
 * that libraries make to look around, which fail as if not permitted (or not there), so that a library
 * goes another way. What is denied above all: running programs, tracing and signalling others, sockets
 * other than UNIX ones (a client's excepted), executable memory, and interfaces that get around filters (io_uring, bpf,
 * userfaultfd, pidfd).
 *
 * Listening sockets and the socket of the log are one object for many processes: nobody may shut them
 * down, which would close them for all, nor get at the log's by another number or change its options.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/service/internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Every profile. Numbers that a machine does not have are pseudo numbers, which do nothing. */
static const int common_calls[] = {
    /* memory and threads */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(futex_waitv),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(membarrier),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getresuid),
    SCMP_SYS(getresgid),
    SCMP_SYS(getgroups),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(times),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(alarm),
    SCMP_SYS(setitimer),
    SCMP_SYS(restart_syscall),
    /* time */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    /* waiting */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_create),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(eventfd2),
    SCMP_SYS(eventfd),
    SCMP_SYS(pipe2),
    SCMP_SYS(pipe),
    SCMP_SYS(signalfd4),
    /* descriptors that are open already */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(preadv2),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(fstatfs),
    /* sockets that are open already; SO_PEERCRED */
    SCMP_SYS(accept4),
    SCMP_SYS(accept),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(getsockopt),
    SCMP_SYS(shutdown),
};

/* Who is the client, and which of our addresses has it called? */
static const int network_calls[] = {
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
};

/* To be a client of other machines (TCP), and to ask name servers (UDP). */
static const int client_calls[] = {
    SCMP_SYS(bind),
    SCMP_SYS(setsockopt),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),
};

static const int file_calls[] = {
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(setsockopt),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(creat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(chdir),
    SCMP_SYS(fchdir),
    SCMP_SYS(getdents64),
    SCMP_SYS(getdents),
    SCMP_SYS(statfs),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(pwritev2),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(syncfs),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fadvise64),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(sendfile),
    SCMP_SYS(flock),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(chown),
    SCMP_SYS(fchown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(umask),
    SCMP_SYS(utimensat),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
};

/* Libraries looking around: harmless, so no reason to die of. (What is allowed already stays so.) */
static const int probe_calls[] = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(statfs),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(getpriority),
    SCMP_SYS(mbind),
    SCMP_SYS(get_mempolicy),
};

/*
 * "Not there" makes the C library use clone(), whose flags a filter can see, and libuv use epoll alone.
 */
static const int absent_calls[] = {
    SCMP_SYS(clone3),
    SCMP_SYS(openat2),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
};

/* Without F_SETOWN and F_SETSIG, which are a way to send signals. */
static const int fcntls[] = {
    F_GETFD,
    F_SETFD,
    F_GETFL,
    F_SETFL,
    F_GETLK,
    F_SETLK,
    F_SETLKW,
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
};
static const unsigned long ioctls[] = {FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS};

/* With these a process gets at the log's socket by another number, or changes it. */
static const int log_calls[] = {
    SCMP_SYS(setsockopt),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
};
static const int copying_fcntls[] = {F_DUPFD, F_DUPFD_CLOEXEC};

static const char *const profile_names[] = {
    [SANDBOX_NETWORK] = "network",
    [SANDBOX_CLIENT] = "client",
    [SANDBOX_INTERNAL] = "internal",
    [SANDBOX_CLOSED] = "closed",
    [SANDBOX_FILES] = "files",
    [SANDBOX_NONE] = "none",
};

static bool
add_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (seccomp_rule_add(filter, action, calls[i], 0) != 0)
			return false;
	return true;
}

static bool
allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, condition) == 0;
}

/* Calls that depend on an argument. Memory is writable or executable, and executable never again. */
static bool
add_memory_and_threads(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC);
	const uint32_t deny = SCMP_ACT_ERRNO(EPERM);

	return allow_if(filter, SCMP_SYS(mmap), no_exec) &&
	    allow_if(filter, SCMP_SYS(mprotect), no_exec) &&
	    seccomp_rule_add(filter, deny, SCMP_SYS(mmap), 1, exec) == 0 &&
	    seccomp_rule_add(filter, deny, SCMP_SYS(mprotect), 1, exec) == 0 &&
	    allow_if(
		filter, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) &&
	    allow_if(filter, SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_EQ, 0)) &&
	    /* abort(), raise() and the C library's own: never to another process */
	    allow_if(filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

/* Streams and datagrams over IP; no raw sockets, and no other protocol than the type's own. */
static bool
add_inet(scmp_filter_ctx filter, int family)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
	const scmp_datum_t flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	for (size_t i = 0; i < COUNT(types); i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family),
			SCMP_A1(SCMP_CMP_MASKED_EQ, ~flags, (scmp_datum_t)types[i])) != 0)
			return false;
	return true;
}

static bool
add_client_sockets(scmp_filter_ctx filter)
{
	const uint32_t absent = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	bool ok = allow_if(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX)) &&
	    add_inet(filter, AF_INET) && add_inet(filter, AF_INET6) &&
	    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0) == 0 &&
	    seccomp_rule_add(filter, absent, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_INET6)) ==
		0;

	/* A rule cannot say "neither of three". */
	for (int family = 0; ok && family < AF_INET6; family++)
		ok = family == AF_UNIX || family == AF_INET ||
		    seccomp_rule_add(filter, absent, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family)) == 0;
	return ok;
}

/* UNIX sockets, and connecting them. Another family is not there, and looking for one no reason to die. */
static bool
add_sockets(scmp_filter_ctx filter, enum service_sandbox sandbox)
{
	const struct scmp_arg_cmp others = SCMP_A0(SCMP_CMP_NE, AF_UNIX);
	const uint32_t absent = SCMP_ACT_ERRNO(EAFNOSUPPORT);

	if (sandbox == SANDBOX_CLOSED)
		return seccomp_rule_add(filter, absent, SCMP_SYS(socket), 0) == 0;
	if (sandbox == SANDBOX_CLIENT)
		return add_client_sockets(filter);
	return allow_if(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX)) &&
	    seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0) == 0 &&
	    seccomp_rule_add(filter, absent, SCMP_SYS(socket), 1, others) == 0;
}

static bool
add_fcntls(scmp_filter_ctx filter, const int *commands, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!allow_if(
			filter, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i])))
			return false;
	return true;
}

static bool
add_lists_of_values(scmp_filter_ctx filter)
{
	if (!add_fcntls(filter, fcntls, COUNT(fcntls)))
		return false;
	for (size_t i = 0; i < COUNT(ioctls); i++)
		if (!allow_if(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, ioctls[i])))
			return false;
	/* isatty(), which the C library asks of every new output stream */
	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
		SCMP_A1(SCMP_CMP_EQ, TCGETS)) != 0)
		return false;
	for (size_t i = 0; i < COUNT(prctls); i++)
		if (!allow_if(
			filter, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)prctls[i])))
			return false;
	return true;
}

/* CALL on descriptor FD fails. The kernel looks at the lower half of the register alone. */
static bool
deny_on(scmp_filter_ctx filter, int call, int fd)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
		   SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)fd)) == 0;
}

static bool
deny_copies(scmp_filter_ctx filter, int fd)
{
	for (size_t i = 0; i < COUNT(copying_fcntls); i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 2,
			SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)fd),
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)copying_fcntls[i])) !=
		    0)
			return false;
	return true;
}

/* A filter of its own, as what it denies are exceptions from what the allow-list allows. */
static bool
build_shared(scmp_filter_ctx filter)
{
	int end = SERVICE_FD_LISTEN + (int)service_process()->args.n_endpoints;
	bool ok = true;

	for (int fd = SERVICE_FD_LOG; ok && fd < end; fd++)
		ok = deny_on(filter, SCMP_SYS(shutdown), fd);
	for (size_t i = 0; ok && i < COUNT(log_calls); i++)
		ok = deny_on(filter, log_calls[i], SERVICE_FD_LOG);
	return ok && deny_copies(filter, SERVICE_FD_LOG);
}

static bool
build(scmp_filter_ctx filter, enum service_sandbox sandbox)
{
	bool ok = add_all(filter, SCMP_ACT_ALLOW, common_calls, COUNT(common_calls)) &&
	    add_memory_and_threads(filter) && add_sockets(filter, sandbox) &&
	    add_lists_of_values(filter) &&
	    add_all(filter, SCMP_ACT_ERRNO(ENOSYS), absent_calls, COUNT(absent_calls));

	if (ok && sandbox == SANDBOX_FILES)
		ok = add_all(filter, SCMP_ACT_ALLOW, file_calls, COUNT(file_calls)) &&
		    add_fcntls(filter, copying_fcntls, COUNT(copying_fcntls)) &&
		    allow_if(filter, SCMP_SYS(socketpair), SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	else if (ok)
		ok = add_all(filter, SCMP_ACT_ERRNO(EPERM), probe_calls, COUNT(probe_calls));
	if (ok && (sandbox == SANDBOX_NETWORK || sandbox == SANDBOX_CLIENT))
		ok = add_all(filter, SCMP_ACT_ALLOW, network_calls, COUNT(network_calls));
	if (ok && sandbox == SANDBOX_CLIENT)
		ok = add_all(filter, SCMP_ACT_ALLOW, client_calls, COUNT(client_calls));
	return ok && service_sandbox_extra(filter);
}

static bool
load(scmp_filter_ctx filter, bool built, struct buf *why)
{
	int error = built ? seccomp_load(filter) : -EINVAL;

	seccomp_release(filter);
	if (error != 0)
		buf_printf(why, "seccomp: %s", strerror(-error));
	return error == 0;
}

static bool
load_shared(struct buf *why)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (filter == NULL) {
		buf_puts(why, "seccomp: cannot make a filter");
		return false;
	}
	return load(filter, build_shared(filter), why);
}

bool
service_seccomp(enum service_sandbox sandbox, struct buf *why)
{
	scmp_filter_ctx filter;

	if (sandbox == SANDBOX_NONE)
		return true;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
		log_warning("this kernel has no seccomp: system calls are not restricted");
		return true;
	}
	if (!load_shared(why))
		return false;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (filter == NULL)
		filter = seccomp_init(SCMP_ACT_KILL); /* kernels before 4.14 */
	if (filter == NULL) {
		buf_puts(why, "seccomp: cannot make a filter");
		return false;
	}
	/* A binary tree; failure only means that the filter runs as a list. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!load(filter, build(filter, sandbox), why))
		return false;
	log_debug("sandbox: %s", profile_names[sandbox]);
	return true;
}
