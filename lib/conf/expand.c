/*
 * expand - the expansion language of configuration values
 *
 * A recursive reader over views of the text. What is conditional is cut out first and expanded only
 * if it is chosen, so that a loop in a branch not taken is none.
 */
#include "lib/conf/expand.h"

#include <string.h>

/* A relation without "? {a} : {b}" has this value when it holds, as Postfix has it. */
#define RELATION_HOLDS STR("bool:true")

enum relation {
	RELATION_EQ,
	RELATION_NE,
	RELATION_LT,
	RELATION_LE,
	RELATION_GT,
	RELATION_GE,
};

/* Longest first: "<=" must not be read as "<". */
static const struct relation_word {
	const char *word;
	enum relation relation;
	bool level;
} relation_words[] = {
    {"==level", RELATION_EQ, true},
    {"!=level", RELATION_NE, true},
    {"<=level", RELATION_LE, true},
    {">=level", RELATION_GE, true},
    {"<level", RELATION_LT, true},
    {">level", RELATION_GT, true},
    {"==", RELATION_EQ, false},
    {"!=", RELATION_NE, false},
    {"<=", RELATION_LE, false},
    {">=", RELATION_GE, false},
    {"<", RELATION_LT, false},
    {">", RELATION_GT, false},
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '_';
}

static struct str
skip_space(struct str s)
{
	while (s.len > 0 && is_space(s.data[0]))
		s = str_from(s, 1);
	return s;
}

/* Takes the name at the front of *REST, which may be empty. */
static struct str
take_name(struct str *rest)
{
	size_t n = 0;
	struct str name;

	while (n < rest->len && is_name(rest->data[n]))
		n++;
	name = str_sub(*rest, 0, n);
	*rest = str_from(*rest, n);
	return name;
}

/*
 * REST begins with OPEN. Takes it off up to the CLOSE that belongs to it; INSIDE is what is between.
 */
static bool
take_group(struct str *rest, char open, char close, struct str *inside)
{
	size_t level = 0;

	for (size_t i = 0; i < rest->len; i++) {
		if (rest->data[i] == open)
			level++;
		else if (rest->data[i] == close && --level == 0) {
			*inside = str_sub(*rest, 1, i - 1);
			*rest = str_from(*rest, i + 1);
			return true;
		}
	}
	return false;
}

/* The text of an error message, cut to what is bearable in one line. */
static bool
error_at(struct expander *e, const char *what, struct str text)
{
	struct str part = str_sub(text, 0, 100);

	buf_reset(e->why);
	buf_printf(e->why, "%s: \"%.*s%s\"", what, STR_ARG(part), part.len < text.len ? "…" : "");
	return false;
}

static bool
append(struct expander *e, struct str text, struct buf *out)
{
	if (text.len > EXPAND_VALUE_MAX || out->len > EXPAND_VALUE_MAX - text.len) {
		buf_reset(e->why);
		buf_puts(e->why, "the value grows beyond 1 MiB");
		return false;
	}
	buf_str(out, text);
	return true;
}

static bool
expand_nested(struct expander *e, struct str text, struct buf *out)
{
	bool ok;

	if (e->depth >= EXPAND_DEPTH_MAX)
		return error_at(e, "nested more than 100 levels deep", text);
	e->depth++;
	ok = expand_text(e, text, out);
	e->depth--;
	return ok;
}

/*
 * "? {a} : {b}", "?{a}", "?a", ":{b}", ":b" or nothing at the front of REST, which is all that is
 * left of the expression. A bare text runs to the end, white space included.
 */
struct choice {
	bool any; /* is there a choice at all? */
	struct str yes, no;
};

/* Is the next thing a group in braces? Then REST moves to it. */
static bool
at_group(struct str *rest)
{
	struct str s = skip_space(*rest);

	if (s.len == 0 || s.data[0] != '{')
		return false;
	*rest = s;
	return true;
}

static bool
read_no(struct expander *e, struct str rest, struct choice *c)
{
	struct str whole = rest;

	if (!at_group(&rest)) {
		c->no = rest;
		return true;
	}
	if (!take_group(&rest, '{', '}', &c->no))
		return error_at(e, "\"{\" without \"}\"", whole);
	rest = skip_space(rest);
	return rest.len == 0 || error_at(e, "unexpected text behind \"{…}\"", rest);
}

