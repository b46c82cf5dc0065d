/*
 * fail_data - the wrappers of calls that read and write: see fail.c
 *
 * Each asks, and then makes the system call itself. The names with _chk and _2 are what a hardened
 * program calls instead.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/torture/fail.h"

#define VECTORS 64

/* Half of N, for a call that is cut short. */
static size_t
half(enum fail_verdict v, size_t n)
{
	return v == FAIL_NOT ? n : n / 2;
}

static ssize_t
done(enum fail_verdict v, ssize_t result)
{
	return v == FAIL_TORN && result >= 0 ? fail_torn() : result;
}

ssize_t
write(int fd, const void *data, size_t n)
{
	enum fail_verdict v = fail_ask_fd(fd, true, n, "write");

	return v == FAIL_CALL ? -1 : done(v, syscall(SYS_write, fd, data, half(v, n)));
}

ssize_t
pwrite(int fd, const void *data, size_t n, off_t at)
{
	enum fail_verdict v = fail_ask_fd(fd, true, n, "pwrite");

	return v == FAIL_CALL ? -1 : done(v, syscall(SYS_pwrite64, fd, data, half(v, n), at));
}

ssize_t
read(int fd, void *data, size_t n)
{
	enum fail_verdict v = fail_ask_fd(fd, false, n, "read");

	return v == FAIL_CALL ? -1 : syscall(SYS_read, fd, data, half(v, n));
}

ssize_t
pread(int fd, void *data, size_t n, off_t at)
{
	enum fail_verdict v = fail_ask_fd(fd, false, n, "pread");

	return v == FAIL_CALL ? -1 : syscall(SYS_pread64, fd, data, half(v, n), at);
}

ssize_t
send(int fd, const void *data, size_t n, int flags)
{
	enum fail_verdict v = fail_ask_fd(fd, true, n, "send");

	if (v == FAIL_CALL)
		return -1;
	return done(v, syscall(SYS_sendto, fd, data, half(v, n), flags, NULL, 0));
}

ssize_t
sendto(int fd, const void *data, size_t n, int flags, const struct sockaddr *to, socklen_t size)
{
	enum fail_verdict v = fail_ask_fd(fd, true, n, "sendto");

	if (v == FAIL_CALL)
		return -1;
	return done(v, syscall(SYS_sendto, fd, data, half(v, n), flags, to, size));
}

ssize_t
recv(int fd, void *data, size_t n, int flags)
{
	enum fail_verdict v = fail_ask_fd(fd, false, n, "recv");

	return v == FAIL_CALL ? -1 : syscall(SYS_recvfrom, fd, data, half(v, n), flags, NULL, NULL);
}

ssize_t
recvfrom(int fd, void *data, size_t n, int flags, struct sockaddr *from, socklen_t *size)
{
	enum fail_verdict v = fail_ask_fd(fd, false, n, "recvfrom");

	return v == FAIL_CALL ? -1 : syscall(SYS_recvfrom, fd, data, half(v, n), flags, from, size);
}

/* --- Vectors --------------------------------------------------------------------------------------- */

static size_t
vector_size(const struct iovec *v, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i].iov_len;
	return sum;
}

/* The first half of the N elements of IN, in OUT; how many elements that is. */
static size_t
vector_half(const struct iovec *in, size_t n, struct iovec out[VECTORS])
{
	size_t left = vector_size(in, n) / 2, i;

	for (i = 0; i < n && i < VECTORS && left > 0; i++) {
		out[i] = in[i];
		if (out[i].iov_len > left)
			out[i].iov_len = left;
		left -= out[i].iov_len;
	}
	return i;
}

static ssize_t
vector_call(long number, int fd, const struct iovec *v, int n, bool write, const char *name)
{
	size_t count = n > 0 ? (size_t)n : 0;
	enum fail_verdict verdict = fail_ask_fd(fd, write, vector_size(v, count), name);
	struct iovec part[VECTORS];

	if (verdict == FAIL_CALL)
		return -1;
	if (verdict == FAIL_NOT)
		return syscall(number, fd, v, n);
	n = (int)vector_half(v, count, part);
	return done(write ? verdict : FAIL_SHORT, syscall(number, fd, part, n));
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	return vector_call(SYS_writev, fd, v, n, true, "writev");
}

ssize_t
readv(int fd, const struct iovec *v, int n)
{
	return vector_call(SYS_readv, fd, v, n, false, "readv");
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	size_t count = n > 0 ? (size_t)n : 0;
	enum fail_verdict verdict = fail_ask_fd(fd, true, vector_size(v, count), "pwritev");
	struct iovec part[VECTORS];

	if (verdict == FAIL_CALL)
		return -1;
	if (verdict == FAIL_NOT)
		return syscall(SYS_pwritev, fd, v, n, at, 0);
	n = (int)vector_half(v, count, part);
	return done(verdict, syscall(SYS_pwritev, fd, part, n, at, 0));
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t n = vector_size(m->msg_iov, m->msg_iovlen);
	enum fail_verdict verdict = fail_ask_fd(fd, true, n, "sendmsg");
	struct iovec part[VECTORS];
	struct msghdr copy = *m;

	if (verdict == FAIL_CALL)
		return -1;
	if (verdict != FAIL_NOT) {
		copy.msg_iovlen = vector_half(m->msg_iov, m->msg_iovlen, part);
		copy.msg_iov = part;
	}
	return done(verdict, syscall(SYS_sendmsg, fd, &copy, flags));
}

ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
	size_t n = vector_size(m->msg_iov, m->msg_iovlen);
	enum fail_verdict verdict = fail_ask_fd(fd, false, n, "recvmsg");
	struct iovec part[VECTORS], *whole = m->msg_iov;
	size_t count = m->msg_iovlen;
	ssize_t got;

	if (verdict == FAIL_CALL)
		return -1;
	if (verdict == FAIL_NOT)
		return syscall(SYS_recvmsg, fd, m, flags);
	m->msg_iovlen = vector_half(whole, count, part);
	m->msg_iov = part;
	got = syscall(SYS_recvmsg, fd, m, flags);
	m->msg_iov = whole;
	m->msg_iovlen = count;
	return got;
}

int
recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *timeout)
{
	if (fail_ask_fd(fd, false, 1, "recvmmsg") == FAIL_CALL)
		return -1;
	return (int)syscall(SYS_recvmmsg, fd, m, n, flags, timeout);
}

/* --- Other names of the same ----------------------------------------------------------------------- */

ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
ssize_t pread64(int, void *, size_t, off_t) __attribute__((alias("pread")));
ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));

ssize_t __read_chk(int fd, void *data, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *data, size_t n, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *data, size_t n, off_t at, size_t room);
ssize_t __recv_chk(int fd, void *data, size_t n, size_t room, int flags);

ssize_t
__read_chk(int fd, void *data, size_t n, size_t room)
{
	return read(fd, data, n < room ? n : room);
}

ssize_t
__pread_chk(int fd, void *data, size_t n, off_t at, size_t room)
{
	return pread(fd, data, n < room ? n : room, at);
}

ssize_t
__pread64_chk(int fd, void *data, size_t n, off_t at, size_t room)
{
	return pread(fd, data, n < room ? n : room, at);
}

ssize_t
__recv_chk(int fd, void *data, size_t n, size_t room, int flags)
{
	return recv(fd, data, n < room ? n : room, flags);
}
