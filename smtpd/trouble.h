/*
 * trouble - errors in a session that the postmaster wants to hear of (notify_classes)
 *
 * Replies of a wanted class are kept, a few lines of bounded length, and sent to error_notice_recipient when
 * the session ends: ten such messages an hour at most, so that who makes errors on purpose fills no mailbox.
 * A session without such errors costs nothing.
 */
#ifndef POSTKEEP_SMTPD_TROUBLE_H
#define POSTKEEP_SMTPD_TROUBLE_H

#include <stdbool.h>

#include "lib/conf/conf.h"
#include "smtpd/session.h"

/* The classes of notify_classes that a session can show, as bits. */
unsigned trouble_wanted(const struct conf *conf);
/* A reply has been given. REJECTED: by policy, it is in the log. TEXT comes from us, and from the client. */
void trouble_note(struct session *s, int code, const char *dsn, struct str text, bool rejected);
/* At the session's end: tells, and forgets. May wait for qmgr, a few seconds. */
void trouble_tell(struct session *s);

#endif
