/*
 * master_args - the words behind the program in a line of master.cf
 *
 * Used by master_cf.c, and by postconf to show and edit them.
 */
#ifndef POSTKEEP_CONF_MASTER_ARGS_H
#define POSTKEEP_CONF_MASTER_ARGS_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/master_cf.h"

/*
 * Takes the next word off *REST: up to white space, or a group "{ … }" with its braces. False at the
 * end, and with *WHY set if a brace is not closed.
 */
bool master_word_next(struct str *rest, struct str *word, const char **why);
/* A word without the braces around it, if it has some, and without white space inside them. */
struct str master_word_text(struct str word);

/*
 * Reads all words of REST into ENTRY's args and overrides. False: WHY says what is wrong; what was
 * read so far stays in ENTRY.
 */
bool master_args_read(struct master_entry *entry, struct str rest, struct buf *why);

#endif
