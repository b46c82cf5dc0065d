/*
 * received - trace headers (RFC 5321 section 4.4, RFC 3848, RFC 6531 section 4.3)
 *
 * What comes from strangers (helo, names) is made safe here: no control byte, no unbalanced comment.
 */
#ifndef POSTKEEP_MAIL_RECEIVED_H
#define POSTKEEP_MAIL_RECEIVED_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

struct received {
	struct str myhostname;
	struct str mail_name; /* "Postkeep" */
	struct str queue_id;
	time_t time;
	/* By SMTP. */
	struct str helo;      /* as the client said it; empty if it did not */
	struct str name;      /* verified name or "unknown" */
	struct str address;   /* numeric, "192.0.2.1" or "2001:db8::1" (then written "IPv6:…") */
	struct str with;      /* received_with() */
	struct str tls;       /* "using TLSv1.3 with cipher …", empty without TLS */
	struct str login;     /* authenticated user, if to be shown */
	struct str recipient; /* "user@domain" when there is exactly one, else empty */
};

enum received_protocol {
	RECEIVED_ESMTP = 1, /* EHLO was said */
	RECEIVED_LMTP = 2,
	RECEIVED_TLS = 4,
	RECEIVED_AUTH = 8,
	RECEIVED_UTF8 = 16, /* this transaction asked for SMTPUTF8 */
};
/* "SMTP", "ESMTP", "ESMTPSA", "LMTP", "UTF8SMTPS", … */
const char *received_with(unsigned protocol);

/* Appends the whole field with its CRLFs: from … by … with … id … for …; date. */
void received_smtp(const struct received *r, struct buf *out);
/* Local submission: "by host (Postkeep, from userid 1000) id …; date". */
void received_local(const struct received *r, uid_t uid, struct buf *out);
/* The suite's own messages: "by host (Postkeep) id …; date". */
void received_internal(const struct received *r, struct buf *out);

#endif
