/*
 * record - what a program does to the file system, in order: a preloaded library for the crash tests
 *
 * RECORD_LOG names an existing file that is mapped and filled; RECORD_SIZE is how large it may get (bytes).
 * Nothing else is opened, and no call is made that a confined program may not make, so that it also works
 * behind a chroot, a change of user and a system call filter; a process that is forked goes on in the same
 * log. A record tells when a call began and ended: what a sync is known to cover is what had ended before it
 * began. A record is begun before the call, so that one who was killed in the middle leaves a trace.
 *
 * RECORD_BREAK spoils the log on purpose, to show that the checker notices: "sync" leaves out the syncs of
 * files, "dirsync" those of directories, "early" lets every acknowledged write end after its sync.
 */
#include "config.h"

/* The checked variants of these calls are inline functions, which cannot be replaced. */
#undef _FORTIFY_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NAME_SIZE 256
#define MAGIC 0x31676f6c64636572 /* "recdlog1" */
#define LATE_NS 1000000000

enum op {
	OP_WRITE = 1,
	OP_SYNC,
	OP_SYNCFS,
	OP_CREATE,
	OP_MKDIR,
	OP_RENAME,
	OP_LINK,
	OP_UNLINK,
	OP_TRUNCATE,
	OP_CHMOD
};

/* The checker (crash.py) reads this; DATA follows, and padding to 8 bytes. */
struct record {
	uint32_t size; /* of all of it */
	uint16_t op;
	uint16_t done; /* 1: yes; 0: killed in the middle; 2: the call failed */
	uint32_t pid;
	uint32_t data; /* bytes */
	int64_t begin_ns, end_ns;
	uint64_t dev, ino;
	uint64_t dir, dir2; /* inodes of the directories that the names are in */
	uint64_t offset;    /* or size, or mode */
	char name[NAME_SIZE], name2[NAME_SIZE];
};

struct log {
	uint64_t magic;
	_Atomic uint64_t used;
	char records[];
};

static struct {
	struct log *log;
	uint64_t size;
	bool no_sync, no_dirsync, early;
} recorder;

static struct {
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*syncfs)(int);
	int (*open)(const char *, int, ...);
	int (*openat)(int, const char *, int, ...);
	int (*mkdir)(const char *, mode_t);
	int (*mkdirat)(int, const char *, mode_t);
	int (*rename)(const char *, const char *);
	int (*renameat)(int, const char *, int, const char *);
	int (*renameat2)(int, const char *, int, const char *, unsigned);
	int (*linkat)(int, const char *, int, const char *, int);
	int (*unlink)(const char *);
	int (*unlinkat)(int, const char *, int);
	int (*ftruncate)(int, off_t);
	int (*fchmod)(int, mode_t);
} real;

static void
fail(const char *what)
{
	perror(what);
	abort();
}

static void *
find(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		fail(name);
	return p;
}

#define FIND(name) real.name = find(#name)

static void
open_log(const char *path)
{
	const char *size = getenv("RECORD_SIZE");
	const char *fault = getenv("RECORD_BREAK");
	int fd = real.open(path, O_RDWR | O_CLOEXEC);

	recorder.size = strtoull(size ? size : "268435456", NULL, 10);
	if (fd < 0 || ftruncate(fd, (off_t)recorder.size) != 0)
		fail(path);
	recorder.log = mmap(NULL, recorder.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (recorder.log == MAP_FAILED)
		fail(path);
	close(fd);
	recorder.log->magic = MAGIC;
	recorder.no_sync = fault && strcmp(fault, "sync") == 0;
	recorder.no_dirsync = fault && strcmp(fault, "dirsync") == 0;
	recorder.early = fault && strcmp(fault, "early") == 0;
}

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("RECORD_LOG");

	FIND(write);
	FIND(writev);
	FIND(pwrite);
	FIND(fsync);
	FIND(fdatasync);
	FIND(syncfs);
	FIND(open);
	FIND(openat);
	FIND(mkdir);
	FIND(mkdirat);
	FIND(rename);
	FIND(renameat);
	FIND(renameat2);
	FIND(linkat);
	FIND(unlink);
	FIND(unlinkat);
	FIND(ftruncate);
	FIND(fchmod);
	if (path)
		open_log(path);
}

