/*
 * downgrade - 8-bit content for a server that takes 7-bit alone
 *
 * Everything here is a stranger's. What is kept of it: the header from its first label of an encoding on
 * (at most HELD_MAX and a field), and the beginning of a body (the look-ahead).
 */
#include "lib/mail/downgrade.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/mail/header.h"
#include "lib/mail/transfer.h"
#include "lib/mail/utf8.h"

#define HELD_MAX ((size_t)64 * 1024)
#define LINE_MAX_BYTES 998 /* RFC 5322 section 2.1.1 */
#define DENSE 6            /* one byte of so many: from there on base64 is the shorter one */

enum mode {
	MODE_LOOK,        /* nothing of the leaf has gone on yet */
	MODE_KEEP,        /* stays, byte for byte: is 7-bit, or believed to be */
	MODE_TO_QUOTED,   /* becomes quoted-printable */
	MODE_TO_BASE64,   /* becomes base64 */
	MODE_FIX_QUOTED,  /* is quoted-printable */
	MODE_FIX_BASE64,  /* is base64 */
	MODE_FIX_BETWEEN, /* is no part at all */
	MODE_REFUSE,      /* must be 7-bit already */
};

struct downgrade {
	struct mime_walk *walk;
	size_t look_ahead;
	bool sure; /* it is known to have bytes above 127 */
	const struct mime_events *events;
	void *arg;
	struct buf why;

	struct buf held; /* fields of the header, from the first label on */
	bool labelled;   /* there was a label */
	bool moved;      /* held was too large: it is the first label alone, the rest has gone on */

	enum mode mode;
	struct mime_part part;
	char line[2]; /* the empty line behind the header, not gone on yet */
	size_t line_len;
	struct buf look; /* MODE_LOOK: the body so far */
	struct transfer_encoder encoder;
	struct buf out;
};

static bool
refuse(struct downgrade *d, const char *what)
{
	buf_reset(&d->why);
	buf_printf(&d->why,
	    "5.6.3 The message has 8-bit data in %s, and the server takes 7-bit data only", what);
	return false;
}

/* --- Headers -------------------------------------------------------------------------------- */

static bool
is_label(struct str field)
{
	return str_eq_nocase(
	    str_sub(field, 0, header_name_length(field)), STR("Content-Transfer-Encoding"));
}

/* A field of our own. */
static bool
add_field(struct downgrade *d, const char *field)
{
	return d->events->field(d->arg, d->part.header, str_c(field), true);
}

/*
 * The held fields go on. LABEL, unless it is NULL, takes the place of the first label, and of others
 * there is none; with NULL all stay as they were.
 */
static bool
release(struct downgrade *d, enum mime_header header, const char *label)
{
	struct str rest = buf_view(&d->held);
	struct header_field f;
	bool ok = true;

	while (ok && header_next(&rest, &f)) {
		if (!label || !is_label(f.raw)) {
			ok = d->events->field(d->arg, header, f.raw, true);
		} else if (*label) {
			ok = d->events->field(d->arg, header, str_c(label), true);
			label = "";
		}
	}
	if (ok && label && *label)
		ok = d->events->field(d->arg, header, str_c(label), true);
	buf_reset(&d->held);
	d->labelled = d->moved = false;
	return ok;
}

/* There is too much to be held: all but the first label goes on now. */
static bool
move(struct downgrade *d, enum mime_header header)
{
	struct str rest = buf_view(&d->held);
	struct buf label = {0};
	struct header_field f;
	bool ok = true;

	while (ok && header_next(&rest, &f)) {
		if (!is_label(f.raw))
			ok = d->events->field(d->arg, header, f.raw, true);
		else if (label.len == 0)
			buf_str(&label, f.raw);
	}
	buf_free(&d->held);
	d->held = label;
	d->moved = true;
	return ok;
}

static bool
on_field(void *arg, enum mime_header header, struct str field, bool whole)
{
	struct downgrade *d = arg;
	bool label = whole && is_label(field);

	if (d->moved && label)
		return true;
	if (d->moved || (!d->labelled && !label))
		return d->events->field(d->arg, header, field, whole);
	if (!whole || d->held.len + field.len > HELD_MAX) {
		if (label)
			buf_str(&d->held, field);
		d->labelled = true;
		return move(d, header) && (label || d->events->field(d->arg, header, field, whole));
	}
	d->labelled = true;
	buf_str(&d->held, field);
	return true;
}

