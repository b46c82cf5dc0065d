/*
 * admin - what root's tools order: see admin.h
 *
 * What was ordered is durable before it is answered. A message that is being delivered cannot be taken
 * back from its agents: its mark is written at once, and the rest follows when the round ends.
 */
#include "qmgr/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "lib/queue/order.h"
#include "lib/queue/users.h"
#include "qmgr/flush.h"
#include "qmgr/message.h"
#include "qmgr/schedule.h"
#include "qmgr/slots.h"

#define SYNC_BATCH 64 /* slots whose orders are made durable together */
#define ASK_MS 20000  /* for a request on a socket that everybody may connect to */

const char *
admin_state_name(const struct slot *slot)
{
	if (slot->state == SLOT_HOLD)
		return "hold";
	if (slot->use == SLOT_USE_ACTIVE)
		return "active";
	return slot->state == SLOT_DEFERRED ? "deferred" : "incoming";
}

bool
admin_deleted(const struct slot *slot)
{
	return slot->use == SLOT_USE_ACTIVE && slot->message->want_delete;
}

/* --- Orders --------------------------------------------------------------------------------------------- */

/* Writes what was ordered; when that fails nothing has changed, and WHY says so. */
static bool
write_order(struct slot *slot, const char *id, const struct slot_mark *mark, struct buf *why)
{
	enum slot_state before = slot->state;

	if (slots_mark(slot, id, mark))
		return true;
	slot->state = before;
	buf_reset(why);
	buf_printf(why, "%s: write queue slot: %s", id, strerror(errno));
	return false;
}

/* Leaves the slot in use when something was changed. */
static bool
order_active(struct slot *slot, enum admin_verb verb, struct buf *why)
{
	struct message *msg = slot->message;
	struct slot_mark mark = msg->m.mark;

	if (msg->want_delete || (verb == ADMIN_RELEASE && !msg->want_hold))
		return false;
	if (verb == ADMIN_RELEASE)
		mark.state = SLOT_HOLD;
	if (!order_mark(verb, &mark) || !write_order(slot, msg->m.header.id, &mark, why))
		return false;
	msg->m.mark = mark;
	if (verb == ADMIN_HOLD)
		message_want_hold(msg);
	else if (verb == ADMIN_DELETE)
		message_want_delete(msg);
	else if (verb == ADMIN_EXPIRE)
		message_want_expire(msg);
	else
		message_want_on(msg, verb == ADMIN_REQUEUE); /* it is on its way already */
	return slots_use(slot);
}

struct peek_job {
	int fd;
	struct slot_header h;
	struct slot_mark mark;
	bool valid;
	enum spool_status status;
	int error;
};

static void
peek_slot(void *arg)
{
	struct peek_job *job = arg;

	job->status = spool_peek(job->fd, &job->h, &job->mark, &job->valid);
	job->error = errno;
}

/* The message's header could not be read. */
static void
say_unread(struct buf *why, struct slot *slot, const char *what, int error)
{
	char id[QUEUE_ID_SIZE];

	slots_id(slot, id);
	buf_reset(why);
	buf_printf(why, "%s: %s queue slot: %s", id, what, strerror(error));
}

/*
 * The message is not in memory: its mark is read, changed and written, while nobody else may have it.
 * Leaves the slot in use. Waits.
 */
static bool
order_waiting(struct slot *slot, enum admin_verb verb, struct buf *why)
{
	struct peek_job job;
	bool changed;

	if (!slots_use(slot)) {
		say_unread(why, slot, "open", errno);
		return false;
	}
	slots_begin_reading(slot);
	job.fd = slot->fd;
	fiber_offload(FIBER_POOL_READ, peek_slot, &job);
	if (job.status == SPOOL_IO_ERROR)
		say_unread(why, slot, "read", job.error);
	changed = job.status == SPOOL_OK && order_mark(verb, &job.mark) &&
	    write_order(slot, job.h.id, &job.mark, why);
	if (changed)
		slot->next = job.mark.next;
	slots_end_reading(slot);
	if (!changed)
		slots_unuse(slot);
	return changed;
}

/* Slots that were changed, until their sync. */
struct changed {
	struct slot *slots[SYNC_BATCH];
	int errors[SYNC_BATCH];
	size_t count;
};

static void
sync_changed(void *arg)
{
	struct changed *c = arg;

	for (size_t i = 0; i < c->count; i++)
		c->errors[i] = fdatasync(c->slots[i]->fd) == 0 ? 0 : errno;
}

