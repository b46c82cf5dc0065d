/* overdue - processes that do not come up, or do not end, are ended. */
#include <signal.h>

#include "lib/base/log.h"
#include "master/master.h"

/* A process that has not reported by then hangs. */
#define START_MS 120000
/* A single program that was told to end keeps its successor from starting. */
#define DRAIN_MS 60000

static void
end(struct master_child *c, const char *why)
{
	log_warning("process %s pid %ld %s: killed", c->path, (long)c->pid, why);
	c->killed = true;
	kill(c->pid, SIGKILL);
}

void
overdue_check(struct master *m, int64_t now)
{
	if (m->phase != PHASE_RUNNING)
		return;
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->killed)
			continue;
		if (!c->status.ready && !c->ordered_end && now - c->started >= START_MS)
			end(c, "has not come up in time");
		else if (c->single && c->ordered_end && now - c->drained >= DRAIN_MS)
			end(c, "has not ended in time");
	}
}

int64_t
overdue_next(const struct master *m)
{
	int64_t next = INT64_MAX;

	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		const struct master_child *c = LIST_ITEM(l, struct master_child, link);
		int64_t due = INT64_MAX;

		if (c->killed)
			continue;
		if (!c->status.ready && !c->ordered_end)
			due = c->started + START_MS;
		else if (c->single && c->ordered_end)
			due = c->drained + DRAIN_MS;
		if (due < next)
			next = due;
	}
	return next;
}
