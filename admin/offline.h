/*
 * offline - the queue while qmgr is down
 *
 * For root and the owner of the spool. Whoever has opened it holds the lock, so that qmgr cannot start
 * meanwhile: do what is to be done and close it.
 */
#ifndef POSTKEEP_ADMIN_OFFLINE_H
#define POSTKEEP_ADMIN_OFFLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/ipc/messages.h"
#include "lib/queue/spool.h"

struct offline;

/*
 * The spool in the working directory; root becomes its owner, for good. NULL with WHY; *BUSY: qmgr runs
 * after all.
 */
struct offline *offline_open(bool *busy, struct buf *why);
void offline_close(struct offline **o);

/* Shows every message that is not done, oldest first, as qmgr does on public/showq. */
void offline_list(
    struct offline *o, void (*show)(const struct msg_showq_entry *entry, void *arg), void *arg);
/* Shows one message as qmgr does when it is asked for it; false when there is none of that ID. */
bool offline_show(struct offline *o, struct str id,
    void (*show)(const struct msg_showq_entry *entry, void *arg), void *arg);
/* An order; answers as qmgr does. Durable when it returns. WHY: the last thing that went wrong. */
uint64_t offline_order(struct offline *o, const struct msg_admin *order, struct buf *why);
/* The slot of message ID, open, or -1. Its content can be read with lib/queue/spool.h. */
int offline_find(struct offline *o, struct str id);
/* Reads every message in full; damaged ones go to corrupt/, with a warning. Their number. */
uint64_t offline_verify(struct offline *o);

#endif
