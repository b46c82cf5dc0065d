/*
 * header_address - the addresses in a header field (RFC 5322 section 3.4)
 *
 * A scanner cuts the value into words and specials and skips white space and comments (nesting is a
 * counter, so depth costs nothing); an address is described by where its parts lie, so that what
 * rewrites it can leave every other byte alone. Nothing is an error: what no rule explains is a word.
 */
#include <string.h>

#include "lib/mail/header.h"

enum token {
	TOKEN_END,
	TOKEN_WORD,    /* atom or quoted string, dots included */
	TOKEN_LITERAL, /* [ … ] */
	TOKEN_SPECIAL, /* one of < > @ , : ; */
};

struct scan {
	struct str in;
	size_t at;
	/* The token just read: */
	enum token token;
	size_t start, end;
	bool open;  /* it was not closed before the value ended */
	bool angle; /* between < and > */
};

/* Where one address lies in the value. Ends are where its last token ends, not the white space. */
struct place {
	size_t local_start, local_end;
	size_t words; /* in the local part, not joined by dots: more than one is no address */
	bool odd;     /* no rule explains it: it is not to be touched */
	bool at;      /* there is an @ */
	size_t at_end;
	size_t domain_start, domain_end; /* equal: nothing behind the @ */
	bool literal;
};

/* --- Tokens --------------------------------------------------------------------------------- */

static bool
ends_line(char c)
{
	return c == '\r' || c == '\n';
}

/* Runs over a backslash and what it quotes, which a line end never is (RFC 5322 section 3.2.1). */
static size_t
step(struct str s, size_t at)
{
	bool pair = s.data[at] == '\\' && at + 1 < s.len && !ends_line(s.data[at + 1]);

	return pair ? at + 2 : at + 1;
}

static size_t
skip_comment(struct str s, size_t at)
{
	size_t depth = 0;

	while (at < s.len) {
		if (s.data[at] == '(')
			depth++;
		else if (s.data[at] == ')' && --depth == 0)
			return at + 1;
		at = step(s, at);
	}
	return at;
}

static size_t
skip_white(struct str s, size_t at)
{
	while (at < s.len) {
		if (s.data[at] == '(')
			at = skip_comment(s, at);
		else if (s.data[at] == ' ' || s.data[at] == '\t' || s.data[at] == '\r' ||
		    s.data[at] == '\n')
			at++;
		else
			break;
	}
	return at;
}

/* The end of what stands between the byte at AT and CLOSE; the end of all, *OPEN, if nothing closes. */
static size_t
skip_to(struct str s, size_t at, char close, bool *open)
{
	for (at++; at < s.len; at = step(s, at))
		if (s.data[at] == close)
			return at + 1;
	*open = true;
	return at;
}

static bool
ends_atom(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' ||
	    (c != '\0' && strchr("()<>@,;:\"[", c));
}

static enum token
next_token(struct scan *s)
{
	size_t at = skip_white(s->in, s->at);

	s->start = at;
	s->open = false;
	if (at >= s->in.len) {
		s->token = TOKEN_END;
	} else if (s->in.data[at] == '"') {
		at = skip_to(s->in, at, '"', &s->open);
		s->token = TOKEN_WORD;
	} else if (s->in.data[at] == '[') {
		at = skip_to(s->in, at, ']', &s->open);
		s->token = TOKEN_LITERAL;
	} else if (s->in.data[at] != ')' && ends_atom(s->in.data[at])) {
		at++;
		s->token = TOKEN_SPECIAL;
	} else {
		/* A ')' that closes nothing is an atom's first byte, so that this always moves on. */
		for (at = step(s->in, at); at < s->in.len && !ends_atom(s->in.data[at]);)
			at = step(s->in, at);
		/* A backslash with nothing behind it would quote what is added there. */
		s->open =
		    (at == s->in.len || ends_line(s->in.data[at])) && s->in.data[at - 1] == '\\';
		s->token = TOKEN_WORD;
	}
	s->end = at;
	s->at = at;
	return s->token;
}

/* --- Places --------------------------------------------------------------------------------- */

