/*
 * introduction - see introduction.h
 *
 * Runs as root: trusts no byte, keeps everything in one buffer of fixed size, never waits.
 */
#include "local/introduction.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/ipc/frame.h"
#include "lib/ipc/messages.h"

/* A hello with the longest name, an agent_open with the longest address, and some air. */
#define LONGEST 2048

/* The next frame of VIEW, which is moved behind it. */
static enum introduction
next_frame(struct str *view, struct ipc_frame *frame, struct str *body, struct buf *why)
{
	if (view->len < IPC_HEADER)
		return INTRODUCTION_PARTIAL;
	if (!ipc_frame_get(view->data, frame, why))
		return INTRODUCTION_BAD;
	if (frame->length > LONGEST) {
		buf_puts(why, "introduction too long");
		return INTRODUCTION_BAD;
	}
	if (view->len - IPC_HEADER < frame->length)
		return INTRODUCTION_PARTIAL;
	*body = str_sub(*view, IPC_HEADER, frame->length);
	*view = str_from(*view, IPC_HEADER + frame->length);
	return INTRODUCTION_COMPLETE;
}

static bool
read_open(struct ipc_frame frame, struct str body, struct buf *recipient, struct buf *why)
{
	static const struct ipc_schema *const accept[] = {&msg_agent_open, NULL};
	const struct ipc_schema *schema;
	struct msg_agent_open open;
	struct arena *arena;
	bool ok;

	if (!ipc_frame_expected(frame, accept, false, &schema, why))
		return false;
	arena = arena_new(LONGEST);
	ok = ipc_unpack(schema, body, arena, &open, why);
	if (ok) {
		buf_reset(recipient);
		buf_str(recipient, open.recipient);
	}
	arena_free(&arena);
	return ok;
}

static enum introduction
parse(struct str view, struct buf *recipient, struct buf *why)
{
	struct buf peer = {0};
	struct ipc_frame frame;
	struct str body;
	enum introduction result = next_frame(&view, &frame, &body, why);

	if (result == INTRODUCTION_COMPLETE && !ipc_frame_hello(frame, body, &peer, why))
		result = INTRODUCTION_BAD;
	buf_free(&peer);
	if (result == INTRODUCTION_COMPLETE)
		result = next_frame(&view, &frame, &body, why);
	if (result == INTRODUCTION_COMPLETE && !read_open(frame, body, recipient, why))
		result = INTRODUCTION_BAD;
	return result;
}

enum introduction
introduction_peek(int fd, struct buf *recipient, struct buf *why)
{
	char data[LONGEST];
	ssize_t n = recv(fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
	enum introduction result;

	buf_reset(why);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return INTRODUCTION_PARTIAL;
	if (n <= 0) {
		buf_puts(why, n == 0 ? "connection closed" : strerror(errno));
		return INTRODUCTION_BAD;
	}
	result = parse(str_n(data, (size_t)n), recipient, why);
	if (result == INTRODUCTION_PARTIAL && n == LONGEST) {
		buf_puts(why, "introduction too long");
		result = INTRODUCTION_BAD;
	}
	return result;
}

void
introduction_refuse(int fd, const char *dsn, struct buf *text, bool busy)
{
	struct msg_agent_no no = {.dsn = str_c(dsn), .busy = busy};
	struct buf out = {0}, why = {0};
	char skipped[LONGEST];

	buf_truncate(text, MSG_TEXT_MAX);
	no.text = buf_view(text);
	(void)recv(fd, skipped, sizeof(skipped), MSG_DONTWAIT);
	if (!ipc_frame_pack_hello("local", &out) || !ipc_frame_pack(&msg_agent_no, &no, &out, &why))
		log_error("cannot refuse a destination: %s", buf_cstr(&why));
	else if (send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)out.len)
		log_debug("the queue manager did not wait for the answer");
	buf_free(&out);
	buf_free(&why);
}
