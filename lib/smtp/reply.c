/*
 * reply - write and read replies
 *
 * Text comes from anywhere: what is written is always well-formed, what is read is always bounded and
 * printable.
 */
#include "lib/smtp/reply.h"

/* One line of a reply, TEXT already short enough. */
static void
put_line(struct buf *out, int code, char separator, struct str dsn, struct str text)
{
	buf_printf(out, "%03d%c", code, separator);
	if (dsn.len > 0) {
		buf_str(out, dsn);
		buf_putc(out, ' ');
	}
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		buf_putc(out, c == '\t' ? ' ' : c < 32 || c >= 127 ? '?' : c);
	}
	buf_puts(out, "\r\n");
}

/* How much of TEXT goes on a line that has ROOM: all, up to a blank in the second half, or ROOM. */
static size_t
fit(struct str text, size_t room)
{
	size_t blank;

	if (text.len <= room)
		return text.len;
	blank = str_rchr(str_sub(text, 0, room), ' ');
	return blank != STR_NPOS && blank > room / 2 ? blank : room;
}

void
smtp_reply(struct buf *out, int code, struct str dsn, struct str text)
{
	/* "250-", CRLF, and the enhanced code with its blank. */
	size_t room = SMTP_REPLY_LINE_MAX - 6 - (dsn.len > 0 ? dsn.len + 1 : 0);

	if (code < 200 || code > 599)
		code = 451;
	for (size_t lines = 1;; lines++) {
		size_t lf = str_chr(text, '\n'), n;
		struct str line = lf == STR_NPOS ? text : str_sub(text, 0, lf);
		bool last;

		n = fit(line, room);
		line = str_sub(line, 0, n);
		if (n == lf || (n < text.len && text.data[n] == ' '))
			n++;
		text = str_from(text, n);
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		last = text.len == 0 || lines == SMTP_REPLY_LINES_MAX;
		put_line(out, code, last ? ' ' : '-', dsn, line);
		if (last)
			return;
	}
}

void
smtp_replyf(struct buf *out, int code, const char *dsn, const char *format, ...)
{
	struct buf text = {0};
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	smtp_reply(out, code, str_c(dsn), buf_view(&text));
	buf_free(&text);
}

void
smtp_reply_text(struct buf *out, struct str text, int code, const char *dsn)
{
	char enhanced[DSN_TEXT_SIZE];
	struct dsn_split split;

	dsn_split(text, &split);
	if (split.code == 0)
		split.code = code;
	if (split.dsn.class == 0)
		dsn_parse(str_c(dsn), &split.dsn, NULL);
	enhanced[0] = '\0';
	if (split.dsn.class != 0) {
		/* An enhanced code has the class of its reply; those of 3yz have none. */
		split.dsn.class = (unsigned char)(split.code / 100);
		if (split.dsn.class != 3)
			dsn_text(&split.dsn, enhanced);
	}
	smtp_reply(out, split.code, str_c(enhanced), split.text);
}

/* --- Reading -------------------------------------------------------------------------------- */

static bool
parse_code(struct str line, int *code)
{
	for (size_t i = 0; i < 3; i++)
		if (i >= line.len || line.data[i] < '0' || line.data[i] > '9')
			return false;
	*code = (line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 + (line.data[2] - '0');
	return *code >= 200 && *code <= 599 &&
	    (line.len == 3 || line.data[3] == ' ' || line.data[3] == '-');
}

static void
add_text(struct buf *text, struct str s)
{
	for (size_t i = 0; i < s.len && text->len < SMTP_REPLY_TEXT_MAX; i++) {
		char c = s.data[i];

		buf_putc(text, c < 32 || c >= 127 ? (c == '\t' ? ' ' : '?') : c);
	}
}

enum smtp_reply_status
smtp_reply_line(struct smtp_reply *r, struct str line)
{
	struct str text, rest;
	struct dsn dsn;
	bool first;
	int code;

	if (!parse_code(line, &code) || r->lines >= SMTP_REPLY_READ_MAX)
		return SMTP_REPLY_BAD;
	first = code != r->code;
	if (first)
		r->dsn = (struct dsn){0};
	r->more = line.len > 3 && line.data[3] == '-';
	r->code = code;
	text = str_trim_end(str_from(line, 4));
	/* A code of another class than the reply's means nothing (RFC 2034 section 4): it is text. */
	if ((first || r->dsn.class != 0) && dsn_parse(text, &dsn, &rest) &&
	    dsn.class == code / 100) {
		if (first)
			r->dsn = dsn;
		text = rest;
	}
	if (r->lines++ > 0 && r->text.len < SMTP_REPLY_TEXT_MAX)
		buf_putc(&r->text, '\n');
	add_text(&r->text, text);
	return r->more ? SMTP_REPLY_MORE : SMTP_REPLY_DONE;
}

void
smtp_reply_reset(struct smtp_reply *r)
{
	r->code = 0;
	r->dsn = (struct dsn){0};
	buf_reset(&r->text);
	r->lines = 0;
	r->more = false;
}

void
smtp_reply_free(struct smtp_reply *r)
{
	smtp_reply_reset(r);
	buf_free(&r->text);
}

void
smtp_reply_join(const struct smtp_reply *r, struct buf *out)
{
	char enhanced[DSN_TEXT_SIZE];

	buf_printf(out, "%03d", r->code);
	if (r->dsn.class != 0) {
		dsn_text(&r->dsn, enhanced);
		buf_printf(out, " %s", enhanced);
	}
	if (r->text.len > 0)
		buf_putc(out, ' ');
	for (size_t i = 0; i < r->text.len; i++)
		buf_putc(out, r->text.data[i] == '\n' ? ' ' : r->text.data[i]);
}
