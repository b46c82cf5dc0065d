/*
 * dead - destinations that could not be reached: see dead.h
 */
#include "qmgr/dead.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/random.h"

#define DEAD_MAX 20000  /* that nothing is parked at */
#define LOAD_SECONDS 60 /* in which a message that is read back for a probe arrives */
#define FIRST_BATCH 10  /* parked messages that become due when the probe has succeeded */
#define ENOUGH 100      /* deliveries waiting, with which only as many follow as go */
#define TOO_MANY 200    /* … and with which none does */
#define SUSPENDED "delivery temporarily suspended: " /* as Postfix has it */
#define TEXT_MAX_KEPT 500                            /* bytes of the reason */

static struct {
	struct list all;
} state;

/* Probes go by the clock that nobody sets. */
static int64_t
now(void)
{
	return clock_mono_ms() / 1000;
}

static int64_t
wall_of(int64_t at)
{
	return clock_wall() + at - now();
}

static struct slot *
first_parked(const struct destination *dest)
{
	struct list_link *l = list_first(&dest->parked);

	return l ? LIST_ITEM(l, struct slot, parked) : NULL;
}

/* The first parked message is the next probe; the others need not be looked at. */
static void
schedule_parked(struct slot *slot)
{
	const struct destination *dest = slot->parked_at;
	int64_t at = slot->attend;

	if (slot == first_parked(dest) && feedback_dead(&dest->feedback)) {
		int64_t probe = wall_of(dest->feedback.probe_at);

		if (dest->probing && probe < clock_wall() + LOAD_SECONDS)
			probe = clock_wall() + LOAD_SECONDS;
		at = probe < at ? probe : at;
	}
	slots_schedule(slot, at);
}

static void
schedule_first(struct destination *dest)
{
	struct slot *first = first_parked(dest);

	if (first)
		schedule_parked(first);
}

/* --- Death and life ------------------------------------------------------------------------------------ */

static void
forget_reason(struct destination *dest)
{
	free(dest->dsn);
	free(dest->why);
	dest->dsn = dest->why = NULL;
}

/* What everything for DEST, which is dead, gets. */
static void
refusal(struct destination *dest, struct outcome *o)
{
	*o = (struct outcome){
	    .status = DELIVERY_DEFERRED,
	    .dsn = str_c(dest->dsn),
	    .text = str_c(dest->why),
	    .relay = STR("none"),
	    .logged_as = dest->transport->name,
	    .unreachable = dest,
	};
}

static void
bury(struct destination *dest, struct str dsn, struct str text)
{
	struct outcome o;
	struct buf why = {0};

	forget_reason(dest);
	dest->dsn = str_dup(dsn.len > 0 && dsn.data[0] == '4' ? dsn : STR("4.4.1"));
	buf_puts(&why, SUSPENDED);
	buf_append(&why, text.data, text.len < TEXT_MAX_KEPT ? text.len : TEXT_MAX_KEPT);
	dest->why = str_dup(buf_view(&why));
	buf_free(&why);
	dest->probing = false;
	dest->expected = 0;
	if (!state.all.ends.next)
		list_init(&state.all);
	if (!list_linked(&dest->dead)) {
		list_append(&state.all, &dest->dead);
		log_info(
		    "transport %s: %s cannot be reached, its mail waits for a probe to succeed "
		    "(%s)",
		    dest->transport->name, dest->open_as, dest->why + sizeof(SUSPENDED) - 1);
	}
	schedule_first(dest);
	refusal(dest, &o);
	destination_fail(dest, &o);
}

static void
revive(struct destination *dest)
{
	dest->probing = false;
	dest->expected = 0;
	if (!list_linked(&dest->dead))
		return;
	list_remove(&state.all, &dest->dead);
	forget_reason(dest);
	log_info("transport %s: %s can be reached again, %zu messages wait for it",
	    dest->transport->name, dest->open_as, dest->parked.count);
	dead_release(dest, FIRST_BATCH);
}

void
dead_feedback(struct destination *dest, bool unreachable, struct str dsn, struct str text)
{
	const struct feedback_rules *rules = &dest->transport->rules;
	bool was_dead = feedback_dead(&dest->feedback);

	if (unreachable) {
		/* What was under way when it died says nothing new. */
		if ((!was_dead || dest->probing) &&
		    feedback_bad(&dest->feedback, rules, now(), random_below(UINT32_MAX)))
			bury(dest, dsn, text);
		return;
	}
	feedback_good(&dest->feedback, rules, dest->under_way + 1);
	if (was_dead)
		revive(dest);
	else if (!list_empty(&dest->parked) && dest->waiting < TOO_MANY)
		dead_release(dest, dest->waiting < ENOUGH ? 2 : 1);
}