static bool
read_choice(struct expander *e, struct str rest, struct choice *c)
{
	struct str whole = rest;

	c->yes = c->no = STR_EMPTY;
	c->any = rest.len > 0;
	if (!c->any)
		return true;
	if (rest.data[0] == ':')
		return read_no(e, str_from(rest, 1), c);
	if (rest.data[0] != '?')
		return error_at(e, "\"?\" or \":\" is expected", whole);
	rest = str_from(rest, 1);
	if (!at_group(&rest)) {
		c->yes = rest;
		return true;
	}
	if (!take_group(&rest, '{', '}', &c->yes))
		return error_at(e, "\"{\" without \"}\"", whole);
	rest = skip_space(rest);
	if (rest.len == 0)
		return true;
	if (rest.data[0] != ':')
		return error_at(e, "\":\" is expected", rest);
	return read_no(e, str_from(rest, 1), c);
}

static bool
all_digits(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return s.len > 0;
}

/* Compares decimal numbers of any length. */
static int
compare_numbers(struct str a, struct str b)
{
	while (a.len > 1 && a.data[0] == '0')
		a = str_from(a, 1);
	while (b.len > 1 && b.data[0] == '0')
		b = str_from(b, 1);
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return str_cmp(a, b);
}

bool
expand_compare_levels(struct str a, struct str b, int *order)
{
	*order = 0;
	while (a.len > 0 || b.len > 0) {
		size_t dot_a = str_chr(a, '.'), dot_b = str_chr(b, '.');
		struct str part_a = a.len > 0 ? str_sub(a, 0, dot_a) : STR("0");
		struct str part_b = b.len > 0 ? str_sub(b, 0, dot_b) : STR("0");

		if (!all_digits(part_a) || !all_digits(part_b))
			return false;
		if (*order == 0)
			*order = compare_numbers(part_a, part_b);
		a = dot_a == STR_NPOS ? STR_EMPTY : str_from(a, dot_a + 1);
		b = dot_b == STR_NPOS ? STR_EMPTY : str_from(b, dot_b + 1);
	}
	return true;
}

static bool
relation_result(enum relation relation, int order)
{
	switch (relation) {
	case RELATION_EQ:
		return order == 0;
	case RELATION_NE:
		return order != 0;
	case RELATION_LT:
		return order < 0;
	case RELATION_LE:
		return order <= 0;
	case RELATION_GT:
		return order > 0;
	case RELATION_GE:
		return order >= 0;
	}
	return false;
}

static const struct relation_word *
take_relation(struct str *rest)
{
	for (size_t i = 0; i < sizeof(relation_words) / sizeof(relation_words[0]); i++) {
		struct str word = str_c(relation_words[i].word);

		if (str_starts(*rest, word)) {
			*rest = str_from(*rest, word.len);
			return &relation_words[i];
		}
	}
	return NULL;
}

static bool
compare_operands(
    struct expander *e, const struct relation_word *w, struct str a, struct str b, bool *holds)
{
	int order;

	if (w->level) {
		if (!expand_compare_levels(str_trim(a), str_trim(b), &order))
			return error_at(e, "not a compatibility level (N or N.N)", a);
	} else if (all_digits(a) && all_digits(b)) {
		order = compare_numbers(a, b);
	} else {
		order = str_cmp(a, b);
	}
	*holds = relation_result(w->relation, order);
	return true;
}

