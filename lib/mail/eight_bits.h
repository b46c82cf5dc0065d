/*
 * eight_bits - which parts of a message have bytes above 127
 *
 * For who sees a message in pieces of any size. Linear, keeps nothing of the text.
 */
#ifndef POSTKEEP_MAIL_EIGHT_BITS_H
#define POSTKEEP_MAIL_EIGHT_BITS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

/* Ready when zeroed. */
struct eight_bits {
	bool header,
	    body; /* has some, as far as it has been seen; the empty line is the header's */
	bool in_body;
	size_t line; /* bytes of the header's line so far */
	char first;  /* of them */
};

/* The next piece of the content, whose lines end in CRLF. */
void eight_bits_add(struct eight_bits *e, struct str piece);

#endif
