/*
 * dsn - enhanced status codes, and the words of the DSN extension
 *
 * Input is a peer's or a table's: every length is checked, every decoded byte too.
 */
#include <stdint.h>
#include <stdio.h>

#include "lib/mail/dsn.h"
#include "lib/mail/utf8.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One to three digits without a leading zero (RFC 3463 section 2). */
static bool
number(struct str s, size_t *at, unsigned short *value)
{
	size_t start = *at;
	unsigned n = 0;

	while (*at < s.len && *at - start < 3 && is_digit(s.data[*at]))
		n = n * 10 + (unsigned)(s.data[(*at)++] - '0');
	*value = (unsigned short)n;
	return *at > start && (s.data[start] != '0' || *at == start + 1);
}

bool
dsn_parse(struct str s, struct dsn *dsn, struct str *rest)
{
	struct dsn d;
	size_t at = 2;

	if (s.len < 5 || (s.data[0] != '2' && s.data[0] != '4' && s.data[0] != '5') ||
	    s.data[1] != '.')
		return false;
	d.class = (unsigned char)(s.data[0] - '0');
	if (!number(s, &at, &d.subject) || at >= s.len || s.data[at++] != '.' ||
	    !number(s, &at, &d.detail) || (at < s.len && !is_blank(s.data[at])))
		return false;
	*dsn = d;
	if (rest) {
		while (at < s.len && is_blank(s.data[at]))
			at++;
		*rest = str_from(s, at);
	}
	return true;
}

void
dsn_text(const struct dsn *dsn, char out[DSN_TEXT_SIZE])
{
	snprintf(out, DSN_TEXT_SIZE, "%d.%d.%d", dsn->class % 10, dsn->subject % 1000,
	    dsn->detail % 1000);
}

bool
dsn_valid(struct str s)
{
	char text[DSN_TEXT_SIZE];
	struct dsn dsn;

	if (!dsn_parse(s, &dsn, NULL))
		return false;
	dsn_text(&dsn, text);
	return str_eq(s, str_c(text));
}

void
dsn_split(struct str s, struct dsn_split *split)
{
	*split = (struct dsn_split){.text = str_trim(s)};
	s = split->text;
	if (s.len >= 3 && s.data[0] >= '2' && s.data[0] <= '5' && is_digit(s.data[1]) &&
	    is_digit(s.data[2]) && (s.len == 3 || is_blank(s.data[3]))) {
		split->code = (s.data[0] - '0') * 100 + (s.data[1] - '0') * 10 + (s.data[2] - '0');
		s = str_trim(str_from(s, 3));
	}
	if (dsn_parse(s, &split->dsn, &s) && split->code)
		split->dsn.class = (unsigned char)(split->code / 100);
	split->text = s;
}

/* --- xtext ---------------------------------------------------------------------------------- */

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void
dsn_xtext_encode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c > 32 && c < 127 && c != '+' && c != '=')
			buf_putc(out, (char)c);
		else
			buf_printf(out, "+%02X", c);
	}
}

bool
dsn_xtext_decode(struct str s, struct buf *out)
{
	size_t start = out->len;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '+' && s.len - i > 2 && hex_value(s.data[i + 1]) >= 0 &&
		    hex_value(s.data[i + 2]) >= 0) {
			c = (char)(hex_value(s.data[i + 1]) * 16 + hex_value(s.data[i + 2]));
			i += 2;
		} else if (c <= 32 || c >= 127 || c == '+' || c == '=') {
			buf_truncate(out, start);
			return false;
		}
		buf_putc(out, c);
	}
	return true;
}

static bool
printable(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < 32 || s.data[i] == 127)
			return false;
	return true;
}

/* --- NOTIFY, RET, ENVID --------------------------------------------------------------------- */

static const struct {
	unsigned bit;
	const char *word;
} notify_words[] = {
    {DSN_NOTIFY_NEVER, "NEVER"},
    {DSN_NOTIFY_SUCCESS, "SUCCESS"},
    {DSN_NOTIFY_FAILURE, "FAILURE"},
    {DSN_NOTIFY_DELAY, "DELAY"},
};
#define NOTIFY_WORDS (sizeof(notify_words) / sizeof(notify_words[0]))

static unsigned
notify_bit(struct str word)
{
	for (size_t i = 0; i < NOTIFY_WORDS; i++)
		if (str_eq_nocase(word, str_c(notify_words[i].word)))
			return notify_words[i].bit;
	return 0;
}

bool
dsn_notify_parse(struct str s, unsigned *notify)
{
	unsigned bits = 0;

	for (;;) {
		size_t comma = str_chr(s, ',');
		unsigned bit = notify_bit(comma == STR_NPOS ? s : str_sub(s, 0, comma));

		if (bit == 0)
			return false;
		bits |= bit;
		if (comma == STR_NPOS)
			break;
		s = str_from(s, comma + 1);
	}
	if ((bits & DSN_NOTIFY_NEVER) && bits != DSN_NOTIFY_NEVER)
		return false;
	*notify = bits;
	return true;
}

