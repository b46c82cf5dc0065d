/*
 * dots - the dot stream
 *
 * Decoder: most content is runs of clean lines, which are found with memchr and copied whole; a small
 * state machine takes over wherever a line begins with a dot or a CR or LF stands alone. Line begins
 * come in two kinds, after CRLF and after a bare LF, because only the first may lead to the end.
 */
#include <string.h>

#include "lib/smtp/dots.h"

enum state {
	LINE,      /* at the start of a line, after CRLF */
	LINE_BARE, /* at the start of a line, after a bare LF */
	TEXT,      /* within a line */
	TEXT_CR,   /* a CR within a line, not yet written */
	DOT,       /* a dot after LINE, dropped */
	DOT_BARE,  /* a dot after LINE_BARE, dropped */
	DOT_CR,    /* LINE, dot, CR */
	DOT_CR_BARE,
};

void
dots_init(struct dots *d, enum dots_mode mode)
{
	*d = (struct dots){.mode = mode, .state = LINE};
}

void
dots_init_plain(struct dots *d, enum dots_mode mode)
{
	*d = (struct dots){.mode = mode, .plain = true, .state = LINE};
}

/* May a dot on the line in this state end the message? */
static bool
may_end(const struct dots *d, bool bare)
{
	return !bare || d->mode == DOTS_LF_IS_CRLF;
}

/* An LF without CR; BARE: the line (so far empty but for a dot) began after another of those. */
static void
bare_lf(struct dots *d, bool dot, bool bare, struct buf *out)
{
	d->bare_lf = true;
	if (d->mode == DOTS_REJECT) {
		buf_putc(out, '\n');
		d->state = TEXT;
		return;
	}
	if (dot && d->mode == DOTS_LF_IS_CRLF && may_end(d, bare)) {
		d->ended = true;
		return;
	}
	buf_puts(out, "\r\n");
	d->state = LINE_BARE;
}

/* A CR that no LF followed goes out as it came. */
static void
bare_cr(struct dots *d, struct buf *out)
{
	d->bare_cr = true;
	buf_putc(out, '\r');
}

/* The byte C anywhere but in a clean run; false: look at C again in the new state. */
static bool
slow_byte(struct dots *d, char c, struct buf *out)
{
	bool bare = d->state == LINE_BARE || d->state == DOT_BARE || d->state == DOT_CR_BARE;
	bool dot = d->state == DOT || d->state == DOT_BARE;

	switch ((enum state)d->state) {
	case LINE:
	case LINE_BARE:
		if (c == '.' && !d->plain) {
			d->state = bare ? DOT_BARE : DOT;
			return true;
		}
		/* fall through */
	case TEXT:
	case DOT:
	case DOT_BARE:
		if (c == '\n') {
			bare_lf(d, dot, bare, out);
		} else if (c == '\r') {
			d->state = !dot ? TEXT_CR : bare ? DOT_CR_BARE : DOT_CR;
		} else {
			buf_putc(out, c);
			d->state = TEXT;
		}
		return true;
	case TEXT_CR:
	case DOT_CR:
	case DOT_CR_BARE:
		if (c != '\n') {
			bare_cr(d, out);
			d->state = TEXT;
			return false;
		}
		if (d->state != TEXT_CR && may_end(d, bare)) {
			d->ended = true;
		} else {
			buf_puts(out, "\r\n");
			d->state = LINE;
		}
		return true;
	}
	return true;
}

/*
 * A piece of the stream. lf is the first LF at or after p, or end: it is kept so that no byte is
 * searched twice, however many CRs stand before it.
 */
struct piece {
	const char *p, *lf, *end;
};

/* The next CR or LF of the piece, or its end. */
static const char *
next_break(struct piece *in)
{
	const char *cr;

	if (in->lf < in->p) {
		in->lf = memchr(in->p, '\n', (size_t)(in->end - in->p));
		if (!in->lf)
			in->lf = in->end;
	}
	cr = memchr(in->p, '\r', (size_t)(in->lf - in->p));
	return cr ? cr : in->lf;
}