void
dead_probe_lost(struct destination *dest)
{
	if (!dest->probing)
		return;
	dest->probing = false;
	dest->feedback.probe_at = now() + dest->feedback.pause;
	schedule_first(dest);
}

/* --- Who is refused -------------------------------------------------------------------------------------- */

bool
dead_refuses(struct destination *dest, const struct message *msg, struct outcome *o)
{
	struct feedback *f = &dest->feedback;

	if (!feedback_dead(f))
		return false;
	if (!dest->probing &&
	    (msg->slot->id_us == dest->expected || msg->flushed || now() >= f->probe_at)) {
		dest->probing = true;
		dest->expected = 0;
		return false;
	}
	refusal(dest, o);
	return true;
}

void
dead_routed(const struct message *msg)
{
	struct list_link *l, *after;

	for (l = msg->probe ? list_first(&state.all) : NULL; l; l = after) {
		struct destination *dest = LIST_ITEM(l, struct destination, dead);

		after = list_next(&state.all, l);
		if (dest->expected != msg->slot->id_us)
			continue;
		/* It goes elsewhere now, and so may the others. */
		dest->expected = 0;
		dead_release(dest, SIZE_MAX);
		return;
	}
}

bool
dead_any(void)
{
	return state.all.count > 0;
}

/* --- Parking ------------------------------------------------------------------------------------------------ */

void
dead_park(struct slot *slot, struct destination *dest, int64_t attend)
{
	slot->parked_at = dest;
	slot->attend = attend;
	list_append(&dest->parked, &slot->parked);
	schedule_parked(slot);
}

void
dead_unpark(struct slot *slot)
{
	struct destination *dest = slot->parked_at;
	bool was_first;

	if (!dest)
		return;
	was_first = slot == first_parked(dest);
	list_remove(&dest->parked, &slot->parked);
	slot->parked_at = NULL;
	if (was_first)
		schedule_first(dest);
}

bool
dead_keeps(struct slot *slot)
{
	struct destination *dest = slot->parked_at;

	if (!dest || slot->flushed || !feedback_dead(&dest->feedback) ||
	    clock_wall() >= slot->attend)
		return false;
	if (slot == first_parked(dest) && !dest->probing && dest->feedback.probe_at <= now()) {
		dest->expected = slot->id_us;
		dest->feedback.probe_at = now() + LOAD_SECONDS;
		slot->probe = true;
		return false;
	}
	schedule_parked(slot);
	return true;
}

int64_t
dead_next_try(const struct slot *slot)
{
	const struct destination *dest = slot->parked_at;
	int64_t at;

	if (!dest)
		return slot->next;
	at = wall_of(dest->feedback.probe_at);
	return at < slot->attend ? at : slot->attend;
}

void
dead_release(struct destination *dest, size_t count)
{
	for (; count > 0 && !list_empty(&dest->parked); count--) {
		struct slot *slot = first_parked(dest);

		list_remove(&dest->parked, &slot->parked);
		slot->parked_at = NULL;
		slots_schedule(slot, clock_wall());
	}
	if (feedback_dead(&dest->feedback))
		schedule_first(dest);
}

void
dead_probe_now(struct destination *only)
{
	for (struct list_link *l = state.all.count > 0 ? list_first(&state.all) : NULL; l;
	     l = list_next(&state.all, l)) {
		struct destination *dest = LIST_ITEM(l, struct destination, dead);

		if (only && dest != only)
			continue;
		dest->feedback.probe_at = now();
		schedule_first(dest);
	}
}

void
dead_release_all(void)
{
	for (struct list_link *l = state.all.count > 0 ? list_first(&state.all) : NULL; l;
	     l = list_next(&state.all, l)) {
		struct destination *dest = LIST_ITEM(l, struct destination, dead);

		dest->feedback.probe_at = now();
		dead_release(dest, SIZE_MAX);
	}
}

void
dead_sweep(void)
{
	struct list_link *l, *after;
	size_t unused = 0;

	for (l = state.all.count > 0 ? list_first(&state.all) : NULL; l; l = after) {
		struct destination *dest = LIST_ITEM(l, struct destination, dead);
		const struct feedback *f = &dest->feedback;

		after = list_next(&state.all, l);
		if (!list_empty(&dest->parked) || dest->refs > 0 || dest->probing)
			continue;
		if (++unused <= DEAD_MAX && now() < f->probe_at + dest->transport->rules.pause_max)
			continue;
		list_remove(&state.all, &dest->dead);
		forget_reason(dest);
		feedback_init(&dest->feedback, &dest->transport->rules);
		destination_unused(dest);
	}
}
