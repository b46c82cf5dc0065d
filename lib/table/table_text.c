/*
 * table_text - "key value" lines in a file: texthash:, and hash:, btree:, lmdb:, cdb:, dbm: by their
 * text source
 *
 * hash: and btree: without a text that can be read are read from NAME.db, in programs that have the means
 * (table_db.c). A key in double quotes may hold blanks. A colon at the end of a key is taken off, so that files of
 * aliases can be read too. Of two entries with one key the first counts, as in Postfix, and the log
 * says so. A key without a value is an error for whoever looks it up: the line was meant to say something.
 */
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/table/table_private.h"

#define WARNINGS_MAX 10 /* per reading: a file of nonsense must not fill the log */

struct table_entries {
	struct arena *memory;
	struct hash *index; /* folded key to struct str, in memory */
};

struct table_entries *
table_entries_new(void)
{
	struct table_entries *e = MEM_NEW(struct table_entries);

	e->memory = arena_new(0);
	e->index = hash_new();
	return e;
}

void
table_entries_free(struct table_entries **e)
{
	if (!*e)
		return;
	hash_free(&(*e)->index, NULL);
	arena_free(&(*e)->memory);
	free(*e);
	*e = NULL;
}

bool
table_entries_add(struct table_entries *e, struct str key, struct str value)
{
	struct buf folded = {0};
	bool added = false;
	struct str *entry;

	table_fold(key, &folded);
	if (!hash_get(e->index, buf_view(&folded))) {
		entry = ARENA_NEW(e->memory, struct str);
		*entry = arena_str(e->memory, value);
		hash_put(e->index, buf_view(&folded), entry);
		added = true;
	}
	buf_free(&folded);
	return added;
}

bool
table_entries_get(const struct table_entries *e, struct str key, struct buf *value)
{
	const struct str *entry = hash_get(e->index, key);

	if (!entry)
		return false;
	buf_str(value, *entry);
	return true;
}

void
table_entries_each(const struct table_entries *e, table_entry_fn fn, void *arg)
{
	size_t cursor = 0;
	struct str key;
	void *value;

	while (hash_next(e->index, &cursor, &key, &value))
		fn(arg, key, *(struct str *)value);
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* Where the key at the start of LINE ends; blanks within double quotes belong to it. */
static size_t
key_end(struct str line)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < line.len; i++) {
		if (line.data[i] == '"')
			quoted = !quoted;
		else if (line.data[i] == '\\' && quoted)
			i++;
		else if (!quoted && (line.data[i] == ' ' || line.data[i] == '\t'))
			break;
	}
	return i < line.len ? i : line.len;
}

/* The key as it is looked up: without quotes, and without the colon of an alias. */
static void
plain_key(struct str key, struct buf *out)
{
	bool quoted = false;

	buf_reset(out);
	if (key.len > 1 && key.data[key.len - 1] == ':')
		key.len--;
	for (size_t i = 0; i < key.len; i++) {
		if (key.data[i] == '"') {
			quoted = !quoted;
			continue;
		}
		if (key.data[i] == '\\' && quoted && i + 1 < key.len)
			i++;
		buf_putc(out, key.data[i]);
	}
}

void
table_split_line(struct str text, struct buf *key, struct str *value)
{
	size_t end = key_end(text);

	plain_key(str_sub(text, 0, end), key);
	*value = str_trim(str_from(text, end));
}

void
table_text_each(struct str text, table_line_fn fn, void *arg)
{
	struct buf line = {0}, key = {0};
	size_t number = 0, first = 0;

	while (table_text_line(&text, &line, &number, &first)) {
		struct str value;

		table_split_line(buf_view(&line), &key, &value);
		fn(arg, first, buf_view(&key), value);
	}
	buf_wipe(&line);
	buf_free(&key);
}

/* --- Reading -------------------------------------------------------------------------------- */

enum text_kind {
	KIND_TEXT, /* nothing but text */
	KIND_HASH, /* a database of Berkeley DB, where there is no text */
	KIND_BTREE,
};

struct text_table {
	struct str spec;
	char *spec_text;
	enum text_kind kind;
	struct table_file file;
	struct table_entries *entries; /* NULL: nothing could be read */
	bool frozen;                   /* read for good; entries, or wrong has the cause */
	struct buf wrong;
	bool told_older;           /* that the database is older than its text */
	struct table_file db_file; /* NAME.db */
	void *db;                  /* open, for look-ups; NULL when it is not used */
};

