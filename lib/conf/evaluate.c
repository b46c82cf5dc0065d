/*
 * evaluate - every value of a snapshot, expanded and typed, once
 *
 * Done whole at load time: what is wrong is found before anything starts, and afterwards the snapshot
 * never changes, so that worker threads may read it. A value that is wrong is reported and the
 * default stands in for it.
 */
#include "lib/conf/internal.h"

#include <errno.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/conf/expand.h"

/* A file that myorigin names: its first line counts, and nobody needs more. */
#define ORIGIN_FILE_MAX 4096

struct request {
	struct loader *loader;
	struct frame frame;
};

static void
tell_loop(const struct frame *f, struct str name, struct buf *why)
{
	struct buf chain = {0};

	for (; f; f = f->asked_by) {
		struct str tail = buf_view(&chain);
		struct buf longer = {0};

		buf_printf(&longer, "%.*s", STR_ARG(f->name));
		if (tail.len > 0)
			buf_printf(&longer, " -> %.*s", STR_ARG(tail));
		buf_free(&chain);
		chain = longer;
		if (str_eq(f->name, name))
			break;
	}
	buf_reset(why);
	buf_printf(
	    why, "it leads back to itself: %.*s -> %.*s", STR_ARG(buf_view(&chain)), STR_ARG(name));
	buf_free(&chain);
}

static void evaluate_user(struct loader *l, const struct frame *asked_by, struct conf_user *u);

static bool
lookup(struct expander *e, struct str name, struct str *value)
{
	const struct request *r = e->context;
	struct loader *l = r->loader;
	struct frame f = r->frame;
	struct conf_user *u;
	size_t prefix;
	const struct param_template *family;
	enum param p;

	f.depth = e->depth;
	if (param_find(name, &p)) {
		if (!conf_evaluate(l, &f, p, e->why))
			return false;
		*value = l->c->value[p];
		return true;
	}
	u = hash_get(l->c->user, name);
	if (u) {
		if (u->state == VALUE_BUSY) {
			tell_loop(&r->frame, name, e->why);
			return false;
		}
		evaluate_user(l, &f, u);
		*value = u->value;
		return true;
	}
	*value = STR_EMPTY;
	family = param_family(name, &prefix);
	if (family) {
		if (!conf_evaluate(l, &f, family->base, e->why))
			return false;
		*value = l->c->value[family->base];
	}
	return true;
}

/* Expands RAW into memory of the snapshot. */
static bool
expand(struct loader *l, const struct frame *f, struct str raw, struct str *value, struct buf *why)
{
	struct request r = {.loader = l, .frame = *f};
	struct expander e = {.lookup = lookup, .context = &r, .depth = f->depth, .why = why};
	struct buf out = {0};
	bool ok;

	if (str_chr(raw, '$') == STR_NPOS) {
		*value = raw;
		return true;
	}
	if (f->depth >= EXPAND_DEPTH_MAX || l->text > CONF_TEXT_MAX) {
		buf_reset(why);
		buf_puts(why,
		    f->depth >= EXPAND_DEPTH_MAX
			? "values refer to one another more than 100 levels deep"
			: "all values together grow beyond 16 MiB");
		return false;
	}
	ok = expand_text(&e, raw, &out);
	l->text += out.len;
	if (ok)
		*value = arena_str(l->c->arena, str_trim(buf_view(&out)));
	buf_free(&out);
	return ok;
}

/* myorigin = /etc/mailname, as Debian writes it: the name is the first line of that file. */
static bool
read_origin(struct loader *l, struct str *value, struct buf *why)
{
	struct buf text = {0};
	struct str line;
	bool ok = false;

	if (value->len == 0 || value->data[0] != '/')
		return true;
	if (io_read_file(value->data, ORIGIN_FILE_MAX, &text) != 0) {
		buf_printf(why, "cannot read %.*s: %s", STR_ARG(*value), strerror(errno));
	} else {
		line = buf_view(&text);
		line = str_trim(str_sub(line, 0, str_chr(line, '\n')));
		ok = line.len > 0;
		if (ok)
			*value = arena_str(l->c->arena, line);
		else
			buf_printf(why, "%.*s: the first line is empty", STR_ARG(*value));
	}
	buf_free(&text);
	return ok;
}

/* RAW as the value of P: expanded, typed. False: WHY. */
static bool
evaluate_text(
    struct loader *l, const struct frame *f, enum param p, struct str raw, struct buf *why)
{
	struct str value = raw;
	int64_t number;

