/*
 * agent - the channel to a delivery agent, for one destination: see agent.h
 */
#include "qmgr/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/ipc/channel.h"
#include "lib/mail/dsn.h"
#include "lib/service/service.h"

#define CONNECT_MS 10000
#define IDLE_MS 10000 /* a channel is kept this long without work */
#define CHUNK 65536
#define AGENTS_MAX 200 /* channels of one transport; further destinations wait */
#define TURN_MS 5000   /* a destination that others wait for gives its channel away after this */
#define WINDOW_MAX 64
#define RESTART_MS 1000 /* after a channel was lost without a single result */

struct agent {
	struct list_link link; /* in the list of all */
	struct destination *dest;
	struct ipc_channel *channel;
	fiber_deadline turn_ends; /* for destinations that wait */
	struct list sent;         /* deliveries without all their results */
	size_t window;
	uint64_t results; /* seen on this channel */
	bool lost;        /* the reader has seen the end */
	bool reading;
	bool leaving;            /* give the channel back as soon as nothing is under way */
	struct fiber_waitq work; /* for the sender: new deliveries, results, the end */
	struct fiber *reader;
};

static struct {
	struct list all;
	bool draining;
} state;

/* --- Results ------------------------------------------------------------------------------------------ */

static struct delivery *
find_delivery(struct agent *a, uint64_t attempt)
{
	for (struct list_link *l = list_first(&a->sent); l; l = list_next(&a->sent, l)) {
		struct delivery *d = LIST_ITEM(l, struct delivery, link);

		if (d->attempt == attempt)
			return d;
	}
	return NULL;
}

static void
outcome_of(const struct msg_result *r, const char *transport, struct outcome *o)
{
	static const char *const plain[] = {"2.0.0", "4.0.0", "5.0.0"};
	enum delivery_status status =
	    r->status < DELIVERY_STATUSES ? (enum delivery_status)r->status : DELIVERY_DEFERRED;

	*o = (struct outcome){
	    .status = status,
	    .dsn = dsn_valid(r->dsn) ? r->dsn : str_c(plain[status]),
	    .text = r->text,
	    .relay = r->relay,
	    .diagnostic = r->diagnostic,
	    .remote_mta = r->remote_mta,
	    .connect_us = r->connect_us,
	    .transmit_us = r->transmit_us,
	    .logged_as = transport,
	};
}

/* True when D has the recipient, which it now has no more: a deferred one keeps its mark. */
static bool
take_index(struct delivery *d, uint64_t index)
{
	/* What has been taken is UINT32_MAX, which is no recipient's number. */
	if (index >= d->message->m.header.rcpts ||
	    d->message->m.marks[index].state != SLOT_RCPT_TODO)
		return false;
	for (size_t i = 0; i < d->count; i++)
		if (d->rcpts[i] == index) {
			d->rcpts[i] = UINT32_MAX;
			return true;
		}
	return false;
}

/* False: the agent speaks of what it was not given. */
static bool
take_result(struct agent *a, const struct msg_result *r)
{
	struct delivery *d = find_delivery(a, r->attempt);
	struct outcome o;

	if (!d || !take_index(d, r->index))
		return false;
	a->results++;
	outcome_of(r, a->dest->transport->name, &o);
	o.sent_us = d->sent_us;
	size_t index = r->index;
	struct message *msg = d->message;

	if (--d->open == 0) {
		list_remove(&a->sent, &d->link);
		delivery_free(d);
	}
	message_result(msg, index, &o);
	return true;
}

static void
reader_fiber(void *arg)
{
	static const struct ipc_schema *const accept[] = {&msg_result, NULL};
	struct agent *a = arg;
	struct arena *arena = arena_new(1024);
	struct ipc_message m;

	while (ipc_recv(a->channel, arena, accept, false, &m) == IPC_OK) {
		if (!take_result(a, m.body)) {
			log_warning("transport %s: result for a delivery it was not given",
			    a->dest->transport->name);
			break;
		}
		fiber_wake_all(&a->work);
		arena_reset(arena);
	}
	arena_free(&arena);
	a->lost = true;
	a->reading = false;
	fiber_wake_all(&a->work);
}

