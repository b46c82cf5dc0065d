/*
 * agent - the channel to a delivery agent, for one destination
 *
 * Two fibers: one connects, introduces the destination and sends deliveries as the agent's window
 * allows; one reads results. When the channel is lost, what was on its way is deferred: the agent may
 * have delivered it, and then says so on private/qmgr-report.
 */
#ifndef POSTKEEP_QMGR_AGENT_H
#define POSTKEEP_QMGR_AGENT_H

#include "qmgr/schedule.h"

/* A delivery was added to DEST: makes sure that it is being worked on. */
void agent_start(struct destination *dest);
/* After a reload: channels are given back as soon as what is under way on them has ended. */
void agent_let_go(void);

/* A session of private/qmgr-report: results whose channel was lost. */
struct service_client;
void agent_report_session(struct service_client *client);

/* Closes the channels that have nothing under way and waits for the others, until DEADLINE. */
void agent_drain(fiber_deadline deadline);

#endif
