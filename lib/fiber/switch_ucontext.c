/*
 * switch_ucontext - the switch where there is no assembly for the processor
 *
 * A context is a ucontext_t on the stack that is left. Slower than the others by two system calls, for
 * swapcontext() keeps the signal mask.
 */
#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#include "lib/base/log.h"
#include "lib/fiber/switch.h"

struct start {
	ucontext_t context; /* first: the context pointer points here */
	void (*entry)(void *arg);
	void *arg;
};

/* makecontext() passes int arguments only, so the pointer comes in two halves. */
static void
begin(unsigned high, unsigned low)
{
	struct start *s = (struct start *)(((uintptr_t)high << 16 << 16) | low);

	s->entry(s->arg);
	abort();
}

void *
fiber_context(void *low, void *top, void (*entry)(void *arg), void *arg)
{
	uintptr_t at = ((uintptr_t)top - sizeof(struct start)) & ~(uintptr_t)63;
	struct start *s = (struct start *)at;

	if (getcontext(&s->context) != 0)
		log_panic("getcontext failed");
	s->entry = entry;
	s->arg = arg;
	s->context.uc_stack.ss_sp = low;
	s->context.uc_stack.ss_size = at - (uintptr_t)low;
	s->context.uc_link = NULL;
	makecontext(
	    &s->context, (void (*)(void))begin, 2, (unsigned)(at >> 16 >> 16), (unsigned)at);
	return s;
}

void
fiber_switch(void **from, void *to)
{
	ucontext_t here;

	*from = &here;
	if (swapcontext(&here, to) != 0)
		log_panic("swapcontext failed");
}
