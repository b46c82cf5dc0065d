/*
 * timeout - deadlines of waiting fibers
 *
 * A binary heap over one timer of the loop. Most deadlines are far away and never come, so the heap is
 * lazy: an entry whose key has passed looks at its fiber's deadline then, and a fiber that waits again
 * with a later deadline leaves its entry alone. A wait usually touches neither heap nor timer.
 */
#include "lib/base/mem.h"
#include "lib/fiber/internal.h"

struct entry {
	fiber_deadline key; /* not later than the fiber's deadline */
	struct fiber *fiber;
};

static struct {
	struct entry *heap;
	size_t count;
	size_t cap;
	uv_timer_t timer;
	bool timer_ready;
	fiber_deadline armed; /* when the timer goes off; FIBER_FOREVER: it does not */
} timeouts = {.armed = FIBER_FOREVER};

static void
place(size_t i, struct entry e)
{
	timeouts.heap[i] = e;
	e.fiber->timeout_slot = i + 1;
}

static void
sift_up(size_t i)
{
	struct entry e = timeouts.heap[i];

	for (; i > 0 && timeouts.heap[(i - 1) / 2].key > e.key; i = (i - 1) / 2)
		place(i, timeouts.heap[(i - 1) / 2]);
	place(i, e);
}

static void
sift_down(size_t i)
{
	struct entry e = timeouts.heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < timeouts.count &&
		    timeouts.heap[child + 1].key < timeouts.heap[child].key)
			child++;
		if (child >= timeouts.count || timeouts.heap[child].key >= e.key)
			break;
		place(i, timeouts.heap[child]);
		i = child;
	}
	place(i, e);
}

static void
remove_at(size_t i)
{
	timeouts.heap[i].fiber->timeout_slot = 0;
	timeouts.count--;
	if (i == timeouts.count)
		return;
	place(i, timeouts.heap[timeouts.count]);
	sift_down(i);
	sift_up(i);
}

/* The timer only brings the loop to fiber_timeout_expire(). */
static void
on_timer(uv_timer_t *timer)
{
	timeouts.armed = FIBER_FOREVER;
	/* libuv may be on its way to sleep; now it only looks for events. */
	uv_stop(timer->loop);
}

/* Makes sure that the timer goes off at the first key, or before. */
static void
arm(void)
{
	uv_loop_t *loop = fiber_loop();
	fiber_deadline wait;

	if (timeouts.count == 0 || timeouts.heap[0].key >= timeouts.armed)
		return;
	if (!timeouts.timer_ready) {
		uv_timer_init(loop, &timeouts.timer);
		timeouts.timer_ready = true;
	}
	timeouts.armed = timeouts.heap[0].key;
	wait = timeouts.armed - (fiber_deadline)uv_now(loop);
	uv_timer_start(&timeouts.timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

void
fiber_timeout_set(struct fiber *f, fiber_deadline deadline)
{
	if (f->timeout_slot == 0) {
		if (timeouts.count == timeouts.cap) {
			timeouts.cap = timeouts.cap ? 2 * timeouts.cap : 64;
			timeouts.heap =
			    mem_resize(timeouts.heap, timeouts.cap * sizeof(*timeouts.heap));
		}
		timeouts.heap[timeouts.count] = (struct entry){deadline, f};
		sift_up(timeouts.count++);
	} else if (timeouts.heap[f->timeout_slot - 1].key > deadline) {
		timeouts.heap[f->timeout_slot - 1].key = deadline;
		sift_up(f->timeout_slot - 1);
	} else {
		return;
	}
	arm();
}

void
fiber_timeout_expire(fiber_deadline now)
{
	while (timeouts.count > 0 && timeouts.heap[0].key <= now) {
		struct fiber *f = timeouts.heap[0].fiber;

		if (f->deadline > now && f->deadline != FIBER_FOREVER) {
			timeouts.heap[0].key = f->deadline;
			sift_down(0);
			continue;
		}
		remove_at(0);
		if (f->deadline != FIBER_FOREVER)
			fiber_ready(f, FIBER_TIMEOUT);
	}
	arm();
}

void
fiber_timeout_forget(struct fiber *f)
{
	if (f->timeout_slot != 0)
		remove_at(f->timeout_slot - 1);
}
