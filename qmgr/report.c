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
	struct arena *arena;
	struct spool_message m;
	enum spool_status status;
};

static void
read_for_report(void *arg)
{
	struct report_job *job = arg;
	struct buf why = {0};

	job->status = spool_load(job->fd, false, job->arena, &job->m, NULL, 0, &why);
	buf_free(&why);
}

/* Marks the recipient; true when none is left to be done. */
static bool
mark_reported(struct slot *slot, const struct spool_message *m, uint32_t index)
{
	struct slot_rcpt_mark mark = {.state = SLOT_RCPT_SENT};

	if (m->envelope.rcpts[index].notify & DSN_NOTIFY_SUCCESS)
		mark.state = SLOT_RCPT_SENT_NOTICE;
	if (!spool_write_rcpt_mark(slot->fd, m->header.id, index, &mark)) {
		log_error("%s: write recipient mark: %s", m->header.id, strerror(errno));
		slot->leaving = true;
		return false;
	}
	slots_dirty(slot);
	log_info("%s: to=<%.*s> was delivered before the queue manager restarted", m->header.id,
	    STR_ARG(m->envelope.rcpts[index].address));
	m->marks[index].state = mark.state;
	for (uint32_t i = 0; i < m->header.rcpts; i++)
		if (m->marks[i].state == SLOT_RCPT_TODO)
			return false;
	return true;
}

/* The message is not in memory: its slot takes the result. Waits. */
static void
report_to_slot(struct slot *slot, uint64_t index)
{
	struct report_job job = {.arena = arena_new(1024)};

	if (slots_use(slot)) {
		slots_begin_reading(slot);
		job.fd = slot->fd;
		fiber_offload(FIBER_POOL_READ, read_for_report, &job);
		if (job.status == SPOOL_OK && index < job.m.header.rcpts &&
		    job.m.marks[index].state == SLOT_RCPT_TODO &&
		    mark_reported(slot, &job.m, (uint32_t)index))
			slot->next = 0;
		slots_end_reading(slot);
		slots_unuse(slot);
	}
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
