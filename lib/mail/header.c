/*
 * header - find the fields in a header, and know them by name
 *
 * The header is a stranger's: any bytes, NUL among them. One look at each byte per call.
 */
#include <string.h>

#include "lib/mail/header.h"
#include "lib/mail/utf8.h"

#define LINE_MAX_BYTES 998 /* RFC 5322 section 2.1.1 */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

size_t
header_name_length(struct str line)
{
	size_t n = 0, colon;

	/* RFC 5322 section 3.6.8: printable ASCII but the colon. */
	while (n < line.len && line.data[n] > 32 && line.data[n] < 127 && line.data[n] != ':')
		n++;
	for (colon = n; colon < line.len && is_blank(line.data[colon]); colon++)
		;
	return colon < line.len && line.data[colon] == ':' ? n : 0;
}

/* Where the line that begins at FROM ends, its LF included. */
static size_t
line_end(struct str s, size_t from)
{
	const char *lf = memchr(s.data + from, '\n', s.len - from);

	return lf ? (size_t)(lf - s.data) + 1 : s.len;
}

bool
header_next(struct str *rest, struct header_field *field)
{
	size_t name = header_name_length(*rest), end, value_end;
	size_t colon;

	if (name == 0)
		return false;
	end = line_end(*rest, 0);
	while (end < rest->len && is_blank(rest->data[end]))
		end = line_end(*rest, end);
	colon = str_chr(*rest, ':');
	field->name = str_sub(*rest, 0, name);
	field->raw = str_sub(*rest, 0, end);
	value_end = end;
	if (value_end > colon + 1 && rest->data[value_end - 1] == '\n')
		value_end--;
	if (value_end < end && value_end > colon + 1 && rest->data[value_end - 1] == '\r')
		value_end--;
	field->value = str_sub(*rest, colon + 1, value_end - (colon + 1));
	*rest = str_from(*rest, end);
	return true;
}

bool
header_find(struct str header, struct str name, struct header_field *field)
{
	while (header_next(&header, field))
		if (str_eq_nocase(field->name, name))
			return true;
	return false;
}

void
header_unfold(struct str value, struct buf *out)
{
	value = str_trim(value);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (c == '\n' || (c == '\r' && i + 1 < value.len && value.data[i + 1] == '\n'))
			continue;
		buf_putc(out, c);
	}
}

static const struct {
	const char *name;
	enum header_role role;
} roles[] = {
    {"Apparently-To", HEADER_RECIPIENT},
    {"Bcc", HEADER_RECIPIENT},
    {"Cc", HEADER_RECIPIENT},
    {"Disposition-Notification-To", HEADER_SENDER},
    {"Errors-To", HEADER_SENDER},
    {"From", HEADER_SENDER},
    {"Mail-Followup-To", HEADER_SENDER},
    {"Reply-To", HEADER_SENDER},
    {"Resent-Bcc", HEADER_RESENT_RECIPIENT},
    {"Resent-Cc", HEADER_RESENT_RECIPIENT},
    {"Resent-From", HEADER_RESENT_SENDER},
    {"Resent-Reply-To", HEADER_RESENT_SENDER},
    {"Resent-Sender", HEADER_RESENT_SENDER},
    {"Resent-To", HEADER_RESENT_RECIPIENT},
    {"Return-Receipt-To", HEADER_SENDER},
    {"Sender", HEADER_SENDER},
    {"To", HEADER_RECIPIENT},
};

enum header_role
header_role(struct str name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (str_eq_nocase(name, str_c(roles[i].name)))
			return roles[i].role;
	return HEADER_OTHER;
}

/* What sendmail -t takes recipients from: of the two roles all but Apparently-To. */
static bool
names_recipients(const struct header_field *field, enum header_role role)
{
	return header_role(field->name) == role &&
	    !str_eq_nocase(field->name, STR("Apparently-To"));
}

void
header_recipients(
    struct str header, struct arena *a, size_t max, struct header_addresses *addresses)
{
	enum header_role role = HEADER_RECIPIENT;
	struct header_field field;
	struct str rest = header;

	while (header_next(&rest, &field))
		if (names_recipients(&field, HEADER_RESENT_RECIPIENT))
			role = HEADER_RESENT_RECIPIENT;
	rest = header;
	while (header_next(&rest, &field))
		if (names_recipients(&field, role))
			header_addresses(field.value, a, max, addresses);
}

