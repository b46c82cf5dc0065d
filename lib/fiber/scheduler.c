/*
 * scheduler - which fiber runs
 *
 * The loop stays on the process's own stack: it asks libuv for events, whose callbacks make fibers
 * ready, goes to the first of these, and sleeps when none is left. A fiber that waits goes to the next
 * ready one directly. A fiber that is woken runs in the same turn, so fibers that work for each other
 * do so without a system call in between; one that yields comes back in the next turn, after events
 * were looked at.
 */
#include "lib/fiber/annotate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/fiber/internal.h"
#include "lib/fiber/switch.h"

/* A turn runs each fiber that was ready at its begin, and so many more: those they wake. */
#define EXTRA_RUNS 1000
#define TURN_END_MAX 4

static struct {
	bool initialized;
	bool turning; /* fiber_main() runs: the loop's clock is fresh */
	int64_t now;  /* the loop's clock, for the fibers of this turn */
	bool stop;
	struct fiber *first; /* the process ends with it */
	struct fiber *current;
	void *loop_sp;
	struct list ready;   /* run in this turn */
	struct list yielded; /* run in the next one */
	size_t count;
	unsigned runs; /* of this turn */
	unsigned runs_max;
	const char *last;    /* name of the last one that ran */
	struct fiber *ended; /* to be cleared away by who runs next */
	bool from_loop;      /* the present switch leaves the loop's stack */
	void (*turn_end[TURN_END_MAX])(void);
	unsigned turn_ends;
	const void *loop_stack; /* for AddressSanitizer */
	size_t loop_stack_size;
	void *loop_fake_stack;
	uv_loop_t uv;
} sched;

/* libuv aborts when there are no descriptors for its first pipe: that must be told in words. */
static int
try_pipe(void)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return uv_translate_sys_error(errno);
	io_close(&fds[0]);
	io_close(&fds[1]);
	return 0;
}

uv_loop_t *
fiber_loop(void)
{
	int err;

	if (sched.initialized)
		return &sched.uv;
	err = try_pipe();
	if (err == 0)
		err = uv_loop_init(&sched.uv);
	if (err != 0)
		log_fatal("cannot set up the event loop: %s", uv_strerror(err));
	list_init(&sched.ready);
	list_init(&sched.yielded);
	sched.initialized = true;
	return &sched.uv;
}

int64_t
fiber_now(void)
{
	if (sched.current)
		return sched.now;
	return sched.turning ? (int64_t)uv_now(&sched.uv) : clock_mono_ms();
}

fiber_deadline
fiber_after(int64_t ms)
{
	int64_t now = fiber_now();

	return ms >= FIBER_FOREVER - now ? FIBER_FOREVER : now + ms;
}

struct fiber *
fiber_self(void)
{
	return sched.current;
}

bool
fiber_running(void)
{
	return sched.current != NULL;
}

size_t
fiber_count(void)
{
	return sched.count;
}

static void
reap(struct fiber *f)
{
	fiber_timeout_forget(f);
	fiber_sweep_forget(f);
	fiber_stack_put(f);
	sched.count--;
	if (f == sched.first)
		sched.first = NULL;
}

/* Makes the next ready fiber the current one; NULL when it is the loop's turn. */
static struct fiber *
next_ready(void)
{
	struct fiber *f = NULL;

	if (sched.runs < sched.runs_max && !list_empty(&sched.ready)) {
		f = LIST_ITEM(list_shift(&sched.ready), struct fiber, link);
		f->state = FIBER_STATE_RUNNING;
		sched.runs++;
		sched.last = f->name;
		/* Its successor's stack is likely to be cold. */
		__builtin_prefetch(sched.ready.ends.next);
	}
	sched.current = f;
	return f;
}

/* First thing on a stack that was switched to. FAKE: AddressSanitizer's, of this stack. */
static void
arrive(void *fake)
{
	const void *low = NULL;
	size_t size = 0;

	annotate_arrive(fake, &low, &size);
	if (sched.from_loop) {
		sched.loop_stack = low;
		sched.loop_stack_size = size;
		sched.from_loop = false;
	}
	if (sched.ended) {
		reap(sched.ended);
		sched.ended = NULL;
	}
}

/* From the current fiber to the next ready one, or to the loop. */
static void
leave(struct fiber *f)
{
	struct fiber *next = next_ready();
	void **fake = f->state == FIBER_STATE_DONE ? NULL : &f->fake_stack;

	if (next)
		annotate_leave(fake, next->stack_low, fiber_stack_size());
	else
		annotate_leave(fake, sched.loop_stack, sched.loop_stack_size);
	fiber_switch(&f->sp, next ? next->sp : sched.loop_sp);
	arrive(f->fake_stack);
}

/* From the loop to the ready fibers, until none is left or this turn has taken long enough. */
static void
run_ready(void)
{
	struct fiber *first;

	sched.runs = 0;
	sched.runs_max = (unsigned)sched.ready.count + EXTRA_RUNS;
	sched.last = "none";
	first = next_ready();
	if (!first)
		return;
	sched.from_loop = true;
	annotate_leave(&sched.loop_fake_stack, first->stack_low, fiber_stack_size());
	fiber_switch(&sched.loop_sp, first->sp);
	arrive(sched.loop_fake_stack);
}

