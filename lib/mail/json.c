/*
 * json - see json.h
 */
#include "lib/mail/json.h"

#include "lib/mail/utf8.h"

/* The length of the UTF-8 character at the start of S, 0 if there is none. */
static size_t
utf8_character(struct str s)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++)
		if (utf8_valid(str_sub(s, 0, n)))
			return n;
	return 0;
}

void
json_string(struct buf *out, struct str s)
{
	buf_putc(out, '"');
	while (s.len) {
		unsigned char c = (unsigned char)s.data[0];
		size_t n = utf8_character(s);

		if (n == 0)
			buf_puts(out, "\\ufffd");
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buf_printf(out, "\\u%04x", c);
		else
			buf_append(out, s.data, n);
		s = str_from(s, n ? n : 1);
	}
	buf_putc(out, '"');
}
