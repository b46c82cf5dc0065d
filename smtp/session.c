/*
 * session - see session.h
 *
 * Trusts the queue manager to mean well, not to be right: content is counted, addresses are looked at
 * again. When the channel is lost before the end of a message was sent, the connection to the server is
 * closed and nothing was delivered; after it, what was delivered is told on another way (late.h): the
 * queue manager has heard of a delivery for sure only when it orders the next one, or closes the channel in order.
 */
#include "smtp/session.h"

#include <errno.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "smtp/client.h"

#define WINDOW 1 /* each delivery has the connection for itself */
#define ARENA_FIRST 4096

struct session {
	struct client *client;
	struct ipc_channel *channel;
	session_idle *idle;
	void *idle_arg;
	const struct delivery *unheard; /* the last one, whose results qmgr may not have noted */
};

static bool
introduce(struct session *s)
{
	const struct msg_agent_ready ready = {.window = WINDOW};
	struct arena *arena = arena_new(512);
	struct msg_agent_open open;
	bool ok = ipc_recv_one(s->channel, arena, &msg_agent_open, &open) == IPC_OK &&
	    ipc_send(s->channel, &msg_agent_ready, &ready) == IPC_OK &&
	    ipc_flush(s->channel) == IPC_OK;

	arena_free(&arena);
	return ok;
}

/*
 * Has the queue manager heard the results, or will it? It is still at the other end, and reads what was sent; or
 * it has said something since, an order or goodbye, which it does when it has heard them. Asks the descriptor,
 * since a stream whose fiber was canceled tells nothing any more.
 */
static bool
hears(struct ipc_channel *channel)
{
	struct stream *stream = ipc_stream(channel);
	char byte;
	ssize_t n;

	if (stream_buffered(stream) > 0)
		return true;
	n = recv(stream_get_fd(stream), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

/* The next order. False: there is none, and the channel has come to its end. */
static bool
next_delivery(struct session *s, struct arena *arena, struct ipc_message *m)
{
	static const struct ipc_schema *const accept[] = {&msg_deliver, &msg_agent_close, NULL};
	int64_t patience = conf_time(s->client->settings.conf, P_ipc_timeout) * 1000;
	bool ok;

	/* In between there may be nothing to do for long; within a message qmgr must not pause. */
	stream_timeout(ipc_stream(s->channel), 0);
	ok = !s->idle || s->idle(s->idle_arg, true);
	ok = ok && ipc_recv(s->channel, arena, accept, false, m) == IPC_OK;
	if (ok || hears(s->channel))
		s->unheard = NULL;
	ok = ok && m->schema == &msg_deliver;
	if (s->idle)
		(void)s->idle(s->idle_arg, false);
	stream_timeout(ipc_stream(s->channel), patience);
	return ok;
}

void
session_serve(struct client *client, struct stream *stream, session_idle *idle, void *idle_arg,
    enum delivery_step *step)
{
	struct session s = {.client = client, .idle = idle, .idle_arg = idle_arg};
	/* The last delivery's, and where the next one comes to. */
	struct arena *arena = arena_new(ARENA_FIRST), *next = arena_new(ARENA_FIRST), *last;
	struct ipc_message m;
	struct delivery d;
	bool ok;

	s.channel = ipc_channel_new(stream, client->settings.lmtp ? "lmtp" : "smtp", "qmgr");
	ok = introduce(&s);
	while (ok && next_delivery(&s, next, &m)) {
		last = arena;
		arena = next;
		next = last;
		arena_reset(next);
		delivery_begin(&d, client, s.channel, m.body, arena);
		d.step = step;
		s.unheard = &d;
		delivery_run(&d);
		ok = delivery_end(&d);
	}
	ipc_channel_free(&s.channel);
	if (s.unheard && client->late)
		delivery_report_late(s.unheard);
	arena_free(&arena);
	arena_free(&next);
}
