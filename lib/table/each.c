/*
 * each - the entries of a table that is text, for who looks a configuration over
 */
#include "lib/table/each.h"

#include <stdlib.h>

#include "lib/conf/conf.h"
#include "lib/table/table_private.h"

static void
each_line(const char *path, struct str content, table_each_entry *fn, void *arg)
{
	struct buf line = {0}, key = {0};
	size_t number = 0, first = 0;

	while (table_text_line(&content, &line, &number, &first)) {
		struct str value;

		table_split_line(buf_view(&line), &key, &value);
		if (value.len > 0)
			fn(arg, path, first, buf_view(&key), value);
	}
	buf_free(&line);
	buf_free(&key);
}

static bool
each_in_file(struct str name, table_each_entry *fn, void *arg)
{
	struct table_file f = {.path = str_dup(name)};
	struct buf content = {0}, why = {0};
	bool ok = table_file_look(&f, &content, &why) == TABLE_FILE_NEW;

	if (ok)
		each_line(f.path, buf_view(&content), fn, arg);
	free(f.path);
	buf_free(&content);
	buf_free(&why);
	return ok;
}

/* "{ key=value, { key = value } … }" */
static void
each_inline(struct str name, table_each_entry *fn, void *arg)
{
	struct str items = str_trim(name), item;

	if (items.len < 2)
		return;
	items = str_sub(items, 1, items.len - 2);
	while (conf_list_next(&items, &item)) {
		size_t equals = str_chr(item, '=');

		if (equals != STR_NPOS)
			fn(arg, NULL, 0, str_trim(str_sub(item, 0, equals)),
			    str_trim(str_from(item, equals + 1)));
	}
}

bool
table_each(struct str spec, table_each_entry *fn, void *arg)
{
	static const char *const texts[] = {"texthash", "hash", "btree", "lmdb", "cdb", "dbm"};
	size_t colon;
	struct str type, name;

	if (str_starts(spec, STR("proxy:")))
		spec = str_from(spec, 6);
	colon = str_chr(spec, ':');
	if (colon == STR_NPOS)
		return false;
	type = str_sub(spec, 0, colon);
	name = str_from(spec, colon + 1);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (str_eq(type, str_c(texts[i])))
			return each_in_file(name, fn, arg);
	if (str_eq(type, STR("inline")))
		each_inline(name, fn, arg);
	else if (str_eq(type, STR("static")))
		fn(arg, NULL, 0, STR("*"), name);
	else
		return false;
	return true;
}
