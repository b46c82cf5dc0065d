/*
 * envelope - MAIL, RCPT and XFORWARD for a message and a server
 */
#ifndef POSTKEEP_SMTP_CLIENT_ENVELOPE_H
#define POSTKEEP_SMTP_CLIENT_ENVELOPE_H

#include "lib/base/buf.h"
#include "smtp/delivery.h"

/* How the message has to go over this server. */
struct envelope {
	bool utf8;      /* SMTPUTF8 is asked for */
	bool eight_bit; /* BODY=8BITMIME is */
	bool convert;   /* 8-bit content has to be made 7-bit */
	bool dsn;       /* RET, ENVID, NOTIFY, ORCPT are */
};

/* False: it cannot go to this server, F says why. */
bool envelope_fit(
    const struct delivery *d, const struct connection *c, struct envelope *e, struct failure *f);
/*
 * The command line without CRLF, appended to OUT. False: the address cannot stand in a command, or what
 * rewrites it (smtp_generic_maps) does not answer; F says so, OUT is of no use then. May wait.
 */
bool envelope_mail(const struct delivery *d, const struct connection *c, const struct envelope *e,
    struct buf *out, struct failure *f);
bool envelope_rcpt(const struct delivery *d, const struct envelope *e,
    const struct msg_deliver_rcpt *rcpt, struct buf *out, struct failure *f);
/* False: there is nothing to tell. */
bool envelope_xforward(const struct delivery *d, const struct connection *c, struct buf *out);

#endif
