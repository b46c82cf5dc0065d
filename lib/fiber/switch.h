/*
 * switch - from one stack to another
 *
 * One of switch_x86_64.S, switch_aarch64.S and switch_ucontext.c, chosen by configure. What a function
 * call must preserve is kept on the stack that is left; a context is a pointer to it.
 */
#ifndef POSTKEEP_FIBER_SWITCH_H
#define POSTKEEP_FIBER_SWITCH_H

#include "config.h"

/* Bytes below a context's pointer that may still be in use: the red zone, frames of swapcontext(). */
#ifdef FIBER_SWITCH_UCONTEXT
#define FIBER_SWITCH_MARGIN 2048
#else
#define FIBER_SWITCH_MARGIN 128
#endif

#pragma GCC visibility push(hidden)

/* A context on the stack from LOW to TOP that calls ENTRY(ARG), which must not return. */
void *fiber_context(void *low, void *top, void (*entry)(void *arg), void *arg);
/* Leaves the present context, whose pointer goes to *FROM, and goes on in TO. */
void fiber_switch(void **from, void *to);

#pragma GCC visibility pop

#endif
