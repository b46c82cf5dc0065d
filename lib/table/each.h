/*
 * each - the entries of a table that is text, for who looks a configuration over
 */
#ifndef POSTKEEP_TABLE_EACH_H
#define POSTKEEP_TABLE_EACH_H

#include <stdbool.h>

#include "lib/base/str.h"

/* FILE and LINE (from 1) say where an entry begins; NULL and 0 for what stands in main.cf. */
typedef void table_each_entry(
    void *arg, const char *file, size_t line, struct str key, struct str value);
/*
 * Calls FN for every entry of the table SPEC ("type:name"). False for a table that has none to show: other
 * types than texthash:, hash: and the like with their text, inline: and static:, or a file that cannot be
 * read.
 */
bool table_each(struct str spec, table_each_entry *fn, void *arg);

#endif
