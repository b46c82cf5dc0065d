/*
 * round - what happens to a message when the last result of a round is in
 *
 * In this order: notices that are owed; the end when every recipient is done; expiry; else the slot
 * waits for the next attempt.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/conf/conf.h"
#include "qmgr/dead.h"
#include "qmgr/message.h"
#include "qmgr/notice.h"
#include "qmgr/recipients.h"

#define BLOCKED_BY_MAX 16 /* destinations that one message is parked at */

static size_t
count_state(const struct message *msg, enum slot_rcpt_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < msg->m.header.rcpts; i++)
		n += msg->m.marks[i].state == state;
	return n;
}

static void
finish(struct message *msg)
{
	struct slot *slot = msg->slot;

	msg->m.mark.state = SLOT_FREE;
	slots_mark(slot, msg->m.header.id, &msg->m.mark);
	if (!msg->want_delete)
		log_info("%s: removed", msg->m.header.id);
	slots_release(slot);
	message_free(msg);
}

static int64_t
lifetime(const struct message *msg)
{
	return conf_time(conf_get(),
	    msg->m.envelope.sender.len == 0 ? P_bounce_queue_lifetime : P_maximal_queue_lifetime);
}

/* When its lifetime began: at its arrival, or when an administrator requeued it. */
static int64_t
arrival(const struct message *msg)
{
	int64_t first = msg->m.header.arrival_us / 1000000;

	return msg->m.mark.renewed > first ? msg->m.mark.renewed : first;
}

static bool
expired(const struct message *msg)
{
	return msg->want_expire || clock_wall() - arrival(msg) >= lifetime(msg);
}

/* Every recipient left has failed for good; the reason stays that of the last attempt. May wait. */
static void
expire(struct message *msg)
{
	struct outcome o = {.dsn = STR("4.4.7"), .text = STR("delivery time expired")};
	unsigned fallback = 0;

	struct recipients_reader reader = {.msg = msg};

	log_info("%s: from=<%.*s>, status=%s, returned to sender", msg->m.header.id,
	    STR_ARG(msg->m.envelope.sender), msg->want_expire ? "force-expired" : "expired");
	for (uint32_t i = 0; i < msg->m.header.rcpts; i++) {
		const struct slot_rcpt *r;
		unsigned reason = msg->m.marks[i].reason;

		if (msg->m.marks[i].state != SLOT_RCPT_TODO)
			continue;
		if (reason == 0)
			reason = fallback = fallback ? fallback : message_reason(msg, &o);
		r = recipients_read(&reader, i);
		message_mark_rcpt(msg, i, message_failed_state(msg, r), reason);
	}
	recipients_reader_end(&reader);
}

static void
expire_fiber(void *arg)
{
	struct message *msg = arg;

	expire(msg);
	message_unref(msg);
}

/* A long list is read once more for it. False: not yet, the round goes on when it has been. */
static bool
expire_all(struct message *msg)
{
	msg->expiring = true;
	if (msg->whole) {
		expire(msg);
		return true;
	}
	message_ref(msg);
	fiber_spawn("expire", expire_fiber, msg);
	return false;
}

/* Wall seconds of the next attempt: the age of the message, within bounds, a tenth more or less. */
static int64_t
next_attempt(const struct message *msg)
{
	int64_t now = clock_wall(), age = now - arrival(msg);
	int64_t least = conf_time(conf_get(), P_minimal_backoff_time);
	int64_t most = conf_time(conf_get(), P_maximal_backoff_time);
	int64_t delay = age < least ? least : age > most ? most : age;
	int64_t end = arrival(msg) + lifetime(msg);

	if (delay > 10)
		delay += (int64_t)random_below((uint64_t)delay / 5) - delay / 10;
	return now + delay > end && end > now ? end : now + delay;
}

/* Is a first warning due? One is sent in a message's life. */
static bool
delay_notice_due(const struct message *msg)
{
	int64_t after = conf_time(conf_get(), P_delay_warning_time);

	return after > 0 && !msg->m.mark.warned && !message_is_notice(msg) &&
	    clock_wall() - arrival(msg) >= after;
}

