/*
 * internal - what the files of lib/fiber share; nobody else includes it
 *
 * The only state outside of fibers is one static struct in each file that needs one.
 */
#ifndef POSTKEEP_FIBER_INTERNAL_H
#define POSTKEEP_FIBER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/base/list.h"
#include "lib/fiber/fiber.h"

#pragma GCC visibility push(hidden)

enum fiber_state {
	FIBER_STATE_READY,   /* in a list of the scheduler */
	FIBER_STATE_RUNNING, /* the current one */
	FIBER_STATE_WAITING, /* for fiber_ready() */
	FIBER_STATE_DONE,    /* its function has returned */
};

/* Lies at the top of its own stack, so an idle fiber costs one page. */
struct fiber {
	void *sp;                  /* context, while it does not run */
	struct list_link link;     /* in the ready list, a wait queue, or the pool of stacks */
	struct fiber_waitq *queue; /* the wait queue it stands in, or NULL */
	enum fiber_state state;
	enum fiber_result result; /* of the wait that ended */
	bool canceled;
	bool uncancelable;       /* the present wait goes on in spite of fiber_cancel() */
	bool dirty;              /* in the sweeper's list: its stack may have pages to give back */
	fiber_deadline deadline; /* of the present wait; FIBER_FOREVER when there is none */
	int64_t since;           /* begin of the present wait */
	size_t timeout_slot;     /* place in the heap of timeouts + 1; 0: not there */
	struct list_link dirty_link;
	const char *name;
	void (*fn)(void *arg);
	void *arg;
	char *stack_low;
	void *fake_stack; /* AddressSanitizer's */
	unsigned valgrind_id;
};

/* scheduler.c */
uv_loop_t *fiber_loop(void); /* set up on first use */
/* Makes the caller wait until fiber_ready(); DEADLINE may end it. Who ended it says how. */
enum fiber_result fiber_block(struct fiber *self, fiber_deadline deadline);
/* Ends F's wait, if it is waiting: takes it from its wait queue and lets it run with RESULT. */
void fiber_ready(struct fiber *f, enum fiber_result result);
/* Lets those run first that are ready in this turn. */
void fiber_pass(void);

/* stack.c */
struct fiber *fiber_stack_get(void);
void fiber_stack_put(struct fiber *f);
size_t fiber_stack_size(void);
/* Gives back the pages below F's stack pointer. */
void fiber_stack_trim(struct fiber *f);
enum sweep_result {
	SWEEP_DONE,  /* nothing left to give back */
	SWEEP_LATER, /* something may be given back when more time has passed */
	SWEEP_MORE,  /* something can be given back now */
};
/* Gives back what unused stacks hold, at most MAX of them. */
enum sweep_result fiber_stack_trim_pool(size_t max);

/* timeout.c */
void fiber_timeout_set(struct fiber *f, fiber_deadline deadline);
void fiber_timeout_forget(struct fiber *f);
/* Ends the waits whose deadlines have come. */
void fiber_timeout_expire(fiber_deadline now);

/* sweep.c */
void fiber_sweep_add(struct fiber *f);
void fiber_sweep_forget(struct fiber *f);
/* There may be something to give back soon. */
void fiber_sweep_wake(void);

/* watchdog.c */
void fiber_turn_begin(void);
void fiber_turn_end(const char *last, unsigned runs);

#pragma GCC visibility pop

#endif
