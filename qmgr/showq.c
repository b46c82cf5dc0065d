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

/* Recipients from *AT on that are not done, as many as go into one frame. */
static size_t
gather(const struct spool_message *m, size_t *at, struct msg_showq_rcpt *rcpts)
{
	size_t n = 0;

	for (; *at < m->envelope.n_rcpts && n < RCPTS_IN_FRAME; (*at)++) {
		const struct slot_rcpt_mark *mark = &m->marks[*at];
		const struct slot_reason *r = mark->reason ? &m->reasons[mark->reason - 1] : NULL;

		if (mark->state != SLOT_RCPT_TODO && mark->state != SLOT_RCPT_FAILED_NOTICE)
			continue;
		rcpts[n].address = m->envelope.rcpts[*at].address;
		rcpts[n++].reason = r ? r->text : STR_EMPTY;
	}
	return n;
}

static bool
send_entry(struct listing *l, struct slot *slot, const struct spool_message *m)
{
	struct msg_showq_rcpt rcpts[RCPTS_IN_FRAME];
	struct msg_showq_entry entry = {
	    .id = str_c(m->header.id),
	    .state = str_c(admin_state_name(slot)),
	    .arrival = m->header.arrival_us / 1000000,
	    .size = m->header.content,
	    .sender = m->envelope.sender,
	    .next = slot->use == SLOT_USE_WAITING ? slot->next : 0,
	    .forced_expire = m->mark.expire,
	};
	size_t at = 0;

	do {
		entry.rcpts = (struct ipc_list){rcpts, gather(m, &at, rcpts)};
		entry.more = at < m->envelope.n_rcpts;
		if (ipc_send(l->channel, &msg_showq_entry, &entry) != IPC_OK)
			return false;
	} while (entry.more);
	l->end.count++;
	l->end.bytes += m->header.content;
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

/* Shows one message, wherever it is. False: the caller is gone. Waits. */
static bool
show_slot(struct listing *l, struct slot *slot)
{
	struct read_job job = {.fd = -1};
	bool ok = true;

	if (slot->use == SLOT_USE_ACTIVE && slot->message) {
		const struct spool_message *m = &slot->message->m;

		if (l->all || is_theirs(&m->envelope, l->uid)) {
			message_ref(slot->message);
			struct message *msg = slot->message;
			ok = send_entry(l, slot, m);
			message_unref(msg);
		}
		return ok;
	}
	if (slot->use != SLOT_USE_WAITING || !slots_use(slot))
		return true;
	job.fd = slot->fd;
	job.a = arena_new(1024);
	fiber_offload(FIBER_POOL_READ, read_slot, &job);
	if (job.status == SPOOL_OK && (l->all || is_theirs(&job.m.envelope, l->uid)))
		ok = send_entry(l, slot, &job.m);
	slots_unuse(slot);
	buf_free(&job.why);
	arena_free(&job.a);
	return ok;
}

void
admin_showq_session(struct service_client *client)
{
	struct listing l = {
	    .channel = ipc_channel_new(client->stream, "qmgr", "mailq"),
	    .all = client->uid == 0 || client->uid == geteuid(),
	    .uid = client->uid,
	};
	struct arena *a = arena_new(256);
	struct msg_showq_ask ask;
	struct slot *slot;
	uint32_t at = 0;
	bool ok;

	client->stream = NULL;
	ok = admin_user_allowed(client, P_authorized_mailq_users) &&
	    ipc_recv_one(l.channel, a, &msg_showq_ask, &ask) == IPC_OK;
	while (ok && (slot = slots_next(&at)))
		ok = show_slot(&l, slot);
	if (ok && ipc_send(l.channel, &msg_showq_end, &l.end) == IPC_OK)
		ipc_flush(l.channel);
	arena_free(&a);
	ipc_channel_free(&l.channel);
}
