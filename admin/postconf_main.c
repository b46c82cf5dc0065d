/*
 * postconf_main - main.cf: showing parameters, and changing them
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "admin/postconf.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/params.h"

/* --- Showing ---------------------------------------------------------------------------------------- */

/* A parameter to show; VALUE is as written. */
struct shown {
	struct str name, value;
};

struct list {
	struct shown *items;
	size_t count;
};

static void
add(struct list *l, struct str name, struct str value)
{
	l->items = mem_resize(l->items, (l->count + 1) * sizeof(*l->items));
	l->items[l->count++] = (struct shown){name, value};
}

static int
by_name(const void *a, const void *b)
{
	return str_cmp(((const struct shown *)a)->name, ((const struct shown *)b)->name);
}

static unsigned
class_of_builtin(enum param p)
{
	size_t prefix;

	return param_family(param_name(p), &prefix) ? CLASS_SERVICE : CLASS_BUILTIN;
}

/* Rows that only stand for a family: <transport>_destination_rate_delay. */
static bool
is_template(enum param p)
{
	for (size_t i = 0; i < PARAM_TEMPLATE_COUNT; i++)
		if (param_templates[i].row == p)
			return true;
	return false;
}

static void
list_builtin(const struct request *r, const struct conf *c, struct list *l)
{
	for (size_t i = 0; i < PARAM_COUNT; i++) {
		enum param p = (enum param)i;

		if ((r->classes & class_of_builtin(p)) && !is_template(p) &&
		    (!r->set_only || conf_is_set(c, p, NULL, NULL)))
			add(l, param_name(p), conf_raw(c, p));
	}
}

static void
list_others(const struct request *r, const struct conf *c, struct list *l)
{
	struct str name, raw;
	size_t cursor = 0, line, prefix;

	while (conf_user_next(c, &cursor, &name, &raw, &line))
		if (r->classes & (param_family(name, &prefix) ? CLASS_SERVICE : CLASS_USER))
			add(l, name, raw);
}

static bool
find_other(const struct conf *c, struct str wanted, struct str *value)
{
	struct str name;
	size_t cursor = 0, line;

	while (conf_user_next(c, &cursor, &name, value, &line))
		if (str_eq(name, wanted))
			return true;
	return false;
}

/* The parameter called NAME, as the command line asks for it. */
static void
list_name(const struct request *r, const struct conf *c, struct str name, struct list *l)
{
	const struct param_template *family;
	struct str value;
	size_t prefix;
	enum param p;

	if (param_find(name, &p)) {
		if (!r->set_only || conf_is_set(c, p, NULL, NULL))
			add(l, name, conf_raw(c, p));
		return;
	}
	if (find_other(c, name, &value)) {
		add(l, name, value);
		return;
	}
	family = param_family(name, &prefix);
	if (!family)
		log_warning("%.*s: unknown parameter", STR_ARG(name));
	else if (!r->set_only)
		add(l, name, param_default(family->row));
}

/* The value with everything in it expanded; raw ones are expanded by their readers, not here. */
static void
print_expanded(const struct request *r, const struct conf *c, const struct shown *s)
{
	struct buf out = {0}, why = {0};
	enum param p;

	if (param_find(s->name, &p) && param_infos[p].type == PARAM_RAW)
		buf_str(&out, s->value);
	else if (!conf_expand(c, s->value, &out, &why)) {
		log_warning("%.*s: %s", STR_ARG(s->name), buf_cstr(&why));
		buf_reset(&out);
		buf_str(&out, s->value);
	}
	print_pair(r, s->name, str_trim(buf_view(&out)));
	buf_free(&out);
	buf_free(&why);
}

