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
#include "lib/mail/address.h"
#include "lib/queue/show.h"
#include "lib/route/route.h"
#include "qmgr/admin.h"
#include "qmgr/dead.h"
#include "qmgr/message.h"
#include "qmgr/slots.h"

#define SERVICE_MAX 64       /* bytes of a transport's name that are shown */
#define READ_MS (300 * 1000) /* that a listing may wait for whoever reads it */

struct listing {
	struct ipc_channel *channel;
	bool all; /* may see every message */
	uid_t uid;
	bool detail; /* one message was asked for: all of its recipients, and who brought it */
	bool routes; /* where recipients go, too; until a table does not answer */
	struct arena *arena; /* for a frame with either */
	bool piece_follows;  /* of the recipients of a long list */
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

/* The reason of the recipient's last attempt. MSG: when the message is in memory. */
static const struct slot_reason *
reason_of(const struct spool_message *m, const struct message *msg, unsigned n)
{
	return msg ? message_reason_at(msg, n) : n ? &m->reasons[n - 1] : NULL;
}

/* Where a recipient goes next. What cannot be told now is left out; a table is not asked again then. */
static void
add_route(struct listing *l, struct str sender, struct msg_showq_rcpt *r)
{
	struct mail_address address;
	enum route_status status = ROUTE_FAIL;
	struct buf why = {0};
	struct route route;

	if (address_parse(r->address, ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL,
		l->arena, &address, &why))
		status = route_resolve(conf_get(), sender, &address, l->arena, &route, &why);
	if (status == ROUTE_OK) {
		r->transport = arena_str(l->arena, str_sub(route.transport, 0, SERVICE_MAX));
		r->nexthop = arena_str(l->arena, str_sub(route.nexthop, 0, MSG_ADDRESS_MAX));
	}
	l->routes = l->routes && status != ROUTE_DEFER;
	buf_free(&why);
}

/* Recipients from *AT on, as many as go into one frame. */
static size_t
gather(struct listing *l, const struct spool_message *m, const struct message *msg, size_t *at,
    struct msg_showq_rcpt *rcpts)
{
	size_t n = 0;

	for (; *at < m->envelope.n_rcpts && n < SHOW_RCPTS; (*at)++)
		if (show_rcpt(
			m, *at, reason_of(m, msg, m->marks[*at].reason), l->detail, &rcpts[n]))
			n++;
	return n;
}

/* The same with what has to be asked for. Waits; what it leaves in E and RCPTS is copied. */
static void
add_detail(struct listing *l, const struct spool_message *m, struct msg_showq_entry *e,
    struct msg_showq_rcpt *rcpts)
{
	struct buf origin = {0};

	if (l->detail)
		show_origin(&m->envelope, &origin);
	e->origin = arena_str(l->arena, buf_view(&origin));
	e->id = arena_str(l->arena, e->id);
	e->sender = arena_str(l->arena, e->sender);
	for (size_t i = 0; i < e->rcpts.count; i++) {
		rcpts[i].address = arena_str(l->arena, rcpts[i].address);
		rcpts[i].reason = arena_str(l->arena, rcpts[i].reason);
		rcpts[i].dsn = arena_str(l->arena, rcpts[i].dsn);
		if (rcpts[i].fate == SHOWQ_WAITS && l->routes)
			add_route(l, m->envelope.sender, &rcpts[i]);
	}
	buf_free(&origin);
}

/*
 * One frame, with recipients from *AT on; *MORE are to follow. ENTRY has what the slot says. MSG is not
 * looked at any more when it is sent: it may be gone by then.
 */
static bool
send_frame(struct listing *l, struct msg_showq_entry *entry, const struct spool_message *m,
    struct message *msg, size_t *at, bool *more)
{
	struct msg_showq_rcpt rcpts[SHOW_RCPTS];

