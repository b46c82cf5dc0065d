/*
 * stream_fd - streams over descriptors, and descriptors over streams
 *
 * What a peer sends beside its bytes is not trusted: descriptors that nobody asked for are closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/fiber/stream_internal.h"

/* The kernel passes at most 253 descriptors at once; what finds no room here it closes itself. */
#define CONTROL_FDS 16
/* While the backlog of a listening UNIX socket is full. */
#define CONNECT_PAUSE_MS 2
#define CONNECT_PAUSE_MAX_MS 100

static void
keep_fds(struct stream *s, const struct cmsghdr *c)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		if (s->fd_count < STREAM_FDS_MAX)
			s->fds[s->fd_count++] = fd;
		else
			io_close(&fd);
	}
}

static ssize_t
receive(struct stream *s, void *data, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = n};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space),
	};
	ssize_t got = recvmsg(s->fd_in, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (got < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			keep_fds(s, c);
	return got;
}

static ssize_t
fd_read(void *ctx, void *data, size_t n, int *wait_for)
{
	struct stream *s = ctx;
	ssize_t got;

	*wait_for = FIBER_READ;
	do
		got = s->accept_fds ? receive(s, data, n) : read(s->fd_in, data, n);
	while (got < 0 && errno == EINTR);
	return got;
}

static ssize_t
fd_write(void *ctx, const void *data, size_t n, int *wait_for)
{
	struct stream *s = ctx;
	ssize_t put;

	*wait_for = FIBER_WRITE;
	do
		put = write(s->fd_out, data, n);
	while (put < 0 && errno == EINTR);
	return put;
}

static void
restore_flags(int fd, int flags)
{
	if (flags != -1 && fcntl(fd, F_SETFL, flags) < 0)
		log_warning("cannot restore the mode of descriptor %d: %s", fd, strerror(errno));
}

static void
fd_close(void *ctx)
{
	struct stream *s = ctx;

	if (s->wait_out != s->wait_in)
		fiber_fd_free(&s->wait_out);
	fiber_fd_free(&s->wait_in);
	while (s->fd_count > 0)
		io_close(&s->fds[--s->fd_count]);
	restore_flags(s->fd_in, s->flags_in);
	if (s->fd_out != s->fd_in)
		restore_flags(s->fd_out, s->flags_out);
	/* Nothing can be lost by a failed close: what was not flushed is not promised. */
	if (s->owned)
		io_close(&s->fd_in);
}

static const struct stream_io fd_io = {fd_read, fd_write, fd_close};

struct stream *
stream_fd(int fd)
{
	struct stream *s = stream_new(&fd_io);
	int on = 1;

	s->fd_in = s->fd_out = fd;
	s->owned = true;
	if (ioctl(fd, FIONBIO, &on) != 0)
		log_warning("cannot make descriptor %d non-blocking: %s", fd, strerror(errno));
	return s;
}

/* The flags to be restored, or -1. */
static int
make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_NONBLOCK))
		return -1;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		log_warning("cannot make descriptor %d non-blocking: %s", fd, strerror(errno));
		return -1;
	}
	return flags;
}

struct stream *
stream_fd_pair(int fd_in, int fd_out)
{
	struct stream *s = stream_new(&fd_io);

	s->fd_in = fd_in;
	s->fd_out = fd_out;
	s->flags_in = make_nonblocking(fd_in);
	if (fd_out != fd_in)
		s->flags_out = make_nonblocking(fd_out);
	return s;
}

/* Connects FD; while the backlog is full it tries again. 0, or -1 with errno. */
static int
connect_patiently(int fd, const struct sockaddr_un *addr, fiber_deadline deadline)
{
	int64_t pause = CONNECT_PAUSE_MS;

	for (;;) {
		int64_t left = deadline == FIBER_FOREVER ? pause : deadline - fiber_now();

		if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		if (left <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (fiber_sleep(pause < left ? pause : left) == FIBER_CANCELED) {
			errno = ECANCELED;
			return -1;
		}
		pause = pause * 2 < CONNECT_PAUSE_MAX_MS ? pause * 2 : CONNECT_PAUSE_MAX_MS;
	}
}

struct stream *
stream_connect_unix(const char *path, fiber_deadline deadline)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd, err;

	if (len >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	memcpy(addr.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (connect_patiently(fd, &addr, deadline) != 0) {
		err = errno;
		io_close(&fd);
		errno = err;
		return NULL;
	}
	return stream_fd(fd);
}

/* One message with FD beside it; -1 with errno. */
static ssize_t
send_with_fd(const struct stream *s, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {
	    .iov_base = s->out + s->out_start, .iov_len = s->out_end - s->out_start};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.space,
	    .msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	do
		n = sendmsg(s->fd_out, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n;
}

enum stream_status
stream_send_fd(struct stream *s, int fd)
{
	fiber_deadline until = 0;
	ssize_t n = -1;

	if (s->out_status == STREAM_OK && (s->io != &fd_io || s->out_start == s->out_end)) {
		s->error = EINVAL;
		s->out_status = STREAM_ERROR;
	}
	while (s->out_status == STREAM_OK && n < 0) {
		n = send_with_fd(s, fd);
		if (n < 0 && errno == EAGAIN) {
			s->out_status = stream_wait_for(s, FIBER_WRITE, &until);
		} else if (n < 0) {
			s->error = errno;
			s->out_status = STREAM_ERROR;
		}
	}
	if (s->out_status != STREAM_OK)
		return s->out_status;
	s->bytes_out += (size_t)n;
	s->out_start += (size_t)n;
	if (s->out_start < s->out_end)
		return stream_flush(s);
	stream_release_output(s);
	return STREAM_OK;
}

void
stream_accept_fds(struct stream *s, bool on)
{
	s->accept_fds = on;
}

int
stream_take_fd(struct stream *s)
{
	int fd;

	if (s->fd_count == 0)
		return -1;
	fd = s->fds[0];
	memmove(s->fds, s->fds + 1, --s->fd_count * sizeof(int));
	return fd;
}