/* --- Sending --------------------------------------------------------------------------------------------- */

static bool
send_content(struct agent *a, struct message *msg)
{
	struct str content = message_content(msg);
	uint64_t done = 0;
	bool ok = true;
	char *chunk;

	if (msg->has_content)
		return ipc_send_content(a->channel, content) == IPC_OK;
	chunk = mem_alloc(CHUNK);
	while (ok && done < msg->m.header.content) {
		ssize_t n = message_read(msg, done, chunk, CHUNK);

		ok = n > 0 && ipc_send_content(a->channel, str_n(chunk, (size_t)n)) == IPC_OK;
		if (n <= 0)
			log_error("%s: read content: %s", msg->m.header.id,
			    n == 0 ? "the slot ends early" : strerror(errno));
		else
			done += (uint64_t)n;
	}
	free(chunk);
	return ok;
}

static void
fill_rcpts(struct delivery *d, struct msg_deliver_rcpt *rcpts)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct slot_rcpt *r = &d->message->m.envelope.rcpts[d->rcpts[i]];

		rcpts[i] = (struct msg_deliver_rcpt){
		    .index = d->rcpts[i],
		    .address = r->address,
		    .orig = r->orig,
		    .orcpt = r->orcpt,
		    .notify = r->notify,
		};
	}
}

/* Sends D, which moves to the list of those under way. False: the channel is no good any more. */
static bool
send_delivery(struct agent *a, struct delivery *d)
{
	struct message *msg = d->message;
	const struct slot_envelope *e = &msg->m.envelope;
	struct msg_deliver_rcpt *rcpts = mem_array(d->count, sizeof(*rcpts));
	struct msg_deliver deliver = {
	    .id = str_c(msg->m.header.id),
	    .attempt = d->attempt,
	    .nexthop = str_c(a->dest->nexthop),
	    .sender = e->sender,
	    .size = msg->m.header.content,
	    .arrival_us = msg->m.header.arrival_us,
	    .smtputf8 = e->smtputf8,
	    .body_8bit = e->body_8bit,
	    .probe = e->verify_only,
	    .ret = e->ret,
	    .envid = e->envid,
	    .attrs = {e->attrs, e->n_attrs},
	    .rcpts = {rcpts, d->count},
	};
	bool ok;

	_Static_assert(
	    sizeof(struct slot_attr) == sizeof(struct msg_attr), "one is sent as the other");
	fill_rcpts(d, rcpts);
	message_ref(msg);
	d->sent_us = clock_wall_us();
	list_append(&a->sent, &d->link);
	ok = ipc_send(a->channel, &msg_deliver, &deliver) == IPC_OK && send_content(a, msg) &&
	    ipc_flush(a->channel) == IPC_OK;
	free(rcpts);
	message_unref(msg);
	return ok;
}

/* --- The channel's life --------------------------------------------------------------------------------------- */

/* Everything DEST has waiting gets the same outcome. */
static void
fail_waiting(struct destination *dest, const struct outcome *o)
{
	struct list_link *l;

	while ((l = list_shift(&dest->deliveries)))
		delivery_fail(LIST_ITEM(l, struct delivery, link), o);
}

static void
fail_with(struct destination *dest, struct str dsn, struct str text)
{
	struct outcome o = {
	    .status = dsn.len > 0 && dsn.data[0] == '5' ? DELIVERY_BOUNCED : DELIVERY_DEFERRED,
	    .dsn = dsn,
	    .text = text,
	    .relay = str_c(dest->transport->name),
	    .logged_as = dest->transport->name,
	};

	if (o.status == DELIVERY_DEFERRED)
		o.relay = STR("none");
	fail_waiting(dest, &o);
}

enum open_result { OPEN_OK, OPEN_BUSY, OPEN_FAILED };

