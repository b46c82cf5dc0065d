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
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/ipc/channel.h"
#include "qmgr/dead.h"
#include "qmgr/handover.h"
#include "qmgr/outage.h"
#include "qmgr/schedule.h"

#define CONNECT_MS 10000
#define IDLE_MS 10000 /* a channel is kept this long without work */
#define TURN_MS 5000  /* a destination that others wait for gives its channel away after this */
/*
 * The same where a channel is cheap: the SMTP client keeps the connection for whoever comes next. This is what
 * small mail waits for while a list has all channels.
 */
#define SHORT_TURN_MS 50
#define WINDOW_MAX 64
#define CONNECTING_TIMES 4 /* so many times the limit of channels may be connecting beyond it */
#define PACE_LOOK_MS 1000  /* while destinations wait for channels */
#define SWEEP_MS 60000     /* between two looks for what can be forgotten */
#define PAUSE_KEPT_MS 2000 /* a pause between two deliveries for which a channel is kept */

struct agent {
	struct list_link link;         /* in the list of all */
	struct list_link channel_link; /* in its destination's */
	struct destination *dest;
	struct ipc_channel *channel;
	int64_t began_ms; /* when the channel was open, fiber_now() */
	struct list sent; /* deliveries without all their results */
	size_t window;
	uint64_t results; /* seen on this channel */
	bool lost;        /* the reader has seen the end */
	bool ready;       /* the agent wants deliveries */
	bool reading;
	bool leaving;            /* give the channel back as soon as nothing is under way */
	bool woken;              /* has been told to look for work, and has not looked yet */
	bool connecting;         /* counted apart: see set_connecting() */
	bool again;              /* the content of what is under way is wanted once more */
	struct fiber_waitq work; /* for the sender: new deliveries, results, the end */
	struct fiber *reader;
};

static struct {
	struct list all;
	struct fiber_waitq pace; /* the pacer: somebody rests, or waits for a channel */
	bool draining;
} state;

static void ask_for_channel(struct destination *dest);
static void grant(struct transport *t);

/* --- Pauses and limits ---------------------------------------------------------------------------------- */

/* How many deliveries DEST bears at once. */
static size_t
window_of(const struct destination *dest)
{
	return dest->feedback.window > 0 ? dest->feedback.window : 1;
}

/* How many channels it could use now. */
static size_t
channels_wanted(const struct destination *dest)
{
	size_t load = dest->waiting + dest->under_way;
	size_t most = dest->transport->kind == TRANSPORT_SINGLE ? window_of(dest) : 1;

	return load < most ? load : most;
}

/* Before this nothing may be handed over; in the past when it may. */
static fiber_deadline
pause_end(const struct destination *dest)
{
	return dest->not_before > dest->transport->not_before ? dest->not_before
							      : dest->transport->not_before;
}

/* How many channels there may be. */
static size_t
channels_max(const struct transport *t)
{
	size_t limit = t->channel_limit, apart = 0;

	/* Pauses between deliveries have a sense when they come one after the other. */
	if (t->delay > 0)
		limit = 1;
	/* What somebody has written into master.cf holds for all of them. */
	else if (t->limit_is_default)
		apart = t->connecting < CONNECTING_TIMES * limit ? t->connecting
								 : CONNECTING_TIMES * limit;
	return limit + apart;
}

static bool
has_room(const struct transport *t)
{
	return !state.draining && t->channels < channels_max(t);
}

/*
 * Who answers nobody must not take the channels from those who do: a channel whose delivery goes to where
 * nothing has come yet is counted apart until the agent has a connection.
 */
static void
set_connecting(struct agent *a, bool connecting)
{
	struct transport *t = a->dest->transport;

	if (a->connecting == connecting)
		return;
	a->connecting = connecting;
	if (connecting)
		t->connecting++;
	else
		t->connecting--;
}

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

