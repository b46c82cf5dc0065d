/* replies_table - the rows of the dictionary of replies, for replies.c alone: see replies.h */
#ifndef POSTKEEP_MAIL_REPLIES_TABLE_H
#define POSTKEEP_MAIL_REPLIES_TABLE_H

#include <stddef.h>

#include "lib/mail/replies.h"

#define REPLY_PATTERNS 3

/* All that is given must hold; NULL is always right. */
struct reply_pattern {
	const char *code;   /* what the reply code begins with: "550", "4" */
	const char *status; /* subject and detail of the enhanced code, "7.25|7.23" */
	/* In lower case: alternatives separated by '|', the parts of each, in their order, by '*'. */
	const char *text;
};

struct reply_row {
	struct reply_advice advice;
	struct reply_pattern patterns[REPLY_PATTERNS]; /* one of them must hold */
};

/* The first row that matches counts: particular ones stand before general ones. */
extern const struct reply_row reply_rows[];
extern const size_t reply_row_count;

#endif
