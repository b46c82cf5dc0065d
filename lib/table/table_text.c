/*
 * table_text - "key value" lines in a file: texthash:, and hash:, btree:, lmdb:, cdb:, dbm: by their
 * text source
 *
 * A key in double quotes may hold blanks. A colon at the end of a key is taken off, so that files of
 * aliases can be read too. Of two entries with one key the first counts, as in Postfix, and the log
 * says so.
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

/* --- Reading -------------------------------------------------------------------------------- */

struct text_table {
	struct str spec;
	char *spec_text;
	struct table_file file;
	struct table_entries *entries; /* NULL: nothing could be read */
};

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

static struct table_entries *
read_entries(const struct text_table *t, struct str content)
{
	struct table_entries *e = table_entries_new();
	struct buf line = {0}, key = {0};
	size_t number = 0, first = 0, warnings = 0;

	while (table_text_line(&content, &line, &number, &first)) {
		struct str text = buf_view(&line), value;
		size_t end = key_end(text);
		const char *wrong = NULL;

		plain_key(str_sub(text, 0, end), &key);
		value = str_trim(str_from(text, end));
		if (value.len == 0)
			wrong = "a key without a value is left out";
		else if (!table_entries_add(e, buf_view(&key), value))
			wrong = "this key stands there already, the first one counts";
		if (wrong && ++warnings <= WARNINGS_MAX)
			log_warning("%s, line %zu: %s", t->file.path, first, wrong);
	}
	buf_free(&line);
	buf_free(&key);
	return e;
}

static void *
text_open(struct str spec, struct str name, const char *param, struct buf *why)
{
	struct text_table *t = MEM_NEW(struct text_table);

	(void)param, (void)why;
	t->spec_text = str_dup(spec);
	t->spec = str_c(t->spec_text);
	t->file.path = str_dup(name);
	return t;
}

static enum table_status
text_lookup(void *state, struct str key, struct buf *value, struct buf *why)
{
	struct text_table *t = state;
	struct buf content = {0}, cause = {0};
	enum table_status status = TABLE_ERROR;

	switch (table_file_look(&t->file, &content, &cause)) {
	case TABLE_FILE_NEW:
		table_entries_free(&t->entries);
		t->entries = read_entries(t, buf_view(&content));
		/* fall through */
	case TABLE_FILE_SAME:
		status = table_entries_get(t->entries, key, value) ? TABLE_FOUND : TABLE_NOT_FOUND;
		break;
	case TABLE_FILE_ERROR:
		table_entries_free(&t->entries);
		buf_printf(why, "table %.*s: %s", STR_ARG(t->spec), buf_cstr(&cause));
		break;
	}
	buf_free(&content);
	buf_free(&cause);
	return status;
}

static void
text_close(void *state)
{
	struct text_table *t = state;

	table_entries_free(&t->entries);
	free(t->file.path);
	free(t->spec_text);
	free(t);
}

const struct table_type table_type_text = {.name = "texthash",
    .open = text_open,
    .lookup = text_lookup,
    .close = text_close,
    .fold = true};
