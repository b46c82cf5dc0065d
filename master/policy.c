/*
 * policy - when a process is started, and how many
 *
 *   kept          the log writer and the queue manager always run
 *   single        never two, not even while one ends
 *   event-driven  one carries many sessions: a second, up to the number of cores, when all are busy;
 *                 more than that only as long as fewer sessions are open than a process limit of one
 *                 session each would allow
 *   others        one session each, up to the process limit
 *
 * A process is started when a client waits and nobody is free: master polls the socket only then.
 */
#include <string.h>

#include "master/master.h"

/* From this load (percent of a core) of all its processes on a service gets one more. */
#define BUSY_LOAD 70

struct census {
	int alive, serving, starting;
	unsigned sessions, free, least_load;
};

bool
policy_logger(const struct plan_service *s)
{
	return s->program && strcmp(s->program->name, "postlogd") == 0;
}

bool
policy_kept(const struct plan_service *s)
{
	return policy_logger(s) || (s->program && strcmp(s->program->name, "qmgr") == 0);
}

bool
child_serving(const struct master_child *c)
{
	return c->status_fd >= 0 && !c->ordered_end && !c->status.leaving;
}

static struct census
count(const struct master *m, const struct master_service *s)
{
	struct census n = {.least_load = 100};

	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		const struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->service != s)
			continue;
		n.alive++;
		if (!child_serving(c))
			continue;
		n.serving++;
		if (!c->status.ready) {
			n.starting++;
			continue;
		}
		n.sessions += c->status.sessions;
		n.free += c->status.free;
		if (c->status.load < n.least_load)
			n.least_load = c->status.load;
	}
	return n;
}

/* A single program's line may have changed: its last process need not belong to this service any more. */
static bool
predecessor_alive(const struct master *m, const struct master_service *s)
{
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		const struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->single && strcmp(c->path, s->plan->path) == 0)
			return true;
	}
	return false;
}

static bool
at_limit(const struct master *m, const struct master_service *s, const struct census *n)
{
	int limit = s->plan->maxproc;

	if (!s->plan->event_driven)
		return limit > 0 && n->alive >= limit;
	if (limit > 0 && n->serving >= limit)
		return true;
	return n->serving >= m->cores && limit > 0 && n->sessions >= (unsigned)limit;
}

enum policy_want
policy_want(const struct master *m, const struct master_service *s, int64_t now)
{
	struct census n;

	if (m->phase != PHASE_RUNNING || now < s->not_before)
		return POLICY_NOTHING;
	if (s->plan->single && predecessor_alive(m, s))
		return POLICY_NOTHING;
	n = count(m, s);
	if (n.starting > 0 || at_limit(m, s, &n))
		return POLICY_NOTHING;
	if (n.serving == 0 && (s->kept || s->wakeup_pending))
		return POLICY_START;
	if (n.free == 0)
		return POLICY_POLL;
	if (s->plan->event_driven && n.least_load >= BUSY_LOAD && n.serving < m->cores)
		return POLICY_START;
	return POLICY_NOTHING;
}
