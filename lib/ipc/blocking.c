/*
 * blocking - the same frames without fibers
 *
 * Runs in set-group-id postdrop, too: libc and lib/base, nothing else. Trusts the peer no more than the
 * channel on fibers does.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/mem.h"
#include "lib/ipc/blocking.h"

#define BUFFER_MAX (IPC_FRAME_MAX + IPC_HEADER)

struct ipc_blocking {
	int fd;
	int timeout_ms;
	char *name;
	struct buf out;
	struct buf in;
	size_t in_at; /* consumed so far */
	size_t content_left;
	struct buf peer_name;
	struct buf why;
	bool said_hello, heard_hello;
	enum ipc_status send_status, recv_status; /* failures stick */
};

struct ipc_blocking *
ipc_blocking_new(int fd, const char *name, int timeout_ms)
{
	struct ipc_blocking *b = MEM_NEW(struct ipc_blocking);

	b->fd = fd;
	b->timeout_ms = timeout_ms;
	b->name = mem_strdup(name);
	/* A failure would show as a wait that is too long, which is no reason to give up here. */
	(void)io_set_nonblocking(fd, true);
	return b;
}

static int
connect_unix(const char *path, int timeout_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval wait = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
	size_t n = strlen(path);
	int fd, error;

	if (n >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* The send time-out is what bounds connect() while the listener's queue is full. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno == EAGAIN ? ETIMEDOUT : errno;
	(void)io_close(&fd);
	errno = error;
	return -1;
}

struct ipc_blocking *
ipc_blocking_connect(const char *path, const char *name, int timeout_ms)
{
	int fd = connect_unix(path, timeout_ms);

	return fd < 0 ? NULL : ipc_blocking_new(fd, name, timeout_ms);
}

void
ipc_blocking_timeout(struct ipc_blocking *b, int timeout_ms)
{
	b->timeout_ms = timeout_ms;
}

void
ipc_blocking_free(struct ipc_blocking **b)
{
	if (*b == NULL)
		return;
	(void)io_close(&(*b)->fd);
	free((*b)->name);
	buf_free(&(*b)->out);
	buf_free(&(*b)->in);
	buf_free(&(*b)->peer_name);
	buf_free(&(*b)->why);
	free(*b);
	*b = NULL;
}

const char *
ipc_blocking_why(struct ipc_blocking *b)
{
	return buf_cstr(&b->why);
}

static enum ipc_status
wait_for(struct ipc_blocking *b, short events)
{
	struct pollfd p = {.fd = b->fd, .events = events};
	int n;

	/* An interrupted wait begins anew: signals of these programs end them, they do not come often. */
	do
		n = poll(&p, 1, b->timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return IPC_OK;
	buf_reset(&b->why);
	buf_puts(&b->why, n == 0 ? "timeout" : strerror(errno));
	return n == 0 ? IPC_TIMED_OUT : IPC_CLOSED;
}

static enum ipc_status
closed(struct ipc_blocking *b, const char *cause)
{
	buf_reset(&b->why);
	buf_puts(&b->why, cause);
	return IPC_CLOSED;
}

/* ---- Sending ---- */

enum ipc_status
ipc_blocking_flush(struct ipc_blocking *b)
{
	size_t done = 0;

	while (b->send_status == IPC_OK && done < b->out.len) {
		ssize_t n = send(b->fd, b->out.data + done, b->out.len - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			b->send_status = wait_for(b, POLLOUT);
		else if (errno != EINTR)
			b->send_status = closed(b, strerror(errno));
	}
	buf_consume(&b->out, done);
	/* A peer that waits for the rest must not do so for ever, while its answer is waited for. */
	if (b->send_status != IPC_OK)
		(void)shutdown(b->fd, SHUT_WR);
	return b->send_status;
}

static enum ipc_status
room_for(struct ipc_blocking *b, size_t n)
{
	if (b->send_status == IPC_OK && !b->said_hello)
		b->said_hello = ipc_frame_pack_hello(b->name, &b->out);
	return b->out.len + n <= BUFFER_MAX ? b->send_status : ipc_blocking_flush(b);
}

enum ipc_status
ipc_blocking_send(struct ipc_blocking *b, const struct ipc_schema *schema, const void *message)
{
	enum ipc_status status = room_for(b, IPC_HEADER + ipc_packed_size(schema, message));

	if (status != IPC_OK)
		return status;
	buf_reset(&b->why);
	return ipc_frame_pack(schema, message, &b->out, &b->why) ? IPC_OK : IPC_INVALID;
}

enum ipc_status
ipc_blocking_content(struct ipc_blocking *b, struct str content)
{
	enum ipc_status status = b->send_status;

	while (status == IPC_OK && content.len > 0) {
		struct str piece = str_sub(content, 0, IPC_FRAME_MAX);
		unsigned char header[IPC_HEADER];

		status = room_for(b, IPC_HEADER + piece.len);
		if (status != IPC_OK)
			break;
		ipc_frame_put(header, (struct ipc_frame){(uint32_t)piece.len, IPC_TYPE_CONTENT});
		buf_append(&b->out, header, sizeof(header));
		buf_str(&b->out, piece);
		content = str_from(content, piece.len);
	}
	return status;
}

/* ---- Receiving ---- */

static size_t
buffered(const struct ipc_blocking *b)
{
	return b->in.len - b->in_at;
}

bool
ipc_blocking_readable(struct ipc_blocking *b)
{
	struct pollfd p = {.fd = b->fd, .events = POLLIN};

	return buffered(b) > 0 || poll(&p, 1, 0) > 0;
}

/* At least N bytes, shown and not consumed. */
static enum ipc_status
need(struct ipc_blocking *b, size_t n)
{
	if (b->in_at > 0 && buffered(b) < n) {
		buf_consume(&b->in, b->in_at);
		b->in_at = 0;
	}
	while (b->recv_status == IPC_OK && buffered(b) < n) {
		char *place = buf_reserve(&b->in, BUFFER_MAX - b->in.len);
		ssize_t got = recv(b->fd, place, BUFFER_MAX - b->in.len, 0);

		if (got > 0)
			b->in.len += (size_t)got;
		else if (got == 0)
			b->recv_status = closed(b, "connection closed");
		else if (errno == EAGAIN)
			b->recv_status = wait_for(b, POLLIN);
		else if (errno != EINTR)
			b->recv_status = closed(b, strerror(errno));
	}
	return b->recv_status;
}

static struct str
shown(const struct ipc_blocking *b, size_t most)
{
	return str_sub(str_n(b->in.data + b->in_at, buffered(b)), 0, most);
}

static enum ipc_status
next_frame(struct ipc_blocking *b, struct ipc_frame *frame)
{
	enum ipc_status status = need(b, IPC_HEADER);

	if (status != IPC_OK)
		return status;
	buf_reset(&b->why);
	if (!ipc_frame_get(shown(b, IPC_HEADER).data, frame, &b->why))
		return b->recv_status = IPC_BAD;
	b->in_at += IPC_HEADER;
	return frame->type == IPC_TYPE_CONTENT ? IPC_OK : need(b, frame->length);
}

static enum ipc_status
hear_hello(struct ipc_blocking *b)
{
	struct ipc_frame frame;
	enum ipc_status status;

	if (b->heard_hello)
		return b->recv_status;
	status = next_frame(b, &frame);
	if (status != IPC_OK)
		return status;
	if (!ipc_frame_hello(frame, shown(b, frame.length), &b->peer_name, &b->why))
		return b->recv_status = IPC_BAD;
	b->in_at += frame.length;
	b->heard_hello = true;
	return IPC_OK;
}

static enum ipc_status
recv_content(struct ipc_blocking *b, bool content, struct ipc_message *message)
{
	enum ipc_status status;

	if (!content) {
		buf_reset(&b->why);
		buf_puts(&b->why, "content where none is expected");
		return b->recv_status = IPC_BAD;
	}
	status = need(b, 1);
	if (status != IPC_OK)
		return status;
	message->content = shown(b, b->content_left);
	b->in_at += message->content.len;
	b->content_left -= message->content.len;
	return IPC_OK;
}

enum ipc_status
ipc_blocking_recv(struct ipc_blocking *b, struct arena *a, const struct ipc_schema *const *accept,
    bool content, struct ipc_message *message)
{
	struct ipc_frame frame;
	enum ipc_status status = hear_hello(b);

	memset(message, 0, sizeof(*message));
	if (status != IPC_OK)
		return status;
	if (b->content_left > 0)
		return recv_content(b, content, message);
	status = next_frame(b, &frame);
	if (status != IPC_OK)
		return status;
	if (!ipc_frame_expected(frame, accept, content, &message->schema, &b->why))
		return b->recv_status = IPC_BAD;
	if (message->schema == NULL) {
		b->content_left = frame.length;
		return recv_content(b, content, message);
	}
	message->body = arena_alloc(a, message->schema->size);
	if (!ipc_frame_unpack(message->schema, shown(b, frame.length), a, message->body, &b->why))
		return b->recv_status = IPC_BAD;
	b->in_at += frame.length;
	return IPC_OK;
}

enum ipc_status
ipc_blocking_recv_one(
    struct ipc_blocking *b, struct arena *a, const struct ipc_schema *schema, void *body)
{
	const struct ipc_schema *const accept[] = {schema, NULL};
	struct ipc_message message;
	enum ipc_status status = ipc_blocking_recv(b, a, accept, false, &message);

	if (status == IPC_OK)
		memcpy(body, message.body, schema->size);
	return status;
}

enum ipc_status
ipc_blocking_call(struct ipc_blocking *b, struct arena *a, const struct ipc_schema *ask,
    const void *request, const struct ipc_schema *answer, void *reply)
{
	enum ipc_status status = ipc_blocking_send(b, ask, request);

	if (status == IPC_OK)
		status = ipc_blocking_flush(b);
	if (status == IPC_OK)
		status = ipc_blocking_recv_one(b, a, answer, reply);
	return status;
}
