/*
 * replies - finds the row of the dictionary that a reply matches: see replies.h
 *
 * What a server says comes from a stranger: it is only searched, never shown by this file.
 */
#include "lib/mail/replies.h"

#include "lib/base/buf.h"
#include "lib/mail/dsn.h"
#include "lib/mail/replies_table.h"

#define TEXT_MAX 4000 /* of a reason that is looked at; more than any that is kept */

#define ADDRESS_MAX 400

/* A reply taken apart. */
struct reply {
	struct str text;   /* in lower case */
	struct str code;   /* "550", or empty */
	struct str status; /* "7.25": subject and detail; empty: none */
};

static bool
is_code(struct str s)
{
	if (s.len < 3 || s.data[0] < '2' || s.data[0] > '5')
		return false;
	for (size_t i = 1; i < 3; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return s.len == 3 || s.data[3] == ' ' || s.data[3] == '-';
}

/* Where the reply itself begins: behind "said: ", behind "smtp; ", or at the start. */
static struct str
reply_start(struct str text)
{
	static const struct str fronts[] = {
	    {" said: ", 7}, {" refused to talk to me: ", 24}, {"smtp; ", 6}};

	for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
		size_t at = str_find(text, fronts[i]);

		if (at != STR_NPOS && is_code(str_from(text, at + fronts[i].len)))
			return str_from(text, at + fronts[i].len);
	}
	return is_code(text) ? text : STR_EMPTY;
}

/* The subject and detail of an enhanced code at the start of S: "7.25" of "5.7.25 text". */
static struct str
status_at(struct str s)
{
	struct dsn dsn;
	size_t len = 0;

	while (len < s.len && len < DSN_TEXT_SIZE &&
	    (s.data[len] == '.' || (s.data[len] >= '0' && s.data[len] <= '9')))
		len++;
	/* Some servers write a colon behind it. */
	if (len < 5 || !dsn_parse(str_sub(s, 0, len), &dsn, NULL))
		return STR_EMPTY;
	return str_sub(s, 2, len - 2);
}

/* The words of a reply, without the codes: replies of several lines have them in the middle, too. */
static void
put_words(struct str reply, struct str code, struct buf *out)
{
	bool behind_code = false;
	struct str word;

	while (str_token(&reply, " ", &word)) {
		bool has_code = code.len && str_starts(word, code) && is_code(word);

		if (has_code)
			word = str_from(word, 4);
		if ((has_code || behind_code) && status_at(word).len)
			word = STR_EMPTY;
		behind_code = has_code && word.len == 0;
		if (word.len == 0)
			continue;
		if (out->len)
			buf_putc(out, ' ');
		buf_str(out, word);
	}
}

/* WORDS gets the text that r->text shows. */
static void
take_apart(struct str text, struct str dsn, struct reply *r, struct buf *words)
{
	struct str start = reply_start(text);

	/* What stands in front of a reply are names: of the host, and who knows what they contain. */
	r->code = str_sub(start, 0, start.len ? 3 : 0);
	put_words(start.len ? start : text, r->code, words);
	r->text = buf_view(words);
	r->status = status_at(str_from(start, 4));
	if (r->status.len == 0 && start.len == 0)
		r->status = status_at(dsn);
}

/* Do the parts of PATTERN, which '*' separates, stand in TEXT, one behind the other? */
static bool
parts_match(struct str pattern, struct str text)
{
	struct str part;

	while (str_token(&pattern, "*", &part)) {
		size_t at = str_find(text, part);

		if (at == STR_NPOS)
			return false;
		text = str_from(text, at + part.len);
	}
	return true;
}

/* Does one of the alternatives, which '|' separates, match? An empty list always does. */
static bool
text_matches(const char *list, struct str text)
{
	struct str rest = str_c(list), one;

	if (rest.len == 0)
		return true;
	while (str_token(&rest, "|", &one))
		if (parts_match(one, text))
			return true;
	return false;
}

static bool
status_matches(const char *list, struct str status)
{
	struct str rest = str_c(list), one;

	if (rest.len == 0)
		return true;
	while (str_token(&rest, "|", &one))
		if (str_eq(one, status))
			return true;
	return false;
}

static bool
row_matches(const struct reply_row *row, const struct reply *r)
{
	for (size_t i = 0; i < REPLY_PATTERNS; i++) {
		const struct reply_pattern *p = &row->patterns[i];

		if (!p->code && !p->status && !p->text)
			break;
		if (str_starts(r->code, str_c(p->code)) && status_matches(p->status, r->status) &&
		    text_matches(p->text, r->text))
			return true;
	}
	return false;
}

/* In lower case, and without the <addresses> in it: they can be called anything. */
static void
put_lower(struct str text, struct buf *out)
{
	while (text.len > 0) {
		/* Bounded, so that a text of "<" alone costs no more than others. */
		size_t end =
		    text.data[0] == '<' ? str_chr(str_sub(text, 0, ADDRESS_MAX), '>') : STR_NPOS;
		char c = text.data[0];

		if (end != STR_NPOS && str_chr(str_sub(text, 0, end), '@') != STR_NPOS) {
			buf_puts(out, "<>");
			text = str_from(text, end + 1);
			continue;
		}
		buf_putc(out, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
		text = str_from(text, 1);
	}
}

const struct reply_advice *
reply_advice(struct str text, struct str dsn)
{
	const struct reply_advice *found = NULL;
	struct buf lower = {0}, words = {0};
	struct reply r;

	put_lower(str_sub(text, 0, TEXT_MAX), &lower);
	take_apart(buf_view(&lower), dsn, &r, &words);
	for (size_t i = 0; i < reply_row_count && !found; i++)
		if (row_matches(&reply_rows[i], &r))
			found = &reply_rows[i].advice;
	buf_free(&lower);
	buf_free(&words);
	return found;
}

const struct reply_advice *
reply_advice_at(size_t n)
{
	return n < reply_row_count ? &reply_rows[n].advice : NULL;
}
