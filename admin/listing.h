/* listing - the queue as postqueue shows it: for people (mailq) or, a JSON object per message, for programs */
#ifndef POSTKEEP_ADMIN_LISTING_H
#define POSTKEEP_ADMIN_LISTING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/ipc/messages.h"

/* Ready when zeroed, but for .out, .json, .next and .now. */
struct listing {
	FILE *out;
	bool json;
	bool next;         /* for people: also when a message is tried next */
	int64_t now;       /* wall seconds */
	bool hidden;       /* there is mail that this user may not see */
	bool within;       /* the last frame said that more of its message follows */
	uint64_t messages; /* so far */
	uint64_t bytes;
	uint64_t rcpts;    /* of this message */
	struct buf reason; /* of the recipient before, mailq style */
};

/* A frame of the listing; frames of one message follow each other (entry->more). */
void listing_entry(struct listing *l, const struct msg_showq_entry *entry);
/* What is said where nothing is shown; HIDDEN: of others there is mail, which this user may not see. */
const char *listing_nothing(bool hidden);
/* The last line, and the end. */
void listing_end(struct listing *l);

#endif
