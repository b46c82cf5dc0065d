/*
 * conf - main.cf as an immutable snapshot, with typed access
 *
 * Syntax is Postfix's in full: continuation lines, comments, $name ${name} $(name) ${name?text}
 * ${name?{text}} ${name:text} ${name:{text}} ${name?{a}:{b}} ${{v1} op {v2} ? {a} : {b}} with
 * == != < <= > >= and <level <=level …, $$; the last definition of a name wins.
 *
 * All parameters stand in one table, conf/params.tsv. At build time it becomes lib/conf/params.gen.h
 * (enum param: P_myhostname, P_2bounce_notice_recipient, …) and params.gen.c (name, type, default,
 * range, state). A value that does not fit its type is a problem found at load time, never at use.
 *
 * Loading gathers every problem, each with file, line and repair; a snapshot with errors is not to be
 * used by a daemon.
 */
#ifndef POSTKEEP_CONF_CONF_H
#define POSTKEEP_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/params.gen.h" /* enum param, PARAM_COUNT */

struct conf;

enum conf_severity {
	CONF_ERROR,   /* nothing may start with it */
	CONF_WAITS,   /* an error too, but all runs except what needs it: that mail waits */
	CONF_WARNING, /* works, but surely not as meant: misspelt name, comment behind a value … */
	CONF_MISSED, /* a warning too: known, not there yet, and mail is treated otherwise without it */
	CONF_NOTE, /* known parameter that has no purpose here, or not yet */
};

struct conf_problem {
	enum conf_severity severity;
	char *file; /* NULL when it comes from no file */
	size_t line;
	char *text; /* what is wrong, and the repair */
};

/* All problems found so far, in the order of file and line. Ready when zeroed. */
struct conf_problems {
	struct conf_problem *list;
	size_t count;
	size_t errors;
};

void conf_problem(struct conf_problems *p, enum conf_severity severity, const char *file,
    size_t line, const char *format, ...) __attribute__((format(printf, 5, 6)));
void conf_problems_free(struct conf_problems *p);

/* name=value from a command line or master.cf (-o); applied over main.cf, before defaults. */
struct conf_override {
	struct str name;
	struct str value;
};

/*
 * Reads DIR/main.cf. DIR NULL means: $MAIL_CONFIG if it is set, else the built-in directory; a
 * set-group-id program passes a directory it has checked. A missing or unreadable main.cf is an error
 * in PROBLEMS. Never NULL: with errors the snapshot still answers, with defaults for what is wrong.
 */
struct conf *conf_load(const char *dir, const struct conf_override *overrides, size_t n_overrides,
    struct conf_problems *problems);
/* The same with TEXT in the place of main.cf's. */
struct conf *conf_load_text(const char *dir, struct str text, const struct conf_override *overrides,
    size_t n_overrides, struct conf_problems *problems);
/*
 * Of DIR/main.cf no more than the WANTED parameters and what these refer to, for a program that runs for a millisecond.
 * To ask for the value of another one ends the program. PROBLEMS: of these, and of lines that are none.
 */
struct conf *conf_load_some(
    const char *dir, const enum param *wanted, size_t n_wanted, struct conf_problems *problems);
void conf_free(struct conf **c);

/* The snapshot of this process (one of the two globals the house allows). conf_set frees no older one. */
const struct conf *conf_get(void);
void conf_set(struct conf *c);

/* config_directory as given; the path of main.cf. */
const char *conf_dir(const struct conf *c);
/* 0, or the errno with which main.cf could not be read: then all values are defaults. */
int conf_unread(const struct conf *c);

/* The snapshot of an empty main.cf in DIR. For postconf -d. */
struct conf *conf_defaults(const char *dir);
const char *conf_file(const struct conf *c);

/*
 * The value, with everything expanded. The type must be that of the table; views live as long as the
 * snapshot.
 */
struct str conf_str(const struct conf *c, enum param p);   /* any type, as text */
const char *conf_cstr(const struct conf *c, enum param p); /* the same, NUL-terminated */
bool conf_bool(const struct conf *c, enum param p);        /* yes | no */
int64_t conf_int(const struct conf *c, enum param p);      /* integer, or size in bytes */
int64_t conf_time(const struct conf *c, enum param p);     /* seconds */
/* Which of the words the table lists for it ("a|b|c"), counted from 0. */
int conf_enum(const struct conf *c, enum param p);
/* Is it set in main.cf or by an override (not a default)? Where: file and line, line 0 for -o. */
bool conf_is_set(const struct conf *c, enum param p, const char **file, size_t *line);

/* The value as written, or the default as written: before expansion. */
struct str conf_raw(const struct conf *c, enum param p);

/*
 * Walks what is set under names that are not in the table: user-defined and per-transport parameters.
 * Start with *CURSOR = 0. LINE is 0 for an override.
 */
bool conf_user_next(
    const struct conf *c, size_t *cursor, struct str *name, struct str *raw, size_t *line);

/*
 * A user-defined or per-transport parameter by name ("local_destination_concurrency_limit",
 * "restrictive_class"), expanded; false if it is neither set nor known. A name of the form
 * TRANSPORT_SUFFIX that is not set has the default that Postfix gives it ($default_SUFFIX).
 */
bool conf_lookup(const struct conf *c, struct str name, struct str *value);
int64_t conf_lookup_int(const struct conf *c, struct str name, int64_t fallback);
int64_t conf_lookup_time(const struct conf *c, struct str name, int64_t fallback);

/*
 * Expands TEXT as a value would be; appends to OUT. False (WHY says what is wrong) for a syntax error
 * or a loop.
 */
bool conf_expand(const struct conf *c, struct str text, struct buf *out, struct buf *why);

/*
 * Takes the next item off a list value: separated by comma or white space, "{ … }" groups an item with
 * spaces (the braces are taken off). False at the end.
 */
bool conf_list_next(struct str *rest, struct str *item);

/*
 * Splits "name = value", a logical line of main.cf (not empty). False: *WHY, a constant, says what is
 * wrong.
 */
bool conf_split(struct str line, struct str *name, struct str *value, const char **why);

/* Numbers as configuration writes them: "3d", "1h", "90" with UNIT ('s', 'm', 'h', 'd', 'w') as default. */
bool conf_parse_time(struct str s, char unit, int64_t *seconds);

#endif
