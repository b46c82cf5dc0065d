/*
 * schedule - routing, destinations, and the activation of what is due: see schedule.h
 */
#include "qmgr/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/route/route.h"
#include "qmgr/agent.h"
#include "qmgr/dead.h"
#include "qmgr/destination.h"
#include "qmgr/flush.h"
#include "qmgr/recipients.h"

#define ACTIVATORS 4    /* slots read back at the same time */
#define SLEEP_MAX 60000 /* ms; the wall clock may have jumped meanwhile */
#define SLICE 1000   /* recipients of a long list that are in memory, unless they take their time */
#define ROOM_MS 1000 /* between two looks for room in memory */
#define YIELD_AT 100 /* recipients handed out before others have their turn */
#define RCPT_BYTES 40 /* of a request, for each recipient, beside its text */

/* --- Transports without a program ------------------------------------------------------------------------------ */

/* "5.1.1 text" or "text": the status code in front, if it is there. */
static void
split_status(struct str nexthop, const char *fallback, struct outcome *o)
{
	size_t space = str_chr(nexthop, ' ');
	struct str first = space == STR_NPOS ? nexthop : str_sub(nexthop, 0, space);
	bool code = first.len >= 5 && first.len <= 9 && first.data[1] == '.' &&
	    memchr("245", first.data[0], 3);

	o->dsn = code ? first : str_c(fallback);
	o->text = str_trim(code ? str_from(nexthop, first.len) : nexthop);
	if (code && first.data[0] != fallback[0])
		o->dsn = str_c(fallback);
}

/* error, retry and discard need nobody: the next hop is the text. False: not one of them. */
static bool
deliver_builtin(struct message *msg, size_t index, const struct route *route)
{
	struct outcome o = {.relay = STR("none"), .ordered = true};

	if (str_eq(route->transport, STR("error"))) {
		o.status = DELIVERY_BOUNCED;
		o.logged_as = "error";
		split_status(route->nexthop, "5.0.0", &o);
	} else if (str_eq(route->transport, STR("retry"))) {
		o.status = DELIVERY_DEFERRED;
		o.logged_as = "error";
		split_status(route->nexthop, "4.0.0", &o);
	} else if (str_eq(route->transport, STR("discard"))) {
		o.status = DELIVERY_SENT;
		o.logged_as = "discard";
		split_status(route->nexthop, "2.0.0", &o);
	} else {
		return false;
	}
	if (o.text.len == 0)
		o.text =
		    o.status == DELIVERY_SENT ? STR("discarded") : STR("delivery is switched off");
	message_result(msg, index, &o);
	return true;
}

/* --- Handing out recipients --------------------------------------------------------------------------------------- */

/* Is its transport in defer_transports, and has nobody asked for it? */
static bool
put_off(struct message *msg, size_t index, const struct route *route)
{
	struct str rest = conf_str(conf_get(), P_defer_transports), item;
	const struct outcome o = {
	    .status = DELIVERY_DEFERRED,
	    .dsn = STR("4.3.2"),
	    .text = STR("deferred transport"),
	    .relay = STR("none"),
	    .logged_as = "error",
	    .ordered = true,
	};

	while (!msg->flushed && conf_list_next(&rest, &item))
		if (str_eq(item, route->transport)) {
			message_result(msg, index, &o);
			return true;
		}
	return false;
}

static void
hand_to_destination(struct message *msg, size_t index, const struct route *route)
{
	const struct slot_rcpt *r = recipients_get(msg, index);
	struct destination *dest =
	    destination_find(transport_find(route->transport), route, r->address);
	struct outcome o;

	if (dead_refuses(dest, msg, &o)) {
		message_result(msg, index, &o);
		return;
	}
	destination_add(dest, msg, index, r->address.len + r->orig.len + r->orcpt.len + RCPT_BYTES);
	agent_start(dest);
}

static void
schedule_rcpt(struct message *msg, size_t index, struct arena *a)
{
	struct outcome o = {.relay = STR("none"), .logged_as = "error", .dsn = STR("4.3.0")};
	struct mail_address address;
	struct buf why = {0};
	struct route route;
	enum route_status status = ROUTE_FAIL;

	msg->pending++;
	flush_note(&msg->site, recipients_get(msg, index)->address);
	if (!address_parse(recipients_get(msg, index)->address,
		ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL, a, &address, &why))
		buf_puts(&why, ": bad recipient address");
	else
		status =
		    route_resolve(conf_get(), msg->m.envelope.sender, &address, a, &route, &why);
	if (status == ROUTE_OK) {
		if (!deliver_builtin(msg, index, &route) && !put_off(msg, index, &route))
			hand_to_destination(msg, index, &route);
	} else {
		o.status = status == ROUTE_DEFER ? DELIVERY_DEFERRED : DELIVERY_BOUNCED;
		split_status(buf_view(&why), status == ROUTE_DEFER ? "4.3.0" : "5.1.3", &o);
		message_result(msg, index, &o);
	}
	buf_free(&why);
}