/* Hears what the agent says to the introduction. */
static enum open_result
hear_ready(struct agent *a, struct arena *arena)
{
	static const struct ipc_schema *const accept[] = {&msg_agent_ready, &msg_agent_no, NULL};
	struct ipc_message m;

	if (ipc_recv(a->channel, arena, accept, false, &m) != IPC_OK) {
		fail_with(a->dest, STR("4.3.0"),
		    STR("mail transport unavailable: the delivery agent ended"));
		return OPEN_FAILED;
	}
	if (m.schema == &msg_agent_ready) {
		uint64_t window = ((struct msg_agent_ready *)m.body)->window;

		a->window = window < 1 ? 1 : window > WINDOW_MAX ? WINDOW_MAX : (size_t)window;
		return OPEN_OK;
	}
	const struct msg_agent_no *no = m.body;
	if (no->busy)
		return OPEN_BUSY;
	fail_with(a->dest, no->dsn, no->text);
	return OPEN_FAILED;
}

static enum open_result
open_channel(struct agent *a)
{
	struct msg_agent_open hello = {.recipient = str_c(a->dest->key)};
	struct arena *arena;
	enum open_result result = OPEN_FAILED;
	char path[200];

	snprintf(path, sizeof(path), "private/%s", a->dest->transport->name);
	a->channel = ipc_connect(path, "qmgr", fiber_after(CONNECT_MS));
	if (!a->channel) {
		log_warning("connect to transport %s: %s", path, strerror(errno));
		fail_with(a->dest, STR("4.3.0"), STR("mail transport unavailable"));
		return OPEN_FAILED;
	}
	stream_timeout(ipc_stream(a->channel), conf_time(conf_get(), P_ipc_timeout) * 1000);
	arena = arena_new(512);
	if (ipc_send(a->channel, &msg_agent_open, &hello) == IPC_OK &&
	    ipc_flush(a->channel) == IPC_OK)
		result = hear_ready(a, arena);
	else
		fail_with(a->dest, STR("4.3.0"), STR("mail transport unavailable"));
	arena_free(&arena);
	if (result != OPEN_OK)
		ipc_channel_free(&a->channel);
	return result;
}

/* Asks one idle channel of the transport to leave, so that a starved destination gets its turn. */
static bool
ask_to_leave(struct transport *t)
{
	struct str key;
	size_t cursor = 0;
	void *value;

	while (hash_next(t->destinations, &cursor, &key, &value)) {
		struct destination *d = value;

		if (d->agent && d->agent->channel && !d->agent->leaving &&
		    list_empty(&d->deliveries) && list_empty(&d->agent->sent)) {
			d->agent->leaving = true;
			fiber_wake_all(&d->agent->work);
			return true;
		}
	}
	return false;
}

/* Waits until the agent may have room for one more channel. */
static void
wait_for_room(struct agent *a)
{
	struct transport *t = a->dest->transport;

	ask_to_leave(t);
	fiber_wait(&t->spare, fiber_after(1000));
}

/* Has DEST had its turn, and do others wait for theirs? */
static bool
turn_over(const struct agent *a)
{
	return !list_empty(&a->dest->transport->waiting) && fiber_now() >= a->turn_ends;
}

/* Works until the channel ends, is not needed, or is to be given back. */
static void
use_channel(struct agent *a)
{
	struct destination *dest = a->dest;

	while (!a->lost) {
		bool stop = a->leaving || state.draining || turn_over(a);
		struct list_link *l = stop ? NULL : list_first(&dest->deliveries);

		if (l && a->sent.count < a->window) {
			struct delivery *d = LIST_ITEM(l, struct delivery, link);

			list_remove(&dest->deliveries, l);
			if (d->message->want_delete)
				delivery_fail(d, NULL);
			else if (!send_delivery(a, d))
				return;
			continue;
		}
		bool idle = list_empty(&a->sent);
		if (idle && (stop || !list_empty(&dest->transport->waiting)))
			return;
		enum fiber_result r =
		    fiber_wait(&a->work, idle ? fiber_after(IDLE_MS) : FIBER_FOREVER);
		if (r == FIBER_TIMEOUT && list_empty(&dest->deliveries))
			return;
	}
}

/* The agent need not keep results for the next queue manager: all were heard. */
static void
say_close(struct agent *a)
{
	struct msg_agent_close all_heard = {0};

	/* Whether it arrives makes no difference to what is marked here. */
	if (ipc_send(a->channel, &msg_agent_close, &all_heard) == IPC_OK)
		(void)ipc_flush(a->channel);
}

