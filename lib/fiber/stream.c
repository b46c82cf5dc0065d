/*
 * stream - what reading and writing have in common: layers, waits, limits of time
 */
#include "lib/fiber/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/fiber/stream_internal.h"

#define TIMEOUT_MS (5 * 60 * (int64_t)1000)
/* 128 KiB: a few milliseconds of work, whatever is done with the bytes. */
#define STREAK_MAX 16

const char *
stream_status_text(enum stream_status status)
{
	switch (status) {
	case STREAM_OK:
		return "no error";
	case STREAM_EOF:
		return "connection lost";
	case STREAM_TIMEOUT:
		return "timeout";
	case STREAM_TOO_LONG:
		return "line too long";
	case STREAM_ERROR:
		return "input/output error";
	case STREAM_CANCELED:
		return "canceled";
	}
	return "unknown status";
}

struct stream *
stream_new(const struct stream_io *base)
{
	struct stream *s = MEM_NEW(struct stream);

	s->io = s->base = base;
	s->ctx = s;
	s->timeout = TIMEOUT_MS;
	s->deadline = FIBER_FOREVER;
	s->fd_in = s->fd_out = -1;
	s->flags_in = s->flags_out = -1;
	return s;
}

void
stream_close(struct stream **ps)
{
	struct stream *s = *ps;

	if (!s)
		return;
	*ps = NULL;
	if (s->io != s->base && s->io->close)
		s->io->close(s->ctx);
	s->base->close(s);
	stream_release_input(s);
	stream_release_output(s);
	free(s);
}

int
stream_get_fd(const struct stream *s)
{
	return s->fd_in;
}

size_t
stream_set_io(struct stream *s, const struct stream_io *io, void *ctx)
{
	size_t dropped = stream_buffered(s);

	stream_drop_input(s);
	s->io = io;
	s->ctx = ctx;
	return dropped;
}

void
stream_timeout(struct stream *s, int64_t ms)
{
	s->timeout = ms;
}

void
stream_deadline(struct stream *s, fiber_deadline deadline)
{
	s->deadline = deadline;
}

uint64_t
stream_bytes_in(const struct stream *s)
{
	return s->bytes_in;
}

uint64_t
stream_bytes_out(const struct stream *s)
{
	return s->bytes_out;
}

int
stream_errno(const struct stream *s)
{
	return s->error;
}

static fiber_deadline
operation_deadline(const struct stream *s)
{
	fiber_deadline until = s->timeout > 0 ? fiber_after(s->timeout) : FIBER_FOREVER;

	return until < s->deadline ? until : s->deadline;
}

static struct fiber_fd *
waiter(struct stream *s, int events)
{
	if (!s->wait_in) {
		s->wait_in = fiber_fd_new(s->fd_in);
		s->wait_out = s->fd_in == s->fd_out ? s->wait_in : fiber_fd_new(s->fd_out);
	}
	return events & FIBER_WRITE ? s->wait_out : s->wait_in;
}

void
stream_breathe(struct stream *s)
{
	if (++s->streak <= STREAK_MAX || s->fd_in < 0)
		return;
	s->streak = 0;
	fiber_yield();
}

enum stream_status
stream_wait_for(struct stream *s, int events, fiber_deadline *until)
{
	s->streak = 0;
	if (s->fd_in < 0) {
		/* Memory is always ready; a layer over it that has to wait waits for nothing. */
		s->error = EDEADLK;
		return STREAM_ERROR;
	}
	if (*until == 0)
		*until = operation_deadline(s);
	switch (fiber_fd_wait(waiter(s, events), events, *until)) {
	case FIBER_OK:
		return STREAM_OK;
	case FIBER_TIMEOUT:
		return STREAM_TIMEOUT;
	case FIBER_CANCELED:
		break;
	}
	return STREAM_CANCELED;
}

enum stream_status
stream_wait(struct stream *s, int events)
{
	fiber_deadline until = 0;

	return stream_wait_for(s, events, &until);
}
