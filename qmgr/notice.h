/* notice - what senders are told, through the bounce program. */
#ifndef POSTKEEP_QMGR_NOTICE_H
#define POSTKEEP_QMGR_NOTICE_H

#include <stdbool.h>

#include "qmgr/message.h"

/* Does any recipient of MSG wait for a notice (failure or success)? */
bool notice_owed(const struct message *msg);
/*
 * Sends what is owed, on another fiber that holds a reference to MSG; marks the recipients whose
 * notice has been accepted. The round goes on when the reference is given back.
 */
void notice_send(struct message *msg);
/* The same for the one warning that a message is late: .warned is set when it was accepted. */
void notice_delay(struct message *msg, int64_t expire_at);
/*
 * Recipient INDEX has just got result O: when it is of a class that notify_classes has, the postmaster is
 * told, by bounce, at most ten times an hour per class. Its mark and reason stand already.
 */
void notice_trouble(struct message *msg, size_t index, const struct outcome *o);
/* Somebody wants everything tried now: bounce as well, even if it has just not answered. */
void notice_retry(void);

#endif
