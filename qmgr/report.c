/*
 * report - results that come when their channel is gone: see report.h
 */
#include "qmgr/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "lib/mail/dsn.h"
#include "qmgr/message.h"
#include "qmgr/slots.h"
#include "qmgr/ticket.h"

#define QUIET_MS 10000 /* after a line about a report without a ticket */

/*
 * What was read of a message for one report is kept for the next, which is mostly about the same one: of a long list
 * hundreds of recipients may be under way when a queue manager ends.
 */
struct report_job {
	int fd;
	uint64_t index;
	char id[QUEUE_ID_SIZE]; /* of the message that the rest is about; "" */
	uint64_t epoch;         /* … as it was then */
	struct arena *arena, *piece;
	struct spool_message m;
	struct spool_cursor *begins; /* of a long list: where each piece that was read begins */
	size_t n_begins, cap;
	struct slot_rcpt *rcpts; /* the piece, or all */
	uint32_t first;
	size_t n;
	const struct slot_rcpt *rcpt;
	enum spool_status status;
};

static uint64_t epoch; /* another one when what was read may not be true any more */

void
report_forget(void)
{
	epoch++;
}

static void
add_begin(struct report_job *job, struct spool_cursor cursor)
{
	if (job->n_begins == job->cap) {
		job->cap = job->cap ? 2 * job->cap : 16;
		job->begins = mem_resize(job->begins, job->cap * sizeof(*job->begins));
	}
	job->begins[job->n_begins++] = cursor;
}

/* The piece of that number, where it begins is known. */
static void
read_piece(struct report_job *job, size_t number, struct buf *why)
{
	struct spool_cursor cursor = job->begins[number];

	arena_reset(job->piece);
	job->first = cursor.index;
	job->n = 0;
	job->status = spool_next_rcpts(job->fd, &job->m.header, &cursor, SPOOL_PIECE_RCPTS,
	    job->piece, &job->rcpts, &job->n, why);
	if (job->status != SPOOL_OK)
		job->n = 0;
	if (job->n > 0 && number + 1 == job->n_begins)
		add_begin(job, cursor);
}

/* The recipient of that index, in a long list too. */
static void
find_rcpt(struct report_job *job, struct buf *why)
{
	size_t number = job->n_begins - 1;

	if (job->index < job->first || job->index >= job->first + job->n) {
		while (number > 0 && job->begins[number].index > job->index)
			number--;
		do
			read_piece(job, number++, why);
		while (job->n > 0 && job->index >= job->first + job->n);
	}
	if (job->n > 0)
		job->rcpt = &job->rcpts[job->index - job->first];
}

static void
read_message(struct report_job *job, struct buf *why)
{
	struct spool_cursor begin = {0};

	arena_reset(job->arena);
	job->status = spool_load_begin(job->fd, false, job->arena, &job->m, &begin, NULL, 0, why);
	job->first = 0;
	job->rcpts = job->m.envelope.rcpts;
	job->n = job->m.envelope.n_rcpts;
	job->n_begins = 0;
	add_begin(job, begin);
}