/* One more destination that could not be reached. */
static void
add_blocked(struct message *msg, struct destination *by)
{
	unsigned n = msg->n_blocked_by;

	/* There is mostly one; the number of places is a power of two. */
	if ((n & (n - 1)) == 0) {
		struct destination **grown = arena_array(msg->arena, n ? 2 * n : 1, sizeof(*grown));

		if (n > 0)
			memcpy(grown, msg->blocked_by, n * sizeof(*grown));
		msg->blocked_by = grown;
	}
	msg->blocked_by[msg->n_blocked_by++] = by;
	by->refs++;
}

void
round_blocked(struct message *msg, const struct outcome *o)
{
	unsigned i = 0;

	while (i < msg->n_blocked_by && msg->blocked_by[i] != o->unreachable)
		i++;
	if (!o->unreachable || i == BLOCKED_BY_MAX) {
		msg->blocked_otherwise = true;
		return;
	}
	if (i == msg->n_blocked_by)
		add_blocked(msg, o->unreachable);
	if (o->untried)
		msg->refused_by |= (uint16_t)(1U << i);
}

/* All that is left waits for destinations that are dead. */
static bool
waits_for_the_dead(const struct message *msg)
{
	bool dead = msg->n_blocked_by > 0 && !msg->blocked_otherwise;

	for (unsigned i = 0; i < msg->n_blocked_by && dead; i++)
		dead = feedback_dead(&msg->blocked_by[i]->feedback);
	return dead;
}

/* All that is left waits for destinations, one of which has come to life since it refused this message. */
static bool
has_been_overtaken(const struct message *msg)
{
	bool overtaken = false;

	for (unsigned i = 0; i < msg->n_blocked_by; i++)
		overtaken = overtaken ||
		    (msg->refused_by >> i & 1 && !feedback_dead(&msg->blocked_by[i]->feedback));
	return overtaken && !msg->blocked_otherwise;
}

/* When something else than an attempt is to be done: wall seconds of its end, or of the warning. */
static int64_t
attend_at(const struct message *msg)
{
	int64_t after = conf_time(conf_get(), P_delay_warning_time);
	int64_t end = arrival(msg) + lifetime(msg), warning = arrival(msg) + after;
	bool warn = after > 0 && !msg->m.mark.warned && !message_is_notice(msg);

	return warn && warning < end && warning > clock_wall() ? warning : end;
}

/* The slot waits, in STATE, until NEXT. */
static void
put_back(struct message *msg, enum slot_state slot_state, int64_t next)
{
	struct slot *slot = msg->slot;

	msg->m.mark.state = slot_state;
	msg->m.mark.next = next;
	msg->m.mark.tries++;
	slots_mark(slot, msg->m.header.id, &msg->m.mark);
	slot->use = SLOT_USE_WAITING;
	slot->message = NULL;
	slot->site = msg->site;
	if (slot_state == SLOT_HOLD)
		slots_unschedule(slot);
	else if (waits_for_the_dead(msg))
		dead_park(slot, msg->blocked_by, msg->n_blocked_by, attend_at(msg));
	else
		slots_schedule(slot, next);
	slots_unuse(slot);
	message_free(msg);
}

static void
defer(struct message *msg)
{
	if (delay_notice_due(msg) && !msg->notified) {
		msg->notified = true;
		notice_delay(msg, arrival(msg) + lifetime(msg));
		return;
	}
	bool due = msg->left_out || has_been_overtaken(msg);

	put_back(msg, SLOT_DEFERRED, due ? clock_wall() : next_attempt(msg));
}

void
round_over(struct message *msg)
{
	if (msg->want_delete) {
		finish(msg);
		return;
	}
	message_settle_reports(msg);
	if (count_state(msg, SLOT_RCPT_TODO) > 0 && expired(msg) && !msg->want_hold &&
	    !msg->expiring && !expire_all(msg))
		return;
	if (notice_owed(msg) && !msg->notified) {
		msg->notified = true;
		notice_send(msg);
		return;
	}
	if (count_state(msg, SLOT_RCPT_TODO) == 0 && !notice_owed(msg))
		finish(msg);
	else if (msg->want_hold)
		put_back(msg, SLOT_HOLD, 0);
	else
		defer(msg);
}