/* The header goes on, with LABEL or as it was; so does its empty line. */
static bool
send_header(struct downgrade *d, const char *label)
{
	struct str line = str_n(d->line, d->line_len);

	/* What is changed may look like a field without it. */
	if (label && line.len == 0)
		line = STR("\r\n");
	return release(d, d->part.header, label) && d->events->header_end(d->arg, &d->part, line);
}

/* --- What becomes of a leaf ----------------------------------------------------------------- */

struct looked {
	size_t escapes; /* bytes that quoted-printable would escape */
	bool changes;   /* it cannot stay as it is */
	bool high;      /* there are bytes above 127 */
};

static struct looked
look_at(struct str s)
{
	struct looked l = {0};
	size_t column = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		column = c == '\n' ? 0 : column + 1;
		l.high = l.high || c > 127;
		l.escapes += c > 126 || c == '=' || (c < 32 && c != '\t' && c != '\r' && c != '\n');
		/* The CR of the line end is counted too. */
		l.changes = l.changes || c > 127 || c == 0 || column > LINE_MAX_BYTES + 1;
	}
	return l;
}

/* Is S UTF-8, but for a character that is cut off at its end? */
static bool
is_utf8(struct str s)
{
	size_t n = s.len;

	if (utf8_valid(s))
		return true;
	while (n > 0 && s.len - n < 3 && ((unsigned char)s.data[n - 1] & 0xc0) == 0x80)
		n--;
	return n > 0 && (unsigned char)s.data[n - 1] >= 0xc0 && utf8_valid(str_sub(s, 0, n - 1));
}

/* The fields that make a reader look at the label of the encoding at all. */
static bool
add_types(struct downgrade *d)
{
	if (d->part.header != MIME_HEADER_PART && !d->part.mime_version &&
	    !add_field(d, "MIME-Version: 1.0\r\n"))
		return false;
	if (d->part.typed)
		return true;
	return add_field(d,
	    is_utf8(buf_view(&d->look)) ? "Content-Type: text/plain; charset=utf-8\r\n"
					: "Content-Type: text/plain; charset=unknown-8bit\r\n");
}

static bool
is_labelled_8bit(const struct mime_part *p)
{
	return p->transfer == MIME_TRANSFER_8BIT || p->transfer == MIME_TRANSFER_BINARY;
}

static bool
emit(struct downgrade *d, enum mime_text what, struct str piece)
{
	return piece.len == 0 || d->events->text(d->arg, what, piece);
}

static bool
encode(struct downgrade *d, struct str piece)
{
	if (d->mode == MODE_KEEP)
		return emit(d, MIME_TEXT_BODY, piece);
	buf_reset(&d->out);
	transfer_encode(&d->encoder, piece, &d->out);
	return emit(d, MIME_TEXT_BODY, buf_view(&d->out));
}

/* The look-ahead is full, or (ENDED) the leaf is over. */
static bool
decide(struct downgrade *d, bool ended)
{
	struct looked l = look_at(buf_view(&d->look));
	bool text = d->part.text || d->part.message;
	bool ok;

	if (!l.changes && (ended || (!d->sure && !is_labelled_8bit(&d->part)))) {
		d->mode = MODE_KEEP;
		ok = send_header(
		    d, is_labelled_8bit(&d->part) ? "Content-Transfer-Encoding: 7bit\r\n" : NULL);
	} else if (!text && l.escapes > d->look.len / DENSE) {
		d->mode = MODE_TO_BASE64;
		transfer_encoder_init(&d->encoder, TRANSFER_BASE64);
		ok = add_types(d) && send_header(d, "Content-Transfer-Encoding: base64\r\n");
	} else {
		d->mode = MODE_TO_QUOTED;
		transfer_encoder_init(&d->encoder, TRANSFER_QUOTED);
		ok = add_types(d) &&
		    send_header(d, "Content-Transfer-Encoding: quoted-printable\r\n");
	}
	ok = ok && encode(d, buf_view(&d->look));
	buf_reset(&d->look);
	return ok;
}

static enum mode
mode_for(const struct mime_part *p)
{
	if (p->kind != MIME_LEAF)
		return MODE_FIX_BETWEEN;
	if (p->transfer == MIME_TRANSFER_QUOTED)
		return MODE_FIX_QUOTED;
	if (p->transfer == MIME_TRANSFER_BASE64)
		return MODE_FIX_BASE64;
	if (p->container || p->fragment || p->transfer == MIME_TRANSFER_OTHER)
		return MODE_REFUSE;
	return MODE_LOOK;
}

