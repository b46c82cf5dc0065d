/*
 * mime_walk - the MIME structure of a message, in pieces of any size
 *
 * Everything here is a stranger's. What may be a field or a delimiter line is gathered up to a limit; the
 * rest goes through without a copy.
 */
#include "lib/mail/mime_walk.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/mail/header.h"
#include "lib/mail/mime.h"

#define DELIMITER_WHITE 256 /* white space behind a boundary that still is part of its line */

/* A container that is open. Of an attached message there is nothing to know but that it counts. */
struct level {
	struct buf boundary; /* without the dashes; empty: an attached message */
	bool cut;            /* it was longer than boundary_max */
	bool digest;
};

/* The value of a field, on one line. */
struct label {
	bool known;
	struct buf value;
};

enum state {
	STATE_HEADER,
	STATE_LEAF,
	STATE_BETWEEN,
};

struct mime_walk {
	struct mime_limits limits;
	size_t candidate_max; /* the longest line that may be a delimiter */
	const struct mime_events *events;
	void *arg;

	struct level *levels;
	size_t depth, room;
	size_t boundaries; /* levels that have one */

	enum state state;
	struct mime_part part;       /* of the header that is, or was last, read */
	bool digest;                 /* it stands right in a multipart/digest */
	struct label type, transfer; /* in that header, the first of each */

	struct buf line;  /* the line of a header that is being read */
	struct buf field; /* whole lines of the field before it */
	bool cut;         /* that field was too large: what there was of it has gone on */
	bool skip;        /* and so has the beginning of the line that is being read */

	struct buf candidate; /* a line of a body that may be a delimiter, as far as it is read */
	bool line_start;      /* the next byte of a body begins a line */
};

struct mime_walk *
mime_walk_new(const struct mime_limits *limits, const struct mime_events *events, void *arg)
{
	struct mime_walk *w = MEM_NEW(struct mime_walk);

	w->limits = *limits;
	w->candidate_max = limits->boundary_max + DELIMITER_WHITE;
	if (w->limits.field_max < w->candidate_max)
		w->limits.field_max = w->candidate_max;
	w->events = events;
	w->arg = arg;
	w->state = STATE_HEADER;
	w->part.header = MIME_HEADER_FIRST;
	return w;
}

void
mime_walk_free(struct mime_walk **link)
{
	struct mime_walk *w = *link;

	if (!w)
		return;
	*link = NULL;
	for (size_t i = 0; i < w->room; i++)
		buf_free(&w->levels[i].boundary);
	free(w->levels);
	buf_free(&w->type.value);
	buf_free(&w->transfer.value);
	buf_free(&w->line);
	buf_free(&w->field);
	buf_free(&w->candidate);
	free(w);
}

/* --- Levels --------------------------------------------------------------------------------- */

static void
push(struct mime_walk *w, struct str boundary, bool digest)
{
	struct level *l;

	if (w->depth == w->room) {
		size_t room = w->room > 0 ? w->room * 2 : 4;

		w->levels = mem_resize(w->levels, room * sizeof(struct level));
		memset(&w->levels[w->room], 0, (room - w->room) * sizeof(struct level));
		w->room = room;
	}
	l = &w->levels[w->depth++];
	buf_reset(&l->boundary);
	buf_str(&l->boundary, boundary);
	l->digest = digest;
	if (l->boundary.len > 0)
		w->boundaries++;
}

static void
pop_to(struct mime_walk *w, size_t depth)
{
	while (w->depth > depth)
		if (w->levels[--w->depth].boundary.len > 0)
			w->boundaries--;
}

static void
begin_header(struct mime_walk *w, enum mime_header header, bool digest)
{
	w->state = STATE_HEADER;
	w->part = (struct mime_part){.header = header};
	w->digest = digest;
	w->type.known = w->transfer.known = false;
	w->cut = w->skip = false;
}

/* --- Fields --------------------------------------------------------------------------------- */

static bool
emit_field(struct mime_walk *w, struct str field, bool whole)
{
	return field.len == 0 || w->events->field(w->arg, w->part.header, field, whole);
}

static void
keep_first(struct label *s, struct str value)
{
	if (s->known)
		return;
	s->known = true;
	buf_reset(&s->value);
	header_unfold(value, &s->value);
}

