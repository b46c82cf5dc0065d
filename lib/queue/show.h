/*
 * show - what listings of the queue say of a message
 *
 * The same for qmgr and for root's tools while qmgr is down. Pure: from a message read from its slot to
 * the fields of a showq_entry.
 */
#ifndef POSTKEEP_QUEUE_SHOW_H
#define POSTKEEP_QUEUE_SHOW_H

#include "lib/conf/conf.h"
#include "lib/ipc/messages.h"
#include "lib/queue/spool.h"

#define SHOW_RCPTS 12 /* recipients in a frame: each may have a few thousand bytes of text */

/* Fills ID, sender, times and sizes of E; .state, .next, .more and .rcpts are the caller's. Views of M. */
void show_head(const struct conf *conf, const struct spool_message *m, struct msg_showq_entry *e);
/* "client mx.example.org[192.0.2.1]", "local user 1000": who brought it. Appends. */
void show_origin(const struct slot_envelope *e, struct buf *out);
/*
 * Recipient INDEX of M as a listing has it; REASON is that of its last attempt or NULL. False: it is done,
 * and not shown unless ALL. .transport and .nexthop are left empty.
 */
bool show_rcpt(const struct spool_message *m, size_t index, const struct slot_reason *reason,
    bool all, struct msg_showq_rcpt *r);

#endif