/* D has all its results, or will get none: it is no more under way. */
static void
delivery_ended(struct agent *a, struct delivery *d)
{
	struct destination *dest = a->dest;
	struct transport *t = dest->transport;

	list_remove(&a->sent, &d->link);
	dest->under_way--;
	set_connecting(a, false);
	if (t->destination_delay > 0)
		dest->not_before = fiber_after(t->destination_delay);
	if (t->delay > 0)
		t->not_before = fiber_after(t->delay);
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
	outage_over(a->dest->transport);
	handover_outcome(r, a->dest->transport->name, &o);
	o.sent_us = d->sent_us;
	o.unreachable = r->unreachable ? a->dest : NULL;
	size_t index = r->index;
	struct message *msg = d->message;

	d->unreachable = d->unreachable || r->unreachable;
	if (--d->open == 0) {
		delivery_ended(a, d);
		dead_feedback(a->dest, d->unreachable, r->dsn, r->text);
		delivery_free(d);
		a->woken = true; /* it looks for more itself */
		if (a->dest->waiting > 0)
			agent_start(a->dest);
	}
	if (!r->own_mx || o.status != DELIVERY_BOUNCED || msg->want_delete ||
	    !schedule_own_mx(msg, index, a->dest))
		message_result(msg, index, &o);
	return true;
}

/* The same of a delivery whose agent has a connection. */
static bool
take_connected(struct agent *a, const struct msg_agent_connected *c)
{
	if (!find_delivery(a, c->attempt))
		return false;
	set_connecting(a, false);
	return true;
}

/* Where several may be under way it would not be known which content comes. */
static bool
take_again(struct agent *a, const struct msg_agent_again *again)
{
	a->again = a->window == 1 && find_delivery(a, again->attempt);
	return a->again;
}

static bool
take(struct agent *a, const struct ipc_message *m)
{
	if (m->schema == &msg_result)
		return take_result(a, m->body);
	if (m->schema == &msg_agent_again)
		return take_again(a, m->body);
	return take_connected(a, m->body);
}

