/*
 * stream_pool - buffers of streams that have nothing to keep at the moment
 *
 * The first bytes of an unused buffer link it to the next.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/fiber/stream_internal.h"

#define SMALL_KEEP 64
#define LARGE_KEEP 8

struct unused {
	struct unused *next;
};

struct class
{
	struct unused *first;
	unsigned count;
	unsigned keep;
};

static struct {
	struct class small, large;
} pool = {.small.keep = SMALL_KEEP, .large.keep = LARGE_KEEP};

static struct class *
class_of(size_t size)
{
	return size == STREAM_SMALL ? &pool.small : &pool.large;
}

char *
stream_pool_get(size_t size)
{
	struct class *c = class_of(size);
	struct unused *u = c->first;

	if (u) {
		c->first = u->next;
		c->count--;
		return (char *)u;
	}
	u = malloc(size);
	if (!u)
		log_fatal("out of memory for a stream's buffer");
	return (char *)u;
}

void
stream_pool_put(char *data, size_t size)
{
	struct class *c = class_of(size);
	struct unused *u = (struct unused *)(void *)data;

	if (c->count >= c->keep) {
		free(data);
		return;
	}
	u->next = c->first;
	c->first = u;
	c->count++;
}

static void
trim(struct class *c)
{
	while (c->first) {
		struct unused *u = c->first;

		c->first = u->next;
		free(u);
	}
	c->count = 0;
}

void
stream_pool_trim(void)
{
	trim(&pool.small);
	trim(&pool.large);
}