/* The field that was gathered is complete. */
static bool
field_over(struct mime_walk *w)
{
	struct str rest = buf_view(&w->field);
	struct header_field f;
	bool ok;

	w->cut = false;
	if (header_next(&rest, &f)) {
		if (str_eq_nocase(f.name, STR("Content-Type")))
			keep_first(&w->type, f.value);
		else if (str_eq_nocase(f.name, STR("Content-Transfer-Encoding")))
			keep_first(&w->transfer, f.value);
		else if (str_eq_nocase(f.name, STR("MIME-Version")))
			w->part.mime_version = true;
	}
	ok = emit_field(w, buf_view(&w->field), true);
	buf_reset(&w->field);
	return ok;
}

/* --- What a header says --------------------------------------------------------------------- */

static bool
ends_token(char c)
{
	return c == ';' || c == ' ' || c == '\t' || c == '(' || c == '\r' || c == '\n';
}

static struct str
first_token(struct str s)
{
	size_t n = 0;

	s = str_trim(s);
	while (n < s.len && !ends_token(s.data[n]))
		n++;
	return str_sub(s, 0, n);
}

static enum mime_transfer
transfer_of(const struct label *label)
{
	static const struct {
		const char *name;
		enum mime_transfer transfer;
	} names[] = {
	    {"", MIME_TRANSFER_NONE},
	    {"7bit", MIME_TRANSFER_7BIT},
	    {"8bit", MIME_TRANSFER_8BIT},
	    {"binary", MIME_TRANSFER_BINARY},
	    {"quoted-printable", MIME_TRANSFER_QUOTED},
	    {"base64", MIME_TRANSFER_BASE64},
	    /* What people write who never read the RFC. */
	    {"7-bit", MIME_TRANSFER_7BIT},
	    {"8-bit", MIME_TRANSFER_8BIT},
	    {"8bits", MIME_TRANSFER_8BIT},
	    {"utf-8", MIME_TRANSFER_8BIT},
	    {"utf8", MIME_TRANSFER_8BIT},
	};
	struct str token = label->known ? first_token(buf_view(&label->value)) : STR_EMPTY;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (str_eq_nocase(token, str_c(names[i].name)))
			return names[i].transfer;
	return MIME_TRANSFER_OTHER;
}

/* The end of the quoted string that begins at AT; what it says is appended to OUT. */
static size_t
unquote(struct str s, size_t at, struct buf *out)
{
	for (at++; at < s.len && s.data[at] != '"'; at++) {
		if (s.data[at] == '\\' && at + 1 < s.len)
			at++;
		buf_putc(out, s.data[at]);
	}
	return at < s.len ? at + 1 : at;
}

/* The next ';' from AT on that stands in no quotes. */
static size_t
next_parameter(struct str s, size_t at)
{
	struct buf skipped = {0};

	while (at < s.len && s.data[at] != ';') {
		if (s.data[at] == '"')
			at = unquote(s, at, &skipped);
		else
			at++;
		buf_reset(&skipped);
	}
	buf_free(&skipped);
	return at;
}

/* The boundary parameter of the value TYPE of Content-Type: (RFC 2045 section 5.1). */
static void
find_boundary(struct str type, struct buf *boundary)
{
	size_t at = next_parameter(type, 0);

	while (at < type.len) {
		struct str rest = str_from(type, at + 1), name;
		size_t equals = 0;

		while (equals < rest.len && rest.data[equals] != '=' && rest.data[equals] != ';')
			equals++;
		name = str_trim(str_sub(rest, 0, equals));
		if (str_eq_nocase(name, STR("boundary")) && equals < rest.len &&
		    rest.data[equals] == '=') {
			rest = str_trim(str_from(rest, equals + 1));
			if (rest.len > 0 && rest.data[0] == '"')
				unquote(rest, 0, boundary);
			else
				buf_str(boundary, first_token(rest));
			break;
		}
		at = next_parameter(type, at + 1);
	}
	/* White space at its end is not part of it (RFC 2046 section 5.1.1). */
	buf_truncate(boundary, str_trim_end(buf_view(boundary)).len);
}

