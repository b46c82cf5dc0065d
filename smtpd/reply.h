/* reply - what the client is told */
#ifndef POSTKEEP_SMTPD_REPLY_H
#define POSTKEEP_SMTPD_REPLY_H

#include "lib/base/str.h"
#include "smtpd/session.h"

/*
 * Buffers a reply; it is sent when the client has nothing more to say, see session_read_command().
 * DSN may be "". A client with too many errors is kept waiting first (smtpd_error_sleep_time), and
 * soft_bounce makes 5 into 4. Waits then.
 */
void reply(struct session *s, int code, const char *dsn, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with the text as it is; an LF begins another line. */
void reply_text(struct session *s, int code, const char *dsn, struct str text);

/*
 * A refusal that the operator should see too: replies, and logs
 *	NOQUEUE: reject: RCPT from host[address]: 554 5.7.1 text; from=<> to=<> proto=ESMTP helo=<>
 * ID: the queue ID, or empty. RECIPIENT: that it is about, or empty.
 */
void reply_reject(struct session *s, struct str id, struct str recipient, int code, const char *dsn,
    const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
