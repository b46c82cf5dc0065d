/*
 * table_private - what the table types share. Nobody outside lib/table includes it.
 */
#ifndef POSTKEEP_TABLE_TABLE_PRIVATE_H
#define POSTKEEP_TABLE_TABLE_PRIVATE_H

#include <stdint.h>
#include <sys/stat.h>

#include "lib/base/hash.h"
#include "lib/table/table.h"

#define TABLE_FILE_MAX ((size_t)64 << 20) /* a text table; a list in a file */
#define TABLE_KEY_MAX 1100                /* longer keys are in no table; what proxymap takes */
#define TABLE_MATCH_MAX 16384             /* patterns see no more of a key */

struct table_type {
	const char *name;
	/* NAME is what stands behind "type:". State for look-ups, NULL with WHY. */
	void *(*open)(struct str spec, struct str name, const char *param, struct buf *why);
	enum table_status (*lookup)(
	    void *state, struct str key, struct buf *value, struct buf *why);
	void (*close)(void *state);
	/*
	 * Reads everything now; no file is looked at any more. Adds the files' paths to PATHS. NULL: the type
	 * cannot, or has nothing to read (then it is plain).
	 */
	void (*preload)(void *state, struct table_paths *paths);
	/* As table_list(); NULL: it cannot be listed. */
	bool (*each)(void *state, table_entry_fn fn, void *arg, struct buf *why);
	bool fold;    /* keys are folded to lower case before the look-up */
	bool plain;   /* needs nothing but its spec */
	bool pattern; /* keys are matched: the beginning of long ones, never parts */
};

extern const struct table_type table_type_static, table_type_inline, table_type_text,
    table_type_regexp, table_type_pcre, table_type_unix, table_type_proxy,
    table_type_proxy_confined, table_type_proxy_smtp;

/* PATHS may be NULL. */
void table_paths_add(struct table_paths *paths, const char *path);

/* --- Databases (table_db.c, in a library of its own) --- */

struct table_db_ops {
	/* PATH with ".db". NULL with WHY. */
	void *(*open)(const char *path, bool btree, struct buf *why);
	enum table_status (*lookup)(
	    void *state, struct str key, struct buf *value, struct buf *why);
	/* FN is called with every entry. False with WHY: not all could be read. */
	bool (*each)(void *state, table_entry_fn fn, void *arg, struct buf *why);
	void (*close)(void *state);
};
/* What table_register_db() has given; NULL if it was not called. */
const struct table_db_ops *table_db_ops(void);
void table_db_ops_set(const struct table_db_ops *ops);

/* --- Patterns (table_regexp.c; table_pcre.c, in that library too) --- */

#define TABLE_SPANS_MAX 100 /* the whole, and $1 to $99 */

/* A part of a key; nothing where the pattern has left it out. */
struct table_span {
	size_t from, n;
};
struct table_pattern_ops {
	/* LETTERS: the flags. *PARTS: how many it has in parentheses. NULL with WHY. */
	void *(*compile)(const char *pattern, struct str letters, size_t *parts, struct buf *why);
	/* FOUND: N SPANS are set. KEY has a NUL behind it. ERROR with WHY: it takes too much. */
	enum table_status (*match)(const void *compiled, struct str key, size_t n,
	    struct table_span *spans, struct buf *why);
	void (*free)(void *compiled);
};
/* What table_register_db() has given; NULL if it was not called. */
const struct table_pattern_ops *table_pcre_ops(void);
void table_pcre_ops_set(const struct table_pattern_ops *ops);
/* table_pcre.c: gives it. */
void table_pcre_register(void);

/* --- Files that may change (table_file.c) --- */

/* One file and what it looked like when it was read last. Ready when zeroed, with path set. */
struct table_file {
	char *path;
	int64_t next_look; /* clock_mono_ms(): not before */
	bool known;        /* the rest is that of a file that was read */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

enum table_file_status {
	TABLE_FILE_SAME,
	TABLE_FILE_NEW,   /* CONTENT has it */
	TABLE_FILE_ERROR, /* WHY says why */
};
/* Is the file that ST describes the one that was noted? */
bool table_file_is(const struct table_file *f, const struct stat *st);
void table_file_note(struct table_file *f, const struct stat *st);
/* Looks at most once a second (unless the last look failed); reads the file if it has changed. */
enum table_file_status table_file_look(struct table_file *f, struct buf *content, struct buf *why);

/*
 * Takes the next logical line off *REST: lines that begin with white space continue the one before,
 * empty lines and those whose first byte that is no white space is '#' are left out. The line is
 * appended to LINE (reset first), continuations joined by their white space. *NUMBER counts all lines
 * read; *FIRST is where the logical line began.
 */
bool table_text_line(struct str *rest, struct buf *line, size_t *number, size_t *first);

/* --- Entries (table_text.c) --- */

struct table_entries;
struct table_entries *table_entries_new(void);
void table_entries_free(struct table_entries **e);
/* The key is folded. False when there is one already, which stays. */
bool table_entries_add(struct table_entries *e, struct str key, struct str value);
void table_entries_each(const struct table_entries *e, table_entry_fn fn, void *arg);
/* KEY folded already. */
bool table_entries_get(const struct table_entries *e, struct str key, struct buf *value);

/*
 * Splits the logical line TEXT of a table. KEY (reset first) gets the key as it is looked up: quotes taken
 * off, and the colon of an alias; VALUE is a view of TEXT, empty when there is none.
 */
void table_split_line(struct str text, struct buf *key, struct str *value);

#endif
