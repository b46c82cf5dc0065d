/*
 * slot_envelope - the envelope text of a slot: see slot.h
 *
 * One "name value" per line. Values are escaped (\n, \r, \t, \0 and \\), so that a line is a line. A
 * recipient's line is "rcpt NOTIFY<tab>address<tab>orig<tab>orcpt".
 */
#include "lib/queue/slot.h"

#include <string.h>

static void
put_escaped(struct buf *out, struct str s)
{
	size_t start = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		const char *escape = c == '\n' ? "\\n"
		    : c == '\r'                ? "\\r"
		    : c == '\t'                ? "\\t"
		    : c == '\\'                ? "\\\\"
		    : c == '\0'                ? "\\0"
					       : NULL;

		if (!escape)
			continue;
		buf_append(out, s.data + start, i - start);
		buf_append(out, escape, 2);
		start = i + 1;
	}
	buf_append(out, s.data + start, s.len - start);
}

static void
put_line(struct buf *out, const char *name, struct str value)
{
	buf_puts(out, name);
	buf_putc(out, ' ');
	put_escaped(out, value);
	buf_putc(out, '\n');
}

void
slot_put_envelope(const struct slot_envelope *e, struct buf *out)
{
	put_line(out, "sender", e->sender);
	if (e->ret)
		buf_printf(out, "ret %u\n", e->ret);
	if (e->envid.len > 0)
		put_line(out, "envid", e->envid);
	if (e->smtputf8)
		buf_puts(out, "smtputf8 1\n");
	if (e->body_8bit)
		buf_puts(out, "body_8bit 1\n");
	if (e->verify_only)
		buf_puts(out, "verify_only 1\n");
	if (e->verbose)
		buf_puts(out, "verbose 1\n");
	for (size_t i = 0; i < e->n_attrs; i++) {
		buf_puts(out, "attr ");
		put_escaped(out, e->attrs[i].name);
		buf_putc(out, '\t');
		put_escaped(out, e->attrs[i].value);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < e->n_rcpts; i++)
		slot_put_rcpt(&e->rcpts[i], out);
}

void
slot_put_rcpt(const struct slot_rcpt *r, struct buf *out)
{
	buf_printf(out, "rcpt %u\t", r->notify);
	put_escaped(out, r->address);
	buf_putc(out, '\t');
	put_escaped(out, r->orig);
	buf_putc(out, '\t');
	put_escaped(out, r->orcpt);
	buf_putc(out, '\n');
}

/* Unescapes into A; text without an escape is shared with the input. */
static bool
get_escaped(struct str s, struct arena *a, struct str *out)
{
	char *copy;
	size_t n = 0;

	if (str_chr(s, '\\') == STR_NPOS) {
		*out = s;
		return true;
	}
	copy = arena_alloc(a, s.len + 1);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '\\') {
			const char *from = "nrt\\0", *to = "\n\r\t\\";
			const char *at =
			    i + 1 < s.len && s.data[i + 1] ? strchr(from, s.data[i + 1]) : NULL;

			if (!at)
				return false;
			c = to[at - from]; /* "\\0" meets the string's own NUL */
			i++;
		}
		copy[n++] = c;
	}
	*out = str_n(copy, n);
	return true;
}

/* Takes the part of *REST up to SEPARATOR off; all of it when there is none. */
static struct str
take_until(struct str *rest, char separator)
{
	size_t at = str_chr(*rest, separator);
	struct str part = at == STR_NPOS ? *rest : str_sub(*rest, 0, at);

	*rest = at == STR_NPOS ? STR_EMPTY : str_from(*rest, at + 1);
	return part;
}

static bool
get_number(struct str s, unsigned max, unsigned *value)
{
	uint64_t n;

	if (!str_to_u64(s, max, &n))
		return false;
	*value = (unsigned)n;
	return true;
}

static bool
get_attr(struct str value, struct arena *a, struct slot_envelope *e)
{
	struct slot_attr *attr = &e->attrs[e->n_attrs++];

	return get_escaped(take_until(&value, '\t'), a, &attr->name) &&
	    get_escaped(value, a, &attr->value);
}

