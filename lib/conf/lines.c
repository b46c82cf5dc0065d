/*
 * lines - the logical lines of main.cf and master.cf
 *
 * Trusts nothing in the text; one pass, and memory of one logical line.
 */
#include "lib/conf/lines.h"

/* The physical line at the front of REST, without its end; and the text behind it. */
static struct str
first_line(struct str rest, struct str *behind)
{
	size_t end = str_chr(rest, '\n');

	*behind = end == STR_NPOS ? STR_EMPTY : str_from(rest, end + 1);
	return str_sub(rest, 0, end);
}

static bool
is_nothing(struct str line)
{
	struct str s = str_trim(line);

	return s.len == 0 || s.data[0] == '#';
}

static bool
is_continuation(struct str line)
{
	return line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
}

bool
conf_lines_next(struct conf_lines *l, struct buf *text)
{
	bool begun = false;

	buf_reset(text);
	while (l->rest.len > 0) {
		struct str behind;
		struct str line = first_line(l->rest, &behind);

		if (!is_nothing(line)) {
			if (begun && !is_continuation(line))
				return true;
			if (begun)
				buf_putc(text, ' ');
			else
				l->first = l->read + 1;
			buf_str(text, begun ? str_trim(line) : str_trim_end(line));
			begun = true;
			l->last = l->read + 1;
		}
		l->rest = behind;
		l->read++;
	}
	return begun;
}