static bool
on_header_end(void *arg, const struct mime_part *part, struct str line)
{
	struct downgrade *d = arg;

	d->part = *part;
	d->line_len = line.len < sizeof d->line ? line.len : sizeof d->line;
	memcpy(d->line, line.data, d->line_len);
	d->mode = mode_for(part);
	if (d->mode == MODE_LOOK)
		return true;
	if (is_labelled_8bit(part))
		return send_header(d, "Content-Transfer-Encoding: 7bit\r\n");
	return send_header(d, NULL);
}

/* --- Text ----------------------------------------------------------------------------------- */

/* PIECE, which is not to be encoded, without bytes above 127. */
static bool
fix(struct downgrade *d, enum mime_text what, struct str piece)
{
	buf_reset(&d->out);
	for (size_t i = 0; i < piece.len; i++) {
		unsigned char c = (unsigned char)piece.data[i];

		if (c < 128)
			buf_putc(&d->out, (char)c);
		else if (what == MIME_TEXT_BETWEEN)
			buf_putc(&d->out, '?');
		else if (d->mode == MODE_FIX_QUOTED)
			buf_printf(&d->out, "=%02X", c);
	}
	return emit(d, what, buf_view(&d->out));
}

static const char *
what_is_refused(const struct mime_part *p)
{
	if (p->fragment)
		return "a part of the type message/partial or message/external-body";
	if (p->container)
		return "a multipart whose parts cannot be told apart (no boundary, or "
		       "mime_boundary_length_limit, or mime_nesting_limit)";
	return "a part with an unknown Content-Transfer-Encoding";
}

static bool
on_text(void *arg, enum mime_text what, struct str piece)
{
	struct downgrade *d = arg;
	size_t room;

	if (what == MIME_TEXT_BODY && d->mode == MODE_LOOK) {
		room = d->look_ahead - d->look.len;
		buf_str(&d->look, str_sub(piece, 0, room));
		if (piece.len < room)
			return true;
		return decide(d, false) && encode(d, str_from(piece, room));
	}
	if (what == MIME_TEXT_BODY &&
	    (d->mode == MODE_KEEP || d->mode == MODE_TO_QUOTED || d->mode == MODE_TO_BASE64))
		return encode(d, piece);
	if (!utf8_8bit(piece))
		return emit(d, what, piece);
	if (what == MIME_TEXT_DELIMITER)
		return refuse(d, "the boundary of a multipart");
	if (what == MIME_TEXT_BODY && d->mode == MODE_REFUSE)
		return refuse(d, what_is_refused(&d->part));
	return fix(d, what, piece);
}

static bool
on_leaf_end(void *arg, bool delimited)
{
	struct downgrade *d = arg;

	if (d->mode == MODE_LOOK && !decide(d, true))
		return false;
	if (d->mode == MODE_TO_QUOTED || d->mode == MODE_TO_BASE64) {
		buf_reset(&d->out);
		transfer_encode_end(&d->encoder, delimited, &d->out);
		if (!emit(d, MIME_TEXT_BODY, buf_view(&d->out)))
			return false;
	}
	return d->events->leaf_end(d->arg, delimited);
}

/* --- The stream ----------------------------------------------------------------------------- */

struct downgrade *
downgrade_new(const struct mime_limits *limits, size_t look_ahead, bool sure,
    const struct mime_events *events, void *arg)
{
	static const struct mime_events own = {
	    .field = on_field,
	    .header_end = on_header_end,
	    .text = on_text,
	    .leaf_end = on_leaf_end,
	};
	struct downgrade *d = MEM_NEW(struct downgrade);

	d->look_ahead = look_ahead;
	d->sure = sure;
	d->events = events;
	d->arg = arg;
	d->walk = mime_walk_new(limits, &own, d);
	return d;
}

void
downgrade_free(struct downgrade **link)
{
	struct downgrade *d = *link;

	if (!d)
		return;
	*link = NULL;
	mime_walk_free(&d->walk);
	buf_free(&d->why);
	buf_free(&d->held);
	buf_free(&d->look);
	buf_free(&d->out);
	free(d);
}

bool
downgrade_data(struct downgrade *d, struct str piece)
{
	return mime_walk_data(d->walk, piece);
}

bool
downgrade_end(struct downgrade *d)
{
	return mime_walk_end(d->walk);
}

struct str
downgrade_why(const struct downgrade *d)
{
	return buf_view(&d->why);
}
