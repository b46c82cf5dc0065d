/*
 * conf - a snapshot of main.cf: reading it, and the accessors
 *
 * The file is trusted to be the administrator's, not to be right: whatever is in it, the loader ends
 * with a whole snapshot and a list of what is wrong.
 */
#include "config.h"

#include "lib/conf/conf.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/expand.h"
#include "lib/conf/internal.h"
#include "lib/conf/lines.h"

#define NAME_MAX_LENGTH 200

static struct conf *snapshot;

const struct conf *
conf_get(void)
{
	return snapshot;
}

void
conf_set(struct conf *c)
{
	snapshot = c;
}

void
conf_free(struct conf **c)
{
	if (!*c)
		return;
	hash_free(&(*c)->user, NULL);
	arena_free(&(*c)->arena);
	free((*c)->dir);
	free((*c)->file);
	free(*c);
	*c = NULL;
}

const char *
conf_dir(const struct conf *c)
{
	return c->dir;
}

const char *
conf_file(const struct conf *c)
{
	return c->file;
}

/* DIR as an absolute path: daemons change directory before they look again. */
static char *
absolute_dir(const char *dir)
{
	struct buf b = {0};
	char here[PATH_MAX];

	if (!dir)
		dir = getenv("MAIL_CONFIG");
	if (!dir || !*dir)
		dir = DEFAULT_CONFIG_DIR;
	if (dir[0] != '/' && getcwd(here, sizeof(here)))
		buf_printf(&b, "%s/", here);
	buf_puts(&b, dir);
	while (b.len > 1 && b.data[b.len - 1] == '/')
		b.len--;
	return buf_take(&b);
}

static struct conf *
conf_new(const char *dir)
{
	struct conf *c = MEM_NEW(struct conf);
	struct buf file = {0};

	c->arena = arena_new(4096);
	c->user = hash_new();
	c->dir = absolute_dir(dir);
	buf_printf(&file, "%s/main.cf", c->dir);
	c->file = buf_take(&file);
	return c;
}

static void
store_user(struct conf *c, const struct conf_setting *s)
{
	struct conf_user *u = hash_get(c->user, s->name);
	size_t prefix;

	if (!u) {
		u = ARENA_NEW(c->arena, struct conf_user);
		u->family = param_family(s->name, &prefix);
		(void)hash_put(c->user, s->name, u);
	}
	u->setting = *s;
}

/* What stands under that name so far; NULL if nothing does. */
static const struct conf_setting *
setting_of(const struct conf *c, struct str name)
{
	const struct conf_user *u;
	enum param p;

	if (param_find(name, &p))
		return c->set[p];
	u = hash_get(c->user, name);
	return u ? &u->setting : NULL;
}

static void
store(struct conf *c, struct str name, struct str value, size_t line)
{
	struct conf_setting s = {arena_str(c->arena, name), arena_str(c->arena, value), line};
	enum param p;

	if (!param_find(name, &p)) {
		store_user(c, &s);
		return;
	}
	if (!c->set[p])
		c->set[p] = ARENA_NEW(c->arena, struct conf_setting);
	*c->set[p] = s;
}

/* Set by the suite itself, whatever the file says. */
static bool
is_read_only(struct str name)
{
	return str_eq(name, STR("process_id")) || str_eq(name, STR("process_name")) ||
	    str_eq(name, STR("service_name")) || str_eq(name, STR("mail_version")) ||
	    str_eq(name, STR("config_directory"));
}

