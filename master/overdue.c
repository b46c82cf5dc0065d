/* overdue - processes that do not come up, or do not end, are ended. */
#include <signal.h>

#include "lib/base/log.h"
#include "master/master.h"

/* A process that has not reported by then hangs. */
#define START_MS 120000
/* A single program that is to end keeps its successor from starting; one that says no more is lost. */
#define END_MS 60000

static void
end(struct master_child *c, const char *why)
{
	log_warning("process %s pid %ld %s: killed", c->path, (long)c->pid, why);
	c->killed = true;
	kill(c->pid, SIGKILL);
}

/* When C becomes overdue; INT64_MAX when nothing is expected of it. */
static int64_t
due(const struct master_child *c)
{
	if (c->killed)
		return INT64_MAX;
	if (c->ending > 0 && (c->single || c->status_fd < 0))
		return c->ending + END_MS;
	if (c->ending == 0 && !c->status.ready)
		return c->started + START_MS;
	return INT64_MAX;
}

void
overdue_check(struct master *m, int64_t now)
{
	if (m->phase != PHASE_RUNNING)
		return;
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->ending == 0 && !child_serving(c))
			c->ending = now;
		if (now >= due(c))
			end(c, c->ending > 0 ? "has not ended in time" : "has not come up in time");
	}
}

int64_t
overdue_next(const struct master *m)
{
	int64_t next = INT64_MAX;

	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		int64_t at = due(LIST_ITEM(l, struct master_child, link));

		if (at < next)
			next = at;
	}
	return next;
}
