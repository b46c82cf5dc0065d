/*
 * input - reading a message as sendmail does; see input.h
 */
#include "sendmail/input.h"

#include <string.h>

/* So much of a line is held back while its end has not come: more than any line that matters whole. */
#define HOLD_MAX 16384

static bool
is_from_line(struct str line)
{
	while (line.len && line.data[0] == '>')
		line = str_from(line, 1);
	return str_starts(line, STR("From "));
}

/* TEXT without its line end: CRs within become spaces. */
static void
write_text(struct str text, struct buf *out)
{
	char *to = buf_reserve(out, text.len + 2);

	for (size_t i = 0; i < text.len; i++)
		to[i] = text.data[i] == '\r' ? ' ' : text.data[i];
	out->len += text.len;
}

static struct str
without_crs(struct str line)
{
	while (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* A line, or (WHOLE false) a piece of one whose end is still to come. */
static void
take_line(struct input *in, struct str line, bool whole, struct buf *out)
{
	if (in->line_ends == LINE_ENDS_STRICT && whole)
		in->line_ends =
		    without_crs(line).len < line.len ? LINE_ENDS_ALWAYS : LINE_ENDS_NEVER;
	if (!in->started && whole && is_from_line(line))
		return;
	in->started = true;
	if (whole && in->line_ends != LINE_ENDS_NEVER)
		line = without_crs(line);
	if (!in->ignore_dots && !in->continued && str_eq(line, STR("."))) {
		in->done = true;
		return;
	}
	write_text(line, out);
	if (whole)
		buf_puts(out, "\r\n");
	in->continued = !whole;
}

/* What has been held back has grown too long: lets go of all but the CRs at its end. */
static void
let_go(struct input *in, struct buf *out)
{
	struct str held = buf_view(&in->line);
	struct str text = without_crs(held);

	if (text.len == 0)
		text = str_sub(held, 0, held.len - 1);
	take_line(in, text, false, out);
	buf_consume(&in->line, text.len);
}

void
input_take(struct input *in, struct str chunk, struct buf *out)
{
	while (chunk.len && !in->done) {
		size_t end = str_chr(chunk, '\n');
		struct str part = str_sub(chunk, 0, end);

		chunk = end == STR_NPOS ? STR_EMPTY : str_from(chunk, end + 1);
		if (end == STR_NPOS) {
			buf_str(&in->line, part);
			if (in->line.len > HOLD_MAX)
				let_go(in, out);
		} else if (in->line.len) {
			buf_str(&in->line, part);
			take_line(in, buf_view(&in->line), true, out);
			buf_reset(&in->line);
		} else {
			take_line(in, part, true, out);
		}
	}
}

void
input_end(struct input *in, struct buf *out)
{
	if (in->done)
		return;
	if (in->line.len)
		take_line(in, buf_view(&in->line), false, out);
	buf_reset(&in->line);
	if (in->continued && !in->done)
		buf_puts(out, "\r\n");
	in->continued = false;
}

void
input_free(struct input *in)
{
	buf_free(&in->line);
}