static struct piece
piece(struct str in)
{
	/* No LF is known yet: one before the start makes next_break() look. */
	struct piece piece = {in.data, NULL, in.data + in.len};

	return piece;
}

/*
 * Moves over the longest run of clean lines: whole lines with CRLF, none of which begins with a dot,
 * with no other CR or LF; then over what follows of a line up to its CR or LF.
 */
static void
clean_run(struct dots *d, struct piece *in)
{
	while (in->p < in->end) {
		const char *stop;

		if (d->state != TEXT && *in->p == '.' && !d->plain)
			return;
		stop = next_break(in);
		if (stop == in->end || *stop == '\n' || stop + 1 != in->lf || in->lf == in->end) {
			if (stop > in->p)
				d->state = TEXT;
			in->p = stop;
			return;
		}
		in->p = in->lf + 1;
		d->state = LINE;
	}
}

size_t
dots_decode(struct dots *d, struct str in, struct buf *out)
{
	struct piece rest = piece(in);

	while (rest.p < rest.end && !d->ended) {
		if (d->state == LINE || d->state == TEXT || d->state == LINE_BARE) {
			const char *start = rest.p;

			clean_run(d, &rest);
			if (rest.p > start)
				buf_append(out, start, (size_t)(rest.p - start));
		}
		if (rest.p < rest.end && slow_byte(d, *rest.p, out))
			rest.p++;
	}
	d->consumed += (uint64_t)(rest.p - in.data);
	return (size_t)(rest.p - in.data);
}

void
dots_finish_plain(struct dots *d, struct buf *out)
{
	if (d->state == TEXT_CR)
		bare_cr(d, out);
	d->state = TEXT;
}

/* --- Encoder -------------------------------------------------------------------------------- */

void
dots_encoder_init(struct dots_encoder *e, size_t line_max)
{
	/* Room for a character after the blank of a continued line, at least. */
	*e = (struct dots_encoder){.line_max = line_max > 0 && line_max < 16 ? 16 : line_max};
}

void
dots_encoder_init_plain(struct dots_encoder *e, size_t line_max)
{
	dots_encoder_init(e, line_max);
	e->plain = true;
}

/* Text without CR and LF. */
static void
put_text(struct dots_encoder *e, const char *p, size_t n, struct buf *out)
{
	if (n > 0 && e->column == 0 && *p == '.' && !e->plain)
		buf_putc(out, '.');
	while (e->line_max > 0 && n > 0 && e->column + n > e->line_max) {
		size_t room = e->column < e->line_max ? e->line_max - e->column : 0;

		/* A UTF-8 character is not broken, if it begins here. */
		for (size_t back = 0;
		     back < 3 && room > 1 && ((unsigned char)p[room] & 0xc0) == 0x80; back++)
			room--;
		buf_append(out, p, room);
		buf_puts(out, "\r\n ");
		e->broke = true;
		e->column = 1;
		p += room;
		n -= room;
	}
	buf_append(out, p, n);
	e->column += n;
}

static void
put_crlf(struct dots_encoder *e, struct buf *out)
{
	buf_puts(out, "\r\n");
	e->column = 0;
}

void
dots_encode(struct dots_encoder *e, struct str in, struct buf *out)
{
	struct piece rest = piece(in);

	while (rest.p < rest.end) {
		const char *stop;

		if (e->cr) {
			e->cr = false;
			if (*rest.p == '\n') {
				put_crlf(e, out);
				rest.p++;
				continue;
			}
			put_text(e, " ", 1, out);
		}
		stop = next_break(&rest);
		put_text(e, rest.p, (size_t)(stop - rest.p), out);
		rest.p = stop;
		if (rest.p < rest.end) {
			e->cr = *rest.p == '\r';
			if (!e->cr)
				put_text(e, " ", 1, out);
			rest.p++;
		}
	}
}

void
dots_encode_end(struct dots_encoder *e, struct buf *out)
{
	if (e->cr)
		put_text(e, " ", 1, out);
	e->cr = false;
	if (e->column > 0)
		put_crlf(e, out);
	if (!e->plain)
		buf_puts(out, ".\r\n");
}
