/*
 * reply - replies of SMTP (RFC 5321 section 4.2, RFC 2034), written and read
 */
#ifndef POSTKEEP_SMTP_REPLY_H
#define POSTKEEP_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/mail/dsn.h"

#define SMTP_REPLY_LINE_MAX 512  /* CRLF included, RFC 5321 section 4.5.3.1.5 */
#define SMTP_REPLY_LINES_MAX 100 /* that are written */
#define SMTP_REPLY_READ_MAX 1000 /* that are read: some greet with all of their terms of use */
#define SMTP_REPLY_TEXT_MAX 4096 /* what is kept of a reply that was read */

/*
 * Appends a reply to OUT. DSN may be "" (then none is shown, as in replies to EHLO). An LF in TEXT
 * begins the next line of a multi-line reply; lines that are too long are continued on the next; bytes
 * that are no text are shown as '?'. CODE is 200 to 599.
 */
void smtp_reply(struct buf *out, int code, struct str dsn, struct str text);
void smtp_replyf(struct buf *out, int code, const char *dsn, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/*
 * The same from "554 5.7.1 text" as tables and libraries give it; what is missing comes from CODE and
 * DSN.
 */
void smtp_reply_text(struct buf *out, struct str text, int code, const char *dsn);

/* A reply as it is being read. Ready when zeroed. */
struct smtp_reply {
	int code;
	struct dsn dsn; /* class 0 when the peer sends none, or one of another class */
	struct buf
	    text; /* without codes; lines joined by LF; printable; at most SMTP_REPLY_TEXT_MAX */
	size_t lines;
	bool more; /* a line with '-' was the last */
};
enum smtp_reply_status {
	SMTP_REPLY_DONE,
	SMTP_REPLY_MORE,
	SMTP_REPLY_BAD, /* no line of a reply, or too many; R is as it was */
};

/*
 * Gives LINE (without its line end) to R. After DONE, reset it before the next reply. All lines ought to
 * have the same code (RFC 5321 section 4.2.1); where they do not, that of the last one counts.
 */
enum smtp_reply_status smtp_reply_line(struct smtp_reply *r, struct str line);
void smtp_reply_reset(struct smtp_reply *r);
void smtp_reply_free(struct smtp_reply *r);
/* The first line again as "554 5.7.1 text", lines joined by a blank, for logs and bounces. */
void smtp_reply_join(const struct smtp_reply *r, struct buf *out);

#endif