/* A word or literal becomes part of what is being read. */
static void
place_word(const struct scan *s, struct place *p)
{
	p->odd = p->odd || s->open || (!p->at && s->token == TOKEN_LITERAL);
	if (p->at) {
		if (p->domain_start == p->domain_end)
			p->domain_start = s->start;
		p->domain_end = s->end;
		p->literal = p->literal || s->token == TOKEN_LITERAL;
		return;
	}
	if (p->words == 0) {
		p->local_start = s->start;
		p->words = 1;
	} else if (s->in.data[p->local_end - 1] != '.' && s->in.data[s->start] != '.') {
		p->words++;
	}
	p->local_end = s->end;
}

/*
 * A special within one address. True when it ends the address (',' and ';', or '>' which closes it).
 */
static bool
place_special(struct scan *s, struct place *p)
{
	switch (s->in.data[s->start]) {
	case '<':
		/* What stood before was a display name. */
		*p = (struct place){0};
		s->angle = true;
		return false;
	case '>':
		return true;
	case '@':
		/* Of two @ the last counts, and the first belongs to the local part. */
		if (p->at && p->words > 0)
			p->local_end = p->domain_end;
		p->at = true;
		p->at_end = s->end;
		p->domain_start = p->domain_end = s->end;
		p->literal = false;
		return false;
	case ':':
		/* The end of a source route or of a group's name. */
		if (!s->angle || (p->words == 0 && p->at))
			*p = (struct place){0};
		return false;
	case ',':
		/* Within a source route a comma only separates hosts. */
		return !(s->angle && p->words == 0 && p->at);
	default:
		return true;
	}
}

/* After '>': what stands before the next ',' or ';' belongs to nobody. */
static void
skip_rest(struct scan *s)
{
	size_t before;

	for (;;) {
		before = s->at;
		if (next_token(s) == TOKEN_END)
			return;
		if (s->token != TOKEN_SPECIAL)
			continue;
		if (s->in.data[s->start] == ',' || s->in.data[s->start] == ';')
			return;
		if (s->in.data[s->start] == '<') {
			/* A second address without a comma: read it as one. */
			s->at = before;
			return;
		}
	}
}

/* The next address of the value; false at its end. */
static bool
next_place(struct scan *s, struct place *p)
{
	do {
		*p = (struct place){0};
		s->angle = false;
		for (;;) {
			if (next_token(s) == TOKEN_END)
				break;
			if (s->token != TOKEN_SPECIAL)
				place_word(s, p);
			else if (place_special(s, p))
				break;
		}
		if (s->angle && s->token == TOKEN_SPECIAL && s->in.data[s->start] == '>')
			skip_rest(s);
		if (p->words > 0)
			return true;
	} while (s->token != TOKEN_END || s->at < s->in.len);
	return false;
}

/* --- Extraction ----------------------------------------------------------------------------- */

/* Appends the word T with its quotes undone; folding leaves its white space (section 3.2.4). */
static void
put_unquoted(struct str t, struct buf *out)
{
	if (t.data[0] == '"')
		t = str_sub(t, 1, t.len > 1 && t.data[t.len - 1] == '"' ? t.len - 2 : t.len);
	for (size_t i = 0; i < t.len; i++) {
		if (t.data[i] == '\\' && i + 1 < t.len)
			i++;
		if (t.data[i] != '\r' && t.data[i] != '\n')
			buf_putc(out, t.data[i]);
	}
}

static bool
joins(char c)
{
	return c == '.' || c == '@';
}

/*
 * The text of the tokens in S without comments and white space. LOCAL: quotes undone, and words that
 * no dot joins kept apart by a blank.
 */
static void
join_words(struct str s, bool local, struct buf *out)
{
	struct scan scan = {.in = s};
	char last = '.';

	while (next_token(&scan) != TOKEN_END) {
		struct str t = str_sub(s, scan.start, scan.end - scan.start);

		if (!local) {
			buf_str(out, t);
			continue;
		}
		if (!joins(last) && !joins(t.data[0]))
			buf_putc(out, ' ');
		put_unquoted(t, out);
		last = t.data[t.len - 1];
	}
}

