/*
 * schedule - which recipient goes where, when
 *
 * Recipients of active messages are routed and handed to their destinations (destination.h), whose
 * deliveries go over channels to an agent (agent.h). doc/scheduling.md tells the whole.
 */
#ifndef POSTKEEP_QMGR_SCHEDULE_H
#define POSTKEEP_QMGR_SCHEDULE_H

#include <stddef.h>

#include "qmgr/message.h"

/* Starts the fibers that activate what is due. */
void schedule_start(void);
/* There may be room for another active message, or something new is due. */
void schedule_wake(void);

/*
 * Routes every recipient of MSG that is to be done and queues it; msg->pending counts them. Lets others
 * run now and then when there are many.
 */
void schedule_message(struct message *msg);

/*
 * The best MX host for recipient INDEX of MSG is this machine, says the agent of FROM. True: it goes by
 * best_mx_transport instead, and gets its result from there (or has it already). False: there is none, or FROM
 * is where that leads.
 */
bool schedule_own_mx(struct message *msg, size_t index, const struct destination *from);

#endif
