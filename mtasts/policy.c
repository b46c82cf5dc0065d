/*
 * policy - see policy.h
 *
 * Lines of "name: value". Of a name that may stand once the first counts, unknown names are let pass; what
 * is missing or makes no sense makes the whole policy worthless.
 */
#include "mtasts/policy.h"

#include <string.h>

#define PATTERN_MAX 255

struct reading {
	struct policy *p;
	struct buf mx;
	bool version, mode, age;
};

static bool
is_label_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* "mx.example.org", "*.example.org" */
static bool
good_pattern(struct str s)
{
	bool label = false;

	if (str_starts(s, STR("*.")))
		s = str_from(s, 2);
	if (s.len == 0 || s.len > PATTERN_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '.' ? !label : !is_label_byte(s.data[i]))
			return false;
		label = s.data[i] != '.';
	}
	return label;
}

static bool
add_pattern(struct reading *r, struct str value, struct arena *arena, struct buf *why)
{
	char *lower = arena_cstr(arena, value);

	for (size_t i = 0; i < value.len; i++)
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] = (char)(lower[i] - 'A' + 'a');
	if (value.len > 1 && lower[value.len - 1] == '.')
		value.len--;
	if (!good_pattern(str_n(lower, value.len))) {
		buf_puts(why, "a value of mx is no name of a server");
		return false;
	}
	if (r->mx.len + value.len + 1 > MSG_STS_MX_MAX) {
		buf_puts(why, "it has too many values of mx");
		return false;
	}
	buf_printf(&r->mx, "%s%.*s", r->mx.len > 0 ? " " : "", (int)value.len, lower);
	return true;
}

static bool
set_mode(struct reading *r, struct str value, struct buf *why)
{
	if (r->mode)
		return true;
	r->mode = true;
	if (str_eq(value, STR("enforce")))
		r->p->mode = STS_ENFORCE;
	else if (str_eq(value, STR("testing")))
		r->p->mode = STS_TESTING;
	else if (str_eq(value, STR("none")))
		r->p->mode = STS_NONE;
	else {
		buf_puts(why, "its mode is none that there is");
		return false;
	}
	return true;
}

static bool
set_age(struct reading *r, struct str value, struct buf *why)
{
	uint64_t seconds;

	if (r->age)
		return true;
	r->age = true;
	if (!str_to_u64(value, UINT32_MAX, &seconds)) {
		buf_puts(why, "its max_age is no number");
		return false;
	}
	r->p->max_age = seconds < POLICY_AGE_MAX ? (int64_t)seconds : POLICY_AGE_MAX;
	return true;
}

static bool
take_line(struct reading *r, struct str line, struct arena *arena, struct buf *why)
{
	size_t colon = str_chr(line, ':');
	struct str name, value;

	if (str_trim(line).len == 0)
		return true;
	if (colon == STR_NPOS) {
		buf_puts(why, "a line of it is no \"name: value\"");
		return false;
	}
	name = str_trim(str_sub(line, 0, colon));
	value = str_trim(str_from(line, colon + 1));
	if (str_eq(name, STR("version"))) {
		r->version = r->version || str_eq(value, STR("STSv1"));
		return true;
	}
	if (str_eq(name, STR("mode")))
		return set_mode(r, value, why);
	if (str_eq(name, STR("max_age")))
		return set_age(r, value, why);
	if (str_eq(name, STR("mx")))
		return add_pattern(r, value, arena, why);
	return true;
}

bool
policy_parse(struct str text, struct arena *arena, struct policy *p, struct buf *why)
{
	struct reading r = {.p = p};
	struct str line;
	bool ok = true;

	*p = (struct policy){0};
	while (ok && str_token(&text, "\n", &line))
		ok = take_line(&r, line, arena, why);
	if (ok && (!r.version || !r.mode || !r.age)) {
		buf_puts(why, "it lacks version: STSv1, mode or max_age");
		ok = false;
	}
	if (ok && p->mode != STS_NONE && r.mx.len == 0) {
		buf_puts(why, "it names no mx");
		ok = false;
	}
	p->mx = arena_str(arena, buf_view(&r.mx));
	buf_free(&r.mx);
	return ok;
}
