/*
 * cache - answers that are kept
 *
 * Until their TTL has passed, or until there are too many or they are too large: then the one that was used
 * least recently goes. An answer larger than a sixty-fourth of the whole is not kept.
 */
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/dns/internal.h"

#define LARGEST_SHARE 64

struct entry {
	struct list_link link; /* the one used last is the first */
	struct arena *arena;
	struct str key;
	size_t bytes;
	int64_t made, until; /* milliseconds */
	struct dns_answer answer;
};

struct dns_cache {
	struct hash *entries;
	struct list by_use;
	size_t max_entries, max_bytes, bytes;
};

struct dns_cache *
dns_cache_new(size_t max_entries, size_t max_bytes)
{
	struct dns_cache *cache = MEM_NEW(struct dns_cache);

	cache->entries = hash_new();
	list_init(&cache->by_use);
	cache->max_entries = max_entries;
	cache->max_bytes = max_bytes;
	return cache;
}

static void
drop(struct dns_cache *cache, struct entry *e)
{
	hash_del(cache->entries, e->key);
	list_remove(&cache->by_use, &e->link);
	cache->bytes -= e->bytes;
	arena_free(&e->arena);
	free(e);
}

void
dns_cache_free(struct dns_cache **cache)
{
	struct list_link *l;

	if (!*cache)
		return;
	while ((l = list_first(&(*cache)->by_use)) != NULL)
		drop(*cache, LIST_ITEM(l, struct entry, link));
	hash_free(&(*cache)->entries, NULL);
	free(*cache);
	*cache = NULL;
}

static void
key_of(struct str name, enum dns_type type, struct buf *key)
{
	buf_printf(key, "%d ", (int)type);
	buf_str(key, name);
}

bool
dns_cache_get(struct dns_cache *cache, struct str name, enum dns_type type, int64_t now,
    struct arena *arena, struct dns_answer *out)
{
	struct buf key = {0};
	struct entry *e;

	key_of(name, type, &key);
	e = hash_get(cache->entries, buf_view(&key));
	buf_free(&key);
	if (!e)
		return false;
	if (e->until <= now) {
		drop(cache, e);
		return false;
	}
	list_remove(&cache->by_use, &e->link);
	list_prepend(&cache->by_use, &e->link);
	dns_answer_copy(&e->answer, (uint32_t)((now - e->made) / 1000), arena, out);
	return true;
}

static size_t
size_of(const struct dns_answer *answer)
{
	size_t bytes = sizeof(struct entry) + answer->canonical.len + answer->why.len;

	for (size_t i = 0; i < answer->n; i++)
		bytes += sizeof(answer->records[i]) + answer->records[i].name.len +
		    answer->records[i].txt.len + answer->records[i].tlsa.data.len;
	return bytes + answer->n * 3 * 16; /* what aligning may add */
}

void
dns_cache_put(struct dns_cache *cache, struct str name, enum dns_type type, int64_t now,
    const struct dns_answer *answer)
{
	size_t bytes = size_of(answer) + 2 * name.len;
	struct buf key = {0};
	struct entry *e;

	if (answer->ttl == 0 || bytes > cache->max_bytes / LARGEST_SHARE)
		return;
	key_of(name, type, &key);
	if ((e = hash_get(cache->entries, buf_view(&key))) != NULL)
		drop(cache, e);
	e = MEM_NEW(struct entry);
	e->arena = arena_new(bytes);
	e->key = arena_str(e->arena, buf_view(&key));
	buf_free(&key);
	dns_answer_copy(answer, 0, e->arena, &e->answer);
	e->bytes = bytes;
	e->made = now;
	e->until = now + (int64_t)answer->ttl * 1000;
	hash_put(cache->entries, e->key, e);
	list_prepend(&cache->by_use, &e->link);
	cache->bytes += bytes;
	while (cache->by_use.count > cache->max_entries || cache->bytes > cache->max_bytes)
		drop(cache, LIST_ITEM(cache->by_use.ends.prev, struct entry, link));
}

size_t
dns_cache_count(const struct dns_cache *cache)
{
	return cache->by_use.count;
}

size_t
dns_cache_bytes(const struct dns_cache *cache)
{
	return cache->bytes;
}
