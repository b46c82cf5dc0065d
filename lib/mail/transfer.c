/*
 * transfer - quoted-printable and base64 in pieces of any size
 */
#include "lib/mail/transfer.h"

#include "lib/base/base64.h"

#define QUOTED_COLUMNS 75 /* of 76: one is for the "=" of a soft line break */

void
transfer_encoder_init(struct transfer_encoder *e, enum transfer_encoding encoding)
{
	*e = (struct transfer_encoder){.encoding = encoding};
}

/* --- quoted-printable ----------------------------------------------------------------------- */

/* N characters of a word that must not be broken. */
static void
quoted_word(struct transfer_encoder *e, const char *word, size_t n, struct buf *out)
{
	if (e->column + n > QUOTED_COLUMNS) {
		buf_puts(out, "=\r\n");
		e->column = 0;
	}
	buf_append(out, word, n);
	e->column += n;
}

static void
quoted_escape(struct transfer_encoder *e, unsigned char c, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";
	const char word[3] = {'=', digits[c >> 4], digits[c & 15]};

	quoted_word(e, word, 3, out);
}

/* What was held turns out to stand before C, or (AT_END) at the end of a line. */
static void
quoted_release(struct transfer_encoder *e, bool at_end, struct buf *out)
{
	for (size_t i = 0; i < e->n_held; i++) {
		unsigned char c = e->held[i];
		char plain = (char)c;

		if (c == '\r' || (at_end && i + 1 == e->n_held))
			quoted_escape(e, c, out);
		else
			quoted_word(e, &plain, 1, out);
	}
	e->n_held = 0;
}

static void
quoted_byte(struct transfer_encoder *e, unsigned char c, struct buf *out)
{
	char plain = (char)c;

	if (c == '\n' && e->n_held > 0 && e->held[e->n_held - 1] == '\r') {
		e->n_held--;
		quoted_release(e, true, out);
		buf_puts(out, "\r\n");
		e->column = 0;
		return;
	}
	/* White space is held for a line end behind it, and a CR behind that. */
	if (c != '\r' || e->n_held != 1 || e->held[0] == '\r')
		quoted_release(e, false, out);
	if (c == ' ' || c == '\t' || c == '\r')
		e->held[e->n_held++] = c;
	else if (c == '=' || c < 32 || c > 126)
		quoted_escape(e, c, out);
	else
		quoted_word(e, &plain, 1, out);
}

/* --- base64 --------------------------------------------------------------------------------- */

static void
base64_line(struct transfer_encoder *e, struct buf *out)
{
	if (e->n_line == 0)
		return;
	base64_encode(str_n(e->line, e->n_line), out);
	buf_puts(out, "\r\n");
	e->n_line = 0;
}

static void
base64_put(struct transfer_encoder *e, unsigned char c, struct buf *out)
{
	e->line[e->n_line++] = (char)c;
	if (e->n_line == sizeof e->line)
		base64_line(e, out);
}

/* The last line end is held, since it may be the delimiter's. */
static void
base64_byte(struct transfer_encoder *e, unsigned char c, struct buf *out)
{
	bool joins = c == '\n' && e->n_held == 1 && e->held[0] == '\r';

	for (size_t i = 0; !joins && i < e->n_held; i++)
		base64_put(e, e->held[i], out);
	if (!joins)
		e->n_held = 0;
	if (c == '\r' || c == '\n')
		e->held[e->n_held++] = c;
	else
		base64_put(e, c, out);
}

/* --- Both ----------------------------------------------------------------------------------- */

void
transfer_encode(struct transfer_encoder *e, struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (e->encoding == TRANSFER_QUOTED)
			quoted_byte(e, (unsigned char)in.data[i], out);
		else
			base64_byte(e, (unsigned char)in.data[i], out);
	}
}

void
transfer_encode_end(struct transfer_encoder *e, bool delimited, struct buf *out)
{
	/* What is the delimiter's: CR LF, or LF alone. */
	bool ends = e->n_held > 0 && e->held[e->n_held - 1] == '\n';

	if (e->encoding == TRANSFER_QUOTED) {
		quoted_release(e, true, out);
		return;
	}
	for (size_t i = 0; i < e->n_held && !(delimited && ends); i++)
		base64_put(e, e->held[i], out);
	e->n_held = 0;
	base64_line(e, out);
}
