/*
 * channel - framed messages over a stream, on fibers
 *
 * Trusts no byte of the peer: what breaks the rules is logged once, the connection is shut down, and
 * every later call fails. Content is shown where the stream has it, without a copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"

struct ipc_channel {
	struct stream *stream;
	char *name; /* ours */
	char *peer; /* theirs, for logs */
	struct buf said_name;
	bool said_hello, heard_hello;
	enum ipc_status broken; /* both directions: a peer that broke the rules */
	size_t content_left;    /* of a content frame that was begun */
};

struct ipc_channel *
ipc_channel_new(struct stream *stream, const char *name, const char *peer)
{
	struct ipc_channel *ch = MEM_NEW(struct ipc_channel);

	ch->stream = stream;
	ch->name = mem_strdup(name);
	ch->peer = mem_strdup(peer);
	return ch;
}

void
ipc_channel_free(struct ipc_channel **ch)
{
	if (*ch == NULL)
		return;
	stream_close(&(*ch)->stream);
	buf_free(&(*ch)->said_name);
	free((*ch)->name);
	free((*ch)->peer);
	free(*ch);
	*ch = NULL;
}

struct ipc_channel *
ipc_connect(const char *path, const char *name, fiber_deadline deadline)
{
	struct stream *stream = stream_connect_unix(path, deadline);

	return stream ? ipc_channel_new(stream, name, path) : NULL;
}

struct stream *
ipc_stream(struct ipc_channel *ch)
{
	return ch->stream;
}

struct str
ipc_peer_name(const struct ipc_channel *ch)
{
	return buf_view(&ch->said_name);
}

static enum ipc_status
from_stream(enum stream_status status)
{
	switch (status) {
	case STREAM_OK:
		return IPC_OK;
	case STREAM_TIMEOUT:
		return IPC_TIMED_OUT;
	default:
		return IPC_CLOSED;
	}
}

/* The peer broke the rules: WHY (freed here) says how. */
static enum ipc_status
bad_peer(struct ipc_channel *ch, struct buf *why)
{
	int fd = stream_get_fd(ch->stream);
	struct str said = ipc_peer_name(ch);

	log_warning(
	    "%s (%.*s): %s; closing the connection", ch->peer, STR_ARG(said), buf_cstr(why));
	buf_free(why);
	if (fd >= 0 && shutdown(fd, SHUT_RDWR) != 0 && errno != ENOTCONN)
		log_debug("%s: shutdown: %s", ch->peer, strerror(errno));
	ch->broken = IPC_BAD;
	return IPC_BAD;
}

/* ---- Sending ---- */

static enum ipc_status
say_hello(struct ipc_channel *ch)
{
	struct buf out = {0};
	enum stream_status status;

	if (ch->broken != IPC_OK)
		return ch->broken;
	if (ch->said_hello)
		return IPC_OK;
	ch->said_hello = true;
	ipc_frame_pack_hello(ch->name, &out);
	status = stream_write(ch->stream, out.data, out.len);
	buf_free(&out);
	return from_stream(status);
}

enum ipc_status
ipc_send(struct ipc_channel *ch, const struct ipc_schema *schema, const void *message)
{
	struct buf out = {0}, why = {0};
	enum ipc_status status = ch->broken;

	if (status == IPC_OK && !ipc_frame_pack(schema, message, &out, &why)) {
		log_error("%s: cannot send: %s", ch->peer, buf_cstr(&why));
		status = IPC_INVALID;
	}
	if (status == IPC_OK)
		status = say_hello(ch);
	if (status == IPC_OK)
		status = from_stream(stream_write(ch->stream, out.data, out.len));
	buf_free(&out);
	buf_free(&why);
	return status;
}

enum ipc_status
ipc_send_content(struct ipc_channel *ch, struct str content)
{
	enum ipc_status status = say_hello(ch);

	while (status == IPC_OK && content.len > 0) {
		struct str piece = str_sub(content, 0, IPC_FRAME_MAX);
		unsigned char header[IPC_HEADER];

		ipc_frame_put(header, (struct ipc_frame){(uint32_t)piece.len, IPC_TYPE_CONTENT});
		status = from_stream(stream_write(ch->stream, header, sizeof(header)));
		if (status == IPC_OK)
			status = from_stream(stream_write(ch->stream, piece.data, piece.len));
		content = str_from(content, piece.len);
	}
	return status;
}

