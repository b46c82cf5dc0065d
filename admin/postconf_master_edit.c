/*
 * postconf_master_edit - master.cf: changing services, their columns and their parameters
 *
 * Each argument names one service as service/type. A line that would no longer make sense is refused,
 * and then nothing is changed at all.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "admin/postconf_service.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/master_args.h"

/* What one argument of the command line asks for. */
struct change {
	const char *argument;
	struct str service, type, item; /* item: field or parameter */
	struct str value;
	bool done;
};

struct changes {
	char action; /* 'e', 'X', '#' */
	char mode;   /* 'M', 'F', 'P' */
	struct change *list;
	size_t count;
};

/* Takes the part up to the next "/" off *REST. */
static struct str
take_part(struct str *rest)
{
	size_t slash = str_chr(*rest, '/');
	struct str part = str_sub(*rest, 0, slash);

	*rest = slash == STR_NPOS ? STR_EMPTY : str_from(*rest, slash + 1);
	return part;
}

/* "service/type", "service/type/item", and with -e "=value" behind it. */
static struct change
read_change(const struct changes *all, const char *argument)
{
	struct change c = {.argument = argument};
	struct str name = str_c(argument);
	const char *why;

	if (strpbrk(argument, "\r\n"))
		log_fatal("-%c accepts no text of several lines: \"%s\"", all->action, argument);
	if (all->action == 'e' && strchr(argument, '=') && !conf_split(name, &name, &c.value, &why))
		log_fatal("\"%s\": %s", argument, why);
	c.service = take_part(&name);
	c.type = take_part(&name);
	if (all->mode != 'M')
		c.item = take_part(&name);
	if (c.service.len == 0 || c.type.len == 0 || (all->mode != 'M' && c.item.len == 0) ||
	    name.len > 0 || (all->action == 'e' && !strchr(argument, '=')))
		log_fatal("\"%s\": service/type%s%s is expected", argument,
		    all->mode == 'M'       ? ""
			: all->mode == 'F' ? "/field"
					   : "/parameter",
		    all->action == 'e' ? "=value" : "");
	return c;
}

static void
print_checked(const struct change *c, const struct service_line *s, struct buf *out)
{
	struct conf_problems problems = {0};
	struct master_cf *m;

	service_line_print(s, true, out);
	m = master_cf_read(buf_view(out), NULL, &problems);
	if (problems.errors > 0)
		log_fatal("\"%s\": %s; nothing is changed", c->argument, problems.list[0].text);
	master_cf_free(&m);
	conf_problems_free(&problems);
}

/* -Me: the value is a whole line. */
static void
replace_entry(const struct change *c, struct buf *out)
{
	struct service_line s;

	if (!service_line_parse(c->value, &s))
		log_fatal("\"%s\": eight columns are expected behind \"=\"; nothing is changed",
		    c->argument);
	if (!str_eq(s.fields[0], c->service) || !str_eq(s.fields[1], c->type))
		log_fatal(
		    "\"%s\": the line is that of another service; nothing is changed", c->argument);
	print_checked(c, &s, out);
	service_line_free(&s);
}

static void
set_command(const struct change *c, struct service_line *s)
{
	struct str rest = c->value, word;
	const char *why;

	s->n_words = 0;
	while (master_word_next(&rest, &word, &why))
		service_word_insert(s, s->n_words, word);
	if (why || s->n_words == 0)
		log_fatal("\"%s\": %s; nothing is changed", c->argument,
		    why ? why : "a program is expected");
}

/* -Fe */
static void
set_field(const struct change *c, struct service_line *s)
{
	struct str rest = c->value, word;

	if (str_eq(c->item, STR("command"))) {
		set_command(c, s);
		return;
	}
	for (size_t i = 0; i < SERVICE_FIELDS; i++) {
		if (!str_eq(c->item, str_c(service_field_names[i])))
			continue;
		if (!str_token(&rest, " \t", &word) || str_trim(rest).len > 0)
			log_fatal("\"%s\": one word is expected; nothing is changed", c->argument);
		s->fields[i] = word;
		return;
	}
	log_fatal("\"%s\": there is no such field; nothing is changed", c->argument);
}

/* Removes every -o of that parameter; true if there was one. */
static bool
remove_parameter(const struct change *c, struct service_line *s)
{
	bool found = false;
	struct str name, value;
	size_t i = 1;

	for (;;) {
		size_t before = i;

		if (!service_override_next(s, &i, &name, &value))
			return found;
		if (!str_eq(name, c->item))
			continue;
		/* Words between BEFORE and I that are no -o are skipped options such as -v. */
		while (!str_starts(s->words[before], STR("-o")))
			before++;
		while (i > before)
			service_word_remove(s, --i);
		found = true;
	}
}

