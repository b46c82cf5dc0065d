/*
 * buf - a growable byte buffer
 *
 * Doubles when full, so that adding byte by byte stays linear. A size that does not fit in memory ends
 * the process: callers hold their limits before they add.
 */
#include "lib/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

/* The smallest piece of memory asked for: most addresses and replies fit. */
#define BUF_FIRST 64

void
buf_init(struct buf *b)
{
	*b = (struct buf){NULL, 0, 0};
}

void
buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b);
}

void
buf_wipe(struct buf *b)
{
	mem_wipe(b->data, b->cap);
	buf_free(b);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap;

	if (!checked_add(b->len, n, &need))
		log_panic("a buffer of %zu bytes cannot grow by %zu", b->len, n);
	if (need > b->cap || !b->data) {
		if (!checked_mul(b->cap, 2, &cap) || cap < need)
			cap = need;
		if (cap < BUF_FIRST)
			cap = BUF_FIRST;
		b->data = mem_resize(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void
buf_append(struct buf *b, const void *data, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), data, n);
	b->len += n;
}

void
buf_str(struct buf *b, struct str s)
{
	buf_append(b, s.data, s.len);
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void
buf_putc(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->len++;
}

void
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	buf_vprintf(b, format, ap);
	va_end(ap);
}

void
buf_vprintf(struct buf *b, const char *format, va_list ap)
{
	va_list again;
	size_t room;
	int n;

	va_copy(again, ap);
	buf_reserve(b, 1);
	room = b->cap - b->len;
	n = vsnprintf(b->data + b->len, room, format, ap);
	if (n < 0)
		log_panic("the format \"%s\" cannot be printed", format);
	if ((size_t)n >= room) {
		/* One byte more for the NUL that vsnprintf() sets, and that does not count. */
		buf_reserve(b, (size_t)n + 1);
		vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
	}
	va_end(again);
	b->len += (size_t)n;
}

void
buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

void
buf_truncate(struct buf *b, size_t len)
{
	if (len < b->len)
		b->len = len;
}

struct str
buf_view(const struct buf *b)
{
	return str_n(b->data, b->len);
}

const char *
buf_cstr(struct buf *b)
{
	*buf_reserve(b, 1) = '\0';
	return b->data;
}

char *
buf_take(struct buf *b)
{
	char *data;

	buf_cstr(b);
	data = b->data;
	buf_init(b);
	return data;
}
