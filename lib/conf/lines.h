/*
 * lines - the logical lines of main.cf and master.cf
 *
 * A line that begins with white space continues the one before it. A line whose first letter is "#"
 * is a comment, and it and empty lines are skipped even between a line and its continuation.
 */
#ifndef POSTKEEP_CONF_LINES_H
#define POSTKEEP_CONF_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* No configuration file may be longer. */
#define CONF_FILE_MAX ((size_t)4 << 20)

/* Set rest to the text of the file, everything else to zero. */
struct conf_lines {
	struct str rest;
	size_t read;        /* physical lines taken so far */
	size_t first, last; /* where the logical line begins and ends in the file, from 1 */
};

/*
 * Puts the next logical line into TEXT, its parts joined by one space, without white space at the end.
 * Only when the first line of the file is a continuation does the text begin with white space. False
 * at the end.
 */
bool conf_lines_next(struct conf_lines *l, struct buf *text);

#endif