bool
conf_split(struct str line, struct str *name, struct str *value, const char **why)
{
	size_t equals = str_chr(line, '=');

	*why = NULL;
	*name = str_trim(str_sub(line, 0, equals));
	if (line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t'))
		*why = "the first line of the file must not begin with white space";
	else if (memchr(line.data, '\0', line.len))
		*why = "a NUL byte in the line";
	else if (equals == STR_NPOS)
		*why = "\"=\" is missing; a line that continues the one before it must begin with "
		       "white space";
	else if (name->len == 0)
		*why = "a parameter name is missing before \"=\"";
	else if (name->len > NAME_MAX_LENGTH)
		*why = "the parameter name is too long";
	else if (str_chr(*name, ' ') != STR_NPOS || str_chr(*name, '\t') != STR_NPOS)
		*why = "white space in the parameter name";
	if (*why)
		return false;
	*value = str_trim(str_from(line, equals + 1));
	return true;
}

static void
read_line(struct loader *l, struct str line, size_t number)
{
	const struct conf_setting *before;
	struct str name, value;
	const char *why;

	if (!conf_split(line, &name, &value, &why)) {
		struct str part = str_sub(line, 0, 60);

		conf_problem(l->problems, CONF_ERROR, l->c->file, number, "%s: \"%.*s%s\"", why,
		    STR_ARG(part), part.len < line.len ? "…" : "");
		return;
	}
	if (is_read_only(name)) {
		conf_problem(l->problems, CONF_NOTE, l->c->file, number,
		    "%.*s cannot be set; the line has no effect", STR_ARG(name));
		return;
	}
	before = setting_of(l->c, name);
	if (before)
		conf_problem(l->problems, CONF_WARNING, l->c->file, number,
		    "%.*s is set again, line %zu has no effect", STR_ARG(name), before->line);
	store(l->c, name, value, number);
}

static void
read_text(struct loader *l, struct str text)
{
	struct conf_lines lines = {.rest = text};
	struct buf line = {0};

	while (conf_lines_next(&lines, &line))
		read_line(l, buf_view(&line), lines.first);
	buf_free(&line);
}

static void
read_file(struct loader *l)
{
	struct buf text = {0};

	l->c->unread = io_read_file(l->c->file, CONF_FILE_MAX, &text) == 0 ? 0 : errno;
	if (l->c->unread == 0)
		read_text(l, buf_view(&text));
	else if (l->c->unread == EFBIG)
		conf_problem(l->problems, CONF_ERROR, l->c->file, 0, "longer than 4 MiB");
	else
		conf_problem(l->problems, CONF_ERROR, l->c->file, 0,
		    "cannot be read: %s; another configuration directory is named by -c or "
		    "MAIL_CONFIG",
		    strerror(l->c->unread));
	buf_free(&text);
}

int
conf_unread(const struct conf *c)
{
	return c->unread;
}

/* Problems from FIRST on, in the order of lines; those of one line as they came. */
static void
sort_problems(struct conf_problems *p, size_t first)
{
	for (size_t i = first + 1; i < p->count; i++) {
		struct conf_problem moving = p->list[i];
		size_t at = i;

		while (at > first && p->list[at - 1].line > moving.line) {
			p->list[at] = p->list[at - 1];
			at--;
		}
		p->list[at] = moving;
	}
}

/* TEXT NULL: what main.cf holds. */
static struct conf *
load(const char *dir, const struct str *text, const struct conf_override *overrides,
    size_t n_overrides, struct conf_problems *problems)
{
	struct loader l = {.c = conf_new(dir), .problems = problems};
	size_t first = problems->count;

	if (text)
		read_text(&l, *text);
	else
		read_file(&l);
	for (size_t i = 0; i < n_overrides; i++)
		store(l.c, overrides[i].name, str_trim(overrides[i].value), 0);
	conf_evaluate_all(&l);
	conf_check(&l);
	sort_problems(problems, first);
	return l.c;
}

struct conf *
conf_load(const char *dir, const struct conf_override *overrides, size_t n_overrides,
    struct conf_problems *problems)
{
	return load(dir, NULL, overrides, n_overrides, problems);
}

struct conf *
conf_load_text(const char *dir, struct str text, const struct conf_override *overrides,
    size_t n_overrides, struct conf_problems *problems)
{
	return load(dir, &text, overrides, n_overrides, problems);
}

struct conf *
conf_load_some(
    const char *dir, const enum param *wanted, size_t n_wanted, struct conf_problems *problems)
{
	struct loader l = {.c = conf_new(dir), .problems = problems};

	read_file(&l);
	conf_evaluate_some(&l, wanted, n_wanted);
	return l.c;
}

struct conf *
conf_defaults(const char *dir)
{
	struct conf_problems none = {0};
	struct loader l = {.c = conf_new(dir), .problems = &none};

	conf_evaluate_all(&l);
	conf_problems_free(&none);
	return l.c;
}

/* Was it among those that conf_load_some() was asked for? */
static void
check_loaded(const struct conf *c, enum param p)
{
	if (c->state[p] != VALUE_DONE)
		log_panic("the value of %.*s was not loaded", STR_ARG(param_name(p)));
}

static void
check_type(const struct conf *c, enum param p, unsigned types, const char *function)
{
	check_loaded(c, p);
	if (!(types & (1U << param_infos[p].type)))
		log_panic("%s(): %.*s is of type %s", function, STR_ARG(param_name(p)),
		    param_type_name(param_infos[p].type));
}

struct str
conf_str(const struct conf *c, enum param p)
{
	check_loaded(c, p);
	return c->value[p];
}

const char *
conf_cstr(const struct conf *c, enum param p)
{
	check_loaded(c, p);
	return c->value[p].data;
}

bool
conf_bool(const struct conf *c, enum param p)
{
	check_type(c, p, 1U << PARAM_BOOL, __func__);
	return c->number[p] != 0;
}

int64_t
conf_int(const struct conf *c, enum param p)
{
	check_type(c, p, 1U << PARAM_INT | 1U << PARAM_SIZE, __func__);
	return c->number[p];
}

int64_t
conf_time(const struct conf *c, enum param p)
{
	check_type(c, p, 1U << PARAM_TIME, __func__);
	return c->number[p];
}

int
conf_enum(const struct conf *c, enum param p)
{
	check_type(c, p, 1U << PARAM_ENUM, __func__);
	return (int)c->number[p];
}

struct str
conf_raw(const struct conf *c, enum param p)
{
	if (c->set[p])
		return c->set[p]->raw;
	return param_infos[p].computed ? c->value[p] : param_default(p);
}

static bool
tell_place(const struct conf *c, const struct conf_setting *s, const char **file, size_t *line)
{
	if (!s)
		return false;
	if (file)
		*file = s->line ? c->file : NULL;
	if (line)
		*line = s->line;
	return true;
}

bool
conf_is_set(const struct conf *c, enum param p, const char **file, size_t *line)
{
	return tell_place(c, c->set[p], file, line);
}

bool
conf_user_next(
    const struct conf *c, size_t *cursor, struct str *name, struct str *raw, size_t *line)
{
	const struct conf_user *u;
	void *found;

	if (!hash_next(c->user, cursor, name, &found))
		return false;
	u = found;
	*raw = u->setting.raw;
	*line = u->setting.line;
	return true;
}

bool
conf_lookup(const struct conf *c, struct str name, struct str *value)
{
	const struct conf_user *u;
	const struct param_template *family;
	size_t prefix;
	enum param p;

	if (param_find(name, &p)) {
		check_loaded(c, p);
		*value = c->value[p];
		return true;
	}
	u = hash_get(c->user, name);
	if (u) {
		*value = u->value;
		return true;
	}
	family = param_family(name, &prefix);
	if (!family)
		return false;
	*value = c->value[family->base];
	return true;
}

/* The number behind NAME if the table knows its type: one of TYPES. */
static bool
known_number(const struct conf *c, struct str name, unsigned types, int64_t *number)
{
	const struct conf_user *u = NULL;
	const struct param_template *family;
	size_t prefix;
	enum param p;

	if (!param_find(name, &p)) {
		u = hash_get(c->user, name);
		family = u ? u->family : param_family(name, &prefix);
		if (!family)
			return false;
		p = u ? family->row : family->base;
	}
	if (!(types & (1U << param_infos[p].type)))
		return false;
	*number = u ? u->number : c->number[p];
	return true;
}

int64_t
conf_lookup_int(const struct conf *c, struct str name, int64_t fallback)
{
	struct str value;
	int64_t number;
	uint64_t n;

	if (known_number(c, name, 1U << PARAM_INT | 1U << PARAM_SIZE, &number))
		return number;
	if (!conf_lookup(c, name, &value) || !str_to_u64(value, INT64_MAX, &n))
		return fallback;
	return (int64_t)n;
}

int64_t
conf_lookup_time(const struct conf *c, struct str name, int64_t fallback)
{
	struct str value;
	int64_t number;

	if (known_number(c, name, 1U << PARAM_TIME, &number))
		return number;
	if (!conf_lookup(c, name, &value) || !conf_parse_time(value, 's', &number))
		return fallback;
	return number;
}

static bool
lookup_value(struct expander *e, struct str name, struct str *value)
{
	if (!conf_lookup(e->context, name, value))
		*value = STR_EMPTY;
	return true;
}

bool
conf_expand(const struct conf *c, struct str text, struct buf *out, struct buf *why)
{
	struct expander e = {.lookup = lookup_value, .context = c, .why = why};

	return expand_text(&e, text, out);
}
