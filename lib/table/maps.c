/*
 * maps - the tables that the value of one parameter lists, searched in their order
 */
#include "lib/table/maps.h"

#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/conf/conf.h"

static void
add(struct table_maps *m, struct table *t, const struct buf *why)
{
	if (!t) {
		buf_printf(&m->broken, "%s: %.*s", m->param, STR_ARG(buf_view(why)));
		return;
	}
	m->tables = mem_resize(m->tables, (m->n + 1) * sizeof(struct table *));
	m->tables[m->n++] = t;
}

void
table_maps_open(struct table_maps *m, struct str value, const char *param, bool confined)
{
	struct buf why = {0};
	struct str item;

	m->param = param;
	while (m->broken.len == 0 && conf_list_next(&value, &item))
		add(m, table_open_for(item, param, confined, &why), &why);
	buf_free(&why);
}

void
table_maps_preload(
    struct table_maps *m, struct str value, const char *param, struct table_paths *paths)
{
	struct buf why = {0};
	struct str item;

	m->param = param;
	while (m->broken.len == 0 && conf_list_next(&value, &item))
		add(m, table_open_preloaded(item, param, paths, &why), &why);
	buf_free(&why);
}

void
table_maps_close(struct table_maps *m)
{
	for (size_t i = 0; i < m->n; i++)
		table_close(&m->tables[i]);
	free(m->tables);
	buf_free(&m->broken);
	*m = (struct table_maps){0};
}

bool
table_maps_any(const struct table_maps *m)
{
	return m->n > 0 || m->broken.len > 0;
}

enum table_status
table_maps_lookup(
    const struct table_maps *m, struct str key, bool whole, struct buf *value, struct buf *why)
{
	enum table_status status = TABLE_NOT_FOUND;
	struct buf cause = {0};

	if (m->broken.len > 0) {
		buf_str(why, buf_view(&m->broken));
		return TABLE_ERROR;
	}
	for (size_t i = 0; i < m->n && status == TABLE_NOT_FOUND; i++)
		if (whole || !table_is_pattern(m->tables[i]))
			status = table_lookup(m->tables[i], key, value, &cause);
	if (status == TABLE_ERROR)
		buf_printf(why, "%s: %.*s", m->param, STR_ARG(buf_view(&cause)));
	buf_free(&cause);
	return status;
}
