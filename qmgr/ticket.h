/*
 * ticket - shows that an agent was given a recipient
 *
 * Each recipient of a delivery goes out with a ticket: a code over the message's queue ID and the recipient's
 * number, under a key that only the owner of the queue can read. An agent that lost its channel hands it in with
 * its report (report.h). So whoever takes an agent over can lie about the deliveries that it was given, which it
 * could anyway, and about no others.
 *
 * A ticket is good as long as the message is in the queue: IDs are never used again. The key lives in
 * slots/ticket-key, made at the first start; without it tickets that are out are worth nothing, and what they were
 * for may be delivered twice.
 */
#ifndef POSTKEEP_QMGR_TICKET_H
#define POSTKEEP_QMGR_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/ipc/messages.h"

/* Reads the key, or makes it. Before the first delivery, with the spool open. Waits. */
void ticket_start(void);
void ticket_make(struct str id, uint64_t index, char out[MSG_TICKET_SIZE]);
/* Takes the same time whatever TICKET holds. */
bool ticket_good(struct str id, uint64_t index, struct str ticket);

#endif
