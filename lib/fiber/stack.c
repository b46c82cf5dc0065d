/*
 * stack - memory for fibers
 *
 * A stack is a mapping with a guard below it; the struct fiber lies at its top. Stacks of ended fibers
 * are used again, the warmest first. The sweeper gives back what they hold when they are not needed.
 */
#define _GNU_SOURCE
#include "lib/fiber/annotate.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/fiber/internal.h"
#include "lib/fiber/switch.h"

#define STACK_SIZE ((size_t)256 * 1024)
/*
 * Code that was not built with -fstack-clash-protection could step over one page. A multiple of every
 * usual page size up to 16 KiB; larger pages make it one page.
 */
#define GUARD_SIZE ((size_t)16 * 1024)
/* Unused stacks that are kept when they have not been wanted for a while. */
#define POOL_KEEP 32

static struct {
	struct list pool; /* the warmest first */
	size_t page;
	size_t guard;
} stacks;

static void
stacks_init(void)
{
	list_init(&stacks.pool);
	stacks.page = (size_t)sysconf(_SC_PAGESIZE);
	stacks.guard = GUARD_SIZE > stacks.page ? GUARD_SIZE : stacks.page;
}

size_t
fiber_stack_size(void)
{
	return STACK_SIZE;
}

static struct fiber *
stack_map(void)
{
	size_t size = stacks.guard + STACK_SIZE;
	char *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	struct fiber *f;
	char *low;

	if (base == MAP_FAILED || mprotect(base, stacks.guard, PROT_NONE) != 0)
		log_fatal("no memory for the stack of a fiber: %s", strerror(errno));
	low = base + stacks.guard;
	f = (struct fiber *)(void *)(low + STACK_SIZE - ((sizeof(*f) + 63) & ~(size_t)63));
	f->stack_low = low;
	f->valgrind_id = annotate_stack_new(low, low + STACK_SIZE - 1);
	annotate_root(low, STACK_SIZE);
	return f;
}

static void
stack_unmap(struct fiber *f)
{
	char *low = f->stack_low;

	annotate_stack_gone(f->valgrind_id);
	annotate_unroot(low, STACK_SIZE);
	if (munmap(low - stacks.guard, stacks.guard + STACK_SIZE) != 0)
		log_panic("munmap of a stack: %s", strerror(errno));
}

/* A struct fiber of which only the fields about its stack are set, the rest zero. */
struct fiber *
fiber_stack_get(void)
{
	struct list_link *l;
	struct fiber *f, blank = {0};

	if (stacks.page == 0)
		stacks_init();
	l = list_shift(&stacks.pool);
	f = l ? LIST_ITEM(l, struct fiber, link) : stack_map();
	blank.stack_low = f->stack_low;
	blank.valgrind_id = f->valgrind_id;
	annotate_fresh(f->stack_low, STACK_SIZE);
	*f = blank;
	return f;
}

void
fiber_stack_put(struct fiber *f)
{
	f->dirty = true;
	f->since = fiber_now();
	list_prepend(&stacks.pool, &f->link);
	fiber_sweep_wake();
}

/* Gives back the whole pages of [LOW, END). */
static void
give_back(char *low, const char *end)
{
	size_t n = (size_t)(end - low) & ~(stacks.page - 1);

	if (n > 0 && madvise(low, n, MADV_DONTNEED) != 0)
		log_warning("madvise of a stack: %s", strerror(errno));
}

void
fiber_stack_trim(struct fiber *f)
{
	const char *end = (const char *)f->sp - FIBER_SWITCH_MARGIN;

	if (end > f->stack_low)
		give_back(f->stack_low, end);
}

enum sweep_result
fiber_stack_trim_pool(size_t max)
{
	struct list_link *l, *before;

	if (stacks.page == 0)
		return SWEEP_DONE;
	for (l = stacks.pool.count ? stacks.pool.ends.prev : NULL; l && max > 0;
	     l = before, max--) {
		struct fiber *f = LIST_ITEM(l, struct fiber, link);

		before = l->prev == &stacks.pool.ends ? NULL : l->prev;
		if (fiber_now() - f->since < 1000)
			return SWEEP_LATER;
		if (stacks.pool.count > POOL_KEEP) {
			list_remove(&stacks.pool, l);
			stack_unmap(f);
		} else if (f->dirty) {
			give_back(f->stack_low, (char *)f);
			f->dirty = false;
		}
	}
	return l ? SWEEP_MORE : SWEEP_DONE;
}
