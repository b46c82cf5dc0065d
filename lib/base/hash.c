/*
 * hash - a table from text to pointer
 *
 * Open addressing with linear probing. A deleted entry leaves a mark while something may stand behind
 * it, and nothing ever moves but when a new key makes the table grow: so a walk may delete as it goes.
 */
#include "lib/base/hash.h"

#include <stdint.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"
#include "lib/base/siphash.h"

#define HASH_FIRST 8 /* slots; always a power of two */

/* A slot without a value is free: never used, or left by a deletion. */
#define FREE_NEVER_USED 0
#define FREE_DELETED 1

struct slot {
	char *key; /* malloc'ed */
	size_t len;
	uint64_t hash; /* without a value: one of FREE_… */
	void *value;
};

struct hash {
	uint64_t seed[2];
	struct slot *slots;
	size_t size;    /* number of slots */
	size_t count;   /* slots with a value */
	size_t deleted; /* slots marked as deleted */
};

struct hash *
hash_new(void)
{
	struct hash *h = MEM_NEW(struct hash);

	random_bytes(h->seed, sizeof(h->seed));
	h->size = HASH_FIRST;
	h->slots = mem_array(h->size, sizeof(*h->slots));
	return h;
}

void
hash_free(struct hash **h, void (*drop)(void *value))
{
	if (!*h)
		return;
	for (size_t i = 0; i < (*h)->size; i++) {
		struct slot *s = &(*h)->slots[i];

		if (!s->value)
			continue;
		if (drop)
			drop(s->value);
		free(s->key);
	}
	free((*h)->slots);
	free(*h);
	*h = NULL;
}

size_t
hash_count(const struct hash *h)
{
	return h->count;
}

static bool
is_free(const struct slot *s, uint64_t kind)
{
	return !s->value && s->hash == kind;
}

/* The slot that holds KEY, or NULL. There is always a slot never used, so the search ends. */
static struct slot *
find(const struct hash *h, struct str key, uint64_t hash)
{
	size_t i = hash & (h->size - 1);

	for (;; i = (i + 1) & (h->size - 1)) {
		struct slot *s = &h->slots[i];

		if (is_free(s, FREE_NEVER_USED))
			return NULL;
		if (s->value && s->hash == hash && str_eq((struct str){s->key, s->len}, key))
			return s;
	}
}

/* The first free slot for a key that is not in the table. */
static struct slot *
find_free(const struct hash *h, uint64_t hash)
{
	size_t i = hash & (h->size - 1);

	while (h->slots[i].value)
		i = (i + 1) & (h->size - 1);
	return &h->slots[i];
}

/*
 * Keeps a quarter of the slots never used, so that searches stay short. The new size goes by what is
 * really there: a table full of deletions is only cleaned, one that has emptied gets smaller.
 */
static void
make_room(struct hash *h)
{
	struct slot *old = h->slots;
	size_t old_size = h->size;

	if (h->count + h->deleted + 1 <= h->size / 4 * 3)
		return;
	h->size = HASH_FIRST;
	while (h->count + 1 > h->size / 2)
		h->size *= 2;
	h->slots = mem_array(h->size, sizeof(*h->slots));
	h->deleted = 0;
	for (size_t i = 0; i < old_size; i++)
		if (old[i].value)
			*find_free(h, old[i].hash) = old[i];
	free(old);
}

void *
hash_get(const struct hash *h, struct str key)
{
	struct slot *s = find(h, key, siphash(h->seed, key.data, key.len));

	return s ? s->value : NULL;
}

void *
hash_put(struct hash *h, struct str key, void *value)
{
	uint64_t hash = siphash(h->seed, key.data, key.len);
	struct slot *s = find(h, key, hash);
	void *before;

	if (!value)
		log_panic("a hash table is given no value for a key");
	if (s) {
		before = s->value;
		s->value = value;
		return before;
	}
	make_room(h);
	s = find_free(h, hash);
	if (s->hash == FREE_DELETED)
		h->deleted--;
	*s = (struct slot){str_dup(key), key.len, hash, value};
	h->count++;
	return NULL;
}

/* Marks that no search needs any more, since nothing stands behind them, become free again. */
static void
clear_marks(struct hash *h, size_t i)
{
	if (!is_free(&h->slots[(i + 1) & (h->size - 1)], FREE_NEVER_USED))
		return;
	for (; is_free(&h->slots[i], FREE_DELETED); i = (i - 1) & (h->size - 1)) {
		h->slots[i].hash = FREE_NEVER_USED;
		h->deleted--;
	}
}

void *
hash_del(struct hash *h, struct str key)
{
	struct slot *s = find(h, key, siphash(h->seed, key.data, key.len));
	void *value;

	if (!s)
		return NULL;
	value = s->value;
	free(s->key);
	*s = (struct slot){.hash = FREE_DELETED};
	h->count--;
	h->deleted++;
	clear_marks(h, (size_t)(s - h->slots));
	return value;
}

bool
hash_next(const struct hash *h, size_t *cursor, struct str *key, void **value)
{
	while (*cursor < h->size) {
		const struct slot *s = &h->slots[(*cursor)++];

		if (!s->value)
			continue;
		*key = (struct str){s->key, s->len};
		*value = s->value;
		return true;
	}
	return false;
}