static void
reader_fiber(void *arg)
{
	static const struct ipc_schema *const accept[] = {
	    &msg_result, &msg_agent_connected, &msg_agent_again, NULL};
	struct agent *a = arg;
	struct arena *arena = arena_new(1024);
	struct ipc_message m;

	while (ipc_recv(a->channel, arena, accept, false, &m) == IPC_OK) {
		if (!take(a, &m)) {
			log_warning("transport %s: message about a delivery it was not given",
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

/* --- The channel's life --------------------------------------------------------------------------------------- */

enum open_result { OPEN_OK, OPEN_BUSY, OPEN_FAILED };

/*
 * The agent has ended, without a word or, as WHY says, without a result: one more may be tried, or what waits
 * has been deferred. The pause is for whoever starts agents.
 */
static enum open_result
has_ended(struct agent *a, int64_t began, struct str why)
{
	ipc_channel_free(&a->channel);
	outage_ended(a->dest, began, why);
	fiber_sleep(OUTAGE_PAUSE_MS);
	return OPEN_FAILED;
}

/* Hears what the agent, which was asked for a channel at BEGAN, says to the introduction. */
static enum open_result
hear_ready(struct agent *a, struct arena *arena, int64_t began)
{
	static const struct ipc_schema *const accept[] = {&msg_agent_ready, &msg_agent_no, NULL};
	struct ipc_message m;

	if (ipc_recv(a->channel, arena, accept, false, &m) != IPC_OK)
		return has_ended(a, began, STR("the delivery agent ended"));
	if (m.schema == &msg_agent_ready) {
		uint64_t window = ((struct msg_agent_ready *)m.body)->window;

		a->window = window < 1 ? 1 : window > WINDOW_MAX ? WINDOW_MAX : (size_t)window;
		a->ready = true;
		if (!a->dest->transport->by_user)
			a->dest->transport->kind =
			    a->window > 1 ? TRANSPORT_MULTIPLE : TRANSPORT_SINGLE;
		return OPEN_OK;
	}
	const struct msg_agent_no *no = m.body;
	outage_over(a->dest->transport);
	if (no->busy)
		return OPEN_BUSY;
	outage_fail(a->dest, no->dsn, no->text);
	return OPEN_FAILED;
}

static enum open_result
open_channel(struct agent *a)
{
	struct msg_agent_open hello = {.recipient = str_c(a->dest->open_as)};
	struct arena *arena;
	int64_t began = fiber_now();
	enum open_result result;
	char path[200];

	if (outage_refuses(a->dest))
		return OPEN_FAILED;
	snprintf(path, sizeof(path), "private/%s", a->dest->transport->name);
	a->channel = ipc_connect(path, "qmgr", fiber_after(CONNECT_MS));
	if (!a->channel) {
		outage_no_socket(a->dest, path, errno);
		return OPEN_FAILED;
	}
	stream_timeout(ipc_stream(a->channel), conf_time(conf_get(), P_ipc_timeout) * 1000);
	arena = arena_new(512);
	if (ipc_send(a->channel, &msg_agent_open, &hello) == IPC_OK &&
	    ipc_flush(a->channel) == IPC_OK)
		result = hear_ready(a, arena, began);
	else
		result = has_ended(a, began, STR("the delivery agent ended"));
	arena_free(&arena);
	/* From now on an agent may have much to wait for: what it has delivered would come twice. */
	if (result == OPEN_OK)
		stream_timeout(
		    ipc_stream(a->channel), conf_time(conf_get(), P_daemon_timeout) * 1000);
	else
		ipc_channel_free(&a->channel);
	return result;
}

static bool
is_idle(const struct agent *a)
{
	return a->channel && a->ready && list_empty(&a->sent) && a->dest->waiting == 0;
}

static void
leave(struct agent *a)
{
	a->leaving = true;
	fiber_wake_all(&a->work);
}

/*
 * Asks idle channels of T to leave, so that a starved destination gets its turn: ONE at least if that is wanted, and
 * as many as there are beyond the limit, which channels that were connecting may have passed by now.
 */
static void
ask_to_leave(const struct transport *t, bool one)
{
	size_t max = channels_max(t), staying = t->channels;

	for (struct list_link *l = list_first(&state.all); l; l = list_next(&state.all, l)) {
		const struct agent *a = LIST_ITEM(l, struct agent, link);

		staying -= a->dest->transport == t && a->leaving;
	}
	for (struct list_link *l = list_first(&state.all); l && (one || staying >= max);
	     l = list_next(&state.all, l)) {
		struct agent *a = LIST_ITEM(l, struct agent, link);

		if (a->dest->transport != t || !is_idle(a) || a->leaving)
			continue;
		leave(a);
		staying--;
		one = false;
	}
}

/* Waits until the agent may have room for one more channel. */
static void
wait_for_room(struct agent *a)
{
	struct transport *t = a->dest->transport;

	ask_to_leave(t, true);
	fiber_wait(&t->spare, fiber_after(1000));
}

/* Do others wait for a channel, and has DEST had its turn, or more channels than one? */
static bool
turn_over(const struct agent *a)
{
	const struct transport *t = a->dest->transport;
	int64_t turn = t->kind == TRANSPORT_SINGLE ? SHORT_TURN_MS : TURN_MS;

	if (list_empty(&t->starved))
		return false;
	/* Whoever had to wait for the agent has its turn still. */
	return (a->results > 0 && fiber_now() - a->began_ms >= turn) ||
	    a->dest->channels.count > 1 || (t->delay > 0 && a->results > 0);
}

/* Is A to take nothing more? */
static bool
must_stop(const struct agent *a)
{
	const struct destination *dest = a->dest;

	return a->leaving || state.draining || turn_over(a) ||
	    (dest->transport->kind == TRANSPORT_SINGLE && dest->channels.count > window_of(dest)) ||
	    dest->not_before > fiber_after(PAUSE_KEPT_MS);
}

/* What A is to hand over now; NULL: nothing. */
static struct delivery *
next_delivery(const struct agent *a)
{
	struct destination *dest = a->dest;
	bool full = dest->transport->kind == TRANSPORT_SINGLE && dest->under_way >= window_of(dest);

	if (a->sent.count >= a->window || full || pause_end(dest) > fiber_now())
		return NULL;
	return destination_take(dest);
}

/* Waits for work. False: none has come for long. */
static bool
wait_for_work(struct agent *a)
{
	const struct destination *dest = a->dest;
	fiber_deadline until = list_empty(&a->sent) ? fiber_after(IDLE_MS) : FIBER_FOREVER;
	fiber_deadline pause = pause_end(dest);

	if (dest->waiting > 0 && pause > fiber_now() && pause < until)
		until = pause;
	return fiber_wait(&a->work, until) != FIBER_TIMEOUT || dest->waiting > 0 ||
	    !list_empty(&a->sent);
}

/* D moves to the list of those under way. False: the channel is no good any more. */
static bool
send_delivery(struct agent *a, struct delivery *d)
{
	struct transport *t = a->dest->transport;
	bool first = t->kind == TRANSPORT_SINGLE && !a->dest->feedback.proven;

	d->sent_us = clock_wall_us();
	list_append(&a->sent, &d->link);
	a->dest->under_way++;
	set_connecting(a, first);
	if (first)
		grant(t);
	return handover(a->channel, d, first);
}

/* For another server. False: the channel is no good any more. */
static bool
send_again(struct agent *a)
{
	struct list_link *l = list_first(&a->sent);

	a->again = false;
	return !l || handover_content(a->channel, LIST_ITEM(l, struct delivery, link)->message);
}

/* Works until the channel ends, is not needed, or is to be given back. */
static void
use_channel(struct agent *a)
{
	struct destination *dest = a->dest;

	while (!a->lost) {
		if (a->again && !send_again(a))
			return;

		bool stop = must_stop(a);
		struct delivery *d = stop ? NULL : next_delivery(a);

		a->woken = false;
		if (d && message_stopped(d->message)) {
			delivery_fail(d, NULL);
		} else if (d) {
			if (!send_delivery(a, d))
				return;
		} else if (list_empty(&a->sent) &&
		    (stop || (dest->waiting == 0 && !list_empty(&dest->transport->starved)))) {
			return;
		} else if (!wait_for_work(a)) {
			return;
		}
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
	a->ready = false;
	while ((l = list_first(&a->sent))) {
		struct delivery *d = LIST_ITEM(l, struct delivery, link);

		delivery_ended(a, d);
		delivery_fail(d, &o);
	}
	fiber_wake_one(&a->dest->transport->spare);
}

/* One channel from its opening to its end. */
static void
run_channel(struct agent *a)
{
	int64_t began = fiber_now();

	switch (open_channel(a)) {
	case OPEN_FAILED:
		return;
	case OPEN_BUSY:
		wait_for_room(a);
		return;
	case OPEN_OK:
		break;
	}
	a->lost = a->leaving = a->woken = a->again = false;
	a->results = 0;
	a->began_ms = fiber_now();
	a->reading = true;
	a->reader = fiber_spawn("agent reader", reader_fiber, a);
	/* Now it is known whether there is use for more of them. */
	ask_for_channel(a->dest);
	use_channel(a);
	bool fruitless = a->lost && a->results == 0, idle = list_empty(&a->sent);
	close_channel(a);
	/* A user may end the process that delivers to him: that is nobody else's trouble. */
	if (fruitless && (idle || a->dest->transport->by_user))
		fiber_sleep(OUTAGE_PAUSE_MS);
	else if (fruitless)
		(void)has_ended(a, began, STR("lost connection with the delivery agent"));
}

static void agent_fiber(void *arg);

static void
agent_new(struct destination *dest)
{
	struct agent *a = MEM_NEW(struct agent);

	a->dest = dest;
	list_init(&a->sent);
	fiber_waitq_init(&a->work);
	list_append(&dest->channels, &a->channel_link);
	dest->transport->channels++;
	list_append(&state.all, &a->link);
	fiber_spawn("agent", agent_fiber, a);
}

/*
 * Who is to get the next channel: who has none; else who could use another one, but not, while half of the
 * channels are taken, a destination that has not been reached yet: many that answer nothing would have all
 * of them.
 */
static struct destination *
next_in_line(const struct transport *t)
{
	struct list_link *l = list_first(&t->starved);
	bool busy = t->channels * 2 >= t->channel_limit;

	if (l)
		return LIST_ITEM(l, struct destination, link);
	for (l = list_first(&t->hungry); l; l = list_next(&t->hungry, l)) {
		struct destination *dest = LIST_ITEM(l, struct destination, link);

		if (!busy || dest->feedback.proven)
			return dest;
	}
	return NULL;
}

/* Gives channels to those who wait, each in its turn. */
static void
grant(struct transport *t)
{
	struct destination *dest;

	while (has_room(t) && (dest = next_in_line(t))) {
		destination_queue(dest, NULL);
		if (dest->channels.count >= channels_wanted(dest))
			continue;
		agent_new(dest);
		if (dest->channels.count < channels_wanted(dest))
			destination_queue(dest, &t->hungry);
	}
}

/* DEST has more to do than its channels can: it gets another one, at once or in its turn. */
static void
ask_for_channel(struct destination *dest)
{
	struct transport *t = dest->transport;

	if (dest->channels.count >= channels_wanted(dest)) {
		if (dest->queue == &t->hungry)
			destination_queue(dest, NULL);
		return;
	}
	if (dest->not_before > fiber_now()) {
		if (dest->queue != &t->resting)
			destination_queue(dest, &t->resting);
		fiber_wake_all(&state.pace);
		return;
	}
	struct list *queue = list_empty(&dest->channels) ? &t->starved : &t->hungry;

	if (dest->queue != queue)
		destination_queue(dest, queue);
	grant(t);
	if (!list_empty(&t->starved)) {
		ask_to_leave(t, false);
		fiber_wake_all(&state.pace);
	}
}

/* A channel that could take something more is told to look. False: there is none. */
static bool
wake_channel(struct destination *dest)
{
	for (struct list_link *l = list_first(&dest->channels); l;
	     l = list_next(&dest->channels, l)) {
		struct agent *a = LIST_ITEM(l, struct agent, channel_link);

		if (!a->ready || a->woken || a->leaving || a->sent.count >= a->window)
			continue;
		a->woken = true;
		fiber_wake_all(&a->work);
		return true;
	}
	return false;
}

static void
agent_end(struct agent *a)
{
	struct destination *dest = a->dest;
	struct transport *t = dest->transport;

	list_remove(&dest->channels, &a->channel_link);
	list_remove(&state.all, &a->link);
	set_connecting(a, false);
	t->channels--;
	free(a);
	if (dest->waiting > 0) {
		/* Another one may have stood back as long as this one was busy. */
		(void)wake_channel(dest);
		ask_for_channel(dest);
	} else if (dest->not_before > fiber_now() && dest->queue != &t->resting) {
		destination_queue(dest, &t->resting);
	} else {
		destination_unused(dest);
	}
	grant(t);
}

static void
agent_fiber(void *arg)
{
	struct agent *a = arg;

	while (a->dest->waiting > 0 && !state.draining && !must_stop(a))
		run_channel(a);
	agent_end(a);
}

void
agent_start(struct destination *dest)
{
	if (!wake_channel(dest))
		ask_for_channel(dest);
}

/* --- Pauses that end ---------------------------------------------------------------------------------- */

/* Those whose pause is over go on; what is left is when the next one's will be. */
static fiber_deadline
end_pauses(struct transport *t)
{
	struct list_link *l;

	while ((l = list_first(&t->resting))) {
		struct destination *dest = LIST_ITEM(l, struct destination, link);

		if (dest->not_before > fiber_now())
			return dest->not_before;
		destination_queue(dest, NULL);
		if (dest->waiting > 0)
			ask_for_channel(dest);
		else
			destination_unused(dest);
	}
	return FIBER_FOREVER;
}

static void
pace_fiber(void *arg)
{
	(void)arg;
	for (;;) {
		fiber_deadline until = dead_any() ? fiber_after(SWEEP_MS) : FIBER_FOREVER;
		struct transport *t;
		size_t cursor = 0;

		dead_sweep();
		while ((t = transport_next(&cursor))) {
			fiber_deadline end = end_pauses(t);

			grant(t);
			if (!list_empty(&t->starved)) {
				ask_to_leave(t, false);
				if (fiber_after(PACE_LOOK_MS) < end)
					end = fiber_after(PACE_LOOK_MS);
			}
			until = end < until ? end : until;
		}
		if (fiber_wait(&state.pace, until) == FIBER_CANCELED)
			return;
	}
}

void
agent_init(void)
{
	list_init(&state.all);
	fiber_waitq_init(&state.pace);
	fiber_spawn("pace", pace_fiber, NULL);
}

/* All senders look again at what there is to do. */
static void
agents_wake(void)
{
	for (struct list_link *l = list_first(&state.all); l; l = list_next(&state.all, l))
		fiber_wake_all(&LIST_ITEM(l, struct agent, link)->work);
}

void
agent_let_go(void)
{
	/* An agent goes by the configuration it was started with: the next channel gets a new one. */
	for (struct list_link *l = list_first(&state.all); l; l = list_next(&state.all, l))
		LIST_ITEM(l, struct agent, link)->leaving = true;
	agents_wake();
	/* Limits and pauses may be others now. */
	fiber_wake_all(&state.pace);
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
