/*
 * cache - see cache.h
 *
 * One fiber looks after the ends: it sleeps until the oldest connection's time is up. Saying QUIT may take
 * its time, so each has a fiber for that.
 */
#include "smtp/cache.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"

struct cache {
	struct list idle; /* struct connection, in the order in which their time ends */
	struct fiber_waitq changed;
	bool sweeping;
	bool freed; /* the sweeper ends it */
};

struct cache *
cache_new(void)
{
	struct cache *cache = MEM_NEW(struct cache);

	list_init(&cache->idle);
	fiber_waitq_init(&cache->changed);
	return cache;
}

static struct connection *
first(const struct cache *cache)
{
	struct list_link *l = list_first(&cache->idle);

	return l ? LIST_ITEM(l, struct connection, link) : NULL;
}

void
cache_free(struct cache **cache)
{
	struct cache *gone = *cache;
	struct connection *c;

	*cache = NULL;
	if (!gone)
		return;
	while ((c = first(gone))) {
		list_remove(&gone->idle, &c->link);
		connection_free(&c);
	}
	gone->freed = true;
	if (!gone->sweeping)
		free(gone);
	else
		fiber_wake_all(&gone->changed);
}

static void
quit_fiber(void *arg)
{
	struct connection *c = arg;

	connection_quit(&c);
}

static void
let_go(struct cache *cache, struct connection *c)
{
	list_remove(&cache->idle, &c->link);
	fiber_spawn("quit", quit_fiber, c);
}

/* Lives as long as there is something to look after. */
static void
sweep(void *arg)
{
	struct cache *cache = arg;
	struct connection *c;

	while (!cache->freed && (c = first(cache))) {
		if (c->idle_until <= fiber_now())
			let_go(cache, c);
		else if (fiber_wait(&cache->changed, c->idle_until) == FIBER_CANCELED)
			break;
	}
	cache->sweeping = false;
	if (cache->freed)
		free(cache);
}

static bool
usable(const struct connection *c)
{
	const struct settings *st = c->st;

	return st->cache_ms > 0 && c->broken == STREAM_OK && !c->closing && !c->once &&
	    stream_buffered(c->stream) == 0 && fiber_now() < c->reuse_until &&
	    (st->reuse_count == 0 || c->uses <= (uint64_t)st->reuse_count);
}

void
cache_put(struct cache *cache, struct connection **c)
{
	struct connection *idle = *c;

	*c = NULL;
	if (!usable(idle)) {
		connection_quit(&idle);
		return;
	}
	idle->idle_until = fiber_after(idle->st->cache_ms);
	list_append(&cache->idle, &idle->link);
	if (cache->idle.count > CACHE_MAX)
		let_go(cache, first(cache));
	if (!cache->sweeping) {
		cache->sweeping = true;
		fiber_spawn("connection cache", sweep, cache);
	}
}

/* Nothing was asked, so nothing may have come: a goodbye, or an answer too many. */
static bool
is_quiet(const struct connection *c)
{
	return stream_get_fd(c->stream) < 0 || !stream_readable(c->stream);
}

struct connection *
cache_take(struct cache *cache, enum cache_label by, struct str label)
{
	struct list_link *before;

	/* The one that was used last: its server is the least likely to have lost patience. */
	for (struct list_link *l = cache->idle.ends.prev; label.len > 0 && l != &cache->idle.ends;
	     l = before) {
		struct connection *c = LIST_ITEM(l, struct connection, link);

		before = l->prev;
		if (!str_eq(by == CACHE_DESTINATION ? c->destination : c->endpoint, label))
			continue;
		list_remove(&cache->idle, l);
		if (is_quiet(c))
			return c;
		connection_free(&c);
	}
	return NULL;
}

bool
cache_empty(const struct cache *cache)
{
	return cache->idle.count == 0;
}

void
cache_clear(struct cache *cache)
{
	struct connection *c;

	while ((c = first(cache)))
		let_go(cache, c);
}
