/*
 * body - the content on its way to the server, after DATA or in the chunks of BDAT
 */
#ifndef POSTKEEP_SMTP_CLIENT_BODY_H
#define POSTKEEP_SMTP_CLIENT_BODY_H

#include "smtp/delivery.h"

enum body_result {
	BODY_SENT,    /* all of it, with what ends it; the answer is to be heard */
	BODY_BROKEN,  /* the connection is, before the end was sent */
	BODY_REFUSED, /* a chunk was: C->reply says why */
	BODY_LOST,    /* the channel is lost: the connection must be closed as it is */
};

/* Small content in its form for BDAT, appended to OUT. */
void body_encode(struct delivery *d, struct buf *out);
/* After 354: content, dots doubled, and the last dot. Waits. */
enum body_result body_send_dots(struct delivery *d, struct connection *c);
/* BDAT commands and chunks, the last one too; all answers but the last are heard. Waits. */
enum body_result body_send_chunks(struct delivery *d, struct connection *c);
/* Does the queue manager still wait for the result? Asked before the end of the message is sent. */
bool body_wanted(const struct delivery *d);

#endif
