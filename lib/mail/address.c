/*
 * address - parse and write envelope addresses
 *
 * The text is a stranger's. One pass, no recursion; nothing is kept of an address that fails. Control
 * bytes never get in, not even quoted, so that an address can stand in a log line, a header and a
 * queue file.
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/mail/address.h"
#include "lib/mail/utf8.h"

#define LABEL_MAX 63         /* RFC 1035 section 2.3.4; of a U-label characters are counted */
#define LITERAL_MAX 64       /* longer than any address literal */
#define ADDRESS_WIRE_MAX 254 /* RFC 5321 section 4.5.3.1.3: a path of 256 less its <> */

struct scan {
	struct str in;
	size_t at;
	unsigned flags;
	struct buf *why;
};

static bool
fail(struct scan *s, const char *cause)
{
	if (s->why)
		buf_puts(s->why, cause);
	return false;
}

static bool
at_char(const struct scan *s, char c)
{
	return s->at < s->in.len && s->in.data[s->at] == c;
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_8bit(char c)
{
	return (unsigned char)c > 127;
}

/* RFC 5322 section 3.2.3, and RFC 6531 section 3.3 for what is above 127. */
static bool
is_atext(char c)
{
	return is_alnum(c) || is_8bit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static void
skip_blanks(struct scan *s)
{
	while (s->at < s->in.len && (s->in.data[s->at] == ' ' || s->in.data[s->at] == '\t'))
		s->at++;
}

/* --- Domains -------------------------------------------------------------------------------- */

/* One label; UTF8 lets bytes above 127 in. An underscore is let pass: such hosts exist. */
static bool
valid_label(struct str label, bool utf8)
{
	size_t chars = 0;

	if (label.len == 0 || label.data[0] == '-' || label.data[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.data[i];

		if (!is_alnum(c) && c != '-' && c != '_' && !(utf8 && is_8bit(c)))
			return false;
		if (((unsigned char)c & 0xc0) != 0x80)
			chars++;
	}
	return chars <= LABEL_MAX;
}

bool
address_valid_domain(struct str domain, bool utf8)
{
	if (domain.len > ADDRESS_DOMAIN_MAX || (utf8 && !utf8_valid(domain)))
		return false;
	for (;;) {
		size_t dot = str_chr(domain, '.');

		if (!valid_label(dot == STR_NPOS ? domain : str_sub(domain, 0, dot), utf8))
			return false;
		if (dot == STR_NPOS)
			return true;
		domain = str_from(domain, dot + 1);
	}
}

bool
address_is_literal(struct str domain)
{
	char text[LITERAL_MAX];
	struct in6_addr v6;
	struct in_addr v4;
	struct str s;

	if (domain.len < 3 || domain.len >= LITERAL_MAX || domain.data[0] != '[' ||
	    domain.data[domain.len - 1] != ']')
		return false;
	s = str_sub(domain, 1, domain.len - 2);
	if (str_chr(s, '\0') != STR_NPOS)
		return false;
	if (str_starts_nocase(s, STR("IPv6:"))) {
		s = str_from(s, 5);
		memcpy(text, s.data, s.len);
		text[s.len] = '\0';
		return inet_pton(AF_INET6, text, &v6) == 1;
	}
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return inet_pton(AF_INET, text, &v4) == 1;
}

/* The domain at s->at. */
static bool
scan_domain(struct scan *s, struct str *domain)
{
	size_t start = s->at, end;

	if (at_char(s, '[')) {
		end = str_chr(str_from(s->in, start), ']');
		if (end == STR_NPOS)
			return fail(s, "address literal without a closing ]");
		*domain = str_sub(s->in, start, end + 1);
		s->at = start + end + 1;
		return address_is_literal(*domain) || fail(s, "malformed address literal");
	}
	while (s->at < s->in.len &&
	    (is_alnum(s->in.data[s->at]) || is_8bit(s->in.data[s->at]) ||
		strchr("-_.", s->in.data[s->at])) &&
	    s->in.data[s->at] != '\0')
		s->at++;
	*domain = str_sub(s->in, start, s->at - start);
	if (s->flags & ADDRESS_LOOSE && domain->len > 1 && domain->data[domain->len - 1] == '.')
		domain->len--;
	if (domain->len == 0)
		return fail(s, "domain missing after @");
	if (utf8_8bit(*domain) && !(s->flags & ADDRESS_UTF8_OK))
		return fail(s, "non-ASCII domain without SMTPUTF8");
	return address_valid_domain(*domain, s->flags & ADDRESS_UTF8_OK) ||
	    fail(s, "malformed domain name");
}

/* --- Local parts ---------------------------------------------------------------------------- */

/* "…" at s->at, unquoted, appended to OUT. */
static bool
scan_quoted(struct scan *s, struct buf *out)
{
	for (s->at++; s->at < s->in.len; s->at++) {
		char c = s->in.data[s->at];

		if (c == '"') {
			s->at++;
			return true;
		}
		if (c == '\\') {
			if (++s->at == s->in.len)
				break;
			c = s->in.data[s->at];
			if (is_8bit(c))
				return fail(s, "non-ASCII character behind a backslash");
		}
		if ((unsigned char)c < 32 || c == 127)
			return fail(s, "control character in a quoted local part");
		buf_putc(out, c);
	}
	return fail(s, "quoted local part without a closing quote");
}

static void
scan_atom(struct scan *s, struct buf *out)
{
	size_t start = s->at;

	while (s->at < s->in.len && is_atext(s->in.data[s->at]))
		s->at++;
	buf_append(out, s->in.data + start, s->at - start);
}

/*
 * Dot-string or quoted-string. LOOSE takes dots anywhere (addresses of some phone companies) and
 * quoted parts between dots.
 */
static bool
scan_local(struct scan *s, struct buf *out)
{
	bool loose = s->flags & ADDRESS_LOOSE, need = true;
	size_t start = s->at;

	if (!loose && at_char(s, '"'))
		return scan_quoted(s, out);
	while (s->at < s->in.len) {
		char c = s->in.data[s->at];

		if (c == '.') {
			if (need && !loose)
				return fail(s, "misplaced dot in the local part");
			buf_putc(out, c);
			s->at++;
			need = true;
		} else if (need && c == '"' && loose) {
			if (!scan_quoted(s, out))
				return false;
			need = false;
		} else if (need && is_atext(c)) {
			scan_atom(s, out);
			need = false;
		} else {
			break;
		}
	}
	if (s->at == start)
		return fail(s, "local part missing");
	return !need || loose || fail(s, "misplaced dot in the local part");
}

/* Does LOCAL have to be quoted to be written? */
static bool
needs_quotes(struct str local)
{
	bool need = true;

	for (size_t i = 0; i < local.len; i++) {
		if (local.data[i] == '.' ? need : !is_atext(local.data[i]))
			return true;
		need = local.data[i] == '.';
	}
	return need;
}

/* How long LOCAL is with the quotes and backslashes it needs. */
static size_t
written_length(struct str local)
{
	size_t n = local.len;

	if (!needs_quotes(local))
		return n;
	for (size_t i = 0; i < local.len; i++)
		n += local.data[i] == '"' || local.data[i] == '\\';
	return n + 2;
}

/* LENGTH: as it came, with quotes and backslashes. */
static bool
check_local(struct scan *s, struct str local, size_t length, bool with_domain)
{
	size_t max = s->flags & ADDRESS_LONG_LOCAL ? ADDRESS_PATH_MAX : ADDRESS_LOCAL_MAX;

	if (length > max || written_length(local) > max)
		return fail(s, "local part too long");
	if (local.len == 0 && !with_domain)
		return fail(s, "empty local part without a domain");
	if (!utf8_8bit(local))
		return true;
	if (!(s->flags & ADDRESS_UTF8_OK))
		return fail(s, "non-ASCII local part without SMTPUTF8");
	return utf8_valid(local) || fail(s, "local part is not valid UTF-8");
}

/* UTF-8 has control characters too: U+0080 to U+009F. */
static bool
has_c1(struct str s)
{
	for (size_t i = 0; i + 1 < s.len; i++)
		if ((unsigned char)s.data[i] == 0xc2 && (unsigned char)s.data[i + 1] < 0xa0)
			return true;
	return false;
}

/* --- Addresses and paths -------------------------------------------------------------------- */

/* "user@" and "user@." count as "user" where that is allowed, with LOOSE. */
static bool
scan_no_domain(struct scan *s)
{
	size_t at = s->at;

	if (!(s->flags & ADDRESS_LOOSE) || !(s->flags & ADDRESS_BARE_OK))
		return false;
	if (at_char(s, '.'))
		at++;
	if (at < s->in.len && s->in.data[at] != '>' && s->in.data[at] != ' ' &&
	    s->in.data[at] != '\t')
		return false;
	s->at = at;
	return true;
}

/* local[@domain] at s->at; LOCAL is scratch space that becomes the unquoted local part. */
static bool
scan_address(struct scan *s, struct buf *local, struct str *domain)
{
	size_t start = s->at, length;

	*domain = STR_EMPTY;
	if (!scan_local(s, local))
		return false;
	length = s->at - start;
	if (at_char(s, '@')) {
		s->at++;
		if (!scan_no_domain(s) && !scan_domain(s, domain))
			return false;
	} else if (!(s->flags & ADDRESS_BARE_OK)) {
		return fail(s, "domain missing");
	}
	if (has_c1(buf_view(local)) || has_c1(*domain))
		return fail(s, "control character in the address");
	return check_local(s, buf_view(local), length, domain->len > 0);
}

/* "@a,@b:" before the address: RFC 5321 section 4.1.2 says to accept and ignore it. */
static bool
scan_route(struct scan *s)
{
	struct str domain;

	while (at_char(s, '@')) {
		s->at++;
		if (!scan_domain(s, &domain))
			return false;
		if (at_char(s, ',')) {
			s->at++;
			if (!at_char(s, '@'))
				return fail(s, "malformed source route");
		} else if (at_char(s, ':')) {
			s->at++;
			return true;
		} else {
			return fail(s, "source route without a colon");
		}
	}
	return true;
}

/* RFC 5321 section 4.5.3.1.3. */
static bool
fits(struct scan *s, struct str local, struct str domain)
{
	size_t n = written_length(local) + domain.len + (domain.len > 0);

	return n <= (s->flags & ADDRESS_LONG_LOCAL ? ADDRESS_PATH_MAX : ADDRESS_WIRE_MAX) ||
	    fail(s, "address too long");
}

static void
keep(struct arena *a, struct str local, struct str domain, struct mail_address *address)
{
	address->local = arena_str(a, local);
	address->domain = arena_str(a, domain);
	address->utf8 = utf8_8bit(local) || utf8_8bit(domain);
}

/* What stands between < and >, or in place of both. */
static bool
scan_path(struct scan *s, struct buf *local, struct str *domain)
{
	bool brackets = at_char(s, '<');

	*domain = STR_EMPTY;
	if (!brackets && !(s->flags & ADDRESS_LOOSE))
		return fail(s, "address without <>");
	if (brackets)
		s->at++;
	if (s->flags & ADDRESS_LOOSE)
		skip_blanks(s);
	if (brackets && at_char(s, '>')) {
		s->at++;
		return s->flags & ADDRESS_NULL_OK || fail(s, "empty address");
	}
	if (!scan_route(s) || !scan_address(s, local, domain))
		return false;
	if (s->flags & ADDRESS_LOOSE && brackets)
		skip_blanks(s);
	if (brackets) {
		if (!at_char(s, '>'))
			return fail(s, "malformed address or > missing");
		s->at++;
	}
	if (s->at < s->in.len && s->in.data[s->at] != ' ' && s->in.data[s->at] != '\t')
		return fail(s, brackets ? "garbage after >" : "malformed address");
	return fits(s, buf_view(local), *domain);
}

bool
address_parse_path(struct str text, unsigned flags, struct arena *a, struct mail_address *address,
    struct str *rest, struct buf *why)
{
	struct scan s = {text, 0, flags, why};
	struct buf local = {0};
	struct str domain;
	size_t start;
	bool ok;

	if (flags & ADDRESS_LOOSE)
		skip_blanks(&s);
	start = s.at;
	/* One byte more than may be, so that what is too long is not taken for what was cut. */
	s.in = str_sub(text, 0, start + ADDRESS_PATH_MAX + 1);
	ok = scan_path(&s, &local, &domain) &&
	    (s.at - start <= ADDRESS_PATH_MAX || fail(&s, "path too long"));
	if (ok) {
		keep(a, buf_view(&local), domain, address);
		if (rest)
			*rest = str_from(text, s.at);
	}
	buf_free(&local);
	return ok;
}

bool
address_parse(
    struct str text, unsigned flags, struct arena *a, struct mail_address *address, struct buf *why)
{
	struct scan s = {flags & ADDRESS_LOOSE ? str_trim(text) : text, 0, flags, why};
	struct buf local = {0};
	struct str domain = STR_EMPTY;
	bool ok;

	if (s.in.len > ADDRESS_PATH_MAX)
		return fail(&s, "address too long");
	if (s.in.len == 0)
		ok = flags & ADDRESS_NULL_OK || fail(&s, "empty address");
	else
		ok = scan_address(&s, &local, &domain) &&
		    (s.at == s.in.len || fail(&s, "malformed address")) &&
		    fits(&s, buf_view(&local), domain);
	if (ok)
		keep(a, buf_view(&local), domain, address);
	buf_free(&local);
	return ok;
}

bool
address_is_null(const struct mail_address *address)
{
	return address->local.len == 0 && address->domain.len == 0;
}

bool
address_eq(const struct mail_address *a, const struct mail_address *b)
{
	return str_eq(a->local, b->local) && str_eq_nocase(a->domain, b->domain);
}

/* --- Writing -------------------------------------------------------------------------------- */

void
address_write(const struct mail_address *address, struct buf *out)
{
	struct str local = address->local;

	if (address_is_null(address))
		return;
	if (needs_quotes(local)) {
		buf_putc(out, '"');
		for (size_t i = 0; i < local.len; i++) {
			if (local.data[i] == '"' || local.data[i] == '\\')
				buf_putc(out, '\\');
			buf_putc(out, local.data[i]);
		}
		buf_putc(out, '"');
	} else {
		buf_str(out, local);
	}
	if (address->domain.len > 0) {
		buf_putc(out, '@');
		buf_str(out, address->domain);
	}
}

struct str
address_text(const struct mail_address *address, struct arena *a)
{
	struct buf b = {0};
	struct str s;

	address_write(address, &b);
	s = arena_str(a, buf_view(&b));
	buf_free(&b);
	return s;
}

struct str
address_internal(const struct mail_address *address, struct arena *a)
{
	if (address->domain.len == 0)
		return arena_str(a, address->local);
	return arena_printf(a, "%.*s@%.*s", STR_ARG(address->local), STR_ARG(address->domain));
}

/* --- Extensions ----------------------------------------------------------------------------- */

/* Addresses that are never split, whatever the delimiter. */
static bool
never_split(struct str local, struct str delimiters)
{
	if (str_eq_nocase(local, STR("postmaster")) || str_eq_nocase(local, STR("mailer-daemon")) ||
	    str_eq_nocase(local, STR("double-bounce")))
		return true;
	if (str_chr(delimiters, '-') == STR_NPOS)
		return false;
	return str_starts_nocase(local, STR("owner-")) ||
	    (local.len > 8 && str_ends_nocase(local, STR("-request")));
}

struct str
address_without_extension(struct str local, struct str delimiters, struct str *extension)
{
	size_t i = 0;

	if (extension)
		*extension = STR_EMPTY;
	if (never_split(local, delimiters))
		return local;
	while (i < local.len && str_chr(delimiters, local.data[i]) == STR_NPOS)
		i++;
	if (i == 0 || i == local.len)
		return local;
	if (extension)
		*extension = str_from(local, i + 1);
	return str_sub(local, 0, i);
}