void
dsn_notify_write(unsigned notify, struct buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < NOTIFY_WORDS; i++)
		if (notify & notify_words[i].bit) {
			buf_puts(out, comma);
			buf_puts(out, notify_words[i].word);
			comma = ",";
		}
}

bool
dsn_ret_parse(struct str s, enum dsn_ret *ret)
{
	if (str_eq_nocase(s, STR("FULL")))
		*ret = DSN_RET_FULL;
	else if (str_eq_nocase(s, STR("HDRS")))
		*ret = DSN_RET_HDRS;
	else
		return false;
	return true;
}

bool
dsn_envid_parse(struct str s, struct buf *out)
{
	size_t start = out->len;

	if (s.len == 0 || s.len > DSN_ENVID_MAX || !dsn_xtext_decode(s, out))
		return false;
	if (printable(str_from(buf_view(out), start)) && !utf8_8bit(str_from(buf_view(out), start)))
		return true;
	buf_truncate(out, start);
	return false;
}

/* --- ORCPT ---------------------------------------------------------------------------------- */

static void
put_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_putc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_putc(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_putc(out, (char)(0xe0 | c >> 12));
		} else {
			buf_putc(out, (char)(0xf0 | c >> 18));
			buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_putc(out, (char)(0x80 | (c & 0x3f)));
}

/* "\x{20AC}" at the start of S: its length and the character; 0 if it is none. */
static size_t
embedded_char(struct str s, uint32_t *c)
{
	size_t i = 3;

	if (!str_starts(s, STR("\\x{")))
		return 0;
	*c = 0;
	for (; i < s.len && i < 9 && hex_value(s.data[i]) >= 0; i++)
		*c = *c * 16 + (uint32_t)hex_value(s.data[i]);
	return i > 3 && i < s.len && s.data[i] == '}' ? i + 1 : 0;
}

/* RFC 6533 section 3: QCHAR, EmbeddedUnicodeChar and, with UTF8, UTF-8 itself. */
static bool
utf8_address_decode(struct str s, bool utf8, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c == '\\') {
			uint32_t wide = 0;
			size_t n = embedded_char(str_from(s, i), &wide);

			if (n == 0)
				return false;
			put_utf8(out, wide);
			i += n - 1;
		} else if (c <= 32 || c == 127 || c == '+' || c == '=' || (c > 127 && !utf8)) {
			return false;
		} else {
			buf_putc(out, (char)c);
		}
	}
	return true;
}

/* An address type is an atom (RFC 3461 section 4.2). */
static bool
valid_type(struct str type)
{
	for (size_t i = 0; i < type.len; i++) {
		char c = type.data[i];

		if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-')
			return false;
	}
	return type.len > 0;
}

bool
dsn_orcpt_parse(struct str s, bool utf8, struct buf *out)
{
	size_t start = out->len, semicolon = str_chr(s, ';');
	struct str type = str_sub(s, 0, semicolon), decoded;
	bool wide, ok;

	if (semicolon == STR_NPOS || s.len > DSN_ORCPT_MAX || !valid_type(type) ||
	    s.len == semicolon + 1)
		return false;
	wide = str_eq_nocase(type, STR("utf-8"));
	buf_str(out, type);
	buf_putc(out, ';');
	s = str_from(s, semicolon + 1);
	ok = wide ? utf8_address_decode(s, utf8, out) : dsn_xtext_decode(s, out);
	decoded = str_from(buf_view(out), start + type.len + 1);
	if (ok && utf8_valid(decoded)) {
		ok = wide || !utf8_8bit(decoded);
		for (size_t i = 0; i < decoded.len; i++)
			if ((unsigned char)decoded.data[i] < 32 || decoded.data[i] == 127)
				ok = false;
	} else {
		ok = false;
	}
	if (!ok)
		buf_truncate(out, start);
	return ok;
}

/* The character at S (valid UTF-8 is the caller's promise; else one byte), and how long it is. */
static size_t
next_char(struct str s, uint32_t *c)
{
	unsigned char b = (unsigned char)s.data[0];
	size_t len = b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;

	if (b < 0xc0 || len > s.len) {
		*c = b;
		return 1;
	}
	*c = b & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*c = *c << 6 | ((unsigned char)s.data[i] & 0x3f);
	return len;
}

void
dsn_orcpt_encode(struct str orcpt, bool utf8, struct buf *out)
{
	size_t semicolon = str_chr(orcpt, ';'), len;
	struct str s;

	if (semicolon == STR_NPOS)
		return;
	buf_str(out, str_sub(orcpt, 0, semicolon + 1));
	s = str_from(orcpt, semicolon + 1);
	if (!str_eq_nocase(str_sub(orcpt, 0, semicolon), STR("utf-8"))) {
		dsn_xtext_encode(s, out);
		return;
	}
	for (; s.len > 0; s = str_from(s, len)) {
		uint32_t c = 0;

		len = next_char(s, &c);
		if (c <= 32 || c == 127 || c == '+' || c == '=' || c == '\\' || (c > 127 && !utf8))
			buf_printf(out, "\\x{%X}", (unsigned)c);
		else
			buf_append(out, s.data, len);
	}
}
