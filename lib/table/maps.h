/*
 * maps - the tables that the value of one parameter lists, searched in their order
 *
 * A list with a table that makes no sense is broken as a whole: each look-up then is TABLE_ERROR, with the
 * cause, since nobody knows what that table would have said.
 */
#ifndef POSTKEEP_TABLE_MAPS_H
#define POSTKEEP_TABLE_MAPS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/table/table.h"

/* Ready when zeroed: no tables. */
struct table_maps {
	const char *param;
	struct table **tables;
	size_t n;
	struct buf broken; /* why there are none, though they are set: "param: cause" */
};

/* Opens the tables of VALUE, that of the parameter PARAM (which must live as long), as
 * table_open_for() does. */
void table_maps_open(struct table_maps *m, struct str value, const char *param, bool confined);
/* The same as table_open_preloaded() does. */
void table_maps_preload(
    struct table_maps *m, struct str value, const char *param, struct table_paths *paths);
void table_maps_close(struct table_maps *m);

/* Is anything set? */
bool table_maps_any(const struct table_maps *m);
/*
 * KEY in all tables; what is found is appended to VALUE. A key that is only a part of what is looked for (a
 * domain, an address without its extension), !WHOLE, is not shown to tables of patterns, as in Postfix.
 * TABLE_ERROR: WHY is "param: cause".
 */
enum table_status table_maps_lookup(
    const struct table_maps *m, struct str key, bool whole, struct buf *value, struct buf *why);

#endif