/* --- Records ---------------------------------------------------------------------------------------- */

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* A record with room for DATA bytes behind it; NULL: there is no log. */
static struct record *
begin_record(enum op op, size_t data)
{
	uint64_t size = (sizeof(struct record) + data + 7) / 8 * 8, at;
	struct record *r;

	if (!recorder.log)
		return NULL;
	at = atomic_fetch_add(&recorder.log->used, size);
	if (sizeof(struct log) + at + size > recorder.size)
		fail("the log of the recorder is full");
	r = (struct record *)(void *)(recorder.log->records + at);
	r->size = (uint32_t)size;
	r->op = (uint16_t)op;
	r->pid = (uint32_t)getpid();
	r->begin_ns = now();
	return r;
}

/* The call has returned. */
static void
end_record(struct record *r, bool ok)
{
	if (!r)
		return;
	r->end_ns = now();
	if (recorder.early && r->op == OP_WRITE)
		r->end_ns += LATE_NS;
	atomic_thread_fence(memory_order_release);
	r->done = ok ? 1 : 2;
}

/* A record of a call on FD; NULL: not one that counts, such as a socket or a pipe. */
static struct record *
begin_on_fd(enum op op, int fd, size_t data)
{
	struct stat st;
	struct record *r;
	bool sync = op == OP_SYNC || op == OP_SYNCFS;

	if (!recorder.log || fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return NULL;
	if (sync && (S_ISDIR(st.st_mode) ? recorder.no_dirsync : recorder.no_sync))
		return NULL;
	r = begin_record(op, data);
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	return r;
}

/* The inode of the directory that PATH lies in, and its last part. */
static uint64_t
place_of(int dir, const char *path, char name[NAME_SIZE])
{
	char above[4096] = ".";
	const char *slash = strrchr(path, '/');
	struct stat st;

	snprintf(name, NAME_SIZE, "%s", slash ? slash + 1 : path);
	if (slash)
		snprintf(
		    above, sizeof(above), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return fstatat(dir, above, &st, 0) == 0 ? st.st_ino : 0;
}

static uint64_t
inode_of(int dir, const char *path)
{
	struct stat st;

	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

static struct record *
begin_on_name(enum op op, int dir, const char *path)
{
	struct record *r = begin_record(op, 0);

	if (!r)
		return NULL;
	r->dir = place_of(dir, path, r->name);
	r->ino = inode_of(dir, path);
	return r;
}

/* --- Writing ---------------------------------------------------------------------------------------- */

/* OFFSET: -1 means the file's own position, which is behind what was written now. */
static void
end_write(
    struct record *r, int fd, const struct iovec *parts, int n_parts, ssize_t done, off_t offset)
{
	int error = errno;
	size_t left = done > 0 ? (size_t)done : 0;
	char *to = (char *)(r + 1);

	if (!r)
		return;
	if (offset == -1)
		offset = lseek(fd, 0, SEEK_CUR) - (off_t)left;
	r->offset = (uint64_t)offset;
	r->data = (uint32_t)left;
	for (int i = 0; i < n_parts && left > 0; i++) {
		size_t some = parts[i].iov_len < left ? parts[i].iov_len : left;

		memcpy(to, parts[i].iov_base, some);
		to += some;
		left -= some;
	}
	end_record(r, done > 0);
	errno = error;
}

ssize_t
write(int fd, const void *data, size_t n)
{
	const struct iovec part = {(void *)(uintptr_t)data, n};
	struct record *r = begin_on_fd(OP_WRITE, fd, n);
	ssize_t done = real.write(fd, data, n);

	end_write(r, fd, &part, 1, done, -1);
	return done;
}

ssize_t
writev(int fd, const struct iovec *parts, int n_parts)
{
	struct record *r;
	size_t n = 0;
	ssize_t done;

	for (int i = 0; i < n_parts; i++)
		n += parts[i].iov_len;
	r = begin_on_fd(OP_WRITE, fd, n);
	done = real.writev(fd, parts, n_parts);
	end_write(r, fd, parts, n_parts, done, -1);
	return done;
}

ssize_t
pwrite(int fd, const void *data, size_t n, off_t at)
{
	const struct iovec part = {(void *)(uintptr_t)data, n};
	struct record *r = begin_on_fd(OP_WRITE, fd, n);
	ssize_t done = real.pwrite(fd, data, n, at);

	end_write(r, fd, &part, 1, done, at);
	return done;
}

/* RESULT of a call that returns 0 when it is well; errno is kept. */
static int
end_call(struct record *r, int result)
{
	int error = errno;

	end_record(r, result == 0);
	errno = error;
	return result;
}

int
ftruncate(int fd, off_t size)
{
	struct record *r = begin_on_fd(OP_TRUNCATE, fd, 0);

	if (r)
		r->offset = (uint64_t)size;
	return end_call(r, real.ftruncate(fd, size));
}

int
fchmod(int fd, mode_t mode)
{
	struct record *r = begin_on_fd(OP_CHMOD, fd, 0);

	if (r)
		r->offset = mode;
	return end_call(r, real.fchmod(fd, mode));
}

int
fsync(int fd)
{
	struct record *r = begin_on_fd(OP_SYNC, fd, 0);

	return end_call(r, real.fsync(fd));
}

int
fdatasync(int fd)
{
	struct record *r = begin_on_fd(OP_SYNC, fd, 0);

	return end_call(r, real.fdatasync(fd));
}

int
syncfs(int fd)
{
	struct record *r = begin_on_fd(OP_SYNCFS, fd, 0);

	return end_call(r, real.syncfs(fd));
}

/* --- Names ------------------------------------------------------------------------------------------ */

static bool
takes_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

/* Only the making of a file is recorded. */
static int
open_with(int dir, const char *path, int flags, mode_t mode)
{
	struct record *r = NULL;
	struct stat st;
	int fd, error;

	if ((flags & O_CREAT) && recorder.log && inode_of(dir, path) == 0)
		r = begin_on_name(OP_CREATE, dir, path);
	fd = real.openat(dir, path, flags, mode);
	error = errno;
	if (r && fd >= 0 && fstat(fd, &st) == 0)
		r->ino = st.st_ino;
	end_record(r, fd >= 0);
	errno = error;
	return fd;
}

int
openat(int dir, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (takes_mode(flags)) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return open_with(dir, path, flags, mode);
}

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (takes_mode(flags)) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	return open_with(AT_FDCWD, path, flags, mode);
}

int
mkdirat(int dir, const char *path, mode_t mode)
{
	struct record *r = begin_on_name(OP_MKDIR, dir, path);
	int result = real.mkdirat(dir, path, mode);
	int error = errno;

	if (r && result == 0)
		r->ino = inode_of(dir, path);
	errno = error;
	return end_call(r, result);
}

int
mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int
renameat2(int dir, const char *from, int dir2, const char *to, unsigned flags)
{
	struct record *r = begin_on_name(OP_RENAME, dir, from);

	if (r)
		r->dir2 = place_of(dir2, to, r->name2);
	return end_call(r, real.renameat2(dir, from, dir2, to, flags));
}

int
renameat(int dir, const char *from, int dir2, const char *to)
{
	return renameat2(dir, from, dir2, to, 0);
}

int
rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
linkat(int dir, const char *from, int dir2, const char *to, int flags)
{
	struct record *r = begin_on_name(OP_LINK, dir, from);

	if (r)
		r->dir2 = place_of(dir2, to, r->name2);
	return end_call(r, real.linkat(dir, from, dir2, to, flags));
}

int
unlinkat(int dir, const char *path, int flags)
{
	struct record *r = begin_on_name(OP_UNLINK, dir, path);

	return end_call(r, real.unlinkat(dir, path, flags));
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}