/* --- Display names -------------------------------------------------------------------------- */

#define ENCODED_MAX 45 /* bytes per encoded word: 60 characters of base64, within RFC 2047's 75 */

static void
put_base64(struct str s, struct buf *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.len; i += 3) {
		size_t n = s.len - i < 3 ? s.len - i : 3;
		unsigned bits = 0;

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < n ? (unsigned char)s.data[i + j] : 0);
		buf_putc(out, digits[bits >> 18]);
		buf_putc(out, digits[bits >> 12 & 63]);
		buf_putc(out, n > 1 ? digits[bits >> 6 & 63] : '=');
		buf_putc(out, n > 2 ? digits[bits & 63] : '=');
	}
}

/* RFC 2047 encoded words, folded; characters stay whole. */
static void
put_encoded(struct str s, struct buf *out)
{
	const char *charset = utf8_valid(s) ? "utf-8" : "unknown-8bit";
	const char *fold = "";

	while (s.len > 0) {
		size_t n = s.len < ENCODED_MAX ? s.len : ENCODED_MAX;

		for (size_t back = 0;
		     n < s.len && back < 3 && ((unsigned char)s.data[n] & 0xc0) == 0x80; back++)
			n--;
		buf_printf(out, "%s=?%s?B?", fold, charset);
		put_base64(str_sub(s, 0, n), out);
		buf_puts(out, "?=");
		s = str_from(s, n);
		fold = "\r\n ";
	}
}

/* Atoms with blanks between them need no quotes. */
static bool
plain_phrase(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] != ' ' &&
		    (name.data[i] < 32 || name.data[i] == 127 ||
			strchr("()<>[]:;@\\,.\"", name.data[i])))
			return false;
	return true;
}

void
header_phrase(struct str name, struct buf *out)
{
	name = str_trim(name);
	if (utf8_8bit(name)) {
		put_encoded(name, out);
		return;
	}
	if (plain_phrase(name)) {
		buf_str(out, name);
		return;
	}
	buf_putc(out, '"');
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		buf_putc(out, c < 32 || c == 127 ? ' ' : c);
	}
	buf_putc(out, '"');
}

/* Where in an address list are we? What quotes, comments and brackets hold is of one address. */
struct list_state {
	bool quoted, escaped;
	size_t comments;
	char closing; /* of <> or [], 0 outside */
};

/* Takes the next byte; true: it is a comma between two addresses. */
static bool
list_comma(struct list_state *s, char c)
{
	if (s->escaped) {
		s->escaped = false;
	} else if (c == '\\' && (s->quoted || s->comments > 0)) {
		s->escaped = true;
	} else if (s->quoted) {
		s->quoted = c != '"';
	} else if (c == '(') {
		s->comments++;
	} else if (s->comments > 0) {
		s->comments -= c == ')';
	} else if (c == '"') {
		s->quoted = true;
	} else if (s->closing) {
		s->closing = c == s->closing ? 0 : s->closing;
	} else if (c == '<' || c == '[') {
		s->closing = c == '<' ? '>' : ']';
	}
	return c == ',' && !s->quoted && s->comments == 0 && !s->closing;
}

/* One address with the comma behind it, on this line or on a new one. */
static void
fold_before(struct str part, bool first, size_t *column, struct buf *out)
{
	size_t lf = str_chr(part, '\n');
	size_t line = lf == STR_NPOS ? part.len : lf;

	/* Never in front of nothing: a line of blanks alone is no continuation. */
	if (!first && *column + line > LINE_MAX_BYTES + (lf != STR_NPOS) &&
	    str_trim(str_sub(part, 0, line)).len > 0) {
		bool blank = is_blank(part.data[0]);

		buf_puts(out, blank ? "\r\n" : "\r\n\t");
		*column = blank ? 0 : 1;
	}
	buf_str(out, part);
	*column = lf == STR_NPOS ? *column + part.len : part.len - str_rchr(part, '\n') - 1;
}

void
header_fold_list(struct str value, size_t column, struct buf *out)
{
	struct list_state state = {0};
	size_t from = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (!list_comma(&state, value.data[i]))
			continue;
		fold_before(str_sub(value, from, i + 1 - from), from == 0, &column, out);
		from = i + 1;
	}
	fold_before(str_from(value, from), from == 0, &column, out);
}
