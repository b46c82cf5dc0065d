/*
 * postconf_master - master.cf: showing services, their columns and their parameters
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/postconf_service.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/lines.h"

/* The arguments of the command line, and which of them something was found for. */
struct search {
	const struct request *r;
	bool *found; /* one per argument */
};

static struct search
search_start(const struct request *r)
{
	size_t n = 0;

	while (r->names[n])
		n++;
	return (struct search){r, mem_array(n + 1, sizeof(bool))};
}

static void
search_end(struct search *s)
{
	for (size_t i = 0; s->r->names[i]; i++)
		if (!s->found[i])
			log_warning("unmatched request: \"%s\"", s->r->names[i]);
	free(s->found);
}

/* Calls SHOW for each service of master.cf in the order of the file; says which arguments ask for nothing. */
static int
walk(const struct request *r, void (*show)(struct search *search, const struct service_line *s))
{
	struct search search = search_start(r);
	struct conf *defaults = conf_defaults(r->dir);
	struct conf_problems problems = {0};
	struct conf_lines lines = {0};
	struct buf path = {0}, text = {0}, line = {0};
	struct master_cf *m;

	buf_printf(&path, "%s/master.cf", conf_dir(defaults));
	if (io_read_file(buf_cstr(&path), CONF_FILE_MAX, &text) != 0)
		log_fatal("%s: %s", buf_cstr(&path), strerror(errno));
	lines.rest = buf_view(&text);
	while (conf_lines_next(&lines, &line)) {
		struct service_line s;

		if (service_line_parse(buf_view(&line), &s)) {
			show(&search, &s);
			service_line_free(&s);
		}
	}
	m = master_cf_read(buf_view(&text), path.data, &problems);
	print_problems(&problems);
	search_end(&search);
	conf_problems_free(&problems);
	master_cf_free(&m);
	conf_free(&defaults);
	buf_free(&path);
	buf_free(&text);
	buf_free(&line);
	return 0;
}

/* Is WORD what the pattern's next part asks for? "*" is everything; so is no part at all. */
static bool
part_matches(struct str *pattern, struct str word)
{
	size_t slash = str_chr(*pattern, '/');
	struct str part = str_sub(*pattern, 0, slash);

	if (pattern->len == 0)
		return true;
	*pattern = slash == STR_NPOS ? STR_EMPTY : str_from(*pattern, slash + 1);
	return str_eq(part, STR("*")) || str_eq(part, word);
}

/* Does an argument of the command line ask for this service, and this field or parameter of it? */
static bool
asked_for(struct search *search, const struct service_line *s, struct str item)
{
	char **names = search->r->names;
	bool asked = !names[0];

	for (size_t i = 0; names[i]; i++) {
		struct str pattern = str_c(names[i]);

		if (part_matches(&pattern, s->fields[0]) && part_matches(&pattern, s->fields[1]) &&
		    part_matches(&pattern, item))
			asked = search->found[i] = true;
	}
	return asked;
}

static void
show_entry(struct search *search, const struct service_line *s)
{
	struct buf out = {0};

	if (asked_for(search, s, STR_EMPTY)) {
		service_line_print(s, search->r->fold, &out);
		buf_putc(&out, '\n');
		print_text(&out);
	}
	buf_free(&out);
}

/* Prints "service/type/item = value". */
static void
show_item(const struct request *r, const struct service_line *s, struct str item, struct str value)
{
	struct buf name = {0};

	buf_printf(
	    &name, "%.*s/%.*s/%.*s", STR_ARG(s->fields[0]), STR_ARG(s->fields[1]), STR_ARG(item));
	print_pair(r, buf_view(&name), value);
	buf_free(&name);
}

static void
show_fields(struct search *search, const struct service_line *s)
{
	struct buf command = {0};

	for (size_t i = 0; i < SERVICE_FIELDS; i++)
		if (asked_for(search, s, str_c(service_field_names[i])))
			show_item(search->r, s, str_c(service_field_names[i]), s->fields[i]);
	if (asked_for(search, s, STR("command"))) {
		for (size_t i = 0; i < s->n_words; i++) {
			if (i > 0)
				buf_putc(&command, ' ');
			buf_str(&command, s->words[i]);
		}
		show_item(search->r, s, STR("command"), buf_view(&command));
	}
	buf_free(&command);
}

static void
show_parameters(struct search *search, const struct service_line *s)
{
	struct str name, value;
	size_t i = 1;

	while (service_override_next(s, &i, &name, &value))
		if (asked_for(search, s, name))
			show_item(search->r, s, name, value);
}

int
master_cf_show_entries(const struct request *r)
{
	return walk(r, show_entry);
}

int
master_cf_show_fields(const struct request *r)
{
	return walk(r, show_fields);
}

int
master_cf_show_parameters(const struct request *r)
{
	return walk(r, show_parameters);
}
