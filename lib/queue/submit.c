/*
 * submit - hand a message to qmgr: see submit.h
 *
 * A connection that has just been idle may have been closed by a qmgr that went away meanwhile: the
 * first request on it is tried again on a fresh one, which is safe, since no content has been sent.
 */
#include "lib/queue/submit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/list.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"

#define FRAME_FILL 40000 /* bytes after which a frame of recipients is full */
#define IDLE_MAX 64      /* connections kept for the next message */
#define RETRY_MS 100     /* between attempts to reach a qmgr that is away */
#define CANCEL_MS 5000   /* for the answer to a cancel: closing the connection says the same */
#define REPLY_MS                                                                                   \
	(600 * 1000) /* a sync may take long on a busy disk; longer than that is no answer */

struct idle {
	struct list_link link;
	struct ipc_channel *channel;
};

struct submit_pool {
	char *path;
	char *name;
	struct list idle;
};

struct submit {
	struct submit_pool *pool;
	struct ipc_channel *channel;
	struct arena *arena;
	struct str id;
	uint64_t sent;
	bool lost;    /* the connection is gone */
	bool refused; /* qmgr has said no */
	struct submit_refusal refusal;
};

struct submit_pool *
submit_pool_new(const char *path, const char *name)
{
	struct submit_pool *pool = MEM_NEW(struct submit_pool);

	pool->path = mem_strdup(path);
	pool->name = mem_strdup(name);
	list_init(&pool->idle);
	return pool;
}

static struct ipc_channel *
take_idle(struct submit_pool *pool)
{
	struct list_link *l = list_first(&pool->idle);
	struct ipc_channel *channel;

	if (!l)
		return NULL;
	list_remove(&pool->idle, l);
	channel = LIST_ITEM(l, struct idle, link)->channel;
	free(LIST_ITEM(l, struct idle, link));
	return channel;
}

void
submit_pool_free(struct submit_pool **pool)
{
	struct ipc_channel *channel;

	if (!*pool)
		return;
	while ((channel = take_idle(*pool)))
		ipc_channel_free(&channel);
	free((*pool)->path);
	free((*pool)->name);
	free(*pool);
	*pool = NULL;
}

/* Keeps a channel that has ended a message in order; the one used last is used next. */
static void
give_back(struct submit_pool *pool, struct ipc_channel *channel)
{
	struct idle *idle;

	if (pool->idle.count >= IDLE_MAX) {
		ipc_channel_free(&channel);
		return;
	}
	idle = MEM_NEW(struct idle);
	idle->channel = channel;
	list_prepend(&pool->idle, &idle->link);
}

static void
refuse(struct submit_refusal *no, unsigned code, const char *dsn, const char *text)
{
	no->code = code;
	snprintf(no->dsn, sizeof(no->dsn), "%s", dsn);
	snprintf(no->text, sizeof(no->text), "%s", text);
}

/* qmgr's own words; a code that is none of a refusal's becomes "try again". */
static void
take_refusal(struct submit *s, const struct msg_submit_no *m)
{
	bool known = m->code >= 400 && m->code <= 599;

	s->refused = true;
	s->refusal.code = known ? (unsigned)m->code : 451;
	snprintf(s->refusal.dsn, sizeof(s->refusal.dsn), "%.*s", STR_ARG(m->dsn));
	snprintf(s->refusal.text, sizeof(s->refusal.text), "%.*s", STR_ARG(m->text));
}

/* One begin on one channel. True: an ID or a refusal has come before DEADLINE. */
static bool
ask_begin(struct submit *s, uint64_t size_hint, fiber_deadline deadline)
{
	static const struct ipc_schema *const answers[] = {&msg_submit_id, &msg_submit_no, NULL};
	struct msg_submit_begin begin = {.size = size_hint};
	struct ipc_message answer;

	stream_timeout(ipc_stream(s->channel), REPLY_MS);
	stream_deadline(ipc_stream(s->channel), deadline);
	if (ipc_send(s->channel, &msg_submit_begin, &begin) != IPC_OK ||
	    ipc_flush(s->channel) != IPC_OK ||
	    ipc_recv(s->channel, s->arena, answers, false, &answer) != IPC_OK)
		return false;
	stream_deadline(ipc_stream(s->channel), FIBER_FOREVER);
	if (answer.schema == &msg_submit_no)
		take_refusal(s, answer.body);
	else
		s->id = ((struct msg_submit_id *)answer.body)->id;
	return true;
}

/* Ends S; its channel goes back to the pool when the conversation is in order. */
static void
submit_free(struct submit **s, bool in_order)
{
	if (in_order)
		give_back((*s)->pool, (*s)->channel);
	else
		ipc_channel_free(&(*s)->channel);
	arena_free(&(*s)->arena);
	free(*s);
	*s = NULL;
}