	show_head(conf_get(), m, entry);
	entry->rcpts = (struct ipc_list){rcpts, gather(l, m, msg, at, rcpts)};
	*more = *at < m->envelope.n_rcpts;
	entry->more = *more || l->piece_follows;
	if (!entry->more) {
		l->end.count++;
		l->end.bytes += m->header.content;
	}
	if (l->detail || l->routes) {
		arena_reset(l->arena);
		if (msg)
			message_ref(msg);
		add_detail(l, m, entry, rcpts);
		if (msg)
			message_unref(msg);
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

	if (!l->all && !is_theirs(&msg->m.envelope, l->uid)) {
		l->end.hidden = true;
		return true;
	}
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
	struct arena *a, *piece;
	struct spool_message m;
	struct spool_cursor cursor;
	struct slot_rcpt *rcpts; /* a piece of a long list */
	size_t n;
	struct buf why;
	enum spool_status status;
};

static void
read_slot(void *arg)
{
	struct read_job *job = arg;

	job->status =
	    spool_load_begin(job->fd, false, job->a, &job->m, &job->cursor, NULL, 0, &job->why);
}

static void
read_piece(void *arg)
{
	struct read_job *job = arg;

	arena_reset(job->piece);
	job->status = spool_next_rcpts(job->fd, &job->m.header, &job->cursor, SPOOL_PIECE_RCPTS,
	    job->piece, &job->rcpts, &job->n, &job->why);
}

/* All the recipients that M has in memory. */
static bool
show_read(struct listing *l, struct msg_showq_entry *entry, const struct spool_message *m)
{
	bool ok = true, more = true;
	size_t at = 0;

	while (ok && more)
		ok = send_frame(l, entry, m, NULL, &at, &more);
	return ok;
}

/* A long list, as if each piece were a message. */
static bool
show_pieces(struct listing *l, struct msg_showq_entry *entry, struct read_job *job)
{
	bool ok = true;

	do {
		uint32_t first = job->cursor.index;
		struct spool_message m = job->m;

		fiber_offload(FIBER_POOL_READ, read_piece, job);
		if (job->status != SPOOL_OK)
			job->n = 0;
		l->piece_follows = job->n > 0 && job->cursor.index < job->m.header.rcpts;
		m.marks += first;
		m.envelope.rcpts = job->rcpts;
		m.envelope.n_rcpts = job->n;
		ok = show_read(l, entry, &m);
	} while (ok && l->piece_follows);
	l->piece_follows = false;
	return ok;
}

/* A message that is not in memory, or not whole. Waits. */
static bool
show_waiting(struct listing *l, struct slot *slot)
{
	struct msg_showq_entry entry = {
	    .state = str_c(admin_state_name(slot)), .next = dead_next_try(slot)};
	struct read_job job = {.fd = -1};
	bool ok = true;

	if (!slots_use(slot))
		return true;
	job.fd = slot->fd;
	job.a = arena_new(1024);
	job.piece = arena_new(0);
	fiber_offload(FIBER_POOL_READ, read_slot, &job);
	bool shown = job.status == SPOOL_OK && (l->all || is_theirs(&job.m.envelope, l->uid));
	bool whole = job.m.envelope.n_rcpts > 0;

	l->end.hidden = l->end.hidden || (job.status == SPOOL_OK && !shown);
	/* Only for a long list the slot is held while the caller takes its time. */
	if (shown && !whole)
		ok = show_pieces(l, &entry, &job);
	slots_unuse(slot);
	if (shown && whole)
		ok = show_read(l, &entry, &job.m);
	buf_free(&job.why);
	arena_free(&job.piece);
	arena_free(&job.a);
	return ok;
}

/* Shows one message, wherever it is. False: the caller is gone. Waits. */
static bool
show_slot(struct listing *l, struct slot *slot)
{
	slot = slots_settled(slot);
	if (slot && admin_deleted(slot))
		return true;
	if (slot && slot->use == SLOT_USE_ACTIVE && slot->message->whole)
		return show_active(l, slot);
	if (slot && (slot->use == SLOT_USE_WAITING || slot->use == SLOT_USE_ACTIVE))
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

	l.arena = arena_new(0);
	ok = l.channel && ipc_recv_one(l.channel, a, &msg_showq_ask, &ask) == IPC_OK &&
	    admin_user_allowed(client, P_authorized_mailq_users);
	if (ok)
		stream_timeout(ipc_stream(l.channel), READ_MS);
	l.detail = ok && ask.id.len > 0;
	l.routes = l.detail || (ok && ask.routes);
	if (l.detail)
		ok = !(slot = slots_find(ask.id)) || show_slot(&l, slot);
	while (ok && !l.detail && (slot = slots_next(&at)))
		ok = show_slot(&l, slot);
	if (ok && ipc_send(l.channel, &msg_showq_end, &l.end) == IPC_OK)
		ipc_flush(l.channel);
	arena_free(&a);
	arena_free(&l.arena);
	ipc_channel_free(&l.channel);
}
