/*
 * header - header fields (RFC 5322) in a buffer, and the addresses in them
 *
 * Fields are views of the buffer. Lines end in CRLF or in LF alone. Cost is linear in the size of what
 * is looked at; comments may nest to any depth, which is counted and costs neither stack nor memory.
 */
#ifndef POSTKEEP_MAIL_HEADER_H
#define POSTKEEP_MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

struct header_field {
	struct str name;  /* "Subject", as written, without white space before the colon */
	struct str value; /* behind the colon, folded as it came, without the last line end */
	struct str raw;   /* the whole field, continuation lines and last line end included */
};

/* Length of the field name LINE begins with (a colon follows, white space between allowed); 0 if none. */
size_t header_name_length(struct str line);
/*
 * Takes the next field off *REST. False at the end of the header: *REST then begins with the empty
 * line, or with the first line that is neither field nor continuation, or is empty.
 */
bool header_next(struct str *rest, struct header_field *field);
/* The first field NAME in HEADER (case ignored). */
bool header_find(struct str header, struct str name, struct header_field *field);
/* VALUE on one line: line ends taken out, white space at both ends too. Appends to OUT. */
void header_unfold(struct str value, struct buf *out);

enum header_role {
	HEADER_OTHER,
	HEADER_SENDER,    /* From, Sender, Reply-To, Return-Receipt-To, Errors-To … */
	HEADER_RECIPIENT, /* To, Cc, Bcc, Apparently-To */
	HEADER_RESENT_SENDER,
	HEADER_RESENT_RECIPIENT,
};
/* Does a field of this name hold addresses, and whose? */
enum header_role header_role(struct str name);

/* One address of a list, with the display name, comments and group syntax left out. */
struct header_address {
	struct str local;  /* unquoted */
	struct str domain; /* empty if it has none; "[…]" for a literal */
};
struct header_addresses {
	struct header_address *list;
	size_t n;
	bool truncated; /* there were more than asked for */
};

/*
 * The addresses in VALUE of an address field (mailboxes and group members; a source route is dropped;
 * "Name <>" gives nothing). Appends at most MAX - addresses->n to ADDRESSES (zeroed before the first
 * call), all in A. What is no address is taken as it can be, as sendmail does: nothing is an error.
 */
void header_addresses(
    struct str value, struct arena *a, size_t max, struct header_addresses *addresses);
/*
 * The recipients sendmail -t takes from HEADER: To, Cc and Bcc, or, when a Resent-To, Resent-Cc or
 * Resent-Bcc stands there, those alone (RFC 5322 section 3.6.6).
 */
void header_recipients(
    struct str header, struct arena *a, size_t max, struct header_addresses *addresses);

/* What is added to addresses that are not complete; an empty str adds nothing. */
struct header_qualify {
	struct str origin; /* "user" becomes "user@origin" */
	struct str domain; /* "user@host" becomes "user@host.domain" */
};
/*
 * Appends VALUE to OUT with its incomplete addresses qualified; every other byte as it was. Returns
 * whether anything changed.
 */
bool header_qualify(struct str value, const struct header_qualify *with, struct buf *out);

enum header_mapped {
	HEADER_MAP_SAME,
	HEADER_MAP_CHANGED,
	HEADER_MAP_STOPPED, /* a mapper said so */
};
/* Appends what ADDRESS becomes ("user@example.org", quoted as needed) to OUT; or says that it stays. */
typedef enum header_mapped header_mapper(
    void *arg, const struct header_address *address, struct buf *out);
/*
 * Appends VALUE to OUT with the first MAX of its addresses as MAPPER has them; every other byte stays, but
 * comments within a changed address go. What is no address is not shown.
 */
enum header_mapped header_map(
    struct str value, size_t max, header_mapper *mapper, void *arg, struct buf *out);

/*
 * Appends VALUE, the list of addresses behind the first COLUMN bytes of a field's line, to OUT, folded behind a comma
 * where a line would be longer than the 998 bytes of RFC 5322 section 2.1.1. A line in which no comma stands between
 * two addresses stays as long as it is.
 */
void header_fold_list(struct str value, size_t column, struct buf *out);

/* NAME as a phrase before an address: quoted (or RFC 2047 encoded when it is not ASCII) as needed. */
void header_phrase(struct str name, struct buf *out);

#endif
