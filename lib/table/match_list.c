/*
 * match_list - lists of names, domains, networks, files and tables
 *
 * The list is the administrator's; what is matched is a stranger's. Items are compiled once. The first
 * that matches decides; one that cannot be asked ends the search with TABLE_ERROR, since nobody knows
 * what it would have said.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/net.h"
#include "lib/conf/conf.h"
#include "lib/table/table_private.h"

#define DEPTH_MAX 8 /* files that name files */

enum item_kind {
	ITEM_NAME,
	ITEM_NET,
	ITEM_TABLE,
	ITEM_FILE,
};

struct item {
	enum item_kind kind;
	bool negate;
	char *text; /* the name, the path */
	struct net net;
	struct table *table;
	struct match_file *file;
};

struct items {
	struct item *list;
	size_t n, room;
};

/* A file of items. */
struct match_file {
	struct table_file file;
	struct items items;
	bool bad; /* read, but with an item that makes no sense: cause says which */
	struct buf cause;
	unsigned depth;
	bool frozen;    /* not to be read again: the process cannot */
	unsigned users; /* fibers within its items, which must stay as they are meanwhile */
};

/* How its owner reaches files and tables. */
enum match_reach {
	REACH_ALL,
	REACH_PROXY, /* confined: tables by proxymap, files now and for good */
	REACH_NOW,   /* preloaded: both now and for good */
};

struct match_list {
	enum match_kind kind;
	bool parent;
	enum match_reach reach;
	struct table_paths *paths; /* while it is made */
	char *param;
	struct items items;
};

/* --- Compiling ------------------------------------------------------------------------------ */

static void
free_items(struct items *items)
{
	/* Files within files are freed level by level; their depth is bounded. */
	for (size_t i = 0; i < items->n; i++) {
		struct item *item = &items->list[i];

		free(item->text);
		table_close(&item->table);
		if (item->file) {
			free_items(&item->file->items);
			free(item->file->file.path);
			buf_free(&item->file->cause);
			free(item->file);
		}
	}
	free(items->list);
	*items = (struct items){0};
}

static struct item *
new_item(struct items *items)
{
	if (items->n == items->room) {
		items->room = items->room == 0 ? 8 : items->room * 2;
		items->list = mem_resize(items->list, items->room * sizeof(struct item));
	}
	items->list[items->n] = (struct item){0};
	return &items->list[items->n++];
}

static bool load_file(const struct match_list *m, struct match_file *f, struct buf *why);

static bool
compile_file(
    const struct match_list *m, struct item *item, struct str path, unsigned depth, struct buf *why)
{
	if (depth >= DEPTH_MAX) {
		buf_printf(why, "%.*s: lists in files are nested too deep", STR_ARG(path));
		return false;
	}
	item->kind = ITEM_FILE;
	item->file = MEM_NEW(struct match_file);
	item->file->file.path = str_dup(path);
	item->file->depth = depth + 1;
	if (m->reach == REACH_ALL)
		return true;
	table_paths_add(m->paths, item->file->file.path);
	item->file->frozen = load_file(m, item->file, why);
	return item->file->frozen;
}

/* One item of a list, as written. */
static bool
compile(const struct match_list *m, struct items *items, struct str text, unsigned depth,
    struct buf *why)
{
	struct item *item = new_item(items);

	while (text.len > 0 && text.data[0] == '!') {
		item->negate = !item->negate;
		text = str_trim(str_from(text, 1));
	}
	if (text.len == 0) {
		buf_puts(why, "\"!\" without a pattern");
		return false;
	}
	if (text.data[0] == '/')
		return compile_file(m, item, text, depth, why);
	if (m->kind == MATCH_ADDRESS) {
		switch (net_parse(text, &item->net, why)) {
		case NET_OK:
			item->kind = ITEM_NET;
			return true;
		case NET_BAD:
			return false;
		case NET_NONE:
			break;
		}
	}
	if (str_chr(text, ':') != STR_NPOS && text.data[0] != '[') {
		item->kind = ITEM_TABLE;
		item->table = m->reach == REACH_NOW
		    ? table_open_preloaded(text, m->param, m->paths, why)
		    : table_open_for(text, m->param, m->reach == REACH_PROXY, why);
		return item->table != NULL;
	}
	item->kind = ITEM_NAME;
	item->text = str_dup(text);
	return true;
}

static struct match_list *
new_list(struct match_list like, struct str text, const char *param, struct buf *why)
{
	struct match_list *m = MEM_NEW(struct match_list);
	struct str item;

	*m = like;
	m->param = mem_strdup(param);
	while (conf_list_next(&text, &item))
		if (!compile(m, &m->items, item, 0, why)) {
			match_list_free(&m);
			return NULL;
		}
	m->paths = NULL;
	return m;
}

struct match_list *
match_list_new_for(enum match_kind kind, bool parent, struct str text, const char *param,
    bool confined, struct buf *why)
{
	struct match_list like = {
	    .kind = kind, .parent = parent, .reach = confined ? REACH_PROXY : REACH_ALL};

	return new_list(like, text, param, why);
}

struct match_list *
match_list_new_preloaded(enum match_kind kind, bool parent, struct str text, const char *param,
    struct table_paths *paths, struct buf *why)
{
	struct match_list like = {
	    .kind = kind, .parent = parent, .reach = REACH_NOW, .paths = paths};

