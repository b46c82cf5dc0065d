/*
 * lines - line ends of files and of the wire
 *
 * Works line by line with memchr; costs one look at each byte.
 */
#include <string.h>

#include "lib/mail/lines.h"

void
lines_to_wire(struct lines *l, struct str in, struct buf *out)
{
	const char *p = in.data, *end = in.data + in.len, *lf;

	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		bool cr = lf > p ? lf[-1] == '\r' : l->cr;

		buf_append(out, p, (size_t)(lf - p));
		buf_append(out, cr ? "\n" : "\r\n", cr ? 1 : 2);
		p = lf + 1;
		l->cr = false;
	}
	if (p < end) {
		buf_append(out, p, (size_t)(end - p));
		l->cr = end[-1] == '\r';
	}
}

void
lines_to_local(struct lines *l, struct str in, struct buf *out)
{
	const char *p = in.data, *end = in.data + in.len, *cr;

	if (p < end && l->held) {
		if (*p != '\n')
			buf_putc(out, '\r');
		l->held = false;
	}
	while (p < end && (cr = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		buf_append(out, p, (size_t)(cr - p));
		p = cr + 1;
		if (p == end)
			l->held = true;
		else if (*p != '\n')
			buf_putc(out, '\r');
	}
	if (p < end)
		buf_append(out, p, (size_t)(end - p));
}

void
lines_end(struct lines *l, struct buf *out)
{
	if (l->held)
		buf_putc(out, '\r');
	l->held = false;
}