int
main_cf_show(const struct request *r)
{
	struct conf_problems problems = {0};
	struct list l = {0};
	struct conf *c = r->defaults ? conf_defaults(r->dir)
				     : conf_load(r->dir, r->overrides, r->n_overrides, &problems);

	if (problems.count > 0 && problems.list[0].line == 0 && problems.list[0].file)
		log_fatal("%s: %s", problems.list[0].file, problems.list[0].text);
	if (r->names[0]) {
		for (char **name = r->names; *name; name++)
			list_name(r, c, str_c(*name), &l);
	} else {
		list_builtin(r, c, &l);
		list_others(r, c, &l);
		qsort(l.items, l.count, sizeof(*l.items), by_name);
	}
	for (size_t i = 0; i < l.count; i++) {
		if (r->expand)
			print_expanded(r, c, &l.items[i]);
		else
			print_pair(r, l.items[i].name, l.items[i].value);
	}
	print_problems(&problems);
	conf_problems_free(&problems);
	conf_free(&c);
	free(l.items);
	return 0;
}

/* --- Changing --------------------------------------------------------------------------------------- */

struct change {
	struct str name, value;
	bool done;
};

struct changes {
	char action;
	struct change *list;
	size_t count;
};

/* Ends the program if the argument makes no sense. */
static struct change
read_change(char action, const char *argument)
{
	struct change c = {.name = str_c(argument)};
	const char *why;

	if (strpbrk(argument, "\r\n"))
		log_fatal("-%c accepts no text of several lines: \"%s\"", action, argument);
	if (action == 'e') {
		if (!strchr(argument, '='))
			log_fatal("\"%s\": name=value is expected", argument);
		if (!conf_split(c.name, &c.name, &c.value, &why))
			log_fatal("\"%s\": %s", argument, why);
	} else if (strchr(argument, '=')) {
		log_fatal("-%c takes parameter names without a value: \"%s\"", action, argument);
	}
	if (c.name.len == 0 || c.name.data[0] == '#' || strpbrk(argument, " \t#=") == argument)
		log_fatal("\"%s\": not a parameter name", argument);
	return c;
}

static enum edit_action
decide(void *context, struct str line, struct buf *replacement)
{
	struct changes *changes = context;
	struct str name, value;
	const char *why;

	if (!conf_split(line, &name, &value, &why))
		return EDIT_KEEP;
	/* From the last: if one name is given twice, the later value counts. */
	for (size_t i = changes->count; i-- > 0;) {
		struct change *c = &changes->list[i];

		if (!str_eq(c->name, name))
			continue;
		if (changes->action == '#')
			return EDIT_COMMENT;
		if (changes->action == 'X' || c->done)
			return EDIT_REMOVE;
		c->done = true;
		buf_printf(replacement, "%.*s = %.*s", STR_ARG(c->name), STR_ARG(c->value));
		return EDIT_REPLACE;
	}
	return EDIT_KEEP;
}

/* What the file did not hold yet; of one name given twice only the last. */
static void
append_rest(struct changes *changes, struct buf *out)
{
	for (size_t i = 0; i < changes->count; i++) {
		bool later = changes->list[i].done;

		for (size_t j = i + 1; j < changes->count && !later; j++)
			later = str_eq(changes->list[i].name, changes->list[j].name);
		if (!later)
			buf_printf(out, "%.*s = %.*s\n", STR_ARG(changes->list[i].name),
			    STR_ARG(changes->list[i].value));
	}
}

int
main_cf_edit(const struct request *r)
{
	struct conf *defaults = conf_defaults(r->dir);
	struct changes changes = {.action = r->action};
	struct edit e;
	struct buf out = {0};

	for (char **name = r->names; *name; name++) {
		changes.list =
		    mem_resize(changes.list, (changes.count + 1) * sizeof(*changes.list));
		changes.list[changes.count++] = read_change(r->action, *name);
	}
	edit_begin(&e, conf_dir(defaults), "main.cf");
	edit_lines(buf_view(&e.text), decide, &changes, &out);
	if (r->action == 'e')
		append_rest(&changes, &out);
	edit_end(&e, &out);
	free(changes.list);
	buf_free(&out);
	conf_free(&defaults);
	return 0;
}