static bool
get_rcpt(struct str value, struct arena *a, uint32_t rcpts, struct slot_envelope *e)
{
	struct slot_rcpt *r;

	if (e->n_rcpts == rcpts)
		return false;
	r = &e->rcpts[e->n_rcpts++];
	return get_number(take_until(&value, '\t'), 15, &r->notify) &&
	    get_escaped(take_until(&value, '\t'), a, &r->address) &&
	    get_escaped(take_until(&value, '\t'), a, &r->orig) && get_escaped(value, a, &r->orcpt);
}

static bool
get_flag(struct str value, bool *flag)
{
	*flag = true;
	return str_eq(value, STR("1"));
}

static bool
get_line(
    struct str name, struct str value, struct arena *a, uint32_t rcpts, struct slot_envelope *e)
{
	if (str_eq(name, STR("rcpt")))
		return get_rcpt(value, a, rcpts, e);
	if (str_eq(name, STR("attr")))
		return get_attr(value, a, e);
	if (str_eq(name, STR("sender")))
		return get_escaped(value, a, &e->sender);
	if (str_eq(name, STR("envid")))
		return get_escaped(value, a, &e->envid);
	if (str_eq(name, STR("ret")))
		return get_number(value, 2, &e->ret);
	if (str_eq(name, STR("smtputf8")))
		return get_flag(value, &e->smtputf8);
	if (str_eq(name, STR("body_8bit")))
		return get_flag(value, &e->body_8bit);
	if (str_eq(name, STR("verify_only")))
		return get_flag(value, &e->verify_only);
	if (str_eq(name, STR("verbose")))
		return get_flag(value, &e->verbose);
	return false;
}

static size_t
count_lines(struct str text, struct str prefix)
{
	size_t n = 0;

	while (text.len > 0)
		n += str_starts(take_until(&text, '\n'), prefix);
	return n;
}

bool
slot_get_envelope(
    struct str text, uint32_t rcpts, struct arena *a, struct slot_envelope *e, struct buf *why)
{
	size_t line = 0;

	*e = (struct slot_envelope){.sender = STR_EMPTY, .envid = STR_EMPTY};
	if (count_lines(text, STR("rcpt ")) != rcpts) {
		buf_printf(
		    why, "envelope has not the %u recipients its header counts", (unsigned)rcpts);
		return false;
	}
	/* Without the space: a line of the name alone is one, too. */
	e->attrs = arena_array(a, count_lines(text, STR("attr")) + 1, sizeof(*e->attrs));
	e->rcpts = arena_array(a, rcpts + 1, sizeof(*e->rcpts));
	while (text.len > 0) {
		struct str value = take_until(&text, '\n');
		struct str name = take_until(&value, ' ');

		line++;
		if (!get_line(name, value, a, rcpts, e)) {
			buf_printf(why, "envelope line %zu is not understood", line);
			return false;
		}
	}
	return true;
}

bool
slot_get_envelope_head(
    struct str text, struct arena *a, struct slot_envelope *e, size_t *used, struct buf *why)
{
	struct str rest = text;

	*e = (struct slot_envelope){.sender = STR_EMPTY, .envid = STR_EMPTY};
	e->attrs = arena_array(a, count_lines(text, STR("attr")) + 1, sizeof(*e->attrs));
	for (size_t line = 1; rest.len > 0; line++) {
		bool complete = str_chr(rest, '\n') != STR_NPOS;
		struct str value, name;

		*used = text.len - rest.len;
		value = take_until(&rest, '\n');
		name = take_until(&value, ' ');
		if (str_eq(name, STR("rcpt")))
			return true;
		if (!complete || !get_line(name, value, a, 0, e)) {
			buf_printf(why, "envelope line %zu is not understood", line);
			return false;
		}
	}
	buf_puts(why, "envelope has no recipients where they should be");
	return false;
}

bool
slot_get_rcpts(
    struct str text, struct arena *a, struct slot_rcpt *rcpts, size_t max, size_t *n, size_t *used)
{
	struct slot_envelope e = {.rcpts = rcpts};
	struct str rest = text;

	*used = 0;
	while (e.n_rcpts < max && str_chr(rest, '\n') != STR_NPOS) {
		struct str value = take_until(&rest, '\n');
		struct str name = take_until(&value, ' ');

		if (!str_eq(name, STR("rcpt")) || !get_rcpt(value, a, (uint32_t)max, &e))
			return false;
		*used = text.len - rest.len;
	}
	*n = e.n_rcpts;
	return true;
}