enum ipc_status
ipc_flush(struct ipc_channel *ch)
{
	return ch->broken != IPC_OK ? ch->broken : from_stream(stream_flush(ch->stream));
}

/* ---- Receiving ---- */

/* The header of the next frame, consumed; the body of all but content buffered and not consumed. */
static enum ipc_status
next_frame(struct ipc_channel *ch, struct ipc_frame *frame, struct str *body)
{
	struct buf why = {0};
	struct str view;
	enum stream_status status = stream_peek(ch->stream, IPC_HEADER, &view);

	if (status != STREAM_OK)
		return from_stream(status);
	if (!ipc_frame_get(view.data, frame, &why))
		return bad_peer(ch, &why);
	stream_skip(ch->stream, IPC_HEADER);
	*body = STR_EMPTY;
	if (frame->type == IPC_TYPE_CONTENT || frame->length == 0)
		return IPC_OK;
	status = stream_peek(ch->stream, frame->length, &view);
	if (status == STREAM_OK)
		*body = str_sub(view, 0, frame->length);
	return from_stream(status);
}

static enum ipc_status
hear_hello(struct ipc_channel *ch)
{
	struct ipc_frame frame;
	struct buf why = {0};
	struct str body;
	enum ipc_status status;

	if (ch->heard_hello)
		return IPC_OK;
	status = next_frame(ch, &frame, &body);
	if (status != IPC_OK)
		return status;
	if (!ipc_frame_hello(frame, body, &ch->said_name, &why))
		return bad_peer(ch, &why);
	stream_skip(ch->stream, frame.length);
	ch->heard_hello = true;
	return IPC_OK;
}

static enum ipc_status
recv_content(struct ipc_channel *ch, bool content, struct ipc_message *message)
{
	struct buf why = {0};
	enum stream_status status;

	if (!content) {
		buf_puts(&why, "content where none is expected");
		return bad_peer(ch, &why);
	}
	status = stream_read_some(ch->stream, ch->content_left, &message->content);
	if (status == STREAM_OK)
		ch->content_left -= message->content.len;
	return from_stream(status);
}

static enum ipc_status
recv_frame(struct ipc_channel *ch, struct arena *a, const struct ipc_schema *const *accept,
    bool content, struct ipc_message *message)
{
	const struct ipc_schema *schema;
	struct ipc_frame frame;
	struct buf why = {0};
	struct str body;
	enum ipc_status status = next_frame(ch, &frame, &body);

	if (status != IPC_OK)
		return status;
	if (!ipc_frame_expected(frame, accept, content, &schema, &why))
		return bad_peer(ch, &why);
	if (schema == NULL) {
		ch->content_left = frame.length;
		return recv_content(ch, content, message);
	}
	message->schema = schema;
	message->body = arena_alloc(a, schema->size);
	if (!ipc_frame_unpack(schema, body, a, message->body, &why))
		return bad_peer(ch, &why);
	stream_skip(ch->stream, frame.length);
	return IPC_OK;
}

enum ipc_status
ipc_recv(struct ipc_channel *ch, struct arena *a, const struct ipc_schema *const *accept,
    bool content, struct ipc_message *message)
{
	enum ipc_status status = ch->broken;

	memset(message, 0, sizeof(*message));
	if (status == IPC_OK)
		status = hear_hello(ch);
	if (status != IPC_OK)
		return status;
	if (ch->content_left > 0)
		return recv_content(ch, content, message);
	return recv_frame(ch, a, accept, content, message);
}

enum ipc_status
ipc_recv_one(struct ipc_channel *ch, struct arena *a, const struct ipc_schema *schema, void *body)
{
	const struct ipc_schema *const accept[] = {schema, NULL};
	struct ipc_message message;
	enum ipc_status status = ipc_recv(ch, a, accept, false, &message);

	if (status == IPC_OK)
		memcpy(body, message.body, schema->size);
	return status;
}

enum ipc_status
ipc_call(struct ipc_channel *ch, struct arena *a, const struct ipc_schema *ask, const void *request,
    const struct ipc_schema *answer, void *reply)
{
	enum ipc_status status = ipc_send(ch, ask, request);

	if (status == IPC_OK)
		status = ipc_flush(ch);
	if (status == IPC_OK)
		status = ipc_recv_one(ch, a, answer, reply);
	return status;
}