struct reading {
	const char *path;
	struct table_entries *entries;
	size_t warnings;
};

static void
read_entry(void *arg, size_t line, struct str key, struct str value)
{
	struct reading *r = arg;
	const char *wrong = NULL;

	if (!table_entries_add(r->entries, key, value))
		wrong = "this key stands there already, the first one counts";
	else if (value.len == 0)
		wrong = "a key without a value; mail that needs it waits";
	if (wrong && ++r->warnings <= WARNINGS_MAX)
		log_warning("%s, line %zu: %s", r->path, line, wrong);
}

static struct table_entries *
read_entries(const struct text_table *t, struct str content)
{
	struct reading r = {t->file.path, table_entries_new(), 0};

	table_text_each(content, read_entry, &r);
	return r.entries;
}

static enum text_kind
kind_of(struct str spec)
{
	if (str_starts(spec, STR("hash:")))
		return KIND_HASH;
	return str_starts(spec, STR("btree:")) ? KIND_BTREE : KIND_TEXT;
}

static void *
text_open(struct str spec, struct str name, const char *param, struct buf *why)
{
	struct text_table *t = MEM_NEW(struct text_table);
	struct buf db = {0};

	(void)param, (void)why;
	t->spec_text = str_dup(spec);
	t->spec = str_c(t->spec_text);
	t->kind = kind_of(spec);
	t->file.path = str_dup(name);
	buf_str(&db, name);
	buf_puts(&db, ".db");
	t->db_file.path = buf_take(&db);
	return t;
}

/* --- The database, where there is no text --------------------------------------------------- */

static void
db_close(struct text_table *t)
{
	if (t->db)
		table_db_ops()->close(t->db);
	t->db = NULL;
	t->db_file.known = false;
}

/*
 * Opens NAME.db, or opens it anew when it has changed. False: there is none, or it cannot be read; WHY is
 * set in the second case alone.
 */
static bool
db_ready(struct text_table *t, struct buf *why)
{
	struct buf cause = {0};
	struct stat st;
	bool changed;

	if (t->kind == KIND_TEXT || stat(t->db_file.path, &st) < 0)
		return false;
	if (!table_db_ops()) {
		buf_printf(why,
		    "table %.*s: there is no text %s, and this program reads no databases",
		    STR_ARG(t->spec), t->file.path);
		return false;
	}
	changed = !table_file_is(&t->db_file, &st);
	if (!t->db || changed) {
		db_close(t);
		t->db = table_db_ops()->open(t->db_file.path, t->kind == KIND_BTREE, &cause);
		table_file_note(&t->db_file, &st);
	}
	if (!t->db)
		buf_printf(why, "table %.*s: %s", STR_ARG(t->spec), buf_cstr(&cause));
	buf_free(&cause);
	return t->db != NULL;
}

/* Both are there, and somebody has changed the text only: with Postfix that would have no effect yet. */
static void
tell_older(struct text_table *t)
{
	struct stat text, db;

	if (t->kind == KIND_TEXT || t->told_older || stat(t->file.path, &text) < 0 ||
	    stat(t->db_file.path, &db) < 0 || db.st_mtime >= text.st_mtime)
		return;
	t->told_older = true;
	log_info("%s is newer than %s: the text is used", t->file.path, t->db_file.path);
}

/* --- Look-ups ------------------------------------------------------------------------------- */

/* No text: the database's answer, or CAUSE why there is no text. */
static enum table_status
lookup_db(
    struct text_table *t, struct str key, const char *cause, struct buf *value, struct buf *why)
{
	struct buf wrong = {0};
	enum table_status status = TABLE_ERROR;

	if (db_ready(t, why)) {
		status = table_db_ops()->lookup(t->db, key, value, &wrong);
		if (status == TABLE_ERROR)
			buf_printf(why, "table %.*s: %s", STR_ARG(t->spec), buf_cstr(&wrong));
	} else if (why->len == 0) {
		buf_printf(why, "table %.*s: %s", STR_ARG(t->spec), cause);
	}
	buf_free(&wrong);
	return status;
}

static enum table_status
find(const struct text_table *t, struct str key, struct buf *value, struct buf *why)
{
	size_t before = value->len;

	if (!table_entries_get(t->entries, key, value))
		return TABLE_NOT_FOUND;
	if (value->len > before)
		return TABLE_FOUND;
	buf_printf(why, "table %.*s: \"%.*s\" has no value", STR_ARG(t->spec),
	    STR_ARG(str_sub(key, 0, 100)));
	return TABLE_ERROR;
}

