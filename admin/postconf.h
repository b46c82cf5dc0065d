/*
 * postconf - show and change main.cf and master.cf: what its files share
 */
#ifndef POSTKEEP_ADMIN_POSTCONF_H
#define POSTKEEP_ADMIN_POSTCONF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"

enum parameter_class {
	CLASS_BUILTIN = 1, /* in the table */
	CLASS_SERVICE = 2, /* one per transport or service */
	CLASS_USER = 4,
	CLASS_ALL = 7,
};

/* What the command line asks for. */
struct request {
	const char *dir; /* NULL: MAIL_CONFIG or the built-in one */
	struct conf_override *overrides;
	size_t n_overrides;
	bool defaults; /* -d */
	bool set_only; /* -n */
	bool no_name;  /* -h */
	bool no_value; /* -H */
	bool expand;   /* -x */
	bool fold;     /* -f */
	unsigned classes;
	char action; /* 0 = show, 'e', 'X' or '#' */
	char **names;
};

/* --- Output --- */

/* "name = value", as -h, -H and -f want it, and a line end. */
void print_pair(const struct request *r, struct str name, struct str value);
/* TEXT with its words joined by one space; folded at 80 columns and indented if FOLD. */
void fold_text(struct str text, bool fold, struct buf *out);
/* Writes OUT to standard output; ends the program if that fails. */
void print_text(const struct buf *out);
/* Errors and warnings, not notes, to standard error. */
void print_problems(const struct conf_problems *problems);

/* --- Changing a file (postconf_edit.c) --- */

struct edit {
	char *path; /* links resolved */
	int fd;     /* holds the lock */
	struct stat status;
	struct buf text;
};

/* Locks DIR/NAME and reads it. Ends the program if that fails. */
void edit_begin(struct edit *e, const char *dir, const char *name);
/* Puts TEXT in its place, unless nothing has changed; frees everything. Ends the program if it fails. */
void edit_end(struct edit *e, const struct buf *text);

enum edit_action {
	EDIT_KEEP,
	EDIT_REPLACE, /* by what the decision appended to its buffer, without a line end */
	EDIT_REMOVE,
	EDIT_COMMENT,
};
/* What is to become of a logical line. */
typedef enum edit_action edit_decide(void *context, struct str line, struct buf *replacement);
/*
 * Copies TEXT to OUT with what DECIDE says of each logical line. Comments and empty lines stay, those
 * inside a line that goes as well.
 */
void edit_lines(struct str text, edit_decide *decide, void *context, struct buf *out);

/* --- The modes --- */

int main_cf_show(const struct request *r);
int main_cf_edit(const struct request *r);
int texts_show(const struct request *r, bool expanded); /* -t, -b */
int master_cf_show_entries(const struct request *r);    /* -M */
int master_cf_show_fields(const struct request *r);     /* -F */
int master_cf_show_parameters(const struct request *r); /* -P */
int master_cf_edit_entries(const struct request *r);
int master_cf_edit_fields(const struct request *r);
int master_cf_edit_parameters(const struct request *r);

#endif
