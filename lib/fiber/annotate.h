/*
 * annotate - tells AddressSanitizer and Valgrind about stacks
 *
 * Nothing in an ordinary build, but for a few instructions per new stack where Valgrind's header was
 * found.
 */
#ifndef POSTKEEP_FIBER_ANNOTATE_H
#define POSTKEEP_FIBER_ANNOTATE_H

#include "config.h"

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define ANNOTATE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ANNOTATE_ASAN 1
#endif
#endif

#ifdef ANNOTATE_ASAN

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

/* Before a switch to the stack at LOW. FAKE: where to keep the left one's state; NULL: it ends. */
static inline void
annotate_leave(void **fake, const void *low, size_t size)
{
	__sanitizer_start_switch_fiber(fake, low, size);
}

/* After a switch. FAKE: what annotate_leave() kept; *LOW and *SIZE: the stack that was left. */
static inline void
annotate_arrive(void *fake, const void **low, size_t *size)
{
	__sanitizer_finish_switch_fiber(fake, low, size);
}

/* A stack is about to be used (again). */
static inline void
annotate_fresh(const void *low, size_t size)
{
	__asan_unpoison_memory_region(low, size);
}

/* Pointers on fibers' stacks keep memory from counting as leaked. */
static inline void
annotate_root(const void *low, size_t size)
{
	__lsan_register_root_region(low, size);
}

static inline void
annotate_unroot(const void *low, size_t size)
{
	__lsan_unregister_root_region(low, size);
}

#else

static inline void
annotate_leave(void **fake, const void *low, size_t size)
{
	(void)fake;
	(void)low;
	(void)size;
}

static inline void
annotate_arrive(void *fake, const void **low, size_t *size)
{
	(void)fake;
	(void)low;
	(void)size;
}

static inline void
annotate_fresh(const void *low, size_t size)
{
	(void)low;
	(void)size;
}

static inline void
annotate_root(const void *low, size_t size)
{
	(void)low;
	(void)size;
}

static inline void
annotate_unroot(const void *low, size_t size)
{
	(void)low;
	(void)size;
}

#endif

#ifdef HAVE_VALGRIND_VALGRIND_H

#include <valgrind/valgrind.h>

static inline unsigned
annotate_stack_new(const void *low, const void *top)
{
	return VALGRIND_STACK_REGISTER(low, top);
}

static inline void
annotate_stack_gone(unsigned id)
{
	VALGRIND_STACK_DEREGISTER(id);
}

#else

static inline unsigned
annotate_stack_new(const void *low, const void *top)
{
	(void)low;
	(void)top;
	return 0;
}

static inline void
annotate_stack_gone(unsigned id)
{
	(void)id;
}

#endif

#endif