/* The order is durable, as far as it can be: now it takes effect. */
static void
settle_order(struct slot *slot, enum admin_verb verb)
{
	char id[QUEUE_ID_SIZE];

	slots_id(slot, id);
	log_as("postsuper", LOG_LEVEL_INFO, "%s: %s", id, order_done(verb));
	if (slot->use == SLOT_USE_WAITING && verb == ADMIN_DELETE)
		slots_release(slot);
	else
		slots_unuse(slot);
}

/* Syncs what was gathered; counts what was done. Waits. */
static void
settle_batch(struct changed *c, enum admin_verb verb, struct msg_admin_done *done, struct buf *why)
{
	if (c->count == 0)
		return;
	fiber_offload(FIBER_POOL_BULK, sync_changed, c);
	for (size_t i = 0; i < c->count; i++) {
		if (c->errors[i] == 0) {
			done->count++;
		} else {
			buf_reset(why);
			buf_printf(why, "sync queue slot: %s", strerror(c->errors[i]));
			c->slots[i]->leaving = true;
		}
		settle_order(c->slots[i], verb);
	}
	c->count = 0;
}

/* What is being read back is waited for: an order must not be lost in between. Waits. */
static void
order_one(struct slot *slot, const struct msg_admin *m, struct changed *c, struct buf *why)
{
	enum admin_verb verb = (enum admin_verb)m->verb;
	bool changed = false;

	slot = slots_settled(slot);
	if (!slot || (m->state.len > 0 && !str_eq(m->state, str_c(admin_state_name(slot)))))
		return;
	if (slot->use == SLOT_USE_ACTIVE)
		changed = order_active(slot, verb, why);
	else if (slot->use == SLOT_USE_WAITING)
		changed = order_waiting(slot, verb, why);
	if (changed)
		c->slots[c->count++] = slot;
}

static void
order(const struct msg_admin *m, struct msg_admin_done *done, struct buf *why)
{
	enum admin_verb verb = (enum admin_verb)m->verb;
	struct changed *c = MEM_NEW(struct changed);
	struct slot *slot;
	uint32_t at = 0;

	if (m->verb >= ADMIN_VERBS) {
		buf_puts(why, "unknown order");
	} else if (!str_eq(m->id, STR("ALL"))) {
		slot = slots_find(m->id);
		done->missing = slot == NULL || admin_deleted(slot);
		if (slot)
			order_one(slot, m, c, why);
		settle_batch(c, verb, done, why);
	} else {
		while ((slot = slots_next(&at))) {
			order_one(slot, m, c, why);
			if (c->count == SYNC_BATCH)
				settle_batch(c, verb, done, why);
		}
		settle_batch(c, verb, done, why);
	}
	free(c);
	done->why = buf_view(why);
}

/* --- A slot whole, for postcat --------------------------------------------------------------------------------- */

struct cat_job {
	int fd;
	off_t at;
	char data[32768];
	size_t want;
	ssize_t got;
};

static void
cat_read(void *arg)
{
	struct cat_job *job = arg;

	job->got = io_pread_full(job->fd, job->data, job->want, job->at);
}

static bool
cat_bytes(struct ipc_channel *channel, int fd, uint64_t from, uint64_t size)
{
	struct cat_job *job = MEM_NEW(struct cat_job);
	bool ok = true;

	job->fd = fd;
	while (ok && size > 0) {
		job->at = (off_t)from;
		job->want = size < sizeof(job->data) ? (size_t)size : sizeof(job->data);
		fiber_offload(FIBER_POOL_READ, cat_read, job);
		ok = job->got > 0 &&
		    ipc_send_content(channel, str_n(job->data, (size_t)job->got)) == IPC_OK;
		from += job->got > 0 ? (uint64_t)job->got : 0;
		size -= job->got > 0 ? (uint64_t)job->got : 0;
	}
	free(job);
	return ok;
}