	if (param_infos[p].type != PARAM_RAW && !expand(l, f, raw, &value, why))
		return false;
	if (p == P_myorigin && !read_origin(l, &value, why))
		return false;
	if (!conf_parse_value(p, value, &number, why))
		return false;
	l->c->value[p] = value;
	l->c->number[p] = number;
	return true;
}

static bool
evaluate_default(struct loader *l, const struct frame *f, enum param p, struct buf *why)
{
	struct buf computed = {0};
	struct str raw = param_default(p);
	bool ok = true;

	if (param_infos[p].computed) {
		ok = conf_compute(l, f, p, &computed, why);
		raw = arena_str(l->c->arena, buf_view(&computed));
		buf_free(&computed);
	}
	return ok && evaluate_text(l, f, p, raw, why);
}

/* Severe only where the parameter has an effect: an old file may hold anything for the others. */
static enum conf_severity
severity_of(enum param p)
{
	return param_infos[p].state == PARAM_STATE_USED ? CONF_ERROR : CONF_WARNING;
}

static void
report(struct loader *l, const struct conf_setting *s, enum conf_severity severity,
    const struct buf *why)
{
	struct str part = str_sub(s->raw, 0, 100);

	conf_problem(l->problems, severity, s->line ? l->c->file : NULL, s->line,
	    "%.*s = %.*s%s: %.*s", STR_ARG(s->name), STR_ARG(part),
	    part.len < s->raw.len ? "…" : "", STR_ARG(buf_view(why)));
}

bool
conf_evaluate(struct loader *l, const struct frame *asked_by, enum param p, struct buf *why)
{
	struct frame f = {.asked_by = asked_by, .name = param_name(p)};
	struct conf *c = l->c;
	struct buf cause = {0};

	f.depth = asked_by ? asked_by->depth + 1 : 0;
	if (c->state[p] == VALUE_DONE)
		return true;
	if (c->state[p] == VALUE_BUSY) {
		tell_loop(asked_by, f.name, why);
		return false;
	}
	c->state[p] = VALUE_BUSY;
	c->value[p] = STR_EMPTY;
	if (!c->set[p] || !evaluate_text(l, &f, p, c->set[p]->raw, &cause)) {
		if (c->set[p])
			report(l, c->set[p], severity_of(p), &cause);
		buf_reset(&cause);
		if (!evaluate_default(l, &f, p, &cause))
			conf_problem(l->problems, CONF_ERROR, NULL, 0, "the default of %.*s: %.*s",
			    STR_ARG(f.name), STR_ARG(buf_view(&cause)));
	}
	c->state[p] = VALUE_DONE;
	buf_free(&cause);
	return true;
}

/* What a member of a family is when its own value cannot be used. */
static void
fall_back(struct loader *l, const struct frame *f, struct conf_user *u)
{
	struct buf why = {0};

	u->value = STR_EMPTY;
	u->number = 0;
	if (u->family && conf_evaluate(l, f, u->family->base, &why)) {
		u->value = l->c->value[u->family->base];
		u->number = l->c->number[u->family->base];
	}
	buf_free(&why);
}

static void
evaluate_user(struct loader *l, const struct frame *asked_by, struct conf_user *u)
{
	struct frame f = {.asked_by = asked_by, .name = u->setting.name};
	struct buf why = {0};

	if (u->state == VALUE_DONE)
		return;
	f.depth = asked_by ? asked_by->depth + 1 : 0;
	u->state = VALUE_BUSY;
	if (!expand(l, &f, u->setting.raw, &u->value, &why) ||
	    (u->family && !conf_parse_value(u->family->row, u->value, &u->number, &why))) {
		report(l, &u->setting, u->family ? severity_of(u->family->row) : CONF_ERROR, &why);
		fall_back(l, &f, u);
	}
	u->state = VALUE_DONE;
	buf_free(&why);
}

void
conf_evaluate_some(struct loader *l, const enum param *wanted, size_t n_wanted)
{
	struct buf why = {0};

	for (size_t i = 0; i < n_wanted; i++)
		(void)conf_evaluate(l, NULL, wanted[i], &why);
	buf_free(&why);
}

void
conf_evaluate_all(struct loader *l)
{
	struct buf why = {0};
	size_t cursor = 0;
	struct str name;
	void *u;

	for (size_t p = 0; p < PARAM_COUNT; p++)
		(void)conf_evaluate(l, NULL, (enum param)p, &why);
	while (hash_next(l->c->user, &cursor, &name, &u))
		evaluate_user(l, NULL, u);
	buf_free(&why);
}
