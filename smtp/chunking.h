/*
 * chunking - servers that offer CHUNKING and do not know BDAT (RFC 3030)
 *
 * There are such: a proxy in front of a server lets keywords pass that are not its own. A process remembers
 * a few of them, for its own life; they get DATA.
 */
#ifndef POSTKEEP_SMTP_CLIENT_CHUNKING_H
#define POSTKEEP_SMTP_CLIENT_CHUNKING_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

#define CHUNKING_SERVERS 32
#define CHUNKING_NAME_MAX 320 /* of "host[address]:port"; longer ones are not remembered */

/* Ready when zeroed. */
struct chunking {
	size_t next;
	size_t len[CHUNKING_SERVERS];
	char name[CHUNKING_SERVERS][CHUNKING_NAME_MAX];
};

/* Has RELAY taken BDAT so far, or never been asked? */
bool chunking_works(const struct chunking *c, struct str relay);
/* RELAY has answered BDAT as a command that it does not know. The oldest one is forgotten for it. */
void chunking_refused(struct chunking *c, struct str relay);

#endif
