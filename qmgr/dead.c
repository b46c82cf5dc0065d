/*
 * dead - destinations that could not be reached: see dead.h
 */
#include "qmgr/dead.h"

#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
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

static struct parked *
first_parked(const struct destination *dest)
{
	struct list_link *l = list_first(&dest->parked);

	return l ? LIST_ITEM(l, struct parked, link) : NULL;
}

/* When a message in that place is read back as a probe: wall seconds; INT64_MAX when others come first. */
static int64_t
probe_time(const struct parked *p)
{
	const struct destination *dest = p->at;
	int64_t at;

	if (p != first_parked(dest) || !feedback_dead(&dest->feedback))
		return INT64_MAX;
	at = wall_of(dest->feedback.probe_at);
	return dest->probing && at < clock_wall() + LOAD_SECONDS ? clock_wall() + LOAD_SECONDS : at;
}

/* The first parked message is the next probe; the others need not be looked at. */
static void
schedule_parked(struct slot *slot)
{
	int64_t at = slot->attend;

	for (const struct parked *p = &slot->parked; p; p = p->next)
		at = probe_time(p) < at ? probe_time(p) : at;
	slots_schedule(slot, at);
}

static void
schedule_first(struct destination *dest)
{
	struct parked *first = first_parked(dest);

	if (first)
		schedule_parked(first->slot);
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
	    .untried = true,
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
	}
}

bool
dead_any(void)
{
	return state.all.count > 0;
}

/* --- Parking ------------------------------------------------------------------------------------------------ */

void
dead_park(struct slot *slot, struct destination *const *dests, unsigned n, int64_t attend)
{
	struct parked *p = &slot->parked;

	slot->attend = attend;
	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			p = p->next = MEM_NEW(struct parked);
		p->slot = slot;
		p->at = dests[i];
		p->next = NULL;
		list_append(&dests[i]->parked, &p->link);
	}
	schedule_parked(slot);
}

void
dead_unpark(struct slot *slot)
{
	struct parked *p = slot->parked.at ? &slot->parked : NULL, *next;

	for (; p; p = next) {
		struct destination *dest = p->at;
		bool was_first = p == first_parked(dest);

		list_remove(&dest->parked, &p->link);
		next = p->next;
		if (p != &slot->parked)
			free(p);
		if (was_first)
			schedule_first(dest);
	}
	slot->parked.at = NULL;
	slot->parked.next = NULL;
}

bool
dead_keeps(struct slot *slot)
{
	const struct parked *places = slot->parked.at ? &slot->parked : NULL;
	bool probe = false;

	if (!places || slot->flushed || clock_wall() >= slot->attend)
		return false;
	for (const struct parked *p = places; p; p = p->next)
		if (!feedback_dead(&p->at->feedback))
			return false;
	for (const struct parked *p = places; p; p = p->next) {
		struct destination *dest = p->at;

		if (p != first_parked(dest) || dest->probing || dest->feedback.probe_at > now())
			continue;
		dest->expected = slot->id_us;
		dest->feedback.probe_at = now() + LOAD_SECONDS;
		slot->probe = probe = true;
	}
	if (probe)
		return false;
	schedule_parked(slot);
	return true;
}

int64_t
dead_next_try(const struct slot *slot)
{
	int64_t next = slot->attend;

	if (!slot->parked.at)
		return slot->next;
	for (const struct parked *p = &slot->parked; p; p = p->next) {
		int64_t at = wall_of(p->at->feedback.probe_at);

		next = at < next ? at : next;
	}
	return next;
}

void
dead_release(struct destination *dest, size_t count)
{
	for (; count > 0 && !list_empty(&dest->parked); count--) {
		struct slot *slot = first_parked(dest)->slot;

		dead_unpark(slot);
		slots_schedule(slot, clock_wall());
	}
}

static void
probe_now(struct destination *dest)
{
	dest->feedback.probe_at = now();
	schedule_first(dest);
}

void
dead_probe_all(void)
{
	for (struct list_link *l = state.all.count > 0 ? list_first(&state.all) : NULL; l;
	     l = list_next(&state.all, l))
		probe_now(LIST_ITEM(l, struct destination, dead));
}

void
dead_probe_for(struct slot *slot)
{
	for (const struct parked *p = &slot->parked; p; p = p->next)
		if (feedback_dead(&p->at->feedback) && p->at->feedback.probe_at > now())
			probe_now(p->at);
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
