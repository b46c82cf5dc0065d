/*
 * postmap_make - a database from a text, for postmap
 */
#ifndef POSTKEEP_ADMIN_POSTMAP_MAKE_H
#define POSTKEEP_ADMIN_POSTMAP_MAKE_H

#include <stdbool.h>

#include "lib/base/str.h"

struct make_options {
	bool keep_case;    /* -f: keys are not folded */
	bool no_nul;       /* -n: without a NUL behind key and value */
	bool as_root;      /* -o: not as the owner of the text */
	bool default_mode; /* -p: mode 0644, not the text's */
	bool replace;      /* -r: of two entries the second counts */
	bool silent;       /* -w: duplicates are not told */
};

/*
 * Makes PATH.db from the text PATH: beside it first, then put in its place at once. False: it was said why, and the
 * database that was there is as it was.
 */
bool make_database(const char *path, bool btree, const struct make_options *o);
/* The same with what is in the database already, and the entries of TEXT added to it. */
bool make_added(const char *path, bool btree, struct str text, const struct make_options *o);
/* The same without the N KEYS. *FOUND: one of them was there. */
bool make_without(const char *path, bool btree, const struct str *keys, size_t n, bool *found,
    const struct make_options *o);
/* Reads the text PATH and says what is wrong in it. False: it cannot be read. */
bool make_check(const char *path, const struct make_options *o);

#endif
