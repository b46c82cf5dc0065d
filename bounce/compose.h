/*
 * compose - a delivery status notification (RFC 3464 in a multipart/report of RFC 6522)
 *
 * Pure: from what qmgr says of a message and its recipients to the text of a notice. Everything that
 * came from a stranger (addresses, replies, envelope IDs) is made printable and bounded on its way.
 */
#ifndef POSTKEEP_BOUNCE_COMPOSE_H
#define POSTKEEP_BOUNCE_COMPOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/ipc/messages.h"
#include "lib/mail/notice_text.h"

struct compose {
	const struct msg_notice *notice;
	struct str original; /* what is returned of the message, wire form */
	struct str myhostname;
	struct str from;                /* "MAILER-DAEMON@example.org" */
	struct str to;                  /* where the notice goes, external form */
	struct str queue_id;            /* of the notice */
	bool postmaster;                /* a copy or a double bounce for the postmaster */
	struct str subject;             /* instead of that of the text, or empty */
	const struct notice_text *text; /* what people read; NULL: the built-in one */
	int64_t now;                    /* wall seconds */
};

/* Appends the whole message, header and body, with CRLF line ends. */
void compose_notice(const struct compose *c, struct buf *out);
/* Does any part of it need UTF8SMTP (RFC 6533)? */
bool compose_needs_utf8(const struct compose *c);

#endif
