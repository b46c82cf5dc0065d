/*
 * stream_memory - streams over memory, for tests and fuzzing
 */
#include <string.h>

#include "lib/fiber/stream_internal.h"

static ssize_t
memory_read(void *ctx, void *data, size_t n, int *wait_for)
{
	struct stream *s = ctx;

	(void)wait_for;
	if (n > s->memory_in.len)
		n = s->memory_in.len;
	if (n > 0)
		memcpy(data, s->memory_in.data, n);
	s->memory_in = str_from(s->memory_in, n);
	return (ssize_t)n;
}

static ssize_t
memory_write(void *ctx, const void *data, size_t n, int *wait_for)
{
	struct stream *s = ctx;

	(void)wait_for;
	if (s->memory_out)
		buf_append(s->memory_out, data, n);
	return (ssize_t)n;
}

static void
memory_close(void *ctx)
{
	(void)ctx;
}

static const struct stream_io memory_io = {memory_read, memory_write, memory_close};

struct stream *
stream_memory(struct str input, struct buf *output)
{
	struct stream *s = stream_new(&memory_io);

	s->memory_in = input;
	s->memory_out = output;
	return s;
}
