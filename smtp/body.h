/*
 * body - the content on its way to the server, after DATA or in the chunks of BDAT
 *
 * Between the channel and the server's form stands what lib/intake/outgoing.h does to content: rewriting,
 * header checks, and the conversion to 7 bits for a server without 8BITMIME.
 *
 * A chunk goes without leave. Where a proxy lets the keyword CHUNKING pass and does not know BDAT, content
 * would be taken for commands, and its author could say what he likes in our name. So the first chunk of a
 * connection is one byte, which is no command, and the rest follows when that was accepted. (An empty chunk
 * would do, but Postfix refuses those that are not the last.)
 */
#ifndef POSTKEEP_SMTP_CLIENT_BODY_H
#define POSTKEEP_SMTP_CLIENT_BODY_H

#include "smtp/delivery.h"

#define BODY_FIRST_CHUNK 1 /* bytes */

enum body_result {
	BODY_SENT,    /* all of it, with what ends it; the answer is to be heard */
	BODY_BROKEN,  /* the connection is, before the end was sent */
	BODY_REFUSED, /* a chunk was: C->reply says why */
	BODY_LOST,    /* the channel is lost: the connection must be closed as it is */
	BODY_STOPPED, /* it cannot go this way, F says why: the connection must be closed as it is */
};

/* CONVERT: to 7 bits. F is set with BODY_STOPPED alone. */
/* Small content in its form for BDAT, appended to OUT. BODY_SENT: it is there, nothing was sent. */
enum body_result body_encode(
    struct delivery *d, struct connection *c, bool convert, struct buf *out, struct failure *f);
/* After 354: content, dots doubled, and the last dot. Waits. */
enum body_result body_send_dots(
    struct delivery *d, struct connection *c, bool convert, struct failure *f);
/* BDAT commands and chunks, the last one too; all answers but the last are heard. Waits. */
enum body_result body_send_chunks(
    struct delivery *d, struct connection *c, bool convert, struct failure *f);
/* Does the queue manager still wait for the result? Asked before the end of the message is sent. */
bool body_wanted(const struct delivery *d);

#endif
