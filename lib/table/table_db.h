/*
 * table_db - hash: and btree: tables as databases of Berkeley DB, NAME.db; and pcre:
 *
 * A library of its own, libpostkeep-tables, so that only programs that need it load Berkeley DB and PCRE2. The files are
 * those of Postfix: keys and values with a NUL at their end, as its postmap writes them on Linux, or without.
 */
#ifndef POSTKEEP_TABLE_TABLE_DB_H
#define POSTKEEP_TABLE_TABLE_DB_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/table/table.h"

/*
 * From now on hash: and btree: tables without a text that can be read are read from NAME.db, and there is pcre:. Once, at the start of a
 * program. A handle is used by one thread at a time: so look-ups in one table are to take turns.
 */
void table_register_db(void);

/* Calls FN with each entry of the database PATH. False with WHY: not all could be read. */
bool table_db_each(const char *path, bool btree, table_entry_fn fn, void *arg, struct buf *why);

/* --- Writing, for postmap -------------------------------------------------------------------- */

struct table_db_file;

enum table_db_put {
	TABLE_DB_PUT,
	TABLE_DB_THERE, /* the key was there already, and was left as it is */
	TABLE_DB_FAILED,
};

/* Makes the database PATH, of which there must be none yet, with mode 0600. NULL with WHY. */
struct table_db_file *table_db_create(const char *path, bool btree, struct buf *why);
/* TERMINATE: with a NUL behind key and value. REPLACE: an entry that is there is replaced. */
enum table_db_put table_db_put(struct table_db_file *f, struct str key, struct str value,
    bool terminate, bool replace, struct buf *why);
/* Writes everything to stable storage and closes. False with WHY: it is not all there. *F becomes NULL. */
bool table_db_close(struct table_db_file **f, struct buf *why);

#endif