/* INSIDE begins with "{": a relation. */
static bool
expand_relation(struct expander *e, struct str inside, struct buf *out)
{
	struct str rest = inside, left, right;
	struct buf a = {0}, b = {0};
	const struct relation_word *word;
	struct choice choice;
	bool holds = false, ok = false;

	if (!take_group(&rest, '{', '}', &left))
		return error_at(e, "\"{\" without \"}\"", inside);
	rest = skip_space(rest);
	word = take_relation(&rest);
	if (!word)
		return error_at(
		    e, "==, !=, <, <=, >, >= or one of these with \"level\" is expected", rest);
	if (!at_group(&rest) || !take_group(&rest, '{', '}', &right))
		return error_at(e, "\"{…}\" is expected behind the comparison", inside);
	if (!read_choice(e, skip_space(rest), &choice))
		return false;
	if (expand_nested(e, left, &a) && expand_nested(e, right, &b) &&
	    compare_operands(e, word, buf_view(&a), buf_view(&b), &holds)) {
		if (choice.any)
			ok = expand_nested(e, holds ? choice.yes : choice.no, out);
		else
			ok = append(e, holds ? RELATION_HOLDS : STR_EMPTY, out);
	}
	buf_free(&a);
	buf_free(&b);
	return ok;
}

/* ${domain_to_ascii{text}}: a name in ASCII is its own; others would need IDNA, which is not linked. */
static bool
expand_function(struct expander *e, struct str name, struct str rest, struct buf *out)
{
	struct str argument;
	size_t start = out->len;

	if (!str_eq(name, STR("domain_to_ascii")))
		return error_at(e, "unknown function", name);
	if (!take_group(&rest, '{', '}', &argument) || skip_space(rest).len > 0)
		return error_at(e, "\"{…}\" is expected behind the function's name", rest);
	if (!expand_nested(e, argument, out))
		return false;
	for (size_t i = start; i < out->len; i++)
		if ((unsigned char)out->data[i] > 127)
			return error_at(
			    e, "domain_to_ascii: write the xn-- form of", buf_view(out));
	return true;
}

/* What stands between ${ and }. */
static bool
expand_braces(struct expander *e, struct str inside, struct buf *out)
{
	struct str rest = skip_space(inside), name, value;
	struct choice choice;

	if (rest.len > 0 && rest.data[0] == '{')
		return expand_relation(e, rest, out);
	name = take_name(&rest);
	if (name.len == 0)
		return error_at(e, "a name is expected", inside);
	if (rest.len > 0 && rest.data[0] == '{')
		return expand_function(e, name, rest, out);
	if (!read_choice(e, skip_space(rest), &choice) || !e->lookup(e, name, &value))
		return false;
	if (!choice.any)
		return append(e, value, out);
	return expand_nested(e, value.len > 0 ? choice.yes : choice.no, out);
}

/* REST begins behind a "$". */
static bool
expand_reference(struct expander *e, struct str *rest, struct buf *out)
{
	struct str whole = *rest, inside, value;
	char c = rest->len > 0 ? rest->data[0] : '\0';

	if (c == '$') {
		*rest = str_from(*rest, 1);
		return append(e, STR("$"), out);
	}
	if (c == '{' || c == '(') {
		if (!take_group(rest, c, c == '{' ? '}' : ')', &inside))
			return error_at(
			    e, c == '{' ? "\"${\" without \"}\"" : "\"$(\" without \")\"", whole);
		return expand_braces(e, inside, out);
	}
	inside = take_name(rest);
	if (inside.len == 0)
		return error_at(
		    e, "a name is expected behind \"$\" (for a dollar sign write $$)", whole);
	return e->lookup(e, inside, &value) && append(e, value, out);
}

bool
expand_text(struct expander *e, struct str text, struct buf *out)
{
	while (text.len > 0) {
		size_t dollar = str_chr(text, '$');

		if (!append(e, str_sub(text, 0, dollar), out))
			return false;
		if (dollar == STR_NPOS)
			return true;
		text = str_from(text, dollar + 1);
		if (!expand_reference(e, &text, out))
			return false;
	}
	return true;
}

void
expand_names(struct str text, void (*seen)(void *context, struct str name), void *context)
{
	for (;;) {
		size_t dollar = str_chr(text, '$');
		struct str name;

		if (dollar == STR_NPOS)
			return;
		text = str_from(text, dollar + 1);
		if (text.len > 0 && text.data[0] == '$') {
			text = str_from(text, 1);
			continue;
		}
		if (text.len > 0 && (text.data[0] == '{' || text.data[0] == '('))
			text = skip_space(str_from(text, 1));
		name = take_name(&text);
		if (name.len > 0)
			seen(context, name);
	}
}