/* Fills in what kind of body follows; *BOUNDARY for a multipart/ that is walked into. */
static void
classify(struct mime_walk *w, struct buf *boundary, bool *digest)
{
	struct mime_part *p = &w->part;
	struct str type = w->digest && !w->type.known ? STR("message/rfc822") : STR("text/plain");

	p->typed = w->type.known;
	p->transfer = transfer_of(&w->transfer);
	if (w->type.known)
		type = first_token(buf_view(&w->type.value));
	*digest = str_eq_nocase(type, STR("multipart/digest"));
	if (str_starts_nocase(type, STR("multipart/"))) {
		find_boundary(buf_view(&w->type.value), boundary);
		if (boundary->len > 0 && boundary->len <= w->limits.boundary_max)
			p->kind = MIME_MULTIPART;
		p->container = true;
	} else if (str_starts_nocase(type, STR("message/"))) {
		p->fragment = mime_type_is(type, STR("message/partial")) ||
		    mime_type_is(type, STR("message/external-body"));
		p->message = !p->fragment;
		if (str_eq_nocase(type, STR("message/rfc822")) &&
		    p->transfer <= MIME_TRANSFER_BINARY) {
			p->kind = MIME_MESSAGE;
			p->container = true;
		}
	} else {
		p->text = str_starts_nocase(type, STR("text/")) || str_chr(type, '/') == STR_NPOS;
	}
	if (p->kind != MIME_LEAF && w->depth >= w->limits.depth_max)
		p->kind = MIME_LEAF;
}

/* The header is over, LINE its empty line. */
static bool
header_over(struct mime_walk *w, struct str line)
{
	struct buf boundary = {0};
	struct mime_part part;
	bool digest, ok;

	classify(w, &boundary, &digest);
	part = w->part;
	ok = w->events->header_end(w->arg, &part, line);
	w->line_start = true;
	if (part.kind == MIME_LEAF) {
		w->state = STATE_LEAF;
	} else {
		push(w, buf_view(&boundary), digest);
		w->state = STATE_BETWEEN;
		if (part.kind == MIME_MESSAGE)
			begin_header(w, MIME_HEADER_NESTED, false);
	}
	buf_free(&boundary);
	return ok;
}

/* --- Delimiters ----------------------------------------------------------------------------- */

static bool
matches(const struct level *l, struct str text, bool *closes)
{
	struct str rest;

	if (l->boundary.len == 0 || !str_starts(text, buf_view(&l->boundary)))
		return false;
	rest = str_from(text, l->boundary.len);
	*closes = rest.len == 2 && str_eq(rest, STR("--"));
	return rest.len == 0 || *closes;
}

/* Is LINE a delimiter, and of which level? */
static bool
is_delimiter(const struct mime_walk *w, struct str line, size_t *level, bool *closes)
{
	struct str text = str_trim_end(line);

	if (!str_starts(text, STR("--")))
		return false;
	text = str_from(text, 2);
	for (size_t i = w->depth; i-- > 0;)
		if (matches(&w->levels[i], text, closes)) {
			*level = i;
			return true;
		}
	return false;
}

/* LINE is the delimiter of LEVEL. */
static bool
delimiter(struct mime_walk *w, struct str line, size_t level, bool closes)
{
	bool digest = w->levels[level].digest;

	if (w->state == STATE_LEAF && !w->events->leaf_end(w->arg, true))
		return false;
	if (!w->events->text(w->arg, MIME_TEXT_DELIMITER, line))
		return false;
	w->line_start = true;
	pop_to(w, closes ? level : level + 1);
	if (closes)
		w->state = STATE_BETWEEN;
	else
		begin_header(w, MIME_HEADER_PART, digest);
	return true;
}

/* --- Bodies --------------------------------------------------------------------------------- */

static bool
emit_text(struct mime_walk *w, struct str text)
{
	if (text.len == 0)
		return true;
	w->line_start = text.data[text.len - 1] == '\n';
	return w->events->text(
	    w->arg, w->state == STATE_LEAF ? MIME_TEXT_BODY : MIME_TEXT_BETWEEN, text);
}

/* What was gathered is a delimiter, or text like any other. */
static bool
candidate_over(struct mime_walk *w)
{
	struct str line = buf_view(&w->candidate);
	size_t level;
	bool closes, ok;

	if (line.len <= w->candidate_max && is_delimiter(w, line, &level, &closes))
		ok = delimiter(w, line, level, closes);
	else
		ok = emit_text(w, line);
	buf_reset(&w->candidate);
	return ok;
}

/* Takes as much of PIECE as belongs to a line that may be a delimiter. */
static bool
gather(struct mime_walk *w, struct str *piece)
{
	const char *lf = memchr(piece->data, '\n', piece->len);
	size_t n = lf ? (size_t)(lf - piece->data) + 1 : piece->len;
	size_t room = w->candidate_max + 1 - w->candidate.len;

	if (n > room) {
		n = room;
		lf = NULL;
	}
	buf_str(&w->candidate, str_sub(*piece, 0, n));
	*piece = str_from(*piece, n);
	if (!lf && w->candidate.len <= w->candidate_max &&
	    (w->candidate.len < 2 || w->candidate.data[1] == '-'))
		return true;
	return candidate_over(w);
}

