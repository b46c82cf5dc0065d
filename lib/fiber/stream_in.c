/*
 * stream_in - buffered reading
 *
 * The buffer goes back to the pool before a wait with nothing in it. A read is tried before waiting
 * only when the last one filled its room (there may be more) or when another layer, which has buffers
 * of its own, was put in; otherwise waiting first saves a read that finds nothing.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lib/fiber/stream_internal.h"

size_t
stream_buffered(const struct stream *s)
{
	return s->in_end - s->in_start;
}

void
stream_release_input(struct stream *s)
{
	if (s->in)
		stream_pool_put(s->in, s->in_cap);
	s->in = NULL;
	s->in_cap = s->in_start = s->in_end = s->in_scanned = 0;
}

void
stream_drop_input(struct stream *s)
{
	stream_release_input(s);
	s->in_more = false;
}

static void
consume(struct stream *s, size_t n)
{
	s->in_start += n;
	s->in_scanned = 0;
}

/* Makes the buffer hold at least SIZE bytes from in_start on, and have room for one more at least. */
static void
make_room(struct stream *s, size_t size)
{
	size_t have = s->in_end - s->in_start;
	size_t cap = size > STREAM_SMALL ? STREAM_LARGE : STREAM_SMALL;
	char *old = s->in;

	if (cap < s->in_cap && have > 0)
		cap = s->in_cap;
	if (s->in_cap != cap) {
		s->in = stream_pool_get(cap);
		if (have > 0)
			memcpy(s->in, old + s->in_start, have);
		if (old)
			stream_pool_put(old, s->in_cap);
		s->in_cap = cap;
	} else if (s->in_start > 0 && (have == 0 || s->in_start + size > cap)) {
		memmove(s->in, s->in + s->in_start, have);
	} else {
		return;
	}
	s->in_start = 0;
	s->in_end = have;
}

/*
 * After many reads in a row without a wait, which is where a deadline is looked at: it holds for who sends
 * without end, too.
 */
static enum stream_status
in_time(const struct stream *s)
{
	if (s->streak > 0 || s->fd_in < 0)
		return STREAM_OK;
	if (fiber_canceled())
		return STREAM_CANCELED;
	return fiber_now() < s->deadline ? STREAM_OK : STREAM_TIMEOUT;
}

/* One read into DATA, waiting until it is possible. *GOT is at least 1 with STREAM_OK. */
static enum stream_status
read_raw(struct stream *s, void *data, size_t room, fiber_deadline *until, size_t *got)
{
	int wait_for = FIBER_READ;
	enum stream_status status;
	ssize_t n;

	*got = 0;
	stream_breathe(s);
	status = in_time(s);
	if (status != STREAM_OK)
		return status;
	n = s->io->read(s->ctx, data, room, &wait_for);
	if (n > 0) {
		s->bytes_in += (size_t)n;
		s->in_more = (size_t)n == room;
		s->streak += (unsigned)((size_t)n / STREAM_SMALL);
		*got = (size_t)n;
		return STREAM_OK;
	}
	if (n == 0)
		return STREAM_EOF;
	if (errno != EAGAIN) {
		s->error = errno;
		return STREAM_ERROR;
	}
	s->in_more = false;
	if (s->in_start == s->in_end)
		stream_release_input(s);
	return stream_wait_for(s, wait_for, until);
}

static bool
try_first(const struct stream *s)
{
	return s->in_more || s->io != s->base || s->fd_in < 0;
}

/* Waits for the descriptor, unless trying is the better way to find out. */
static enum stream_status
wait_before_read(struct stream *s, fiber_deadline *until)
{
	if (try_first(s))
		return STREAM_OK;
	if (s->in_start == s->in_end)
		stream_release_input(s);
	return stream_wait_for(s, FIBER_READ, until);
}

/* Reads more behind what is buffered, so that in the end SIZE bytes fit. */
static enum stream_status
fill(struct stream *s, size_t size, fiber_deadline *until)
{
	enum stream_status status = wait_before_read(s, until);
	size_t got = 0;

	while (status == STREAM_OK && got == 0) {
		make_room(s, size);
		status = read_raw(s, s->in + s->in_end, s->in_cap - s->in_end, until, &got);
	}
	if (status == STREAM_OK)
		s->in_end += got;
	else
		s->in_status = status;
	return status;
}

