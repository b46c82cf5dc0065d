/*
 * mem - allocation that does not fail
 *
 * Ends the process when there is no memory. What is asked for here was bounded by the caller.
 */
#include "lib/base/mem.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"

void *
mem_alloc(size_t n)
{
	return mem_array(1, n);
}

void *
mem_array(size_t count, size_t size)
{
	/* Never 0 bytes: calloc() may answer that with NULL. */
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		log_fatal("out of memory: cannot get %zu objects of %zu bytes", count, size);
	return p;
}

void *
mem_resize(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		log_fatal("out of memory: cannot get %zu bytes", n);
	return q;
}

char *
mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(mem_alloc(n), s, n);
}

void
mem_give_back(size_t keep)
{
	if (mallinfo2().fordblks > keep)
		malloc_trim(keep);
}

void
mem_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}
