/*
 * command - take command lines apart
 *
 * The line is a stranger's and bounded by whoever read it.
 */
#include "lib/smtp/command.h"
#include "lib/mail/utf8.h"
#include "lib/smtp/bdat.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str
skip_blanks(struct str s)
{
	size_t i = 0;

	while (i < s.len && is_blank(s.data[i]))
		i++;
	return str_from(s, i);
}

static size_t
word_length(struct str s)
{
	size_t i = 0;

	while (i < s.len && !is_blank(s.data[i]))
		i++;
	return i;
}

void
smtp_command_split(struct str line, struct smtp_command *c)
{
	size_t n;

	line = skip_blanks(line);
	n = word_length(line);
	c->verb = str_sub(line, 0, n);
	c->arg = skip_blanks(str_from(line, n));
	while (c->arg.len > 0 && is_blank(c->arg.data[c->arg.len - 1]))
		c->arg.len--;
}

bool
smtp_command_is(const struct smtp_command *c, const char *verb)
{
	return str_eq_nocase(c->verb, str_c(verb));
}

bool
smtp_command_keyword(struct str arg, const char *keyword, bool strict, struct str *path)
{
	struct str word = str_c(keyword);

	if (!str_starts_nocase(arg, word))
		return false;
	arg = str_from(arg, word.len);
	if (!strict)
		arg = skip_blanks(arg);
	if (arg.len == 0 || arg.data[0] != ':')
		return false;
	arg = str_from(arg, 1);
	*path = strict ? arg : skip_blanks(arg);
	return true;
}

bool
smtp_command_clean(struct str line, bool utf8)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.data[i];

		if ((c < 32 && c != '\t') || c == 127 || (c > 127 && !utf8))
			return false;
	}
	return !utf8 || utf8_valid(line);
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5321 section 4.1.2: (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool
valid_keyword(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.data[i]) && (i == 0 || s.data[i] != '-'))
			return false;
	return s.len > 0;
}

/* 1*(%d33-60 / %d62-126), and UTF-8 by RFC 6531 section 3.3. */
static bool
valid_value(struct str s, bool utf8, bool equals)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c <= 32 || (c == '=' && !equals) || c == 127 || (c > 127 && !utf8))
			return false;
	}
	return s.len > 0 && (!utf8 || utf8_valid(s));
}

enum smtp_param_status
smtp_param_next(struct str *rest, bool utf8, struct smtp_param *p)
{
	struct str s = skip_blanks(*rest), word;
	size_t n, equals;

	if (s.len == 0) {
		*rest = s;
		return SMTP_PARAM_END;
	}
	n = word_length(s);
	word = str_sub(s, 0, n);
	*rest = str_from(s, n);
	equals = str_chr(word, '=');
	p->has_value = equals != STR_NPOS;
	p->key = str_sub(word, 0, p->has_value ? equals : word.len);
	p->value = p->has_value ? str_from(word, equals + 1) : STR_EMPTY;
	/* The delimiters of XVERP= are "+=", usually, whatever RFC 5321 says of values. */
	if (!valid_keyword(p->key) ||
	    (p->has_value && !valid_value(p->value, utf8, str_eq_nocase(p->key, STR("XVERP")))))
		return SMTP_PARAM_BAD;
	return SMTP_PARAM_OK;
}

bool
smtp_size_parse(struct str value, uint64_t *size)
{
	return value.len <= 20 && str_to_u64(value, UINT64_MAX, size);
}

bool
smtp_bdat_parse(struct str arg, struct smtp_bdat *b)
{
	size_t n = word_length(arg);
	struct str last = skip_blanks(str_from(arg, n));

	b->last = false;
	if (!smtp_size_parse(str_sub(arg, 0, n), &b->size))
		return false;
	if (last.len == 0)
		return true;
	b->last = str_eq_nocase(last, STR("LAST"));
	return b->last;
}
