/* recipients - whom a message is for: addresses as people write them, made envelope addresses */
#ifndef POSTKEEP_SENDMAIL_RECIPIENTS_H
#define POSTKEEP_SENDMAIL_RECIPIENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

#define RECIPIENTS_MAX 500000 /* DROP_ENVELOPE_MAX ends it earlier in most cases */

/* Ready when zeroed. Addresses in external form ("user@domain", local part quoted where needed). */
struct recipients {
	struct str *list;
	size_t n, cap;
	bool utf8; /* one of them has bytes above 127 */
};

/*
 * A word of the command line: an address, a list with commas, "Name <address>". False: WHY says what
 * is wrong with it; an empty list is wrong too.
 */
bool recipients_add_word(struct recipients *r, struct str word, struct arena *a, struct buf *why);
/* What sendmail -t takes from HEADER; none is no error here. */
bool recipients_add_header(
    struct recipients *r, struct str header, struct arena *a, struct buf *why);
void recipients_free(struct recipients *r);

/*
 * The envelope sender that WORD (of -f) means, external form; empty = the null sender ("", "<>").
 * *SEVERAL: there were more addresses; the first counts.
 */
bool sender_from_word(
    struct str word, struct arena *a, struct str *sender, bool *several, struct buf *why);

#endif
