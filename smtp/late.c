/*
 * late - see late.h
 *
 * One fiber tells, one connection at a time, as long as there is something to tell. master holds the socket, so
 * while qmgr is away a connection waits there for the next one: it hears this before it tries anything again.
 */
#include "smtp/late.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"

#define BYTES_MAX ((size_t)4 << 20) /* of all that waits */
#define PATIENCE_MS 60000
#define AT_ONCE 64 /* reports sent before the first is answered: what sockets hold both ways */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 250 /* less than the second for which the next qmgr waits for reports */
#define LAST_MS 10000    /* for what is left at the end of the process */
#define LOOK_MS 100      /* whether that has become shorter */
#define SPARE_MS 1000    /* for the rest of the end */

/* A report that waits, with its text behind it. */
struct item {
	struct list_link link;
	struct msg_report report;
	fiber_deadline until;
	size_t bytes;
	char text[];
};

struct late {
	const char *path, *program;
	struct list items; /* struct item, the oldest first */
	size_t bytes;
	struct fiber *teller; /* NULL: there is nothing to tell */
	struct fiber_waitq ended;
};

struct late *
late_new(const char *path, const char *program)
{
	struct late *late = MEM_NEW(struct late);

	late->path = path;
	late->program = program;
	list_init(&late->items);
	fiber_waitq_init(&late->ended);
	return late;
}

static void
drop_first(struct late *late)
{
	struct item *item = LIST_ITEM(list_shift(&late->items), struct item, link);

	late->bytes -= item->bytes;
	free(item);
}

static void
give_up(const struct msg_report *report)
{
	log_warning("%.*s: delivered, but the queue manager could not be told: the message may be "
		    "delivered once more",
	    STR_ARG(report->id));
}

/* What has waited too long, or all of it. */
static void
give_up_old(struct late *late, bool all)
{
	struct list_link *l;

	while ((l = list_first(&late->items))) {
		const struct item *item = LIST_ITEM(l, struct item, link);

		if (!all && item->until > fiber_now())
			return;
		give_up(&item->report);
		drop_first(late);
	}
}

/* --- Telling -------------------------------------------------------------------------------------- */

/* Sends the first reports and hears that each has arrived. False: the connection is no good. */
static bool
tell_some(struct late *late, struct ipc_channel *channel, struct arena *arena)
{
	struct msg_report_ok ok;
	size_t sent = 0;
	bool fine = true;

	for (struct list_link *l = list_first(&late->items); l && fine && sent < AT_ONCE;
	     l = list_next(&late->items, l), sent++)
		fine = ipc_send(channel, &msg_report, &LIST_ITEM(l, struct item, link)->report) ==
		    IPC_OK;
	fine = fine && ipc_flush(channel) == IPC_OK;
	while (fine && sent-- > 0) {
		fine = ipc_recv_one(channel, arena, &msg_report_ok, &ok) == IPC_OK;
		if (fine)
			drop_first(late);
		arena_reset(arena);
	}
	return fine;
}

static void
tell(struct late *late)
{
	const struct item *oldest = LIST_ITEM(list_first(&late->items), struct item, link);
	fiber_deadline until = oldest->until;
	struct ipc_channel *channel = ipc_connect(late->path, late->program, until);
	struct arena *arena = arena_new(0);

	if (channel) {
		stream_timeout(ipc_stream(channel), 0);
		stream_deadline(ipc_stream(channel), until);
		while (!list_empty(&late->items) && tell_some(late, channel, arena))
			;
	}
	ipc_channel_free(&channel);
	arena_free(&arena);
}

static void
tell_fiber(void *arg)
{
	struct late *late = arg;
	int64_t pause = PAUSE_FIRST_MS;

	while (!list_empty(&late->items)) {
		size_t before = late->items.count;

		tell(late);
		if (late->items.count < before)
			pause = PAUSE_FIRST_MS;
		give_up_old(late, false);
		if (list_empty(&late->items) || fiber_sleep(pause) == FIBER_CANCELED)
			break;
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
	late->teller = NULL;
	fiber_wake_all(&late->ended);
}

/* --- Keeping -------------------------------------------------------------------------------------- */

static struct str
keep(char **at, struct str s)
{
	struct str copy = str_n(*at, s.len);

	if (s.len > 0)
		memcpy(*at, s.data, s.len);
	*at += s.len;
	return copy;
}

static struct item *
item_new(const struct msg_report *r)
{
	size_t text =
	    r->id.len + r->ticket.len + r->dsn.len + r->text.len + r->relay.len + r->remote_mta.len;
	struct item *item = mem_alloc(sizeof(*item) + text);
	char *at = item->text;

	*item = (struct item){
	    .report = *r, .until = fiber_after(PATIENCE_MS), .bytes = sizeof(*item) + text};
	item->report.id = keep(&at, r->id);
	item->report.ticket = keep(&at, r->ticket);
	item->report.dsn = keep(&at, r->dsn);
	item->report.text = keep(&at, r->text);
	item->report.relay = keep(&at, r->relay);
	item->report.remote_mta = keep(&at, r->remote_mta);
	return item;
}

void
late_add(struct late *late, const struct msg_report *report)
{
	struct item *item = item_new(report);

	if (late->bytes + item->bytes > BYTES_MAX) {
		give_up(report);
		free(item);
		return;
	}
	late->bytes += item->bytes;
	list_append(&late->items, &item->link);
	if (!late->teller)
		late->teller = fiber_spawn("late reports", tell_fiber, late);
}

/* Is there no time left? */
static bool
is_late(fiber_deadline end)
{
	return end != FIBER_FOREVER && fiber_after(SPARE_MS) >= end;
}

void
late_drain(struct late *late, fiber_deadline (*end)(void))
{
	fiber_deadline last = fiber_after(LAST_MS);

	while (late->teller && fiber_now() < last && !is_late(end()))
		if (fiber_wait(&late->ended, fiber_after(LOOK_MS)) == FIBER_CANCELED)
			break;
	if (late->teller)
		fiber_cancel(late->teller);
	while (late->teller && fiber_wait(&late->ended, FIBER_FOREVER) == FIBER_OK)
		;
	give_up_old(late, true);
}
