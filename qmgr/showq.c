/*
 * showq - the queue as mailq shows it, one message after the other
 *
 * Messages that are not in memory are read from their slots in worker threads, so that the listing of
 * a long queue neither waits for all of it nor holds anything up.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "qmgr/admin.h"
#include "qmgr/message.h"
#include "qmgr/slots.h"

#define RCPTS_IN_FRAME 20
#define READ_MS (300 * 1000) /* that a listing may wait for whoever reads it */

struct listing {
	struct ipc_channel *channel;
	bool all; /* may see every message */
	uid_t uid;
	struct msg_showq_end end;
};

/* Has UID sent this message itself? */
static bool
is_theirs(const struct slot_envelope *e, uid_t uid)
{
	uint64_t n;

	for (size_t i = 0; i < e->n_attrs; i++)
		if (str_eq(e->attrs[i].name, STR("local_uid")) &&
		    str_to_u64(e->attrs[i].value, UINT32_MAX, &n) && n == uid)
			return true;
	return false;
}

/* What mailq says of the recipient's last attempt. */
static struct str
reason_text(const struct spool_message *m, const struct message *msg, unsigned n)
{
	const struct slot_reason *r = msg ? message_reason_at(msg, n)
	    : n                           ? &m->reasons[n - 1]
					  : NULL;

	return r ? r->text : STR_EMPTY;
}

/* Recipients from *AT on that are not done, as many as go into one frame. MSG: when it is in memory. */
static size_t
gather(const struct spool_message *m, const struct message *msg, size_t *at,
    struct msg_showq_rcpt *rcpts)
{
	size_t n = 0;

	for (; *at < m->envelope.n_rcpts && n < RCPTS_IN_FRAME; (*at)++) {
		const struct slot_rcpt_mark *mark = &m->marks[*at];

		if (mark->state != SLOT_RCPT_TODO && mark->state != SLOT_RCPT_FAILED_NOTICE)
			continue;
		rcpts[n].address = m->envelope.rcpts[*at].address;
		rcpts[n++].reason = reason_text(m, msg, mark->reason);
	}
	return n;
}

/* One frame, with recipients from *AT on; *MORE are to follow. ENTRY has what the slot says. */
static bool
send_frame(struct listing *l, struct msg_showq_entry *entry, const struct spool_message *m,
    const struct message *msg, size_t *at, bool *more)
{
	struct msg_showq_rcpt rcpts[RCPTS_IN_FRAME];

	entry->id = str_c(m->header.id);
	entry->arrival = m->header.arrival_us / 1000000;
	entry->size = m->header.content;
	entry->sender = m->envelope.sender;
	entry->forced_expire = m->mark.expire;
	entry->rcpts = (struct ipc_list){rcpts, gather(m, msg, at, rcpts)};
	entry->more = *more = *at < m->envelope.n_rcpts;
	if (!*more) {
		l->end.count++;
		l->end.bytes += m->header.content;
	}
	return ipc_send(l->channel, &msg_showq_entry, entry) == IPC_OK;
}

/*
 * A message in memory. Nothing of it is held while the caller takes its time to read, so that a listing
 * that nobody reads holds up no mail: between two frames it may be gone. Waits.
 */
static bool
show_active(struct listing *l, struct slot *slot)
{
	struct msg_showq_entry entry = {.state = str_c(admin_state_name(slot))};
	struct message *msg = slot->message;
	char id[QUEUE_ID_SIZE];
	size_t at = 0;
	bool more;

	if (!l->all && !is_theirs(&msg->m.envelope, l->uid))
		return true;
	slots_id(slot, id);
	if (!send_frame(l, &entry, &msg->m, msg, &at, &more))
		return false;
	while (more) {
		slot = slots_find(str_c(id));
		msg = slot && slot->use == SLOT_USE_ACTIVE ? slot->message : NULL;
		if (!msg) {
			struct msg_showq_entry end = {
			    .id = str_c(id), .state = entry.state, .sender = STR_EMPTY};

			l->end.count++;
			return ipc_send(l->channel, &msg_showq_entry, &end) == IPC_OK;
		}
		if (!send_frame(l, &entry, &msg->m, msg, &at, &more))
			return false;
	}
	return true;
}

struct read_job {
	int fd;
	struct arena *a;
	struct spool_message m;
	struct buf why;
	enum spool_status status;
};

static void
read_slot(void *arg)
{
	struct read_job *job = arg;

	job->status = spool_load(job->fd, false, job->a, &job->m, NULL, 0, &job->why);
}

/* A message that is not in memory. Waits. */
static bool
show_waiting(struct listing *l, struct slot *slot)
{
	struct msg_showq_entry entry = {.state = str_c(admin_state_name(slot)), .next = slot->next};
	struct read_job job = {.fd = -1};
	size_t at = 0;
	bool ok = true, more;

	if (!slots_use(slot))
		return true;
	job.fd = slot->fd;
	job.a = arena_new(1024);
	fiber_offload(FIBER_POOL_READ, read_slot, &job);
	slots_unuse(slot);
	more = job.status == SPOOL_OK && (l->all || is_theirs(&job.m.envelope, l->uid));
	while (ok && more)
		ok = send_frame(l, &entry, &job.m, NULL, &at, &more);
	buf_free(&job.why);
	arena_free(&job.a);
	return ok;
}

/* Shows one message, wherever it is. False: the caller is gone. Waits. */
static bool
show_slot(struct listing *l, struct slot *slot)
{
	slot = slots_settled(slot);
	if (slot && slot->use == SLOT_USE_ACTIVE)
		return show_active(l, slot);
	if (slot && slot->use == SLOT_USE_WAITING)
		return show_waiting(l, slot);
	return true;
}

void
admin_showq_session(struct service_client *client)
{
	struct listing l = {
	    .channel = admin_open_public(client, "mailq"),
	    .all = client->uid == 0 || client->uid == geteuid(),
	    .uid = client->uid,
	};
	struct arena *a = arena_new(256);
	struct msg_showq_ask ask;
	struct slot *slot;
	uint32_t at = 0;
	bool ok;

	ok = l.channel && ipc_recv_one(l.channel, a, &msg_showq_ask, &ask) == IPC_OK &&
	    admin_user_allowed(client, P_authorized_mailq_users);
	if (ok)
		stream_timeout(ipc_stream(l.channel), READ_MS);
	while (ok && (slot = slots_next(&at)))
		ok = show_slot(&l, slot);
	if (ok && ipc_send(l.channel, &msg_showq_end, &l.end) == IPC_OK)
		ipc_flush(l.channel);
	arena_free(&a);
	ipc_channel_free(&l.channel);
}