struct submit *
submit_begin(struct submit_pool *pool, uint64_t size_hint, fiber_deadline deadline,
    struct submit_refusal *no)
{
	struct submit *s = MEM_NEW(struct submit);

	s->pool = pool;
	s->arena = arena_new(512);
	for (;;) {
		s->channel = take_idle(pool);
		if (!s->channel)
			s->channel = ipc_connect(pool->path, pool->name, deadline);
		if (s->channel && ask_begin(s, size_hint, deadline))
			break;
		ipc_channel_free(&s->channel);
		if (list_empty(&pool->idle) &&
		    (fiber_now() >= deadline || fiber_sleep(RETRY_MS) == FIBER_CANCELED)) {
			refuse(no, 451, "4.3.0",
			    "Error: queue manager is not available, try again later");
			submit_free(&s, false);
			return NULL;
		}
	}
	if (s->refused) {
		*no = s->refusal;
		submit_free(&s, true);
	}
	return s;
}

struct str
submit_id(const struct submit *s)
{
	return s->id;
}

/* How many of N recipients go into one frame: long addresses take more room. */
static size_t
rcpts_for_frame(const struct msg_rcpt *rcpts, size_t n)
{
	size_t count = 0, bytes = 0;

	while (count < n && count < MSG_RCPT_PER_FRAME && bytes < FRAME_FILL) {
		bytes +=
		    rcpts[count].address.len + rcpts[count].orig.len + rcpts[count].orcpt.len + 20;
		count++;
	}
	return count;
}

bool
submit_envelope(struct submit *s, const struct msg_submit_envelope *envelope,
    const struct msg_rcpt *rcpts, size_t n)
{
	s->lost = s->lost || ipc_send(s->channel, &msg_submit_envelope, envelope) != IPC_OK;
	for (size_t i = 0, count; i < n && !s->lost; i += count) {
		struct msg_submit_rcpts m;

		count = rcpts_for_frame(rcpts + i, n - i);
		m.rcpts = (struct ipc_list){(void *)(uintptr_t)&rcpts[i], count};
		s->lost = ipc_send(s->channel, &msg_submit_rcpts, &m) != IPC_OK;
	}
	return !s->lost;
}

bool
submit_content(struct submit *s, struct str chunk)
{
	if (!s->lost && ipc_send_content(s->channel, chunk) != IPC_OK)
		s->lost = true;
	s->sent += chunk.len;
	return !s->lost;
}

/* Waits for the end of the conversation. True: ok has come. */
static bool
await_end(struct submit *s)
{
	static const struct ipc_schema *const answers[] = {&msg_submit_ok, &msg_submit_no, NULL};
	struct ipc_message answer;

	if (s->lost || ipc_flush(s->channel) != IPC_OK ||
	    ipc_recv(s->channel, s->arena, answers, false, &answer) != IPC_OK) {
		s->lost = true;
		return false;
	}
	if (answer.schema == &msg_submit_ok)
		return true;
	take_refusal(s, answer.body);
	return false;
}

bool
submit_commit(struct submit **sp, struct submit_refusal *no)
{
	struct submit *s = *sp;
	struct msg_submit_commit commit = {s->sent};
	bool ok;

	s->lost = s->lost || ipc_send(s->channel, &msg_submit_commit, &commit) != IPC_OK;
	ok = await_end(s);
	if (s->lost)
		refuse(no, 451, "4.3.0", "Error: queue manager went away, try again later");
	else if (!ok)
		*no = s->refusal;
	submit_free(sp, !s->lost);
	return ok;
}

void
submit_cancel(struct submit **sp)
{
	struct submit *s = *sp;
	struct msg_submit_cancel cancel = {0};

	if (!s)
		return;
	stream_deadline(ipc_stream(s->channel), fiber_after(CANCEL_MS));
	s->lost = s->lost || ipc_send(s->channel, &msg_submit_cancel, &cancel) != IPC_OK;
	await_end(s);
	stream_deadline(ipc_stream(s->channel), FIBER_FOREVER);
	submit_free(sp, !s->lost);
}

bool
submit_flush(struct submit_pool *pool, struct str site, fiber_deadline deadline, bool *allowed)
{
	struct ipc_channel *channel = ipc_connect(pool->path, pool->name, deadline);
	const struct msg_flush ask = {.id = STR_EMPTY, .site = site};
	struct arena *a = arena_new(256);
	struct msg_admin_done done = {.why = STR_EMPTY};
	bool ok = false;

	*allowed = true;
	if (channel) {
		stream_deadline(ipc_stream(channel), deadline);
		ok = ipc_send(channel, &msg_flush, &ask) == IPC_OK &&
		    ipc_flush(channel) == IPC_OK &&
		    ipc_recv_one(channel, a, &msg_admin_done, &done) == IPC_OK;
	}
	*allowed = done.why.len == 0;
	ok = ok && done.count > 0;
	ipc_channel_free(&channel);
	arena_free(&a);
	return ok;
}