static bool
cat_slot(struct ipc_channel *channel, const struct msg_admin_cat *m)
{
	struct msg_admin_slot answer = {.why = STR_EMPTY};
	struct slot *slot = slots_find(m->id);
	struct peek_job job = {.status = slot ? SPOOL_IO_ERROR : SPOOL_FREE};
	bool ok;

	if (slot && !slots_use(slot))
		slot = NULL;
	if (slot) {
		job.fd = slot->fd;
		fiber_offload(FIBER_POOL_READ, peek_slot, &job);
	}
	if (job.status == SPOOL_OK) {
		answer.found = true;
		answer.text_size = slot_content_offset(&job.h);
		answer.size = answer.text_size + job.h.content;
	} else {
		answer.why = job.status == SPOOL_IO_ERROR ? STR("the queue slot cannot be read now")
							  : STR("no such message in the queue");
	}
	ok = ipc_send(channel, &msg_admin_slot, &answer) == IPC_OK;
	if (ok && answer.found)
		ok = cat_bytes(channel, slot->fd, 0, answer.size);
	if (slot)
		slots_unuse(slot);
	return ok && ipc_flush(channel) == IPC_OK;
}

/* --- What everybody may connect to --------------------------------------------------------------------------- */

struct ipc_channel *
admin_open_public(struct service_client *client, const char *name)
{
	struct ipc_channel *channel;

	if (!service_idle(client, true))
		return NULL;
	channel = ipc_channel_new(client->stream, "qmgr", name);
	stream_timeout(ipc_stream(channel), ASK_MS);
	client->stream = NULL;
	return channel;
}

struct user_job {
	struct str list;
	uid_t uid;
	struct buf why;
	enum users_answer answer;
};

static void
ask_users(void *arg)
{
	struct user_job *job = arg;

	job->answer = users_allowed(job->list, job->uid, &job->why);
}

bool
admin_user_allowed(const struct service_client *client, enum param list)
{
	struct user_job job = {.list = conf_str(conf_get(), list), .uid = client->uid};

	if (client->uid == 0 || client->uid == geteuid() || str_eq(job.list, STR("static:anyone")))
		return true;
	fiber_offload(FIBER_POOL_READ, ask_users, &job);
	if (job.answer == USERS_ERROR)
		log_error("list of users: %s", buf_cstr(&job.why));
	else if (job.answer == USERS_NO)
		log_warning("user %ld may not do this: not in \"%.*s\"", (long)client->uid,
		    STR_ARG(job.list));
	buf_free(&job.why);
	return job.answer == USERS_YES;
}

/* --- Sessions ------------------------------------------------------------------------------------------------------ */

/* By administrator's or user's order. Waits. */
static void
flush(const struct msg_flush *wanted, struct msg_admin_done *done)
{
	done->count = flush_messages(wanted);
	done->missing = wanted->id.len > 0 && done->count == 0;
}

void
admin_session(struct service_client *client)
{
	static const struct ipc_schema *const accept[] = {
	    &msg_admin, &msg_admin_cat, &msg_flush, NULL};
	struct ipc_channel *channel = ipc_channel_new(client->stream, "qmgr", "administration");
	struct arena *a = arena_new(1024);
	struct buf why = {0};
	struct ipc_message m;
	bool ok = true;

	client->stream = NULL;
	while (
	    ok && service_idle(client, true) && ipc_recv(channel, a, accept, false, &m) == IPC_OK) {
		struct msg_admin_done done = {.why = STR_EMPTY};

		service_idle(client, false);
		buf_reset(&why);
		if (m.schema == &msg_admin_cat) {
			ok = cat_slot(channel, m.body);
		} else {
			if (m.schema == &msg_flush)
				flush(m.body, &done);
			else
				order(m.body, &done, &why);
			ok = ipc_send(channel, &msg_admin_done, &done) == IPC_OK &&
			    ipc_flush(channel) == IPC_OK;
		}
		arena_reset(a);
	}
	buf_free(&why);
	arena_free(&a);
	ipc_channel_free(&channel);
}

void
admin_flush_session(struct service_client *client)
{
	struct ipc_channel *channel = admin_open_public(client, "flush");
	struct arena *a = arena_new(512);
	struct msg_admin_done done = {.why = STR_EMPTY};
	struct msg_flush wanted;

	if (channel && ipc_recv_one(channel, a, &msg_flush, &wanted) == IPC_OK) {
		if (admin_user_allowed(client, P_authorized_flush_users))
			flush(&wanted, &done);
		else
			done.why = STR("not allowed by authorized_flush_users");
		/* How many there are from somebody, or for somebody, is not for everybody. */
		if (client->uid != 0 && client->uid != geteuid())
			done = (struct msg_admin_done){.why = done.why};
		if (ipc_send(channel, &msg_admin_done, &done) == IPC_OK)
			ipc_flush(channel);
	}
	arena_free(&a);
	ipc_channel_free(&channel);
}