/* -Pe, -PX. TEXT keeps the new word alive until the line is printed. */
static bool
set_parameter(
    const struct changes *all, const struct change *c, struct service_line *s, struct buf *text)
{
	bool found = remove_parameter(c, s), group;
	size_t at = service_options_end(s);

	if (all->action == 'X')
		return found;
	group = str_chr(c->value, ' ') != STR_NPOS || str_chr(c->value, '\t') != STR_NPOS;
	buf_printf(
	    text, group ? "{ %.*s = %.*s }" : "%.*s=%.*s", STR_ARG(c->item), STR_ARG(c->value));
	service_word_insert(s, at, buf_view(text));
	service_word_insert(s, at, STR("-o"));
	return true;
}

/* Applies one change to LINE and puts the result into OUT. */
static bool
apply(const struct changes *all, struct change *c, struct str line, struct buf *out)
{
	struct service_line s;
	struct buf word = {0};
	bool changed = true;

	if (all->mode == 'M') {
		replace_entry(c, out);
		return true;
	}
	if (!service_line_parse(line, &s))
		return false;
	if (all->mode == 'F')
		set_field(c, &s);
	else
		changed = set_parameter(all, c, &s, &word);
	if (changed)
		print_checked(c, &s, out);
	service_line_free(&s);
	buf_free(&word);
	return changed;
}

static bool
is_about(const struct change *c, struct str line)
{
	struct str name, type;

	return str_token(&line, " \t", &name) && str_token(&line, " \t", &type) &&
	    str_eq(name, c->service) && str_eq(type, c->type);
}

static enum edit_action
decide(void *context, struct str line, struct buf *replacement)
{
	struct changes *all = context;
	struct buf current = {0}, next = {0};
	enum edit_action action = EDIT_KEEP;

	buf_str(&current, line);
	for (size_t i = 0; i < all->count; i++) {
		struct change *c = &all->list[i];

		if (!is_about(c, line))
			continue;
		if (all->mode == 'M' && all->action != 'e') {
			c->done = true;
			action = all->action == 'X' ? EDIT_REMOVE : EDIT_COMMENT;
			break;
		}
		buf_reset(&next);
		if (apply(all, c, buf_view(&current), &next)) {
			c->done = true;
			action = EDIT_REPLACE;
			/* The next change reads it as one logical line. */
			buf_reset(&current);
			fold_text(buf_view(&next), false, &current);
			buf_reset(replacement);
			buf_str(replacement, buf_view(&next));
		}
	}
	buf_free(&current);
	buf_free(&next);
	return action;
}

/* New services go to the end; anything else that found nothing to change is told. */
static void
finish(struct changes *all, struct buf *out)
{
	for (size_t i = 0; i < all->count; i++) {
		struct change *c = &all->list[i];
		struct buf line = {0};

		if (c->done)
			continue;
		if (all->mode == 'M' && all->action == 'e') {
			replace_entry(c, &line);
			buf_str(out, buf_view(&line));
			buf_putc(out, '\n');
		} else if (all->action == 'e') {
			log_fatal(
			    "\"%s\": there is no such service; nothing is changed", c->argument);
		} else {
			log_warning("\"%s\": there is nothing of that name", c->argument);
		}
		buf_free(&line);
	}
}

static int
edit(const struct request *r, char mode)
{
	struct conf *defaults = conf_defaults(r->dir);
	struct changes all = {.action = r->action, .mode = mode};
	struct buf out = {0};
	struct edit e;

	for (char **name = r->names; *name; name++) {
		all.list = mem_resize(all.list, (all.count + 1) * sizeof(*all.list));
		all.list[all.count] = read_change(&all, *name);
		all.count++;
	}
	edit_begin(&e, conf_dir(defaults), "master.cf");
	edit_lines(buf_view(&e.text), decide, &all, &out);
	finish(&all, &out);
	edit_end(&e, &out);
	free(all.list);
	buf_free(&out);
	conf_free(&defaults);
	return 0;
}

int
master_cf_edit_entries(const struct request *r)
{
	return edit(r, 'M');
}

int
master_cf_edit_fields(const struct request *r)
{
	if (r->action != 'e')
		log_fatal("-F can be combined with -e only");
	return edit(r, 'F');
}

int
master_cf_edit_parameters(const struct request *r)
{
	if (r->action == '#')
		log_fatal("-P can be combined with -e and -X only");
	return edit(r, 'P');
}
