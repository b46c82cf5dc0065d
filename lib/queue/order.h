/*
 * order - what an administrator's order makes of a message
 *
 * The same for qmgr and for root's tools, which do without it while it is down.
 */
#ifndef POSTKEEP_QUEUE_ORDER_H
#define POSTKEEP_QUEUE_ORDER_H

#include <stdbool.h>

#include "lib/ipc/messages.h"
#include "lib/queue/slot.h"

/* The mark that VERB makes of MARK; false when it has nothing to do. */
bool order_mark(enum admin_verb verb, struct slot_mark *mark);
/* What is said of a message to which it was done: "placed on hold". */
const char *order_done(enum admin_verb verb);

#endif
