/*
 * table - look-up tables, "type:name"
 *
 * There are static:, inline:, texthash: (hash:, btree:, lmdb:, cdb:, dbm: read their text source the same way; hash: and
 * btree: read NAME.db where there is no text, in programs that called table_register_db()), regexp:, pcre: (in the same
 * programs), unix:passwd.byname, unix:group.byname, and proxy: (asks proxymap over a socket, on a fiber). Text tables are
 * read whole, at most 64 MiB, and read again when the file has changed; a file that cannot be read or parsed gives
 * TABLE_ERROR with the cause, never "not found".
 */
#ifndef POSTKEEP_TABLE_TABLE_H
#define POSTKEEP_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

struct table;

enum table_status {
	TABLE_FOUND,
	TABLE_NOT_FOUND,
	TABLE_ERROR, /* no answer: the cause is in WHY; callers defer (451) */
};

/* SPEC: "type:name". NULL with WHY set for an unknown type or a spec that makes no sense. */
struct table *table_open(struct str spec, struct buf *why);
/*
 * The same for a table that stands in the value of the parameter PARAM ("local_recipient_maps"): proxy:
 * names it to proxymap, which then need not find the table in proxy_read_maps. CONFINED: the caller
 * talks to strangers and is (or will be) out of reach of files, so that every table but static: and
 * inline: goes through proxymap, by the socket for such callers: they learn that a key is there, and the
 * value found is empty.
 */
struct table *table_open_for(struct str spec, const char *param, bool confined, struct buf *why);
/* Files that were read for good, so that a daemon can watch them. Ready when zeroed. */
struct table_paths {
	char **list; /* each once */
	size_t count;
};
void table_paths_free(struct table_paths *p);
/*
 * For a program that will be out of reach of files but is told values: tables in files are read whole,
 * now, with the rights of whoever runs it, and stay as they are; their paths are added to PATHS (NULL: not
 * wanted). A file that cannot be read is no NULL here: each look-up gives TABLE_ERROR with the cause. proxy:
 * tables, and types that need a library or the user database, go through proxymap's socket for such
 * programs (private/proxymap-smtp), which answers for the parameters of the SMTP client alone.
 */
struct table *table_open_preloaded(
    struct str spec, const char *param, struct table_paths *paths, struct buf *why);
void table_close(struct table **t);

/*
 * Looks KEY up; keys are folded to lower case as Postfix does it for this type. VALUE gets the right
 * hand side (appended). proxy: waits (fiber); unix: may block, so confined and fiber programs use it
 * through proxy: or an offload. WHY names the table.
 */
enum table_status table_lookup(struct table *t, struct str key, struct buf *value, struct buf *why);

/*
 * Are keys matched against patterns (regexp:, pcre:)? Then who searches for parts of an address or a domain asks
 * for the whole only, as in Postfix.
 */
bool table_is_pattern(const struct table *t);

/* The type names there are, NULL-terminated: for postconf -m. */
const char *const *table_types(void);

/*
 * Calls FN with each entry, in no order, or as they are matched. False with WHY: the table cannot be listed, or not
 * all of it could be read. For postmap -s.
 */
typedef void (*table_entry_fn)(void *arg, struct str key, struct str value);
bool table_list(struct table *t, table_entry_fn fn, void *arg, struct buf *why);
/*
 * The entries of the text of a table, in its order, twice when they stand there twice: for postmap. KEY is as it is
 * looked up but not folded; VALUE is empty when there is none.
 */
typedef void (*table_line_fn)(void *arg, size_t line, struct str key, struct str value);
void table_text_each(struct str text, table_line_fn fn, void *arg);
/* Appends S in lower case (ASCII), as keys are folded. */
void table_fold(struct str s, struct buf *out);

/*
 * Match lists: $mynetworks, $mydestination, $relay_domains, … Items: a pattern, "!pattern", "/file",
 * "type:table". Compiled once per snapshot, matched often.
 */
struct match_list;
enum match_kind {
	MATCH_STRING, /* to the letter, case ignored */
	MATCH_DOMAIN, /* name, or ".name" for what is below it; with PARENT also "name" for below */
	MATCH_ADDRESS, /* host name and address: 192.0.2.0/24, [2001:db8::]/32, names as MATCH_DOMAIN */
};
/*
 * TEXT is the list. NULL with WHY for an item that makes no sense (a network with host bits set, an
 * unknown table type). The first item that matches decides; "!" before it turns a match into "no". A
 * "/file" holds items of the same kind, separated by white space, commas and line ends, "#" beginning a
 * comment line; it is read again when it changes, and while it cannot be read or has a bad item a
 * look-up that gets as far as it gives TABLE_ERROR.
 */
struct match_list *match_list_new(
    enum match_kind kind, bool parent, struct str text, struct buf *why);
/* The same for the value of the parameter PARAM. CONFINED as for a table; files are read now, and for
 * good. */
struct match_list *match_list_new_for(enum match_kind kind, bool parent, struct str text,
    const char *param, bool confined, struct buf *why);
/* The same with tables as table_open_preloaded() has them. */
struct match_list *match_list_new_preloaded(enum match_kind kind, bool parent, struct str text,
    const char *param, struct table_paths *paths, struct buf *why);
void match_list_free(struct match_list **m);
/* For MATCH_ADDRESS: KEY is the host name ("unknown"), ADDRESS the numeric address; else ADDRESS empty. */
enum table_status match_list_has(
    struct match_list *m, struct str key, struct str address, struct buf *why);

#endif
