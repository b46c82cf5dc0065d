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
#include "qmgr/notice.h"
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
	struct outcome o = {.relay = STR("none")};

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

static void
schedule_rcpt(struct message *msg, size_t index, struct arena *a)
{
	struct outcome o = {.relay = STR("none"), .logged_as = "error", .dsn = STR("4.3.0")};
	struct mail_address address;
	struct destination *dest;
	struct buf why = {0};
	struct route route;
	enum route_status status = ROUTE_FAIL;

	msg->pending++;
	if (!address_parse(recipients_get(msg, index)->address,
		ADDRESS_BARE_OK | ADDRESS_UTF8_OK | ADDRESS_LONG_LOCAL, a, &address, &why))
		buf_puts(&why, ": bad recipient address");
	else
		status =
		    route_resolve(conf_get(), msg->m.envelope.sender, &address, a, &route, &why);
	if (status == ROUTE_OK) {
		if (!deliver_builtin(msg, index, &route)) {
			const struct slot_rcpt *r = recipients_get(msg, index);

			dest =
			    destination_find(transport_find(route.transport), &route, r->address);
			if (dead_refuses(dest, msg, &o)) {
				message_result(msg, index, &o);
			} else {
				destination_add(dest, msg, index,
				    r->address.len + r->orig.len + r->orcpt.len + RCPT_BYTES);
				agent_start(dest);
			}
		}
	} else {
		o.status = status == ROUTE_DEFER ? DELIVERY_DEFERRED : DELIVERY_BOUNCED;
		split_status(buf_view(&why), status == ROUTE_DEFER ? "4.3.0" : "5.1.3", &o);
		message_result(msg, index, &o);
	}
	buf_free(&why);
}

/* All of a message that is in memory. */
static void
schedule_whole(struct message *msg, struct arena *a)
{
	for (size_t i = 0, n = 0; i < msg->m.header.rcpts; i++) {
		if (msg->want_expire || msg->want_delete || msg->m.marks[i].state != SLOT_RCPT_TODO)
			continue;
		schedule_rcpt(msg, i, a);
		arena_reset(a);
		if (++n % YIELD_AT == 0)
			fiber_yield();
	}
}

/* Waits until more of MSG are to be read; how many, 0 when it was canceled. */
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
	while (msg->pending > 0 && !msg->want_delete) {
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

	while (!msg->want_expire && !msg->want_delete && !msg->want_hold &&
	    (max = wait_for_more(msg)) > 0 && recipients_next(msg, max, &slice)) {
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
		bool room = message_room();

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

struct site_job {
	int fd;
	struct str site;
	bool found;
};

/* Is a recipient among N of them, the first of whom is FIRST, that waits and goes there? */
static bool
any_at_site(const struct spool_message *m, const struct slot_rcpt *rcpts, uint32_t first, size_t n,
    struct str site)
{
	for (size_t i = 0; i < n; i++) {
		struct str address = rcpts[i].address;

		if (m->marks[first + i].state == SLOT_RCPT_TODO &&
		    str_eq_nocase(str_from(address, str_rchr(address, '@') + 1), site))
			return true;
	}
	return false;
}

static void
look_for_site(void *arg)
{
	struct site_job *job = arg;
	struct arena *a = arena_new(1024), *piece = arena_new(0);
	struct spool_message m;
	struct spool_cursor cursor;
	struct slot_rcpt *rcpts;
	struct buf why = {0};
	size_t n = 1;

	if (spool_load_begin(job->fd, false, a, &m, &cursor, NULL, 0, &why) != SPOOL_OK)
		n = 0;
	else if (m.envelope.n_rcpts > 0)
		job->found = any_at_site(&m, m.envelope.rcpts, 0, m.envelope.n_rcpts, job->site);
	while (n > 0 && m.envelope.n_rcpts == 0 && !job->found) {
		uint32_t first = cursor.index;

		arena_reset(piece);
		if (spool_next_rcpts(job->fd, &m.header, &cursor, SPOOL_PIECE_RCPTS, piece, &rcpts,
			&n, &why) != SPOOL_OK)
			break;
		job->found = any_at_site(&m, rcpts, first, n, job->site);
	}
	buf_free(&why);
	arena_free(&piece);
	arena_free(&a);
}

/* Does any recipient of the message in SLOT go to SITE, and does it still wait? Waits. */
static bool
goes_to(struct slot *slot, struct str site)
{
	struct site_job job = {.site = site};
	bool waits;

	if (!slots_use(slot))
		return false;
	job.fd = slot->fd;
	fiber_offload(FIBER_POOL_READ, look_for_site, &job);
	waits = slot->use == SLOT_USE_WAITING && slot->state != SLOT_HOLD;
	slots_unuse(slot);
	return job.found && waits;
}

/* What waits for a dead destination goes when a probe has succeeded, which is tried now. */
static void
flush_slot(struct slot *slot, bool by_name)
{
	if (slot->parked_at && !by_name) {
		if (dead_next_try(slot) > clock_wall())
			dead_probe_now(slot->parked_at);
		return;
	}
	slot->flushed = true;
	slots_schedule(slot, 0);
}

size_t
schedule_flush(struct str id, struct str site)
{
	struct slot *slot;
	uint32_t at = 0;
	size_t n = 0;

	notice_retry();
	while ((slot = slots_next(&at))) {
		char own[QUEUE_ID_SIZE];

		if (slot->use != SLOT_USE_WAITING || slot->state == SLOT_HOLD)
			continue;
		slots_id(slot, own);
		if (id.len > 0 && !str_eq(id, str_c(own)))
			continue;
		if (site.len > 0 && !goes_to(slot, site))
			continue;
		flush_slot(slot, id.len > 0);
		n++;
	}
	return n;
}