/* Takes as much of PIECE as is text for sure. */
static bool
plain(struct mime_walk *w, struct str *piece)
{
	size_t n = w->boundaries == 0 ? piece->len : 0;
	const char *lf;
	struct str text;

	while (n < piece->len) {
		lf = memchr(piece->data + n, '\n', piece->len - n);
		n = lf ? (size_t)(lf - piece->data) + 1 : piece->len;
		if (n < piece->len && piece->data[n] == '-')
			break;
	}
	text = str_sub(*piece, 0, n);
	*piece = str_from(*piece, n);
	return emit_text(w, text);
}

/* Takes PIECE, up to and with a delimiter that begins a header. */
static bool
body(struct mime_walk *w, struct str *piece)
{
	bool ok = true;

	while (ok && piece->len > 0 && w->state != STATE_HEADER) {
		if (w->candidate.len > 0 ||
		    (w->line_start && w->boundaries > 0 && piece->data[0] == '-'))
			ok = gather(w, piece);
		else
			ok = plain(w, piece);
	}
	return ok;
}

/* --- Headers -------------------------------------------------------------------------------- */

/* The header is over without an empty line, and so is one of an attached message that begins here. */
static bool
header_broken(struct mime_walk *w)
{
	bool ok = field_over(w);

	while (ok && w->state == STATE_HEADER)
		ok = header_over(w, STR_EMPTY);
	return ok;
}

/* LINE begins with white space. COMPLETE: it is whole. */
static bool
continuation(struct mime_walk *w, struct str line, bool complete)
{
	bool ok = true;

	if (w->field.len > 0 && complete && line.len <= w->limits.field_max - w->field.len) {
		buf_str(&w->field, line);
		return true;
	}
	/* Too much, or a line that continues nothing, which belongs to the header all the same. */
	ok = emit_field(w, buf_view(&w->field), false) && emit_field(w, line, false);
	buf_reset(&w->field);
	w->cut = true;
	w->skip = !complete;
	return ok;
}

/* w->line is whole, or (!COMPLETE) as long as a line may be that is looked at. */
static bool
header_line(struct mime_walk *w, bool complete)
{
	struct str line = buf_view(&w->line);
	size_t level;
	bool closes, ok;

	if (str_eq(line, STR("\r\n")) || str_eq(line, STR("\n")))
		return field_over(w) && header_over(w, line);
	if (line.data[0] == ' ' || line.data[0] == '\t')
		return continuation(w, line, complete);
	if (header_name_length(line) == 0 || (complete && is_delimiter(w, line, &level, &closes))) {
		ok = header_broken(w);
		while (ok && line.len > 0)
			ok = body(w, &line);
		return ok;
	}
	if (!field_over(w))
		return false;
	if (complete) {
		buf_str(&w->field, line);
		return true;
	}
	w->cut = w->skip = true;
	return emit_field(w, line, false);
}

/* Takes a line of PIECE, or what there is of one. */
static bool
header(struct mime_walk *w, struct str *piece)
{
	const char *lf = memchr(piece->data, '\n', piece->len);
	size_t n = lf ? (size_t)(lf - piece->data) + 1 : piece->len;
	struct str part;
	bool ok;

	if (!w->skip && n > w->limits.field_max - w->line.len) {
		n = w->limits.field_max - w->line.len;
		lf = NULL;
	}
	part = str_sub(*piece, 0, n);
	*piece = str_from(*piece, n);
	if (w->skip) {
		w->skip = !lf;
		return emit_field(w, part, false);
	}
	buf_str(&w->line, part);
	if (!lf && w->line.len < w->limits.field_max)
		return true;
	ok = header_line(w, lf != NULL);
	buf_reset(&w->line);
	return ok;
}

/* --- The stream ----------------------------------------------------------------------------- */

bool
mime_walk_data(struct mime_walk *w, struct str piece)
{
	bool ok = true;

	while (ok && piece.len > 0)
		ok = w->state == STATE_HEADER ? header(w, &piece) : body(w, &piece);
	return ok;
}

bool
mime_walk_end(struct mime_walk *w)
{
	bool ok = true;

	if (w->state == STATE_HEADER && w->line.len > 0)
		ok = header_line(w, true);
	buf_reset(&w->line);
	if (ok && w->state != STATE_HEADER && w->candidate.len > 0)
		ok = candidate_over(w);
	if (ok && w->state == STATE_HEADER)
		ok = header_broken(w);
	return ok && (w->state != STATE_LEAF || w->events->leaf_end(w->arg, false));
}
