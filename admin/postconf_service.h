/*
 * postconf_service - a line of master.cf as words, to be shown or written again
 *
 * The library reads master.cf into types; here the words stay as they were written.
 */
#ifndef POSTKEEP_ADMIN_POSTCONF_SERVICE_H
#define POSTKEEP_ADMIN_POSTCONF_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "admin/postconf.h"
#include "lib/conf/master_cf.h"

/* The columns before the command, as -F names them. */
#define SERVICE_FIELDS 7
extern const char *const service_field_names[SERVICE_FIELDS];

/* Views into the line it was parsed from. */
struct service_line {
	struct str fields[SERVICE_FIELDS];
	struct str *words; /* the command and its arguments, groups with their braces */
	size_t n_words;
};

/* False if columns are missing or a brace is not closed. */
bool service_line_parse(struct str line, struct service_line *s);
void service_line_free(struct service_line *s);
/* Adds WORD before index AT; removes the word at index AT. */
void service_word_insert(struct service_line *s, size_t at, struct str word);
void service_word_remove(struct service_line *s, size_t at);

/* In columns, without a line end; with FOLD each -o on a line of its own. */
void service_line_print(const struct service_line *s, bool fold, struct buf *out);

/*
 * Takes the next -o from word *I on, which is moved behind it. False when there is no more. Behind the
 * first word that is no option "-o" belongs to the command.
 */
bool service_override_next(
    const struct service_line *s, size_t *i, struct str *name, struct str *value);
/* Index of the first word that is no option, where a new -o belongs. */
size_t service_options_end(const struct service_line *s);

#endif