static enum table_status
lookup_frozen(const struct text_table *t, struct str key, struct buf *value, struct buf *why)
{
	if (!t->entries) {
		buf_str(why, buf_view(&t->wrong));
		return TABLE_ERROR;
	}
	return find(t, key, value, why);
}

static enum table_status
text_lookup(void *state, struct str key, struct buf *value, struct buf *why)
{
	struct text_table *t = state;
	struct buf content = {0}, cause = {0};
	enum table_status status = TABLE_ERROR;

	if (t->frozen)
		return lookup_frozen(t, key, value, why);
	switch (table_file_look(&t->file, &content, &cause)) {
	case TABLE_FILE_NEW:
		table_entries_free(&t->entries);
		t->entries = read_entries(t, buf_view(&content));
		db_close(t);
		tell_older(t);
		/* fall through */
	case TABLE_FILE_SAME:
		status = find(t, key, value, why);
		break;
	case TABLE_FILE_ERROR:
		table_entries_free(&t->entries);
		status = lookup_db(t, key, buf_cstr(&cause), value, why);
		break;
	}
	buf_free(&content);
	buf_free(&cause);
	return status;
}

struct each {
	table_entry_fn fn;
	void *arg;
};

static void
pass_on(void *arg, struct str key, struct str value)
{
	const struct each *each = arg;

	if (value.len > 0)
		each->fn(each->arg, key, value);
}

/* All entries, of the text or else of the database. */
static bool
text_each(void *state, table_entry_fn fn, void *arg, struct buf *why)
{
	struct text_table *t = state;
	struct buf content = {0}, cause = {0};
	enum table_file_status status = TABLE_FILE_SAME;
	bool ok = true;

	if (!t->frozen)
		status = table_file_look(&t->file, &content, &cause);
	if (status == TABLE_FILE_NEW) {
		table_entries_free(&t->entries);
		t->entries = read_entries(t, buf_view(&content));
	}
	if (status != TABLE_FILE_ERROR && t->entries) {
		table_entries_each(t->entries, pass_on, &(struct each){fn, arg});
	} else if (t->frozen) {
		buf_str(why, buf_view(&t->wrong));
		ok = false;
	} else if (db_ready(t, why)) {
		ok = table_db_ops()->each(t->db, fn, arg, why);
	} else {
		if (why->len == 0)
			buf_printf(why, "table %.*s: %s", STR_ARG(t->spec), buf_cstr(&cause));
		ok = false;
	}
	buf_wipe(&content);
	buf_free(&cause);
	return ok;
}

static void
add_entry(void *arg, struct str key, struct str value)
{
	table_entries_add(arg, key, value);
}

static void
preload_db(struct text_table *t, const char *cause, struct table_paths *paths)
{
	struct table_entries *e = table_entries_new();
	struct buf wrong = {0};

	if (t->kind != KIND_TEXT)
		table_paths_add(paths, t->db_file.path);
	if (!db_ready(t, &t->wrong)) {
		if (t->wrong.len == 0)
			buf_printf(&t->wrong, "table %.*s: %s", STR_ARG(t->spec), cause);
	} else if (table_db_ops()->each(t->db, add_entry, e, &wrong)) {
		t->entries = e;
		e = NULL;
	} else {
		buf_printf(&t->wrong, "table %.*s: %s", STR_ARG(t->spec), buf_cstr(&wrong));
	}
	table_entries_free(&e);
	db_close(t);
	buf_free(&wrong);
}

static void
text_preload(void *state, struct table_paths *paths)
{
	struct text_table *t = state;
	struct buf content = {0}, cause = {0};

	table_paths_add(paths, t->file.path);
	if (table_file_look(&t->file, &content, &cause) == TABLE_FILE_NEW) {
		t->entries = read_entries(t, buf_view(&content));
		tell_older(t);
	} else {
		preload_db(t, buf_cstr(&cause), paths);
	}
	t->frozen = true;
	buf_wipe(&content);
	buf_free(&cause);
}

static void
text_close(void *state)
{
	struct text_table *t = state;

	db_close(t);
	table_entries_free(&t->entries);
	buf_free(&t->wrong);
	free(t->file.path);
	free(t->db_file.path);
	free(t->spec_text);
	free(t);
}

const struct table_type table_type_text = {.name = "texthash",
    .open = text_open,
    .lookup = text_lookup,
    .close = text_close,
    .preload = text_preload,
    .each = text_each,
    .fold = true};
