/*
 * group - work of several fibers done by one job in a worker thread
 *
 * Whoever finds room for one more job takes what has come up to then and does it for all; the others wait.
 * So the more comes while a job runs, the larger is the next one. A job's pieces wait for the disk one after
 * another, which is fine while that is quick; the slower it is, the more jobs run at the same time.
 */
#include "lib/fiber/internal.h"

/* One more job at a time for each so long that a piece takes. */
#define SLOW_US 500
/* After so long without a new job the present ones may be stuck: one more is begun beside them. */
#define STUCK_MS 20
#define JOBS_MAX 32
/* Weight of the newest job in the average: one in so many. */
#define MEMORY 8

struct member {
	struct list_link link;
	void *arg;
	struct fiber *fiber;
	bool done;
};

struct batch {
	struct fiber_group *group;
	struct member *members[FIBER_GROUP_MAX];
	void *args[FIBER_GROUP_MAX];
	size_t n;
	int64_t took_us;
};

void
fiber_group_init(
    struct fiber_group *g, enum fiber_pool pool, void (*fn)(void *const *args, size_t n))
{
	*g = (struct fiber_group){.pool = pool, .fn = fn};
	list_init(&g->waiting);
}

static bool
room(const struct fiber_group *g)
{
	int64_t jobs = 1 + g->each_us / SLOW_US;

	if (g->jobs >= JOBS_MAX)
		return false;
	return g->jobs < jobs || fiber_now() - g->begun >= STUCK_MS;
}

/* In a thread. */
static void
work(void *arg)
{
	struct batch *b = arg;
	uint64_t begun = uv_hrtime();

	b->group->fn(b->args, b->n);
	b->took_us = (int64_t)(uv_hrtime() - begun) / 1000;
}

static void
take(struct batch *b, struct member *m)
{
	list_remove(&b->group->waiting, &m->link);
	b->members[b->n] = m;
	b->args[b->n++] = m->arg;
}

/*
 * Does what has come so far, ME, the caller's own piece, always among it: were it left for another job, the
 * end of that one would wake a fiber that waits for this. Waits.
 */
static void
run_batch(struct fiber_group *g, struct member *me)
{
	struct batch b = {.group = g};
	struct list_link *l;

	take(&b, me);
	while (b.n < FIBER_GROUP_MAX && (l = list_first(&g->waiting)))
		take(&b, LIST_ITEM(l, struct member, link));
	g->jobs++;
	g->begun = fiber_now();
	fiber_offload(g->pool, work, &b);
	g->jobs--;
	g->each_us += (b.took_us / (int64_t)b.n - g->each_us) / MEMORY;
	for (size_t i = 0; i < b.n; i++) {
		b.members[i]->done = true;
		fiber_ready(b.members[i]->fiber, FIBER_OK);
	}
	/* The one that has waited longest sees to the next job. */
	l = list_first(&g->waiting);
	if (l)
		fiber_ready(LIST_ITEM(l, struct member, link)->fiber, FIBER_OK);
}

void
fiber_group_run(struct fiber_group *g, void *arg)
{
	struct member me = {.arg = arg, .fiber = fiber_self()};

	list_append(&g->waiting, &me.link);
	/* Who has work in the same turn comes along. */
	if (room(g))
		fiber_pass();
	while (!me.done) {
		if (list_linked(&me.link) && room(g))
			run_batch(g, &me);
		else
			(void)fiber_block(me.fiber, FIBER_FOREVER);
	}
}