static void
add_address(struct header_addresses *addresses, struct arena *a, const struct header_address *add)
{
	size_t n = addresses->n;

	/* The list doubles at powers of two. */
	if ((n & (n - 1)) == 0) {
		struct header_address *list =
		    arena_array(a, n == 0 ? 1 : n * 2, sizeof(struct header_address));

		if (n > 0)
			memcpy(list, addresses->list, n * sizeof *list);
		addresses->list = list;
	}
	addresses->list[addresses->n++] = *add;
}

/* The address at P in VALUE; its parts live in A. */
static struct header_address
extract(struct str value, const struct place *p, struct arena *a, struct buf *text)
{
	struct header_address address;

	buf_reset(text);
	join_words(str_sub(value, p->local_start, p->local_end - p->local_start), true, text);
	address.local = arena_str(a, buf_view(text));
	buf_reset(text);
	join_words(str_sub(value, p->domain_start, p->domain_end - p->domain_start), false, text);
	address.domain = arena_str(a, buf_view(text));
	return address;
}

void
header_addresses(struct str value, struct arena *a, size_t max, struct header_addresses *addresses)
{
	struct scan scan = {.in = value};
	struct buf text = {0};
	struct place p;

	while (next_place(&scan, &p)) {
		struct header_address add;

		if (addresses->n >= max) {
			addresses->truncated = true;
			break;
		}
		add = extract(value, &p, a, &text);
		add_address(addresses, a, &add);
	}
	buf_free(&text);
}

/* --- Qualification -------------------------------------------------------------------------- */

/* What belongs behind which byte of the value to complete the address at P; false for nothing. */
static bool
completion(struct str value, const struct place *p, const struct header_qualify *with,
    size_t *where, bool *dot)
{
	struct str domain = str_sub(value, p->domain_start, p->domain_end - p->domain_start);

	*dot = false;
	if (p->words != 1 || p->odd)
		return false;
	if (!p->at || domain.len == 0) {
		*where = p->at ? p->at_end : p->local_end;
		return with->origin.len > 0;
	}
	*where = p->domain_end;
	*dot = true;
	return with->domain.len > 0 && !p->literal && str_chr(domain, '.') == STR_NPOS;
}

bool
header_qualify(struct str value, const struct header_qualify *with, struct buf *out)
{
	struct scan scan = {.in = value};
	size_t done = 0, where;
	struct place p;
	bool dot;

	while (next_place(&scan, &p)) {
		if (!completion(value, &p, with, &where, &dot))
			continue;
		buf_str(out, str_sub(value, done, where - done));
		if (dot)
			buf_putc(out, '.');
		else if (!p.at)
			buf_putc(out, '@');
		buf_str(out, dot ? with->domain : with->origin);
		done = where;
	}
	buf_str(out, str_from(value, done));
	return done > 0;
}

/* --- Replacement ---------------------------------------------------------------------------- */

enum header_mapped
header_map(struct str value, size_t max, header_mapper *mapper, void *arg, struct buf *out)
{
	struct scan scan = {.in = value};
	struct arena *a = arena_new(512);
	struct buf text = {0}, with = {0};
	enum header_mapped result = HEADER_MAP_SAME, one;
	size_t done = 0;
	struct place p;

	for (size_t n = 0; n < max && next_place(&scan, &p); n++) {
		struct header_address address = extract(value, &p, a, &text);

		if (p.words != 1 || p.odd)
			continue;
		buf_reset(&with);
		one = mapper(arg, &address, &with);
		arena_reset(a);
		if (one == HEADER_MAP_STOPPED) {
			result = one;
			break;
		}
		if (one == HEADER_MAP_SAME)
			continue;
		result = HEADER_MAP_CHANGED;
		buf_str(out, str_sub(value, done, p.local_start - done));
		buf_str(out, buf_view(&with));
		done = !p.at ? p.local_end : p.domain_end > p.at_end ? p.domain_end : p.at_end;
	}
	buf_str(out, str_from(value, done));
	arena_free(&a);
	buf_free(&text);
	buf_free(&with);
	return result;
}
