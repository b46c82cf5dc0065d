/*
 * arena - memory with one lifetime: a session's, a transaction's, a request's
 *
 * Allocation is a pointer bump; nothing is freed singly; the arena is reset or freed whole.
 */
#ifndef POSTKEEP_BASE_ARENA_H
#define POSTKEEP_BASE_ARENA_H

#include <stddef.h>

#include "lib/base/str.h"

struct arena;

/* FIRST: bytes in the first chunk, 0 for the usual 1 KiB; later chunks double, up to 64 KiB. */
struct arena *arena_new(size_t first);
/* Frees everything and sets *A to NULL; NULL is accepted. */
void arena_free(struct arena **a);
/* All allocations are gone; the first chunk is kept. */
void arena_reset(struct arena *a);

/* Zeroed, aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_array(struct arena *a, size_t count, size_t size);
/* A copy, with a NUL behind it that does not count. */
struct str arena_str(struct arena *a, struct str s);
char *arena_cstr(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes handed out since the last reset, for limits. */
size_t arena_used(const struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