	return new_list(like, text, param, why);
}

struct match_list *
match_list_new(enum match_kind kind, bool parent, struct str text, struct buf *why)
{
	return match_list_new_for(kind, parent, text, "", false, why);
}

void
match_list_free(struct match_list **m)
{
	if (!*m)
		return;
	free_items(&(*m)->items);
	free((*m)->param);
	free(*m);
	*m = NULL;
}

/* --- Files ---------------------------------------------------------------------------------- */

static void
compile_content(const struct match_list *m, struct match_file *f, struct str content)
{
	struct buf line = {0};
	size_t number = 0, first = 0;

	free_items(&f->items);
	buf_reset(&f->cause);
	f->bad = false;
	while (!f->bad && table_text_line(&content, &line, &number, &first)) {
		struct str rest = buf_view(&line), item;
		struct buf cause = {0};

		while (!f->bad && conf_list_next(&rest, &item))
			if (!compile(m, &f->items, item, f->depth, &cause)) {
				f->bad = true;
				buf_printf(&f->cause, "%s, line %zu: %s", f->file.path, first,
				    buf_cstr(&cause));
			}
		buf_free(&cause);
	}
	buf_free(&line);
}

/* The items as the file has them now (while a fiber waits within them: as they were). */
static bool
load_file(const struct match_list *m, struct match_file *f, struct buf *why)
{
	enum table_file_status status = TABLE_FILE_SAME;
	struct buf content = {0};

	if (!f->frozen && f->users == 0)
		status = table_file_look(&f->file, &content, why);
	if (status == TABLE_FILE_NEW)
		compile_content(m, f, buf_view(&content));
	buf_free(&content);
	if (status == TABLE_FILE_ERROR)
		return false;
	if (f->bad)
		buf_str(why, buf_view(&f->cause));
	return !f->bad;
}

/* --- Matching ------------------------------------------------------------------------------- */

struct question {
	const struct match_list *list;
	struct str key;
	bool has_address;
	struct net address; /* as a network of one */
	struct str address_text;
	struct buf *why;
};

/* Is NAME below DOMAIN ("example.org" or ".example.org")? */
static bool
is_below(struct str name, struct str domain)
{
	if (domain.len > 0 && domain.data[0] == '.')
		return name.len > domain.len && str_ends_nocase(name, domain);
	return name.len > domain.len + 1 && name.data[name.len - domain.len - 1] == '.' &&
	    str_ends_nocase(name, domain);
}

static bool
name_matches(const struct match_list *m, struct str name, struct str pattern)
{
	if (str_eq_nocase(name, pattern))
		return true;
	if (m->kind == MATCH_STRING || pattern.len == 0)
		return false;
	return (pattern.data[0] == '.' || m->parent) && is_below(name, pattern);
}

static enum table_status
look_in_table(struct table *t, struct str key, struct buf *why)
{
	struct buf value = {0};
	enum table_status status = table_lookup(t, key, &value, why);

	buf_free(&value);
	return status;
}

/* The key itself, the address, and the domains above: "example.org" with parent, else ".example.org". */
static enum table_status
table_matches(const struct question *q, struct table *t)
{
	enum table_status status = look_in_table(t, q->key, q->why);
	struct str rest = q->key;
	size_t dot;

	if (status == TABLE_NOT_FOUND && q->has_address)
		status = look_in_table(t, q->address_text, q->why);
	if (q->list->kind == MATCH_STRING)
		return status;
	while (status == TABLE_NOT_FOUND && (dot = str_chr(str_from(rest, 1), '.')) != STR_NPOS) {
		rest = str_from(rest, dot + 1);
		status = look_in_table(t, q->list->parent ? str_from(rest, 1) : rest, q->why);
	}
	return status;
}

/* FOUND: the item decides for yes or, in *NEGATED, for no. Level by level through files. */
static enum table_status
items_have(const struct question *q, struct items *items, bool *negated)
{
	for (size_t i = 0; i < items->n; i++) {
		struct item *item = &items->list[i];
		enum table_status status = TABLE_NOT_FOUND;
		bool inner = false;

		switch (item->kind) {
		case ITEM_NAME:
			if (name_matches(q->list, q->key, str_c(item->text)))
				status = TABLE_FOUND;
			break;
		case ITEM_NET:
			if (q->has_address && net_has(&item->net, &q->address))
				status = TABLE_FOUND;
			break;
		case ITEM_TABLE:
			status = table_matches(q, item->table);
			break;
		case ITEM_FILE:
			if (!load_file(q->list, item->file, q->why))
				return TABLE_ERROR;
			item->file->users++;
			status = items_have(q, &item->file->items, &inner);
			item->file->users--;
			break;
		}
		*negated = item->negate != inner;
		if (status != TABLE_NOT_FOUND)
			return status;
	}
	return TABLE_NOT_FOUND;
}

enum table_status
match_list_has(struct match_list *m, struct str key, struct str address, struct buf *why)
{
	struct question q = {.list = m, .key = key, .address_text = address, .why = why};
	enum table_status status;
	bool negated = false;

	q.has_address = m->kind == MATCH_ADDRESS && address.len > 0 &&
	    net_parse(address, &q.address, NULL) == NET_OK;
	status = items_have(&q, &m->items, &negated);
	return status == TABLE_FOUND && negated ? TABLE_NOT_FOUND : status;
}