static void
begin(void *arg)
{
	struct fiber *f = arg;

	arrive(NULL);
	f->fn(f->arg);
	f->state = FIBER_STATE_DONE;
	sched.ended = f;
	leave(f);
}

struct fiber *
fiber_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
	struct fiber *f;

	fiber_loop();
	f = fiber_stack_get();
	f->name = name;
	f->fn = fn;
	f->arg = arg;
	f->deadline = FIBER_FOREVER;
	f->sp = fiber_context(f->stack_low, f, begin, f);
	f->state = FIBER_STATE_READY;
	list_append(&sched.ready, &f->link);
	sched.count++;
	return f;
}

enum fiber_result
fiber_block(struct fiber *self, fiber_deadline deadline)
{
	self->state = FIBER_STATE_WAITING;
	self->since = sched.now;
	self->deadline = deadline;
	if (deadline != FIBER_FOREVER)
		fiber_timeout_set(self, deadline);
	if (!self->dirty)
		fiber_sweep_add(self);
	leave(self);
	return self->result;
}

void
fiber_ready(struct fiber *f, enum fiber_result result)
{
	if (f->state != FIBER_STATE_WAITING)
		return;
	if (f->queue) {
		list_remove(&f->queue->waiters, &f->link);
		f->queue = NULL;
	}
	f->state = FIBER_STATE_READY;
	f->result = result;
	f->deadline = FIBER_FOREVER;
	list_append(&sched.ready, &f->link);
}

void
fiber_yield(void)
{
	struct fiber *f = sched.current;

	f->state = FIBER_STATE_READY;
	list_append(&sched.yielded, &f->link);
	leave(f);
}

void
fiber_pass(void)
{
	struct fiber *f = sched.current;

	/* A switch from a stack to itself is none. */
	if (list_empty(&sched.ready))
		return;
	f->state = FIBER_STATE_READY;
	list_append(&sched.ready, &f->link);
	leave(f);
}

enum fiber_result
fiber_sleep(int64_t ms)
{
	struct fiber *f = sched.current;

	if (f->canceled)
		return FIBER_CANCELED;
	if (ms > 0)
		return fiber_block(f, fiber_after(ms));
	fiber_yield();
	return f->canceled ? FIBER_CANCELED : FIBER_TIMEOUT;
}

void
fiber_cancel(struct fiber *f)
{
	f->canceled = true;
	if (!f->uncancelable)
		fiber_ready(f, FIBER_CANCELED);
}

bool
fiber_canceled(void)
{
	return sched.current && sched.current->canceled;
}

void
fiber_waitq_init(struct fiber_waitq *q)
{
	list_init(&q->waiters);
}

enum fiber_result
fiber_wait(struct fiber_waitq *q, fiber_deadline deadline)
{
	struct fiber *f = sched.current;

	if (f->canceled)
		return FIBER_CANCELED;
	if (deadline <= sched.now)
		return FIBER_TIMEOUT;
	f->queue = q;
	list_append(&q->waiters, &f->link);
	return fiber_block(f, deadline);
}

void
fiber_wake_one(struct fiber_waitq *q)
{
	struct list_link *l = list_first(&q->waiters);

	if (l)
		fiber_ready(LIST_ITEM(l, struct fiber, link), FIBER_OK);
}

void
fiber_wake_all(struct fiber_waitq *q)
{
	while (!list_empty(&q->waiters))
		fiber_wake_one(q);
}

void
fiber_at_turn_end(void (*fn)(void))
{
	if (sched.turn_ends == TURN_END_MAX)
		log_panic("fiber_at_turn_end: more than %d functions", TURN_END_MAX);
	sched.turn_end[sched.turn_ends++] = fn;
}

void
fiber_stop(void)
{
	sched.stop = true;
}

static void
run_turn(void)
{
	bool busy = !list_empty(&sched.ready) || !list_empty(&sched.yielded);

	uv_run(&sched.uv, busy ? UV_RUN_NOWAIT : UV_RUN_ONCE);
	sched.now = (int64_t)uv_now(&sched.uv);
	fiber_turn_begin();
	/* After the events: what came in time, though seen late, is no timeout. */
	fiber_timeout_expire(sched.now);
	list_append_all(&sched.ready, &sched.yielded);
	run_ready();
	for (unsigned i = 0; i < sched.turn_ends; i++)
		sched.turn_end[i]();
	fiber_turn_end(sched.last, sched.runs);
}

void
fiber_main(void (*fn)(void *arg), void *arg)
{
	fiber_loop();
	signal(SIGPIPE, SIG_IGN);
	sched.stop = false;
	sched.turning = true;
	uv_update_time(&sched.uv);
	sched.first = fiber_spawn("main", fn, arg);
	while (sched.first && !sched.stop)
		run_turn();
	sched.turning = false;
}
