/*
 * replies - what well-known replies of mail servers mean, and what helps
 *
 * Servers answer in a few words that their postmasters understand. This is a dictionary from such words
 * (and from those of our own smtp, when no server answered) to a cause and a remedy in plain language,
 * for `postqueue --why` and for notices.
 */
#ifndef POSTKEEP_MAIL_REPLIES_H
#define POSTKEEP_MAIL_REPLIES_H

#include <stddef.h>

#include "lib/base/str.h"

struct reply_advice {
	const char *name;   /* of the row: "no-ptr" */
	const char *cause;  /* a sentence or two */
	const char *remedy; /* the same: what to do, and who can */
};

/*
 * What is known of a reply. TEXT: the reason as the queue and the log have it ("host mx[192.0.2.1] said:
 * 550 5.7.25 …", "connect to mx[192.0.2.1]:25: Connection timed out"), or a reply alone ("smtp; 550 …").
 * DSN: the status noted with it, for texts that have none of their own; may be empty. Any bytes may
 * stand in either. NULL when nothing is known. The cost is linear in the length of TEXT.
 */
const struct reply_advice *reply_advice(struct str text, struct str dsn);

/* The Nth row, NULL behind the last one: so that a test can ask for all of them. */
const struct reply_advice *reply_advice_at(size_t n);

#endif