/* What was under way when the channel ended is tried again later. */
static void
close_channel(struct agent *a)
{
	struct outcome o = {.status = DELIVERY_DEFERRED,
	    .dsn = STR("4.3.0"),
	    .text = STR("lost connection with the delivery agent"),
	    .relay = STR("none"),
	    .logged_as = a->dest->transport->name};
	bool in_order = !a->lost && list_empty(&a->sent);
	struct list_link *l;

	if (a->reading)
		fiber_cancel(a->reader);
	while (a->reading)
		fiber_wait(&a->work, FIBER_FOREVER);
	if (in_order)
		say_close(a);
	ipc_channel_free(&a->channel);
	while ((l = list_shift(&a->sent)))
		delivery_fail(LIST_ITEM(l, struct delivery, link), &o);
	fiber_wake_one(&a->dest->transport->spare);
}

/* One channel from its opening to its end. */
static void
run_channel(struct agent *a)
{
	switch (open_channel(a)) {
	case OPEN_FAILED:
		return;
	case OPEN_BUSY:
		wait_for_room(a);
		return;
	case OPEN_OK:
		break;
	}
	a->lost = a->leaving = false;
	a->results = 0;
	a->reading = true;
	a->reader = fiber_spawn("agent reader", reader_fiber, a);
	use_channel(a);
	bool fruitless = a->lost && a->results == 0;
	close_channel(a);
	if (fruitless)
		fiber_sleep(RESTART_MS);
}

static void agent_fiber(void *arg);

static void
agent_new(struct destination *dest)
{
	struct agent *a = MEM_NEW(struct agent);

	a->dest = dest;
	a->turn_ends = fiber_after(TURN_MS);
	list_init(&a->sent);
	fiber_waitq_init(&a->work);
	dest->agent = a;
	dest->transport->agents++;
	if (!state.all.ends.next)
		list_init(&state.all);
	list_append(&state.all, &a->link);
	fiber_spawn("agent", agent_fiber, a);
}

static void
agent_end(struct agent *a)
{
	struct destination *dest = a->dest;
	struct transport *t = dest->transport;
	struct list_link *l;

	dest->agent = NULL;
	t->agents--;
	list_remove(&state.all, &a->link);
	free(a);
	if (list_empty(&dest->deliveries))
		destination_idle(dest);
	else
		list_append(&t->waiting, &dest->waiting);
	while (!state.draining && t->agents < AGENTS_MAX && (l = list_shift(&t->waiting)))
		agent_new(LIST_ITEM(l, struct destination, waiting));
}

static void
agent_fiber(void *arg)
{
	struct agent *a = arg;

	while (!list_empty(&a->dest->deliveries) && !state.draining && !turn_over(a))
		run_channel(a);
	agent_end(a);
}

void
agent_start(struct destination *dest)
{
	struct transport *t = dest->transport;

	if (dest->agent) {
		fiber_wake_all(&dest->agent->work);
	} else if (list_linked(&dest->waiting)) {
		return;
	} else if (t->agents < AGENTS_MAX && !state.draining) {
		agent_new(dest);
	} else {
		list_append(&t->waiting, &dest->waiting);
		ask_to_leave(t);
	}
}

/* All senders look again at what there is to do. */
static void
agents_wake(void)
{
	struct list_link *l;

	for (l = state.all.ends.next ? list_first(&state.all) : NULL; l;
	     l = list_next(&state.all, l))
		fiber_wake_all(&LIST_ITEM(l, struct agent, link)->work);
}

void
agent_let_go(void)
{
	/* An agent goes by the configuration it was started with: the next channel gets a new one. */
	for (struct list_link *l = list_first(&state.all); l; l = list_next(&state.all, l))
		LIST_ITEM(l, struct agent, link)->leaving = true;
	agents_wake();
}

void
agent_drain(fiber_deadline deadline)
{
	state.draining = true;
	agents_wake();
	while (!list_empty(&state.all) && fiber_now() < deadline)
		if (fiber_sleep(50) == FIBER_CANCELED)
			return;
}

/* --- Late reports ------------------------------------------------------------------------------------------------- */

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
agent_report_session(struct service_client *client)
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
