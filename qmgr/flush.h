/*
 * flush - deferred mail is due now: all, one message, what goes to a site, or is from or for somebody
 *
 * What goes where is known in memory for messages that were tried and whose recipients are in one domain:
 * struct slot has a hash of it. Others are read, one after the other, and so is what is chosen by addresses.
 */
#ifndef POSTKEEP_QMGR_FLUSH_H
#define POSTKEEP_QMGR_FLUSH_H

#include "lib/base/str.h"
#include "qmgr/message.h"

/* Before anything else. */
void flush_init(void);
/* A message, of which *SITE is known so far (0 at first), has a recipient ADDRESS that is to be done. */
void flush_note(uint32_t *site, struct str address);

/* Makes due what WANTED says, all when it says nothing. How many. Waits. */
size_t flush_messages(const struct msg_flush *wanted);

enum flush_answer {
	FLUSH_STARTED,
	FLUSH_NOT_ALLOWED, /* the domain is not in fast_flush_domains */
	FLUSH_NOT_NOW,     /* the list could not be read, or another such flush is under way */
};
/* ETRN (RFC 1985): a stranger asks for the mail to SITE. Waits. */
enum flush_answer flush_for_stranger(struct str site);

#endif
