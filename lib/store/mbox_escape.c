/*
 * mbox_escape - see mbox_escape.h. Looks at each byte once; a NUL is a byte like any other.
 */
#include "lib/store/mbox_escape.h"

#include <string.h>

static const struct str mark = {"From ", 5};

/* At the start of a line: goes on comparing. Returns how many bytes of IN were taken. */
static size_t
compare(struct mbox_escape *e, struct str in, struct buf *out)
{
	size_t n = 0;

	while (n < in.len && e->matched < mark.len && in.data[n] == mark.data[e->matched]) {
		e->matched++;
		n++;
	}
	if (n == in.len && e->matched < mark.len)
		return n;
	if (e->matched == mark.len)
		buf_putc(out, '>');
	buf_append(out, mark.data, e->matched);
	e->matched = 0;
	e->in_line = true;
	return n;
}

void
mbox_escape(struct mbox_escape *e, struct str in, struct buf *out)
{
	while (in.len > 0) {
		const char *lf;
		size_t n;

		if (!e->in_line)
			in = str_from(in, compare(e, in, out));
		if (in.len == 0)
			return;
		lf = memchr(in.data, '\n', in.len);
		n = lf ? (size_t)(lf - in.data) + 1 : in.len;
		buf_append(out, in.data, n);
		e->in_line = lf == NULL;
		in = str_from(in, n);
	}
}

void
mbox_escape_end(struct mbox_escape *e, struct buf *out)
{
	buf_append(out, mark.data, e->matched);
	if (e->in_line || e->matched > 0)
		buf_putc(out, '\n');
	e->matched = 0;
	e->in_line = false;
}
