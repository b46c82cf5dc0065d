/* catalog - a message in postcat's layout, from a slot or from a file of maildrop/ */
#ifndef POSTKEEP_ADMIN_CATALOG_H
#define POSTKEEP_ADMIN_CATALOG_H

#include <stdbool.h>

#include "lib/base/str.h"

/* What is shown. */
struct cat_format {
	bool envelope, header, body;
	bool offsets; /* each line begins with its place in the file */
};

struct cat;

/* HEAD: a slot from its start to its content. Shows the envelope. Never NULL. */
struct cat *cat_slot_begin(struct str head, const struct cat_format *format);
/* Content, in pieces of any size. */
void cat_content(struct cat *c, struct str piece);
/* NULL is accepted. */
void cat_end(struct cat **c);

/* The whole of a file of maildrop/. False when it is none. */
bool cat_drop(struct str file, const char *name, const struct cat_format *format);

#endif