enum stream_status
stream_read_line(struct stream *s, size_t max, struct str *line)
{
	fiber_deadline until = 0;

	*line = STR_EMPTY;
	if (max > STREAM_LARGE)
		max = STREAM_LARGE;
	if (s->in_status != STREAM_OK)
		return s->in_status;
	for (;;) {
		size_t have = stream_buffered(s), window = have < max ? have : max;
		const char *start = s->in ? s->in + s->in_start : "", *lf = NULL;

		if (window > s->in_scanned)
			lf = memchr(start + s->in_scanned, '\n', window - s->in_scanned);
		if (lf || have >= max) {
			*line = str_n(start, lf ? (size_t)(lf - start) + 1 : max);
			consume(s, line->len);
			return lf ? STREAM_OK : STREAM_TOO_LONG;
		}
		s->in_scanned = window;
		if (fill(s, max, &until) != STREAM_OK)
			break;
	}
	if (s->in_status == STREAM_EOF && stream_buffered(s) > 0) {
		*line = str_n(s->in + s->in_start, stream_buffered(s));
		consume(s, line->len);
	}
	return s->in_status;
}

enum stream_status
stream_read_some(struct stream *s, size_t max, struct str *chunk)
{
	fiber_deadline until = 0;
	size_t n;

	*chunk = STR_EMPTY;
	if (s->in_status != STREAM_OK)
		return s->in_status;
	if (stream_buffered(s) == 0) {
		/* A full buffer last time means a fast sender: fewer and larger reads. */
		size_t size = s->in_more && max > STREAM_SMALL ? STREAM_LARGE : STREAM_SMALL;
		enum stream_status status = fill(s, size, &until);

		if (status != STREAM_OK)
			return status;
	}
	n = stream_buffered(s) < max ? stream_buffered(s) : max;
	*chunk = str_n(s->in + s->in_start, n);
	consume(s, n);
	return STREAM_OK;
}

/* The same for a read past the buffer, into DATA; *GOT may be 0. */
static enum stream_status
read_past_buffer(struct stream *s, void *data, size_t n, fiber_deadline *until, size_t *got)
{
	enum stream_status status = wait_before_read(s, until);

	*got = 0;
	if (status == STREAM_OK)
		status = read_raw(s, data, n, until, got);
	s->in_status = status;
	return status;
}

enum stream_status
stream_read_exact(struct stream *s, void *data, size_t n)
{
	fiber_deadline until = 0;
	char *to = data;

	while (s->in_status == STREAM_OK && n > 0) {
		size_t have = stream_buffered(s), got = have < n ? have : n;

		if (have > 0) {
			memcpy(to, s->in + s->in_start, got);
			consume(s, got);
		} else if (n < STREAM_SMALL) {
			fill(s, STREAM_SMALL, &until);
		} else {
			read_past_buffer(s, to, n, &until, &got);
		}
		to += got;
		n -= got;
	}
	return s->in_status;
}

enum stream_status
stream_peek(struct stream *s, size_t n, struct str *view)
{
	fiber_deadline until = 0;
	enum stream_status status = s->in_status;

	if (n > STREAM_LARGE) {
		s->error = EMSGSIZE;
		status = STREAM_ERROR;
	}
	while (status == STREAM_OK && stream_buffered(s) < n)
		status = fill(s, n, &until);
	*view = s->in ? str_n(s->in + s->in_start, stream_buffered(s)) : STR_EMPTY;
	return status;
}

void
stream_skip(struct stream *s, size_t n)
{
	consume(s, n < stream_buffered(s) ? n : stream_buffered(s));
}

/* A read that does not wait. */
static void
read_ahead(struct stream *s)
{
	int wait_for = FIBER_READ;
	ssize_t n;

	make_room(s, 1);
	n = s->io->read(s->ctx, s->in, s->in_cap, &wait_for);
	if (n > 0) {
		s->bytes_in += (size_t)n;
		s->in_more = (size_t)n == s->in_cap;
		s->in_end = (size_t)n;
	} else if (n == 0) {
		s->in_status = STREAM_EOF;
	} else if (errno != EAGAIN) {
		s->error = errno;
		s->in_status = STREAM_ERROR;
	}
	if (n <= 0)
		stream_release_input(s);
}

bool
stream_readable(struct stream *s)
{
	struct pollfd p = {.fd = s->fd_in, .events = POLLIN};

	if (stream_buffered(s) > 0 || s->in_status != STREAM_OK)
		return true;
	if (s->io == s->base && s->fd_in >= 0)
		return poll(&p, 1, 0) > 0;
	read_ahead(s);
	return stream_buffered(s) > 0 || s->in_status != STREAM_OK;
}
