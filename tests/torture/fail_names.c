/*
 * fail_names - the wrappers of calls on names, and on descriptors as a whole: see fail.c
 *
 * Each asks, and then makes the system call itself; where the C library does more than a system call,
 * its own function is looked up.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/torture/fail.h"

/* int NAME PARAMETERS: fails as KIND, or is the system call. */
#define CALL(name, kind, parameters, ...)                                                          \
	int name parameters                                                                        \
	{                                                                                          \
		if (fail_ask(kind, #name) == FAIL_CALL)                                            \
			return -1;                                                                 \
		return (int)syscall(__VA_ARGS__);                                                  \
	}

/* The same for what the C library does in more than one step. */
#define FUNCTION(type, failure, name, kind, parameters, arguments)                                 \
	type name parameters                                                                       \
	{                                                                                          \
		type(*next) parameters;                                                            \
                                                                                                   \
		*(void **)&next = dlsym(RTLD_NEXT, #name);                                         \
		if (fail_ask(kind, #name) == FAIL_CALL)                                            \
			return failure;                                                            \
		return next arguments;                                                             \
	}

/* --- Syncing, sizes, locks -------------------------------------------------------------------------- */

CALL(fsync, FAIL_SYNC, (int fd), SYS_fsync, fd)
CALL(fdatasync, FAIL_SYNC, (int fd), SYS_fdatasync, fd)
CALL(syncfs, FAIL_SYNC, (int fd), SYS_syncfs, fd)
CALL(ftruncate, FAIL_TRUNCATE, (int fd, off_t size), SYS_ftruncate, fd, size)
CALL(truncate, FAIL_TRUNCATE, (const char *path, off_t size), SYS_truncate, path, size)
CALL(flock, FAIL_LOCK, (int fd, int what), SYS_flock, fd, what)
int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));

static bool
is_file(int fd)
{
	struct stat st;
	int saved = errno;
	bool file = syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode);

	errno = saved;
	return file;
}

/* The descriptor is closed even if the call fails, as Linux does it. */
int
close(int fd)
{
	bool fails = is_file(fd) && fail_ask(FAIL_CLOSE, "close") == FAIL_CALL;
	int error = errno, result = (int)syscall(SYS_close, fd);

	if (!fails)
		return result;
	errno = error;
	return -1;
}

int
fcntl(int fd, int what, ...)
{
	enum fail_verdict v = FAIL_NOT;
	va_list list;
	long argument;

	va_start(list, what);
	argument = va_arg(list, long);
	va_end(list);
	if (what == F_DUPFD || what == F_DUPFD_CLOEXEC)
		v = fail_ask(FAIL_SOCKET, "fcntl F_DUPFD");
	else if (what == F_SETLK || what == F_SETLKW || what == F_OFD_SETLK || what == F_OFD_SETLKW)
		v = fail_ask(FAIL_LOCK, "fcntl F_SETLK");
	return v == FAIL_CALL ? -1 : (int)syscall(SYS_fcntl, fd, what, argument);
}

int fcntl64(int, int, ...) __attribute__((alias("fcntl")));

/* --- Opening ---------------------------------------------------------------------------------------- */

int
openat(int at, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list list;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(list, flags);
		mode = va_arg(list, mode_t);
		va_end(list);
	}
	if (fail_ask(FAIL_OPEN, "openat") == FAIL_CALL)
		return -1;
	return (int)syscall(SYS_openat, at, path, flags, mode);
}

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list list;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(list, flags);
		mode = va_arg(list, mode_t);
		va_end(list);
	}
	if (fail_ask(FAIL_OPEN, "open") == FAIL_CALL)
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *, int, ...) __attribute__((alias("open")));
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags);

CALL(__open_2, FAIL_OPEN, (const char *path, int flags), SYS_openat, AT_FDCWD, path, flags, 0)
CALL(__open64_2, FAIL_OPEN, (const char *path, int flags), SYS_openat, AT_FDCWD, path, flags, 0)
CALL(__openat_2, FAIL_OPEN, (int at, const char *path, int flags), SYS_openat, at, path, flags, 0)
CALL(__openat64_2, FAIL_OPEN, (int at, const char *path, int flags), SYS_openat, at, path, flags, 0)

FUNCTION(FILE *, NULL, fopen, FAIL_OPEN, (const char *path, const char *mode), (path, mode))
FUNCTION(DIR *, NULL, opendir, FAIL_OPEN, (const char *path), (path))

/* --- Directories ------------------------------------------------------------------------------------ */

