/*
 * transaction - one message's envelope and, when it comes to that, its content
 *
 * Begins with MAIL, ends with the reply to DATA (or the last BDAT), with RSET, HELO, EHLO or the
 * session. There is one function that ends it, and no other way to begin the next.
 */
#ifndef POSTKEEP_SMTPD_TRANSACTION_H
#define POSTKEEP_SMTPD_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/ipc/messages.h"
#include "lib/mail/address.h"

struct content;
struct hash;
struct session;
struct submit_refusal;

struct transaction {
	struct arena *arena; /* all text of this struct */
	struct mail_address sender;
	struct str sender_text; /* external form, as it was given */
	uint64_t size;          /* SIZE=, 0 = not given */
	uint64_t ret;           /* enum dsn_ret */
	struct str envid;
	struct str verp; /* XVERP=: two characters, or empty */
	bool body_8bit;
	bool smtputf8; /* asked for */
	bool utf8;     /* an address is not ASCII */
	struct msg_rcpt *rcpts;
	size_t n_rcpts, cap_rcpts; /* without duplicates */
	size_t accepted;           /* answered with 250, duplicates included */
	size_t refused;            /* answered with "too many recipients" */
	size_t held;               /* what it counts in the sum over all */
	struct hash *seen;         /* only when there are many */
	struct content *content;   /* between chunks of BDAT, and while DATA runs */
	struct submit_refusal *no; /* a chunk of BDAT was refused before there was content */
};

struct transaction *transaction_new(void);
/*
 * The one end of a transaction: content that was not committed is given up, everything is freed, *T is
 * NULL. NULL is accepted.
 */
void transaction_end(struct transaction **t);

/*
 * Is there memory for one more recipient? Many sessions with long lists are not to take all there is; a few recipients
 * always find room.
 */
bool transaction_room(struct transaction *t);

/*
 * A recipient that was accepted: text lives in t->arena. One that stands there already, with the same
 * DSN parameters, is not taken a second time (up to LIMIT different ones are remembered).
 */
void transaction_add(struct transaction *t, const struct msg_rcpt *rcpt, unsigned limit);

#endif
