/*
 * notice_file - texts of notices from a file: see notice_file.h
 *
 * The file is the administrator's, so it is trusted; but what is wrong in it must not be found out by a
 * notice that nobody can read. So everything is checked when it is read: names, headers, line lengths,
 * character sets and parameters.
 */
#include "lib/mail/notice_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/mail/utf8.h"

#define LINE_MAX_BYTES 990 /* RFC 5322 section 2.1.1, and room for a line end */
#define EXPANDED_MAX (1 << 20)

struct reader {
	struct str rest;
	size_t line; /* of the last line taken */
	const struct conf *conf;
	struct arena *arena;
	struct notice_file_error *error;
};

static bool wrong(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What is wrong with the line taken last. Always false. */
static bool
wrong(struct reader *r, const char *format, ...)
{
	va_list ap;

	r->error->line = r->line;
	buf_reset(&r->error->why);
	va_start(ap, format);
	buf_vprintf(&r->error->why, format, ap);
	va_end(ap);
	return false;
}

static bool
next_line(struct reader *r, struct str *line)
{
	size_t end = str_chr(r->rest, '\n');

	if (r->rest.len == 0)
		return false;
	r->line++;
	*line = str_sub(r->rest, 0, end);
	r->rest = str_from(r->rest, end == STR_NPOS ? r->rest.len : end + 1);
	if (line->len && line->data[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* ---- Values of parameters -------------------------------------------------------------------------- */

static const struct {
	const char *word;
	int64_t seconds;
} units[] = {{"seconds", 1}, {"minutes", 60}, {"hours", 3600}, {"days", 86400}, {"weeks", 604800}};

/* "delay_warning_time_hours": the value of FRONT in that unit. */
static bool
put_time(struct str name, const char *front, int64_t value, struct buf *out)
{
	if (!str_starts(name, str_c(front)))
		return false;
	name = str_from(name, strlen(front));
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (str_eq(name, str_c(units[i].word))) {
			buf_printf(out, "%" PRId64, value / units[i].seconds);
			return true;
		}
	return false;
}

/* The name at the start of S ("$name", "${name}", "$(name)"), and how long all of it is. */
static struct str
name_at(struct str s, size_t *len)
{
	char close = s.len > 1 && s.data[1] == '{' ? '}' : s.len > 1 && s.data[1] == '(' ? ')' : 0;
	size_t from = close ? 2 : 1, at = from;

	while (at < s.len &&
	    (s.data[at] == '_' || (s.data[at] >= 'a' && s.data[at] <= 'z') ||
		(s.data[at] >= 'A' && s.data[at] <= 'Z') ||
		(s.data[at] >= '0' && s.data[at] <= '9')))
		at++;
	*len = at;
	if (close) {
		if (at == s.len || s.data[at] != close)
			return STR_EMPTY;
		*len = at + 1;
	}
	return str_sub(s, from, at - from);
}

/* The names that are no parameters get their values, the others stay for the configuration. */
static void
put_special(const struct conf *conf, struct str body, struct buf *out)
{
	while (body.len > 0) {
		size_t len = 1;
		struct str name = body.data[0] == '$' ? name_at(body, &len) : STR_EMPTY;

		if (body.len > 1 && body.data[0] == '$' && body.data[1] == '$')
			buf_str(out, str_sub(body, 0, len = 2));
		else if (str_eq(name, STR("will_retry_until")))
			buf_putc(out, NOTICE_RETRY_MARK);
		else if (name.len == 0 ||
		    (!put_time(
			 name, "delay_warning_time_", conf_time(conf, P_delay_warning_time), out) &&
			!put_time(name, "maximal_queue_lifetime_",
			    conf_time(conf, P_maximal_queue_lifetime), out)))
			buf_str(out, str_sub(body, 0, len));
		body = str_from(body, len);
	}
}

static bool
expand_body(const struct reader *r, const char *body, struct buf *out, struct buf *why)
{
	struct buf special = {0};
	bool ok;

	put_special(r->conf, str_c(body), &special);
	ok = conf_expand(r->conf, buf_view(&special), out, why);
	buf_free(&special);
	return ok;
}

static bool
check_expanded(struct reader *r, struct str text)
{
	struct str rest = text;

	while (rest.len > 0) {
		size_t end = str_chr(rest, '\n');

		if ((end == STR_NPOS ? rest.len : end) > LINE_MAX_BYTES)
			return wrong(r, "a line is too long with its values: \"%.*s...\"",
			    STR_ARG(str_sub(rest, 0, 40)));
		rest = str_from(rest, end == STR_NPOS ? rest.len : end + 1);
	}
	return true;
}

/* ---- One template ----------------------------------------------------------------------------------- */

static bool
take_header(struct reader *r, struct notice_text *t, struct str line)
{
	size_t colon = str_chr(line, ':');
	struct str name = str_sub(line, 0, colon == STR_NPOS ? 0 : colon), value;
	const char **target = str_eq_nocase(name, STR("Charset")) ? &t->charset
	    : str_eq_nocase(name, STR("From"))                    ? &t->from
	    : str_eq_nocase(name, STR("Subject"))                 ? &t->subject
	    : str_eq_nocase(name, STR("Postmaster-Subject"))      ? &t->postmaster_subject
								  : NULL;

	if (!target)
		return wrong(r,
		    "not Charset, From, Subject or Postmaster-Subject, nor an empty line in front "
		    "of "
		    "the text: \"%.*s\"",
		    STR_ARG(str_sub(line, 0, 60)));
	value = str_trim(str_from(line, colon + 1));
	if (value.len == 0 || value.len > LINE_MAX_BYTES - 100)
		return wrong(r, "a value that is empty or too long: \"%.*s\"",
		    STR_ARG(str_sub(line, 0, 60)));
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.data[i] < ' ' || (unsigned char)value.data[i] > 126 ||
		    value.data[i] == '$')
			return wrong(r, "only ASCII, and no $name, may stand here: \"%.*s\"",
			    STR_ARG(str_sub(line, 0, 60)));
	*target = arena_cstr(r->arena, value);
	return true;
}

/* Is it a name as Content-Type wants it? */
static bool
charset_valid(const char *charset)
{
	for (const char *c = charset; *c; c++)
		if (!strchr(
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+", *c))
			return false;
	return true;
}

static bool
has_control(struct str line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\t')
			return true;
	return false;
}

/* Header, then text, up to the line END. */
static bool
take_template(struct reader *r, struct str end, struct notice_text *t)
{
	struct buf body = {0}, ready = {0}, why = {0};
	size_t begin = r->line;
	bool in_text = false, found = false, ok = true;
	struct str line;

	while (ok && !found && next_line(r, &line)) {
		found = str_eq(line, end);
		if (found)
			break;
		if (line.len > LINE_MAX_BYTES || has_control(line))
			ok = wrong(r, "a line that is too long, or has control characters");
		else if (in_text)
			buf_printf(&body, "%.*s\n", STR_ARG(line));
		else if (line.len == 0)
			in_text = true;
		else
			ok = take_header(r, t, line);
	}
	if (ok && !found) {
		r->line = begin;
		ok = wrong(r, "no line \"%.*s\" ends this template", STR_ARG(end));
	}
	if (ok &&
	    (!charset_valid(t->charset) ||
		(utf8_8bit(buf_view(&body)) && str_eq_nocase(str_c(t->charset), STR("us-ascii")))))
		ok = wrong(
		    r, "the text has more than ASCII, or a bad name: say which Charset: it is");
	if (ok) {
		t->body = arena_cstr(r->arena, buf_view(&body));
		if (!expand_body(r, t->body, &ready, &why) || ready.len > EXPANDED_MAX)
			ok = wrong(r, "%s", why.len ? buf_cstr(&why) : "the text is too long");
		else if ((ok = check_expanded(r, buf_view(&ready))))
			t->ready = arena_cstr(r->arena, buf_view(&ready));
	}
	buf_free(&body);
	buf_free(&ready);
	buf_free(&why);
	return ok;
}

/* "failure_template = <<EOF": which one, and the end's word. */
static bool
take_start(struct reader *r, struct str line, size_t *kind, struct str *end)
{
	size_t equal = str_chr(line, '=');
	struct str name = str_trim(str_sub(line, 0, equal)), word;

	if (equal == STR_NPOS)
		return wrong(
		    r, "not NAME_template = <<WORD: \"%.*s\"", STR_ARG(str_sub(line, 0, 60)));
	word = str_trim(str_from(line, equal + 1));
	if (!str_starts(word, STR("<<")))
		return wrong(
		    r, "not NAME_template = <<WORD: \"%.*s\"", STR_ARG(str_sub(line, 0, 60)));
	*end = str_trim(str_from(word, 2));
	if (end->len == 0 || str_chr(*end, '"') != STR_NPOS || str_chr(*end, '\'') != STR_NPOS)
		return wrong(r, "a word without quotes must stand behind <<: \"%.*s\"",
		    STR_ARG(str_sub(line, 0, 60)));
	for (*kind = 0; *kind < NOTICE_KINDS; (*kind)++) {
		struct str want = str_c(notice_text((enum notice_kind) * kind)->name);

		if (str_starts(name, want) && str_eq(str_from(name, want.len), STR("_template")))
			return true;
	}
	return wrong(r, "no such template: \"%.*s\"", STR_ARG(str_sub(name, 0, 60)));
}

static void
built_in(struct notice_text out[NOTICE_KINDS])
{
	for (size_t i = 0; i < NOTICE_KINDS; i++)
		out[i] = *notice_text((enum notice_kind)i);
}

bool
notice_file_parse(struct str text, const struct conf *conf, struct arena *a,
    struct notice_text out[NOTICE_KINDS], struct notice_file_error *error)
{
	struct reader r = {.rest = text, .conf = conf, .arena = a, .error = error};
	bool seen[NOTICE_KINDS] = {false}, ok = true;
	struct str line, end = STR_EMPTY;
	size_t kind = 0;

	built_in(out);
	while (ok && next_line(&r, &line)) {
		struct str trimmed = str_trim(line);

		if (trimmed.len == 0 || trimmed.data[0] == '#')
			continue;
		ok = take_start(&r, line, &kind, &end);
		if (ok && seen[kind])
			ok = wrong(&r, "this template is there twice: \"%.*s\"", STR_ARG(line));
		if (ok) {
			seen[kind] = true;
			ok = take_template(&r, end, &out[kind]);
		}
	}
	if (!ok)
		built_in(out);
	return ok;
}

bool
notice_file_load(const char *path, const struct conf *conf, struct arena *a,
    struct notice_text out[NOTICE_KINDS], struct notice_file_error *error)
{
	struct buf text = {0};
	bool ok = false;

	built_in(out);
	error->line = 0;
	buf_reset(&error->why);
	if (io_read_file(path, NOTICE_FILE_MAX, &text) < 0)
		buf_puts(&error->why, strerror(errno));
	else
		ok = notice_file_parse(buf_view(&text), conf, a, out, error);
	buf_free(&text);
	return ok;
}
