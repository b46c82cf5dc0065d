/*
 * sweep - gives back memory that nobody has used for a while
 *
 * A fiber that begins to wait comes into the list of dirty ones. A slow timer looks through the list:
 * who has waited for a second loses the pages below the stack pointer and leaves the list, until it
 * has run again. When the list is empty and the pools are small the timer stops, so an idle process
 * sleeps without end. What a crowd of sessions had in buffers goes back to the system too.
 */
#include "lib/base/mem.h"
#include "lib/fiber/internal.h"
#include "lib/fiber/stream_internal.h"

#define WAITED_MS 1000
#define PERIOD_MS 500
/* At most so many stacks at a time, the next after a breath: a turn stays short. */
#define BATCH 512
#define BREATH_MS 20
/* Freed memory that is kept for what comes next; and how often it is looked at while there is work. */
#define MEMORY_KEEP ((size_t)8 << 20)
#define MEMORY_MS 10000

static struct {
	struct list dirty;
	uv_timer_t timer;
	int64_t memory_at; /* when memory was given back last */
	bool initialized;
	bool active;
} sweep;

/* One pass over (at most a batch of) the dirty ones; true if the batch was used up. */
static bool
sweep_fibers(int64_t now)
{
	size_t batch = BATCH;

	for (size_t n = sweep.dirty.count; n > 0; n--) {
		struct list_link *l = list_shift(&sweep.dirty);
		struct fiber *f = LIST_ITEM(l, struct fiber, dirty_link);

		if (f->state != FIBER_STATE_WAITING || now - f->since < WAITED_MS) {
			list_append(&sweep.dirty, l);
			continue;
		}
		fiber_stack_trim(f);
		f->dirty = false;
		if (--batch == 0)
			return true;
	}
	return false;
}

static void
give_back(int64_t now)
{
	sweep.memory_at = now;
	mem_give_back(MEMORY_KEEP);
}

static void
on_timer(uv_timer_t *timer)
{
	int64_t now = (int64_t)uv_now(timer->loop);
	bool more = sweep_fibers(now);
	enum sweep_result pool = fiber_stack_trim_pool(BATCH);

	if (now - sweep.memory_at >= MEMORY_MS)
		give_back(now);
	if (more || pool == SWEEP_MORE) {
		uv_timer_start(timer, on_timer, BREATH_MS, 0);
		return;
	}
	if (!list_empty(&sweep.dirty) || pool == SWEEP_LATER) {
		uv_timer_start(timer, on_timer, PERIOD_MS, 0);
		return;
	}
	stream_pool_trim();
	give_back(now);
	sweep.active = false;
}

void
fiber_sweep_wake(void)
{
	if (sweep.active)
		return;
	if (!sweep.initialized) {
		list_init(&sweep.dirty);
		uv_timer_init(fiber_loop(), &sweep.timer);
		sweep.initialized = true;
	}
	uv_timer_start(&sweep.timer, on_timer, WAITED_MS, 0);
	sweep.active = true;
}

void
fiber_sweep_add(struct fiber *f)
{
	fiber_sweep_wake();
	f->dirty = true;
	list_append(&sweep.dirty, &f->dirty_link);
}

void
fiber_sweep_forget(struct fiber *f)
{
	if (f->dirty)
		list_remove(&sweep.dirty, &f->dirty_link);
	f->dirty = false;
}