FUNCTION(struct dirent *, NULL, readdir, FAIL_LIST, (DIR * dir), (dir))
FUNCTION(DIR *, NULL, fdopendir, FAIL_LIST, (int fd), (fd))
FUNCTION(int, -1, mkfifo, FAIL_MKDIR, (const char *path, mode_t mode), (path, mode))
CALL(mkdir, FAIL_MKDIR, (const char *path, mode_t mode), SYS_mkdirat, AT_FDCWD, path, mode)
CALL(mkdirat, FAIL_MKDIR, (int at, const char *path, mode_t mode), SYS_mkdirat, at, path, mode)

CALL(rename, FAIL_RENAME, (const char *from, const char *to), SYS_renameat2, AT_FDCWD, from,
    AT_FDCWD, to, 0)
CALL(renameat, FAIL_RENAME, (int at, const char *from, int to_at, const char *to), SYS_renameat2,
    at, from, to_at, to, 0)
CALL(renameat2, FAIL_RENAME, (int at, const char *from, int to_at, const char *to, unsigned flags),
    SYS_renameat2, at, from, to_at, to, flags)
CALL(link, FAIL_RENAME, (const char *from, const char *to), SYS_linkat, AT_FDCWD, from, AT_FDCWD,
    to, 0)
CALL(linkat, FAIL_RENAME, (int at, const char *from, int to_at, const char *to, int flags),
    SYS_linkat, at, from, to_at, to, flags)
CALL(unlink, FAIL_UNLINK, (const char *path), SYS_unlinkat, AT_FDCWD, path, 0)
CALL(unlinkat, FAIL_UNLINK, (int at, const char *path, int flags), SYS_unlinkat, at, path, flags)

/* --- Attributes ------------------------------------------------------------------------------------- */

CALL(fchmod, FAIL_OWN, (int fd, mode_t mode), SYS_fchmod, fd, mode)
CALL(chmod, FAIL_OWN, (const char *path, mode_t mode), SYS_fchmodat, AT_FDCWD, path, mode)
CALL(fchown, FAIL_OWN, (int fd, uid_t uid, gid_t gid), SYS_fchown, fd, uid, gid)
CALL(lchown, FAIL_OWN, (const char *path, uid_t uid, gid_t gid), SYS_fchownat, AT_FDCWD, path, uid,
    gid, AT_SYMLINK_NOFOLLOW)
CALL(access, FAIL_STAT, (const char *path, int mode), SYS_faccessat, AT_FDCWD, path, mode)
CALL(fstat, FAIL_STAT, (int fd, struct stat *st), SYS_fstat, fd, st)
CALL(fstatat, FAIL_STAT, (int at, const char *path, struct stat *st, int flags), SYS_newfstatat, at,
    path, st, flags)
CALL(stat, FAIL_STAT, (const char *path, struct stat *st), SYS_newfstatat, AT_FDCWD, path, st, 0)
CALL(lstat, FAIL_STAT, (const char *path, struct stat *st), SYS_newfstatat, AT_FDCWD, path, st,
    AT_SYMLINK_NOFOLLOW)
FUNCTION(int, -1, fstatvfs, FAIL_STAT, (int fd, struct statvfs *st), (fd, st))

/* libuv's own pipe is left alone: without it, it ends the process. */
int
pipe2(int pair[2], int flags)
{
	Dl_info caller;
	bool by_libuv = dladdr(__builtin_return_address(0), &caller) != 0 && caller.dli_fname &&
	    strstr(caller.dli_fname, "libuv");

	if (!by_libuv && fail_ask(FAIL_SOCKET, "pipe2") == FAIL_CALL)
		return -1;
	return (int)syscall(SYS_pipe2, pair, flags);
}

/* --- Sockets and processes -------------------------------------------------------------------------- */

CALL(accept4, FAIL_ACCEPT, (int fd, struct sockaddr *from, socklen_t *size, int flags), SYS_accept4,
    fd, from, size, flags)
CALL(accept, FAIL_ACCEPT, (int fd, struct sockaddr *from, socklen_t *size), SYS_accept4, fd, from,
    size, 0)
CALL(socket, FAIL_SOCKET, (int family, int type, int protocol), SYS_socket, family, type, protocol)
CALL(socketpair, FAIL_SOCKET, (int family, int type, int protocol, int pair[2]), SYS_socketpair,
    family, type, protocol, pair)
CALL(connect, FAIL_CONNECT, (int fd, const struct sockaddr *to, socklen_t size), SYS_connect, fd,
    to, size)
FUNCTION(pid_t, -1, fork, FAIL_FORK, (void), ())
