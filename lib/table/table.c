/*
 * table - "type:name" and the types that need no file: static, inline
 *
 * Keys are what strangers sent; specs and values come from the configuration.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/table/table_private.h"

struct table {
	const struct table_type *type;
	void *state;
	bool pattern; /* this one, or the one that proxymap is asked for */
};

/* Types that others have for a text compiled into a database read the text itself here. */
static const struct {
	const char *name;
	const struct table_type *type;
} types[] = {
    {"btree", &table_type_text},
    {"cdb", &table_type_text},
    {"dbm", &table_type_text},
    {"hash", &table_type_text},
    {"inline", &table_type_inline},
    {"lmdb", &table_type_text},
    {"pcre", &table_type_pcre},
    {"proxy", &table_type_proxy},
    {"regexp", &table_type_regexp},
    {"static", &table_type_static},
    {"texthash", &table_type_text},
    {"unix", &table_type_unix},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

const char *const *
table_types(void)
{
	static const char *const names[] = {"btree", "cdb", "dbm", "hash", "inline", "lmdb", "pcre",
	    "proxy", "regexp", "static", "texthash", "unix", NULL};

	return names;
}

static const struct table_type *
find_type(struct str name)
{
	for (size_t i = 0; i < TYPES; i++)
		if (str_eq(name, str_c(types[i].name)))
			return types[i].type;
	return NULL;
}

/* SPEC as "type:name": the type and NAME. NULL with WHY. */
static const struct table_type *
split_spec(struct str spec, struct str *name, struct buf *why)
{
	const struct table_type *type;
	size_t colon = str_chr(spec, ':');

	if (colon == STR_NPOS || colon == 0 || colon + 1 == spec.len) {
		buf_printf(why, "\"%.*s\" is no table: type:name is needed", STR_ARG(spec));
		return NULL;
	}
	type = find_type(str_sub(spec, 0, colon));
	if (!type)
		buf_printf(why, "unsupported table type \"%.*s\" in %.*s",
		    STR_ARG(str_sub(spec, 0, colon)), STR_ARG(spec));
	*name = str_from(spec, colon + 1);
	return type;
}

/* Behind all "proxy:". */
static bool
names_patterns(struct str spec)
{
	const struct table_type *type;

	while (str_starts(spec, STR("proxy:")))
		spec = str_from(spec, 6);
	type = find_type(str_sub(spec, 0, str_chr(spec, ':')));
	return type && type->pattern;
}

static struct table *
open_as(const struct table_type *type, struct str spec, struct str name, const char *param,
    struct buf *why)
{
	void *state = type->open(spec, name, param, why);
	struct table *t;

	if (!state)
		return NULL;
	t = MEM_NEW(struct table);
	t->type = type;
	t->state = state;
	t->pattern = names_patterns(spec);
	return t;
}

struct table *
table_open_for(struct str spec, const char *param, bool confined, struct buf *why)
{
	const struct table_type *type;
	struct str name;

	spec = str_trim(spec);
	type = split_spec(spec, &name, why);
	if (!type)
		return NULL;
	if (confined && !type->plain) {
		name = type == &table_type_proxy ? name : spec;
		type = &table_type_proxy_confined;
	}
	return open_as(type, spec, name, param, why);
}

struct table *
table_open_preloaded(struct str spec, const char *param, struct table_paths *paths, struct buf *why)
{
	const struct table_type *type;
	struct str name;
	struct table *t;

	spec = str_trim(spec);
	type = split_spec(spec, &name, why);
	if (!type)
		return NULL;
	if (!type->plain && !type->preload) {
		name = type == &table_type_proxy ? name : spec;
		type = &table_type_proxy_smtp;
	}
	t = open_as(type, spec, name, param, why);
	if (t && type->preload)
		type->preload(t->state, paths);
	return t;
}

struct table *
table_open(struct str spec, struct buf *why)
{
	return table_open_for(spec, "", false, why);
}

void
table_paths_add(struct table_paths *paths, const char *path)
{
	if (!paths)
		return;
	for (size_t i = 0; i < paths->count; i++)
		if (strcmp(paths->list[i], path) == 0)
			return;
	paths->list = mem_resize(paths->list, (paths->count + 1) * sizeof(*paths->list));
	paths->list[paths->count++] = mem_strdup(path);
}

void
table_paths_free(struct table_paths *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->list[i]);
	free(p->list);
	*p = (struct table_paths){0};
}

/* Set once, at the start of a program. */
static const struct table_db_ops *db_ops;
static const struct table_pattern_ops *pcre_ops;

const struct table_pattern_ops *
table_pcre_ops(void)
{
	return pcre_ops;
}