static void
read_for_report(void *arg)
{
	struct report_job *job = arg;
	struct buf why = {0};

	job->rcpt = NULL;
	if (!job->id[0])
		read_message(job, &why);
	if (job->status == SPOOL_OK && job->index < job->m.header.rcpts)
		find_rcpt(job, &why);
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

/* What is to stand in a notice: in a place of the slot that no recipient refers to. 0: there is none. */
static unsigned
put_reason(struct slot *slot, const struct spool_message *m, const struct outcome *sent)
{
	const struct slot_reason reason = {
	    .dsn = sent->dsn, .text = sent->text, .remote_mta = sent->remote_mta};
	bool used[SLOT_REASONS + 1] = {false};
	unsigned place = SLOT_REASONS;

	for (uint32_t i = 0; i < m->header.rcpts; i++)
		used[m->marks[i].reason] = true;
	while (place > 0 && used[place])
		place--;
	if (place == 0 || !spool_write_reason(slot->fd, &m->header, place - 1, &reason))
		return 0;
	/* The file is longer than its slot now, perhaps. */
	slot->grown = true;
	return place;
}

/* Marks the recipient. */
static void
mark_reported(struct slot *slot, const struct report_job *job, const struct outcome *sent)
{
	const struct spool_message *m = &job->m;
	uint32_t index = (uint32_t)job->index;
	struct slot_rcpt_mark mark = {.state = message_sent_state(&m->envelope, job->rcpt, sent)};

	if (mark.state == SLOT_RCPT_SENT_NOTICE)
		mark.reason = put_reason(slot, m, sent);
	if (!spool_write_rcpt_mark(slot->fd, m->header.id, index, &mark)) {
		log_error("%s: write recipient mark: %s", m->header.id, strerror(errno));
		slot->leaving = true;
		return;
	}
	slots_dirty(slot);
	message_log_late(&m->header, job->rcpt->address, sent);
	m->marks[index].state = mark.state;
	if (!any_in(m, SLOT_RCPT_TODO))
		nothing_to_deliver(slot, m);
}

/* The message ID is not in memory: its slot takes the result. Waits. */
static void
report_to_slot(struct report_job *job, struct slot *slot, const struct msg_report *r,
    const struct outcome *sent)
{
	bool own;

	if (!str_eq(r->id, str_c(job->id)) || job->epoch != epoch)
		job->id[0] = '\0';
	if (!slots_use(slot))
		return;
	slots_begin_reading(slot);
	job->epoch = epoch;
	job->index = r->index;
	job->fd = slot->fd;
	fiber_offload(FIBER_POOL_READ, read_for_report, job);
	if (job->rcpt && job->m.marks[r->index].state == SLOT_RCPT_TODO) {
		mark_reported(slot, job, sent);
		/* Which is news for all others. */
		own = job->epoch == epoch;
		epoch++;
		job->epoch = own ? epoch : job->epoch;
	}
	slots_id(slot, job->id);
	if (job->status != SPOOL_OK)
		job->id[0] = '\0';
	slots_end_reading(slot);
	slots_unuse(slot);
}

static fiber_deadline quiet_until; /* about reports without tickets */

/* Somebody claims what he was not given; or the key is a new one. */
static void
refuse(const struct service_client *client, const struct msg_report *r)
{
	if (quiet_until <= fiber_now())
		log_warning("process %ld of user %ld has no ticket for recipient %" PRIu64
			    " of %.*s: report overlooked",
		    (long)client->pid, (long)client->uid, r->index, STR_ARG(r->id));
	quiet_until = fiber_after(QUIET_MS);
	/* A loop must not be one for all others. */
	fiber_yield();
}

static void
take_report(struct report_job *job, const struct service_client *client, const struct msg_report *r)
{
	const struct outcome sent = {
	    .status = DELIVERY_SENT,
	    .dsn = dsn_valid(r->dsn) ? r->dsn : STR("2.0.0"),
	    .text = r->text,
	    .relay = r->relay,
	    .remote_mta = r->remote_mta,
	    .dsn_passed = r->dsn_passed,
	};
	struct slot *slot;

	/* First of all: what is not shown to be true costs nothing more than this. */
	if (!ticket_good(r->id, r->index, r->ticket)) {
		refuse(client, r);
		return;
	}
	slots_put_off_tries();
	slot = slots_find(r->id);
	if (!slot || !(slot = slots_settled(slot)))
		return;
	if (slot->use == SLOT_USE_WAITING)
		report_to_slot(job, slot, r, &sent);
	else if (slot->message && r->index < slot->message->m.header.rcpts)
		message_reported(slot->message, (uint32_t)r->index, &sent);
}

void
report_session(struct service_client *client)
{
	static const struct ipc_schema *const accept[] = {&msg_report, NULL};
	struct ipc_channel *channel = ipc_channel_new(client->stream, "qmgr", "delivery agent");
	struct report_job job = {.arena = arena_new(1024), .piece = arena_new(0)};
	struct arena *arena = arena_new(1024);
	struct msg_report_ok ok = {0};
	struct ipc_message m;

	client->stream = NULL;
	while (
	    service_idle(client, true) && ipc_recv(channel, arena, accept, false, &m) == IPC_OK) {
		service_idle(client, false);
		take_report(&job, client, m.body);
		if (ipc_send(channel, &msg_report_ok, &ok) != IPC_OK ||
		    ipc_flush(channel) != IPC_OK)
			break;
		arena_reset(arena);
	}
	free(job.begins);
	arena_free(&job.piece);
	arena_free(&job.arena);
	arena_free(&arena);
	ipc_channel_free(&channel);
}
