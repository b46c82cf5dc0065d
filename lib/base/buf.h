/*
 * buf - a growable byte buffer
 *
 * Plain struct, ready when zeroed (or after buf_init). data is not NUL-terminated unless buf_cstr()
 * was the last call on it. Limits on what strangers send are the caller's: look at len before adding.
 */
#ifndef POSTKEEP_BASE_BUF_H
#define POSTKEEP_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "lib/base/str.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

void buf_init(struct buf *b);
/* Gives the memory back; the buffer is empty and usable again. */
void buf_free(struct buf *b);
/*
 * The same for a secret: what it held is overwritten first. A buffer that grew has left copies behind, so
 * reserve what is needed before the first byte of a secret goes in.
 */
void buf_wipe(struct buf *b);
/* Empties it and keeps the memory. */
void buf_reset(struct buf *b);
/* Room for N more bytes behind len; returns the place to write to. The caller then adds to len. */
char *buf_reserve(struct buf *b, size_t n);

void buf_append(struct buf *b, const void *data, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Drops N bytes at the front (at most all). */
void buf_consume(struct buf *b, size_t n);
void buf_truncate(struct buf *b, size_t len);

/* A view of the content, good until the next change. */
struct str buf_view(const struct buf *b);
/* The content with a NUL behind it (which does not count in len), good until the next change. */
const char *buf_cstr(struct buf *b);
/* Hands the memory over: malloc'ed, NUL-terminated, the caller's to free. The buffer is empty after. */
char *buf_take(struct buf *b);

#endif
