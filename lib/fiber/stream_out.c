/*
 * stream_out - buffered writing
 *
 * Everything up to a flush goes out in one write where the kernel takes it. A write is tried at once;
 * after a short one the descriptor is waited for.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/fiber/stream_internal.h"

void
stream_release_output(struct stream *s)
{
	if (s->out)
		stream_pool_put(s->out, s->out_cap);
	s->out = NULL;
	s->out_cap = s->out_start = s->out_end = 0;
}

/* Makes the buffer hold SIZE bytes (at most STREAM_LARGE) in all. */
static void
make_room(struct stream *s, size_t size)
{
	size_t cap = size > STREAM_SMALL ? STREAM_LARGE : STREAM_SMALL;
	char *old = s->out;

	if (s->out_cap >= cap)
		return;
	s->out = stream_pool_get(cap);
	if (old) {
		memcpy(s->out, old, s->out_end);
		stream_pool_put(old, s->out_cap);
	}
	s->out_cap = cap;
}

/* Writes DATA, all of it, adding what is done to *DONE. */
static enum stream_status
write_raw(struct stream *s, const char *data, size_t n, size_t *done)
{
	fiber_deadline until = 0;
	enum stream_status status = STREAM_OK;

	stream_breathe(s);
	while (status == STREAM_OK && *done < n) {
		int wait_for = FIBER_WRITE;
		ssize_t w = s->io->write(s->ctx, data + *done, n - *done, &wait_for);

		if (w > 0) {
			s->bytes_out += (size_t)w;
			*done += (size_t)w;
		} else if (w == 0 || errno != EAGAIN) {
			s->error = w == 0 ? EIO : errno;
			status = STREAM_ERROR;
		}
		if (status == STREAM_OK && *done < n)
			status = stream_wait_for(s, wait_for, &until);
	}
	s->out_status = status;
	return status;
}

enum stream_status
stream_flush(struct stream *s)
{
	if (s->out_status != STREAM_OK)
		return s->out_status;
	if (s->out_start == s->out_end)
		return STREAM_OK;
	if (write_raw(s, s->out, s->out_end, &s->out_start) == STREAM_OK)
		stream_release_output(s);
	return s->out_status;
}

enum stream_status
stream_write(struct stream *s, const void *data, size_t n)
{
	const char *from = data;

	while (s->out_status == STREAM_OK && n > 0) {
		size_t room = STREAM_LARGE - s->out_end, part = n < room ? n : room, done = 0;

		if (s->out_end == 0 && n > STREAM_LARGE)
			return write_raw(s, from, n, &done);
		if (room == 0) {
			stream_flush(s);
			continue;
		}
		make_room(s, s->out_end + part);
		memcpy(s->out + s->out_end, from, part);
		s->out_end += part;
		from += part;
		n -= part;
	}
	return s->out_status;
}

enum stream_status
stream_puts(struct stream *s, const char *text)
{
	return stream_write(s, text, strlen(text));
}

enum stream_status
stream_printf(struct stream *s, const char *format, ...)
{
	size_t room;
	va_list ap;
	char *text;
	int n;

	if (s->out_status != STREAM_OK)
		return s->out_status;
	make_room(s, 1);
	room = s->out_cap - s->out_end;
	va_start(ap, format);
	n = vsnprintf(s->out + s->out_end, room, format, ap);
	va_end(ap);
	if (n < 0) {
		s->error = errno;
		s->out_status = STREAM_ERROR;
		return STREAM_ERROR;
	}
	if ((size_t)n < room) {
		s->out_end += (size_t)n;
		return STREAM_OK;
	}
	text = mem_alloc((size_t)n + 1);
	va_start(ap, format);
	vsnprintf(text, (size_t)n + 1, format, ap);
	va_end(ap);
	stream_write(s, text, (size_t)n);
	free(text);
	return s->out_status;
}
