/*
 * arena - memory with one lifetime
 *
 * The arena and its first chunk are one piece of memory; further chunks hang behind it and go at a
 * reset. With AddressSanitizer what is not handed out is poisoned, so that a use after the reset, or
 * behind the end of an allocation, is found.
 */
#include "config.h"

#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

#ifdef POSTKEEP_SANITIZED
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ARENA_FIRST 1024
#define ARENA_CHUNK_MAX 65536
#define ARENA_ALIGN _Alignof(max_align_t)

struct chunk {
	struct chunk *next;
	size_t size; /* bytes of data */
	size_t used;
	_Alignas(max_align_t) char data[];
};

struct arena {
	struct chunk *current; /* newest first; the last one is the first chunk, below */
	size_t handed_out;
	struct chunk first;
};

struct arena *
arena_new(size_t first)
{
	size_t size = first ? first : ARENA_FIRST, total;
	struct arena *a;

	if (!checked_add(size, sizeof(*a), &total))
		log_panic("an arena of %zu bytes is asked for", size);
	a = mem_alloc(total);
	a->first.size = size;
	a->current = &a->first;
	POISON(a->first.data, size);
	return a;
}

static void
drop_chunks(struct arena *a)
{
	while (a->current != &a->first) {
		struct chunk *c = a->current;

		a->current = c->next;
		UNPOISON(c->data, c->size);
		free(c);
	}
}

void
arena_free(struct arena **a)
{
	if (!*a)
		return;
	drop_chunks(*a);
	UNPOISON((*a)->first.data, (*a)->first.size);
	free(*a);
	*a = NULL;
}

void
arena_reset(struct arena *a)
{
	drop_chunks(a);
	a->first.used = 0;
	a->handed_out = 0;
	POISON(a->first.data, a->first.size);
}

/* A new chunk with room for NEED bytes becomes the current one. */
static void
grow(struct arena *a, size_t need)
{
	size_t size = a->current->size, total;
	struct chunk *c;

	size = size < ARENA_CHUNK_MAX / 2 ? size * 2 : ARENA_CHUNK_MAX;
	if (size < need)
		size = need;
	if (!checked_add(size, sizeof(*c), &total))
		log_panic("an arena cannot grow by %zu bytes", need);
	c = mem_resize(NULL, total);
	*c = (struct chunk){.next = a->current, .size = size};
	a->current = c;
	POISON(c->data, size);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t need;
	char *p;

	/* At least one byte, so that every allocation has an address of its own. */
	if (!checked_add(n ? n : 1, ARENA_ALIGN - 1, &need))
		log_panic("%zu bytes of an arena are asked for", n);
	need &= ~(ARENA_ALIGN - 1);
	if (need > a->current->size - a->current->used)
		grow(a, need);
	p = a->current->data + a->current->used;
	a->current->used += need;
	a->handed_out += n;
	UNPOISON(p, n);
	return memset(p, 0, n);
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (!checked_mul(count, size, &n))
		log_panic("%zu objects of %zu bytes of an arena are asked for", count, size);
	return arena_alloc(a, n);
}

char *
arena_cstr(struct arena *a, struct str s)
{
	char *copy;
	size_t n;

	if (!checked_add(s.len, 1, &n))
		log_panic("a text of %zu bytes cannot be copied", s.len);
	copy = arena_alloc(a, n);
	if (s.len)
		memcpy(copy, s.data, s.len);
	return copy;
}

struct str
arena_str(struct arena *a, struct str s)
{
	return (struct str){arena_cstr(a, s), s.len};
}

struct str
arena_printf(struct arena *a, const char *format, ...)
{
	va_list ap, again;
	char *text;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0)
		log_panic("the format \"%s\" cannot be printed", format);
	text = arena_alloc(a, (size_t)n + 1);
	vsnprintf(text, (size_t)n + 1, format, again);
	va_end(again);
	return (struct str){text, (size_t)n};
}

size_t
arena_used(const struct arena *a)
{
	return a->handed_out;
}