bool
schedule_own_mx(struct message *msg, size_t index, const struct destination *from)
{
	const struct slot_rcpt *r = recipients_get(msg, index);
	struct str via = str_trim(conf_str(conf_get(), P_best_mx_transport));
	struct arena *a = arena_new(512);
	struct mail_address address;
	struct buf why = {0};
	struct route route;
	bool passed = false;

	if (via.len > 0 &&
	    address_parse(r->address, ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL, a,
		&address, &why) &&
	    route_via(conf_get(), via, str_c(from->nexthop), &address, a, &route))
		/* Where it has been already it would come from again, for ever. */
		passed = !str_eq(route.transport, str_c(from->transport->name)) ||
		    !str_eq_nocase(route.nexthop, str_c(from->nexthop));
	if (passed) {
		log_info("%s: to=<%.*s>: the best MX host of %s is this machine: goes by "
			 "best_mx_transport (%.*s)",
		    msg->m.header.id, STR_ARG(r->address), from->nexthop, STR_ARG(via));
		if (!deliver_builtin(msg, index, &route) && !put_off(msg, index, &route))
			hand_to_destination(msg, index, &route);
	}
	arena_free(&a);
	buf_free(&why);
	return passed;
}

/* All of a message that is in memory. */
static void
schedule_whole(struct message *msg, struct arena *a)
{
	for (size_t i = 0, n = 0; i < msg->m.header.rcpts; i++) {
		if (msg->want_expire || message_stopped(msg))
			break;
		if (msg->m.marks[i].state != SLOT_RCPT_TODO)
			continue;
		schedule_rcpt(msg, i, a);
		arena_reset(a);
		if (++n % YIELD_AT == 0)
			fiber_yield();
	}
}

/* Waits until more of MSG are to be read; how many, 0 when it was canceled or MSG is stopped. */
static size_t
wait_for_more(struct message *msg)
{
	const struct conf *conf = conf_get();
	size_t lot = (size_t)conf_int(conf, P_default_recipient_refill_limit);
	size_t least = (size_t)conf_int(conf, P_qmgr_message_recipient_minimum);
	fiber_deadline anyway =
	    fiber_after(conf_time(conf, P_default_recipient_refill_delay) * 1000);
	size_t place = 0;

	lot = lot > 0 && lot < SLICE ? lot : SLICE;
	while (msg->pending > 0 && !message_stopped(msg)) {
		size_t room = message_room_for_rcpts();
		bool late = fiber_now() >= anyway;

		place = msg->pending < SLICE ? SLICE - msg->pending : 0;
		/* Recipients who take their time are not to keep the others waiting for ever. */
		place = late && place < lot ? lot : place;
		if (place >= lot && room >= lot)
			return place < room ? place : room;
		if (fiber_wait(&msg->fewer, late ? fiber_after(ROOM_MS) : anyway) == FIBER_CANCELED)
			return 0;
	}
	if (message_stopped(msg))
		return 0;
	place = message_room_for_rcpts();
	place = place < SLICE ? place : SLICE;
	return place > least ? place : least > 0 ? least : 1;
}

/* A long list, slice by slice. Waits. */
static void
schedule_slices(struct message *msg, struct arena *a)
{
	struct slice *slice;
	size_t max;

	while (!msg->want_expire && (max = wait_for_more(msg)) > 0 &&
	    recipients_next(msg, max, &slice)) {
		/* The last one that has its result takes the slice with it. */
		size_t n = slice->n;
		uint32_t *indexes = mem_array(n, sizeof(*indexes));

		memcpy(indexes, slice->indexes, n * sizeof(*indexes));
		for (size_t i = 0; i < n; i++) {
			schedule_rcpt(msg, indexes[i], a);
			arena_reset(a);
			if ((i + 1) % YIELD_AT == 0)
				fiber_yield();
		}
		free(indexes);
	}
}

void
schedule_message(struct message *msg)
{
	struct arena *a = arena_new(512);

	if (msg->whole)
		schedule_whole(msg, a);
	else
		schedule_slices(msg, a);
	if (message_stopped(msg))
		message_leave_out(msg);
	arena_free(&a);
}

/* --- Activation ------------------------------------------------------------------------------------------------------- */

void
schedule_wake(void)
{
	slots_due_wake();
}

static void
activate_fiber(void *arg)
{
	(void)arg;
	for (;;) {
		slots_follow_clock();
		struct slot *slot = slots_due();
		int64_t now = clock_wall();
		fiber_deadline off = slots_tries_put_off();
		bool room = message_room();

		if (off > fiber_now()) {
			if (slots_due_wait(off) == FIBER_CANCELED)
				return;
			continue;
		}
		if (slot && room && slot->next <= now) {
			message_activate(slot);
			continue;
		}
		int64_t ms = slot && room ? (slot->next - now) * 1000 : SLEEP_MAX;
		if (slots_due_wait(fiber_after(ms < SLEEP_MAX ? ms : SLEEP_MAX)) == FIBER_CANCELED)
			return;
	}
}

void
schedule_start(void)
{
	for (int i = 0; i < ACTIVATORS; i++)
		fiber_spawn("activate", activate_fiber, NULL);
}
