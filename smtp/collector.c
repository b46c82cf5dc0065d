/*
 * collector - see collector.h
 */
#include "smtp/collector.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/ipc/channel.h"

#define CONNECT_MS 5000
#define ANSWER_MS 10000
#define PAUSE_MS 10000 /* after a failure, in which the queue may fill up */
#define TELL_MS 60000  /* lost notes are worth one line in so long */

struct queued {
	struct list_link link;
	struct msg_tlsrpt_note note;
	size_t bytes;
	char text[];
};

struct collector {
	char *path;
	struct list queue;
	size_t bytes;
	bool sending;
	uint64_t lost, told;
	int64_t told_ms;
	struct ipc_channel *ch;
	struct fiber *fiber; /* the sender, while there is one */
	struct fiber_waitq more, sent;
};

struct collector *
collector_new(const char *path)
{
	struct collector *c = MEM_NEW(struct collector);

	c->path = mem_strdup(path);
	c->told_ms = -TELL_MS;
	list_init(&c->queue);
	fiber_waitq_init(&c->more);
	fiber_waitq_init(&c->sent);
	return c;
}

void
collector_free(struct collector **pc)
{
	struct collector *c = *pc;
	struct list_link *l;

	if (!c)
		return;
	*pc = NULL;
	if (c->fiber)
		fiber_cancel(c->fiber);
	while (c->fiber && fiber_wait(&c->sent, FIBER_FOREVER) == FIBER_OK)
		;
	while ((l = list_shift(&c->queue)))
		free(LIST_ITEM(l, struct queued, link));
	ipc_channel_free(&c->ch);
	free(c->path);
	free(c);
}

uint64_t
collector_lost(const struct collector *c)
{
	return c->lost;
}

static struct str
put(char **at, struct str s)
{
	struct str copy = str_n(*at, s.len);

	memcpy(*at, s.data, s.len);
	*at += s.len;
	return copy;
}

void
collector_note(struct collector *c, const struct msg_tlsrpt_note *note)
{
	struct msg_tlsrpt_note n = *note;
	struct queued *q;
	size_t bytes;
	char *at;

	if (!c)
		return;
	n.strings = str_sub(n.strings, 0, MSG_TLSRPT_POLICY_MAX);
	n.reason = str_sub(n.reason, 0, MSG_TLSRPT_REASON_MAX);
	bytes = n.domain.len + n.strings.len + n.result.len + n.reason.len + n.host.len +
	    n.address.len + n.from.len;
	if (c->queue.count >= COLLECTOR_NOTES_MAX || c->bytes + bytes > COLLECTOR_BYTES_MAX) {
		c->lost++;
		return;
	}
	q = mem_alloc(sizeof(*q) + bytes);
	at = q->text;
	q->bytes = bytes;
	q->note = (struct msg_tlsrpt_note){.domain = put(&at, n.domain),
	    .policy = n.policy,
	    .strings = put(&at, n.strings),
	    .result = put(&at, n.result),
	    .reason = put(&at, n.reason),
	    .host = put(&at, n.host),
	    .address = put(&at, n.address),
	    .from = put(&at, n.from)};
	c->bytes += bytes;
	list_append(&c->queue, &q->link);
	fiber_wake_one(&c->more);
}

/* --- Sending ---------------------------------------------------------------------------------------- */

/* On the channel there is, which may be dead by now, then on a new one. */
static bool
send_note(struct collector *c, const struct msg_tlsrpt_note *note)
{
	struct arena *a = arena_new(256);
	struct msg_tlsrpt_noted noted;
	bool ok = false, old = true;

	while (!ok && old) {
		old = c->ch != NULL;
		if (!old)
			c->ch = ipc_connect(c->path, "smtp", fiber_after(CONNECT_MS));
		if (!c->ch)
			break;
		stream_timeout(ipc_stream(c->ch), ANSWER_MS);
		ok =
		    ipc_call(c->ch, a, &msg_tlsrpt_note, note, &msg_tlsrpt_noted, &noted) == IPC_OK;
		if (!ok)
			ipc_channel_free(&c->ch);
	}
	arena_free(&a);
	return ok;
}

static void
tell_lost(struct collector *c)
{
	int64_t now = clock_mono_ms();

	if (c->lost == c->told || now - c->told_ms < TELL_MS)
		return;
	log_warning("%llu connections are missing in the TLS reports: tlsrpt does not answer",
	    (unsigned long long)(c->lost - c->told));
	c->told = c->lost;
	c->told_ms = now;
}

static void
sender(void *arg)
{
	struct collector *c = arg;
	enum fiber_result result = FIBER_OK;
	struct list_link *l;
	struct queued *q;

	while (result != FIBER_CANCELED) {
		if (!(l = list_shift(&c->queue))) {
			fiber_wake_all(&c->sent);
			result = fiber_wait(&c->more, FIBER_FOREVER);
			continue;
		}
		q = LIST_ITEM(l, struct queued, link);
		c->bytes -= q->bytes;
		c->sending = true;
		if (!send_note(c, &q->note)) {
			c->lost++;
			result = fiber_sleep(PAUSE_MS);
		}
		c->sending = false;
		tell_lost(c);
		free(q);
	}
	c->fiber = NULL;
	fiber_wake_all(&c->sent);
}

void
collector_start(struct collector *c)
{
	c->fiber = fiber_spawn("collector", sender, c);
}

void
collector_drain(struct collector *c, int64_t ms)
{
	fiber_deadline end = fiber_after(ms);

	while (c && (c->sending || !list_empty(&c->queue)))
		if (fiber_wait(&c->sent, end) != FIBER_OK)
			return;
}