void
table_pcre_ops_set(const struct table_pattern_ops *ops)
{
	pcre_ops = ops;
}

const struct table_db_ops *
table_db_ops(void)
{
	return db_ops;
}

void
table_db_ops_set(const struct table_db_ops *ops)
{
	db_ops = ops;
}

void
table_close(struct table **t)
{
	if (!*t)
		return;
	(*t)->type->close((*t)->state);
	free(*t);
	*t = NULL;
}

void
table_fold(struct str s, struct buf *out)
{
	char *to = buf_reserve(out, s.len);

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		to[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	out->len += s.len;
}

bool
table_is_pattern(const struct table *t)
{
	return t->pattern;
}

enum table_status
table_lookup(struct table *t, struct str key, struct buf *value, struct buf *why)
{
	struct buf folded = {0};
	enum table_status status;

	if (t->pattern)
		key = str_sub(key, 0, t->type->pattern ? TABLE_MATCH_MAX : TABLE_KEY_MAX);
	else if (key.len > TABLE_KEY_MAX)
		return TABLE_NOT_FOUND;
	if (!t->type->fold)
		return t->type->lookup(t->state, key, value, why);
	table_fold(key, &folded);
	status = t->type->lookup(t->state, buf_view(&folded), value, why);
	buf_free(&folded);
	return status;
}

bool
table_list(struct table *t, table_entry_fn fn, void *arg, struct buf *why)
{
	if (t->type->each)
		return t->type->each(t->state, fn, arg, why);
	buf_printf(why, "tables of the type %s cannot be listed", t->type->name);
	return false;
}

/* --- static: -------------------------------------------------------------------------------- */

/* "{ text }" without its braces; anything else as it is. */
static struct str
without_braces(struct str s)
{
	if (s.len >= 2 && s.data[0] == '{' && s.data[s.len - 1] == '}')
		return str_trim(str_sub(s, 1, s.len - 2));
	return s;
}

static void *
static_open(struct str spec, struct str name, const char *param, struct buf *why)
{
	(void)spec, (void)param, (void)why;
	return str_dup(without_braces(name));
}

static enum table_status
static_lookup(void *state, struct str key, struct buf *value, struct buf *why)
{
	(void)key, (void)why;
	buf_puts(value, state);
	return TABLE_FOUND;
}

const struct table_type table_type_static = {
    .name = "static", .open = static_open, .lookup = static_lookup, .close = free, .plain = true};

/* --- inline: -------------------------------------------------------------------------------- */

/* "key = value", from an item of the list. */
static bool
inline_pair(struct table_entries *e, struct str spec, struct str item, struct buf *why)
{
	size_t equals = str_chr(item, '=');
	struct str key = str_trim(str_sub(item, 0, equals));

	if (equals == STR_NPOS || key.len == 0) {
		buf_printf(why, "%.*s: \"%.*s\" is not key=value", STR_ARG(spec), STR_ARG(item));
		return false;
	}
	if (!table_entries_add(e, key, str_trim(str_from(item, equals + 1)))) {
		buf_printf(
		    why, "%.*s: key \"%.*s\" stands there twice", STR_ARG(spec), STR_ARG(key));
		return false;
	}
	return true;
}

/* inline:{ key=value, { key = text with blanks } } */
static void *
inline_open(struct str spec, struct str name, const char *param, struct buf *why)
{
	struct table_entries *e = table_entries_new();
	struct str rest, item;

	(void)param;
	if (name.len < 2 || name.data[0] != '{' || name.data[name.len - 1] != '}') {
		buf_printf(why, "%.*s: inline:{ key=value … } is needed", STR_ARG(spec));
		table_entries_free(&e);
		return NULL;
	}
	rest = str_sub(name, 1, name.len - 2);
	while (conf_list_next(&rest, &item))
		if (!inline_pair(e, spec, item, why)) {
			table_entries_free(&e);
			return NULL;
		}
	return e;
}

static enum table_status
inline_lookup(void *state, struct str key, struct buf *value, struct buf *why)
{
	(void)why;
	return table_entries_get(state, key, value) ? TABLE_FOUND : TABLE_NOT_FOUND;
}

static bool
inline_each(void *state, table_entry_fn fn, void *arg, struct buf *why)
{
	(void)why;
	table_entries_each(state, fn, arg);
	return true;
}

static void
inline_close(void *state)
{
	struct table_entries *e = state;

	table_entries_free(&e);
}

const struct table_type table_type_inline = {.name = "inline",
    .open = inline_open,
    .lookup = inline_lookup,
    .close = inline_close,
    .each = inline_each,
    .fold = true,
    .plain = true};
