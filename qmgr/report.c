/*
 * report - results that come when their channel is gone: see report.h
 */
#include "qmgr/report.h"

#include <errno.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "qmgr/message.h"
#include "qmgr/slots.h"

struct report_job {
	int fd;
	uint64_t index;
	struct arena *arena, *piece;
	struct spool_message m;
	const struct slot_rcpt *rcpt;
	enum spool_status status;
};

/* The recipient of that index, in a long list too. */
static void
find_rcpt(struct report_job *job, struct spool_cursor *cursor, struct buf *why)
{
	struct slot_rcpt *rcpts = job->m.envelope.rcpts;
	uint32_t first = 0;
	size_t n = job->m.envelope.n_rcpts;

	while (n == 0 || job->index >= first + n) {
		arena_reset(job->piece);
		first = cursor->index;
		job->status = spool_next_rcpts(job->fd, &job->m.header, cursor, SPOOL_PIECE_RCPTS,
		    job->piece, &rcpts, &n, why);
		if (job->status != SPOOL_OK || n == 0)
			return;
	}
	job->rcpt = &rcpts[job->index - first];
}

static void
read_for_report(void *arg)
{
	struct report_job *job = arg;
	struct spool_cursor cursor;
	struct buf why = {0};

	job->status = spool_load_begin(job->fd, false, job->arena, &job->m, &cursor, NULL, 0, &why);
	if (job->status == SPOOL_OK && job->index < job->m.header.rcpts)
		find_rcpt(job, &cursor, &why);
	buf_free(&why);
}

/* Is any recipient in STATE? */
static bool
any_in(const struct spool_message *m, enum slot_rcpt_state state)
{
	for (uint32_t i = 0; i < m->header.rcpts; i++)
		if (m->marks[i].state == state)
			return true;
	return false;
}

/* A round is due when no delivery is left; what is on hold needs none, unless it is just to be removed. */
static void
nothing_to_deliver(struct slot *slot, const struct spool_message *m)
{
	if (slot->state == SLOT_HOLD && !any_in(m, SLOT_RCPT_SENT_NOTICE) &&
	    !any_in(m, SLOT_RCPT_FAILED_NOTICE))
		slot->state = SLOT_QUEUED;
	slot->next = 0;
}

/* Marks the recipient. */
static void
mark_reported(struct slot *slot, const struct report_job *job)
{
	struct slot_rcpt_mark mark = {.state = SLOT_RCPT_SENT};
	const struct spool_message *m = &job->m;
	uint32_t index = (uint32_t)job->index;

	if (job->rcpt->notify & DSN_NOTIFY_SUCCESS)
		mark.state = SLOT_RCPT_SENT_NOTICE;
	if (!spool_write_rcpt_mark(slot->fd, m->header.id, index, &mark)) {
		log_error("%s: write recipient mark: %s", m->header.id, strerror(errno));
		slot->leaving = true;
		return;
	}
	slots_dirty(slot);
	log_info("%s: to=<%.*s> was delivered before the queue manager restarted", m->header.id,
	    STR_ARG(job->rcpt->address));
	m->marks[index].state = mark.state;
	if (!any_in(m, SLOT_RCPT_TODO))
		nothing_to_deliver(slot, m);
}

/* The message is not in memory: its slot takes the result. Waits. */
static void
report_to_slot(struct slot *slot, uint64_t index)
{
	struct report_job job = {.index = index, .arena = arena_new(1024), .piece = arena_new(0)};

	if (slots_use(slot)) {
		slots_begin_reading(slot);
		job.fd = slot->fd;
		fiber_offload(FIBER_POOL_READ, read_for_report, &job);
		if (job.rcpt && job.m.marks[index].state == SLOT_RCPT_TODO)
			mark_reported(slot, &job);
		slots_end_reading(slot);
		slots_unuse(slot);
	}
	arena_free(&job.piece);
	arena_free(&job.arena);
}

static void
take_report(const struct msg_result *r)
{
	struct slot *slot = slots_find(r->id);

	/* Only good news counts late: anything else is found out again by trying. */
	if (r->status != DELIVERY_SENT || !slot || !(slot = slots_settled(slot)))
		return;
	if (slot->use == SLOT_USE_WAITING)
		report_to_slot(slot, r->index);
	else if (slot->message && r->index < slot->message->m.header.rcpts)
		message_reported(slot->message, (uint32_t)r->index);
}

void
report_session(struct service_client *client)
{
	static const struct ipc_schema *const accept[] = {&msg_result, NULL};
	struct ipc_channel *channel = ipc_channel_new(client->stream, "qmgr", "delivery agent");
	struct arena *arena = arena_new(1024);
	struct msg_report_ok ok = {0};
	struct ipc_message m;

	client->stream = NULL;
	while (
	    service_idle(client, true) && ipc_recv(channel, arena, accept, false, &m) == IPC_OK) {
		service_idle(client, false);
		take_report(m.body);
		if (ipc_send(channel, &msg_report_ok, &ok) != IPC_OK ||
		    ipc_flush(channel) != IPC_OK)
			break;
		arena_reset(arena);
	}
	arena_free(&arena);
	ipc_channel_free(&channel);
}
